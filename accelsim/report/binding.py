"""What binds the mappings of a result."""

from __future__ import annotations

from accelsim.outcome import Outcome
from accelsim.search.optimum.why import Limit, limits, steps


def binding(result: Outcome, why: bool, budget: float | None) -> dict[str, str]:
    """What binds each layer whose mapping is a proved optimum, by name."""
    machine, ran, done = result.architecture, result.ran, dict[object, tuple[Limit, ...]]()
    notes = {}
    for layer in result.layers:
        if layer.search is None or layer.search.certificate is None or ran is None:
            continue
        key = layer.problem, layer.nest
        if key not in done:
            given = machine, layer.nest, layer.problem
            table = result.energy_table
            done[key] = steps(*given, ran.objective, table, budget) if why else limits(*given)
        notes[layer.name] = "; ".join(one.describe() for one in done[key])
    return notes
