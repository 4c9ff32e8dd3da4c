"""The whole pipeline: workload and architecture in, mapping, counts, time and energy out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim import arguments
from accelsim.architecture.model import Architecture
from accelsim.architecture.precision import with_bits
from accelsim.compiling import summed_up
from accelsim.dataflows import candidates, known_dataflow
from accelsim.declared import split_parameters
from accelsim.document import versions
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError, MappingError
from accelsim.given import DENSE, asked, digests_of, files_of, operands_for, operands_of
from accelsim.mapping.mapping import LoopNest, check_bypass
from accelsim.mapping.shipped import shipped
from accelsim.networks import network_from
from accelsim.onnx.graph.read import Dims, is_onnx
from accelsim.onnx.graph.read import checked as sizes_of
from accelsim.outcome import GIVEN, SEARCH, SHIPPED, LayerResult, Outcome, Ran, reasons
from accelsim.result import Comparison, Result
from accelsim.search.bound import ceilings_of
from accelsim.vector import vector_layers
from accelsim.workload.network import INPUT, Network
from accelsim.workload.precision import checked
from accelsim.workload.problem import LOOP_DIMS, Problem, Width

if TYPE_CHECKING:
    from accelsim.mapping.dataflows.dataflow import Dataflow
    from accelsim.sparsity.masks import Masks
    from accelsim.sparsity.operands import Operands
    from accelsim.workload.network import Layer
    from accelsim.workload.training.optimizers import Training

EVALUATORS = ("cycle", "analytical")
OBJECTIVES = ("energy", "cycles", "edp", "ed2p")
Progress = Callable[[int, int, str], None]
Mappings = Mapping[str, LoopNest]
Bits = tuple[tuple[Width, int], ...]
_DEFAULTS: Mapping[str, Any] = {
    "mapping": None, "batch": 1, "layers": None, "evaluator": "cycle", "objective": "energy", "parameters": None,
    "energy": None, "accounting": None, "data": None, "seed": 0, "bits": None, "node": None, "supply": None,
    "dims": None, "inputs": None, "budget": None, "exact": False, "imperfect": False, "constraints": None,
    "training": None, "bound": None,
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A run before it begins.

    given, source : nests by layer, and where from. zeros : where they come from on a machine that sees them.
    recorded : layers of the result that is run again. flow : what the search for other nests takes, read once.
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

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Those chosen."""
        return self.ran.network.select(self.ran.layers)


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
        most of what is no objective, 'cycles<=1.2e6, energy<=3 mJ' (docs/optimum.md).
    dims : sizes that an ONNX file leaves open, by name. inputs : what a PyTorch module is run on, to be read.
    training : the network's training step instead: True, an optimizer's name, or more (docs/training.md).

    Raises
    ------
    MappingError : layers that cannot be mapped, each with the reason. AccelsimError : an argument that is wrong.
    """
    plan = prepare(
        architecture, workload, dataflow, mapping=mapping, batch=batch, layers=layers, evaluator=evaluator,
        objective=objective, parameters=parameters, energy=energy, accounting=accounting, data=data, seed=seed,
        bits=bits, node=node, supply=supply, dims=dims, inputs=inputs, budget=budget, exact=exact,
        imperfect=imperfect, constraints=constraints, bound=bound, training=training,
    )  # fmt: skip
    result = _execute(plan, progress)
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
    ran = Ran(
        network, options["objective"], globs, str(mapping) if isinstance(mapping, str | Path) else "", set_,
        None if data is None else str(data), seed, widths, digests_of(operands, chosen), versions(),
        sizes if is_onnx(data) else {}, proof, files_of({"dataflow": flow and dataflow, "mapping": mapping}),
    )  # fmt: skip
    return Plan(machine, table, dataflow, evaluator, given, source, zeros, ran, flow=flow)


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
        result.failures,
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


@dataclass(frozen=True)
class Job:
    """One layer of a plan, as it is evaluated: equal ones give equal results.

    machine : of the widths of this layer. nest : the one given. zeros : of whom its masks are, where it has some.
    """

    machine: Architecture = field(compare=False)
    layer: Layer = field(compare=False)
    problem: Problem
    nest: LoopNest | None
    zeros: str
    raw: bool
    widths: Bits


def jobs(plan: Plan) -> list[Job]:
    """The layers of a plan that multiply, in order, but for those that failed before."""
    wanted, failed, found = checked(plan.ran.bits), dict(plan.failures), []
    for layer in plan.layers:
        if layer.problem is None or layer.name in failed:
            continue
        zeros = plan.zeros and plan.zeros.of(layer)
        identity = zeros.identity(layer) if zeros else ""
        sized = _sized(plan.machine, layer, wanted)
        raw = bool(zeros) and INPUT in layer.inputs
        widths = tuple(sized.widths.items())
        found.append(Job(sized, layer, layer.problem, plan.given.get(layer.name), identity, raw, widths))
    return found


def _sized(machine: Architecture, layer: Layer, wanted: Mapping[Width, int]) -> Architecture:
    """The machine with the widths of a layer, where the run does not say otherwise."""
    try:
        return with_bits(machine, {**layer.bits, **wanted})
    except AccelsimError as error:
        raise AccelsimError(f"layer '{layer.name}': {error}" if layer.bits else str(error)) from None


def run_job(job: Job, plan: Plan) -> LayerResult | MappingError:
    """Evaluate a layer; what cannot be mapped is returned, not raised."""
    try:
        return _run(job.machine, job.layer, job.nest, replace(plan, zeros=plan.zeros and plan.zeros.of(job.layer)))
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
    others = vector_layers(plan.machine, ran.network, plan.layers, plan.table, checked(ran.bits))
    return Result(
        plan.machine, ran.network.name, plan.dataflow, plan.evaluator, plan.table, tuple(results), ran.network.batch,
        others, tuple(failures), plan.zeros.describe() if plan.zeros else "", ran,
    )  # fmt: skip


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


def _run(machine: Architecture, layer: Layer, nest: LoopNest | None, plan: Plan) -> LayerResult:
    """Find a mapping unless there is one, evaluate one layer under it, and price its counts."""
    from accelsim.engine import evaluate

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
    rows = account(machine, counts, table, timing.cycles, plan.dataflow, nest)
    found = found and found.scored(float(sum(row.energy for row in rows)), timing.cycles)
    return LayerResult(
        "", problem, nest, source, counts, timing, rows, bits=machine.widths, search=found,
        bias_bits=machine.bias_bits, moved=machine.moved_widths,
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
