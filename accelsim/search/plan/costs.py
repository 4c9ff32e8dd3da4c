"""What a layer that runs alone, and a pass of a fused group, costs: searched for when it is asked, and once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture
from accelsim.energy.account import account, by_supply
from accelsim.energy.floor import access, mac
from accelsim.energy.table import EnergyTable
from accelsim.engine import evaluate
from accelsim.engine.copied import copied_out
from accelsim.engine.vector import Moved, latency
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.dataflows.dataflow import BEST, Dataflow
from accelsim.mapping.mapping import LoopNest, demands
from accelsim.mapping.plan.living import Stay, partition_of
from accelsim.mapping.plan.progress import refuse_no_room
from accelsim.search.best import find
from accelsim.search.found import objective_of
from accelsim.search.plan.floors import Floats, Floors, simple
from accelsim.search.proof import Proof
from accelsim.workload.network import Layer
from accelsim.workload.problem import TENSORS, Problem, Tensor, Width

OBJECTIVES = ("energy", "cycles", "edp", "words")


class Cost(NamedTuple):
    """Energy in the table's unit, core cycles (closed form), words of the outermost level."""

    energy: float = 0.0
    cycles: float = 0.0
    words: float = 0.0

    def plus(self, other: Cost) -> Cost:
        """Both."""
        return Cost(self.energy + other.energy, self.cycles + other.cycles, self.words + other.words)


NOTHING, NEVER = Cost(), Cost(inf, inf, inf)


@dataclass(frozen=True)
class Wanted:
    """What a search of plans goes by.

    home : the level where tensors may stay. flow, dataflow : mappings that are looked at. objective : as of `find`; of
    'words' the mapping is the one of least energy. ran : passes that groups have run, for groups that have them too.
    """

    machine: Architecture
    table: EnergyTable
    home: str
    flow: Dataflow | str
    dataflow: str
    objective: str
    proof: Proof
    ran: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def of_mappings(self) -> str:
        """What mappings are searched for by; of 'words' by energy."""
        return "energy" if self.objective == "words" else self.objective

    @property
    def capacity(self) -> int | None:
        """Bits of the home that tensors and tiles share; None: it has no bound."""
        part = partition_of(self.machine, self.home)
        return None if part is None else part.bits

    @property
    def keeps_filters(self) -> bool:
        """Whether filters come through the home."""
        return Tensor.FILTER in self.machine.levels[self.machine.level_index(self.home)].keeps

    @property
    def weights_share(self) -> bool:
        """Whether filters take room of the part where tensors stay."""
        level = self.machine.levels[self.machine.level_index(self.home)]
        return any({Tensor.IFMAP, Tensor.FILTER} <= part.tensors for part in level.capacity)


class Priced(NamedTuple):
    """A mapping and its cost. needs : bits of the home that its tiles take."""

    nest: LoopNest | None
    cost: Cost
    needs: int


def search(wanted: Wanted, machine: Architecture, problem: Problem, copied: bool = False) -> Priced:
    """The mapping that a run would find, and its cost; NEVER where none fits."""
    try:
        found = find(
            machine, problem, wanted.flow, wanted.of_mappings, wanted.table, None, "analytical", wanted.proof
        )  # fmt: skip
        refuse_no_room(machine, found.nest, problem)
    except MappingError:
        return Priced(None, NEVER, 0)
    return price_of(wanted, machine, problem, found.nest, copied)


def price_of(wanted: Wanted, machine: Architecture, problem: Problem, nest: LoopNest, copied: bool = False) -> Priced:
    """The cost of one mapping by the closed form."""
    counts, timing = evaluate(machine, nest, problem, "analytical")
    if copied:
        counts, timing = copied_out(machine, problem, counts, timing)
    rows = account(machine, counts, wanted.table, timing.cycles, wanted.dataflow, nest)
    energy = float(sum(row.energy for row in rows))
    level = machine.levels[machine.level_index(wanted.home)]
    room = sum(bits for spec, _, bits, _ in demands(machine, nest, problem) if spec is level)
    return Priced(nest, Cost(energy, timing.cycles, int(counts.words[0].sum())), room)


Key = tuple[Problem, tuple[int, ...], frozenset[Tensor], bool]


SHARES, UNEVEN = (0.5, 0.8), 1e-3
"""Of the home, what is taken where a layer is searched once more; how much cheaper it may be there, and is even."""


@dataclass
class Lone:
    """Layers that run alone. A layer is searched for with no others on the chip first: less room is never better.

    But a search that keeps few mappings may find a better one in less room. Of a layer where it does (`uneven`) every
    room that matters is searched by itself.
    """

    wanted: Wanted
    known: dict[Key, list[tuple[int, Priced]]] = field(default_factory=dict)
    odd: dict[tuple[Problem, tuple[int, ...]], bool] = field(default_factory=dict)
    searched: int = 0

    def ask(self, sized: Architecture, problem: Problem, homes: Iterable[Tensor], copied: bool, taken: int) -> Priced:
        """Of what was searched in another room it is a bound from below, with `needs` < 0; else the true cost."""
        key, found = self._known(sized, problem, homes, copied)
        uneven = self.uneven(sized, problem)
        if not found:
            least = 0 if self.wanted.capacity is None else min(taken, self.least(sized, problem, key[2]))
            for room in sorted({least, *(max(least, one) for one in self._rooms() if uneven)}):
                self.look(sized, problem, key[2], copied, room)
        below, capacity = [one for one in found if one[0] <= taken], self.wanted.capacity
        room, priced = max(below, key=itemgetter(0)) if below else min(found, key=itemgetter(0))
        fits = capacity is None or priced.needs + taken <= capacity
        if below and (priced.nest is None or (fits and (not uneven or room == taken))):
            return priced
        bound = Cost(*map(min, zip(*(one.cost for _, one in found), strict=True))) if uneven else priced.cost
        return Priced(None, bound, -1)

    def uneven(self, sized: Architecture, problem: Problem) -> bool:
        """Whether less room gives a cheaper mapping of a layer; never where the best of all is found."""
        if self.wanted.flow == BEST or self.wanted.proof.of_flows:
            return False
        key = problem, tuple(sized.widths.values())
        if key not in self.odd:
            _, found = self._known(sized, problem, (), False)
            for room in sorted({0, *self._rooms()} - dict(found).keys()):
                self.look(sized, problem, frozenset(), False, room)
            known = dict(found)
            costs = [self._worth(known[room].cost) for room in (0, *self._rooms())]
            self.odd[key] = any(less < more * (1 - UNEVEN) for more, less in pairwise(costs))
        return self.odd[key]

    def _rooms(self) -> list[int]:
        """Bits of the home that are taken where a layer is searched once more."""
        capacity = self.wanted.capacity
        return [] if capacity is None else [int(capacity * share) for share in SHARES]

    def _worth(self, cost: Cost) -> float:
        """What mappings are searched for by."""
        objective = self.wanted.of_mappings
        return cost.energy if objective == "energy" else objective_of(objective, cost.energy, cost.cycles)

    def least(self, sized: Architecture, problem: Problem, homes: frozenset[Tensor]) -> int:
        """Bits that a layer's own tensors take at home at least."""
        widths = {Tensor.IFMAP: Width.IFMAP, Tensor.FILTER: Width.FILTER, Tensor.PSUM: Width.OFMAP}
        return sum(problem.words(t) * sized.widths[widths[t]] for t in homes)

    def look(self, sized: Architecture, problem: Problem, homes: frozenset[Tensor], copied: bool, taken: int) -> None:
        """Search with so much of the home taken."""
        _, found = self._known(sized, problem, homes, copied)
        stay = Stay({t: self.wanted.home for t in TENSORS if t in homes}, taken)
        found.append((taken, self.searched_in(sized, problem, stay, copied)))

    def searched_in(self, sized: Architecture, problem: Problem, stay: Stay, copied: bool) -> Priced:
        """What is found on a machine where so much stays."""
        self.searched += 1
        try:
            machine = stay.on(sized, self.wanted.home)
        except AccelsimError:
            return Priced(None, NEVER, 0)
        return search(self.wanted, machine, machine.lower(problem), copied)

    def _known(
        self, sized: Architecture, problem: Problem, homes: Iterable[Tensor], copied: bool
    ) -> tuple[Key, list[tuple[int, Priced]]]:
        key: Key = problem, tuple(sized.widths.values()), frozenset(homes), copied
        return key, self.known.setdefault(key, [])


class Passes:
    """Passes of groups: problems whose tensors all live at home. Numbered as they come.

    found : of those that were searched, by number. table : float64[pass, 3], energy, cycles, words: true of a pass that
    was searched, else bounds from below. searched : bool[pass]. changes : how often either has changed.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.numbers: dict[tuple[Problem, tuple[int, ...]], int] = {}
        self.machines: list[tuple[Architecture, Problem]] = []
        self.found: dict[int, Priced] = {}
        self.changes = 0
        self._table, self._searched = np.zeros((0, 3)), np.zeros(0, np.bool_)
        self._floors: dict[tuple[int, ...], Floors] = {}
        self._inside: dict[tuple[int, ...], Architecture] = {}

    def number(self, sized: Architecture, problem: Problem) -> int:
        """Of a pass."""
        key = problem, tuple(sized.widths.values())
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = len(self.machines)
            self.machines.append((sized, problem))
        return number

    @property
    def table(self) -> Floats:
        """What is known of all passes so far."""
        first = len(self._table)
        if first < len(self.machines):
            self._table = np.concatenate([self._table, self._bounds(range(first, len(self.machines)))])
            self._searched = np.concatenate([self._searched, np.zeros(len(self.machines) - first, np.bool_)])
            self.changes += 1
        return self._table

    @property
    def searched(self) -> npt.NDArray[np.bool_]:
        """Which of them were searched."""
        self.table  # noqa: B018
        return self._searched

    def look(self, number: int) -> None:
        """Search a pass."""
        sized, problem = self.machines[number]
        machine = self._machine(sized)
        self.found[number] = search(self.wanted, machine, machine.lower(problem))
        self.table[number] = self.found[number].cost
        self.searched[number] = True
        self.changes += 1

    def _machine(self, sized: Architecture) -> Architecture:
        """The machine as passes of these widths find it."""
        key = tuple(sized.widths.values())
        if key not in self._inside:
            self._inside[key] = pass_machine(sized, self.wanted)
        return self._inside[key]

    def _bounds(self, numbers: Iterable[int]) -> Floats:
        """float64[pass, 3] of passes that were not searched."""
        alike: dict[tuple[tuple[object, ...], tuple[int, ...]], list[tuple[int, Problem]]] = {}
        out = []
        for k, number in enumerate(numbers):
            sized, problem = self.machines[number]
            machine = self._machine(sized)
            problem = machine.lower(problem)
            words = 0 if self.wanted.keeps_filters else problem.words(Tensor.FILTER)
            out.append((0.0, 0.0, float(words)))
            sizes, steps = (*problem.sizes[:4], *problem.sizes[6:]), (problem.stride, problem.dilation)
            known = simple(machine, self.wanted.flow, problem)
            alike.setdefault(
                ((sizes, steps, problem.bias, problem.dynamic_filter, known), tuple(sized.widths.values())), []
            ).append((k, problem))
        table = np.array(out, np.float64).reshape(-1, 3)
        for (key, widths), some in alike.items():
            problems = [problem for _, problem in some]
            at = [k for k, _ in some]
            machine = self._inside[widths]
            if key[-1]:
                assert isinstance(self.wanted.flow, Dataflow)
                floors = self._floors.setdefault(widths, Floors(machine, self.wanted.table, self.wanted.flow))
                table[at, 0], table[at, 1] = floors.energy(problems), floors.busy(problems)
            else:
                table[at, :2] = [self._plain(machine, problem) for problem in problems]
        return table

    def _plain(self, machine: Architecture, problem: Problem) -> tuple[float, float]:
        """(energy, cycles) where nothing is known of mappings: of the MACs; every output comes home once."""
        table, home = self.wanted.table, machine.levels[machine.level_index(self.wanted.home)]
        by = float(by_supply(machine, table))
        each = 0.0 if table.own_parts else float(mac(machine, table))
        final = float(access(machine, table, home, "update", machine.final_bits, Tensor.PSUM))
        energy = (problem.macs * each + problem.words(Tensor.PSUM) * final) * by
        if not self.wanted.keeps_filters:
            bits = machine.moved_bits[Tensor.FILTER]
            read = access(machine, table, machine.levels[0], "read", bits, Tensor.FILTER)
            energy += problem.words(Tensor.FILTER) * float(read)
        return energy, problem.macs / (machine.pes * machine.macs_per_cycle * max(machine.mode.macs, 1))


def pass_machine(sized: Architecture, wanted: Wanted) -> Architecture:
    """The machine as a pass finds it: its tensors are at home, in room that was reckoned with before, and it runs."""
    homes = {t: wanted.home for t in TENSORS if t is not Tensor.FILTER or wanted.keeps_filters}
    index = sized.level_index(wanted.home)
    levels = list(sized.levels)
    level = levels[index]
    parts = tuple(replace(part, taken=0, whole=part.tensors & frozenset(homes)) for part in level.capacity)
    levels[index] = replace(level, capacity=parts)
    return replace(sized, levels=tuple(levels), homes=homes, before=sized.before - sized.launch, launch=0)


def vector_cost(wanted: Wanted, sized: Architecture, moved: Moved, operations: int) -> Cost:
    """A layer of vector operations."""
    table, outermost = wanted.table, sized.levels[0]
    home = sized.levels[sized.level_index(wanted.home)]
    energy = 0.0
    for level, tensor, width, action, words in (
        (outermost, Tensor.IFMAP, Width.IFMAP, "read", moved.reads),
        (outermost, Tensor.PSUM, Width.OFMAP, "update", moved.writes),
        (home, Tensor.IFMAP, Width.IFMAP, "read", moved.reads_at_home),
        (home, Tensor.PSUM, Width.OFMAP, "update", moved.writes_at_home),
    ):
        if words:
            energy += words * float(access(sized, table, level, action, sized.widths[width], tensor))
    each = table.operation(sized.word_bits) if operations else None
    energy += operations * float(each or 0)
    cycles, _ = latency(sized, moved, operations)
    return Cost(energy, cycles, moved.reads + moved.writes)


def no_step(wanted: Wanted, sized: Callable[[Layer], Architecture], layer: Layer) -> MappingError:
    """What to raise where no plan has room for a layer, alone or in a group: why there is no mapping of it alone."""
    machine = sized(layer)
    try:
        assert layer.problem is not None
        find(machine, machine.lower(layer.problem), wanted.flow, "energy", wanted.table, proof=wanted.proof)
    except MappingError as error:
        return MappingError(f"{layer.name}: {error}")
    return MappingError(f"{layer.name}: '{wanted.home}' has no room for it, alone or in a group")
