"""A layer with an epilogue as a step of a plan: its tile in the room there is, its mapping, and what it costs then.

Of each tile of the ofmap (rows, columns, channels) the mapping above the buffer is the one that moves fewest words of
the outermost level: filters stay and the plane goes by, or the other way round, with as many input channels at a time
as fit. Below the buffer it is the one that the search finds for the tile. Tiles are those of 1, 2, 3, 4, 6, 8, ...
parts of the channels and of 1, 2, 4, 8 of the columns, with as many rows as fit; those `TRIED` that move fewest words
are priced.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

from accelsim.architecture.model import Architecture
from accelsim.energy.account import account
from accelsim.energy.rows import NO_TENSOR, VECTOR, EnergyRow
from accelsim.engine import evaluate_many
from accelsim.engine.counts import Counts, Timing
from accelsim.engine.fused.epilogue import Epilogue, largest
from accelsim.engine.fused.group import Group
from accelsim.engine.fused.handed import Handed, evaluate, handed, refuse_machine
from accelsim.errors import AccelsimError, MappingError, Overflow
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest, capacity_overflows, check, demands, describe
from accelsim.mapping.plan.living import Stay, room_of
from accelsim.search.best import find
from accelsim.search.plan.costs import NEVER, Cost, Wanted, pass_machine
from accelsim.workload.network import Layer
from accelsim.workload.problem import DIMS, Problem, Tensor

TRIED, SMALLER = 3, 4
"""Tiles that are priced; input channels that are tried for one of them."""
VALUES: dict[str, Callable[[Cost], float]] = {
    "energy": lambda cost: cost.energy,
    "cycles": lambda cost: cost.cycles,
    "edp": lambda cost: cost.energy * cost.cycles,
    "ed2p": lambda cost: cost.energy * cost.cycles**2,
    # of plans that move as many words, that of less energy
    "words": lambda cost: cost.words + 1e-9 * cost.energy,
}
PARTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
WIDE = (1, 2, 4, 8)


class Tile(NamedTuple):
    """A tile of the last output: rows, columns, channels."""

    P: int
    Q: int
    M: int


class Placed(NamedTuple):
    """A tile with the loops above the buffer. words : of the outermost level that the layer's operands take."""

    tile: Tile
    inner: Mapping[str, int]
    outer: tuple[Loop, ...]
    words: int


class Ran(NamedTuple):
    """A layer with its epilogue, run. rows : its account, what takes time to stand among it."""

    found: Handed
    counts: Counts
    timing: Timing
    rows: tuple[EnergyRow, ...]
    room: int


def handing(
    wanted: Wanted, group: Group, problem: Problem | None, sized: Sequence[Architecture], stay: Stay,
    at_home: frozenset[str], leaves: bool,
) -> Handing:  # fmt: skip
    """A layer with its epilogue on a machine.

    group : of all its layers. problem : of the first. sized : the machine with the widths of the first and of the last.
    stay : what the first finds on the chip, and the last leaves there. at_home : operands, and the last output, that
    live there. leaves : whether that is written to the outermost level. Raises MappingError for what is no epilogue.
    """
    first, last = sized
    epilogue = Epilogue.of(group, at_home, group.sink.name in at_home, leaves)
    assert problem is not None
    try:
        machine = stay.on(first, wanted.home)
    except AccelsimError as error:
        raise MappingError(str(error)) from None
    return Handing(wanted, epilogue, problem, machine, first, last.final_bits)


@dataclass(frozen=True)
class Handing:
    """One layer and those that take its tiles over, on a machine as they find it.

    machine : with what lives on the chip. plain : without. bits : of a word of the last output. images : N.
    """

    wanted: Wanted
    epilogue: Epilogue
    problem: Problem
    machine: Architecture
    plain: Architecture
    bits: int

    @property
    def home(self) -> int:
        """The level whose tiles are taken over."""
        return self.machine.level_index(self.wanted.home)

    # ---- tiles ---------------------------------------------------------------------------------------------------

    def tiles(self) -> Iterator[Tile]:
        """Those that fit, of each number of columns and channels with most rows."""
        last = self.epilogue.last
        channels, columns = (
            sorted({-(-size // n) for n in parts if n <= size}, reverse=True)
            for size, parts in ((self.channels, PARTS), (last.plane[1], WIDE))
        )
        rows = sorted({-(-last.plane[0] // n) for n in PARTS if n <= last.plane[0]})
        seen = set()
        for many in channels:
            for wide in columns:
                for whole in (True, False):
                    high = self._most(rows, wide, many, whole)
                    if high and (high, wide, many) not in seen:
                        seen.add((high, wide, many))
                        yield Tile(high, wide, many)

    def _most(self, rows: list[int], wide: int, many: int, whole: bool) -> int:
        """Most rows that fit with all input channels, or as few as one; 0: none."""

        def too_many(high: int) -> bool:
            inner = self.inner(Tile(high, wide, many))
            return not self._fits(inner if whole else {**inner, "C": 1})

        at = bisect_left(rows, True, key=too_many)
        return rows[at - 1] if at else 0

    @property
    def channels(self) -> int:
        """Of the ofmap, that a tile may cut."""
        return self.problem["G"] if self.problem["G"] > 1 else self.problem["M"]

    def inner(self, tile: Tile) -> dict[str, int]:
        """Sizes of the maker's dims inside the buffer, with all input channels."""
        steps, problem = self.epilogue.steps, self.problem
        found = {dim: problem[dim] for dim in DIMS} | {"N": 1}
        for dim, size, step in zip("PQ", tile[:2], steps, strict=True):
            whole = size >= self.epilogue.last.plane["PQ".index(dim)]
            found[dim] = problem[dim] if whole else min(size * step, problem[dim])
        if problem["G"] > 1:
            found["G"] = tile.M
        else:
            found["M"] = tile.M
        return found

    def _fits(self, inner: Mapping[str, int]) -> bool:
        return self._overflow(self._nest(inner, ())) is None

    def _nest(self, inner: Mapping[str, int], outer: Iterable[Loop]) -> LoopNest:
        """All loops of a tile at the buffer, those around it at the outermost level."""
        names = [level.name for level in self.machine.levels]
        # rows and columns innermost: where filters pass the buffer by, each then comes once a tile
        loops = tuple(Loop(dim, inner[dim]) for dim in "NGMCRSPQ" if inner[dim] > 1)
        return LoopNest(((names[0], LevelMapping(tuple(outer))), (names[self.home], LevelMapping(loops))))

    def _overflow(self, nest: LoopNest) -> Overflow | None:
        """What does not fit in the buffer; None: all does."""
        for one in capacity_overflows(self.machine, nest, self.problem):
            if one.level == self.wanted.home:
                return one
        room, place = self.room(nest), room_of(self.machine, self.wanted.home)
        if place is None:
            return None
        free = self.machine.levels[self.home].capacity[place].free
        return Overflow(self.wanted.home, "tiles of a layer and its epilogue", room, free) if room > free else None

    def room(self, nest: LoopNest) -> int:
        """Bits of the buffer's part for ifmaps that a mapping's tiles and the operands of the epilogue take."""
        level, place = self.machine.levels[self.home], room_of(self.machine, self.wanted.home)
        part = None if place is None else level.capacity[place]
        tiles = sum(
            bits
            for spec, other, bits, _ in demands(self.machine, nest, self.problem)
            if spec is level and other is part
        )
        words = largest(self.epilogue, self.machine, nest, self.problem, self.home) if self.epilogue.operands else 0
        return tiles + words * self.machine.moved_bits[Tensor.IFMAP]

    # ---- around them ---------------------------------------------------------------------------------------------

    def placed(self, tile: Tile) -> Placed | None:
        """A tile with the loops around it that move fewest words; None: it does not fit."""
        inner = self.inner(tile)
        channels = sorted({-(-inner["C"] // n) for n in range(1, inner["C"] + 1)})
        at = bisect_left(channels, True, key=lambda size: not self._fits({**inner, "C": size}))
        if not at:
            return None
        inner["C"] = channels[at - 1]
        nests = [self._nest(inner, outer) for outer in self._around(inner)]
        words = evaluate_many(self.machine, nests, self.problem).words[:, 0, :2].sum(axis=(1, 2)).tolist()
        least = min(range(len(nests)), key=lambda k: words[k])
        return Placed(tile, inner, nests[least].levels[0][1].temporal, words[least])

    def _around(self, inner: Mapping[str, int]) -> Iterator[tuple[Loop, ...]]:
        for order in ("NGPQMC", "GMNPQC"):
            yield tuple(Loop(d, n) for d in order if (n := -(-self.problem[d] // inner[d])) > 1)

    def listed(self) -> list[Placed]:
        """All tiles that fit, fewest words first."""
        refuse_machine(self.machine, self.problem, self.wanted.home)
        found = [one for tile in self.tiles() if (one := self.placed(tile)) is not None]
        return sorted(found, key=lambda one: (one.words, [-size for size in one.tile]))

    # ---- mapped --------------------------------------------------------------------------------------------------

    def mapped(self, placed: Placed, evaluator: str = "analytical") -> LoopNest:
        """The mapping of the layer. Raises MappingError where a tile has none.

        Loops round sizes up, so what the search finds for a tile may be too large: then fewer input channels go in.
        """
        most, error = placed.inner["C"], MappingError(f"tile {placed.tile} has no mapping")
        sizes = sorted({-(-self.problem["C"] // n) for n in range(1, self.problem["C"] + 1)} & set(range(1, most + 1)))
        for size in sizes[: -1 - SMALLER : -1]:
            inner = {**placed.inner, "C": size}
            outer = tuple(loop for loop in placed.outer if loop.dim != "C")
            parts = -(-self.problem["C"] // size)
            nest = self._composed(inner, (*outer, Loop("C", parts)) if parts > 1 else outer, evaluator)
            try:
                check(self.machine, nest, self.problem)
            except MappingError as found:
                error = found
                continue
            if self._overflow(nest) is None:
                return nest
        raise error

    def _composed(self, inner: Mapping[str, int], outer: tuple[Loop, ...], evaluator: str) -> LoopNest:
        """Loops around a tile, and the mapping that is found for it."""
        one, wanted = self.problem, self.wanted
        tile = Problem.of({dim: min(inner[dim], one[dim]) for dim in DIMS}, stride=one.stride, dilation=one.dilation)
        machine, home = pass_machine(self.plain, wanted), self.home
        nest = find(machine, tile, wanted.flow, wanted.of_mappings, wanted.table, None, evaluator, wanted.proof).nest
        levels, moved = [(self.machine.levels[0].name, LevelMapping(outer))], tuple[Loop, ...]()
        for index, spec in enumerate(self.machine.levels):
            level = nest.level(spec.name)
            if index < home:
                # what a tile has above the buffer lies inside it
                moved += level.temporal
            else:
                levels.append((spec.name, replace(level, temporal=moved + level.temporal) if index == home else level))
        return LoopNest(tuple(levels))

    def handed(self, nest: LoopNest) -> Handed:
        """The epilogue under a mapping. Raises MappingError where it is illegal."""
        return handed(self.epilogue, self.machine, nest, self.problem, self.wanted.home, self.bits)

    def run(self, nest: LoopNest, evaluator: str) -> Ran:
        """The layer and its epilogue under a mapping. Raises MappingError where it is illegal, or does not fit."""
        found = self.handed(nest)
        over = self._overflow(nest)
        if over is not None:
            raise MappingError(describe(replace(over, levers=(*over.levers, "take a smaller tile"))))
        counts, timing = evaluate(found, evaluator)
        return Ran(found, counts, timing, self.rows(counts, timing, nest), self.room(nest))

    def rows(self, counts: Counts, timing: Timing, nest: LoopNest) -> tuple[EnergyRow, ...]:
        """The account, with operations of the vector unit and what takes time to stand."""
        found = account(self.machine, counts, self.wanted.table, timing.cycles, self.wanted.dataflow, nest)
        return (*found, *self._unit())

    @property
    def operations(self) -> int:
        """Of the vector unit, of all images."""
        each = sum(op.operations * op.plane[0] * op.plane[1] for op in self.epilogue.ops)
        return each * self.problem["N"]

    def _unit(self) -> Iterator[EnergyRow]:
        """The account of the vector unit."""
        price = self.wanted.table.operation(self.machine.word_bits) if self.operations else None
        if price is not None:
            yield EnergyRow(VECTOR, NO_TENSOR, "operation", self.operations, self.operations * price)

    def price(self, placed: Placed) -> tuple[Cost, int]:
        """(cost by the closed form, bits of the buffer); NEVER where it has no mapping."""
        try:
            ran = self.run(self.mapped(placed), "analytical")
        except AccelsimError:
            return NEVER, 0
        energy = float(sum(row.energy for row in ran.rows))
        return Cost(energy, ran.timing.cycles, int(ran.counts.words[0].sum())), ran.room

    def best(self, value: Callable[[Cost], float] | None = None) -> tuple[Placed, Cost, int] | None:
        """The cheapest of those tried, its cost and its bits; None: none fits. value : None: the objective wanted."""
        value = value or VALUES[self.wanted.objective]
        priced = ((placed, *self.price(placed)) for placed in self.listed()[: 3 * TRIED])
        found = list(islice((one for one in priced if one[1] != NEVER), TRIED))
        return min(found, key=lambda one: value(one[1]), default=None)


class Priced(NamedTuple):
    """The best tile with so much room. needs : bits it takes; < 0: the cost is a bound, more room was there."""

    tile: Tile | None
    cost: Cost
    needs: int


@dataclass(frozen=True)
class Asked:
    """A layer with its epilogue as a plan's step. group : by its names; alike : by numbers, equal ones run alike.

    first, last : its layers. at_home : of its tensors what lives on the chip. own : bits of that, but for operands.
    """

    group: Group
    alike: Group
    first: Layer
    last: Layer
    at_home: frozenset[str]
    leaves: bool
    own: int

    def key(self, sized: Callable[[Layer], Architecture]) -> object:
        """Equal for those that cost the same in the same room."""
        names = frozenset(str(k) for k, name in enumerate(self.group.tensors) if name in self.at_home)
        widths = [tuple(sized(layer).widths.values()) for layer in (self.first, self.last)]
        return self.alike, self.first.problem, names, self.leaves, *widths

    def handing(self, wanted: Wanted, sized: Callable[[Layer], Architecture], taken: int) -> Handing:
        """With so many bits of the home taken."""
        there = self.group.ops[0].reads[0].tensor in self.at_home
        stay = Stay({Tensor.IFMAP: wanted.home} if there else {}, taken)
        machines = [sized(layer) for layer in (self.first, self.last)]
        return handing(wanted, self.group, self.first.problem, machines, stay, self.at_home, self.leaves)


@dataclass
class Handings:
    """Layers with epilogues, searched once for each room; with most room first, for less room is never better."""

    wanted: Wanted
    known: dict[object, list[tuple[int, Priced]]] = field(default_factory=dict)
    searched: int = 0

    def ask(
        self, one: Asked, taken: int, sized: Callable[[Layer], Architecture], value: Callable[[Cost], float]
    ) -> Priced:
        """Of what was searched with more room it is a bound from below, with `needs` < 0; else the true cost."""
        known, capacity = self.known.setdefault(one.key(sized), []), self.wanted.capacity
        if not known:
            self.look(one, 0 if capacity is None else min(taken, one.own), sized, value)
        bound = NEVER
        for room, priced in sorted(known, key=lambda each: each[0], reverse=True):
            if room <= taken:
                if priced.tile is None or capacity is None or priced.needs + taken <= capacity:
                    return priced
                return Priced(None, priced.cost, -1)
            bound = priced.cost
        return Priced(None, bound, -1)

    def look(
        self, one: Asked, taken: int, sized: Callable[[Layer], Architecture], value: Callable[[Cost], float]
    ) -> Priced:
        """Search with so much taken."""
        self.searched += 1
        try:
            best = one.handing(self.wanted, sized, taken).best(value)
        except AccelsimError:
            best = None
        found = Priced(best[0].tile, *best[1:]) if best else Priced(None, NEVER, 0)
        self.known.setdefault(one.key(sized), []).append((taken, found))
        return found


def may_hand(group: Group) -> bool:
    """Whether all layers of a group are one that multiplies and those that may take its tiles over."""
    try:
        Epilogue.of(group)
    except MappingError:
        return False
    return True
