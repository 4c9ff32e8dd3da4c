"""What pictures show, as tidy rows that any tool can draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from accelsim.errors import AccelsimError, nearest
from accelsim.outcome import Outcome
from accelsim.report import (
    plot,
    plot_array,
    plot_between,
    plot_cycles,
    plot_mapping,
    plot_physical,
    plot_roofline,
    plot_traffic,
)
from accelsim.report.plot_bars import Row

Document = Mapping[str, Any]


def rows(result: Outcome, document: Document, kind: str, **given: Any) -> list[Row]:
    """Rows of the picture of that name; layers stay apart that a picture has no room for.

    given : `by` of 'energy', `layer` of 'mapping'. Raises AccelsimError for another kind, and what a picture raises.
    """
    layers = max(1, len(result.multiplied) + len(result.failures))
    found: dict[str, Callable[..., list[Row]]] = {
        "energy": lambda by="layer": plot.energy_bars(document, by, layers).rows(),
        "cycles": lambda: plot_cycles.cycles_bars(result, layers).rows(),
        "traffic": lambda: plot_traffic.traffic_data(result).rows(),
        "roofline": lambda: plot_roofline.rows(plot_roofline.roofline_data(result)),
        "array": lambda: plot_array.rows(plot_array.array_data(result)),
        "mapping": lambda layer=None: plot_mapping.rows(
            plot_mapping.mapping_data(result, plot_mapping.layer_of(result, layer))
        ),
        "power": lambda: plot_physical.power_bars(document, layers).rows(),
        "between": lambda: [dict(row) for row in plot_between.living_data(result)],
        "plan": lambda: plot_between.plan_data(result),
        "area": lambda: [dict(part) for part in plot_physical.area_data(document)],
    }
    if kind not in found:
        raise AccelsimError(f"unknown kind of picture '{kind}'{nearest(kind, found)}")
    return found[kind](**given)
