"""Layers that run together: their passes evaluated one by one, their words and their time put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from accelsim.architecture.model import Architecture
from accelsim.attending import check_attention, crossing_attention, run_attention, seen_attention
from accelsim.energy.rows import EnergyRow
from accelsim.energy.standing import standing_rows
from accelsim.engine.counts import Counts, Timing
from accelsim.engine.fused.filters import cuts, fetched
from accelsim.engine.fused.filters import room as room_with
from accelsim.engine.fused.group import Group as Geometry
from accelsim.engine.fused.group import Op
from accelsim.engine.fused.in_time import Stays, timed
from accelsim.engine.fused.layers import group_of
from accelsim.engine.fused.passes import Pass, passes
from accelsim.engine.fused.schedule import Clock
from accelsim.engine.fused.sequence import sequence
from accelsim.engine.fused.storage import Measured, Tiling, measure
from accelsim.engine.fused.timeline import Ran, tiles_of
from accelsim.engine.fused.ways import Way, Ways, way_of
from accelsim.epilogues import check_epilogue, run_epilogue
from accelsim.errors import MappingError, Overflow
from accelsim.grouped import GroupResult, PassRun, Share, refuse_number, started
from accelsim.mapping.mapping import LoopNest, describe
from accelsim.mapping.plan.living import Between, Wrong
from accelsim.mapping.plan.plan import COLUMNS, RESIDENT, ROWS, Group
from accelsim.search.plan.costs import Wanted
from accelsim.search.plan.fused import tilings, widths_of
from accelsim.search.plan.passed import (
    DRAIN,
    FILL,
    FILTER,
    IFMAP,
    PSUM,
    READ,
    UPDATE,
    Crossing,
    Done,
    Tally,
    cycles_of,
    inside,
    run_pass,
)
from accelsim.workload.network import Layer
from accelsim.workload.problem import TENSORS, Tensor, Width


def run_group(
    group: Group, between: Between, wanted: Wanted, evaluator: str, nests: Sequence[LoopNest] | None = None
) -> GroupResult:
    """Run one group. wanted : its home, and what mappings of passes are searched by. nests : of those that multiply.

    Raises MappingError for a group that is not legal, or does not fit: with the tile that would.
    """
    if group.attention:
        return run_attention(group, between, wanted, evaluator, nests)
    if group.epilogue:
        return run_epilogue(group, between, wanted, evaluator, nests)
    return _Run(group, between, wanted, evaluator, nests).result()


def wrong_groups(between: Between, wanted: Wanted, chosen: Collection[str]) -> Iterator[Wrong]:
    """Groups that cannot run, each with its place in the plan; chosen : layers that are run."""
    for i, group in enumerate(between.plan.groups):
        if not chosen or set(chosen) & set(group.layers):
            places = [between.index[name] for name in group.layers if name in between.index]
            if places != sorted(places):
                yield ("groups", i, "layers"), "they are not in the order they run in"
                continue
            try:
                if group.attention:
                    check_attention(group, between, wanted)
                elif group.epilogue:
                    check_epilogue(group, between, wanted)
                else:
                    _Run(group, between, wanted, "analytical", None).demand()
            except MappingError as error:
                yield ("groups", i, "layers"), str(error)


def seen_group(group: Group, between: Between, wanted: Wanted, nests: Sequence[LoopNest] | None = None) -> Ran:
    """The same as it runs in time, for a timeline; of a layer with an epilogue `epilogues.seen_epilogue` tells that."""
    if group.attention:
        return seen_attention(group, between, wanted, nests)
    return _Run(group, between, wanted, "cycle", nests).ran


def crossing(found: GroupResult, between: Between, wanted: Wanted) -> dict[str, int]:
    """Words of each tensor that the outermost level reads and writes; filters that are weights are left out."""
    nests = [one.nest for one in found.passes]
    if found.group.attention:
        return crossing_attention(found.group, between, wanted, nests)
    return _Run(found.group, between, wanted, "analytical", nests).crossing


def geometry_of(group: Group, between: Between) -> Geometry:
    """What a group's layers read and make. Raises MappingError where they cannot run together."""
    return group_of(between.network, group.layers)


@dataclass(frozen=True)
class _Run:
    group: Group
    between: Between
    wanted: Wanted
    evaluator: str
    nests: Sequence[LoopNest] | None

    # ---- what it is ----------------------------------------------------------------------------------------------

    @cached_property
    def geometry(self) -> Geometry:
        return geometry_of(self.group, self.between)

    @cached_property
    def layers(self) -> dict[str, Layer]:
        return {op.name: self.between.network.layers[self.between.index[op.name]] for op in self.geometry.ops}

    @cached_property
    def sized(self) -> dict[str, Architecture]:
        """The machine with the widths of each layer."""
        return {name: self.between.sized(layer) for name, layer in self.layers.items()}

    @property
    def machine(self) -> Architecture:
        """With the widths of the last layer."""
        return self.sized[self.geometry.sink.name]

    @cached_property
    def at_home(self) -> frozenset[str]:
        """Sources, what plays a filter, and the sink, where they live at home."""
        inside = [self.between.index[op.name] for op in self.geometry.ops]
        named = [source.name for source in self.geometry.sources]
        named += [op.dynamic for op in self.geometry.ops if op.dynamic]
        parts = self.between.parts
        found = {name for name in named if all(self.between.lives(p, inside[0], inside[-1]) for p in parts[name])}
        return frozenset(found | ({self.geometry.sink.name} & set(self.between.plan.resident)))

    @cached_property
    def found(self) -> Measured:
        """What it computes, moves and holds."""
        return self._measured(self._tiling)

    def _measured(self, tiling: Tiling) -> Measured:
        return measure(self.geometry, tiling, widths_of(self.geometry, self.sized, self.at_home))

    @cached_property
    def _tiling(self) -> Tiling:
        rows, columns = self.geometry.sink.plane
        names = self.geometry.tensors
        for name in (*self.group.keep, *self.group.filters, *self.group.slices):
            if name not in names:
                raise MappingError(f"group {self.group.name}: '{name}' is no tensor of it ({', '.join(names)})")
        level = self.machine.levels[self.machine.level_index(self.wanted.home)]
        own = {name: _axes(ways) for name, ways in self.group.keep.items()}
        tile = self.group.P or rows, self.group.Q or columns
        self._check_slices()
        return Tiling(tile, _axes(self.group.otherwise), own, level.slots(Tensor.IFMAP) > 1, self.group.slices)

    def _check_slices(self) -> None:
        """Raise MappingError for a filter that cannot come in these slices."""
        self._refuse_without_filter()
        for op in self.geometry.ops:
            outer, where = self.group.slices.get(op.name), f"group {self.group.name}: the filter of '{op.name}'"
            if outer is None:
                continue
            if not self.wanted.keeps_filters:
                raise MappingError(f"{where} comes in no slices: '{self.wanted.home}' keeps no filter")
            if op.dynamic in self.at_home:
                raise MappingError(f"{where} comes in no slices: '{op.dynamic}' lives in '{self.wanted.home}'")
            if outer > op.outer:
                each = " of one group" if op.groups > 1 else ""
                raise MappingError(f"{where}: a slice of M {outer}, and it has {op.outer} output channels{each}")

    def _refuse_without_filter(self) -> None:
        has = [op.name for op in self.geometry.ops if op.filters]
        for name in (*self.group.filters, *self.group.slices):
            if name not in has:
                raise MappingError(f"group {self.group.name}: '{name}' has no filter ({', '.join(has)})")

    @cached_property
    def filters(self) -> frozenset[str]:
        """Those that stay."""
        self._refuse_without_filter()
        stay = frozenset(name for name, way in self.group.filters.items() if way == RESIDENT)
        if stay and not self.wanted.keeps_filters:
            raise MappingError(
                f"group {self.group.name}: '{self.wanted.home}' keeps no filter, so that of '{min(stay)}' cannot stay"
            )
        return stay

    @cached_property
    def room(self) -> int:
        """Bits that it takes; MappingError where there are fewer, with the largest tile that would fit."""
        needs = self._room(self.found)
        if self.wanted.capacity is None:
            return needs
        inside = [self.between.index[name] for name in self.layers]
        free = self.wanted.capacity - self.between.taken_from(inside[0], inside[-1])
        if needs <= free:
            return needs
        most = 0, (0, 0)
        for tiling in tilings(self.wanted, self.geometry):
            size = tiling.tile[0] * tiling.tile[1]
            if tiling.keep == self._tiling.keep and size > most[0]:
                other = self._measured(replace(self._tiling, tile=tiling.tile))
                if self._room(other) <= free:
                    most = size, tiling.tile
        levers = [f"a tile of P {most[1][0]}, Q {most[1][1]} would fit"] if most[0] else []
        if self.wanted.keeps_filters and self.wanted.weights_share and (cut := cuts(self.found, free, self.filters)):
            slices = ", ".join(f"{name}: {{M: {outer}}}" for name, outer in cut.items())
            levers.append(f"filters in slices would: {slices}" if most[0] else f"filters in slices would fit: {slices}")
        levers = levers or ["no tile fits: take fewer layers"]
        raise MappingError(describe(Overflow(self.wanted.home, f"group {self.group.name}", needs, free, tuple(levers))))

    def demand(self) -> tuple[frozenset[str], int]:
        """Filters that stay, and bits that it takes. Raises MappingError where it is not legal, or does not fit."""
        return self.filters, self.room

    def _room(self, found: Measured) -> int:
        beside = self.wanted.keeps_filters and self.wanted.weights_share
        return room_with(found, self.filters) if beside else found.room

    # ---- what it does --------------------------------------------------------------------------------------------

    @cached_property
    def every(self) -> tuple[Pass, ...]:
        return passes(self.found)

    @cached_property
    def done(self) -> dict[int, Done]:
        """By number of a pass, those that multiply."""
        at = [k for k, one in enumerate(self.every) if one.problem is not None]
        refuse_number(self.group, self.nests, len(at))
        return {k: self._multiplied(self.every[k], self.nests[n] if self.nests else None) for n, k in enumerate(at)}

    def _multiplied(self, one: Pass, nest: LoopNest | None) -> Done:
        assert one.problem is not None
        return run_pass(self.wanted, self.sized[one.op], one.problem, nest, self.evaluator)

    @cached_property
    def clock(self) -> Clock:
        """When everything happens."""
        cycles = [self._cycles(k) for k in range(len(self.every))]
        return timed(self.found, self._ways, cycles, Stays(self._there, self.at_home))

    @property
    def ran(self) -> Ran:
        """When everything happens, with names."""
        found, sink, images = self.found, len(self.geometry.tensors) - 1, range(self.geometry.images)
        rows, columns = (axis.made[:, sink, 0] for axis in (found.rows, found.columns))
        insides = tuple(
            inside(self.wanted, self.sized[one.op], self.done.get(k)) for k, one in enumerate(self.every)
        )  # fmt: skip
        return Ran(
            self.clock, tuple(op.name for op in self.geometry.ops), (Tensor.IFMAP,) * len(self.geometry.sources),
            (self.machine.levels[0].name, self.wanted.home), self._ways.ports, sequence(found).which, insides,
            tiles_of(images, rows, columns), ("N", "P", "Q"), self.machine.launch,
        )  # fmt: skip

    def _cycles(self, k: int) -> int:
        one = self.every[k]
        return cycles_of(self.wanted, self.sized[one.op], one, self.done.get(k))

    @property
    def _there(self) -> frozenset[str]:
        """Filters that do not come for every pass: where they do not come through home, passes have them in them."""
        stay = self.filters
        return stay if self.wanted.keeps_filters else frozenset(op.name for op in self.geometry.ops if op.filters)

    @property
    def _ways(self) -> Ways:
        homes = {t: self.wanted.home for t in TENSORS if t is not Tensor.FILTER or self.wanted.keeps_filters}
        machine = replace(self.machine, homes=homes)
        none = Way((), machine.widths[Width.FILTER], 0)
        weights = way_of(machine, Tensor.FILTER) if self.wanted.keeps_filters else none
        return Ways(way_of(machine, Tensor.IFMAP), weights, way_of(machine, Tensor.PSUM))

    # ---- what it moves -------------------------------------------------------------------------------------------

    @cached_property
    def words(self) -> tuple[int, int, int]:
        """Between the outermost level and home: of sources, filters and the sink."""
        found, there = self.found, self.at_home
        reads = sum(words for name, words in found.reads.items() if name not in there)
        weights = 0
        if self.wanted.keeps_filters:
            ops = [op for op in self.geometry.ops if op.filters and op.dynamic not in there]
            weights = sum(fetched(found, op, op.name in self.filters) for op in ops)
        return reads, weights, 0 if self.geometry.sink.name in there else found.updates

    @property
    def crossing(self) -> dict[str, int]:
        """The same by tensor, without weights."""
        found, there = Counter[str](), self.at_home
        for name, words in self.found.reads.items():
            found[name] += 0 if name in there else words
        for op in (op for op in self.geometry.ops if op.dynamic):
            if not self.wanted.keeps_filters:
                # it passes home by: passes fetch it from the outermost level themselves
                passed = ((self.every[k].runs, done) for k, done in self.done.items() if self.every[k].op == op.name)
                found[op.dynamic] += sum(runs * int(done.counts.words[0, FILTER].sum()) for runs, done in passed)
            elif op.dynamic not in there:
                found[op.dynamic] += fetched(self.found, op, op.name in self.filters)
        found[self.geometry.sink.name] += self.words[2]
        return dict(found)

    @cached_property
    def _tally(self) -> Tally:
        found, (reads, weights, updates) = Tally(self.wanted, self.machine), self.words
        found.passes((one, self.done.get(k)) for k, one in enumerate(self.every))
        found.cross(
            (
                Crossing(IFMAP, READ, FILL, Width.IFMAP, reads),
                Crossing(FILTER, READ, FILL, Width.FILTER, weights),
                Crossing(PSUM, UPDATE, DRAIN, Width.OFMAP, updates),
            )
        )
        return found

    @cached_property
    def counts(self) -> Counts:
        """Of all passes, and of what comes in and leaves."""
        found, every = self._tally, sum(self.found.macs.values())
        macs = every - sum(self.found.again.values())
        return Counts(
            found.levels, found.words, found.network, macs, found.compute, found.active, macs, every, -1,
            narrow=found.narrow, slots=macs,
        )  # fmt: skip

    def rows(self, timing: Timing) -> tuple[EnergyRow, ...]:
        """Of all passes added, of vector operations, of what comes in and leaves, and of what stands."""
        standing = standing_rows(self.machine, self.wanted.table, timing.cycles, self.counts)
        return (*self._tally.rows, *standing)

    # ---- all of it -----------------------------------------------------------------------------------------------

    def result(self) -> GroupResult:
        """What a result says of it."""
        room, clock, launch = self.room, self.clock, self.machine.launch
        stalls: Counter[str] = Counter(clock.stalls) + Counter(fixed=launch)
        for k, one in enumerate(self.every):
            if k in self.done:
                for cause, cycles in self.done[k].timing.stalls.items():
                    stalls[cause] += cycles * one.runs
            else:
                stalls["vector"] += self._cycles(k) * one.runs
        exact = self.evaluator == "cycle"
        found = {cause: cycles for cause, cycles in sorted(stalls.items()) if cycles} if exact else {}
        timing = Timing(
            launch + clock.cycles, launch + clock.processing, self.counts.compute_cycles, found, {}, exact
        )  # fmt: skip
        listed = tuple(
            PassRun(self.every[k].op, one.problem, self.every[k].runs, one.nest) for k, one in self.done.items()
        )
        return GroupResult(
            self.group, tuple(self._share(op) for op in self.geometry.ops), listed, self.counts, timing,
            self.rows(timing), room, self.wanted.home, self.machine.widths,
            sum(one.operations * one.runs for one in self.every),
        )  # fmt: skip

    def _share(self, op: Op) -> Share:
        found, name = self.found, op.name
        runs = sum(one.runs for one in self.every if one.op == name)
        cycles, stalls = started(self.clock.by_layer, self.machine.launch)[name]
        again = found.again[name]
        return Share(name, self.layers[name].op, found.macs[name] - again, again, runs, cycles, stalls)


def _axes(ways: Iterable[str]) -> tuple[bool, bool]:
    return ROWS in ways, COLUMNS in ways
