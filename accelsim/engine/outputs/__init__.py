"""Is the output right? The mapping's loop nest carried out on integers, to be compared with numpy's convolution.

In: a `Program` and operands. Out: the ofmap as the machine would add it up.
"""
