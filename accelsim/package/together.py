"""Words that several parts of a layer read: once for all of them where memory multicasts (rule C4)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from accelsim.package.costs import Costs
from accelsim.package.flow import ZERO, Flow
from accelsim.package.model import Path
from accelsim.package.placed import Placed
from accelsim.workload.problem import TENSOR_DIMS, Tensor

READ = (Tensor.IFMAP, Tensor.FILTER)


def together(costs: Costs, placed: list[Placed]) -> tuple[list[Placed], Fraction]:
    """The parts with what they read together shared among them, and the energy of links.

    Of a resource that the ways of k readers of the same block hold, each holds a k-th for it: all of them together hold
    it once, the union of their routes. Memory is paid by the first of them. Halos, which blocks share in part, are read
    by each.
    """
    package = costs.package
    paths = [package.path(package.cores[one.core]) for one in placed]
    found, energy = [], ZERO
    for index, one in enumerate(placed):
        assert one.costed
        layer, phases = one.costed.layer, one.costed.phases
        if not package.memories[package.cores[one.core].memory].multicast:
            found.append(one)
            energy += (phases.fill + phases.reads + phases.writes + phases.drain) * paths[index].energy
            continue
        outer = costs.machine(package.cores[one.core]).levels[0].name
        total = phases.fill + phases.reads
        weight = dict.fromkeys(paths[index].reads, Fraction(1))
        dropped: set[tuple[str, str]] = set()
        for tensor in READ:
            readers = [at for at, other in enumerate(placed) if _block(other, tensor) == _block(one, tensor)]
            bits = layer.counts.bits(outer, tensor, "read", layer.moved or layer.bits)
            for resource in weight:
                count = sum(resource in paths[at].reads for at in readers)
                weight[resource] -= Fraction(bits) / total * (1 - Fraction(1, count)) if total else ZERO
            if readers[0] != index:
                dropped.add((tensor.value, "read"))
        rows = tuple(
            row for row in layer.energy_rows if row.component != outer or (row.tensor, row.action) not in dropped
        )
        links = [weight[at] for at in weight if package.resources[at].kind == "link"][:-1]
        mean = sum(links, ZERO) / len(links) if links else Fraction(1)
        energy += (total * mean + phases.writes + phases.drain) * paths[index].energy
        costed = replace(one.costed, layer=replace(layer, energy_rows=rows))
        fill = (
            replace(one.entry.fill, shares=tuple(sorted(weight.items()))) if one.entry.fill.shares else one.entry.fill
        )
        body = _body(one, paths[index], weight)
        found.append(replace(one, costed=costed, entry=replace(one.entry, fill=fill, body=body)))
    return found, energy


def _block(one: Placed, tensor: Tensor) -> tuple[tuple[str, tuple[int, int]], ...]:
    """Which block of a tensor a part reads."""
    return tuple((dim, span) for dim, span in one.part.spans.items() if dim in TENSOR_DIMS[tensor])


def _body(one: Placed, path: Path, weight: dict[int, Fraction]) -> Flow:
    """Reads by their weights and writes, as one transfer."""
    assert one.costed
    body, found = one.entry.body, one.costed.phases
    if not body.shares:
        return body
    bits = found.reads + found.writes
    shares = {
        at: (found.reads * weight.get(at, ZERO) + found.writes * (at in path.writes)) / bits for at in path.resources
    }
    return replace(body, shares=tuple((at, share) for at, share in shares.items() if share))
