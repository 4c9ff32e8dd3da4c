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
        from accelsim.search.best import find
        from accelsim.search.optimum.why import limits, steps

        machine = result.machine_of(layer)
        key = layer.problem, layer.nest, tuple(layer.bits.items())
        if key not in done:
            found = limits(machine, layer.nest, layer.problem)
            if why:
                search = partial(
                    find, problem=layer.problem, dataflow=result.dataflow, objective=ran.objective,
                    table=result.energy_table, evaluator=result.evaluator, proof=proof,
                )  # fmt: skip
                found = steps(machine, layer.nest, layer.problem, layer.search.bound, search)
            done[key] = "; ".join(one.describe() for one in found)
        notes[layer.name] = done[key]
    return notes
