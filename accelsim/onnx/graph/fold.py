"""Values that a graph computes from shapes and small stored tensors: what its Reshapes and Slices are told by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from accelsim.onnx.graph.records import Node, Step

MOST_WORDS = 4096
"""Of a tensor whose values are followed; shapes, axes and indices are far smaller."""

Array = np.ndarray[Any, Any]
Fold = Callable[[Node, Sequence[Any]], Any]


def folded(step: Step) -> list[Array] | None:
    """The values of all outputs, if they follow from what is known; None if not.

    Values that no shape can follow from, for they are of a kind that is not computed here, are not known either.
    """
    node = step.node
    if node.op in ("Shape", "Size") and not node.domain:
        return _of_shape(step)
    given = [value.data if value is not None else None for value in step.inputs]
    if any(value is not None and value.data is None for value in step.inputs):
        return None
    if node.op in MULTIPLYING:
        return None
    if any(output.shape is not None and prod(output.shape) > MOST_WORDS for output in step.outputs):
        return None
    arrays = computed(node, given)
    return arrays if arrays is not None and all(one.size <= MOST_WORDS for one in arrays) else None


def computed(node: Node, given: Sequence[Any]) -> list[Array] | None:
    """What a node gives for these values; None where that cannot be worked out."""
    try:
        with np.errstate(all="ignore"):
            fold = FOLDS.get(node.op) if not node.domain else None
            if fold is None:
                return _by_reference(node, given) if not node.domain else None
            found = fold(node, given)
    except Exception:  # whatever goes wrong here, the values are only not known
        return None
    return [np.asarray(one) for one in (found if isinstance(found, list) else [found])]


def _of_shape(step: Step) -> list[Array] | None:
    value = step.inputs[0] if step.inputs else None
    if value is None or value.shape is None:
        return None
    if step.node.op == "Size":
        return [np.array(prod(value.shape), np.int64)]
    rank = len(value.shape)
    start, end = step.node.attributes.get("start", 0), step.node.attributes.get("end", rank)
    return [np.array(value.shape[start:end], np.int64)]


def _by_reference(node: Node, given: Sequence[Any]) -> list[Array] | None:
    """As ONNX's own evaluator has it: slower, so for the operators that seldom stand between shapes."""
    if node.op in RANDOM or any(attribute.type in (5, 10) for attribute in node.proto.attribute):
        return None
    from onnx.reference import ReferenceEvaluator

    feeds = {name: value for name, value in zip(node.inputs, given, strict=True) if name}
    return list(ReferenceEvaluator(node.proto).run(None, feeds))


MULTIPLYING = frozenset({"Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul"})
"""Operators whose MACs count even where a machine could know what they give."""
RANDOM = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"})


def _axes(node: Node, given: Sequence[Any]) -> tuple[int, ...] | None:
    """Axes, which are an attribute in older versions and an input in newer."""
    axes = given[1] if len(given) > 1 and given[1] is not None else node.attributes.get("axes")
    return None if axes is None else tuple(int(axis) for axis in np.atleast_1d(axes))


def _cast(node: Node, given: Sequence[Any]) -> Array:
    from onnx import helper

    return np.asarray(given[0].astype(helper.tensor_dtype_to_np_dtype(node.attributes["to"])))


def _slice(node: Node, given: Sequence[Any]) -> Array:
    data = given[0]
    if len(given) > 1:
        starts, ends, axes, steps = (*given[1:], None, None)[:4]
    else:
        starts, ends, axes, steps = (
            node.attributes["starts"],
            node.attributes["ends"],
            node.attributes.get("axes"),
            None,
        )
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    cut: list[Any] = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        first, last, by, size = int(start), int(end), int(step), data.shape[int(axis)]
        # counting down, an end far below the first element means that it is taken too
        cut[int(axis)] = slice(first, None if by < 0 and last < -size else last, by)
    return np.asarray(data[tuple(cut)])


def _unsqueeze(node: Node, given: Sequence[Any]) -> Array:
    return np.expand_dims(given[0], _axes(node, given) or ())


def _squeeze(node: Node, given: Sequence[Any]) -> Array:
    return np.asarray(np.squeeze(given[0], _axes(node, given)))


def _reshape(node: Node, given: Sequence[Any]) -> Array:
    data = given[0]
    wanted = given[1] if len(given) > 1 else node.attributes["shape"]
    keep = not node.attributes.get("allowzero", 0)
    return np.reshape(data, [data.shape[at] if keep and size == 0 else int(size) for at, size in enumerate(wanted)])


def _filled(node: Node, given: Sequence[Any]) -> Array | None:
    from onnx import numpy_helper

    shape = tuple(int(size) for size in given[0])
    if prod(shape) > MOST_WORDS:
        raise ValueError
    value = node.attributes.get("value")
    fill = np.zeros(1, np.float32) if value is None else numpy_helper.to_array(value)
    return np.full(shape, fill.reshape(-1)[0], fill.dtype)


def _range(node: Node, given: Sequence[Any]) -> Array:
    start, limit, step = (value.reshape(()).item() for value in given)
    if (limit - start) / step > MOST_WORDS:
        raise ValueError
    return np.arange(start, limit, step, dtype=given[0].dtype)


def _div(node: Node, given: Sequence[Any]) -> Array:
    a, b = given
    if a.dtype.kind in "iu":
        # ONNX rounds to zero
        quotient = np.abs(a) // np.abs(b)
        return np.asarray(quotient * np.sign(a) * np.sign(b), a.dtype)
    return np.asarray(a / b)


def _expand(node: Node, given: Sequence[Any]) -> Array:
    shape = np.broadcast_shapes(given[0].shape, tuple(int(size) for size in given[1]))
    if prod(shape) > MOST_WORDS:
        raise ValueError
    return np.broadcast_to(given[0], shape)


def _split(node: Node, given: Sequence[Any]) -> list[Array]:
    axis, pieces = node.attributes.get("axis", 0), len(node.outputs)
    lengths = given[1] if len(given) > 1 and given[1] is not None else node.attributes.get("split")
    if lengths is None:
        size = given[0].shape[axis]
        lengths = [-(-size // pieces)] * pieces
    return list(np.split(given[0], np.cumsum(lengths)[:-1], axis))


def _reduced(reduce: Callable[..., Any]) -> Fold:
    def fold(node: Node, given: Sequence[Any]) -> Any:
        axes = _axes(node, given)
        if axes is None and node.attributes.get("noop_with_empty_axes", 0):
            return given[0]
        return reduce(given[0], axis=axes, keepdims=bool(node.attributes.get("keepdims", 1)))

    return fold


def _plain(compute: Callable[..., Any]) -> Fold:
    return lambda node, given: compute(*given)


FOLDS: dict[str, Fold] = {
    "Identity": lambda node, given: given[0],
    "Cast": _cast,
    "Slice": _slice,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "ConstantOfShape": _filled,
    "Range": _range,
    "Expand": _expand,
    "Split": _split,
    "Div": _div,
    "Gather": lambda node, given: np.take(given[0], given[1], axis=node.attributes.get("axis", 0)),
    "Concat": lambda node, given: np.concatenate(given, axis=node.attributes["axis"]),
    "Transpose": lambda node, given: np.transpose(given[0], node.attributes.get("perm")),
    "ReduceProd": _reduced(np.prod),
    "ReduceSum": _reduced(np.sum),
    "ReduceMax": _reduced(np.max),
    "ReduceMin": _reduced(np.min),
    "Add": _plain(np.add),
    "Sub": _plain(np.subtract),
    "Mul": _plain(np.multiply),
    "Mod": lambda node, given: (np.fmod if node.attributes.get("fmod", 0) else np.mod)(*given),
    "Equal": _plain(np.equal),
    "Less": _plain(np.less),
    "LessOrEqual": _plain(np.less_equal),
    "Greater": _plain(np.greater),
    "GreaterOrEqual": _plain(np.greater_equal),
    "Not": _plain(np.logical_not),
    "And": _plain(np.logical_and),
    "Or": _plain(np.logical_or),
    "Where": _plain(np.where),
    "Floor": _plain(np.floor),
    "Ceil": _plain(np.ceil),
    "Sqrt": _plain(np.sqrt),
    "Neg": _plain(np.negative),
    "Abs": _plain(np.abs),
    "Min": lambda node, given: np.min(np.broadcast_arrays(*given), axis=0),
    "Max": lambda node, given: np.max(np.broadcast_arrays(*given), axis=0),
}
