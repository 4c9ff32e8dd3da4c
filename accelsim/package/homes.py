"""Ofmaps that stay in the buffers of the cores that made them, for the next layer to read over links (rules C3, C5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from accelsim.errors import MappingError
from accelsim.mapping.mapping import demands
from accelsim.outcome import LayerResult
from accelsim.package.costs import Costed, Costs
from accelsim.package.events import carried_out
from accelsim.package.flow import NOTHING, ZERO, Edge, Entry, Flow
from accelsim.package.layerwise import Group
from accelsim.package.placed import Placed
from accelsim.package.split import exchanged
from accelsim.workload.problem import Tensor, Width

IFMAP_READ, PSUM_UPDATE = ("ifmap", "read"), ("psum", "update")


def settled(costs: Costs, groups: Sequence[Group]) -> tuple[list[Group], list[str]]:
    """The groups of a network in order, where ofmaps stay with their owners wherever they can; where each one lies.

    An ofmap stays if the next layer alone reads it, as it is; if owners and readers have room for it beside their
    tiles; and if a link joins every two cores that share words of it. Else it goes to memory.
    """
    stays = [
        index + 1 < len(groups) and _stays(costs, groups[index], groups[index + 1]) for index in range(len(groups))
    ]
    found = []
    for index, group in enumerate(groups):
        before = groups[index - 1] if index and stays[index - 1] else None
        found.append(_rewritten(costs, group, before, stays[index]) if before or stays[index] else group)
    return found, ["cores" if stay else "memory" for stay in stays]


def _stays(costs: Costs, first: Group, second: Group) -> bool:
    network, one, other = costs.network, first.layer, second.layer
    readers = [layer.name for layer in network.layers if one.name in layer.inputs]
    if readers != [other.name] or other.inputs != (one.name,) or one.repeat > 1 or other.repeat > 1:
        return False
    made, read = first.cut.problem, second.cut.problem
    shapes = (made["N"], made["G"] * made["M"], made["P"], made["Q"])
    if shapes != (read["N"], read["G"] * read["C"], read.height, read.width) or first.cut.parts_of("C") > 1:
        return False
    return _room(costs, first, Tensor.PSUM) and _room(costs, second, Tensor.IFMAP) and _joined(costs, first, second)


def _room(costs: Costs, group: Group, tensor: Tensor) -> bool:
    """Whether every core holds its part of a tensor beside the tiles of its mapping, in its outermost own level."""
    for one in group.placed:
        assert one.costed
        layer = one.costed.layer
        machine = costs.jobs[costs.package.cores[one.core].group][group.layer.name].machine
        if (
            len(machine.levels) < 2
            or machine.levels[0].compression
            or layer.counts(machine.levels[0].name, "psum", "read")
        ):
            return False
        level = machine.levels[1]
        part = next((part for part in level.capacity if tensor in part.tensors), None)
        if tensor not in level.keeps or part is None or len(part.tensors) < 2:
            return False
        held = sum(
            demand
            for where, partition, demand, _ in demands(machine, layer.nest, layer.problem)
            if where.name == level.name and partition.tensors == part.tensors
        )
        width = layer.bits[Width.OFMAP if tensor is Tensor.PSUM else Width.IFMAP]
        if held + one.part.problem.words(tensor) * width > part.bits:
            return False
    return True


def _joined(costs: Costs, first: Group, second: Group) -> bool:
    cores = costs.package.cores
    try:
        pairs = exchanged(first.cut, second.cut)
    except MappingError:
        return False
    where = [(first.placed[a].core, second.placed[b].core) for a, b in pairs]
    return all(a == b or costs.package.between(cores[a], cores[b]) is not None for a, b in where)


def _rewritten(costs: Costs, group: Group, before: Group | None, stays: bool) -> Group:
    """A group whose ifmap comes from cores (`before`), and whose ofmap stays; its own work is as it was."""
    package, energy = costs.package, group.link_energy
    placed: list[Placed] = []
    pairs = exchanged(before.cut, group.cut) if before else {}
    for one in group.placed:
        assert one.costed
        core, outer = package.cores[one.core], costs.machine(package.cores[one.core]).levels[0].name
        inputs = []
        for (producer, reader), words in pairs.items():
            source = before.placed[producer].core if before else -1
            if reader == one.part.index and source != one.core:
                path = package.between(package.cores[source], core)
                assert path is not None
                bits = words * one.costed.layer.bits[Width.IFMAP]
                inputs.append(Edge(-1, Flow.over(bits, path.reads, path.latency + package.sync), source))
                energy += bits * path.energy
        dropped = [IFMAP_READ] * bool(before) + [PSUM_UPDATE] * stays
        entry, left = _lighter(costs, one, outer, bool(before), stays)
        energy -= left * package.path(core).energy
        placed.append(
            replace(one, entry=replace(entry, inputs=tuple(inputs)), costed=_without(one.costed, outer, dropped))
        )
    schedule = replace(group.run.schedule, entries=tuple(one.entry for one in placed))
    return Group(group.layer, group.cut, tuple(placed), carried_out(schedule), energy)


def _without(costed: Costed, outer: str, dropped: Sequence[tuple[str, str]]) -> Costed:
    """The part without what the outermost level is paid for words that do not reach it."""
    layer: LayerResult = costed.layer
    rows = tuple(
        row for row in layer.energy_rows if not (row.component == outer and (row.tensor, row.action) in dropped)
    )
    return replace(costed, layer=replace(layer, energy_rows=rows))


def _lighter(costs: Costs, one: Placed, outer: str, reads: bool, writes: bool) -> tuple[Entry, Fraction]:
    """A part's entry without its ifmap's and its ofmap's bits at memory, and how many these are.

    The ifmap's bits leave fill and body in proportion.
    """
    assert one.costed
    entry, found, layer = one.entry, one.costed.phases, one.costed.layer
    path = costs.package.path(costs.package.cores[one.core])
    own = layer.counts.bits(outer, Tensor.IFMAP, "read", layer.moved or layer.bits) if reads else 0
    total = found.fill + found.reads
    kept = 1 - Fraction(own) / total if total else Fraction(1)
    body_reads, body_writes = found.reads * kept, ZERO if writes else found.writes
    left = total * (1 - kept) + (found.writes + found.drain if writes else ZERO)
    if not entry.body.shares and not entry.fill.shares and not entry.drain.shares:
        return entry, left
    bits = body_reads + body_writes
    held = {
        resource: (body_reads * (resource in path.reads) + body_writes * (resource in path.writes)) / bits
        for resource in path.resources
        if bits
    }
    body = Flow(bits, tuple((resource, share) for resource, share in held.items() if share)) if bits else NOTHING
    fill = replace(entry.fill, bits=entry.fill.bits * kept)
    return replace(entry, fill=fill, body=body, drain=NOTHING if writes else entry.drain), left
