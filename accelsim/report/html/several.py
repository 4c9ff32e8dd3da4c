"""Several results of a page side by side: their totals, and each layer under each as a heat map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from accelsim.energy.table import energy_unit
from accelsim.outcome import LayerResult, Outcome
from accelsim.report.html.svg import between
from accelsim.report.html.tables import Cell, Table, count, named, share, table
from accelsim.report.text import energy_scale, visible

BEST, WORST = (255, 255, 255), (230, 159, 0)
"""White to the orange of the palette; what is written on it can be read."""
FACTOR = 4.0
"""How many times the least of its row has the full colour."""


def side_by_side(results: Mapping[str, Outcome]) -> list[Table]:
    """The totals; where results have layers in common, their cycles and, in one unit, their energies."""
    names = [layer.name for result in results.values() for layer in result.layers]
    found = [_totals(results)]
    if len(set(names)) < len(names):
        found.append(heat(results, "Cycles of each layer, every run", lambda layer: Fraction(layer.cycles), 1.0))
        if len({result.energy_unit for result in results.values()}) == 1:
            first = next(iter(results.values()))
            scale, unit = energy_scale(first.energy_unit, max(result.total.energy for result in results.values()))
            found.append(
                heat(results, f"Energy of each layer, every run [{unit}]", lambda one: one.energy_exact, scale)
            )
    return found


def heat(results: Mapping[str, Outcome], title: str, of: Callable[[LayerResult], Fraction], scale: float) -> Table:
    """A row for each layer, a column for each result; the more a number is above the least of its row, the darker.

    A layer that did not run has an empty cell.
    """
    known = [
        {layer.name: float(of(layer) * layer.repeat) / scale for layer in result.layers} for result in results.values()
    ]
    rows = []
    for name in dict.fromkeys(name for own in known for name in own):
        values = [own.get(name) for own in known]
        least = min(value for value in values if value is not None)
        rows.append((named(visible(name)), *(_cell(value, least) for value in values)))
    sums = [count(sum(own.values())) for own in known]
    title += "; darker: further above the least of its row"
    return table(title, ("layer", *map(visible, results)), rows, 1, [(named("total"), *sums)])


def _cell(value: float | None, least: float) -> Cell:
    if value is None:
        return Cell("")
    above = (value / least - 1) / (FACTOR - 1) if least else float(value > 0)
    return count(value)._replace(shade=shade(above))


def shade(above: float) -> str:
    """The colour of a share of 1."""
    part = min(max(above, 0.0), 1.0)
    return between(BEST, WORST, part) if part else ""


def _totals(results: Mapping[str, Outcome]) -> Table:
    rows = []
    for at, (label, result) in enumerate(results.items()):
        sums = result.total
        rows.append(
            (
                named(visible(label), f"#r{at}"),
                named(visible(result.workload)),
                named(visible(result.architecture.name)),
                count(sums.macs / 1e6),
                count(sums.cycles),
                count(sums.ms),
                share(sums.utilization),
                count(sums.energy),
                named(energy_unit(result.energy_unit)),
                count(sums.energy / sums.macs if sums.macs else 0.0),
            )
        )
    heads = ("result", "network", "machine", "MACs [M]", "cycles", "time [ms]", "utilization [%]", "energy", "its unit")
    return table("Side by side", (*heads, "energy per MAC"), rows, 3)
