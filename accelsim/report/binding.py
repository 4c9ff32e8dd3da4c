"""What binds the mappings of a result."""

from __future__ import annotations

from accelsim.outcome import Outcome


def binding(result: Outcome, why: bool, budget: float | None) -> dict[str, str]:
    """What binds each layer whose mapping is a proved optimum, by name; why : and what twice of it would save."""
    machine, ran, done = result.architecture, result.ran, dict[object, str]()
    notes = {}
    for layer in result.layers:
        if layer.search is None or layer.search.certificate is None or ran is None:
            continue
        from accelsim.search.optimum.why import limits, steps

        key = layer.problem, layer.nest
        if key not in done:
            given = machine, layer.nest, layer.problem
            found = steps(*given, ran.objective, result.energy_table, budget) if why else limits(*given)
            done[key] = "; ".join(one.describe() for one in found)
        notes[layer.name] = done[key]
    return notes
