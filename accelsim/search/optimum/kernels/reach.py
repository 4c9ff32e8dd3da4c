"""The least over all tiles that hold a tile."""

from __future__ import annotations

from accelsim.jit import njit


@njit(cache=True, nogil=True)
def reached(values, sides, may, free):
    """Replace every value by the least of those of tiles that may hold its own, larger along the free dims.

    values : float64[tile], the last dim fastest. sides : int64[dim], tiles of each dim, rising. may : int64[dim, tile,
    tile], whether the second may hold the first. free : int64[dim].
    """
    stride = 1
    for d in range(sides.shape[0] - 1, -1, -1):
        n = sides[d]
        if free[d]:
            for block in range(values.shape[0] // (stride * n)):
                first = block * stride * n
                for i in range(n):
                    for j in range(i + 1, n):
                        if may[d, i, j]:
                            for s in range(stride):
                                other = values[first + j * stride + s]
                                if other < values[first + i * stride + s]:
                                    values[first + i * stride + s] = other
        stride *= n
