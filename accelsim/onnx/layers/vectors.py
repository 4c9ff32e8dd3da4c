"""Nodes without MACs as layers of a workload file: what works word by word, joined, and pools, norms and the like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from accelsim.onnx.graph.records import Step
from accelsim.onnx.layers.draft import Feature, Keys, one_or_all, sizes
from accelsim.onnx.layers.groups import REDUCED, Group, active
from accelsim.onnx.layers.kinds import PASSING, Sort, operations
from accelsim.onnx.layers.lowering import Lowering
from accelsim.onnx.layers.masks import causal
from accelsim.workload.network import INPUT, Shape

AFFINE = frozenset({"Add", "Sub", "Mul", "Div", "BatchNormalization", "BiasAdd", "Scaler"})
"""What folds into the filters and biases before it, where its other operand is one stored word for each channel."""


def lower_group(to: Lowering, group: Group) -> Sort:
    """Add the layer of nodes that work word by word, or none where an array does it in passing; what it is then."""
    given = [to.feature(value) for value in group.reads]
    all_work = [step for step in group.steps if to.sorts[step] is not Sort.ALIAS]
    work = _left_to_do(to, group, all_work)
    end = group.gives
    if len(given) == 1 and not work and end.words // to.batch == given[0].words:
        to.put(end, given[0])
        to.rest(group.steps[-1], 1)
        return Sort.WORD if all_work else Sort.ALIAS
    name = to.names.of(work[-1] if work else group.steps[-1], several=len(given) == 1 and len(work) > 1)
    words, out = end.words // to.batch, to.shape_like(end, given)
    each = sum(operations(step) * (_words(step) // to.batch) for step in work)
    repeat = given[0].repeat if len(given) == 1 and given[0].words == words else 1
    if repeat > 1:
        # heads that share one: what is done to it is done once
        words, each, out = words // repeat, each // repeat, given[0].shape
    plain: Keys = {"op": "vector", "shape": sizes(out), "ops": each}
    sources = [Feature(one.layer, one.shape) for one in given]
    ways = _ways(group, work, sources)
    if len(given) == 1 and _before_softmax(to, group) and causal(to.program, work):
        ways = [{**way, "causal": True} if way["op"] == "elementwise" else way for way in ways]
    found = to.draft.add(name, sources, [*ways, plain], lambda layers: layers[-1].shape.words == words)
    to.must(found and Feature(found.layer, found.shape, repeat), group.steps[-1], end)
    to.rest(group.steps[-1], 1)
    return Sort.VECTOR


def _before_softmax(to: Lowering, group: Group) -> bool:
    return any(step.node.op == "Softmax" for step in to.readers.get(id(group.gives), ()))


def _left_to_do(to: Lowering, group: Group, work: Sequence[Step]) -> list[Step]:
    """The steps that are not part of the layers before: biases, norms of the batch and ReLUs right behind these."""
    behind = {id(value): to.feature(value) for value in group.reads}
    left, own = [], set(work)
    for step in group.steps:
        given = [value for value in step.inputs if value is not None and active(value)]
        feature = behind.get(id(given[0])) if len(given) == 1 else None
        if feature and (step not in own or _in_passing(to, step, feature)):
            behind |= {id(value): feature for value in step.outputs}
        elif step in own:
            left.append(step)
    return left


def _words(step: Step) -> int:
    reduced = step.node.op in REDUCED
    return step.inputs[0].words if reduced and step.inputs[0] else step.outputs[0].words


def _in_passing(to: Lowering, step: Step, given: Feature) -> bool:
    """Whether what a step does to what a layer wrote is part of that layer."""
    if step.outputs[0].words // to.batch != given.words:
        return False
    layer = to.draft.origin(given.layer)
    layers = () if layer in to.draft.views else to.draft.found.get(layer, ())
    if step.node.op in PASSING and not step.node.domain:
        return bool(layers)
    return step.node.op in AFFINE and any(part.problem for part in layers) and _of_channels(step, given)


def _of_channels(step: Step, given: Feature) -> bool:
    """Whether the other operand has a stored word for each channel, or one for all."""
    others = [value for value in step.inputs if value is not None and not active(value)]
    return all(value.words in (1, given.shape.C) or step.node.op == "BatchNormalization" for value in others)


def _ways(group: Group, work: Sequence[Step], given: Sequence[Feature]) -> list[Keys]:
    """How a file has a group: the shortest first."""
    ops = [step.node.op for step in work]
    if any(op in REDUCED for op in ops):
        if len(given) == 1 and ops.count("ReduceMean") >= 1 and group.gives.words == group.reads[0].words:
            return [{"op": "norm" if "Sub" in ops or ops.count("ReduceMean") > 1 else "rmsnorm"}]
        return []
    if len(given) == 1:
        function = _function(ops)
        known = [{"op": "elementwise", "function": function}] if function else []
        if "BatchNormalization" in ops and set(ops) <= {"BatchNormalization", "Relu", "Clip"}:
            known = [{"op": "batchnorm"}]
        one = sum(operations(step) for step in work) == 1
        return [*known, *([{"op": "elementwise"}] if one else [])]
    if len(given) != 2 or not work:
        return []
    op, before = ops[-1], ops[:-1]
    if not before:
        if op in ("Add", "Sum", "QLinearAdd"):
            return [{"op": "add"}]
        if op in ("Mul", "QLinearMul"):
            return [{"op": "elementwise"}]
        return [{"op": "elementwise", "function": _OF_TWO[op]}] if op in _OF_TWO else []
    # the first input's function is taken, so it is the one that more nodes read
    function = _function(before)
    return [{"op": "gate", "function": function}] if op == "Mul" and function else []


_OF_TWO = {
    **{"Sub": "subtract", "Div": "divide", "Pow": "power", "Max": "maximum", "Min": "minimum", "Where": "where"},
    **{"Equal": "compare", "Less": "compare", "Greater": "compare", "LessOrEqual": "compare"},
}
_OF_ONE = {
    **{"Abs": "abs", "Cos": "cos", "Elu": "elu", "Erf": "erf", "Exp": "exp", "Gelu": "gelu", "FastGelu": "gelu-tanh"},
    **{"HardSigmoid": "hard-sigmoid", "HardSwish": "hard-swish", "LeakyRelu": "leaky-relu", "Log": "log"},
    **{"Mish": "mish", "Neg": "negate", "Reciprocal": "reciprocal", "Relu": "relu", "Round": "round"},
    **{"Sigmoid": "sigmoid", "Sin": "sin", "Softplus": "softplus", "Sqrt": "sqrt", "Tanh": "tanh", "Clip": "clip"},
    "Swish": "silu",
}


def _function(ops: Sequence[str]) -> str:
    """The function that some nodes are together; nothing where it has no name."""
    counted = sorted(ops)
    if len(ops) == 1:
        return _OF_ONE.get(ops[0], "")
    if "Erf" in ops and ops.count("Mul") >= 1:
        return "gelu"
    if "Tanh" in ops and ops.count("Mul") >= 3:
        return "gelu-tanh"
    if counted == ["Mul", "Sigmoid"]:
        return "silu"
    if counted == ["HardSigmoid", "Mul"] or counted == ["Add", "Clip", "Div", "Mul"]:
        return "hard-swish"
    if counted == ["Mul", "Softplus", "Tanh"]:
        return "mish"
    return ""


def lower_vector(to: Lowering, step: Step) -> None:
    """Add the layer of a node that is a vector operation by itself."""
    end = next(value for value in step.outputs if value.name)
    given = [to.feature(to.bare(value)) for value in step.inputs if value is not None and active(value)]
    given = list(dict.fromkeys(Feature(one.layer, one.shape) for one in given))
    find = WAYS.get(step.node.op)
    words = end.words // to.batch
    out = to.shape_like(end, given)
    ways, each = find(to, step, given) if find else ([], _words_in(to, step))
    plain: Keys = {"op": "vector", "shape": sizes(out), "ops": max(0, each)}
    if not given:
        given, plain["reads"] = [Feature(INPUT, to.input or Shape(1))], 0
    found = to.draft.add(to.names.of(step), given, [*ways, plain], lambda layers: layers[-1].shape.words == words)
    to.must(found, step, end)
    to.rest(step, 1)


Ways = tuple[list[Keys], int]


def _words_in(to: Lowering, step: Step) -> int:
    return (step.inputs[0].words if step.inputs and step.inputs[0] else 0) // to.batch


def _pool(to: Lowering, step: Step, given: Sequence[Feature]) -> Ways:
    """`maxpool` and `avgpool`; of the whole plane without a window."""
    node, shape, out = step.node, step.shape(0), step.outputs[0]
    op = "maxpool" if "Max" in node.op else "avgpool"
    if node.op.startswith(("Global", "QLinearGlobal")):
        return [{"op": op}], _words_in(to, step)
    axes = len(shape) - 2
    kernel = node.attributes.get("kernel_shape", [1] * axes)
    stride = node.wholes("strides", axes, 1)
    keys: Keys = {"op": op if axes < 3 else f"{op}3d", "kernel": _axes(kernel)}
    if tuple(kernel) != stride:
        keys["stride"] = _axes(stride)
    ways = [keys]
    auto = node.text("auto_pad", "NOTSET")
    pads = to.pads_before(step, node.wholes("pads", 2 * axes, 0))
    if auto.startswith("SAME"):
        keys["pad"] = "same-lower" if auto == "SAME_LOWER" else "same"
    elif any(pads):
        before, after = pads[:axes], pads[axes:]
        keys["pad"] = _axes(before, 0) if before == after else [*_two(before, 0), *_two(after, 0)]
    if node.whole("ceil_mode"):
        ways = [{**keys, "ceil": True}]
    wanted = out.shape or ()
    ways = [] if axes > 3 or any(one > 1 for one in node.attributes.get("dilations", [])) else ways
    each = prod(kernel) - (op == "maxpool")
    return ways, each * prod(wanted) // to.batch


def _two(values: Sequence[int], usual: int) -> list[int]:
    return [usual] * (2 - len(values)) + list(values)


def _axes(values: Sequence[int], usual: int = 1) -> Any:
    return one_or_all(values) if len(values) != 1 else [usual, values[0]]


def _softmax(to: Lowering, step: Step, given: Sequence[Feature]) -> Ways:
    return [{"op": "softmax"}] if "Log" not in step.node.op else [], 5 * _words_in(to, step)


def _norm(op: str, each: int) -> Callable[[Lowering, Step, Sequence[Feature]], Ways]:
    def find(to: Lowering, step: Step, given: Sequence[Feature]) -> Ways:
        groups = {"groups": step.node.whole("num_groups", 1)} if op == "groupnorm" else {}
        return [{"op": op, **groups}] if op else [], each * _words_in(to, step)

    return find


def _response(to: Lowering, step: Step, given: Sequence[Feature]) -> Ways:
    """A. Krizhevsky et al., NIPS 2012, section 3.3: squares, sums but one, by alpha, + k, power, division."""
    return [], (step.node.whole("size", 5) + 4) * _words_in(to, step)


def _resize(to: Lowering, step: Step, given: Sequence[Feature]) -> Ways:
    modes = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}
    mode, out = step.node.text("mode", "nearest"), step.outputs[0].shape or ()
    each = {"nearest": 0, "linear": 7, "cubic": 31}.get(mode, 0)
    keys: Keys = {"op": "resize", **({"mode": modes[mode]} if mode in modes and mode != "nearest" else {})}
    size = list(out[2:]) if len(out) == 4 else [1, *out[2:]]
    return [{**keys, "size": one_or_all(size)}] if len(size) == 2 else [], each * step.outputs[0].words // to.batch


def _gather(to: Lowering, step: Step, given: Sequence[Feature]) -> Ways:
    """A look-up in a stored table reads what it looks up, not the table."""
    table, words = step.inputs[0], step.outputs[0].words // to.batch
    if table is not None and table.stored is not None and len(given) == 1 and table.shape and len(table.shape) == 2:
        return [{"op": "embedding", "M": table.shape[1]}], 0
    out = to.shape_like(step.outputs[0], given)
    return [{"op": "vector", "shape": sizes(out), "reads": words, "ops": 0}], 0


def _reduce(to: Lowering, step: Step, given: Sequence[Feature]) -> Ways:
    functions = {
        **{"ReduceMean": "mean", "ReduceSum": "sum", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "product"},
        **{"ReduceL1": "l1", "ReduceL2": "l2", "ReduceSumSquare": "sum-square", "ArgMax": "argmax", "ArgMin": "argmin"},
    }
    function, before, after = functions.get(step.node.op, ""), _words_in(to, step), step.outputs[0].words // to.batch
    ways = []
    if function and len(given) == 1:
        for over, words in ((["rows", "columns"], given[0].shape.C), (["columns"], 0), (["channels"], 0)):
            if words in (0, after):
                ways.append({"op": "reduce", "over": over if len(over) > 1 else over[0], "function": function})
    squares = before if function in ("l1", "l2", "sum-square") else 0
    return ways, max(0, before - after) + squares + (after if function in ("mean", "l2") else 0)


def _none(to: Lowering, step: Step, given: Sequence[Feature]) -> Ways:
    return [], 0


def _each(ops: int) -> Callable[[Lowering, Step, Sequence[Feature]], Ways]:
    return lambda to, step, given: ([], ops * _words_in(to, step))


def _pad(to: Lowering, step: Step, given: Sequence[Feature]) -> Ways:
    pads = step.inputs[1].data if step.has(1) and step.inputs[1] else step.node.attributes.get("pads")
    rank = len(step.shape(0))
    if pads is None or len(pads) != 2 * rank or rank != 4 or any(int(pad) for pad in (*pads[:2], *pads[4:6])):
        return [], 0
    return [{"op": "pad", "pad": one_or_all([int(pad) for pad in (*pads[2:4], *pads[6:8])])}], 0


def _biggest(to: Lowering, step: Step, given: Sequence[Feature]) -> Ways:
    """As many searches, each for the largest that is left."""
    words, out = _words_in(to, step), step.outputs[0].shape or (1,)
    k = out[step.node.whole("axis", -1)]
    return [{"op": "topk", "k": k}], k * words


WAYS: Mapping[str, Callable[[Lowering, Step, Sequence[Feature]], Ways]] = {
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"), _pool),
    **dict.fromkeys(("QLinearGlobalAveragePool",), _pool),
    **dict.fromkeys(("Softmax", "LogSoftmax", "QLinearSoftmax"), _softmax),
    **dict.fromkeys(("LayerNormalization", "SkipLayerNormalization", "EmbedLayerNormalization"), _norm("norm", 7)),
    **dict.fromkeys(("RMSNormalization", "SimplifiedLayerNormalization"), _norm("rmsnorm", 4)),
    "SkipSimplifiedLayerNormalization": _norm("", 5),
    "GroupNormalization": _norm("groupnorm", 7),
    "InstanceNormalization": _norm("instancenorm", 7),
    "MeanVarianceNormalization": _norm("", 5),
    "LpNormalization": _norm("", 3),
    "LRN": _response,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    **dict.fromkeys(("Gather", "GatherND", "GatherElements", "ArrayFeatureExtractor"), _gather),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1"), _reduce),
    **dict.fromkeys(("ReduceL2", "ReduceSumSquare", "ArgMax", "ArgMin"), _reduce),
    "RotaryEmbedding": _each(3),
    "TopK": _biggest,
    "Pad": _pad,
    **dict.fromkeys(("ScatterND", "ScatterElements", "Scatter", "TensorScatter", "Trilu", "EyeLike", "OneHot"), _none),
    **dict.fromkeys(("Compress", "ReverseSequence", "NonZero", "CenterCropPad", "Range"), _none),
    # four neighbours of each word: four products and three sums
    "GridSample": _each(7),
    "RoiAlign": _each(7),
}
