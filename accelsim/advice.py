"""What would move a result: every layer evaluated again on a machine with twice of one thing.

A port's width, a DRAM's channels, a capacity, a side of an array. Under a wider port a layer keeps its mapping. More
room and more PEs are of use to another mapping only, so there it is searched for anew, if it was in the first place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from accelsim.architecture.levers import CAPACITY, SIDE, Lever, levers
from accelsim.architecture.model import Architecture
from accelsim.compiling import summed_up
from accelsim.dataflows import known_dataflow
from accelsim.errors import AccelsimError
from accelsim.given import operands_for
from accelsim.outcome import GIVEN, SEARCH, LayerResult, Outcome
from accelsim.report.gains import Gain
from accelsim.simulate import Job, Plan, Progress, jobs, run_job

FIXED = "its mapping was given, and makes no use of more"
CARTESIAN = "its PEs map a layer by themselves"
BEST = "the search of all mappings takes long; 'accelsim map --dataflow best --why' does it"


@summed_up
def advise(result: Outcome, progress: Progress | None = None) -> dict[str, tuple[Gain, ...]]:
    """By layer, what twice of each thing changes. Evaluator, data and dataflow are those of the result.

    Raises AccelsimError for a result that does not say what it ran, and for operands that are gone.
    """
    ran = result.ran
    if ran is None:
        raise AccelsimError(f"{result!r} does not say what it ran")
    machine = result.architecture
    zeros = operands_for(machine, ran.network, ran.data, ran.seed, ran.dims) if machine.sees_zeros else None
    plan = Plan(
        machine, result.energy_table, result.dataflow, result.evaluator, {}, GIVEN, zeros, ran,
        failures=result.failures,
    )  # fmt: skip
    todo = list(levers(machine))
    found: dict[str, list[Gain]] = {layer.name: [] for layer in result.layers}
    for index, lever in enumerate(todo):
        if progress:
            progress(index, len(todo), f"twice {lever.what}")
        for name, gain in _gains(lever, result, plan):
            found[name].append(gain)
    return {name: tuple(gains) for name, gains in found.items()}


def _gains(lever: Lever, result: Outcome, plan: Plan) -> Iterator[tuple[str, Gain]]:
    """(layer, gain) of one lever."""
    anew = lever.kind in (CAPACITY, SIDE)
    kept = {layer.name: layer.nest for layer in result.layers if not (anew and layer.mapping_source == SEARCH)}
    searched = any(layer.name not in kept for layer in result.layers)
    machine = lever.machine
    flow, gone = None, ""
    if searched and not machine.cartesian:
        try:
            flow = known_dataflow(machine, plan.dataflow, True)
        except AccelsimError as error:  # a file of one's own that is not here
            gone = _first_line(error)
    changed = replace(plan, machine=machine, given=kept, flow=flow)
    done: dict[Job, tuple[LayerResult | None, str]] = {}
    own = {job.layer.name: job for job in jobs(changed)}
    for layer in result.layers:
        new = layer.name not in kept
        reason = (_unusable(machine, result.dataflow, new) if anew else "") or (gone if new else "")
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
            ),
        )


def _unusable(machine: Architecture, dataflow: str, new: bool) -> str:
    """Why more room or PEs are not evaluated; empty if they are."""
    if machine.cartesian:
        return CARTESIAN
    if not new:
        return FIXED
    return BEST if dataflow == "best" else ""


def _evaluated(job: Job, plan: Plan) -> tuple[LayerResult | None, str]:
    """A layer, or why there is none: no mapping, or no price for a part of this size."""
    try:
        found = run_job(job, plan)
    except AccelsimError as error:
        return None, _first_line(error)
    return (found, "") if isinstance(found, LayerResult) else (None, _first_line(found))


def _first_line(error: AccelsimError) -> str:
    return str(error).partition("\n")[0]
