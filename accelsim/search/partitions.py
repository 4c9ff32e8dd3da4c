"""Partitions of memories as the kernels of a search read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.engine.program import Ints
from accelsim.workload.problem import TENSORS, Tensor


def partitions_of(
    machine: Architecture, bypass: Mapping[int, frozenset[Tensor]], levels: Iterable[int]
) -> tuple[Ints, Ints]:
    """(int64[partition, 4], level and slots of each tensor it holds; int64[partition], bits) of some levels."""
    rows, limits = [], []
    for index in levels:
        level, passing = machine.levels[index], bypass.get(index, frozenset())
        for partition in level.capacity:
            held = [t in partition.tiled and t in level.keeps and t not in passing for t in TENSORS]
            rows.append([index, *(level.slots(t) if here else 0 for t, here in zip(TENSORS, held, strict=True))])
            limits.append(partition.free)
    return np.array(rows, np.int64).reshape(-1, 4), np.array(limits, np.int64)
