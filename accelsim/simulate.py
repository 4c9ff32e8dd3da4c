"""The whole pipeline: workload and architecture in, mapping, counts, time and energy out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim import arguments
from accelsim.architecture.model import Architecture
from accelsim.compiling import summed_up
from accelsim.dataflows import candidates, known_dataflow
from accelsim.declared import split_parameters
from accelsim.document import versions
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError, MappingError
from accelsim.given import DENSE, asked, digests_of, files_of, operands_for, operands_of
from accelsim.jobs import Job, Plan, gathered, jobs, run_job, sized_for
from accelsim.mapping.plan.living import Between, between_of, home_of
from accelsim.mapping.plan.plan import NO_PLAN, WAYS
from accelsim.mapping.shipped import shipped
from accelsim.networks import network_from
from accelsim.onnx.graph.read import Dims, is_onnx
from accelsim.onnx.graph.read import checked as sizes_of
from accelsim.outcome import GIVEN, SHIPPED, LayerResult, Outcome, Ran, reasons
from accelsim.result import Comparison, Result
from accelsim.saving import saved_of, without_plan
from accelsim.search.bound import ceilings_of
from accelsim.search.proof import Proof
from accelsim.workload.network import Network
from accelsim.workload.precision import checked
from accelsim.workload.problem import Width

if TYPE_CHECKING:
    from accelsim.mapping.dataflows.dataflow import Dataflow
    from accelsim.mapping.plan.plan import Plan as BetweenPlan
    from accelsim.search.plan.costs import Wanted
    from accelsim.workload.training.optimizers import Training

EVALUATORS = ("cycle", "analytical")
OBJECTIVES = ("energy", "cycles", "edp", "ed2p")
Progress = Callable[[int, int, str], None]
_DEFAULTS: Mapping[str, Any] = {
    "mapping": None, "batch": 1, "layers": None, "evaluator": "cycle", "objective": "energy", "parameters": None,
    "energy": None, "accounting": None, "data": None, "seed": 0, "bits": None, "node": None, "supply": None,
    "dims": None, "inputs": None, "budget": None, "exact": False, "imperfect": False, "constraints": None,
    "training": None, "bound": None, "between": None, "parts": 1, "plan": None, "progress": None,
}  # fmt: skip


@summed_up
def simulate(
    architecture: str | Path | Architecture,
    workload: str | Path | Network,
    dataflow: str | None = None,
    mapping: str | Path | Mapping[str, arguments.Nest] | None = None,
    batch: int | str = 1,
    layers: str | Iterable[str] | None = None,
    evaluator: str = "cycle",
    objective: str = "energy",
    parameters: Mapping[str, Any] | Iterable[str] | None = None,
    energy: str | Path | EnergyTable | None = None,
    accounting: str | None = None,
    data: str | Path | None = None,
    seed: int = 0,
    bits: Mapping[str, int] | str | None = None,
    node: int | None = None,
    supply: float | str | None = None,
    progress: Progress | None = None,
    tolerant: bool = False,
    dims: Dims | None = None,
    inputs: object = None,
    budget: float | None = None,
    exact: bool = False,
    imperfect: bool = False,
    constraints: str | Path | Mapping[str, Any] | None = None,
    bound: str | Sequence[str] | Mapping[str, Any] | None = None,
    training: bool | str | Mapping[str, Any] | Training | None = None,
    between: str | None = None,
    parts: int = 1,
    plan: str | Path | Mapping[str, Any] | BetweenPlan | None = None,
    saved: bool = False,
) -> Result:
    """Run a network on a machine.

    Parameters
    ----------
    architecture, workload : a built-in name, a file, or the object itself.
    dataflow : where `mapping` has no entry for a layer, this dataflow's best mapping is searched for;
        default: the architecture's own; without one, a mapping that ships for this machine and fits. 'best': of all
        mappings, with a certificate (docs/optimum.md).
    mapping : a built-in name, a file, or by layer name a nest, its text or its levels as YAML has them.
    layers : globs over layer names, in a list or with commas between them.
    parameters : values for parameters that the architecture's or the workload's file declares.
    energy, accounting : energy table (default: the architecture's) and its way to account ('isca16').
    data : a directory or .npz of operand arrays (docs/data.md), 'weights' (those of an ONNX workload), or 'dense';
        default: the densities the workload gives, on a machine that makes something of zeros. seed : of what is drawn.
    bits : of the words of 'ifmap', 'filter', 'psum' and 'ofmap' (sums once they are final), over what the workload
        says, and that over the machine's words.
    node, supply : the built-in table of a process, in nm; its supply in V.
    progress : called with (layers done, layers in all, name of the next).
    tolerant : put layers that cannot be mapped into `Result.failures` instead of raising.
    budget : seconds a layer's search of all mappings may take; then the best so far, with its gap. exact : a dataflow's
        mappings are searched to the end too, with a certificate. imperfect : 'best' takes factors that do not divide.
        constraints : a file, or what is in it, of what mappings are left out; with any a search is exact. bound : the
        most of what is no objective, 'cycles<=1.2e6, DRAM words<=2e6' (docs/optimum.md).
    dims : sizes that an ONNX file leaves open, by name. inputs : what a PyTorch module is run on, to be read.
    training : the network's training step instead: True, an optimizer's name, or more (docs/training.md).
    between : what is looked for between layers: 'none', tensors that stay on the chip ('resident'), groups of layers
        ('fused'), or both ('best'); default: 'none'. parts : of so many blocks of channels of a tensor some may stay.
        plan : the file of a plan, or what is in it, instead (docs/between.md). saved : run every layer by itself too,
        for `Result.saved`: words of each tensor without the plan and with it.

    Raises
    ------
    MappingError : layers that cannot be mapped, each with the reason. AccelsimError : an argument that is wrong.
    """
    ready = prepare(
        architecture, workload, dataflow, mapping=mapping, batch=batch, layers=layers, evaluator=evaluator,
        objective=objective, parameters=parameters, energy=energy, accounting=accounting, data=data, seed=seed,
        bits=bits, node=node, supply=supply, dims=dims, inputs=inputs, budget=budget, exact=exact,
        imperfect=imperfect, constraints=constraints, bound=bound, training=training, between=between, parts=parts,
        plan=plan, progress=progress,
    )  # fmt: skip
    result = _execute(ready, progress)
    if saved:
        result = replace(result, saved=saved_of(ready, result, _execute(without_plan(ready), progress)))
    if result.failures and not tolerant:
        raise result_error(result)
    return result


def prepare(
    architecture: str | Path | Architecture,
    workload: str | Path | Network,
    dataflow: str | None = None,
    **options: Any,
) -> Plan:
    """All of a run but the running: names and files read, arguments checked. `options` are those of `simulate`."""
    options = {**_DEFAULTS, **options}
    mapping, data, evaluator, layers = (options[name] for name in ("mapping", "data", "evaluator", "layers"))
    batch, seed = arguments.whole("batch", options["batch"], 1), arguments.whole("seed", options["seed"], 0)
    set_ = arguments.settings("parameters", options["parameters"])
    machine, network = load(architecture, workload, batch, set_, options["dims"], options["inputs"])
    if options["training"]:
        network = network.training_step(options["training"])
    arguments.known("evaluator", evaluator, EVALUATORS)
    arguments.known("objective", options["objective"], OBJECTIVES)
    table = table_for(machine, options["energy"], options["node"], options["supply"])
    table = table if options["accounting"] is None else replace(table, accounting=options["accounting"])
    given, source = arguments.mappings(mapping, network), GIVEN
    globs = "*" if layers is None else ",".join(arguments.names("layers", layers))
    widths = arguments.settings("bits", options["bits"])
    wanted = checked(widths)
    chosen, dataflow = [layer for layer in network.select(globs) if layer.problem], dataflow or machine.dataflow
    data, sizes = arguments.data(data, workload), sizes_of(options["dims"])
    operands = None if data in (None, DENSE) else operands_for(machine, network, data, seed, sizes)
    zeros = operands_for(machine, network, data, seed, sizes) if machine.sees_zeros else None
    if not (dataflow or machine.cartesian or mapping):
        mapping, given = shipped(machine, chosen, wanted, bool(zeros))
        source = SHIPPED
    missing = [layer.name for layer in chosen if layer.name not in given]
    flow = known_dataflow(machine, dataflow, needed=bool(missing) and not machine.cartesian)
    proof = arguments.proof(*(options[name] for name in ("budget", "exact", "imperfect", "constraints", "bound")))
    if proof.constraints:
        proof.constraints.on(machine)
    if proof.bounds:
        ceilings_of(proof.bounds, machine, table, options["objective"])
    between = _between(machine, network, table, {**options, "layers": globs}, flow or dataflow, dataflow, proof)
    ran = Ran(
        network, options["objective"], globs, str(mapping) if isinstance(mapping, str | Path) else "", set_,
        None if data is None else str(data), seed, widths, digests_of(operands, chosen), versions(),
        sizes if is_onnx(data) else {}, proof, files_of({"dataflow": flow and dataflow, "mapping": mapping}),
        between.plan if between else NO_PLAN,
    )  # fmt: skip
    return Plan(machine, table, dataflow, evaluator, given, source, zeros, ran, flow=flow, between=between)


def _between(
    machine: Architecture,
    network: Network,
    table: EnergyTable,
    options: Mapping[str, Any],
    flow: Dataflow | str,
    dataflow: str,
    proof: Proof,
) -> Between | None:
    """The plan that is given or looked for, on a machine; None: nothing happens between layers."""
    way, given = options["between"] or "none", options["plan"]
    arguments.known("between", way, WAYS)
    parts = arguments.whole("parts", options["parts"], 1)
    if parts > 1 and way not in ("resident", "best"):
        raise AccelsimError("parts: no tensor is looked for that stays; add between 'resident' or 'best'")
    if given is not None and way != "none":
        raise AccelsimError("a plan is given, so none is looked for; leave out 'between' or 'plan'")
    if given is None and way == "none":
        return None
    from accelsim.search.plan.best import find_plan
    from accelsim.search.plan.costs import Wanted

    bits = checked(arguments.settings("bits", options["bits"]))

    def wanted(home: str) -> Wanted:
        return Wanted(machine, table, home, flow, dataflow, options["objective"], proof)

    if given is not None:
        return _given(given, machine, network, bits, wanted, options["layers"])
    sized = partial(sized_for, machine, wanted=bits)
    found = find_plan(wanted(home_of(machine)), network, sized, way, proof.budget, options["progress"], parts)
    return between_of(replace(found.plan, source=found.describe()), machine, network, bits)


def _given(
    plan: BetweenPlan | str | Path | Mapping[str, Any],
    machine: Architecture,
    network: Network,
    bits: Mapping[Width, int],
    wanted: Callable[[str], Wanted],
    layers: str,
) -> Between | None:
    """A plan that is given, on a machine. wanted : of a home, what passes of its groups are searched by.

    layers : those that are run.
    """
    from accelsim.grouping import wrong_groups
    from accelsim.mapping.plan.yaml import plan_from, refuse_wrong
    from accelsim.search.plan.best import refuse_accounting

    asked_for, document = plan_from(plan)
    between = between_of(asked_for, machine, network, bits)
    if between is None:
        return None
    goal = wanted(between.home or home_of(machine))
    refuse_accounting(goal.table)
    chosen = {layer.name for layer in network.select(layers)}
    refuse_wrong(between, document, wrong_groups(between, goal, chosen))
    return between


@summed_up
def rerun(result: Result | str | Path, progress: Progress | None = None) -> Result:
    """Run what a result, or the result.json that holds it, ran: the same machine, network, table, nests and operands.

    Raises AccelsimError, one line, for a file that is no such result, and for operands that have changed since.
    """
    if not isinstance(result, Result):
        result = Result.load(result)
    plan = plan_of(result)
    ran = plan.ran
    operands = None if ran.data in (None, DENSE) else operands_of(plan.machine, ran)
    failed = dict(result.failures)
    now = digests_of(operands, [layer for layer in plan.layers if layer.problem and layer.name not in failed])
    for file, digest in ran.operand_files.items():
        if now.get(file, digest) != digest:
            raise AccelsimError(f"{file}: has changed since this result was written (its sha256 is another)")
    return _execute(plan, progress)


def plan_of(result: Outcome) -> Plan:
    """What a result ran, with its nests, as a run before it begins. AccelsimError for one that does not say."""
    machine, ran = result.architecture, asked(result)
    zeros = operands_of(machine, ran) if machine.sees_zeros else None
    layers = {layer.name: layer for layer in result.layers}
    return Plan(
        machine, result.energy_table, result.dataflow, result.evaluator,
        {name: layer.nest for name, layer in layers.items()}, GIVEN, zeros, replace(ran, versions=versions()), layers,
        result.failures, between=between_of(ran.plan, machine, ran.network, checked(ran.bits)),
        nests={group.name: [one.nest for one in group.passes] for group in result.groups}, saved=result.saved,
    )  # fmt: skip


def _execute(plan: Plan, progress: Progress | None) -> Result:
    """Every layer once; equal ones share what was found."""
    multiplying = jobs(plan)
    done: dict[Job, LayerResult | MappingError] = {}
    found: list[LayerResult | MappingError] = []
    for index, job in enumerate(multiplying):
        if progress:
            progress(index, len(multiplying), job.layer.name)
        if job not in done:
            done[job] = run_job(job, plan)
        found.append(done[job])
    return gathered(plan, multiplying, found)


def result_error(result: Result) -> MappingError:
    """What to raise for layers that could not be mapped: a line for each reason, with the layers it holds for."""
    return MappingError("\n".join(reasons(result.failures)))


@summed_up
def compare(
    architecture: str | Path | Architecture,
    workload: str | Path | Network,
    dataflows: str | Iterable[str] | None = None,
    progress: Callable[[str, int, int, str], None] | None = None,
    **options: Any,
) -> Comparison:
    """Run a network under several dataflows; `options` are those of `simulate`.

    A name that is the common beginning of several built-in machines (`eyeriss_isca16`) compares these, each under its
    own dataflow, or all under each of those given. What a dataflow cannot run is in `Comparison.failures`, with the
    reason.
    """
    results: dict[str, Result] = {}
    missing: dict[str, str] = {}
    given = None if dataflows is None else arguments.names("dataflows", dataflows)
    for label, machine, dataflow in candidates(architecture, given):
        report = (lambda *step, label=label: progress(label, *step)) if progress else None
        result = simulate(machine, workload, dataflow, progress=report, tolerant=True, **options)
        if result.layers:
            results[label] = result
        else:
            missing[label] = "; ".join(reasons(result.failures)) or "none of the layers has MACs"
    return Comparison(results, missing)


def load(
    architecture: str | Path | Architecture,
    workload: str | Path | Network,
    batch: int = 1,
    parameters: Mapping[str, Any] | None = None,
    dims: Dims | None = None,
    inputs: object = None,
) -> tuple[Architecture, Network]:
    """Names and files become objects; objects pass through."""
    from accelsim.architecture.yaml import load_architecture

    arguments.one_of("architecture", architecture, (Architecture,))
    for_network, own = split_parameters(architecture, workload, parameters or {})
    network = network_from(workload, batch, for_network, dims, inputs)
    if not isinstance(architecture, Architecture):
        architecture = load_architecture(architecture, own)
    elif own:
        architecture = architecture.with_(**own)
    # a workload may say where its zeros come from
    return replace(architecture, padding=network.padding or architecture.padding), network
