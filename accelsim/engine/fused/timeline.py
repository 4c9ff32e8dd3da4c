"""What happens in a window of a fused group's cycles: its passes, inside them as in a layer; what comes and goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture
from accelsim.engine.counts import Timing
from accelsim.engine.fused.schedule import Clock, Fetches, Filters, timed
from accelsim.engine.fused.waits import Waits
from accelsim.engine.timeline import DETAIL, Timeline
from accelsim.engine.timeline import observe as observe_layer
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.problem import Problem, Tensor

Ints = npt.NDArray[np.int64]
FIRST = "first"


class Inside(NamedTuple):
    """A pass that multiplies, run by itself on the machine as passes find it."""

    machine: Architecture
    problem: Problem
    nest: LoopNest
    timing: Timing


@dataclass(frozen=True, eq=False)
class Ran:
    """A group that has run, and the names of what is in it.

    layers : as the network has them. operands : as which operand each source comes. levels : where words come from, and
    their home. ports : of the clock's columns. which : int64[pass], of what kind each is; insides : by kind, None: a
    pass of the vector unit. tiles : int64[tile, axis], where each begins; axes : their names. launch : cycles before
    the clock begins, in which the group is started.
    """

    clock: Clock
    layers: tuple[str, ...]
    operands: tuple[Tensor, ...]
    levels: tuple[str, str]
    ports: tuple[str, ...]
    which: Ints
    insides: tuple[Inside | None, ...]
    tiles: Ints
    axes: tuple[str, ...]
    launch: int = 0

    @cached_property
    def waits(self) -> Waits:
        """What everything of it waited for."""
        return Waits(self.clock)

    @property
    def processing(self) -> Ran:
        """The same where transfers of the outermost level take no time: passes alone."""
        schedule = self.clock.schedule
        ports = len(self.ports)
        away = np.full((len(schedule.layers), ports), -1)
        filters = Filters(away, np.zeros(len(away), np.bool_), np.zeros(len(away), np.int64))
        alone = replace(
            schedule, fetches=Fetches.none(ports), filters=filters, drains=np.full_like(schedule.drains, -1)
        )  # fmt: skip
        return replace(self, clock=timed(alone))

    def own(self, span: tuple[int, int]) -> tuple[int, int]:
        """Some cycles of the group as cycles of its clock; none where it is only started."""
        return max(span[0] - self.launch, 0), max(span[1] - self.launch, 0)

    def tile(self, number: int) -> str:
        """Where a tile begins: 'P8 Q28'; axes at 0 are left out."""
        firsts = self.tiles[number].tolist()
        return " ".join(f"{axis}{at}" for axis, at in zip(self.axes, firsts, strict=True) if at) or FIRST


@dataclass(frozen=True, eq=False)
class GroupTimeline:
    """A window of a group's cycles, from when it is started.

    span : the cycles from and to which. cycles : of the group. Of its clock they are fewer: see `Ran`. passes,
    transfers, drains : those of the window, or that a stall of it is charged to. inner : of the passes of the window
    (pass -> what happens in it, in cycles of its own). joined : whether passes are told in sum: how long they compute,
    and stand still for what.
    """

    ran: Ran
    span: tuple[int, int]
    cycles: int
    passes: range
    transfers: Ints
    drains: Ints
    inner: dict[int, Timeline] = field(default_factory=dict)
    joined: bool = False

    @property
    def started(self) -> GroupTimeline:
        """The same in cycles of the clock."""
        return replace(
            self, ran=replace(self.ran, launch=0), span=self.ran.own(self.span), cycles=self.ran.clock.cycles
        )  # fmt: skip

    @property
    def many(self) -> int:
        """Lines of it."""
        return 2 * len(self.passes) + len(self.transfers) + len(self.drains) + sum(x.many for x in self.inner.values())


def observe(ran: Ran, span: tuple[int, int], most: int, processing: bool = False) -> GroupTimeline | int:
    """Look at a group from one cycle to another.

    most : lines at most. processing : leave out what comes from the outermost level and goes there.
    Returns the window; or, where it holds more than `most` lines, the cycle up to which it holds as many, about.
    """
    ran = ran.processing if processing else ran
    clock, (low, high) = ran.clock, ran.own(span)
    first = int(np.searchsorted(clock.ends, low, "right"))
    last = int(np.searchsorted(clock.begins - clock.gap, high, "left"))
    transfers = np.flatnonzero((clock.come > clock.came) & (clock.come > low) & (clock.came < high))
    drains = np.flatnonzero((clock.gone > clock.left) & (clock.gone > low) & (clock.left < high))
    found = GroupTimeline(ran, span, ran.launch + clock.cycles, range(first, last), transfers, drains)
    if found.many > most:
        return span[0] + (span[1] - span[0]) * most // found.many
    inner = _inside(found, min(most - found.many, DETAIL))
    joined = inner is None and any(ran.insides[kind] for kind in set(ran.which[first:last].tolist()))
    return replace(found, inner=inner or {}, joined=joined)


def _inside(found: GroupTimeline, most: int) -> dict[int, Timeline] | None:
    """What happens in the passes of a window; None: more than so many lines. Passes alike are looked at once."""
    ran, (low, high) = found.ran, found.ran.own(found.span)
    clock, cycles = ran.clock, ran.clock.schedule.cycles
    known: dict[tuple[int, int, int], Timeline] = {}
    inner: dict[int, Timeline] = {}
    for k in found.passes:
        kind, begins, whole = int(ran.which[k]), int(clock.begins[k]), int(cycles[k])
        one = ran.insides[kind]
        # its last unit may run later, behind the rest of its filter
        since, until = max(low - begins - int(clock.stretch[k]), 0), min(high - begins, whole)
        if one is None or since >= until:
            continue
        key = kind, since, until
        if key not in known:
            seen = observe_layer(one.machine, one.nest, one.problem, None, (since, until), whole, most)
            if isinstance(seen, int):
                return None
            known[key] = seen
        inner[k] = known[key]
        most -= known[key].many
        if most < 0:
            return None
    return inner


def tiles_of(*firsts: Sequence[int] | Ints) -> Ints:
    """int64[tile, axis]: every tile of a grid of these beginnings, the last axis fastest."""
    grid = np.meshgrid(*(np.asarray(each, np.int64) for each in firsts), indexing="ij")
    return np.stack([axis.reshape(-1) for axis in grid], axis=1)
