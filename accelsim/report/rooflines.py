"""Rooflines: for each level with timed ports, MACs per byte that cross below it against MACs per cycle.

S. Williams, A. Waterman, D. Patterson, "Roofline", CACM 52(4), 2009; with a roof for each level, as A. Ilic, F. Pratas,
L. Sousa, "Cache-aware Roofline Model", IEEE CAL 13(1), 2014, for caches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from accelsim.architecture.model import Architecture, Injection, NetworkKind, Port
from accelsim.grouped import GroupResult
from accelsim.mapping.mapping import LoopNest
from accelsim.outcome import LayerResult, Outcome
from accelsim.workload.problem import REDUCTION_DIMS, TENSORS, Tensor, Width

WAYS = ("down", "up")


@dataclass(frozen=True)
class Roof:
    """What can cross below a level, bytes per core cycle of all its instances, and where the roof meets the peak."""

    level: str
    bandwidth: float
    ridge: float


@dataclass(frozen=True)
class Point:
    """A layer or group at a level: MACs per byte that crosses a timed port there, and MACs per cycle."""

    layer: str
    level: str
    intensity: float
    performance: float


@dataclass(frozen=True)
class Roofline:
    """What is drawn. peak : MACs per cycle, of all PEs."""

    peak: float
    roofs: tuple[Roof, ...]
    points: tuple[Point, ...]

    def bound(self, point: Point) -> float:
        """MACs per cycle under the roof of the point's level."""
        roof = next(roof for roof in self.roofs if roof.level == point.level)
        return min(self.peak, roof.bandwidth * point.intensity)


def roofline(result: Outcome) -> Roofline:
    """Of the layers and groups of a result. A port that tensors share is counted once.

    MACs are those that took a slot, of groups those whose words are not made again.
    """
    machine = result.architecture
    # of multipliers that split, in the mode of those that ran that does most
    peak = max(map(result.macs_at_once, result.multiplied), default=machine.macs_at_once)
    roofs, points, instances = [], [], 1
    for index, level in enumerate(machine.levels):
        ports = dict(_ports(machine, index, instances))
        if ports:
            bandwidth = float(sum(ports.values())) / 8
            roofs.append(Roof(level.name, bandwidth, peak / bandwidth))
            for layer in result.in_order:
                moved = crossing(machine, layer, index)
                if moved and layer.cycles:
                    done = layer.counts.visited
                    points.append(Point(layer.name, level.name, done / moved, done / layer.cycles))
        instances *= level.fanout.y * level.fanout.x
    return Roofline(peak, tuple(roofs), tuple(points))


def crossing(machine: Architecture, layer: LayerResult | GroupResult, index: int) -> float:
    """Bytes of a layer or group that cross the timed ports below a level, one run.

    Old psums and refills are among them. Where an array leaves sums unmerged, psums on their way down are not: those of
    a first visit are counted as sent, but take no time (docs/model.md, "Readings found while ...").
    """
    name, bits = machine.levels[index].name, 0
    if isinstance(layer, LayerResult):
        nests = [layer.nest]
    else:
        # what comes for tiles crosses further out than any pass
        nests = [one.nest for one in layer.passes] if index >= machine.level_index(layer.home) else []
    unmerged = any(_unmerged(machine, nest) for nest in nests)
    for tensor in TENSORS:
        for way in WAYS:
            down = (tensor, way) == (Tensor.PSUM, "down")
            if _port(machine, index, tensor, way) and not (down and unmerged):
                words = layer.counts.sent(name, tensor, way)
                narrow = layer.counts.narrowed(name, "sent") if (tensor, way) == (Tensor.PSUM, "up") else 0
                bits += (words - narrow) * layer.widths[Width(tensor)] + narrow * layer.widths[Width.OFMAP]
    return bits / 8


def _unmerged(machine: Architecture, nest: LoopNest) -> bool:
    """Whether some array leaves reductions over its children unmerged."""
    for level in machine.levels:
        reduced = level.fanout.network(Tensor.PSUM).reduce
        spatial = {loop.dim for kind, loop in nest.level(level.name).loops if kind != "temporal" and loop.factor > 1}
        if spatial.intersection(REDUCTION_DIMS) - reduced:
            return True
    return False


def _port(machine: Architecture, index: int, tensor: Tensor, way: str) -> Port | None:
    port: Port | None = getattr(machine.levels[index].fanout.network(tensor), way)
    return port


def _ports(machine: Architecture, index: int, instances: int) -> Iterator[tuple[str, float]]:
    """(name, bits per cycle) of the timed ports below all instances of a level; of one name the widest."""
    found: dict[str, float] = {}
    fanout = machine.levels[index].fanout
    for tensor in TENSORS:
        network = fanout.network(tensor)
        edge = network.kind is NetworkKind.MESH and network.injection is Injection.WEST_EDGE
        for way in WAYS:
            if port := _port(machine, index, tensor, way):
                bits = float(port.rate) * (machine.moved_bits[tensor] if port.in_words else 1)
                bits *= instances * (fanout.y if edge else 1)
                # the two ways of a mesh are links of their own
                key = f"{port.name} {way}" if network.kind is NetworkKind.MESH else port.name
                found[key] = max(found.get(key, 0.0), bits)
    yield from found.items()
