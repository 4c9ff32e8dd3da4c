"""Mappings of all layers of a network whose sum is the least under a bound of another sum."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim.arguments import seconds
from accelsim.errors import AccelsimError, MappingError
from accelsim.jobs import Plan, jobs
from accelsim.mapping.mapping import LoopNest
from accelsim.search.bound import WORDS, bounds_of, ceilings_of
from accelsim.simulate import prepare

if TYPE_CHECKING:
    from accelsim.architecture.model import Architecture
    from accelsim.result import Result
    from accelsim.search.optimum.total import Total
    from accelsim.workload.network import Network


def within_total(
    architecture: str | Path | Architecture,
    workload: str | Path | Network,
    total: object,
    dataflow: str | None = None,
    **options: Any,
) -> tuple[dict[str, LoopNest], Total]:
    """By layer, the mappings with the least sum of the objective whose other one adds up to no more than `total`.

    total : `cycles<=1e7`, or of energy where cycles are the objective; or `DRAM words<=2e6` of the outermost level
    beside either. By energy of the dense layers and cycles of their MACs; the answer is the optimum over all mappings
    of all layers, unless `budget` (seconds, of all of them) ends first. Parameters as of `simulate`: the objective is
    'energy' or 'cycles'.

    Raises
    ------
    MappingError : the bound is too low, said with the least there is; a machine or a dataflow that is not searched to
    its end. AccelsimError : an argument that is wrong.
    """
    from accelsim.mapping.dataflows.dataflow import BEST, load
    from accelsim.search.optimum.flow import why_no_flow
    from accelsim.search.optimum.optimum import why_not
    from accelsim.search.optimum.total import OTHER, Part, within
    from accelsim.search.space import with_slices
    from accelsim.search.whole import scope_of

    plan: Plan = prepare(architecture, workload, dataflow or BEST, **options)
    ran = plan.ran
    objective, budget = ran.objective, seconds("budget", ran.proof.budget)
    if objective not in OTHER:
        raise AccelsimError(f"a total is of sums over layers, of energy or cycles; {objective} is none")
    if ran.proof.bounds:
        raise AccelsimError("a total and bounds of each layer at once are not searched for; give one of them")
    bounds = bounds_of(total)
    if [one.objective for one in bounds] not in ([OTHER[objective]], [WORDS]):
        raise AccelsimError(
            f"total '{total}': {objective} is the objective, so it is {OTHER[objective]} that is bounded, or words of "
            f"'{plan.machine.levels[0].name}'"
        )
    (most,) = ceilings_of(bounds, plan.machine, plan.table, objective).given.values()
    parts, scopes = [], {}
    for job in jobs(plan):
        problem = job.machine.lower(job.problem)
        flow = None if plan.dataflow == BEST else with_slices(plan.flow or load(plan.dataflow), problem)
        reason = why_not(job.machine, plan.table, timed=True) or (
            why_no_flow(job.machine, problem, flow) if flow else ""
        )
        if reason:
            raise MappingError(f"{job.layer.name}: a total is kept where mapspaces are searched to their end: {reason}")
        part = Part(job.layer.name, job.machine, problem, job.layer.repeat)
        parts.append(part)
        if part.key not in scopes:
            scopes[part.key] = scope_of(job.machine, problem, flow, ran.proof)
    if not parts:
        raise AccelsimError(f"no layer that fits '{ran.layers}' has MACs to map")
    found = within(parts, objective, most, plan.table, budget, scopes, bounds[0].objective)
    return dict(found.nests), found


def told(total: object, found: Total, result: Result) -> str:
    """Lines above the mappings of a network: what its sums are, and whether nothing is better."""
    ran = result.ran
    objective = ran.objective if ran else "energy"
    proved = (
        "the optimum, certified"
        if found.certified
        else f"within {found.objective / found.bound - 1:.2%} of the optimum"
    )
    lines = [
        f"# total {total}: {found.bounded:.10g}, {objective} {found.objective:.10g}, by energy and cycles of the MACs: "
        f"{proved}; {found.searches} searches of a layer, {found.points} points of their fronts"
    ]
    cycles = sum(layer.repeat * layer.timing.cycles for layer in result.layers)
    of_macs = found.bounded if objective == "energy" else found.objective
    untimed = objective == "energy" and bounds_of(total)[0].objective == WORDS
    if cycles > of_macs and not untimed:
        lines.append(f"# ports take time too: {cycles:,} cycles by the closed form, {of_macs:,.0f} of the MACs")
    return "\n".join(lines) + "\n"
