"""What came of a network, or of several, on a package: times, idle time by cause, bounds, energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Any

from accelsim.energy.rows import EnergyRow
from accelsim.package.bounds import Bound
from accelsim.package.model import Package


@dataclass(frozen=True)
class LayerRow:
    """One layer. cycles : of the package, once; a layer that overlaps with others is from its first begin to its last
    end. split : how. cores : that have a part. home : where its ofmap lies: 'memory', or 'cores' that keep it (C5).
    """

    name: str
    repeat: int
    split: str
    cores: tuple[int, ...]
    cycles: Fraction
    energy: Fraction
    home: str = "memory"


@dataclass(frozen=True)
class Track:
    """What a core, a link or a memory does from begin to end, for a timeline."""

    track: str
    name: str
    begin: Fraction
    end: Fraction
    kind: str


@dataclass(frozen=True)
class Tenant:
    """One network of several. cores : its own. shared, alone : cycles with the others, and without them."""

    name: str
    cores: tuple[int, ...]
    shared: Fraction
    alone: Fraction

    @property
    def slowdown(self) -> Fraction:
        """Time with the others over time alone (C12); fair sharing is not monotone, so it may be below 1."""
        return self.shared / self.alone if self.alone else Fraction(1)


@dataclass(frozen=True)
class Packaged:
    """A run of a package. cycles of its clock, exact.

    idle : of each core, cycles by cause; with `work` they add up to the makespan (C11).
    bounds : what no schedule beats, by name. energy_rows : by component, of everything. pieces : of a timeline.
    """

    package: Package
    workload: str
    mode: str
    batch: int
    layers: tuple[LayerRow, ...]
    makespan: Fraction
    work: tuple[Fraction, ...]
    idle: tuple[Mapping[str, Fraction], ...]
    bounds: tuple[Bound, ...]
    energy_rows: tuple[EnergyRow, ...]
    energy_unit: str
    tenants: tuple[Tenant, ...] = ()
    pieces: tuple[Track, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()

    @property
    def cycles(self) -> int:
        """Rounded up, once."""
        return ceil(self.makespan)

    @property
    def ms(self) -> float:
        """The makespan as time."""
        return float(1000 * self.makespan / self.package.clock)

    @property
    def energy(self) -> Fraction:
        """In `energy_unit`."""
        return sum((row.energy for row in self.energy_rows), Fraction(0))

    @property
    def bound(self) -> Bound:
        """The one that binds."""
        return max(self.bounds, key=lambda one: one.cycles)

    @property
    def gap(self) -> Fraction:
        """How far above the bound the makespan lies, as a share of the bound."""
        return self.makespan / self.bound.cycles - 1 if self.bound.cycles else Fraction(0)

    @property
    def idle_total(self) -> dict[str, Fraction]:
        """Idle cycles of all cores, by cause."""
        found: dict[str, Fraction] = {}
        for one in self.idle:
            for cause, cycles in one.items():
                found[cause] = found.get(cause, Fraction(0)) + cycles
        return found

    @property
    def stp(self) -> Fraction:
        """System throughput of tenants: the sum of what their slow-downs leave of each."""
        return sum((1 / one.slowdown for one in self.tenants), Fraction(0))

    def to_dict(self) -> dict[str, Any]:
        """A document; cycles rounded up, once."""
        names = [core.name for core in self.package.cores]
        document: dict[str, Any] = {
            "package": self.package.name,
            "workload": self.workload,
            "mode": self.mode,
            "batch": self.batch,
            "clock_hz": float(self.package.clock),
            "cores": names,
            "cycles": self.cycles,
            "ms": self.ms,
            "energy": float(self.energy),
            "energy_unit": self.energy_unit,
            "bound": {"what": self.bound.what, "cycles": ceil(self.bound.cycles), "gap": float(self.gap)},
            "bounds": {one.what: ceil(one.cycles) for one in self.bounds},
            "core_cycles": [
                {"core": name, "work": float(work), "idle": {cause: float(n) for cause, n in sorted(idle.items())}}
                for name, work, idle in zip(names, self.work, self.idle, strict=True)
            ],
            "layers": [
                {
                    "name": row.name,
                    "repeat": row.repeat,
                    "split": row.split,
                    "cores": [names[core] for core in row.cores],
                    "cycles": ceil(row.cycles),
                    "energy": float(row.energy),
                    "home": row.home,
                }
                for row in self.layers
            ],
            "energy_rows": [row.to_dict() for row in self.energy_rows],
            "notes": list(self.notes),
        }
        if self.tenants:
            downs = [one.slowdown for one in self.tenants]
            document["tenants"] = [
                {
                    "name": one.name,
                    "cores": [names[core] for core in one.cores],
                    "cycles": ceil(one.shared),
                    "alone": ceil(one.alone),
                    "slowdown": float(one.slowdown),
                }
                for one in self.tenants
            ]
            document |= {"stp": float(self.stp), "unfairness": float(max(downs) / min(downs))}
        return document
