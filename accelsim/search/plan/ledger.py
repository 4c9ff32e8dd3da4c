"""Where the words of a pass are paid for: prices by place, from home to the MACs, whatever the mapping is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from accelsim.architecture.model import Architecture, NetworkKind
from accelsim.energy.account import by_supply
from accelsim.energy.floor import access, mac
from accelsim.energy.table import EnergyTable
from accelsim.mapping.dataflows.dataflow import Dataflow
from accelsim.workload.problem import TENSORS, Tensor

IFMAP, FILTER, PSUM = range(3)


class Place(NamedTuple):
    """Where words of a tensor cost energy on their way between the PEs and the memory right outside them.

    price : of a word. fanout : what PEs have is shared from this fan-out on. less : of a psum that is final, below the
    price of the others.
    """

    price: float
    fanout: int
    less: float = 0.0


class Back(NamedTuple):
    """What sums that meet again cost in the memory outside the PEs, beside being updated.

    fanout : the memory's. price : of each beyond the outputs, read back or drained early.
    """

    fanout: int
    price: float


@dataclass(frozen=True)
class Ledger:
    """Prices of one machine, as a pass finds it.

    each : of a MAC, and of what it reads and writes in the PE. once : by tensor, of each distinct word, at levels that
    move it at least once. places : by tensor, of what PEs take and give. back : of psums. register : by tensor, whether
    no PE keeps it. parents, children : by tensor, the levels right outside and inside the array.
    """

    each: float
    once: tuple[float, float, float]
    places: tuple[tuple[Place, ...], ...]
    back: Back
    register: tuple[bool, bool, bool]
    parents: tuple[int, int, int]
    children: tuple[int, int, int]


class _Prices:
    """Of one machine by a table."""

    def __init__(self, machine: Architecture, table: EnergyTable) -> None:
        self.machine, self.table = machine, table
        self.by = float(by_supply(machine, table))
        self.final = machine.final_bits
        # a sum that is final is an ofmap word from these on outwards (`narrowed.most_saved`)
        self.stores = machine.narrow_level + 1 if machine.narrows else 0
        self.carries = max(machine.narrow_fanout, machine.narrow_level) + 1 if machine.narrows else 0

    def access(self, level: int, action: str, tensor: Tensor, bits: int | None = None) -> float:
        machine = self.machine
        price = access(machine, self.table, machine.levels[level], action, bits or machine.moved_bits[tensor], tensor)
        return float(price) * (self.by if level else 1.0)

    def less(self, level: int, action: str) -> float:
        """What a final sum costs less at a level."""
        if level >= self.stores:
            return 0.0
        return self.access(level, action, Tensor.PSUM) - self.access(level, action, Tensor.PSUM, self.final)

    def hop(self, fanout: int, tensor: Tensor, bits: int | None = None) -> float:
        """Of a delivery; by wires it depends on their lengths, on a mesh on the way."""
        fan = self.machine.levels[fanout].fanout
        wired = self.table.technology is not None or self.table.own_parts
        if wired or not fan.declared or fan.y * fan.x == 1 or fan.network(tensor).kind is NetworkKind.MESH:
            return 0.0
        return float(self.table.link(bits or self.machine.moved_bits[tensor])) * self.by

    def less_hop(self, fanout: int) -> float:
        """What a final sum costs less on a network."""
        if fanout >= self.carries:
            return 0.0
        return self.hop(fanout, Tensor.PSUM) - self.hop(fanout, Tensor.PSUM, self.final)


def keepers(machine: Architecture, flow: Dataflow, tensor: Tensor) -> list[int]:
    """Levels that hold a tensor in every mapping of a dataflow, outermost first."""
    home = machine.home(tensor)
    inside = machine.pe_level
    return [
        i
        for i, level in enumerate(machine.levels)
        if i == home or (i > home and tensor in level.keeps and (i < inside or tensor in flow.keeps))
    ]


def ledger_of(machine: Architecture, table: EnergyTable, flow: Dataflow) -> Ledger:
    """Prices of a machine whose mappings are those of a dataflow."""
    prices, levels, inside = _Prices(machine, table), len(machine.levels), machine.pe_level
    each = 0.0 if table.own_parts else float(mac(machine, table)) * prices.by
    once, places, register, parents, children = [], [], [], [], []
    back = Back(0, 0.0)
    for tensor in TENSORS:
        held = keepers(machine, flow, tensor)
        in_pe = [i for i in held if i >= inside]
        child = in_pe[0] if in_pe else levels
        outside = [i for i in held if i < child]
        parent = outside[-1]
        if tensor is Tensor.PSUM:
            # read + drain = update + fill, at every level but the outermost (docs/model.md, Counting)
            if in_pe:
                least = min(prices.access(in_pe[-1], action, tensor) for action in ("read", "drain"))
                each += prices.access(in_pe[-1], "update", tensor) + least
            once.append(
                sum(_once_up(prices, a, b) for a, b in pairwise([*outside, *in_pe]) if (a, b) != (parent, child))
            )
            places.append(tuple(_up(prices, parent, child)))
            back = _back(prices, outside, child)
        else:
            if in_pe:
                each += prices.access(in_pe[-1], "read", tensor)
            edges = [edge for edge in pairwise(held) if edge != (parent, child)]
            once.append(sum(_once_down(prices, tensor, a, b) for a, b in edges))
            places.append(tuple(_down(prices, tensor, parent, child)))
        register.append(not in_pe)
        parents.append(parent)
        children.append(child)
    return Ledger(each, tuple(once), tuple(places), back, tuple(register), tuple(parents), tuple(children))  # type: ignore[arg-type]


def _once_down(prices: _Prices, tensor: Tensor, parent: int, child: int) -> float:
    """Of a word read at one level and written to the next."""
    hops = sum(prices.hop(f, tensor) for f in range(parent, child))
    return prices.access(parent, "read", tensor) + hops + prices.access(child, "fill", tensor)


def _once_up(prices: _Prices, parent: int, child: int) -> float:
    """Of a final sum drained from one level, if not of a PE (that is in `each`), and added at the next one out."""
    found = sum(prices.hop(f, Tensor.PSUM) - prices.less_hop(f) for f in range(parent, child))
    found += prices.access(parent, "update", Tensor.PSUM) - prices.less(parent, "update")
    if child < prices.machine.pe_level:
        found += prices.access(child, "drain", Tensor.PSUM) - prices.less(child, "drain")
    return found


def _down(prices: _Prices, tensor: Tensor, parent: int, child: int) -> list[Place]:
    """An input on its way into PEs: read, over each network, written."""
    found = [Place(prices.access(parent, "read", tensor), parent)]
    found += [Place(prices.hop(f, tensor), f + 1) for f in range(parent, child)]
    if child < len(prices.machine.levels):
        found.append(Place(prices.access(child, "fill", tensor), child))
    return [place for place in found if place.price]


def _up(prices: _Prices, parent: int, child: int) -> list[Place]:
    """Sums on their way out of PEs: over each network, added to those outside."""
    found = [Place(prices.hop(f, Tensor.PSUM), f + 1, prices.less_hop(f)) for f in range(parent, child)]
    found.append(Place(prices.access(parent, "update", Tensor.PSUM), parent, prices.less(parent, "update")))
    return [place for place in found if place.price]


def _back(prices: _Prices, outside: list[int], child: int) -> Back:
    """A sum that comes to the memory outside the PEs and is not the last of its output there.

    At home it is read back: read = update - outputs. At another level read + drain = update + fill: it is read back, or
    drained towards the next level out.
    """
    parent = outside[-1]
    read = prices.access(parent, "read", Tensor.PSUM) + sum(prices.hop(f, Tensor.PSUM) for f in range(parent, child))
    if len(outside) == 1:
        return Back(parent, read)
    drain = prices.access(parent, "drain", Tensor.PSUM) + prices.hop(parent - 1, Tensor.PSUM)
    return Back(parent, min(read, drain))
