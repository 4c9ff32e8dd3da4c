"""What a run of a package prints: the answer, what binds, layers, and where every core's time goes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from accelsim.energy.table import energy_unit
from accelsim.package.outcome import Packaged
from accelsim.report.grid import Grid
from accelsim.report.text import number, shown

if TYPE_CHECKING:
    from accelsim.package.compared import Point

Block = str | Grid
MOST_CORES = 16
"""Cores that have a row of their own; of more the least, the mean and the most busy."""


def report(found: Packaged) -> list[Block]:
    """All of it; the first line answers."""
    return [*answer(found), *tenant_grid(found), layer_grid(found), core_grid(found), *found.notes]


def answer(found: Packaged) -> list[str]:
    """Time, throughput, energy; then the bound that binds and the gap to it."""
    seconds = found.ms / 1e3
    rate = f", {number(found.batch / seconds)} images/s" if seconds and not found.tenants else ""
    unit = energy_unit(found.energy_unit) if found.energy_unit else "units that differ"
    cores = len(found.package.cores)
    head = f"{shown(found.workload)} on {shown(found.package.name)}: {cores} core{'s' * (cores != 1)}, {found.mode}"
    return [
        f"{number(found.ms)} ms, {found.cycles:,} cycles{rate}; energy {float(found.energy):.4g} {unit}",
        f"{head}, batch {found.batch}, {number(float(found.package.clock) / 1e6)} MHz",
        f"bound: {found.bound.what}, {ceil(found.bound.cycles):,} cycles; the run is {float(found.gap):.1%} above it",
    ]


def layer_grid(found: Packaged) -> Grid:
    """Every layer, its split and its time once."""
    rows = [
        (
            shown(row.name),
            str(row.repeat),
            row.split,
            str(len(row.cores)),
            f"{ceil(row.cycles):,}",
            row.home,
            f"{float(row.energy):.4g}",
        )
        for row in found.layers
    ]
    return Grid("Layers", ("layer", "runs", "split", "cores", "cycles", "ofmap in", "energy"), tuple(rows), 0)


def core_grid(found: Packaged) -> Grid:
    """Work and idle time of cores, as shares of the makespan, by cause; each row adds up to 100 %."""
    causes = sorted(found.idle_total)
    names = [core.name for core in found.package.cores]
    rows = []
    for name, work, idle in zip(names, found.work, found.idle, strict=True):
        cells = [work, *(idle.get(cause, Fraction(0)) for cause in causes)]
        rows.append((name, *(_share(cell, found.makespan) for cell in cells)))
    if len(rows) > MOST_CORES:
        order = sorted(range(len(rows)), key=lambda core: (found.work[core], core))
        rows = [rows[core] for core in (order[0], order[len(order) // 2], order[-1])]
    total = found.makespan * len(names)
    sums = [sum(found.work, Fraction(0)), *(found.idle_total[cause] for cause in causes)]
    rows.append(("all", *(_share(cell, total) for cell in sums)))
    return Grid("Cores", ("core", "work", *causes), tuple(rows))


def _share(part: Fraction, whole: Fraction) -> str:
    return f"{float(part / whole):.1%}" if whole else "0.0%"


def tenant_grid(found: Packaged) -> list[Block]:
    """Slow-downs."""
    if not found.tenants:
        return []
    rows = [
        (
            shown(one.name),
            str(len(one.cores)),
            f"{ceil(one.shared):,}",
            f"{ceil(one.alone):,}",
            f"{float(one.slowdown):.3f}",
        )
        for one in found.tenants
    ]
    downs = [one.slowdown for one in found.tenants]
    return [
        Grid("Tenants", ("tenant", "cores", "cycles", "alone", "slow-down"), tuple(rows), 0),
        f"STP {float(found.stp):.3f}; largest slow-down over smallest {float(max(downs) / min(downs)):.3f}",
    ]


def speedups(points: Sequence[Point]) -> list[Block]:
    """A table of points: speed-up over the first one, and what binds."""
    rows = [
        (
            point.label,
            str(point.cores),
            f"{point.cycles:,}",
            number(point.ms),
            f"{point.speedup:.2f}",
            f"{point.work:.1%}",
            point.binds,
        )
        for point in points
    ]
    return [Grid("Speed-up", ("set", "cores", "cycles", "ms", "speed-up", "work", "what binds"), tuple(rows), 0)]
