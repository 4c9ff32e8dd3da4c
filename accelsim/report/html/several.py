"""Several results of a page side by side: their totals, and each layer under each as a heat map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

from accelsim.energy.table import energy_unit
from accelsim.grouped import GroupResult
from accelsim.outcome import LayerResult, Outcome
from accelsim.report.designs import Designs
from accelsim.report.html.designs import dot_of, front_picture, move_pictures, view_of
from accelsim.report.html.heat import heat_table
from accelsim.report.html.pictures import Picture
from accelsim.report.html.tables import Table, count, named, share, table
from accelsim.report.text import energy_scale, shown, visible

LONGEST = 18
"""Letters of a result's name in a picture."""


def side_by_side(results: Mapping[str, Outcome]) -> list[Table]:
    """The totals; where results have layers in common, their cycles and, in one unit, their energies."""
    names = [layer.name for result in results.values() for layer in result.multiplied]
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


def heat(
    results: Mapping[str, Outcome], title: str, of: Callable[[LayerResult | GroupResult], Fraction], scale: float
) -> Table:
    """A row for each layer, a column for each result; the more a number is above the least of its row, the darker.

    A layer that did not run has an empty cell.
    """
    known = {
        visible(label): {layer.name: float(of(layer) * layer.repeat) / scale for layer in result.multiplied}
        for label, result in results.items()
    }
    return heat_table(known, list(dict.fromkeys(name for own in known.values() for name in own)), title)


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


def pictures(results: Mapping[str, Outcome]) -> list[Picture]:
    """Energy against cycles with the front named, and what the choice moves, of results that ran the same layers."""
    alike = comparable(results)
    if len(alike) < 2:
        return []
    view = view_of(designs_of(alike))
    apart = [shown(label) for label in results if label not in alike]
    left = f" Other layers were run by {', '.join(apart)}." if apart else ""
    best = ", ".join(shown(str(row["result"])) for rows in view.best.values() for row in rows)
    note = f"Large dots: no other result is better in both: {best}.{left}"
    note += " Names that would lie on each other are left out; pointed at, a dot says which it is."
    rows = sorted(view.designs.rows, key=lambda row: view.numbers.get(row["point"], 0))
    dots = tuple(dot_of(row, view, shown(str(row["result"]), LONGEST)) for row in rows)
    first = next(iter(alike.values()))
    found = [front_picture(view, [(shown(first.workload), dots)], note)]
    for picture in move_pictures(view.designs):
        title = picture.title.replace("each field moves", "the choice moves")
        found.append(replace(picture, title=title, note="Each dot: a result, over the geometric mean of all."))
    return found


def comparable(results: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Those that ran the same layers of one network, with energies in one unit; of several such groups the first of
    those with most layers.
    """
    groups: dict[object, dict[str, Outcome]] = {}
    for label, result in results.items():
        layers = tuple((layer.name, layer.macs, layer.repeat) for layer in result.multiplied)
        key = result.workload, result.batch, layers, result.energy_unit
        groups.setdefault(key, {})[label] = result
    return max(groups.values(), key=lambda own: (len(next(iter(own.values())).multiplied), len(own)), default={})


def designs_of(results: Mapping[str, Outcome]) -> Designs:
    """Results as designs that differ in what they are called."""
    rows = [
        {
            "point": at,
            "result": label,
            "workload": result.workload,
            "batch": result.batch,
            "energy": result.total.energy,
            "cycles": result.total.cycles,
            "energy_unit": result.energy_unit,
            "error": None,
        }
        for at, (label, result) in enumerate(results.items())
    ]
    return Designs("results", rows, ("result",), ("energy", "cycles"))
