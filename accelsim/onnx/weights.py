"""The weights of a graph as the filters of its layers: read when they are asked for, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from accelsim.errors import WorkloadError
from accelsim.onnx.graph.fold import computed
from accelsim.onnx.graph.follow import follow
from accelsim.onnx.graph.products import Form, Matrix, Product, Recurrent, Window
from accelsim.onnx.graph.read import Dims, read
from accelsim.onnx.graph.records import Model, Program, Value
from accelsim.onnx.layers.lower import lowered
from accelsim.onnx.layers.lowering import Lowering
from accelsim.sparsity.arrays import Given, source_of
from accelsim.sparsity.spread import own_shape
from accelsim.workload.network import Layer
from accelsim.workload.problem import Tensor

Words = np.ndarray[Any, Any]


class Weights:
    """The arrays of a network's filters, out of the graph it was read from.

    Layers whose weights lie otherwise in the graph than in the layer (products of more axes, layers of two directions)
    have none here, and so no zeros.
    """

    def __init__(self, source: str | Path | Model, dims: Dims | None = None) -> None:
        model = source if isinstance(source, Model) else read(source)
        self.path = Path(model.file if isinstance(source, Model) else source)
        self.program = follow(model, dims)
        self.lowering: Lowering = lowered(self.program)
        self.described = f"weights of {self.program.model.file}"

    def array(self, layer: Layer, tensor: Tensor) -> Given | None:
        """The filter of a layer, if it has weights. WorkloadError, one line, where they are not in the file."""
        if tensor is not Tensor.FILTER or layer.problem is None:
            return None
        words = self.filter(source_of(layer))
        shape = own_shape(layer, tensor)
        if words is None or words.size != np.prod(shape):
            return None
        return Given(str(self.path), f"{layer.name}.filter", words.reshape(shape), shape)

    def files(self, layer: Layer) -> list[Path]:
        """The file, and that of the layer's external words."""
        return [self.path, *dict.fromkeys(self._external(source_of(layer)))]

    def filter(self, name: str) -> Words | None:
        """The words of a layer's filter, in the order of G, M, C, R, S."""
        found = self.lowering.forms.get(name)
        if found is None:
            return None
        product, index = found
        return _laid(self.program, product, product.forms[index], product.operands[index][1])

    def _external(self, name: str) -> Iterator[Path]:
        found = self.lowering.forms.get(name)
        for stored in found[0].weights if found else ():
            tensor = self.program.model.graph.stored.get(stored)
            location = _location(tensor) if tensor is not None else ""
            if location:
                yield Path(self.program.model.folder) / location


def _laid(program: Program, product: Product, form: Form, value: Value) -> Words | None:
    """The words of an operand in the order of its layer's dims; None where they do not simply lie so."""
    if value.stored is None or not value.shape:
        return None
    if isinstance(form, Window):
        words = words_of(program, value)
        if form.transposed:
            # channels that arrive come first
            words = words.reshape(form.groups, form.C, form.M, *form.kernel).swapaxes(1, 2)
        return words.reshape(form.groups * form.M, form.C, *(1,) * (2 - len(form.kernel)), *form.kernel)
    if isinstance(form, Recurrent):
        if form.directions != 1:
            return None
        gates = [words_of(program, product.step.input(index))[0] for index in (1, 2)]
        return np.concatenate(gates, axis=1)
    return _matrix(program, product, form, value)


def _matrix(program: Program, product: Product, form: Matrix, value: Value) -> Words | None:
    node = product.step.node
    if node.op in ("Einsum", "MatMulNBits") or value.shape is None or len(value.shape) != 2 or form.G != 1:
        return None
    words = words_of(program, value)
    turned = bool(node.attributes.get("transA" if form.swapped else "transB", 0))
    # the second operand is C x M, the first M x C
    return words if turned != form.swapped else words.T


def words_of(program: Program, value: Value) -> Words:
    """The words of a tensor that follows from stored ones; of quantised ones the integers, less their zero point.

    Raises WorkloadError, one line, where the words are not in the file, nor beside it.
    """
    if value.data is not None and value.step < 0:
        return value.data
    if value.step < 0:
        return _read(program, value)
    step = program.steps[value.step]
    if step.node.op == "Constant" and not step.node.domain:
        return _constant(program, value, step.node.attributes.get("value"))
    given = [None if one is None else words_of(program, one) for one in step.inputs]
    if step.node.op == "DequantizeLinear":
        words = np.asarray(given[0])
        zero = given[2] if len(given) > 2 else None
        return words if zero is None or not np.any(zero) else words.astype(np.int64) - _along(zero, words, step.node)
    found = computed(step.node, given)
    if found is None:
        raise WorkloadError(f"{program.model.file}: {step.node}: its words cannot be worked out")
    return np.asarray(found[next(at for at, one in enumerate(step.outputs) if one is value)])


def _along(zero: Words, words: Words, node: Any) -> Words:
    """Zero points of each slice along an axis."""
    zero = zero.astype(np.int64)
    if zero.size == 1:
        return zero.reshape(())
    axis = node.whole("axis", 1) % words.ndim
    return zero.reshape([-1 if at == axis else 1 for at in range(words.ndim)])


def _constant(program: Program, value: Value, tensor: Any) -> Words:
    if value.data is not None:
        return value.data
    return _array(program, value, tensor)


def _read(program: Program, value: Value) -> Words:
    tensor = value.source
    if tensor is None or not hasattr(tensor, "data_type"):
        raise WorkloadError(f"{program.model.file}: stored tensor {value}: its words cannot be read")
    return _array(program, value, tensor)


def _array(program: Program, value: Value, tensor: Any) -> Words:
    from onnx import numpy_helper

    location = _location(tensor)
    if location:
        _check_external(program, value, location)
    try:
        found: Words = numpy_helper.to_array(tensor, program.model.folder)
    except Exception as error:  # of several types; all mean that the words are not what the file says
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WorkloadError(f"{program.model.file}: stored tensor {value} is damaged: {line}") from None
    return found


def _check_external(program: Program, value: Value, location: str) -> None:
    path = Path(program.model.folder) / location
    inside = not Path(location).is_absolute() and ".." not in Path(location).parts
    if not inside or not path.is_file():
        raise WorkloadError(
            f"{program.model.file}: the words of {value} lie in '{location}', which is not beside it; "
            "without --data weights, shapes are enough"
        )


def _location(tensor: Any) -> str:
    """The file beside the graph that a tensor's words lie in; nothing where they are in the graph."""
    if getattr(tensor, "data_location", 0) != 1:
        return ""
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def told(words: Words) -> str:
    """How many words are not zero, and what they are."""
    flat = words.astype(np.float64).reshape(-1)
    left = np.count_nonzero(flat)
    mean, deviation = flat.mean(), flat.std()
    return (
        f"{left:,} of {flat.size:,} words are not zero, {flat.min():.4g} to {flat.max():.4g}, "
        f"mean {mean:.3g}, deviation {deviation:.3g}"
    )


PATTERNS = ((1, 2), (1, 4), (2, 4), (1, 8), (2, 8), (4, 8))


def pattern(words: Words) -> tuple[int, int] | None:
    """(n, m) if of every m consecutive words along the channels exactly n are not zero; words : [M, C, ...]."""
    whole = np.moveaxis((words != 0).reshape(words.shape), 1, -1)
    for n, m in PATTERNS:
        if words.shape[1] % m == 0 and np.all(whole.reshape(-1, m).sum(axis=1) == n):
            return n, m
    return None
