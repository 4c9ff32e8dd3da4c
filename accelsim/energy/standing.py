"""What a machine takes while it is on: leakage, and the clock of its flip-flops."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from accelsim.architecture.model import Architecture, Level
from accelsim.energy.floor import floor_of, memories, physical, technology_of
from accelsim.energy.rows import NO_TENSOR, EnergyRow
from accelsim.energy.table import EnergyTable
from accelsim.engine.counts import Counts

CLOCK, LEAKAGE, STATIC = "clock", "leakage", "static"
PJ_PER_MJ = 10**9


def standing_rows(
    architecture: Architecture, table: EnergyTable, cycles: int, counts: Counts | None = None
) -> Iterable[EnergyRow]:
    """What all memories leak, all flip-flops' clocks take and declared parts draw in some core cycles.

    counts : of the layer they are of, whose MACs work some of these cycles in some of the PEs; None: in none.
    """
    if not cycles:
        return
    if not table.own_parts:
        yield from _component_leakage(architecture, table, cycles)
    if table.technology:
        yield from _leakage(architecture, table, cycles)
        yield from _clock(architecture, table, cycles, counts)
    if table.prices_parts:
        yield from _static(architecture, cycles)


def _static(architecture: Architecture, cycles: int) -> Iterable[EnergyRow]:
    seconds = Fraction(cycles) / Fraction(architecture.clock_hz)
    for name, part in physical(architecture).parts.items():
        if part.static:
            yield EnergyRow(name, NO_TENSOR, STATIC, cycles, part.count * part.static * seconds * PJ_PER_MJ)


def _component_leakage(architecture: Architecture, table: EnergyTable, cycles: int) -> Iterable[EnergyRow]:
    for level, instances in _memories(architecture):
        named = level.component or level.name
        leakage = table.component(level).leakage if named in table.components or not table.technology else Fraction(0)
        if leakage:
            yield EnergyRow(level.name, NO_TENSOR, LEAKAGE, cycles, cycles * instances * leakage)


def _memories(architecture: Architecture) -> Iterable[tuple[Level, int]]:
    instances = 1
    for level in architecture.levels:
        yield level, instances
        instances *= level.fanout.y * level.fanout.x


def leakage_mw(architecture: Architecture, table: EnergyTable) -> dict[str, Fraction]:
    """Milliwatts that the memories of each level leak, all instances; flip-flops' is not known and left out."""
    found = {}
    for level, instances in list(_memories(architecture))[1:]:
        if (level.component or level.name) not in table.components:
            each = sum((what.count * (price.leakage or 0) for what, price in memories(architecture, table, level)), 0)
            if each:
                found[level.name] = Fraction(instances * each)
    return found


def _leakage(architecture: Architecture, table: EnergyTable, cycles: int) -> Iterable[EnergyRow]:
    seconds = Fraction(cycles) / Fraction(architecture.clock_hz)
    for name, milliwatts in leakage_mw(architecture, table).items():
        yield EnergyRow(name, NO_TENSOR, LEAKAGE, cycles, milliwatts * seconds * PJ_PER_MJ)


def _clock(architecture: Architecture, table: EnergyTable, cycles: int, counts: Counts | None) -> Iterable[EnergyRow]:
    """Every bit in every cycle; of PEs that are gated, those of the PEs that work while they do."""
    pes, others = floor_of(architecture, table).flip_flops
    # in core cycles; a mode may have a slower clock
    price = technology_of(table).flip_flop.clock / architecture.mode.divider
    bits = Fraction((pes + others) * cycles)
    if physical(architecture).clock_gate:
        active = min(counts.active_pes * counts.compute_cycles, architecture.pes * cycles) if counts else 0
        bits = Fraction(pes * active, architecture.pes) + others * cycles
    if bits:
        yield EnergyRow(CLOCK, NO_TENSOR, CLOCK, cycles, bits * price)
