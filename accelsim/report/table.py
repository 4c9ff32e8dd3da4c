"""Results as tables: for the terminal (rich) and for notebooks (HTML), from the same columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from accelsim.energy.rows import MAC, grouped
from accelsim.engine.counts import Counts, DramCounts, dram_dict
from accelsim.result import GIVEN, Comparison, LayerResult, Result, by_tensor, mean_imbalance
from accelsim.workload.lowering import Lowering
from accelsim.workload.network import RECURRENT
from accelsim.workload.problem import TENSORS, Width

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

SHOWN_CAUSES = 5


@dataclass(frozen=True)
class Grid:
    """A table as text: the first column names, the last row sums (when `summed`)."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    summed: bool = True


def number(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits at least, thousands grouped; whole numbers stay whole."""
    if value == int(value) and abs(value) < 1e12:
        return f"{int(value):,}"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:,.{max(0, digits - whole)}f}" if 1e-3 <= abs(value) < 1e12 else f"{value:.{digits - 1}e}"


def time_grid(result: Result) -> Grid:
    """Per layer: MACs, cycles, time, active PEs, utilization."""
    rows = []
    for layer in result.layers:
        rows.append(
            (
                _label(result, layer),
                *_times(result, layer.counts.macs, layer.timing.cycles, layer.timing.processing),
                number(layer.counts.active_pes),
                f"{100 * result.utilization(layer.counts.macs, layer.timing.cycles):.1f}",
            )
        )
    sums = result.total
    rows.append(
        (
            "total",
            *_times(result, sums.macs, sums.cycles, sums.processing_cycles),
            number(round(sums.active_pes, 1)),
            f"{100 * result.utilization(sums.macs, sums.cycles):.1f}",
        )
    )
    header = ("layer", "MACs [M]", "cycles", "total [ms]", "processing [ms]", "active PEs", "utilization [%]")
    return Grid("time", header, tuple(rows))


def stall_grid(result: Result) -> Grid | None:
    """Per layer: cycles without a MAC by cause; the largest causes have a column each. None without stalls."""
    sums = result.total.stalls
    causes = sorted((cause for cause in sums if sums[cause]), key=lambda cause: (-sums[cause], cause))
    if not causes:
        return None
    shown, others = causes[:SHOWN_CAUSES], causes[SHOWN_CAUSES:]

    def row(name: str, stalls: dict[str, int]) -> tuple[str, ...]:
        cells = [stalls.get(cause, 0) for cause in shown]
        cells += [sum(stalls.get(cause, 0) for cause in others)] if others else []
        return (name, *map(number, cells), number(sum(stalls.values())))

    rows = [row(_label(result, layer), layer.timing.stalls) for layer in result.layers]
    header = ("layer", *shown, *([f"{len(others)} others"] if others else []), "all stalls")
    return Grid("stalled cycles by cause", header, (*rows, row("total", sums)))


def data_grid(result: Result) -> Grid:
    """Per layer: MB moved at each level, energy per data type; bits of words where they are not the machine's."""
    levels = [level.name for level in result.architecture.levels]
    scale, unit = energy_scale(result.energy_table.unit, float(result.total.energy))
    types = [*(tensor.value for tensor in TENSORS), MAC]
    own = all(layer.bits == result.architecture.widths for layer in result.layers)
    rows, moved, energy = [], dict.fromkeys(levels, 0.0), dict.fromkeys([*types, "all"], 0.0)
    for layer in result.layers:
        megabytes = {level: layer.megabytes(level) for level in levels}
        spent = {name: float(value) / scale for name, value in by_tensor(layer).items()}
        spent["all"] = sum(spent.values())
        widths = () if own else ("/".join(str(layer.bits[width]) for width in Width),)
        rows.append((_label(result, layer), *widths, *map(number, megabytes.values()), *map(number, spent.values())))
        moved = {level: moved[level] + layer.repeat * megabytes[level] for level in levels}
        energy = {name: energy[name] + layer.repeat * spent[name] for name in energy}
    rows.append(("total", *(() if own else ("",)), *map(number, moved.values()), *map(number, energy.values())))
    header = (
        "layer",
        *(() if own else ("bits i/f/p/o",)),
        *(f"{level} [MB]" for level in levels),
        *(f"{name} [{unit}]" for name in energy),
    )
    relative = " (1 MAC: the energy of one MAC)" if result.energy_table.unit == "MAC" else ""
    return Grid(f"words moved; energy per data type{relative}", header, tuple(rows))


def zeros_grid(result: Result) -> Grid | None:
    """Per layer: MACs left, imbalance, and how many words stand for one that is moved. None for a dense run.

    MACs visited are shown where some are skipped and some of the others gated. Ratios are per level and tensor,
    over all actions.
    """
    if not (result.operands and result.layers):
        return None
    runs = [(layer.counts, layer.repeat) for layer in result.layers]
    levels, tensors = [level.name for level in result.architecture.levels], [tensor.value for tensor in TENSORS]
    encoded = {(part.level, part.tensor) for counts, _ in runs for part in counts.encoded}
    places = [(level, tensor) for level in levels for tensor in tensors if (level, tensor) in encoded]
    both = any(counts.effectual < counts.visited < counts.macs for counts, _ in runs)
    waits = any(counts.imbalance is not None for counts, _ in runs)

    def row(name: str, of: Sequence[tuple[Counts, int]]) -> tuple[str, ...]:
        macs, visited, effectual = (
            sum(getattr(counts, key) * repeat for counts, repeat in of) for key in ("macs", "visited", "effectual")
        )
        cells = [number(visited / 1e6)] if both else []
        cells += [number(effectual / 1e6), f"{100 * effectual / macs:.1f}"]
        cells += [_two(mean_imbalance(of))] if waits else []
        return (name, *cells, *(_two(_ratio(of, place)) for place in places))

    rows = [row(_label(result, layer), [run]) for layer, run in zip(result.layers, runs, strict=True)]
    header = ["layer", *(["visited [M]"] if both else []), "effectual [M]", "of MACs [%]"]
    header += ["imbalance [ratio]"] if waits else []
    header += [f"{level} {tensor} [ratio]" for level, tensor in places]
    return Grid("zeros: MACs left" + ("; compression" if places else ""), tuple(header), (*rows, row("total", runs)))


def dram_grid(result: Result) -> Grid | None:
    """Per layer: what bursts found in the banks of the DRAM. None without banks, or where time was not simulated."""
    runs = [(layer, layer.counts.dram) for layer in result.layers if layer.counts.dram]
    if not runs:
        return None

    def row(name: str, of: Sequence[tuple[DramCounts, int]]) -> tuple[str, ...]:
        told = dram_dict(of)
        counts = (told[key] for key in ("bursts", "misses", "conflicts", "refreshes", "dram_cycles"))
        shares = (f"{100 * told[key]:.1f}" for key in ("row_hit_rate", "bus_efficiency"))
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


def grids(result: Result) -> list[Grid]:
    """The tables of a run; none where nothing multiplies."""
    if not result.layers:
        return []
    found = (time_grid(result), stall_grid(result), data_grid(result), dram_grid(result), zeros_grid(result))
    return [grid for grid in found if grid]


def comparison_grid(comparison: Comparison) -> Grid:
    """One row per dataflow: totals and energy per MAC by component kind."""
    rows = []
    for label, result in comparison.results.items():
        sums = result.total
        parts = grouped(result.energy_rows(), "tensor")
        per_mac = [float(value) / sums.macs for value in [*(parts.get(t.value, 0) for t in TENSORS), sums.energy]]
        rows.append(
            (
                f"{label} *" if result.failures else label,
                *_times(result, sums.macs, sums.cycles, sums.processing_cycles),
                f"{100 * result.utilization(sums.macs, sums.cycles):.1f}",
                *map(number, per_mac),
            )
        )
    unit = "/".join({result.energy_table.unit for result in comparison.results.values()})
    energies = (f"{name} [{unit}/MAC]" for name in (*(t.value for t in TENSORS), "energy"))
    header = ("dataflow", "MACs [M]", "cycles", "total [ms]", "processing [ms]", "utilization [%]", *energies)
    return Grid("dataflows", header, tuple(rows), summed=False)


def energy_scale(unit: str, value: float) -> tuple[float, str]:
    """A divisor and its unit that bring an energy to a readable size."""
    steps = [(1e9, "mJ"), (1e6, "uJ"), (1e3, "nJ")] if unit == "pJ" else [(1e9, f"G{unit}"), (1e6, f"M{unit}")]
    return next(((scale, name) for scale, name in steps if value >= scale), (1.0, unit))


def heading(result: Result) -> str:
    """One line: what ran on what."""
    name = result.architecture
    kind = {"cycle": "cycle-level", "analytical": "closed form (cycles are a lower bound)"}
    batch = f", batch {result.batch}" if result.batch > 1 else ""
    return (
        f"{result.workload}{batch} on {name.name}: {name.pes} PEs at {number(name.clock_hz / 1e6)} MHz, "
        f"{result.dataflow or 'given mapping'}, {kind.get(result.evaluator, result.evaluator)}"
    )


def notes(result: Result) -> list[str]:
    """What a reader must know beside the numbers."""
    table = result.energy_table
    lines = []
    if _partly_given(result) and any(layer.mapping_source != GIVEN for layer in result.layers):
        lines.append(f"* not in the mapping given: the best {result.dataflow} mapping found")
    lines += [f"{layer}: not run: {reason}" for layer, reason in result.failures]
    if result.vector_layers:
        lines.append(vector_note(result))
    if result.operands:
        lines.append(f"zeros: {result.operands}")
    if result.architecture.lowering is not Lowering.NONE:
        lines.append(f"layers and mappings are lowered: {result.architecture.lowering}")
    way = f", accounting {table.accounting}" if table.accounting else ""
    lines.append(
        f"energy in {table.unit} from {table.name}{way}: {table.source}" + (f"; {table.note}" if table.note else "")
    )
    return lines


def vector_note(result: Result) -> str:
    """One line: what layers do without MACs, and what of it is left out."""
    sums = result.vector
    scale, unit = energy_scale(result.energy_table.unit, float(sums.energy))
    gates = any(layer.op in RECURRENT for layer in result.vector_layers)
    missing = [] if result.architecture.lanes else ["timed (the machine declares no vector unit)"]
    missing += [] if result.energy_table.vector_op else ["priced (the energy table has no vector_op)"]
    beside = f"; the operations are not {' or '.join(missing)}" if missing and sums.operations else ""
    return (
        f"not in the totals: {_many(sums.layers)} without MACs{' or gates' if gates else ''}: "
        f"{sums.reads + sums.writes:,} words read and written, "
        f"{sums.operations:,} vector operations, {sums.cycles:,} cycles "
        f"({result.milliseconds(sums.cycles):,.3f} ms), {number(float(sums.energy) / scale)} {unit}{beside}"
    )


def _many(layers: int) -> str:
    return "1 layer" if layers == 1 else f"{layers} layers"


def report(result: Result) -> list[RenderableType]:
    """What ``accelsim run`` prints."""
    marked = [*map(rich_table, grids(result))]
    return [heading(result), *marked, *notes(result)]


def comparison_report(comparison: Comparison) -> list[RenderableType]:
    """What ``accelsim compare`` prints."""
    lines: list[RenderableType] = []
    if comparison.results:
        first = next(iter(comparison.results.values()))
        lines = [f"{first.workload} on {first.architecture.name}", rich_table(comparison_grid(comparison))]
        lines += [f"zeros: {first.operands}"] if first.operands else []
    if any(result.failures for result in comparison.results.values()):
        lines.append("* without the layers named below")
    lines += [f"{label}: {layer}: {reason}" for label, layer, reason in comparison.failures]
    return lines


def rich_table(grid: Grid) -> Table:
    """A grid for the terminal."""
    from rich import box
    from rich.table import Table

    table = Table(title=grid.title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    # one blank less on the left: a comparison of all dataflows fits into 120 columns so
    table.padding = (0, 1, 0, 0)
    for index, name in enumerate(grid.header):
        table.add_column(
            name.replace(" ", "\n").replace("/MAC]", "\n/MAC]"), justify="right" if index else "left", no_wrap=not index
        )
    for row in grid.rows[:-1] if grid.summed else grid.rows:
        table.add_row(*row)
    if grid.summed:
        table.add_section()
        table.add_row(*grid.rows[-1], style="bold")
    return table


def html(result: Result) -> str:
    """A result in a notebook."""
    lines = "".join(f"<p><small>{escape(note)}</small></p>" for note in notes(result))
    return f"<p><b>{escape(heading(result))}</b></p>{''.join(map(_html_table, grids(result)))}{lines}"


def comparison_html(comparison: Comparison) -> str:
    """A comparison in a notebook."""
    lines = "".join(f"<p><small>{escape(': '.join(failure))}</small></p>" for failure in comparison.failures)
    return _html_table(comparison_grid(comparison)) + lines


def _html_table(grid: Grid) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in grid.rows)
    return (
        f"<table><caption>{grid.title}</caption><thead>{line(grid.header, 'th')}</thead><tbody>{body}</tbody></table>"
    )


def _label(result: Result, layer: LayerResult) -> str:
    repeat = f" x{layer.repeat}" if layer.repeat > 1 else ""
    mark = " *" if layer.mapping_source != GIVEN and _partly_given(result) else ""
    return layer.name + repeat + mark


def _partly_given(result: Result) -> bool:
    return any(layer.mapping_source == GIVEN for layer in result.layers)


def _times(result: Result, macs: int, cycles: int, processing: int) -> tuple[str, ...]:
    times = (f"{result.milliseconds(spent):,.3f}" for spent in (cycles, processing))
    return (number(macs / 1e6), f"{cycles:,}", *times)
