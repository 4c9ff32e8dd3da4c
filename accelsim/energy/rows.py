"""The lines of an energy account, and their exact sums."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from accelsim.architecture.model import Architecture

MAC = "MAC"
VECTOR = "vector"
NETWORK = "network"
NO_TENSOR = "none"


@dataclass(frozen=True)
class EnergyRow:
    """One line of the account.

    component : a level's name, 'network' ('<level> network' where there are several arrays), 'MAC' or 'vector'.
    tensor : a data type, or 'none' for MACs, vector operations and leakage.
    action : fill, read, update, drain; hop, tag, wire, router, register; mac, gated (an operand is zero: no multiply);
        operation; leakage, clock, static
        (isca16: read, update, accumulate, hop, mac).
    count : how many. energy : all of them, in the table's unit; a Fraction, so that any grouping adds up exactly.
    """

    component: str
    tensor: str
    action: str
    count: int
    energy: Fraction

    def to_dict(self) -> dict[str, str | float]:
        """The document's entry of an `energy_breakdown`."""
        return {
            "component": self.component,
            "tensor": self.tensor,
            "action": self.action,
            "energy": float(self.energy),
        }


def network_name(architecture: Architecture, level: str) -> str:
    """The component name of the array below a level: 'network', or '<level> network' where there are several."""
    several = sum(other.fanout.declared for other in architecture.levels) > 1
    return f"{level} {NETWORK}" if several else NETWORK


def total(rows: Iterable[EnergyRow]) -> Fraction:
    """The exact sum."""
    return sum((row.energy for row in rows), Fraction(0))


def grouped(rows: Iterable[EnergyRow], key: str) -> dict[str, Fraction]:
    """Exact sums by 'component', 'tensor' or 'action', in the order of first appearance."""
    sums: dict[str, Fraction] = {}
    for row in rows:
        name = getattr(row, key)
        sums[name] = sums.get(name, Fraction(0)) + row.energy
    return sums
