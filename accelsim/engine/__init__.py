"""From a mapping to counts and cycles: the closed form and the cycle evaluator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelsim.errors import AccelsimError, nearest

if TYPE_CHECKING:
    from accelsim.architecture.model import Architecture
    from accelsim.engine.counts import Counts, Timing
    from accelsim.mapping.mapping import LoopNest
    from accelsim.sparsity.masks import Masks
    from accelsim.workload.problem import Problem

EVALUATORS = ("cycle", "analytical")


def evaluate(
    architecture: Architecture,
    nest: LoopNest,
    problem: Problem,
    evaluator: str = "cycle",
    masks: Masks | None = None,
) -> tuple[Counts, Timing]:
    """Check a mapping and evaluate one layer under it.

    masks : which operands are zero, where the machine makes something of it; None: dense.

    Raises
    ------
    MappingError : the mapping is illegal here. AccelsimError : unknown evaluator.
    """
    from accelsim.engine import analytical, cycle, program
    from accelsim.mapping.mapping import check

    if evaluator not in EVALUATORS:
        raise AccelsimError(f"unknown evaluator '{evaluator}'{nearest(evaluator, EVALUATORS)}")
    check(architecture, nest, problem)
    lowered = program.build(architecture, nest, problem)
    return cycle.evaluate(lowered, masks=masks) if evaluator == "cycle" else analytical.evaluate(lowered)
