"""What a page says of one result: numbers, tables and pictures, all out of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from markupsafe import Markup

from accelsim.energy.rows import MAC, NO_TENSOR, grouped
from accelsim.energy.table import energy_unit
from accelsim.grouped import GroupResult
from accelsim.outcome import STANDING, LayerResult, Outcome, standing_of
from accelsim.report.arrays import uses
from accelsim.report.gains import Gains, added, advice
from accelsim.report.groups import blocks
from accelsim.report.html import bars, machine, usage
from accelsim.report.html import roofline as roofline_picture
from accelsim.report.html.bars import Bars
from accelsim.report.html.groups import group_facts, groups_table, saved_table
from accelsim.report.html.layers import LayerFacts, layer_facts, layer_table
from accelsim.report.html.living import living_picture
from accelsim.report.html.paints import COMPUTE, of_causes, of_components
from accelsim.report.html.pictures import Picture
from accelsim.report.html.plan import plan_picture
from accelsim.report.html.ran import RanFacts
from accelsim.report.html.ran import facts as ran_facts
from accelsim.report.html.svg import Paint
from accelsim.report.html.tables import Table, count, named, share, table
from accelsim.report.html.training import training_table
from accelsim.report.rooflines import roofline
from accelsim.report.summary import answer, binds, free, heading, not_run, notes, would_save
from accelsim.report.text import (
    arrows,
    component,
    energy_scale,
    energy_text,
    milliseconds,
    number,
    percent,
    shown,
    visible,
)
from accelsim.workload.problem import TENSORS

CLOSED = "layers do not open here, as these are results of very many: a page of one result has each of its own"


@dataclass(frozen=True)
class Section:
    """One result. numbers : four (value, unit, what it is). paints : hatched ones, for the page's patterns.

    groups : whether layers ran together.
    """

    key: str
    name: str
    heading: str
    numbers: tuple[tuple[str, str, str], ...]
    binding: str
    failures: tuple[str, ...]
    advice: tuple[str, ...]
    pictures: tuple[Picture, ...]
    use: tuple[Markup, ...]
    machine: Markup
    layers: tuple[LayerFacts, ...]
    layer_table: Table
    tables: tuple[Table, ...]
    plan: Picture | None
    living: Picture | None
    groups: bool
    notes: tuple[str, ...]
    ran: RanFacts
    paints: frozenset[Paint]


def section(
    result: Outcome, key: str = "r0", name: str = "", gains: Gains | str | None = None, opened: bool = True
) -> Section:
    """Everything of a result.

    gains : what twice of each thing would change, by layer, or why that is not known; None: it is left out.
    opened : whether each layer has a part that opens.
    """
    paint = of_components(result)
    causes = of_causes(_causes(result))
    known = {} if gains is None or isinstance(gains, str) else gains
    pairs = [(gain, layer.repeat) for layer in result.layers for gain in known.get(layer.name, ())]
    unit = result.energy_unit
    found = tuple(_opened(result, key, known)) if opened else ()
    closed = () if opened else (CLOSED,)
    living, hatched = living_picture(result)
    return Section(
        key,
        name or visible(result.architecture.name),
        heading(result),
        tuple(_numbers(result)),
        arrows(_binding(result)),
        tuple(not_run(result)),
        (f"Not worked out: {visible(gains)}",) if isinstance(gains, str) else tuple(advice(added(pairs), unit)),
        tuple(_pictures(result, paint, causes)),
        tuple(usage.draw(use) for use in uses(result)),
        machine.draw(result.architecture, machine.fills(result)),
        found,
        layer_table(result, key if opened else ""),
        tuple(_tables(result)),
        plan_picture(result),
        living,
        bool(result.groups),
        (*closed, *free(result), *would_save(result), *notes(result)),
        ran_facts(result),
        frozenset(one for one in (*paint.values(), *causes.values(), *hatched) if one[1]),
    )


def _opened(result: Outcome, key: str, known: Gains) -> Iterable[LayerFacts]:
    """What opens of each layer and group, in the order in which they ran."""
    for at, one in enumerate(result.in_order):
        if isinstance(one, GroupResult):
            yield group_facts(result, one, f"{key}-l{at}")
        else:
            yield layer_facts(result, one, f"{key}-l{at}", known)


def _causes(result: Outcome) -> list[str]:
    """Of all stalls, those that take most first."""
    sums = result.total.stall_cycles
    return sorted((cause for cause in sums if cause != "overlap"), key=lambda cause: (-sums[cause], cause))


def _numbers(result: Outcome) -> Iterable[tuple[str, str, str]]:
    sums = result.total
    least = "" if all(layer.timing.exact for layer in result.multiplied) else " at least"
    processing = f"total latency{least}; processing {milliseconds(sums.processing_ms)} ms"
    yield milliseconds(sums.ms), "ms", processing
    seconds = sums.ms / 1e3
    rate = number(result.batch / seconds) if seconds else "-"
    done = number(2e-12 * result.visited_macs / seconds) if seconds else "-"
    yield rate, "inferences/s", f"{done} TOPS; batch {result.batch}"
    text, _, unit = energy_text(sums.energy / result.batch, result.energy_unit).partition(" ")
    each = number(sums.energy / sums.macs) if sums.macs else "-"
    yield text, unit, f"per inference; {each} {energy_unit(result.energy_unit)} per MAC"
    active = f"{number(sums.active_pes)} of {result.architecture.pes:,} PEs active"
    yield percent(sums.utilization), "%", f"of the peak; {active}"


def _binding(result: Outcome) -> str:
    sums = result.total
    return binds(sums.compute_cycles, sums.stall_cycles, sums.cycles) if sums.cycles else answer(result)


def _pictures(result: Outcome, paint: Mapping[str, Paint], causes: Mapping[str, Paint]) -> Iterable[Picture]:
    if not result.multiplied:
        return
    for data in (by_type(result, paint), by_layer(result, paint), by_cause(result, causes)):
        names = [(arrows(component(name)), patch) for name, patch in bars.legend(data.paint, data.parts)]
        yield Picture(data.title, bars.draw(data), tuple(names))
    found = roofline(result)
    if found.points:
        legend = [
            (f"{shown(roof.level)}: {number(roof.bandwidth)} bytes per cycle, ridge at {number(roof.ridge)}", patch)
            for roof, (_, patch) in zip(
                found.roofs, bars.legend(paint, [roof.level for roof in found.roofs]), strict=True
            )
        ]
        dots = "layer and each group" if result.groups else "layer"
        peak = f"Peak: {number(found.peak)} MACs per cycle."
        note = f"A dot for each {dots} at each level whose ports have a width. {peak}"
        yield Picture("Roofline", roofline_picture.draw(found, paint), tuple(legend), note)


def by_type(result: Outcome, paint: Mapping[str, Paint]) -> Bars:
    """Energy by data type, stacked by level."""
    scale, unit = energy_scale(result.energy_unit, result.total.energy)
    rows = result.energy_rows()
    found: list[tuple[str, dict[str, float]]] = []
    for tensor in TENSORS:
        own = grouped((row for row in rows if row.tensor == tensor.value), "component")
        found.append((tensor.value, {name: float(spent) / scale for name, spent in own.items()}))
    others = [row for row in rows if row.tensor == NO_TENSOR]
    for name, stands in ((component(MAC), False), (STANDING, True)):
        own = grouped((row for row in others if bool(standing_of([row])) is stands), "component")
        if own:
            found.append((name, {part: float(spent) / scale for part, spent in own.items()}))
    return Bars("Energy by data type and level", unit, tuple(found), paint)


def by_layer(result: Outcome, paint: Mapping[str, Paint]) -> Bars:
    """Energy of each layer, every run of it, stacked by level; of a deep network of each block."""
    scale, unit = energy_scale(result.energy_unit, result.total.energy)

    def spent(layer: LayerResult | GroupResult) -> Mapping[str, Fraction]:
        return grouped(layer.energy_rows, "component")

    return Bars(f"Energy by {_what(result)} and level", unit, _grouped(result, spent, scale), paint)


def by_cause(result: Outcome, causes: Mapping[str, Paint]) -> Bars:
    """Cycles of each layer, every run of it: those with MACs, and those without by cause."""

    def spent(layer: LayerResult | GroupResult) -> Mapping[str, int]:
        return {COMPUTE: layer.compute_cycles, **layer.stall_cycles}

    return Bars(f"Cycles by {_what(result)} and cause", "cycles", _grouped(result, spent, 1.0), causes)


def _what(result: Outcome) -> str:
    names = [layer.name for layer in result.multiplied]
    return "layer" if len(blocks(names)) == len(names) else "block"


def _grouped(
    result: Outcome, spent: Callable[[LayerResult | GroupResult], Mapping[str, Fraction | int]], scale: float
) -> tuple[tuple[str, Mapping[str, float]], ...]:
    found, every = [], result.in_order
    for label, members in blocks([shown(layer.name) for layer in every]):
        sums: dict[str, float] = {}
        for at in members:
            layer = every[at]
            for part, value in spent(layer).items():
                sums[part] = sums.get(part, 0.0) + float(value * layer.repeat) / scale
        times = every[members[0]].repeat if len(members) == 1 else 1
        found.append((f"{label} x{times}" if times > 1 else label, sums))
    return tuple(found)


def _tables(result: Outcome) -> Iterable[Table]:
    if not result.multiplied:
        return
    if result.groups:
        yield groups_table(result)
    if result.saved:
        yield saved_table(result)
    yield words_table(result)
    yield price_table(result)
    if result.vector_layers:
        yield vector_table(result)
    if phases := training_table(result):
        yield phases


def words_table(result: Outcome) -> Table:
    """Words of every level, tensor and action, every run of every layer, and what they cost."""
    sums: dict[tuple[str, str, str], list[float]] = {}
    for row in result.table:
        own = sums.setdefault((row["level"], row["tensor"], row["action"]), [0, 0.0])
        own[0] += row["words"]
        own[1] += row["energy"]
    scale, unit = energy_scale(result.energy_unit, result.total.energy)
    whole = result.total.energy or 1.0
    rows = [
        (*map(named, (component(at[0]), at[1], at[2])), count(words), count(spent / scale), share(spent / whole))
        for at, (words, spent) in sums.items()
    ]
    total = [(named("total"), named(""), named(""), named(""), count(result.total.energy / scale), share(1.0))]
    heads = ("level", "tensor", "action", "words", f"energy [{unit}]", "of energy [%]")
    return table("Words and energy by level, tensor and action", heads, rows, 3, total)


def vector_table(result: Outcome) -> Table:
    """What layers do without MACs, one run of each; nothing of it is in the totals above."""
    sums = result.vector
    scale, unit = energy_scale(result.energy_unit, sums.energy)
    rows = [
        (
            named(visible(layer.name)),
            named(layer.op),
            *map(count, (layer.repeat, layer.reads, layer.writes, layer.vector_ops, layer.cycles)),
            count(layer.energy / scale),
        )
        for layer in result.vector_layers
    ]
    spent = (sums.reads, sums.writes, sums.vector_ops, sums.cycles)
    runs = sum(layer.repeat for layer in result.vector_layers)
    total = (named("total, every run"), named(""), *map(count, (runs, *spent)), count(sums.energy / scale))
    heads = ("layer", "kind", "runs", "words read", "words written", "operations", "cycles", f"energy [{unit}]")
    return table("Layers without MACs, and gates: not in the totals above", heads, rows, 2, [total])


def price_table(result: Outcome) -> Table:
    """What one of each action costs, as it was charged."""
    unit = energy_unit(result.energy_unit)
    rows = [
        (
            *map(named, (component(row.component), row.tensor, row.action)),
            count(row.count),
            count(row.energy / row.count),
        )
        for row in result.energy_rows()
        if row.count
    ]
    source = visible(f"{result.energy_table.name}: {result.energy_table.source}")
    heads = ("component", "tensor", "action", "how many", f"each [{unit}]")
    return table(f"Energy table {source}", heads, rows, 3)
