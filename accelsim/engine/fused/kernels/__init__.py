"""Numba kernels of this room: free functions over arrays; no object, string or exception of ours crosses this line."""
