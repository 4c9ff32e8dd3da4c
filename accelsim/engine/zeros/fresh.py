"""Psum words that start from nothing inside the PEs, and how many of them start with a slot that multiplies nothing.

Where all versions begin alike that is a product (`Slots.idle_at`); else the steps are walked, window by window.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.records import NDIMS
from accelsim.engine.program import PSUM, Ints, Program
from accelsim.engine.timing.schedule import psum_accumulates
from accelsim.engine.timing.windows import Outline, Window
from accelsim.engine.zeros.kernels import fresh as kernel
from accelsim.engine.zeros.slots import Slots

Flags = npt.NDArray[np.uint8]
Known = npt.NDArray[np.bool_]


class Chain:
    """The psum streams of a layer, outermost first, and which of their versions find words, as they come.

    A child is refilled if it is the one at index 0 of what its parent's network adds, and the parent holds the word: it
    was itself refilled, or drained into since.

    begin : of each stream, first steps of the last version before a window and of those in it. held : bool[version, pe
    class], whether words exist before the version; classes are those of `slots.pe_offsets`.
    """

    def __init__(self, program: Program, edges: Ints) -> None:
        self.streams = [x for x in range(len(edges)) if edges[x, 0] == PSUM]
        self.refilled = [not psum_accumulates(program.architecture, edges[x].tolist()) for x in self.streams]
        self.classes = np.arange(1 << sum(1 for edge in program.edges if edge[0] == PSUM))
        count = len(self.streams)
        self.begin: list[Ints] = [np.zeros(0, np.int64)] * count
        self.held: list[Known] = [np.zeros((0, len(self.classes)), np.bool_)] * count
        # of each stream, its first version under the parent's last one
        self._since = [0] * count

    def take(self, window: Window) -> tuple[Flags, Ints]:
        """(uint8[version, pe class], int64[version] first steps): words of the innermost stream that start afresh."""
        for i, x in enumerate(self.streams):
            rows = window.schedule.rows(x)
            if rows.stop > rows.start:
                begin, back = window.schedule.begin[rows], window.schedule.back[rows]
                held = self._exists(i, begin, back, int(window.before[x])) & self.refilled[i]
                self.begin[i] = np.concatenate([self.begin[i][-1:], begin])
                self.held[i] = np.concatenate([self.held[i][-1:], held])
        number = int(window.schedule.number[self.streams[-1]])
        new = slice(len(self.begin[-1]) - number, None)
        return (~self.held[-1][new]).astype(np.uint8), self.begin[-1][new]

    def _exists(self, i: int, begin: Ints, back: Ints, before: int) -> Known:
        """bool[version, pe class]: whether the child that is refilled finds its words, if it is."""
        earlier = back >= 0
        lowest = ((self.classes >> i) & 1).astype(bool)
        if i == 0:
            first: Known = earlier[:, None] & lowest
            return first
        above = self.begin[i - 1]
        serving = np.searchsorted(above, begin, side="right") - 1
        # its own versions begin with those of its parent
        since = before + np.searchsorted(begin, above[serving])
        since[above[serving] < begin[0]] = self._since[i]
        self._since[i] = int(since[-1])
        found: Known = ((earlier & (back >= since))[:, None] | self.held[i - 1][serving]) & lowest
        return found


class IdleFirstSlots:
    """Fresh psum words whose first slot multiplies nothing, found step by step; idle : so far."""

    def __init__(self, program: Program, slots: Slots, edges: Ints) -> None:
        self.inside, self.chain, self.idle = slots.inside(), Chain(program, edges), 0
        loops = len(self.inside.loops)
        self.walked = kernel.Walked(*(np.zeros(size, np.int64) for size in (loops, loops, NDIMS, 2)))
        self.fresh, self.begin = np.zeros((0, len(self.chain.classes)), np.uint8), np.zeros(0, np.int64)
        if not self.chain.streams:
            # the outermost level is the PE: one version, of the whole layer
            self.fresh, self.begin = np.ones((1, len(self.chain.classes)), np.uint8), np.zeros(1, np.int64)

    def take(self, window: Window) -> None:
        """Add what begins in a window."""
        if self.chain.streams:
            fresh, begin = self.chain.take(window)
            done = max(int(self.walked.at[1]) - 1, 0)
            self.fresh, self.begin = (
                np.concatenate([self.fresh[done:], fresh]),
                np.concatenate([self.begin[done:], begin]),
            )
            self.walked.at[1] -= done
        until = window.first + len(window.schedule.step_n)
        self.idle += int(kernel.idle_first_slots(self.inside, until, self.fresh, self.begin, self.walked))


def psums_start_afresh(program: Program, found: Outline) -> bool:
    """Whether no version of the innermost psum finds words of its own: what `Chain` would find of all."""
    held, edges = False, found.tables.edges
    for x in (x for x in range(len(edges)) if edges[x, 0] == PSUM):
        held = (held or bool(found.taken_up[x])) and not psum_accumulates(program.architecture, edges[x])
    return not held
