"""The weights of a graph as the filters of its layers: read when they are asked for, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from accelsim.onnx.graph.follow import follow
from accelsim.onnx.graph.products import Form, Matrix, Product, Recurrent, Window
from accelsim.onnx.graph.read import Dims, read
from accelsim.onnx.graph.records import Model, Program, Value
from accelsim.onnx.graph.words import location_of, words_of
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
            location = location_of(tensor) if tensor is not None else ""
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
