"""What a page says of each layer: its row in the table, and what opens below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from markupsafe import Markup

from accelsim.energy.rows import NO_TENSOR
from accelsim.energy.table import energy_unit
from accelsim.engine.counts import ACTIONS
from accelsim.grouped import GroupResult
from accelsim.outcome import LayerResult, Outcome
from accelsim.report.gains import Gains, advice
from accelsim.report.html import nest
from accelsim.report.html.paints import COMPUTE
from accelsim.report.html.tables import Cell, Table, count, named, share, table
from accelsim.report.summary import binds
from accelsim.report.text import arrows, component, energy_scale, milliseconds, number, shown, visible
from accelsim.workload.problem import LOOP_DIMS, TENSORS, Problem

MOST_ADVICE = 4
DELAYS = {"energy": "", "edp": " × cycles", "ed2p": " × cycles²"}
"""What objectives multiply an energy by."""


@dataclass(frozen=True)
class LayerFacts:
    """A layer, opened: what it computes, its mapping as a picture, where cycles, words and energy go."""

    key: str
    name: str
    what: str
    mapping: str
    nest: Markup
    binding: str
    advice: tuple[str, ...]
    tables: tuple[Table, ...]


def layer_facts(result: Outcome, layer: LayerResult, key: str, gains: Gains) -> LayerFacts:
    """One layer, one run of it."""
    runs = f", runs {layer.repeat} times: what is below is one run" if layer.repeat > 1 else ""
    source = layer.mapping_source
    found = f"mapping: {source}"
    if layer.search:
        unit = "cycles"
        if layer.search.objective != unit:
            unit = energy_unit(result.energy_unit) + DELAYS[layer.search.objective]
        found = f"{source}: {visible(layer.search.describe())} [{unit}]"
    bound = binds(layer.compute_cycles, layer.stall_cycles, layer.cycles) if layer.cycles else "takes no cycles"
    own = gains.get(layer.name, ())
    return LayerFacts(
        key,
        visible(layer.name),
        f"{layer.op}, {sizes_of(layer.problem)}, {number(layer.macs / 1e6)} M MACs{runs}{_zeros(result, layer)}",
        found,
        nest.draw(layer.nest, result.architecture, layer.problem),
        arrows(bound),
        tuple(advice(own, result.energy_unit, MOST_ADVICE)),
        details(result, layer),
    )


def sizes_of(problem: Problem) -> str:
    """Its dims above 1, and how rows and columns of the ifmap follow from those of the ofmap."""
    return " ".join(f"{dim}{problem[dim]}" for dim in LOOP_DIMS if problem[dim] > 1) + strides(problem)


def strides(problem: Problem) -> str:
    """How rows and columns of the ifmap follow from those of the ofmap, as far as it is not one by one."""
    found = ""
    for name, pair, plain in (
        ("stride", problem.stride, 1), ("dilation", problem.dilation, 1), ("padding", problem.pad, 0),
    ):  # fmt: skip
        if pair != (plain, plain):
            found += f", {name} {pair[0]}" + ("" if pair[0] == pair[1] else f" down, {pair[1]} across")
    return found


def _zeros(result: Outcome, layer: LayerResult) -> str:
    """Shares of words that are not zero, where the run makes something of them and draws them itself."""
    if not result.operands or not result.ran or result.ran.operand_files:
        return ""
    of = {one.name: one.density for one in result.ran.network.layers}.get(layer.name)
    named = {"ifmap": of and of.ifmap, "filter": of and of.filter, "ofmap": of and of.ofmap}
    told = [f"{tensor} {known}" for tensor, known in named.items() if known]
    return f"; words that are not zero: {', '.join(told)}" if told else ""


def layer_table(result: Outcome, key: str) -> Table:
    """A row for each layer and group, one run of it; each leads to what opens, if `key` says where that is."""
    scale, unit = energy_scale(result.energy_unit, result.total.energy)
    heads = (
        "layer", "kind", "binds", "runs", "MACs [M]", "cycles", "time [ms]", "stalled [%]", "active PEs",
        "utilization [%]", f"energy [{unit}]", f"per MAC [{energy_unit(result.energy_unit)}]",
    )  # fmt: skip

    def row(layer: LayerResult | GroupResult, at: int) -> tuple[Cell, ...]:
        spent = {COMPUTE: layer.compute_cycles, **layer.stall_cycles}
        most = max(spent, key=lambda cause: (spent[cause], cause)) if layer.cycles else ""
        return (
            named(visible(layer.name), f"#{key}-l{at}" if key else ""),
            named(layer.op),
            named(arrows(most)),
            count(layer.repeat),
            count(layer.macs / 1e6),
            count(layer.cycles),
            _ms(result.milliseconds(layer.cycles)),
            share(_ratio(sum(layer.stall_cycles.values()), layer.cycles)),
            count(layer.active_pes),
            share(result.utilization(layer.counts.visited, layer.cycles, layer)),
            count(layer.energy / scale),
            count(_ratio(layer.energy, layer.macs)),
        )

    sums = result.total
    total = (
        named("total, every run"),
        named(""),
        named(""),
        count(sum(layer.repeat for layer in result.multiplied)),
        count(sums.macs / 1e6),
        count(sums.cycles),
        _ms(sums.ms),
        share(_ratio(sum(sums.stall_cycles.values()), sums.cycles)),
        count(round(sums.active_pes, 1)),
        share(sums.utilization),
        count(sums.energy / scale),
        count(_ratio(sums.energy, sums.macs)),
    )
    return table("Layers", heads, [row(layer, at) for at, layer in enumerate(result.in_order)], 3, [total])


def details(result: Outcome, layer: LayerResult | GroupResult) -> tuple[Table, ...]:
    """Where cycles, words and energy of a layer or group go."""
    return _cycles(layer), _words(result, layer), _energy(result, layer)


def _cycles(layer: LayerResult | GroupResult) -> Table:
    spent = {COMPUTE: layer.compute_cycles, **layer.stall_cycles}
    order = sorted((cause for cause in spent if spent[cause]), key=lambda cause: (-spent[cause], cause))
    rows = [(named(arrows(cause)), count(spent[cause]), share(_ratio(spent[cause], layer.cycles))) for cause in order]
    total = [(named("total"), count(layer.cycles), share(1.0 if layer.cycles else 0.0))]
    return table("Cycles by cause", ("cause", "cycles", "of them [%]"), rows, 1, total)


def _words(result: Outcome, layer: LayerResult | GroupResult) -> Table:
    """Words filled, read, updated and drained at each level."""
    rows = []
    for level in result.architecture.levels:
        for tensor in TENSORS:
            words = [layer.counts(level.name, tensor, action) for action in ACTIONS]
            if any(words):
                rows.append((named(shown(level.name)), named(tensor.value), *map(count, words)))
    return table("Words", ("level", "tensor", *(f"{action}s" for action in ACTIONS)), rows, 2)


def _energy(result: Outcome, layer: LayerResult | GroupResult) -> Table:
    """Energy of each component by data type."""
    scale, unit = energy_scale(result.energy_unit, layer.energy)
    sums: dict[str, dict[str, Fraction]] = {}
    for line in layer.energy_rows:
        own = sums.setdefault(line.component, {})
        own[line.tensor] = own.get(line.tensor, Fraction(0)) + line.energy
    kinds = (*(tensor.value for tensor in TENSORS), NO_TENSOR)

    def cells(parts: Mapping[str, Fraction]) -> Iterable[Cell]:
        found = [parts.get(kind, Fraction(0)) / Fraction(scale) for kind in kinds]
        return map(count, (*found, sum(found, Fraction(0))))

    rows = [(named(component(name)), *cells(parts)) for name, parts in sums.items()]
    whole = {kind: sum((parts.get(kind, Fraction(0)) for parts in sums.values()), Fraction(0)) for kind in kinds}
    heads = ("component", *kinds[:-1], "no tensor", "all")
    return table(f"Energy [{unit}]", heads, rows, 1, [(named("total"), *cells(whole))])


def _ms(value: float) -> Cell:
    return Cell(milliseconds(value), f"{value:.6g}")


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
