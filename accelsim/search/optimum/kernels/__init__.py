"""Kernels of the search of the whole mapspace."""
