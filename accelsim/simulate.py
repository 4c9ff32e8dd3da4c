"""The whole pipeline: workload and architecture in, mapping, counts, time and energy out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelsim.architecture.model import Architecture
from accelsim.architecture.precision import with_bits
from accelsim.compiling import summed_up
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError, MappingError, WorkloadError, nearest
from accelsim.mapping.mapping import LoopNest
from accelsim.result import GIVEN, SEARCH, Comparison, LayerResult, Result
from accelsim.vector import vector_layers
from accelsim.workload.lowering import lowered
from accelsim.workload.network import INPUT
from accelsim.workload.precision import checked
from accelsim.workload.problem import DIMS, Problem, Width

if TYPE_CHECKING:
    from accelsim.sparsity.operands import Operands
    from accelsim.workload.network import Layer, Network

EVALUATORS = ("cycle", "analytical")
DENSE = "dense"
OBJECTIVES = ("energy", "cycles", "edp")
Progress = Callable[[int, int, str], None]
Mappings = Mapping[str, LoopNest]
Bits = tuple[tuple[Width, int], ...]


@summed_up
def simulate(
    architecture: str | Path | Architecture,
    workload: str | Path | Network,
    dataflow: str | None = None,
    mapping: str | Path | Mappings | None = None,
    batch: int = 1,
    layers: str | None = None,
    evaluator: str = "cycle",
    objective: str = "energy",
    parameters: Mapping[str, Any] | None = None,
    energy: str | Path | EnergyTable | None = None,
    accounting: str | None = None,
    data: str | Path | None = None,
    seed: int = 0,
    bits: Mapping[str, int] | None = None,
    progress: Progress | None = None,
    tolerant: bool = False,
) -> Result:
    """Run a network on a machine.

    Parameters
    ----------
    architecture, workload : a built-in name, a file, or the object itself.
    dataflow : where `mapping` has no entry for a layer, this dataflow's best mapping is searched for;
        default: the architecture's own.
    mapping : a built-in name, a file, or nests by layer name.
    layers : glob over layer names; several with commas.
    parameters : values for parameters that the architecture's or the workload's file declares.
    energy, accounting : energy table (default: the architecture's) and its way to account ('isca16').
    data : a directory or .npz of operand arrays (docs/data.md), or 'dense'; default: the densities the workload
        gives, on a machine that makes something of zeros. seed : of what is drawn.
    bits : of the words of 'ifmap', 'filter', 'psum' and 'ofmap' (sums once they are final), over what the workload
        says, and that over the machine's words.
    progress : called with (layers done, layers in all, name of the next).
    tolerant : put layers that cannot be mapped into `Result.failures` instead of raising.
    """
    machine, network = load(architecture, workload, batch, parameters)
    _known("evaluator", evaluator, EVALUATORS)
    _known("objective", objective, OBJECTIVES)
    table = table_for(machine, energy)
    table = table if accounting is None else replace(table, accounting=accounting)
    given = load_mappings(mapping, network)
    chosen = network.select(layers or "*")
    multiplying = [layer for layer in chosen if layer.problem]
    dataflow = dataflow or machine.dataflow
    searched = not machine.cartesian and any(layer.name not in given for layer in multiplying)
    _known_dataflow(machine, dataflow, needed=searched)
    operands = operands_for(machine, network, data, seed)
    given_bits = checked(bits or {})
    done: dict[tuple[Problem, LoopNest | None, str, bool, Bits], LayerResult] = {}
    results, failures = [], []
    for index, layer in enumerate(multiplying):
        if progress:
            progress(index, len(multiplying), layer.name)
        assert layer.problem is not None
        identity = operands.identity(layer) if operands else ""
        sized = with_bits(machine, {**layer.bits, **given_bits})
        widths = tuple(sized.widths.items())
        key = (layer.problem, given.get(layer.name), identity, bool(operands) and INPUT in layer.inputs, widths)
        try:
            if key not in done:
                done[key] = _run(sized, layer, key[1], dataflow, evaluator, objective, table, operands)
        except MappingError as error:
            reason = f"{error}{_as_lowered(machine, layer) if key[1] else ''}"
            if not tolerant:
                raise MappingError(f"{layer.name}: {reason}", error.overflows) from None
            failures.append((layer.name, reason))
            continue
        results.append(replace(done[key], name=layer.name, repeat=layer.repeat))
    others = vector_layers(machine, network, chosen, table, given_bits)
    return Result(
        machine, network.name, dataflow, evaluator, table, tuple(results), network.batch, others, tuple(failures),
        operands.describe() if operands else "",
    )  # fmt: skip


def operands_for(machine: Architecture, network: Network, data: str | Path | None, seed: int) -> Operands | None:
    """Where a run's zeros come from; None: it is dense."""
    from accelsim.sparsity.operands import Operands

    if data == DENSE or not machine.sees_zeros:
        return None
    if data is None and not any(layer.density for layer in network.layers):
        return None
    return Operands(network, data, seed, derive=True)


def check_outputs(
    result: Result,
    workload: str | Path | Network,
    parameters: Mapping[str, Any] | None = None,
    data: str | Path | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """Carry out a result's layers on real operands, against numpy; a sentence for each.

    The operands are those the run's zeros come from, where it has such, else seeded integers; all but `result` as
    given to `simulate`. Raises AccelsimError for the first output that differs.
    """
    from accelsim.engine.functional import check

    ours = {name: value for name, value in (parameters or {}).items() if name in _declared("workload", workload)}
    machine, network = load(result.architecture, workload, result.batch, ours)
    operands = operands_for(machine, network, data, seed)
    layers = {layer.name: layer for layer in network.layers}
    done: dict[tuple[Problem, LoopNest, str, Bits], str] = {}
    for found in result.layers:
        layer = layers[found.name]
        assert layer.problem is not None
        sized = with_bits(machine, found.bits)
        widths = tuple(sized.widths.items())
        key = (layer.problem, found.nest, operands.identity(layer) if operands else "", widths)
        if key not in done:
            given = partial(operands.values, layer, sized.word_bits) if operands else None
            done[key] = check(sized, found.nest, layer.problem, seed, given)
        yield f"{found.name}: {done[key]}"


@summed_up
def compare(
    architecture: str | Path | Architecture,
    workload: str | Path | Network,
    dataflows: Iterable[str] | None = None,
    progress: Callable[[str, int, int, str], None] | None = None,
    **options: Any,
) -> Comparison:
    """Run a network under several dataflows; `options` are those of `simulate`.

    A name that is the common beginning of several built-in machines (`eyeriss_isca16`) compares these,
    each under its own dataflow. What a dataflow cannot run is in `Comparison.failures`, with the reason.
    """
    results: dict[str, Result] = {}
    missing: dict[str, str] = {}
    for label, machine, dataflow in _candidates(architecture, dataflows):
        report = (lambda *step, label=label: progress(label, *step)) if progress else None
        try:
            result = simulate(machine, workload, dataflow, progress=report, tolerant=True, **options)
        except MappingError as error:
            missing[label] = str(error)
            continue
        if result.layers:
            results[label] = result
        else:
            reasons = [f"{layer}: {reason}" for layer, reason in result.failures]
            missing[label] = "; ".join(reasons) or "none of the layers has MACs"
    return Comparison(results, missing)


def load(
    architecture: str | Path | Architecture,
    workload: str | Path | Network,
    batch: int = 1,
    parameters: Mapping[str, Any] | None = None,
) -> tuple[Architecture, Network]:
    """Names and files become objects; objects pass through."""
    from accelsim.architecture.yaml import load_architecture
    from accelsim.workload.yaml import load_network

    if batch < 1:
        raise WorkloadError(f"batch is {batch}; it must be at least 1")
    for_network, own = _parameters(architecture, workload, parameters or {})
    if isinstance(workload, str | Path):
        workload = load_network(workload, batch, for_network)
    elif batch not in (1, workload.batch):
        raise WorkloadError(f"network '{workload.name}' was built for batch {workload.batch}, not {batch}")
    if not isinstance(architecture, Architecture):
        architecture = load_architecture(architecture, own)
    # a workload may say where its zeros come from
    return replace(architecture, padding=workload.padding or architecture.padding), workload


def _parameters(
    architecture: object, workload: object, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters for the workload's file and for the architecture's; a name both declare goes to both.

    Raises AccelsimError for a name that neither declares: with what each of them does.
    """
    if not given:
        return {}, {}
    from accelsim.yamlfile import meant

    ours, theirs = _declared("workload", workload), _declared("arch", architecture)
    for name in given:
        if name not in ours + theirs:
            known = "; ".join(
                f"{kind} '{getattr(source, 'name', source)}' declares {', '.join(names) or 'none'}"
                for kind, source, names in (("architecture", architecture, theirs), ("workload", workload, ours))
            )
            raise AccelsimError(f"unknown parameter '{name}'{meant(name, ours + theirs) or ';'} {known}")
    first, second = ({name: value for name, value in given.items() if name in names} for names in (ours, theirs))
    return first, second


def _declared(kind: str, source: object) -> tuple[str, ...]:
    """Names of the parameters that a file declares; an object has none."""
    from accelsim.yamlfile import read, resolve

    if not isinstance(source, str | Path):
        return ()
    data = read(resolve(kind, source)).data
    declared = data.get("parameters") if isinstance(data, dict) else None
    return tuple(declared) if isinstance(declared, dict) else ()


def load_mappings(mapping: str | Path | Mappings | None, network: Network) -> Mappings:
    """Nests by layer name; a name the network does not have is refused."""
    if isinstance(mapping, str | Path):
        from accelsim.mapping.yaml import load_mappings as read

        mapping = read(mapping)
    names = [layer.name for layer in network.layers]
    for name in mapping or {}:
        if name not in names:
            raise MappingError(f"mapping: workload '{network.name}' has no layer '{name}'{nearest(name, names)}")
    return mapping or {}


def _run(
    machine: Architecture,
    layer: Layer,
    nest: LoopNest | None,
    dataflow: str,
    evaluator: str,
    objective: str,
    table: EnergyTable,
    operands: Operands | None,
) -> LayerResult:
    from accelsim.engine import evaluate

    assert layer.problem is not None
    problem = lowered(layer.problem, machine.lowering)
    source = SEARCH if nest is None else GIVEN
    if machine.cartesian:
        from accelsim.engine import cartesian

        if nest not in (None, cartesian.nest(machine, problem)):
            raise MappingError("Cartesian PEs map a layer by themselves; leave the mapping out")
        nest, source = cartesian.nest(machine, problem), GIVEN
    found = None
    if nest is None:
        from accelsim.search import find

        found = find(machine, problem, dataflow, objective, table, table.accounting or None, evaluator)
        nest = found.nest
    raw = INPUT in layer.inputs
    as_given = problem is layer.problem
    if operands and evaluator == "analytical" and not operands.store and not machine.cartesian and as_given:
        # nothing is drawn: the closed form takes the densities themselves
        counts, timing = evaluate(machine, nest, problem, evaluator, None, layer.density, raw)
    else:
        masks = operands.packed(layer, machine.sees_zeros_of) if operands else None
        masks = replace(masks, raw_ifmap=raw) if masks else None
        if masks and not as_given:
            from accelsim.sparsity.im2col import lowered_masks

            masks = lowered_masks(layer.problem, masks)
        counts, timing = evaluate(machine, nest, problem, evaluator, masks)
    rows = account(machine, counts, table, timing.cycles, dataflow)
    found = found and found.scored(float(sum(row.energy for row in rows)), timing.cycles)
    return LayerResult("", problem, nest, source, counts, timing, rows, bits=machine.widths, search=found)


def _as_lowered(machine: Architecture, layer: Layer) -> str:
    """What a mapping that was given should have been for, where that is not the layer itself."""
    assert layer.problem is not None
    problem = lowered(layer.problem, machine.lowering)
    if problem is layer.problem:
        return ""
    sizes = " ".join(f"{dim}{size}" for dim, size in zip(DIMS, problem.sizes, strict=True) if size > 1)
    return f" ('{machine.name}' lowers this layer by {machine.lowering} to {sizes})"


def _candidates(
    architecture: str | Path | Architecture, dataflows: Iterable[str] | None
) -> list[tuple[str, str | Path | Architecture, str | None]]:
    from accelsim.yamlfile import builtin

    names = builtin("arch")
    family = [name for name in names if name.startswith(f"{architecture}_")]
    if isinstance(architecture, str) and architecture not in names and family:
        return [(name.removeprefix(f"{architecture}_"), name, None) for name in family]
    if dataflows is None:
        from accelsim.mapping.dataflows import NAMES

        dataflows = NAMES
    return [(name, architecture, name) for name in dataflows]


def _known(what: str, name: str, allowed: tuple[str, ...]) -> None:
    if name not in allowed:
        raise AccelsimError(f"unknown {what} '{name}'{nearest(name, allowed)}")


def _known_dataflow(machine: Architecture, dataflow: str, needed: bool) -> None:
    from accelsim.mapping.dataflows import NAMES

    if dataflow:
        _known("dataflow", dataflow, tuple(NAMES))
    elif needed:
        from accelsim.yamlfile import builtin

        given = [name for name in builtin("mapping") if name.startswith(machine.name)]
        mappings = f"; or give a mapping, of which there are {', '.join(given)}" if given else ""
        raise AccelsimError(
            f"architecture '{machine.name}' names no dataflow and none was given ({', '.join(NAMES)}){mappings}"
        )
