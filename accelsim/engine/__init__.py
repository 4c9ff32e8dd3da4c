"""From a mapping to counts and cycles: the closed form and the cycle evaluator."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from accelsim.architecture.physical import stepping
from accelsim.errors import AccelsimError, nearest
from accelsim.sparsity.masks import Masks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelsim.architecture.model import Architecture
    from accelsim.engine.batch import Batch
    from accelsim.engine.counts import Counts, Timing
    from accelsim.engine.program import Program
    from accelsim.mapping.mapping import LoopNest
    from accelsim.workload.density import Densities
    from accelsim.workload.problem import Problem

EVALUATORS = ("cycle", "analytical")


def evaluate(
    architecture: Architecture,
    nest: LoopNest,
    problem: Problem,
    evaluator: str = "cycle",
    masks: Masks | None = None,
    densities: Densities | None = None,
    raw_ifmap: bool = False,
) -> tuple[Counts, Timing]:
    """Check a mapping and evaluate one layer under it.

    masks : which operands are zero, where the machine makes something of it; None: dense. The closed form takes of
        them how many words are not zero.
    densities : the closed form only, where there are no masks: it gives what to expect of them.
    raw_ifmap : with `densities`; as in `Masks`.

    Raises
    ------
    MappingError : the mapping is illegal here. AccelsimError : unknown evaluator.
    """
    from accelsim.engine import program
    from accelsim.mapping.mapping import check

    if evaluator not in EVALUATORS:
        raise AccelsimError(f"unknown evaluator '{evaluator}'{nearest(evaluator, EVALUATORS)}")
    check(architecture, nest, problem)
    if architecture.cartesian:
        if evaluator != "cycle":
            raise AccelsimError(f"architecture '{architecture.name}': Cartesian PEs have no closed form; use cycle")
        from accelsim.engine.zeros import cartesian

        return cartesian.evaluate(architecture, problem, masks or Masks())
    lowered = program.build(architecture, nest, problem)
    counts, timing = _evaluated(lowered, evaluator, masks, densities, raw_ifmap)
    if stepped := stepping(architecture.physical):
        from accelsim.engine.words.iterations import iterations

        counts = replace(counts, steps=iterations(lowered, stepped))
    return counts, timing


def _evaluated(
    lowered: Program, evaluator: str, masks: Masks | None, densities: Densities | None, raw_ifmap: bool
) -> tuple[Counts, Timing]:
    architecture, problem = lowered.architecture, lowered.problem
    if evaluator == "cycle":
        from accelsim.engine import cycle

        return cycle.evaluate(lowered, masks=masks)
    from accelsim.engine import analytical
    from accelsim.engine.zeros.expected.laws import Laws

    laws = None
    if masks is not None and architecture.sees_zeros:
        laws = Laws.of_masks(problem, masks)
    elif densities is not None:
        laws = Laws.of(problem, densities, raw_ifmap, architecture.cuts)
    return analytical.evaluate(lowered, laws)


def evaluate_many(architecture: Architecture, nests: Sequence[LoopNest], problem: Problem) -> Batch:
    """The closed form of many mappings of one dense layer, microseconds each where they are alike; see engine/batch.py.

    Raises
    ------
    MappingError : a mapping is illegal here. AccelsimError : Cartesian PEs, which have no closed form.
    """
    from accelsim.engine.batch import evaluate_many

    return evaluate_many(architecture, nests, problem)
