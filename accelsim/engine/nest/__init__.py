"""What do the loops of a mapping say of any tile? Extents, steps, carries and edges, which every other room asks.

In: loops of a `Program`, as arrays. Out: tiles and how they follow one another; nothing is counted or timed here.
"""
