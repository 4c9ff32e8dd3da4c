"""What binds the mappings of a result."""

from __future__ import annotations

from functools import partial

from accelsim.outcome import Outcome
from accelsim.search.proof import Proof


def binding(result: Outcome, why: bool, proof: Proof) -> dict[str, str]:
    """What binds each layer whose mapping is a proved optimum, by name; why : and what twice of it would save.

    proof : what the search was asked to prove.
    """
    ran, done = result.ran, dict[object, str]()
    notes = {}
    for layer in result.layers:
        if layer.search is None or layer.search.certificate is None or ran is None:
            continue
        from accelsim.mapping.dataflows.dataflow import BEST, load
        from accelsim.search.optimum.why import limits, steps
        from accelsim.search.space import with_slices
        from accelsim.search.whole import scope_of

        given = result.machine_of(layer), layer.nest, layer.problem
        key = layer.problem, layer.nest, tuple(layer.bits.items())
        if key not in done:
            found = limits(*given)
            if why:
                flow = None if result.dataflow == BEST else with_slices(load(result.dataflow), layer.problem)
                within = partial(scope_of, problem=layer.problem, dataflow=flow, proof=proof)
                found = steps(*given, ran.objective, result.energy_table, proof.budget, within)
            done[key] = "; ".join(one.describe() for one in found)
        notes[layer.name] = done[key]
    return notes
