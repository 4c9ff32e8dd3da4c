"""What a layer that runs alone, and a pass of a fused group, costs: searched for when it is asked, and once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, NamedTuple

from accelsim.architecture.model import Architecture, Level
from accelsim.energy.account import account
from accelsim.energy.floor import access, mac
from accelsim.energy.table import EnergyTable
from accelsim.engine import evaluate
from accelsim.engine.copied import copied_out
from accelsim.engine.vector import Moved, latency
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.dataflows.dataflow import Dataflow
from accelsim.mapping.mapping import LoopNest, demands
from accelsim.mapping.plan.living import Stay, partition_of
from accelsim.mapping.plan.progress import refuse_no_room
from accelsim.search.best import find
from accelsim.search.proof import Proof
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


@dataclass
class Lone:
    """Layers that run alone. A layer is searched for with no others on the chip first: less room is never better."""

    wanted: Wanted
    known: dict[Key, list[tuple[int, Priced]]] = field(default_factory=dict)
    searched: int = 0

    def ask(self, sized: Architecture, problem: Problem, homes: Iterable[Tensor], copied: bool, taken: int) -> Priced:
        """Of what was searched with more room it is a bound from below, with `needs` < 0; else the true cost."""
        key, found = self._known(sized, problem, homes, copied)
        if not found:
            least = 0 if self.wanted.capacity is None else min(taken, self.least(sized, problem, key[2]))
            self.look(sized, problem, key[2], copied, least)
        capacity, best = self.wanted.capacity, NEVER
        for room, priced in sorted(found, key=lambda one: one[0], reverse=True):
            if room <= taken:
                fits = capacity is None or priced.needs + taken <= capacity
                if priced.nest is None or fits:
                    return priced
                return Priced(None, priced.cost, -1)
            best = priced.cost
        return Priced(None, best, -1)

    def least(self, sized: Architecture, problem: Problem, homes: frozenset[Tensor]) -> int:
        """Bits that a layer's own tensors take at home at least."""
        widths = {Tensor.IFMAP: Width.IFMAP, Tensor.FILTER: Width.FILTER, Tensor.PSUM: Width.OFMAP}
        return sum(problem.words(t) * sized.widths[widths[t]] for t in homes)

    def look(self, sized: Architecture, problem: Problem, homes: frozenset[Tensor], copied: bool, taken: int) -> None:
        """Search with so much of the home taken."""
        _, found = self._known(sized, problem, homes, copied)
        self.searched += 1
        stay = Stay({t: self.wanted.home for t in TENSORS if t in homes}, taken)
        try:
            machine = stay.on(sized, self.wanted.home)
        except AccelsimError:
            found.append((taken, Priced(None, NEVER, 0)))
            return
        found.append((taken, search(self.wanted, machine, machine.lower(problem), copied)))

    def _known(
        self, sized: Architecture, problem: Problem, homes: Iterable[Tensor], copied: bool
    ) -> tuple[Key, list[tuple[int, Priced]]]:
        key: Key = problem, tuple(sized.widths.values()), frozenset(homes), copied
        return key, self.known.setdefault(key, [])


@dataclass
class Passes:
    """Passes of groups: problems whose tensors all live at home. Numbered as they come."""

    wanted: Wanted
    numbers: dict[tuple[Problem, tuple[int, ...]], int] = field(default_factory=dict)
    machines: list[tuple[Architecture, Problem]] = field(default_factory=list)
    floors: list[Cost] = field(default_factory=list)
    found: dict[int, Priced] = field(default_factory=dict)

    def number(self, sized: Architecture, problem: Problem) -> int:
        """Of a pass."""
        key = problem, tuple(sized.widths.values())
        if key not in self.numbers:
            self.numbers[key] = len(self.machines)
            self.machines.append((sized, problem))
            self.floors.append(self._floor(sized, problem))
        return self.numbers[key]

    def cost(self, number: int) -> Cost:
        """True if the pass was searched, else a bound from below."""
        return self.found[number].cost if number in self.found else self.floors[number]

    def look(self, number: int) -> None:
        """Search a pass."""
        sized, problem = self.machines[number]
        machine = pass_machine(sized, self.wanted)
        self.found[number] = search(self.wanted, machine, machine.lower(problem))

    def _floor(self, sized: Architecture, problem: Problem) -> Cost:
        """Its MACs and what they read and write inside the PE; every psum word once at home."""
        table, home = self.wanted.table, sized.levels[sized.level_index(self.wanted.home)]
        each = float(mac(sized, table))
        for tensor, action in ((Tensor.IFMAP, "read"), (Tensor.FILTER, "read"), (Tensor.PSUM, "update")):
            level = _inside(sized, self.wanted.flow, tensor)
            if level is not None:
                each += float(access(sized, table, level, action, sized.moved_bits[tensor], tensor))
        final = float(access(sized, table, home, "update", sized.final_bits, Tensor.PSUM))
        cycles = problem.macs / (sized.pes * sized.macs_per_cycle * max(sized.mode.macs, 1))
        energy, words = problem.macs * each + problem.words(Tensor.PSUM) * final, 0
        if not self.wanted.keeps_filters:
            words = problem.words(Tensor.FILTER)
            bits = sized.moved_bits[Tensor.FILTER]
            energy += words * float(access(sized, table, sized.levels[0], "read", bits, Tensor.FILTER))
        return Cost(energy, cycles, words)


def _inside(machine: Architecture, flow: Dataflow | str, tensor: Tensor) -> Level | None:
    """Where a PE keeps its operands of a tensor in every mapping of a dataflow; None: that depends on the mapping."""
    if not isinstance(flow, Dataflow) or tensor not in flow.keeps or machine.slices:
        return None
    inside = [level for level in machine.levels[machine.pe_level :] if tensor in level.keeps]
    return inside[-1] if inside and not flow.skips else None


def pass_machine(sized: Architecture, wanted: Wanted) -> Architecture:
    """The machine as a pass finds it: its tensors are at home, in room that was reckoned with before."""
    homes = {t: wanted.home for t in TENSORS if t is not Tensor.FILTER or wanted.keeps_filters}
    index = sized.level_index(wanted.home)
    levels = list(sized.levels)
    level = levels[index]
    parts = tuple(replace(part, taken=0, whole=part.tensors & frozenset(homes)) for part in level.capacity)
    levels[index] = replace(level, capacity=parts)
    return replace(sized, levels=tuple(levels), homes=homes)


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
