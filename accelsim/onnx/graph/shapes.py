"""The shape of what one node gives: by ONNX's own inference, or, of operators it does not know, by a rule here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

from accelsim.errors import WorkloadError
from accelsim.onnx.graph.records import FLOAT, INT64, MICROSOFT, ML, Node, Sizes, Step, Value

MOST_WORDS = 2**48
"""Of a tensor: more is no network's, and its counts would not be numbers to trust."""

Found = Sequence[tuple[int, Sizes | None]]


def inferred(step: Step, opsets: dict[str, int]) -> Found:
    """Element type and shape of every output; a shape is None where it follows from values that are not known.

    Raises WorkloadError where inputs do not fit together.
    """
    node = step.node
    rule = RULES.get((node.domain, node.op))
    if rule:
        given = [None if value is None else value.shape for value in step.inputs]
        known = all(value is None or value.shape is not None for value in step.inputs)
        return _checked(node, rule(step, given) if known else [])
    schema = _schema(node.op, opsets.get(node.domain, 0), node.domain)
    if schema is None:
        return []
    return _checked(node, _by_library(step, schema, opsets))


def _checked(node: Node, found: Found) -> Found:
    for _, shape in found:
        if shape is not None and (prod(shape) > MOST_WORDS or min(shape, default=0) < 0):
            raise WorkloadError(f"{node}: gives a tensor of {list(shape)}: up to 2^48 words are counted")
    return found


@lru_cache(maxsize=4096)
def _schema(op: str, version: int, domain: str) -> Any:
    """The definition of an operator; None if ONNX has none."""
    from onnx import defs

    try:
        return defs.get_schema(op, version, domain)
    except (defs.SchemaError, RuntimeError):
        return None


@lru_cache(maxsize=4096)
def _type(kind: int, shape: Sizes | None) -> Any:
    from onnx import helper

    return helper.make_tensor_type_proto(kind, shape)


def _by_library(step: Step, schema: Any, opsets: dict[str, int]) -> Found:
    from onnx import helper, numpy_helper, shape_inference

    node = step.node
    types, data = {}, {}
    for value, name in zip(step.inputs, node.inputs, strict=True):
        if value is None:
            continue
        types[name] = _type(value.kind, value.shape)
        if value.data is not None and value.kind != 8:
            data[name] = numpy_helper.from_array(value.data, name)
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    try:
        found = shape_inference.infer_node_outputs(schema, node.proto, types, data, None, imports)
    except Exception as error:  # of several types, none of them public; what it says is about the file
        if any(value is not None and value.shape is None for value in step.inputs):
            return []
        raise WorkloadError(f"{node}: {_told(error)}; its inputs are {_inputs(step)}") from None
    results: list[tuple[int, Sizes | None]] = []
    for name in node.outputs:
        proto = found.get(name)
        if proto is None or not proto.HasField("tensor_type"):
            results.append((0, None))
            continue
        tensor = proto.tensor_type
        dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
        known = tensor.HasField("shape") and None not in dims
        results.append((tensor.elem_type, tuple(dims) if known else None))  # type: ignore[arg-type]
    return results


def _inputs(step: Step) -> str:
    return ", ".join(str(value) for value in step.inputs if value is not None) or "none"


def _told(error: Exception) -> str:
    """The one sentence of the library's that says what does not fit."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text.rpartition("] ")[2].rstrip(".") or text


def _same(step: Step, given: Sequence[Any]) -> Found:
    return [(step.input(0).kind, given[0])]


def _broadcast(step: Step, given: Sequence[Any]) -> Found:
    return [(step.input(0).kind, broadcast(step.node, [shape for shape in given if shape is not None]))]


def broadcast(node: Node, shapes: Sequence[Sizes]) -> Sizes:
    """The shape that several make together. WorkloadError if they do not fit."""
    rank = max(map(len, shapes), default=0)
    found = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        several = {size for size in sizes if size != 1}
        if len(several) > 1:
            raise WorkloadError(f"{node}: shapes {', '.join(map(str, map(list, shapes)))} do not fit together")
        found.append(several.pop() if several else 1)
    return tuple(found)


def _product(a: int, b: int, first: str = "transA", second: str = "transB") -> Callable[[Step, Sequence[Any]], Found]:
    """A matrix product of inputs `a` and `b`."""

    def rule(step: Step, given: Sequence[Any]) -> Found:
        left, right = list(step.shape(a)), list(step.shape(b))
        if min(len(left), len(right)) < 2:
            raise WorkloadError(f"{step.node}: multiplies {list(left)} by {list(right)}, which are no matrices")
        for sizes, name in ((left, first), (right, second)):
            if step.node.whole(name):
                sizes[-2:] = sizes[:-3:-1]
        if left[-1] != right[-2]:
            raise WorkloadError(f"{step.node}: shapes {left} and {right} do not fit together: {left[-1]}, {right[-2]}")
        outer = broadcast(step.node, [tuple(left[:-2]), tuple(right[:-2])])
        return [(FLOAT if step.node.op != "QGemm" else step.input(a).kind, (*outer, left[-2], right[-1]))]

    return rule


def _quantised(*operands: int) -> Callable[[Step, Sequence[Any]], Found]:
    """Each word by itself, of operands that each have a scale and a zero beside them."""
    return lambda step, given: [(step.input(operands[0]).kind, broadcast(step.node, [step.shape(i) for i in operands]))]


def _qlinear_concat(step: Step, given: Sequence[Any]) -> Found:
    parts = [step.shape(index) for index in range(2, len(step.inputs), 3)]
    axis = step.node.whole("axis")
    shape = list(parts[0])
    shape[axis] = sum(part[axis] for part in parts)
    return [(step.input(2).kind, tuple(shape))]


def _pooled(step: Step, given: Sequence[Any]) -> Found:
    """A mean over the plane."""
    shape = step.shape(0)
    if step.node.whole("channels_last"):
        return [(step.input(0).kind, (shape[0], *(1 for _ in shape[1:-1]), shape[-1]))]
    return [(step.input(0).kind, (*shape[:2], *(1 for _ in shape[2:])))]


def _nbits(step: Step, given: Sequence[Any]) -> Found:
    return [(step.input(0).kind, (*step.shape(0)[:-1], step.node.whole("N")))]


def _grouped_query(step: Step, given: Sequence[Any]) -> Found:
    """Output and the caches: what was there before and what is new."""
    q, kind = step.shape(0, 3), step.input(0).kind
    heads, kv = step.node.whole("num_heads", 1), step.node.whole("kv_num_heads", 1)
    size = q[2] // heads if step.has(1) else q[2] // (heads + 2 * kv)
    past = step.shape(3, 4)[2] if step.has(3) else 0
    total = step.inputs[6].data if step.has(6) else None  # type: ignore[union-attr]
    length = int(total.reshape(-1)[0]) if total is not None else past + q[1]
    cache = (q[0], kv, max(length, past), size)
    return [(kind, (q[0], q[1], heads * size)), (kind, cache), (kind, cache)]


def _multi_head(step: Step, given: Sequence[Any]) -> Found:
    q = step.shape(0)
    if len(q) == 5:
        # packed: batch, rows, heads, 3, words of a head
        return [(step.input(0).kind, (q[0], q[1], q[2] * q[4]))]
    v = step.shape(2) if step.has(2) else q
    width = v[-1] if len(v) == 3 else v[1] * v[3]
    return [(step.input(0).kind, (*q[:2], width))]


def _packed_attention(step: Step, given: Sequence[Any]) -> Found:
    """BERT's: q, k and v are one product with the input."""
    x, w = step.shape(0, 3), step.shape(1, 2)
    sizes = step.node.attributes.get("qkv_hidden_sizes") or [w[1] // 3] * 3
    return [(step.input(0).kind, (*x[:2], int(sizes[2])))]


def _skip_norm(step: Step, given: Sequence[Any]) -> Found:
    kind = step.input(0).kind
    return [(kind, given[0]), (FLOAT, None), (FLOAT, None), (kind, given[0])]


def _embedding(step: Step, given: Sequence[Any]) -> Found:
    ids, words = step.shape(0, 2), step.shape(2, 2)
    return [(step.input(2).kind, (*ids, words[1])), (6, (ids[0],)), (step.input(2).kind, (*ids, words[1]))]


def _fused_conv(step: Step, given: Sequence[Any]) -> Found:
    from onnx import helper

    names = [f"i{index}" for index in range(2)]
    kept = ("dilations", "group", "kernel_shape", "pads", "strides", "auto_pad")
    proto = helper.make_node("Conv", names, ["o"])
    proto.attribute.extend(one for one in step.node.proto.attribute if one.name in kept)
    node = Node(step.node.index, step.node.name, "Conv", "", tuple(names), ("o",), {}, step.node.place, proto)
    plain = Step(node, step.inputs[:2], (Value("o"),))
    return _by_library(plain, _schema("Conv", 11, ""), {"": 11})


def _rows_of(kind: int, width: Callable[[Step], int]) -> Callable[[Step, Sequence[Any]], Found]:
    """A label or so many figures for every row."""

    def rule(step: Step, given: Sequence[Any]) -> Found:
        rows = given[0][0] if len(given[0]) > 1 else 1
        return [(kind, (rows,)), (FLOAT, (rows, width(step)))][: max(1, len(step.node.outputs))]

    return rule


def classes(step: Step) -> int:
    """How many classes a classifier tells."""
    labels = step.node.attributes.get("classlabels_ints") or step.node.attributes.get("classlabels_int64s")
    labels = labels or step.node.attributes.get("classlabels_strings") or step.node.attributes.get("intercepts") or [0]
    return len(labels)


def _regressed(step: Step, given: Sequence[Any]) -> Found:
    rows = given[0][0] if len(given[0]) > 1 else 1
    return [(FLOAT, (rows, step.node.whole("targets", step.node.whole("n_targets", 1))))]


def _extracted(step: Step, given: Sequence[Any]) -> Found:
    shape, picked = given[0], prod(given[1])
    return [(step.input(0).kind, (1, picked) if len(shape) == 1 else (*shape[:-1], picked))]


_ALIKE = ("Gelu", "FastGelu", "QuickGelu", "BiasGelu", "RotaryEmbedding", "QuantizeLinear", "DequantizeLinear")
RULES: dict[tuple[str, str], Callable[[Step, Sequence[Any]], Found]] = {
    **{(MICROSOFT, op): _same for op in _ALIKE},
    **{(ML, op): _same for op in ("Scaler", "Normalizer", "Imputer", "Binarizer")},
    (MICROSOFT, "BiasAdd"): _broadcast,
    (MICROSOFT, "QGemm"): _product(0, 3),
    (MICROSOFT, "FusedMatMul"): _product(0, 1),
    (MICROSOFT, "FusedGemm"): _product(0, 1),
    (MICROSOFT, "TransposeMatMul"): _product(0, 1),
    (MICROSOFT, "DynamicQuantizeMatMul"): _product(0, 1),
    (MICROSOFT, "MatMulIntegerToFloat"): _product(0, 1),
    (MICROSOFT, "MatMulNBits"): _nbits,
    (MICROSOFT, "FusedConv"): _fused_conv,
    (MICROSOFT, "QLinearAdd"): _quantised(0, 3),
    (MICROSOFT, "QLinearMul"): _quantised(0, 3),
    (MICROSOFT, "QLinearSigmoid"): _same,
    (MICROSOFT, "QLinearLeakyRelu"): _same,
    (MICROSOFT, "QLinearSoftmax"): _same,
    (MICROSOFT, "QLinearConcat"): _qlinear_concat,
    (MICROSOFT, "QLinearGlobalAveragePool"): _pooled,
    (MICROSOFT, "SkipLayerNormalization"): _skip_norm,
    (MICROSOFT, "SkipSimplifiedLayerNormalization"): _skip_norm,
    ("", "SimplifiedLayerNormalization"): _same,
    (MICROSOFT, "SimplifiedLayerNormalization"): _same,
    (MICROSOFT, "GroupQueryAttention"): _grouped_query,
    (MICROSOFT, "MultiHeadAttention"): _multi_head,
    (MICROSOFT, "Attention"): _packed_attention,
    (MICROSOFT, "EmbedLayerNormalization"): _embedding,
    (ML, "ArrayFeatureExtractor"): _extracted,
    (ML, "LinearClassifier"): _rows_of(INT64, classes),
    (ML, "SVMClassifier"): _rows_of(INT64, classes),
    (ML, "TreeEnsembleClassifier"): _rows_of(INT64, classes),
    (ML, "LinearRegressor"): _regressed,
    (ML, "SVMRegressor"): _regressed,
    (ML, "TreeEnsembleRegressor"): _regressed,
}
