"""One layer on several cores: its parts as a schedule, and the best of its splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import prod

from accelsim.errors import MappingError
from accelsim.package.costs import Costed, Costs, energy_of
from accelsim.package.events import Run, carried_out
from accelsim.package.flow import NOTHING, ZERO, Edge, Entry, Flow, Schedule
from accelsim.package.model import Package
from accelsim.package.placed import Placed
from accelsim.package.split import SPLIT_DIMS, Cut, Part, needed, whole_part
from accelsim.package.together import together
from accelsim.workload.network import Layer
from accelsim.workload.problem import Tensor, Width

OFFERED = ("N", "G", "M", "P", "Q")
"""Dims that a split is sought over; C only where a file says so, for its sums cross links."""
TRIES = 4
"""Splits of a layer that are run, the most promising first; a bound leaves others out."""


@dataclass(frozen=True)
class Group:
    """A layer on some cores. placed : its entries, in the order of the schedule. words : over links between cores."""

    layer: Layer
    cut: Cut
    placed: tuple[Placed, ...]
    run: Run
    link_energy: Fraction = ZERO

    @property
    def cycles(self) -> Fraction:
        """Of the package, once."""
        return self.run.makespan

    @cached_property
    def energy(self) -> Fraction:
        """Of its parts, and of links."""
        return sum((energy_of(one.costed) for one in self.placed if one.costed), self.link_energy)


def entries_of(costs: Costs, layer: Layer, cut: Cut, cores: Sequence[int]) -> tuple[list[Placed], Fraction]:
    """The entries of a layer's parts, on cores in their order, and the energy of links (C13).

    Raises MappingError where a part cannot be mapped, or sums cannot reach their owner.
    """
    package, placed, energy = costs.package, [], ZERO
    if cut.count > len(cores):
        raise MappingError(f"split {cut.text}: {cut.count} parts for {len(cores)} cores")
    for part in cut.parts:
        core = package.cores[cores[part.index]]
        costed = costs.part(core, layer, part.problem)
        entry = costs.entry(core, costed, f"{layer.name} {part.index}" if cut.count > 1 else layer.name)
        energy += _bits(costed) * package.path(core).energy
        placed.append(Placed(cores[part.index], part, costed, entry))
    if any(memory.multicast for memory in package.memories.values()):
        placed, energy = together(costs, placed)
    if cut.parts_of("C") > 1:
        sums, more = _sums(costs, layer, cut, placed)
        return placed + sums, energy + more
    return placed, energy


def _bits(costed: Costed) -> Fraction:
    found = costed.phases
    return found.fill + found.drain + found.reads + found.writes


def _sums(costs: Costs, layer: Layer, cut: Cut, placed: list[Placed]) -> tuple[list[Placed], Fraction]:
    """Partial sums leave for their owners, which add and write them; no part writes its own to memory (C2).

    An addition takes a lane of the owner's vector unit for a cycle; without one it takes no time.
    """
    package, energy, found = costs.package, ZERO, []
    owners = [one for one in placed if one.part.owns]
    for owner in owners:
        inputs = [Edge(owner.part.index)]
        own = package.cores[owner.core]
        assert owner.costed
        words = owner.part.problem.words(Tensor.PSUM)
        parts = [one for one in placed if one.part.owner == owner.part.index and one is not owner]
        for one in parts:
            path = package.between(package.cores[one.core], own)
            assert one.costed
            if path is None:
                raise MappingError(
                    f"split {cut.text}: no link joins '{package.cores[one.core].name}' and '{own.name}' for its sums"
                )
            bits = words * one.costed.layer.bits[Width.PSUM]
            inputs.append(Edge(one.part.index, Flow.over(bits, path.reads, path.latency)))
            energy += bits * path.energy
        lanes = own.machine.lanes
        scale = package.clock / own.clock
        adds = -(-len(parts) * words // lanes) * scale if lanes else ZERO
        writes = package.path(own).writes
        drain = Flow.over(words * owner.costed.layer.bits[Width.OFMAP], writes, package.path(own).latency)
        entry = Entry(Fraction(adds), tuple(inputs), drain=drain, name=f"{layer.name} sums {owner.part.index}")
        found.append(Placed(owner.core, owner.part, None, entry))
    for index, one in enumerate(placed):
        placed[index] = replace(one, entry=_without_writes(one, package.path(package.cores[one.core]).writes))
    return found, energy


def _without_writes(placed: Placed, writes: Sequence[int]) -> Entry:
    """The part with its writes left out: they are sums, and go to their owner instead. Its own cycles stay.

    writes : resources they held. Reads hold what they held, also where they are shared with other parts.
    """
    assert placed.costed
    entry, found = placed.entry, placed.costed.phases
    if not entry.body.shares:
        return replace(entry, drain=NOTHING)
    bits, both = found.reads, found.reads + found.writes
    held = ((at, share * both - found.writes * (at in writes)) for at, share in entry.body.shares)
    kept = tuple((at, own / bits) for at, own in held if own > 0) if bits else ()
    return replace(entry, body=Flow(bits, kept) if bits else NOTHING, drain=NOTHING)


def layer_group(costs: Costs, layer: Layer, cut: Cut, cores: Sequence[int]) -> Group:
    """A layer by itself on some cores, its parts beginning together."""
    placed, energy = entries_of(costs, layer, cut, cores)
    lists: list[list[int]] = [[] for _ in costs.package.cores]
    for index, one in enumerate(placed):
        lists[one.core].append(index)
    package = costs.package
    schedule = Schedule(
        tuple(one.entry for one in placed), tuple(map(tuple, lists)), package.capacities, max(package.slots, 2)
    )
    return Group(layer, cut, tuple(placed), carried_out(schedule), energy)


def splits(layer: Layer, cores: int, dims: Sequence[str] = OFFERED) -> Iterator[dict[str, int]]:
    """Factors over at most two dims, none with empty blocks: first those that make use of more than half of the cores,
    then those of half as many cores, and so on to the whole layer on one.
    """
    problem = layer.problem
    assert problem is not None
    seen = set()
    for index, first in enumerate(dims):
        for second in dims[index:]:
            for factor in range(1, cores + 1):
                factors = {first: factor} if first == second else {first: factor, second: cores // factor}
                cut = _cut(layer, factors)
                if cut is None:
                    continue
                blocks = tuple(cut.parts_of(dim) for dim in SPLIT_DIMS)
                if prod(blocks) <= cores and blocks not in seen and prod(blocks) > cores // 2:
                    seen.add(blocks)
                    yield {dim: count for dim, count in zip(SPLIT_DIMS, blocks, strict=True) if count > 1}
    if cores > 1:
        # fewer parts move fewer words; the whole layer on one core is always among them
        yield from splits(layer, cores // 2, dims)
    elif not seen:
        yield {}


def _cut(layer: Layer, factors: Mapping[str, int]) -> Cut | None:
    try:
        return Cut(layer.problem, {dim: n for dim, n in factors.items() if n > 1})  # type: ignore[arg-type]
    except MappingError:
        return None


def bound(package: Package, cut: Cut, cores: Sequence[int], costs: Costs, layer: Layer) -> Fraction:
    """Cycles no run of a split is faster than, on machines without zeros: MACs at the peak, distinct bits of memory."""
    least = ZERO
    bits: dict[int, int] = {}
    for part in cut.parts:
        core = package.cores[cores[part.index]]
        machine = costs.jobs[core.group][layer.name].machine
        peak = Fraction(machine.macs_at_once) * core.clock / package.clock
        least = max(least, part.problem.macs / peak)
        reads = part.problem.words(Tensor.FILTER) * machine.word_bits[Tensor.FILTER]
        reads += _plane_words(part) * machine.word_bits[Tensor.IFMAP]
        writes = part.problem.words(Tensor.PSUM) * machine.final_bits if part.owns else 0
        path = package.path(core)
        for resource in path.resources:
            moved = reads * (resource in path.reads) + writes * (resource in path.writes)
            bits[resource] = bits.get(resource, 0) + moved
    return max([least, *(Fraction(n) / package.capacities[resource] for resource, n in bits.items())])


def _plane_words(part: Part) -> int:
    """Distinct words of the unpadded ifmap that a part reads."""
    problem = part.problem
    images, channels, rows, columns = needed(problem, whole_part(problem))
    return (images[1] - images[0]) * (channels[1] - channels[0]) * sum(rows) * sum(columns)


def best_group(
    costs: Costs, layer: Layer, cores: Sequence[int], given: Mapping[str, int] | None = None, tries: int = TRIES
) -> Group:
    """The fastest split of a layer on some cores, or the one that is given; of equal ones the first.

    Raises MappingError where no split can be mapped, with the reason of the most promising one.
    """
    assert layer.problem is not None
    if given is not None:
        return layer_group(costs, layer, Cut(layer.problem, given), cores)
    package = costs.package
    cuts = [Cut(layer.problem, factors) for factors in splits(layer, len(cores))]
    bounds = [bound(package, cut, cores, costs, layer) for cut in cuts]
    proved = not any(package.cores[core].machine.sees_zeros for core in cores)
    best: Group | None = None
    first: MappingError | None = None
    for index in _tried(cuts, bounds, len(cores), tries):
        if best is not None and proved and bounds[index] >= best.cycles:
            continue
        try:
            found = layer_group(costs, layer, cuts[index], cores)
        except MappingError as error:
            first = first or error
            continue
        if best is None or found.cycles < best.cycles:
            best = found
    if best is None:
        raise first or MappingError(f"layer '{layer.name}': no split can be run")
    return best


def _tried(cuts: Sequence[Cut], bounds: Sequence[Fraction], cores: int, tries: int) -> list[int]:
    """The splits that are run: the most promising ones, then of half as many cores and so on the most promising one."""
    order = sorted(range(len(cuts)), key=lambda index: (bounds[index], index))
    found = order[:tries]
    while cores:
        found += [index for index in order if cores // 2 < cuts[index].count <= cores][:1]
        cores //= 2
    return list(dict.fromkeys(found))
