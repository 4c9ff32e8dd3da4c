"""What would move a result: every layer evaluated again on a machine with twice of one thing, or under other dataflows.

Twice a port's width, a DRAM's channels, a capacity, a side of an array. Under a wider port a layer keeps its mapping.
More room and more PEs are of use to another mapping only: there it is searched for anew, if it was in the first place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from accelsim.architecture.levers import CAPACITY, SIDE, Lever, levers
from accelsim.compiling import summed_up
from accelsim.dataflows import known_dataflow
from accelsim.errors import AccelsimError
from accelsim.jobs import Job, Plan, jobs, run_job
from accelsim.outcome import SEARCH, LayerResult, Outcome
from accelsim.report.gains import DATAFLOW, Gain
from accelsim.simulate import Progress, plan_of

FIXED = "its mapping was given, and makes no use of more"
CARTESIAN = "its PEs map a layer by themselves"
PROVED = "its mapping was searched for to the end, as 'accelsim map --why' does for more room"
UNPROVED = (
    "its search is not to the end, as this run's was, and keeps no constraints that this run may have had: a result "
    "does not say them"
)
BEST = "the search of all mappings takes long; 'accelsim map --dataflow best --why' does it"


@summed_up
def advise(
    result: Outcome, progress: Progress | None = None, dataflows: Iterable[str] = ()
) -> dict[str, tuple[Gain, ...]]:
    """By layer, what twice of each thing changes. Evaluator, data, objective and dataflow are those of the result.

    dataflows : others to search under, on the machine as it is.
    Raises AccelsimError for a result that does not say what it ran, and for operands that are gone.
    """
    plan = plan_of(result)
    todo = [*levers(plan.machine), *(Lever(DATAFLOW, name, plan.machine) for name in dataflows)]
    found: dict[str, list[Gain]] = {layer.name: [] for layer in result.layers}
    for index, lever in enumerate(todo):
        if progress:
            progress(index, len(todo), lever.what if lever.kind == DATAFLOW else f"twice {lever.what}")
        for name, gain in _gains(lever, result, plan):
            found[name].append(gain)
    return {name: tuple(gains) for name, gains in found.items()}


def _gains(lever: Lever, result: Outcome, plan: Plan) -> Iterator[tuple[str, Gain]]:
    """(layer, gain) of one lever."""
    other = lever.kind == DATAFLOW
    anew = other or lever.kind in (CAPACITY, SIDE)
    dataflow = lever.what if other else result.dataflow
    searched = {layer.name for layer in result.layers if other or (anew and layer.mapping_source == SEARCH)}
    kept = {name: nest for name, nest in plan.given.items() if name not in searched}
    machine = lever.machine
    flow, gone = None, ""
    if searched and not machine.cartesian:
        try:
            flow = known_dataflow(machine, dataflow, True)
        except AccelsimError as error:  # a file of one's own that is not here
            gone = _first_line(error)
    changed = replace(plan, machine=machine, dataflow=dataflow, given=kept, flow=flow)
    done: dict[Job, tuple[LayerResult | None, str]] = {}
    own = {job.layer.name: job for job in jobs(changed)}
    for layer in result.layers:
        new = layer.name in searched
        reason = (_unusable(layer, plan, new, other) if anew else "") or (gone if new else "")
        after = None
        if not reason:
            job = own[layer.name]
            if job not in done:
                done[job] = _evaluated(job, changed)
            after, reason = done[job]
        last = after or layer
        yield (
            layer.name,
            Gain(
                lever.kind,
                lever.what,
                (layer.cycles, last.cycles),
                (layer.energy, last.energy),
                new and not reason,
                reason,
                note=UNPROVED if other and not reason and layer.search and layer.search.certificate else "",
            ),
        )


def _unusable(layer: LayerResult, plan: Plan, new: bool, other: bool) -> str:
    """Why more room or PEs, or another dataflow, are not evaluated; empty if they are."""
    if plan.machine.cartesian:
        return CARTESIAN
    if not new:
        return FIXED
    if other:
        return ""
    if plan.dataflow == "best":
        return BEST
    return PROVED if layer.search and layer.search.certificate else ""


def _evaluated(job: Job, plan: Plan) -> tuple[LayerResult | None, str]:
    """A layer, or why there is none: no mapping, or no price for a part of this size."""
    try:
        found = run_job(job, plan)
    except AccelsimError as error:
        return None, _first_line(error)
    return (found, "") if isinstance(found, LayerResult) else (None, _first_line(found))


def _first_line(error: AccelsimError) -> str:
    return str(error).partition("\n")[0]
