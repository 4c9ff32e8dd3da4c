"""Orders of a level's loops that differ in what they cost (docs/optimum.md, "Orders")."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import permutations, product

import numpy as np

from accelsim.engine.program import Ints
from accelsim.search.optimum.kernels.settle import LOOPS, Orders
from accelsim.search.space import GROUPS
from accelsim.workload.problem import DIMS

CODES = {dim: 2 * g + a for g, dims in enumerate(GROUPS) for a, dim in enumerate(dims) if dim in DIMS}
"""A dim as the kernels number it: its group, and which of the group's it is."""
INNERMOST = (
    *permutations("MPR"), *permutations("MQS"), ("P", "Q", "N"), ("Q", "P", "N"), ("R", "S", "C"),
    ("S", "R", "C"), ("N", "P", "Q"), ("C", "R", "S"),
)  # fmt: skip
"""Sequences, innermost first, of loops that let a tile stay or slide; what else there is lies outside them."""


@cache
def orders() -> tuple[Orders, Ints]:
    """Every order that differs of every set of loops, and int64[1 << codes] where a set's are."""
    masks, first, loops = np.zeros(1 << 2 * len(GROUPS), np.int64), [0], []
    for n, present in enumerate(product((False, True), repeat=len(CODES))):
        dims = [dim for dim, there in zip(CODES, present, strict=True) if there]
        masks[sum(1 << CODES[dim] for dim in dims)] = n
        found = {_whole(dims, inner) for inner in INNERMOST}
        for order in sorted(found):
            loops.append([CODES[dim] for dim in order] + [-1] * (LOOPS - len(order)))
        first.append(len(loops))
    return Orders(np.array(first, np.int64), np.array(loops, np.int64), fixed({}, 1)), masks


def fixed(innermost: Mapping[int, tuple[str, ...]], levels: int) -> Ints:
    """int64[level, loop]: the loops that are innermost at a level, the innermost first; -1: no more."""
    out = np.full((levels, LOOPS), -1, np.int64)
    for level, dims in innermost.items():
        own = [CODES[dim] for dim in reversed(dims) if dim in CODES]
        out[level, : len(own)] = own
    return out


def _whole(dims: list[str], innermost: tuple[str, ...]) -> str:
    """All loops of a level, outermost first, with these innermost; G outermost."""
    inside = [dim for dim in innermost if dim in dims]
    outside = sorted((dim for dim in dims if dim not in inside), key="GNMCPQRS".index)
    return "".join(outside + inside[::-1])
