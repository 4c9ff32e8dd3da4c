"""A graph that was followed as a workload file: the layers a person would write, and how much they cover."""

from __future__ import annotations

from typing import Any

from accelsim.errors import WorkloadError
from accelsim.onnx.graph.products import Product, product
from accelsim.onnx.graph.records import Program, Step, refused, telling
from accelsim.onnx.layers.bits import hoisted
from accelsim.onnx.layers.draft import Feature, sizes
from accelsim.onnx.layers.groups import Group, active
from accelsim.onnx.layers.kinds import Sort, macs_left, sized, why
from accelsim.onnx.layers.lowering import Lowering
from accelsim.onnx.layers.multiply import lower_product
from accelsim.onnx.layers.pieces import lower_part
from accelsim.onnx.layers.plane import OtherBatchError, batches, input_shape
from accelsim.onnx.layers.vectors import lower_group, lower_vector
from accelsim.workload.coverage import Coverage, Covered, NotModelled
from accelsim.workload.network import INPUT


def lower(program: Program) -> tuple[dict[str, Any], Coverage]:
    """A workload file as its keys, and what of the graph they cover."""
    found = lowered(program)
    return _document(found), _coverage(found)


def lowered(program: Program) -> Lowering:
    """A graph with all its layers."""
    try:
        products = dict[int, Product]()
        for step in program.steps:
            with telling(step):
                if sized(step) and (found := product(step)):
                    products[id(step)] = found
        for batch in batches(program, list(products.values())):
            try:
                return _run(Lowering(program, products, batch))
            except OtherBatchError:
                continue
        return _run(Lowering(program, products, 1))
    except WorkloadError as error:
        raise refused(program.model.file, error) from None


def _run(to: Lowering) -> Lowering:
    """Step by step."""
    _inputs(to)
    for index, step in enumerate(to.program.steps):
        with telling(step):
            _step(to, index, step)
    if not any(layer.problem for layers in to.draft.found.values() for layer in layers):
        raise WorkloadError("has no node with MACs: no Conv, MatMul, Gemm, LSTM or the like")
    to.draft.pruned(_read_last(to))
    return to


def _step(to: Lowering, index: int, step: Step) -> None:
    """The layers of one node; of nodes that are joined, at the last of them."""
    kind, group = to.kinds[index], to.groups.get(index)
    to.became.setdefault(step, kind)
    if kind is Sort.PRODUCT:
        lower_product(to, to.products[id(step)])
    elif group and kind is not Sort.FOLDED:
        _group(to, group)
    elif kind is Sort.PART:
        lower_part(to, step)
    elif id(step) in to.padded:
        to.became[step] = Sort.ALIAS
    elif kind is Sort.VECTOR and step not in to.inside:
        lower_vector(to, step)
    elif kind is Sort.UNKNOWN:
        to.rest(step, 0)


def _group(to: Lowering, group: Group) -> None:
    kind = lower_group(to, group)
    for step in group.steps:
        to.became[step] = kind if to.sorts[step] is not Sort.ALIAS else Sort.ALIAS


def _inputs(to: Lowering) -> None:
    """The first input is the network's own; others lie in the outermost level, as a cache does."""
    taken = [value for value in to.program.inputs if active(value) and value.shape is not None]
    for value in taken:
        shape = input_shape(to.graph, value)
        if to.input is None:
            to.input = to.draft.input = shape
            to.features[id(value)] = Feature(INPUT, shape)
        else:
            to.put(value, to.draft.view(to.names.new(value.name), [], shape))


def _read_last(to: Lowering) -> set[str]:
    return {to.features[id(value)].layer for value in to.program.outputs if id(value) in to.features}


def _document(to: Lowering) -> dict[str, Any]:
    """The keys of a workload file."""
    model = to.program.model
    stem = model.file.replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or model.file
    made = f", written by {model.producer}" if model.producer else ""
    version = model.opsets.get("", 0)
    head: dict[str, Any] = {"name": stem[:200], "source": f"ONNX graph {stem}, opset {version}{made}"}
    if to.batch > 1:
        head["batch"] = to.batch
    if to.input is not None:
        head["input"] = dict(sizes(to.input))
    layers = to.draft.written()
    common = hoisted(layers)
    return {**head, **({"bits": common} if common else {}), "layers": layers}


def _coverage(to: Lowering) -> Coverage:
    """What became of every step."""
    found: dict[str, Covered] = {}
    missing = []
    for step in to.program.steps:
        became, own = to.became[step], to.sorts[step]
        words = sum(value.words for value in (*step.inputs, *step.outputs) if value is not None)
        macs = to.products[id(step)].macs if id(step) in to.products and own is Sort.PRODUCT else 0
        if own is Sort.UNKNOWN:
            name = step.node.name or next((value.name for value in step.outputs), "")
            missing.append(NotModelled(name, step.node.kind, words, macs_left(step), why(step)))
            continue
        key = {
            Sort.PRODUCT: "layers",
            Sort.WORD: "passing",
            Sort.VECTOR: "vector",
            Sort.FOLDED: "constants",
        }.get(became or own, "views")
        before = found.get(key, Covered())
        found[key] = Covered(before.nodes + 1, before.macs + macs, before.words + words)
    return Coverage(**found, not_modelled=tuple(missing))
