"""Which layers is a graph? In: nodes with their shapes. Out: the keys of a workload file, and what of it they cover."""
