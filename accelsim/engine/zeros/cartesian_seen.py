"""What SCNN's PEs do in a window of a layer's cycles: every block, and what each PE waits for between two barriers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.engine.counts import Timing
from accelsim.engine.zeros.cartesian_walk import (
    Group,
    Ints,
    Pair,
    Plan,
    SubTile,
    axes,
    channel_groups,
    machine_of,
    pe_row,
    plan,
    sub_tiles,
)
from accelsim.engine.zeros.kernels import cartesian as kernel
from accelsim.engine.zeros.kernels import cartesian_seen as seen
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import TENSORS, Problem

DETAIL = 200_000
"""Lines of a window that are told one by one, about."""


class Barrier(NamedTuple):
    """What lies between two barriers: a sub-tile and a group of output channels of one image's convolution group.

    span : the layer's cycles from and to which. channels : output channels, the first and past the last.
    lines : int64[line, 9], see `kernels.cartesian_seen`, those in the window. totals : int64[PE, 5], see there, of
    all of it. working : int64[], PEs that have a word; nobody waits for the others.
    """

    span: Pair
    image: int
    part: int
    cut: Pair
    channels: Pair
    lines: Ints
    totals: Ints
    working: Ints


@dataclass(frozen=True)
class PeTimeline:
    """A window of a layer's cycles on Cartesian PEs.

    span : the cycles from and to which. cycles : of the layer. barriers : those in the window, in order. stall : what
    DRAM takes longer than all of them, by the name of the stall, at the layer's end; None: it does not. joined :
    whether blocks of a PE that follow each other without a gap are one line.
    """

    architecture: Architecture
    problem: Problem
    plan: Plan
    span: Pair
    cycles: int
    barriers: tuple[Barrier, ...]
    stall: tuple[str, int, int] | None
    joined: bool

    @property
    def many(self) -> int:
        """Lines of it."""
        return sum(len(each.lines) for each in self.barriers)


def observe(
    architecture: Architecture,
    problem: Problem,
    masks: Masks,
    span: Pair,
    timing: Timing,
    most: int,
    processing: bool = False,
    joined: bool | None = None,
) -> PeTimeline | int:
    """Look at a layer from one cycle to another.

    masks : as of `engine.evaluate`. timing : of the layer, as that found it. most : lines at most.
    processing : leave DRAM out, as the processing latency does.
    joined : see `PeTimeline`; None: where there would be more than some `DETAIL` lines.

    Returns
    -------
    The window; or, where it holds more than `most` lines, the cycle up to which it holds as many.
    """
    layout, cycles = plan(architecture, problem), timing.processing if processing else timing.cycles
    if joined is None:
        joined = _lines(problem, layout) * (span[1] - span[0]) > DETAIL * max(cycles, 1)
    shown: list[Barrier] = []
    left, at = most, 0
    for one in _barriers(architecture, problem, layout, masks):
        if at >= span[1]:
            break
        found = one.look(at, span, joined, left)
        left -= len(found.lines)
        if left < 0:
            return _holds([*shown, found], most)
        at = found.span[1]
        if found.span[0] < at and at > span[0]:
            shown.append(found)
    stall = None
    for name, more in ({} if processing else timing.stalls).items():
        stall = name, timing.compute, timing.compute + more
    return PeTimeline(architecture, problem, layout, span, cycles, tuple(shown), stall, joined)


def _lines(problem: Problem, layout: Plan) -> int:
    """Blocks of a layer, on every PE that has a word."""
    barriers = problem["N"] * problem["G"] * layout.groups * layout.cuts[0] * layout.cuts[1]
    return barriers * problem["C"] * problem.stride[0] * problem.stride[1] * layout.active_pes


def _holds(shown: list[Barrier], most: int) -> int:
    """The cycle before which as many lines begin."""
    begins = np.concatenate([one.lines[:, seen.BEGIN] for one in shown])
    return int(np.partition(begins, most)[most])


@dataclass(frozen=True)
class _Work:
    """One barrier's work, before it is looked at."""

    image: int
    part: int
    tile: SubTile
    group: Group
    channels: Pair
    pe: Ints
    outputs: Ints
    pes: int

    def look(self, at: int, span: Pair, joins: bool, left: int) -> Barrier:
        """What is done of it in a window, if it begins in cycle `at`; one line more than `left` at most."""
        words = self.tile.words, self.tile.ends, self.group.taps, self.group.ends
        lines, totals = np.empty((0, 9), np.int64), np.zeros((self.pes, 5), np.int64)
        if at < span[0]:
            # most of what lies before the window need not be told
            busy = np.zeros(self.pes, np.int64)
            cycles = int(kernel.run(*words, self.pe, self.outputs, self.tile.working, busy))
        if at >= span[0] or at + cycles > span[0]:
            blocks = len(self.group.ends) - 1
            room = min(left + 1, len(self.tile.working) * 2 * (blocks + 1))
            window = np.array([span[0] - at, span[1] - at])
            look = seen.Look(
                window, joins, np.empty((room, 9), np.int64), np.zeros(1, np.int64), np.full(self.pes, -1), totals
            )
            cycles = int(seen.observe(*words, self.pe, self.outputs, self.tile.working, look))
            lines = look.lines[: min(room, int(look.seen[0]))].copy()
            lines[:, [seen.BEGIN, seen.END]] += at
        told = self.image, self.part, self.tile.cut, self.channels
        return Barrier((at, at + cycles), *told, lines, totals, self.tile.working)


def _barriers(architecture: Architecture, problem: Problem, layout: Plan, masks: Masks) -> Iterator[_Work]:
    """All barriers of a layer, in order."""
    ifmap, weights = (masks.words(problem, tensor) for tensor in TENSORS[:2])
    pe, outputs = pe_row(machine_of(architecture)), axes(problem, layout)[:, kernel.OUTPUTS].copy()
    pes = layout.grid[0] * layout.grid[1]
    for n, image in enumerate(ifmap):
        for g, (planes, filters) in enumerate(zip(image, weights, strict=True)):
            for tile in sub_tiles(architecture, problem, layout, planes):
                for group in channel_groups(architecture, problem, layout, filters):
                    channels = group.first, min(group.first + layout.group, problem["M"])
                    yield _Work(n, g, tile, group, channels, pe, outputs, pes)
