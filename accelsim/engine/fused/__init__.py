"""What do layers that run together, tile by tile, compute, move and hold? Nothing of it between them leaves the buffer.

In: a `Group` (geometry) and a `Tiling` (tile, modes). Out: counts, room and the problems that it runs.

```
group = group_of(network, ["conv1", "pool1", "conv2"])   # layers.py; what is not legal is refused in a line
found = measure(group, Tiling((2, 56)))                  # storage.py; all tensors keep both axes. Measure: many tilings
found.reads, found.updates, found.macs                   # words by source, of the sink; MACs by operation
found.made, found.runs, found.held, found.room           # by tensor; what is held while each operation runs
choices(found, slices)                                   # filters.py: resident filters, room and words with them
passes(found)                                            # passes.py: each distinct problem, and how often it runs
overflow(found, capacity, "GLB")                         # fit.py: None, or what does not fit and the tile that would
sequence(found)                                          # sequence.py: all of them in order, what comes and goes
```

A layer that hands finished tiles of its ofmap on is mapped as a layer: `Epilogue.of(group)` (epilogue.py) says what its
tiles bring, `evaluate(handed(epilogue, machine, nest, problem, "GLB"))` (handed.py) counts and times it.
"""
