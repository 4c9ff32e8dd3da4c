"""The same walk where of a tensor some channels may stay (docs/between.md, R6): of K equal blocks the last k.

A state knows a tensor of which k blocks stay by a name of its own. What a layer costs with parts is searched for when
the cheapest path asks; until then it is bounded by what it costs with each such tensor whole, and not there at all: for
one mapping energy and words are linear in the channels that stay, so the least of all mappings lies above the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import inf
from typing import NamedTuple

from accelsim.architecture.model import Architecture, Part
from accelsim.engine.vector import Moved
from accelsim.mapping.plan.channels import outside, part_of, share
from accelsim.mapping.plan.living import Between, Stay
from accelsim.mapping.plan.plan import Home, Plan
from accelsim.mapping.plan.tensors import operand
from accelsim.search.plan.costs import NEVER, NOTHING, Cost, Lone, Priced, vector_cost
from accelsim.search.plan.states import State, Step, Walk
from accelsim.workload.network import Layer
from accelsim.workload.problem import TENSORS, Problem, Tensor

MARK = "\0"
"""Between a tensor's name and how many of its blocks stay; no name has it."""


class Partly(NamedTuple):
    """An operand of which some channels live at home. share : how much of it."""

    tensor: Tensor
    part: Part
    share: float


@dataclass
class Parts(Lone):
    """Layers that run alone, some operands of which are at home in part."""

    def ask_parts(
        self, sized: Architecture, problem: Problem, homes: frozenset[Tensor], partly: tuple[Partly, ...], copied: bool,
        taken: int,
    ) -> Priced:  # fmt: skip
        """As `ask`; homes : operands that are there whole."""
        if not partly:
            return self.ask(sized, problem, homes, copied, taken)
        _, found = self._known(sized, problem, _both(homes, partly), copied)
        line = self._line(sized, problem, homes, partly, copied, taken)
        if not any(room <= taken for room, _ in found):
            return Priced(None, line, -1)  # what was searched had less room
        priced = self.ask(sized, problem, _both(homes, partly), copied, taken)
        if priced.needs >= 0 or priced.cost == NEVER:
            return priced
        return Priced(None, Cost(*map(max, priced.cost, line)), -1)

    def _line(
        self, sized: Architecture, problem: Problem, homes: frozenset[Tensor], partly: tuple[Partly, ...], copied: bool,
        taken: int,
    ) -> Cost:  # fmt: skip
        """What a layer with parts costs at least."""
        energy = words = 0.0
        cycles = float("inf")
        for chosen in product((False, True), repeat=len(partly)):
            weight, there = 1.0, set(homes)
            for whole, one in zip(chosen, partly, strict=True):
                weight *= one.share if whole else 1 - one.share
                there |= {one.tensor} if whole else set()
            both = copied and Tensor.PSUM in there
            _, found = self._known(sized, problem, there, both)
            # a tensor whole in the room of a part of it: no true layer, so it may not have been searched with so much
            least = min(taken, self.least(sized, problem, homes))
            if not any(room <= taken for room, _ in found):
                self.look(sized, problem, frozenset(there), both, least)
            cost = self.ask(sized, problem, there, both, taken).cost
            if cost == NEVER:
                return NOTHING  # psums in progress of a whole ofmap may not fit where those of a part do
            energy, words = energy + weight * cost.energy, words + weight * cost.words
            cycles = min(cycles, cost.cycles)
        return Cost(energy, cycles, words)

    def look_parts(
        self, sized: Architecture, problem: Problem, homes: frozenset[Tensor], partly: tuple[Partly, ...], copied: bool,
        taken: int,
    ) -> None:  # fmt: skip
        """Search with so much of the home taken."""
        if not partly:
            self.look(sized, problem, homes, copied, taken)
            return
        _, found = self._known(sized, problem, _both(homes, partly), copied)
        parts = {one.tensor: one.part for one in partly}
        stay = Stay({t: self.wanted.home for t in TENSORS if t in homes}, taken, parts=parts)
        found.append((taken, self.searched_in(sized, problem, stay, copied)))


def _both(homes: frozenset[Tensor], partly: Iterable[Partly]) -> frozenset[Tensor]:
    """What a layer finds at home, as a key."""
    return frozenset({*homes, *partly})  # type: ignore[arg-type]


@dataclass
class Parted(Walk):
    """A search where some of `blocks` blocks of a tensor's channels may stay."""

    blocks: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lone = self.own = Parts(self.wanted)

    # ---- what may be ---------------------------------------------------------------------------------------------

    @cached_property
    def homes(self) -> dict[str, tuple[str, Home, Between]]:
        """By the name of a part, its tensor, its home, and a plan of it alone."""
        found: dict[str, tuple[str, Home, Between]] = {}
        for name in self.between.tensors:
            if name not in self.between.plan.resident or name in self.refused:
                continue
            channels, seen = self.network.shape(name).C, set()
            for stay in range(1, self.blocks):
                home = Home(self.wanted.home, "", (stay, self.blocks))
                first = outside(home, channels)
                if first in seen or self.between.why_not_parts(name, home):
                    continue
                seen.add(first)
                alone = replace(self.between, plan=Plan({name: home}))
                found[f"{name}{MARK}{stay}"] = name, home, alone
        return found

    @cached_property
    def bits(self) -> dict[str, int]:
        """Room of each tensor, and each part of one, that may stay."""
        found = {one: between.bits(name) for one, (name, _, between) in self.homes.items()}
        return {**Walk.bits.func(self), **found}  # type: ignore[attr-defined]

    @cached_property
    def readers(self) -> dict[str, list[int]]:
        """By tensor, and part of one, who reads it, by index."""
        found: dict[str, list[int]] = Walk.readers.func(self)  # type: ignore[attr-defined]
        return {**found, **{one: found[name] for one, (name, _, _) in self.homes.items()}}

    def parts_in(self, state: State) -> dict[str, str]:
        """By tensor, the part of it that a state has."""
        return {one.partition(MARK)[0]: one for one, _ in state if MARK in one}

    # ---- steps ---------------------------------------------------------------------------------------------------

    def alone(self, place: int, state: State) -> Iterator[Step]:
        """Every way to run one layer alone from a state."""
        layer, there = self.network.layers[self.order[place]], self.parts_in(state)
        reads = [there.get(name, "") for name in layer.inputs]
        if not any(reads):
            yield from super().alone(place, state)
        inside = {name for name, _ in state}
        whole = []
        for name in layer.inputs:
            parts = self.between.parts[name]
            whole.append(all(part in inside for part in parts))
            if not whole[-1] and any((part, False) in state for part in parts):
                return
        outputs: list[tuple[bool | None, str]] = [(stays, "") for stays in self._stays(layer)] if any(reads) else []
        if self.resident:
            both = (True,) if self.between.tensors[layer.name].output else (False, True)
            mine = [f"{layer.name}{MARK}{stay}" for stay in range(1, self.blocks)]
            outputs += [(copied, one) for one in mine if one in self.homes for copied in both]
        for stays, part in outputs:
            now = part or (layer.name if stays is not None else "")
            taken = self.taken(state) + (self.bits[now] if now else 0)
            if not self.fits(taken):
                continue
            cost, known = self._in_parts(layer, whole, reads, stays, part, taken)
            if cost != NEVER:
                yield Step(place, place + 1, state, stays, cost, known, part=part)

    def _in_parts(
        self, layer: Layer, whole: list[bool], reads: list[str], stays: bool | None, part: str, taken: int
    ) -> tuple[Cost, bool]:
        sized, images, cost, known = self.sized(layer), self.network.images(layer), NOTHING, True
        if layer.problem is not None:
            homes, partly = self._found(layer, whole, reads, stays, part)
            priced = self.own.ask_parts(sized, layer.problem, homes, partly, bool(stays), taken)
            cost, known = priced.cost, priced.needs >= 0
        if layer.problem is None or layer.vector_ops:
            moved = self._moved_in_parts(layer, whole, reads, stays, part)
            cost = cost.plus(vector_cost(self.wanted, sized, moved.times(images), layer.vector_ops * images))
        if stays is not None:
            zeros = self._zeros(layer)
            much = self._share(part) if part else 1.0
            cost = cost.plus(Cost(*(each * much for each in zeros)))
        return Cost(*(each * layer.repeat for each in cost)), known

    def _found(
        self, layer: Layer, whole: list[bool], reads: list[str], stays: bool | None, part: str
    ) -> tuple[frozenset[Tensor], tuple[Partly, ...]]:
        """Operands of a layer that are at home whole, and those of which some channels are."""
        homes, partly = set[Tensor](), []
        ends = [(operand(layer, k), here, one) for k, (here, one) in enumerate(zip(whole, reads, strict=True))]
        ends.append((Tensor.PSUM, stays is not None and not part, part))
        for what, here, one in ends:
            if what is None or layer.problem is None:
                continue
            if one and (found := part_of(self.homes[one][1], layer.problem, what)):
                partly.append(Partly(what, found, self._share(one)))
            elif here:
                homes.add(what)
        return frozenset(homes), tuple(partly)

    def _share(self, part: str) -> float:
        name, home, _ = self.homes[part]
        return float(share(home, self.network.shape(name).C))

    def _moved_in_parts(
        self, layer: Layer, whole: list[bool], reads: list[str], stays: bool | None, part: str
    ) -> Moved:
        read, written = self.network.traffic(layer)
        if layer.moves is not None or layer.problem:
            return Moved(read, written)
        inside = 0
        for name, here, one in zip(layer.inputs, whole, reads, strict=True):
            shape = self.network.shape(name)
            inside += int(shape.words * share(self.homes[one][1], shape.C)) if one else shape.words * here
        kept = 0 if stays is None else written
        if part:
            kept = int(written * share(self.homes[part][1], layer.shape.C))
        return Moved(read - inside, written if stays else written - kept, inside, kept, self.wanted.home)

    def look(self, step: Step, until: float = inf) -> None:
        """Search what is not known of a step, as long as there is time."""
        layer = self.network.layers[self.order[step.begin]]
        there = self.parts_in(step.before)
        reads = [there.get(name, "") for name in layer.inputs]
        if step.way >= 0 or not (any(reads) or step.part):
            super().look(step, until)
            return
        assert layer.problem is not None
        inside = {name for name, _ in step.before}
        whole = [all(part in inside for part in self.between.parts[name]) for name in layer.inputs]
        now = step.part or (layer.name if step.stays is not None else "")
        taken = self.taken(step.before) + (self.bits[now] if now else 0)
        homes, partly = self._found(layer, whole, reads, step.stays, step.part)
        self.own.look_parts(self.sized(layer), layer.problem, homes, partly, bool(step.stays), taken)

    def together(self, begin: int, end: int, state: State, only_known: bool = False) -> Iterator[Step]:
        """Every way to run a group from a state; none reads a tensor that is there in part."""
        if not self._reads_parts(begin, end, state):
            yield from super().together(begin, end, state, only_known)

    def attending(self, place: int, state: State) -> Iterator[Step]:
        """An attention as a group; it reads no tensor that is there in part."""
        if not self._reads_parts(place, place + 3, state):
            yield from super().attending(place, state)

    def _reads_parts(self, begin: int, end: int, state: State) -> bool:
        there = self.parts_in(state)
        layers = (self.network.layers[i] for i in self.order[begin:end])
        return bool(there) and any(name in there for layer in layers for name in layer.inputs)

    # ---- the plan ------------------------------------------------------------------------------------------------

    def plan_of(self, path: list[Step]) -> Plan:
        """The plan that a path is."""
        plan = super().plan_of(path)
        homes = dict(plan.resident)
        for k, step in enumerate(path):
            if step.part:
                name, home, _ = self.homes[step.part]
                homes[name] = replace(self._home(step.part, path[k + 1 :]), parts=home.parts)
        return replace(plan, resident=homes)
