"""What do zeros save? Slots, cycles and reads that are skipped or gated, and words that are encoded.

In: counts and schedule of the dense layer, and masks of its operands or their densities. Out: both rewritten. `slots`
takes masks, word by word; `expected` the mean over all that densities allow; `compression` the encoded words;
`cartesian` is SCNN's PE, which has rules of its own (docs/scnn.md).
"""
