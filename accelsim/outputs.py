"""Real outputs: a result's layers carried out on the operands of its run, against numpy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from accelsim.given import asked, operands_of
from accelsim.mapping.mapping import LoopNest
from accelsim.result import Result
from accelsim.workload.problem import Problem, Width


def check_outputs(result: Result) -> Iterator[str]:
    """Carry out a result's layers on the operands of its run, against numpy; a sentence for each.

    Where the run had none, they are integers drawn with its seed. Raises AccelsimError for the first output that
    differs.
    """
    from accelsim.engine.outputs.functional import check
    from accelsim.sparsity.operands import Operands

    machine, ran = result.architecture, asked(result)
    operands = operands_of(machine, ran)
    layers = {layer.name: layer for layer in ran.network.layers}
    done: dict[tuple[Problem, LoopNest, str, tuple[tuple[Width, int], ...]], str] = {}
    for found in result.layers:
        layer = layers[found.name]
        assert layer.problem is not None
        sized = result.machine_of(found)
        widths = tuple(sized.widths.items())
        source = operands or (Operands(ran.network, None, ran.seed) if layer.spread else None)
        key = (layer.problem, found.nest, source.identity(layer) if source else "", widths)
        if key not in done:
            given = partial(source.values, layer, sized.word_bits) if source else None
            done[key] = check(sized, found.nest, layer.problem, ran.seed, given)
        yield f"{found.name}: {done[key]}"
