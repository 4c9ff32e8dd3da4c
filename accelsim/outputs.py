"""Real outputs: a result's layers carried out on the operands of its run, against numpy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from accelsim.given import asked, operands_of
from accelsim.mapping.mapping import LoopNest
from accelsim.mapping.plan.living import between_of
from accelsim.mapping.plan.rounds import bare
from accelsim.result import Result
from accelsim.workload.precision import checked
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
    between = between_of(ran.plan, machine, ran.network, checked(ran.bits))
    layers = {run.name: run for layer in ran.network.layers for run in (between.runs(layer) if between else (layer,))}
    done: dict[tuple[Problem, LoopNest, str, tuple[tuple[Width, int], ...]], str] = {}
    for found in result.layers:
        layer = layers[found.name]
        assert layer.problem is not None
        sized = result.machine_of(found)
        widths = tuple(sized.widths.items())
        source = operands or (Operands(ran.network, None, ran.seed) if layer.spread else None)
        if between and between.plan.span_of(bare(layer.name)):
            source = None  # of a round, which is like any other
        key = (layer.problem, found.nest, source.identity(layer) if source else "", widths)
        if key not in done:
            given = partial(source.values, layer, sized.word_bits) if source else None
            done[key] = check(sized, found.nest, layer.problem, ran.seed, given)
        yield f"{found.name}: {done[key]}"
