"""Banks of DRAM: which rows are opened, and how long do transfers take.

In: the transfers of a layer in their order, and a device's timings. Out: the time of each, row hits, misses and
conflicts (docs/dram.md).
"""
