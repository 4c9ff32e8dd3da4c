"""Numba kernels: free functions over arrays; no object, string or exception of ours crosses this line.

Each imports `njit` from `jit.py` here, never from numba: its cache looks at all sources at once.
"""
