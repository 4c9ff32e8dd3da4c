"""Results as tables, from which the terminal, notebooks and tests read the same columns in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from accelsim.energy.rows import MAC, grouped
from accelsim.energy.table import energy_unit
from accelsim.engine.counts import Counts, DramCounts, dram_dict
from accelsim.grouped import GroupResult
from accelsim.outcome import GIVEN, STANDING, LayerResult, Outcome, Outcomes, by_tensor, mean_imbalance, standing_of
from accelsim.report.grid import Grid as Grid
from accelsim.report.physical import area_grid, power_grid
from accelsim.report.summary import partly_given
from accelsim.report.text import (
    MAC_UNIT,
    component,
    energy_scale,
    milliseconds,
    number,
    percent,
    shown,
    visible,
)
from accelsim.report.training import training_grid
from accelsim.workload.problem import TENSORS, Width

SHOWN_CAUSES = 5
SAVED = 16
"""Tensors whose savings a terminal shows."""
TYPES = tuple(tensor.value for tensor in TENSORS)
TIMES = ("MACs [M]", "cycles", "total [ms]", "processing [ms]")
ENERGIES = (*TYPES, MAC_UNIT, "all")


def time_grid(result: Outcome) -> Grid:
    """Per layer: MACs, cycles, time, active PEs, utilization; where MACs were skipped, what these come to."""
    skips = result.visited_macs < result.slots

    def row(
        name: str,
        done: tuple[int, int, int],
        cycles: int,
        processing: int,
        active: float,
        layer: LayerResult | GroupResult | None = None,
    ) -> tuple[str, ...]:
        macs, slots, visited = done
        used = percent(result.utilization(visited, cycles, layer))
        more = (f"{result.dense_equivalent(slots, cycles, layer):.2f}",) if skips else ()
        return (name, *_times(result, macs, cycles, processing), number(active), used, *more)

    rows = [
        row(
            _label(result, layer),
            (layer.counts.macs, layer.counts.slots, layer.counts.visited),
            layer.timing.cycles,
            layer.timing.processing,
            layer.counts.active_pes,
            layer,
        )
        for layer in result.multiplied
    ]
    sums = result.total
    active = round(sums.active_pes, 1)
    rows.append(
        row("total", (sums.macs, result.slots, result.visited_macs), sums.cycles, sums.processing_cycles, active)
    )
    more = ("dense equivalent [x]",) if skips else ()
    return Grid("time", ("layer", *TIMES, "active PEs", "utilization [%]", *more), tuple(rows))


def stall_grid(result: Outcome) -> Grid | None:
    """Per layer: cycles without a MAC by cause; the largest causes have a column each. None without stalls.

    Columns are in the order of the machine: 'fill', transfers from the outermost level in, the rest.
    """
    sums = result.total.stall_cycles
    causes = sorted((cause for cause in sums if sums[cause]), key=lambda cause: (-sums[cause], cause))
    if not causes:
        return None
    levels = [level.name for level in result.architecture.levels]
    shown_causes = sorted(causes[:SHOWN_CAUSES], key=lambda cause: _place(cause, levels))
    others = causes[SHOWN_CAUSES:]

    def cells(stalls: dict[str, int]) -> list[int]:
        found = [stalls.get(cause, 0) for cause in shown_causes]
        found += [sum(stalls.get(cause, 0) for cause in others)] if others else []
        return [*found, sum(stalls.values())]

    def row(name: str, stalls: dict[str, int], cycles: int) -> tuple[str, ...]:
        found = cells(stalls)
        return (name, *map(number, found), percent(found[-1] / cycles) if cycles else "")

    rows = [row(_label(result, layer), layer.timing.stalls, layer.timing.cycles) for layer in result.multiplied]
    cycles = result.total.cycles
    shares = ("of cycles [%]", *(percent(spent / cycles) if cycles else "" for spent in cells(sums)), "")
    header = ("layer", *map(visible, shown_causes), *([f"{len(others)} others"] if others else []))
    header += ("all stalls", "of cycles [%]")
    return Grid("stalled cycles by cause", header, (*rows, row("total", sums, cycles), shares), sums=2)


def _place(cause: str, levels: Sequence[str]) -> tuple[int, int, int, str]:
    """Where a cause stands among the columns: filling, then each level's transfers down and up, then the rest."""
    for index, level in enumerate(levels):
        for way, arrow in enumerate(("->", "<-")):
            if cause.startswith(f"{level}{arrow}"):
                tensor = cause.rpartition(" ")[2]
                return (1, 2 * index + way, TYPES.index(tensor) if tensor in TYPES else len(TYPES), cause)
    return (0 if cause == "fill" else 2, 0, 0, cause)


def moved_grid(result: Outcome) -> Grid:
    """Per layer: MB moved at each level; bits of words where they are not the machine's."""
    levels = [level.name for level in result.architecture.levels]
    own = all(layer.bits == result.architecture.widths for layer in result.multiplied)
    rows, sums = [], dict.fromkeys(levels, 0.0)
    for layer in result.multiplied:
        megabytes = {level: layer.megabytes(level) for level in levels}
        widths = () if own else ("/".join(str(layer.bits[width]) for width in Width),)
        rows.append((_label(result, layer), *map(number, megabytes.values()), *widths))
        sums = {level: sums[level] + layer.repeat * megabytes[level] for level in levels}
    rows.append(("total", *map(number, sums.values()), *(() if own else ("",))))
    header = ("layer", *map(visible, levels), *(() if own else ("bits i/f/p/o",)))
    return Grid("words moved at each level [MB]", header, tuple(rows))


def type_grid(result: Outcome) -> Grid:
    """Per layer: energy by data type."""
    runs = [(_label(result, layer), by_tensor(layer), layer.repeat) for layer in result.multiplied]
    standing = [STANDING] if any(parts[STANDING] for _, parts, _ in runs) else []
    return _energy_grid(result, "energy by data type", runs, [*TYPES, MAC, *standing])


def level_grid(result: Outcome) -> Grid:
    """Per layer: energy by component: levels from the outermost in, networks, the MAC unit."""
    runs = [
        (_label(result, layer), grouped(layer.energy_rows, "component"), layer.repeat) for layer in result.multiplied
    ]
    levels = [level.name for level in result.architecture.levels]
    found = dict.fromkeys(name for _, parts, _ in runs for name in parts)
    networks = [name for name in found if name not in levels and name != MAC]
    return _energy_grid(result, "energy by level", runs, [*levels, *networks, MAC])


def _energy_grid(
    result: Outcome, title: str, runs: Sequence[tuple[str, dict[str, Fraction], int]], parts: Sequence[str]
) -> Grid:
    scale, unit = energy_scale(result.energy_table.unit, result.total.energy)
    sums = dict.fromkeys(parts, Fraction(0))
    rows = []
    for name, spent, repeat in runs:
        rows.append((name, *_energies([spent.get(part, Fraction(0)) for part in parts], scale)))
        sums = {part: sums[part] + repeat * spent.get(part, Fraction(0)) for part in parts}
    rows.append(("total", *_energies(list(sums.values()), scale)))
    return Grid(f"{title} [{unit}]", ("layer", *map(component, parts), "all"), tuple(rows))


def _energies(parts: Sequence[Fraction], scale: float) -> list[str]:
    return [number(float(value) / scale) for value in (*parts, sum(parts, Fraction(0)))]


def zeros_grid(result: Outcome) -> Grid | None:
    """Per layer: MACs left, imbalance, and how many words stand for one that is moved. None for a dense run.

    MACs visited are shown where some are skipped and some of the others gated. Ratios are per level and tensor,
    over all actions.
    """
    if not (result.operands and result.layers):
        return None
    runs = [(layer.counts, layer.repeat) for layer in result.layers]
    levels = [level.name for level in result.architecture.levels]
    encoded = {(part.level, part.tensor) for counts, _ in runs for part in counts.encoded}
    places = [(level, tensor) for level in levels for tensor in TYPES if (level, tensor) in encoded]
    both = any(counts.effectual < counts.visited < counts.slots for counts, _ in runs)
    waits = any(counts.imbalance is not None for counts, _ in runs)

    def row(name: str, of: Sequence[tuple[Counts, int]]) -> tuple[str, ...]:
        slots, visited, effectual = (
            sum(getattr(counts, key) * repeat for counts, repeat in of) for key in ("slots", "visited", "effectual")
        )
        cells = [number(visited / 1e6)] if both else []
        cells += [number(effectual / 1e6), percent(effectual / slots)]
        cells += [_two(mean_imbalance(of))] if waits else []
        return (name, *cells, *(_two(_ratio(of, place)) for place in places))

    rows = [row(_label(result, layer), [run]) for layer, run in zip(result.layers, runs, strict=True)]
    header = ["layer", *(["visited [M]"] if both else []), "effectual [M]", "of MACs [%]"]
    header += ["imbalance [ratio]"] if waits else []
    header += [f"{visible(level)} {tensor} [ratio]" for level, tensor in places]
    return Grid("zeros: MACs left" + ("; compression" if places else ""), tuple(header), (*rows, row("total", runs)))


def dram_grid(result: Outcome) -> Grid | None:
    """Per layer: what bursts found in the banks of the DRAM. None without banks, or where time was not simulated."""
    runs = [(layer, layer.counts.dram) for layer in result.layers if layer.counts.dram]
    if not runs:
        return None

    def row(name: str, of: Sequence[tuple[DramCounts, int]]) -> tuple[str, ...]:
        told = dram_dict(of)
        counts = (told[key] for key in ("bursts", "misses", "conflicts", "refreshes", "dram_cycles"))
        shares = (percent(told[key]) for key in ("row_hit_rate", "bus_efficiency"))
        return (name, *map(number, counts), *shares)

    rows = [row(_label(result, layer), [(dram, 1)]) for layer, dram in runs]
    sums = row("total", [(dram, layer.repeat) for layer, dram in runs])
    header = ("bursts", "misses", "conflicts", "refreshes", "busy [cycles]", "row hits [%]", "of peak [%]")
    return Grid("rows of the DRAM", ("layer", *header), (*rows, sums))


def _ratio(runs: Iterable[tuple[Counts, int]], place: tuple[str, str]) -> float | None:
    """Words before over words after compression."""
    parts = [(part, repeat) for counts, repeat in runs for part in counts.encoded if (part.level, part.tensor) == place]
    moved = sum(part.words * repeat for part, repeat in parts)
    return sum(part.raw * repeat for part, repeat in parts) / moved if moved else None


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def grids(result: Outcome) -> list[Grid]:
    """The tables of a run; none where nothing multiplies."""
    if not result.multiplied:
        return []
    energies = (type_grid(result), level_grid(result))
    found = (
        time_grid(result),
        group_grid(result),
        saved_grid(result),
        stall_grid(result),
        moved_grid(result),
        *energies,
        power_grid(result),
        area_grid(result),
        dram_grid(result),
        zeros_grid(result),
        training_grid(result),
    )
    return [grid for grid in found if grid]


def comparison_grid(comparison: Outcomes) -> Grid:
    """One row per dataflow: totals and energy per MAC by data type."""
    rows = []
    stands = any(standing_of(result.energy_rows()) for result in comparison.results.values())
    for label, result in comparison.results.items():
        sums, standing = result.total, standing_of(result.energy_rows())
        parts = grouped(result.energy_rows(), "tensor")
        spent = [parts.get(name, Fraction(0)) for name in TYPES]
        spent.append(sum(parts.values(), Fraction(0)) - sum(spent, Fraction(0)) - standing)
        spent += [standing] if stands else []
        rows.append(
            (
                shown(label) + (" *" if result.failures else ""),
                *_times(result, sums.macs, sums.cycles, sums.processing_cycles),
                percent(sums.utilization),
                *_energies(spent, sums.macs),
            )
        )
    unit = "/".join(dict.fromkeys(energy_unit(result.energy_table.unit) for result in comparison.results.values()))
    energies = (*ENERGIES[:-1], STANDING, ENERGIES[-1]) if stands else ENERGIES
    header = ("dataflow", *TIMES, "utilization [%]", *energies)
    return Grid(f"dataflows; energy by data type [{unit} per MAC]", header, tuple(rows), sums=0)


def group_grid(result: Outcome) -> Grid | None:
    """Of each group of layers that ran together what its layers did, and what it took of the buffer; None without."""
    if not result.groups:
        return None
    rows = []
    for group in result.groups:
        for share in group.shares:
            again = percent(share.again / share.macs) if share.macs else ""
            counts = (number(share.macs / 1e6), again, f"{share.passes:,}", f"{share.cycles:,}")
            rows.append((f"{shown(group.name)}: {shown(share.name)}", *counts, ""))
        moved = sum(words for level, _, _, words in group.counts.rows() if level == group.counts.levels[0])
        room = f"{group.room / 8 / 1024:,.1f}"
        macs, cycles = number(group.macs / 1e6), f"{group.processing_cycles:,}"
        rows.append((f"{shown(group.name)}, {moved:,} words outside", macs, "", "", cycles, room))
    header = ("layers that ran together", "MACs [M]", "made again [%]", "passes", "cycles of passes", "buffer [KiB]")
    return Grid("groups", header, tuple(rows), sums=0)


def saved_grid(result: Outcome) -> Grid | None:
    """Words of the outermost level by tensor, without a plan and with it: those that matter most; None if not known."""
    if not result.saved:
        return None
    most = sorted(result.saved, key=lambda row: -abs(row.words))[:SAVED]
    shown_rows = [row for row in result.saved if row in most and row.words]
    others = [row for row in result.saved if row not in shown_rows]
    rows = [(shown(row.tensor), visible(row.lives), row.without, row.planned) for row in shown_rows]
    if others:
        sums = sum(row.without for row in others), sum(row.planned for row in others)
        rows.append((f"{len(others)} others", "", *sums))
    rows.append(("total", "", sum(row.without for row in result.saved), sum(row.planned for row in result.saved)))
    header = ("tensor", "lives in", "without", "with", "saved", "saved [%]")
    cells = tuple(
        (name, lives, *(f"{words:,}" for words in (without, planned, without - planned)), _percent(without, planned))
        for name, lives, without, planned in rows
    )
    outermost = component(result.architecture.levels[0].name)
    return Grid(f"words of {outermost}, without the plan and with it", header, cells)


def _percent(without: int, planned: int) -> str:
    return percent((without - planned) / without) if without else ""


def _label(result: Outcome, layer: LayerResult | GroupResult) -> str:
    if isinstance(layer, GroupResult):
        return shown(layer.name)
    repeat = f" x{layer.repeat}" if layer.repeat > 1 else ""
    mark = " *" if layer.mapping_source != GIVEN and partly_given(result) else ""
    return shown(layer.name) + repeat + mark


def _times(result: Outcome, macs: int, cycles: int, processing: int) -> tuple[str, ...]:
    times = (milliseconds(result.milliseconds(spent)) for spent in (cycles, processing))
    return (number(macs / 1e6), f"{cycles:,}", *times)
