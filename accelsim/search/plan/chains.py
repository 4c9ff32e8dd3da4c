"""Layers that hand their tiles to those behind them, as steps of a walk over the run order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from accelsim.mapping.plan.plan import Group
from accelsim.search.plan.costs import NEVER, Cost
from accelsim.search.plan.handing import Asked, Handings, may_hand

if TYPE_CHECKING:
    from accelsim.search.plan.states import State, Walk

Handed = tuple[int, bool | None, Cost, bool]
"""The place behind its last layer, where the output stays, what it costs, whether that is known."""


class Chains:
    """Those of one walk. known : what was searched."""

    def __init__(self, walk: Walk) -> None:
        self.walk, self.known = walk, Handings(walk.wanted)

    @cached_property
    def ends(self) -> dict[int, list[int]]:
        """By the place of a layer, the places behind those that it may hand its tiles to."""
        found: dict[int, list[int]] = {}
        for (begin, end), group in self.walk.groups.items():
            first = self.walk.network.layers[self.walk.order[begin]]
            if first.problem is not None and not first.vector_ops and may_hand(group):
                found.setdefault(begin, []).append(end)
        return found

    def steps(self, begin: int, state: State) -> Iterator[Handed]:
        """Every one from a state."""
        for end in self.ends.get(begin, ()):
            if self._torn(begin, end, state):
                continue
            for stays in self.walk.stays(end - 1):
                asked, taken = self._asked(begin, end, state, stays)
                if not self.walk.fits(taken):
                    continue
                priced = self.known.ask(asked, taken, self.walk.sized, self.walk.value)
                if priced.cost != NEVER:
                    yield end, stays, priced.cost, priced.needs >= 0

    def look(self, begin: int, end: int, state: State, stays: bool | None) -> None:
        """Search one in the room there is."""
        self.known.look(*self._asked(begin, end, state, stays), self.walk.sized, self.walk.value)

    def group(self, begin: int, end: int, state: State, stays: bool | None) -> Group:
        """One that is known, as a plan has it."""
        asked, taken = self._asked(begin, end, state, stays)
        tile = self.known.ask(asked, taken, self.walk.sized, self.walk.value).tile
        assert tile is not None
        layers = tuple(self.walk.network.layers[i].name for i in self.walk.order[begin:end])
        return Group(layers, tile.P, tile.Q, M=tile.M, epilogue=True)

    def _torn(self, begin: int, end: int, state: State) -> bool:
        """Whether some words of what a group reads are nowhere but on the chip, and others are not there."""
        inside = {name for name, _ in state}
        return any(
            not all(part in inside for part in parts) and any((part, False) in state for part in parts)
            for parts in (self.walk.between.parts[source.name] for source in self.walk.groups[begin, end].sources)
        )

    def _asked(self, begin: int, end: int, state: State, stays: bool | None) -> tuple[Asked, int]:
        """What is asked of one, and the bits that are taken of its home."""
        walk, group, inside = self.walk, self.walk.groups[begin, end], {name for name, _ in state}
        first, last = (walk.network.layers[walk.order[place]] for place in (begin, end - 1))
        parts = {one.name: walk.between.parts[one.name] for one in group.sources}
        at_home = {name for name, own in parts.items() if all(part in inside for part in own)}
        read = group.ops[0].reads[0].tensor
        own = sum(walk.bits[part] for part in parts[read]) if read in at_home else 0
        mine = walk.bits[last.name] if stays is not None else 0
        at_home |= {last.name} if stays is not None else set()
        asked = Asked(group, walk.shape(begin, end), first, last, frozenset(at_home), stays is not False, own + mine)
        return asked, walk.taken(state) + mine
