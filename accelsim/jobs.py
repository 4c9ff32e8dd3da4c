"""The layers of a run one by one: what each is evaluated on, its mapping, counts, time and energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from accelsim.architecture.model import Architecture
from accelsim.architecture.precision import with_bits
from accelsim.energy.account import account
from accelsim.energy.table import EnergyTable
from accelsim.engine.copied import copied_out, padded
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.mapping import LoopNest, check_bypass
from accelsim.mapping.plan.living import Between, Stay
from accelsim.mapping.plan.progress import refuse_no_room
from accelsim.mapping.plan.rounds import bare
from accelsim.outcome import GIVEN, SEARCH, LayerResult, Ran
from accelsim.result import Result
from accelsim.saved import Saved
from accelsim.vector import vector_layers
from accelsim.workload.network import INPUT
from accelsim.workload.precision import checked
from accelsim.workload.problem import LOOP_DIMS, Problem, Width

if TYPE_CHECKING:
    from accelsim.grouped import GroupResult
    from accelsim.mapping.dataflows.dataflow import Dataflow
    from accelsim.search.plan.costs import Wanted
    from accelsim.sparsity.masks import Masks
    from accelsim.sparsity.operands import Operands
    from accelsim.workload.network import Layer

Mappings = Mapping[str, LoopNest]
Bits = tuple[tuple[Width, int], ...]
NOTHING = Stay({})


@dataclass(frozen=True)
class Plan:
    """A run before it begins.

    given, source : nests by layer, and where from. zeros : where they come from on a machine that sees them.
    recorded : layers of the result that is run again. flow : what the search for other nests takes, read once.
    between : what happens between layers; None: nothing does. nests : by group, of its passes that multiply.
    saved : what that saves, if it is known.
    """

    machine: Architecture
    table: EnergyTable
    dataflow: str
    evaluator: str
    given: Mappings
    source: str
    zeros: Operands | None
    ran: Ran
    recorded: Mapping[str, LayerResult] = field(default_factory=dict)
    failures: tuple[tuple[str, str], ...] = ()
    flow: Dataflow | None = None
    between: Between | None = None
    nests: Mapping[str, Sequence[LoopNest]] = field(default_factory=dict)
    saved: tuple[Saved, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Those chosen."""
        return self.ran.network.select(self.ran.layers)


@dataclass(frozen=True)
class Job:
    """One layer of a plan, as it is evaluated: equal ones give equal results.

    machine : of the widths of this layer, and as it finds its memories. nest : the one given. zeros : of whom its masks
    are, where it has some. stay : what it finds on the chip.
    """

    machine: Architecture = field(compare=False)
    layer: Layer = field(compare=False)
    problem: Problem
    nest: LoopNest | None
    zeros: str
    raw: bool
    widths: Bits
    stay: Stay = NOTHING


def jobs(plan: Plan) -> list[Job]:
    """The layers of a plan that multiply, in order, but for those that failed before."""
    wanted, failed, found = checked(plan.ran.bits), dict(plan.failures), []
    for layer in plan.layers:
        if layer.problem is None or layer.name in failed or (plan.between and plan.between.plan.group_of(layer.name)):
            continue
        zeros = None if dense(plan, layer) else plan.zeros and plan.zeros.of(layer)
        identity = zeros.identity(layer) if zeros else ""
        sized = sized_for(plan.machine, layer, wanted)
        raw = bool(zeros) and INPUT in layer.inputs
        widths = tuple(sized.widths.items())
        for run in plan.between.runs(layer) if plan.between else (layer,):
            assert run.problem is not None
            nest, machine, stay = plan.given.get(run.name, plan.given.get(layer.name)), sized, NOTHING
            if plan.between:
                stay = plan.between.stay(run)
                machine = stay.on(sized, plan.between.home)
            found.append(Job(machine, run, run.problem, nest, identity, raw, widths, stay))
    return found


def dense(plan: Plan, layer: Layer) -> bool:
    """Whether a layer runs dense, whatever is zero: some channels of a tensor of its stay, or it runs in rounds."""
    between = plan.between
    if between is None:
        return False
    return between.plan.span_of(bare(layer.name)) is not None or bool(between.stay(layer).parts)


def sized_for(machine: Architecture, layer: Layer, wanted: Mapping[Width, int]) -> Architecture:
    """The machine with the widths of a layer, where the run does not say otherwise."""
    try:
        return with_bits(machine, {**layer.bits, **wanted})
    except AccelsimError as error:
        raise AccelsimError(f"layer '{layer.name}': {error}" if layer.bits else str(error)) from None


def run_job(job: Job, plan: Plan) -> LayerResult | MappingError:
    """Evaluate a layer; what cannot be mapped is returned, not raised."""
    try:
        zeros = None if dense(plan, job.layer) else plan.zeros and plan.zeros.of(job.layer)
        return _run(job, replace(plan, zeros=zeros))
    except MappingError as error:
        return error


def gathered(plan: Plan, multiplying: list[Job], found: list[LayerResult | MappingError]) -> Result:
    """The result of a plan from those of its jobs, in their order."""
    results: list[LayerResult] = []
    failures = list(plan.failures)
    for job, one in zip(multiplying, found, strict=True):
        layer = job.layer
        if isinstance(one, MappingError):
            failures.append((layer.name, f"{one}{_as_lowered(job.machine, layer) if job.nest else ''}"))
            continue
        # how the mapping was found, when it was
        first = plan.recorded.get(layer.name) or one
        here = replace(one, name=layer.name, op=layer.op, repeat=layer.repeat)
        results.append(replace(here, mapping_source=first.mapping_source, search=first.search))
    ran = plan.ran
    groups, failed = groups_of(plan)
    failures += failed
    others = vector_layers(plan.machine, ran.network, plan.layers, plan.table, checked(ran.bits), plan.between)
    return Result(
        plan.machine, ran.network.name, plan.dataflow, plan.evaluator, plan.table, tuple(results), ran.network.batch,
        others, tuple(failures), plan.zeros.describe() if plan.zeros else "", ran, groups, plan.saved,
    )  # fmt: skip


def groups_of(plan: Plan) -> tuple[tuple[GroupResult, ...], list[tuple[str, str]]]:
    """What came of the groups of layers that run together, and (group, reason) of those that could not."""
    between = plan.between
    if between is None or not between.plan.groups:
        return (), []
    from accelsim.grouping import run_group
    from accelsim.search.plan.mapped import nests_of

    chosen = {layer.name for layer in plan.layers}
    wanted = wanted_of(plan, between)
    nests = plan.nests or nests_of(between.plan, plan.ran.network, wanted, plan.ran.bits)
    found, failures = [], []
    for group in between.plan.groups:
        if not chosen & set(group.layers):
            continue
        try:
            found.append(run_group(group, between, wanted, plan.evaluator, nests.get(group.name)))
        except MappingError as error:
            failures.append((group.name, str(error)))
    return tuple(found), failures


def wanted_of(plan: Plan, between: Between) -> Wanted:
    """What groups of a plan go by: their home, and what mappings of their passes are searched by."""
    from accelsim.mapping.plan.living import home_of
    from accelsim.search.plan.costs import Wanted

    home = between.home or home_of(plan.machine)
    flow, ran = plan.flow or plan.dataflow, plan.ran
    return Wanted(plan.machine, plan.table, home, flow, plan.dataflow, ran.objective, ran.proof)


def _run(job: Job, plan: Plan) -> LayerResult:
    """Find a mapping unless there is one, evaluate one layer under it, and price its counts."""
    from accelsim.engine import evaluate

    machine, layer, nest = job.machine, job.layer, job.nest

    assert layer.problem is not None
    problem = machine.lower(layer.problem)
    source, table, zeros = SEARCH if nest is None else plan.source, plan.table, plan.zeros
    if machine.cartesian:
        from accelsim.engine.zeros import cartesian

        if nest not in (None, cartesian.nest(machine, problem)):
            raise MappingError("Cartesian PEs map a layer by themselves; leave the mapping out")
        nest, source = cartesian.nest(machine, problem), GIVEN
    found = None
    if nest is not None:
        check_bypass(machine, nest)
    else:
        from accelsim.search import find

        wanted = plan.ran.objective, table, table.accounting or None, plan.evaluator
        found = find(machine, problem, plan.flow or plan.dataflow, *wanted, proof=plan.ran.proof)
        nest = found.nest
    raw = INPUT in layer.inputs
    as_given = replace(problem, slices=(1, 1)) == layer.problem
    if (
        zeros
        and plan.evaluator == "analytical"
        and not zeros.store
        and not machine.cartesian
        and as_given
        and not (layer.spread and (layer.spread.inserts or layer.spread.unfolded))
    ):
        # nothing is drawn: the closed form takes the densities themselves
        counts, timing = evaluate(machine, nest, problem, plan.evaluator, None, layer.density, raw)
    else:
        counts, timing = evaluate(machine, nest, problem, plan.evaluator, masks_for(machine, layer, problem, zeros))
    refuse_no_room(machine, nest, problem)
    if job.stay.zeros:
        counts = padded(machine, counts, job.stay.zeros)
    if job.stay.copied:
        counts, timing = copied_out(machine, problem, counts, timing)
    rows = account(machine, counts, table, timing.cycles, plan.dataflow, nest)
    found = found and found.scored(float(sum(row.energy for row in rows)), timing.cycles)
    return LayerResult(
        "", problem, nest, source, counts, timing, rows, bits=machine.widths, search=found,
        bias_bits=machine.bias_bits, moved=machine.moved_widths, homes=job.stay.homes,
    )  # fmt: skip


def masks_for(machine: Architecture, layer: Layer, problem: Problem, zeros: Operands | None) -> Masks | None:
    """Which operands of a layer are zero, as the engine takes it; problem : of the layer, lowered."""
    if not zeros or layer.problem is None:
        return None
    masks = replace(zeros.packed(layer, machine.sees_zeros_of, machine.cuts), raw_ifmap=INPUT in layer.inputs)
    if replace(problem, slices=(1, 1)) == layer.problem:
        return masks
    from accelsim.sparsity.im2col import lowered_masks

    return lowered_masks(replace(layer.problem, slices=problem.slices), masks)


def _as_lowered(machine: Architecture, layer: Layer) -> str:
    """What a mapping that was given should have been for, where that is not the layer itself."""
    assert layer.problem is not None
    problem = machine.lower(layer.problem)
    if problem == layer.problem:
        return ""
    sizes = " ".join(f"{dim}{size}" for dim, size in zip(LOOP_DIMS, problem.bounds, strict=True) if size > 1)
    return f" ('{machine.name}' lowers this layer by {machine.lowers_to} to {sizes})"
