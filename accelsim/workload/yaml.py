"""Workload YAML to Network: shapes follow from layer to layer, and every layer that multiplies gets its problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from accelsim.errors import WorkloadError
from accelsim.parameters import NO_PARAMETERS, PARAMETERS, declared
from accelsim.specs import Count, Name, Spec, key, pick, validate
from accelsim.workload.blocks import OR_USE, BlockSpec, expand
from accelsim.workload.layer import LayerSpec
from accelsim.workload.network import INPUT, Layer, Network, Shape
from accelsim.workload.ops import AnyLayer
from accelsim.workload.precision import BitsTable
from accelsim.workload.problem import Padding
from accelsim.yamlfile import Document, Place, read, resolve, unknown


class InputSpec(Spec):
    """The network's input, of one image."""

    C: Count = key("Channels.", unit="channels")
    H: Count = key("Rows.", 1, unit="rows")
    W: Count = key("Columns.", 1, unit="columns")
    D: Count = key("Planes of depth: frames of a video, slices of a volume.", 1, unit="planes")


class WorkloadSpec(Spec):
    """A network: layers, each of which reads others."""

    name: Name = key("What results and errors call it.")
    source: str = key("Where its shapes are from.", min_length=1)
    parameters: dict[str, Any] = key(PARAMETERS, {}, NO_PARAMETERS, names="PARAMETER")
    batch: Count = key("Images at a time; the batch of a run multiplies them.", 1, unit="images")
    input: InputSpec | None = key("Its own input.", None, "no layer can read one: the first has to be a `problem`")
    padding: Annotated[Padding, BeforeValidator(pick("padding", Padding))] | None = key(
        "Where the zeros around an ifmap come from.", None, "as the machine says"
    )
    bits: BitsTable = key(
        "Width of words, by tensor; a layer may say otherwise.",
        {},
        "the machine's `word`; so for tensors that are not named",
        "bits",
    )
    layers: dict[str, Annotated[AnyLayer, OR_USE]] = key(
        "The layers by name, in any order, and uses of blocks.", min_length=1, names="LAYER"
    )
    blocks: dict[str, BlockSpec] = key("Layers that are used several times.", {}, "there are none", names="BLOCK")


def load_network(name: str | Path, batch: int = 1, parameters: Mapping[str, object] | None = None) -> Network:
    """Read a workload from a file or a built-in name, for a batch of images.

    Raises SpecError with every error in the file, each with its line and column.
    """
    return network_of(read(resolve("workload", name)), batch, parameters)


def network_of(document: Document, batch: int = 1, parameters: Mapping[str, object] | None = None) -> Network:
    """Build a network from a document already read."""
    if batch < 1:
        raise WorkloadError(f"batch is {batch}; it must be at least 1")
    values = declared(document, parameters)
    follows = expand(document, values)
    values.fill(("layers",) if follows else ())
    values.refuse_unused()
    spec = validate(document, WorkloadSpec)
    batch *= spec.batch
    chosen = {name: layer for name, layer in spec.layers.items() if layer.when}
    edges = _edges(document, spec, chosen, follows)
    document.check()
    layers, shapes = list[Layer](), dict[str, Shape]()
    try:
        if spec.input:
            shapes[INPUT] = Shape(spec.input.C, spec.input.H, spec.input.W, spec.input.D)
    except WorkloadError as error:
        document.refuse(("input",), str(error))
    for name in _order(document, edges):
        # a layer that reads one in error is left out: its errors would only follow
        if all(source in shapes for source in edges[name]):
            found = _layers(document, name, spec.layers[name], edges[name], shapes, batch)
            if found:
                shapes[name] = found[-1].shape
                layers += [replace(layer, bits={**spec.bits, **layer.bits}) for layer in found]
    document.check()
    try:
        return Network(spec.name, tuple(layers), shapes.get(INPUT), batch, spec.padding, spec.source)
    except WorkloadError as error:
        document.refuse(("layers",), str(error), key=True)
        document.check()
        raise


def _edges(
    document: Document, spec: WorkloadSpec, layers: Mapping[str, LayerSpec], follows: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """What each layer reads, in the order written; if it does not say so, what it `follows`, or the one before it."""
    edges: dict[str, tuple[str, ...]] = {}
    known = dict.fromkeys([*([INPUT] if spec.input else []), *layers])
    before = INPUT
    for name, layer in layers.items():
        place: Place = ("layers", name)
        if name == INPUT:
            document.refuse(place, f"'{INPUT}' is the network's own input; give the layer another name", key=True)
        least, most = layer.fan_in
        sources = layer.inputs or ((follows.get(name, before),) if least else ())
        edges[name], before = sources, name
        for index, source in enumerate(sources):
            if source not in known:
                _unknown_input(document, place, index, source, known, bool(layer.inputs))
        if not least <= len(sources) <= (len(sources) if most is None else most):
            wanted = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
            document.refuse((*place, "inputs"), f"{layer.op} takes {wanted} inputs, got {len(sources)}")
    return edges


def _unknown_input(
    document: Document, place: Place, index: int, source: str, known: Iterable[str], given: bool
) -> None:
    if not given:
        document.refuse(place, "there is no layer before it and the workload has no 'input'", key=True)
        return
    at: Place = (*place, "inputs", index)
    document.refuse(at if at in document.values else at[:-1], unknown("layer", source, known))


def _order(document: Document, edges: Mapping[str, tuple[str, ...]]) -> list[str]:
    """An order the layers can run in, as near to the file's as can be; a cycle is an error."""
    rank = {name: index for index, name in enumerate(edges)}
    if all(rank.get(source, -1) < rank[name] for name, sources in edges.items() for source in sources):
        return list(edges)
    import networkx

    graph = networkx.DiGraph([(source, name) for name, sources in edges.items() for source in sources])
    graph.add_nodes_from(edges)
    graph.remove_nodes_from([INPUT])
    if networkx.is_directed_acyclic_graph(graph):
        return list(networkx.lexicographical_topological_sort(graph, key=rank.__getitem__))
    # the cycle is told from its first layer in the file
    cycle = [edge[0] for edge in networkx.find_cycle(graph)]
    start = cycle.index(min(cycle, key=rank.__getitem__))
    told = [*cycle[start:], *cycle[:start], cycle[start]]
    document.refuse(("layers", told[0]), f"the layers form a cycle: {' -> '.join(told)}", key=True)
    return []


def _layers(
    document: Document,
    name: str,
    spec: LayerSpec,
    sources: tuple[str, ...],
    shapes: Mapping[str, Shape],
    batch: int,
) -> tuple[Layer, ...]:
    """The layer, its parts before it; none if it is in error."""
    try:
        return spec.layers(name, sources, [shapes[source] for source in sources], batch)
    except WorkloadError as error:
        origin = f" (from {', '.join(sources)})" if sources else ""
        which = f"{name}: " if document.written(("layers", name))[-1] != name else ""
        document.refuse(("layers", name), f"{which}{error}{origin}", key=True)
        return ()
