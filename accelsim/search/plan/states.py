"""The walk over the run order: at each layer, what lives on the chip; each step a layer alone, or a group (FUSION, S2).

Steps are priced by what is known of them, at least by bounds from below; those of the cheapest path that are not known
are searched, and the walk begins anew, until a path is cheapest and known: then nothing cheaper is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any, NamedTuple

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.energy.floor import access
from accelsim.engine.fused.attention import Blocks
from accelsim.engine.fused.group import Group as Fused
from accelsim.engine.fused.layers import is_view
from accelsim.engine.fused.storage import Tiling
from accelsim.engine.vector import Moved
from accelsim.mapping.plan.living import Between
from accelsim.mapping.plan.plan import Group, Home, Plan
from accelsim.mapping.plan.tensors import operand
from accelsim.search.plan.attends import Attends, attended_in
from accelsim.search.plan.chains import Chains
from accelsim.search.plan.costs import NEVER, NOTHING, Cost, Lone, Passes, Wanted, no_step, vector_cost
from accelsim.search.plan.fused import Floats, Run, Ways, groups_in, shape_of, ways_of
from accelsim.workload.network import Layer, Network
from accelsim.workload.problem import Tensor

MOST_STATES = 4096
"""That are kept at a layer."""
State = frozenset[tuple[str, bool]]
"""Tensors on the chip, each with whether the outermost level has it too."""
EMPTY: State = frozenset()
Value = Callable[[Cost], Any]
"""What is least: of one cost, or of an array of each of its parts."""


class Step(NamedTuple):
    """One step of a path.

    way : of a group, -1: a layer alone. blocks : of an attention. stays : the output; None: it does not. part : what
    the state calls it where some of its channels stay. handed : a layer hands its tiles to the others.
    """

    begin: int
    end: int
    before: State
    stays: bool | None
    cost: Cost
    known: bool
    way: int = -1
    blocks: Blocks | None = None
    part: str = ""
    handed: bool = False


@dataclass
class Walk:
    """A search over one network.

    resident, fused : what is allowed. shapes : ways of groups that are alike; runs : what their tilings run; alike : by
    places, their shape. priced : by ways, what they cost and are worth as of the passes known. zeros : by layer.
    """

    wanted: Wanted
    network: Network
    sized: Callable[[Layer], Architecture]
    value: Value
    resident: bool = True
    fused: bool = True
    lone: Lone = field(init=False)
    passes: Passes = field(init=False)
    chains: Chains = field(init=False)
    shapes: dict[object, Ways] = field(default_factory=dict)
    runs: dict[object, dict[Tiling, Run]] = field(default_factory=dict)
    thinned: bool = False
    alike: dict[tuple[int, int], Fused] = field(default_factory=dict)
    priced: dict[int, tuple[object, Floats, Floats]] = field(default_factory=dict)
    zeros: dict[str, Cost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lone, self.passes, self.chains = Lone(self.wanted), Passes(self.wanted), Chains(self)
        # what may live where, of every tensor for all of its readers
        every = Plan({layer.name: Home(self.wanted.home) for layer in self.network.layers if not is_view(layer)})
        self.between = Between(every, self.wanted.machine, self.network, self.sized)
        self.order = [i for i, layer in enumerate(self.network.layers) if not is_view(layer)]

    # ---- what may be ---------------------------------------------------------------------------------------------

    @cached_property
    def refused(self) -> dict[str, str]:
        """Tensors that cannot stay for all their readers, and why."""
        return {str(place[1]): why for place, why in self.between.impossible()}

    @cached_property
    def readers(self) -> dict[str, list[int]]:
        """By tensor, who reads it, by index."""
        return {name: [reader.index for reader in one.readers] for name, one in self.between.tensors.items()}

    @cached_property
    def bits(self) -> dict[str, int]:
        """Room of each tensor that may stay."""
        may = (name for name in self.between.tensors if name in self.between.plan.resident)
        return {name: self.between.bits(name) for name in may if name not in self.refused}

    def may_stay(self, layer: Layer) -> bool:
        """Whether what a layer makes may live at home, and there is room for it alone."""
        name, capacity = layer.name, self.wanted.capacity
        return name in self.bits and (capacity is None or self.bits[name] <= capacity)

    def taken(self, state: State) -> int:
        """Bits of all that lives at home."""
        return sum(self.bits[name] for name, _ in state)

    def fits(self, bits: int) -> bool:
        """Whether so much fits at home."""
        return self.wanted.capacity is None or bits <= self.wanted.capacity

    # ---- steps ---------------------------------------------------------------------------------------------------

    def alone(self, place: int, state: State) -> Iterator[Step]:
        """Every way to run one layer alone from a state."""
        layer = self.network.layers[self.order[place]]
        inside = {name for name, _ in state}
        there = []
        for name in layer.inputs:
            parts = self.between.parts[name]
            here = all(part in inside for part in parts)
            if not here and any((part, False) in state for part in parts):
                return  # some of its words are nowhere but on the chip, and others are not there
            there.append(here)
        for stays in self._stays(layer):
            taken = self.taken(state) + (self.bits[layer.name] if stays is not None else 0)
            if not self.fits(taken):
                continue
            cost, known = self._alone(layer, there, stays, taken)
            if cost != NEVER:
                yield Step(place, place + 1, state, stays, cost, known)

    def stays(self, place: int) -> tuple[bool | None, ...]:
        """Where what the layer of a place makes may be; see `_stays`."""
        return self._stays(self.network.layers[self.order[place]])

    def _stays(self, layer: Layer) -> tuple[bool | None, ...]:
        """None: it goes to the outermost level; False: it stays; True: both."""
        if not self.resident or not self.may_stay(layer):
            return (None,)
        return (None, True) if self.between.tensors[layer.name].output else (None, False, True)

    def _alone(self, layer: Layer, there: list[bool], stays: bool | None, taken: int) -> tuple[Cost, bool]:
        sized, images = self.sized(layer), self.network.images(layer)
        cost, known = NOTHING, True
        if layer.problem is not None:
            homes = {what for k, here in enumerate(there) if here and (what := operand(layer, k)) is not None}
            homes |= {Tensor.PSUM} if stays is not None else set()
            priced = self.lone.ask(sized, layer.problem, homes, bool(stays), taken)
            cost, known = priced.cost, priced.needs >= 0
        if layer.problem is None or layer.vector_ops:
            moved = self._moved(layer, there, stays)
            cost = cost.plus(vector_cost(self.wanted, sized, moved.times(images), layer.vector_ops * images))
            if not layer.problem and (layer.vector_ops or any(moved[:4])):
                cost = cost.plus(Cost(cycles=sized.launch))
        if stays is not None:
            cost = cost.plus(self._zeros(layer))
        return Cost(*(each * layer.repeat for each in cost)), known

    def _zeros(self, layer: Layer) -> Cost:
        """Padding that is written around what a layer makes and keeps at home."""
        if layer.name not in self.zeros:
            sized = self.sized(layer)
            home = sized.levels[sized.level_index(self.wanted.home)]
            each = access(sized, self.wanted.table, home, "update", sized.final_bits, Tensor.PSUM)
            self.zeros[layer.name] = Cost(self.between.zeros(layer.name) * float(each))
        return self.zeros[layer.name]

    def _moved(self, layer: Layer, there: list[bool], stays: bool | None) -> Moved:
        read, written = self.network.traffic(layer)
        if layer.moves is not None or layer.problem:
            return Moved(read, written)
        inside = sum(self.network.shape(name).words for name, here in zip(layer.inputs, there, strict=True) if here)
        outside = written if stays in (None, True) else 0
        return Moved(read - inside, outside, inside, 0 if stays is None else written, self.wanted.home)

    def look(self, step: Step, until: float = inf) -> None:
        """Search what is not known of a step; of a group until its cheapest way from there is known, or time is up."""
        if step.handed:
            self.chains.look(step.begin, step.end, step.before, step.stays)
            return
        if step.way >= 0:
            self._settle(step, until)
            return
        layer = self.network.layers[self.order[step.begin]]
        assert layer.problem is not None
        inside = {name for name, _ in step.before}
        homes = {
            what
            for k, name in enumerate(layer.inputs)
            if (what := operand(layer, k)) is not None and all(p in inside for p in self.between.parts[name])
        }
        homes |= {Tensor.PSUM} if step.stays is not None else set()
        taken = self.taken(step.before) + (self.bits[layer.name] if step.stays is not None else 0)
        self.lone.look(self.sized(layer), layer.problem, frozenset(homes), bool(step.stays), taken)

    def _settle(self, step: Step, until: float) -> None:
        """Search passes of a group until that way is known which is the cheapest by what is known.

        One pass at a time, what weighs most first: as soon as another way is cheaper, nothing more of this one is. When
        time is up (`until`, of `time.monotonic`), all of the way that is the cheapest then.
        """
        ways = self.ways(step.begin, step.end, step.before, step.stays)
        assert ways is not None
        layer = self.network.layers[self.order[step.end - 1]]
        taken = self.taken(step.before) + (self.bits[layer.name] if step.stays is not None else 0)
        while True:
            way = self._cheapest_way(ways, taken)
            if way < 0:
                return
            numbers, runs = ways.passes(way), ways.times(way)
            unknown = np.flatnonzero(~self.passes.searched[numbers])
            if time.monotonic() > until:
                for number in numbers[unknown].tolist():
                    self.passes.look(number)
                return
            if not len(unknown):
                return
            weight = self.value(Cost(*self.passes.table[numbers[unknown]].T)) * runs[unknown]
            self.passes.look(int(numbers[unknown[np.argmax(weight)]]))

    def _cheapest_way(self, ways: Ways, taken: int, known: bool = False) -> int:
        """The cheapest way in the room that is left, by what is known; -1: none fits. known : all of it is."""
        _, worth = self.costs(ways)
        if known:
            worth = np.where(ways.known(self.passes), worth, inf)
        if self.wanted.capacity is not None:
            worth = np.where(ways.room <= self.wanted.capacity - taken, worth, inf)
        way = int(np.argmin(worth))
        return way if worth[way] < inf else -1

    # ---- groups --------------------------------------------------------------------------------------------------

    @cached_property
    def groups(self) -> dict[tuple[int, int], Fused]:
        """Every legal group by its first place and the one behind its last."""
        return groups_in(self.network, self.order) if self.fused else {}

    def together(self, begin: int, end: int, state: State, only_known: bool = False) -> Iterator[Step]:
        """Every way to run a group from a state; of those with one output and room the cheapest.

        only_known : of those of which all passes were searched.
        """
        group = self.groups[begin, end]
        inside = {name for name, _ in state}
        for source in (*(one.name for one in group.sources), *(op.dynamic for op in group.ops if op.dynamic)):
            parts = self.between.parts[source]
            if not all(p in inside for p in parts) and any((p, False) in state for p in parts):
                return
            if any(p in inside for p in parts) and any(op.dynamic == source for op in group.ops):
                return
        layer = self.network.layers[self.order[end - 1]]
        for stays in self._stays(layer):
            taken = self.taken(state) + (self.bits[layer.name] if stays is not None else 0)
            if not self.fits(taken) or stays is True:
                continue
            ways = self.ways(begin, end, state, stays)
            if ways is None or not self.fits(taken + ways.least):
                continue
            way = self._cheapest_way(ways, taken, only_known)
            if way < 0:
                continue
            known = bool(self.passes.searched[ways.passes(way)].all())
            cost = self._with_zeros(Cost(*self.costs(ways)[0][way].tolist()), end - 1, stays)
            yield Step(begin, end, state, stays, cost, known, way)

    def ways(self, begin: int, end: int, state: State, stays: bool | None) -> Ways | None:
        """Every way of a group; None: there is none."""
        group = self.groups[begin, end]
        inside = {name for name, _ in state}
        layers = [self.network.layers[i] for i in self.order[begin:end]]
        sized = [self.sized(layer) for layer in layers]
        home = {one.name for one in group.sources if all(p in inside for p in self.between.parts[one.name])}
        home |= {group.sink.name} if stays is not None else set()
        numbers = frozenset(str(k) for k, name in enumerate(group.tensors) if name in home)
        alike = self.shape(begin, end)
        key = alike, tuple(tuple(one.widths.values()) for one in sized), numbers
        if key not in self.shapes:
            by_name = dict(zip((op.name for op in alike.ops), sized, strict=True))
            known = self.runs.setdefault(key[:2], {})
            self.shapes[key] = ways_of(self.wanted, alike, by_name, numbers, self.passes, known)
        ways = self.shapes[key]
        return ways if len(ways) else None

    def shape(self, begin: int, end: int) -> Fused:
        """A group with numbers for names."""
        if (begin, end) not in self.alike:
            self.alike[begin, end] = shape_of(self.groups[begin, end])
        return self.alike[begin, end]

    def costs(self, ways: Ways) -> tuple[Floats, Floats]:
        """(float64[way, 3], float64[way]) what ways cost and are worth as of now: until another pass is searched."""
        now = self.passes.changes, len(self.passes.machines), self.value
        if id(ways) not in self.priced or self.priced[id(ways)][0] != now:
            costs = ways.costs(self.passes)
            self.priced[id(ways)] = now, costs, self.value(Cost(*costs.T))
        return self.priced[id(ways)][1:]

    def again(self, step: Step) -> Step:
        """The same step of layers or a group at its true cost, once it was looked at; NEVER if nothing fits."""
        if step.handed:
            found = self.handed(step.begin, step.before)
        else:
            lone = step.way < 0
            found = self.alone(step.begin, step.before) if lone else self.together(*step[:3], only_known=True)
        same = (one for one in found if (one.end, one.stays, one.part) == (step.end, step.stays, step.part))
        return next(same, step._replace(cost=NEVER))

    def _with_zeros(self, cost: Cost, place: int, stays: bool | None) -> Cost:
        return cost if stays is None else cost.plus(self._zeros(self.network.layers[self.order[place]]))

    # ---- epilogues -----------------------------------------------------------------------------------------------

    def handed(self, place: int, state: State) -> Iterator[Step]:
        """A layer and those it hands its tiles to, in the best of these."""
        for end, stays, cost, known in self.chains.steps(place, state):
            yield Step(place, end, state, stays, self._with_zeros(cost, end - 1, stays), known, handed=True)

    # ---- attentions ----------------------------------------------------------------------------------------------

    @cached_property
    def attentions(self) -> dict[int, Attends]:
        """Attentions by their first place."""
        if not self.fused or (self.wanted.keeps_filters and not self.wanted.weights_share):
            return {}
        return attended_in(self.wanted, self.network, self.order, self.sized)

    def attending(self, place: int, state: State) -> Iterator[Step]:
        """An attention as a group, in the blocks that move fewest words in the room there is."""
        inside, one = {name for name, _ in state}, self.attentions[place]
        at_home = set()
        for what, name in one.operands.items():
            parts = self.between.parts[name]
            if all(part in inside for part in parts):
                at_home.add(what)
            elif any((part, False) in state for part in parts):
                return
        end = place + len(one.heads.layers)
        layer = self.network.layers[self.order[end - 1]]
        for stays in self._stays(layer):
            taken = self.taken(state) + (self.bits[layer.name] if stays is not None else 0)
            if not self.fits(taken) or stays is True:
                continue
            there = frozenset(at_home | ({"outputs"} if stays is not None else set()))
            free = None if self.wanted.capacity is None else self.wanted.capacity - taken
            found = one.ask(there, free)
            if found is not None:
                cost = self._with_zeros(found[1], end - 1, stays)
                yield Step(place, end, state, stays, cost, True, -1, found[0])

    # ---- the walk ------------------------------------------------------------------------------------------------

    def cheapest(self) -> list[Step]:
        """The steps of the cheapest path, by what is known."""
        best: list[dict[State, tuple[float, Cost, Step | None, State]]] = [{} for _ in range(len(self.order) + 1)]
        best[0][EMPTY] = 0.0, NOTHING, None, EMPTY
        ends: dict[int, list[int]] = {}
        for begin, end in self.groups:
            ends.setdefault(begin, []).append(end)
        for place in range(len(self.order)):
            states = best[place]
            if len(states) > MOST_STATES:
                self.thinned = True
                states = dict(sorted(states.items(), key=lambda one: one[1][0])[:MOST_STATES])
            for state, (_, cost, _, _) in states.items():
                steps = [*self.alone(place, state)]
                steps += [step for end in ends.get(place, ()) for step in self.together(place, end, state)]
                steps += self.handed(place, state)
                if place in self.attentions:
                    steps += self.attending(place, state)
                for step in steps:
                    total = cost.plus(step.cost)
                    worth = self.value(total)
                    for after in self._after(step):
                        old = best[step.end].get(after)
                        if old is None or worth < old[0]:
                            best[step.end][after] = worth, total, step, state
        if not best[-1]:
            place = max(k for k, states in enumerate(best) if states)
            raise no_step(self.wanted, self.sized, self.network.layers[self.order[place]])
        at = min(best[-1], key=lambda state: best[-1][state][0])
        path, place = list[Step](), len(self.order)
        while place:
            last, at = best[place][at][2:]
            assert last is not None
            path, place = [*path, last], last.begin
        return path[::-1]

    def _after(self, step: Step) -> Iterator[State]:
        """What lives at home after a step: what is read again, but for those given up that are elsewhere too."""
        last = self.order[step.end - 1]
        now = set(step.before)
        name = self.network.layers[last].name
        if step.stays is not None:
            now.add((step.part or name, step.stays))
        live = {(one, both) for one, both in now if any(reader > last for reader in self.readers[one])}
        yield frozenset(live)
        ran = set(self.order[step.begin : step.end])
        for one, both in live:
            if both and ran & set(self.readers[one]):
                yield frozenset(live - {(one, both)})

    def plan_of(self, path: list[Step]) -> Plan:
        """The plan that a path is."""
        homes: dict[str, Home] = {}
        groups = []
        for k, step in enumerate(path):
            name = self.network.layers[self.order[step.end - 1]].name
            if step.stays is not None:
                homes[name] = self._home(name, path[k + 1 :])
            if step.way >= 0:
                groups.append(self._group(step))
            if step.handed:
                groups.append(self.chains.group(step.begin, step.end, step.before, step.stays))
            if step.blocks:
                groups.append(self.attentions[step.begin].group(step.blocks))
        return Plan(homes, tuple(groups), self.network.name)

    def _home(self, name: str, rest: list[Step]) -> Home:
        until = ""
        for step in rest:
            if name not in {one for one, _ in step.before}:
                break
            for i in self.order[step.begin : step.end]:
                if i in self.readers[name]:
                    until = self.network.layers[i].name
        last = self.network.layers[max(self.readers[name])].name
        return Home(self.wanted.home, "" if until == last else until)

    def _group(self, step: Step) -> Group:
        ways = self.ways(step.begin, step.end, step.before, step.stays)
        assert ways is not None
        way = ways.way(step.way)
        group, alike = self.groups[step.begin, step.end], self.shape(step.begin, step.end)
        names = dict(zip(alike.tensors, group.tensors, strict=True))
        layers = tuple(self.network.layers[i].name for i in self.order[step.begin : step.end])
        return way.group(layers, names)
