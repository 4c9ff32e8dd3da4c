"""The width of words that a quantised graph says: from the types of its integers, behind DequantizeLinear nodes too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from accelsim.onnx.graph.products import Product
from accelsim.onnx.graph.records import BOOL, INT64, INTEGERS, Program, Step, Value
from accelsim.onnx.layers.kinds import PASSING

Readers = Mapping[int, Sequence[Step]]
"""The steps that read a tensor, by the tensor's id."""
NARROW = 16
"""Bits of the widest output that is a word of the network; wider ones are sums, which are as wide as the machine's."""
_SEEN_THROUGH = frozenset({"Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast", "MaxPool"})


def bits_of(program: Program, product: Product, readers: Readers) -> dict[str, Any]:
    """`bits` of a layer: of its ifmap and filter where they are integers, of its output where that is a narrow one."""
    first, second = product.operands[0]
    ifmap, filters = (_integer(program, value) for value in (first, second))
    if product.step.node.op == "MatMulNBits":
        filters = product.step.node.whole("bits", 4)
    found = {name: bits for name, bits in (("ifmap", ifmap), ("filter", filters)) if bits}
    ofmap = _written(product.step.outputs[0], readers) if len(found) == 2 else 0
    if 0 < ofmap <= NARROW:
        found["ofmap"] = ofmap
    return {"bits": found} if found else {}


def hoisted(layers: Mapping[str, dict[str, Any]]) -> dict[str, int]:
    """The bits that all layers with MACs have, taken out of them; none if they differ."""
    told = [layer for layer in layers.values() if "bits" in layer]
    multiplying = [layer for layer in layers.values() if layer["op"] in _MULTIPLYING]
    if not told or len(told) != len(multiplying) or any(layer["bits"] != told[0]["bits"] for layer in told):
        return {}
    common: dict[str, int] = told[0]["bits"]
    for layer in told:
        del layer["bits"]
    return common


_MULTIPLYING = frozenset(
    {"conv", "conv1d", "conv3d", "depthwise", "fc", "matmul", "lstm", "gru", "rnn", "problem", "experts"}
)


def _integer(program: Program, value: Value) -> int:
    """Bits of an operand that is an integer, or was one before it was scaled; 0 where it is none."""
    for _ in range(64):
        if value.kind in INTEGERS and value.kind not in (BOOL, INT64):
            return value.bits
        if value.step < 0:
            return 0
        step = program.steps[value.step]
        if step.node.op not in _SEEN_THROUGH | {"DequantizeLinear"} or not step.inputs or step.inputs[0] is None:
            return 0
        value = step.inputs[0]
    return 0


def _written(value: Value, readers: Readers) -> int:
    """Bits of an output that is an integer, or becomes one; 0 where it stays what it is."""
    if value.kind in INTEGERS:
        return value.bits
    for _ in range(8):
        users = readers.get(id(value), ())
        if len(users) != 1:
            return 0
        (step,) = users
        if step.node.op == "QuantizeLinear":
            return step.outputs[0].bits
        if step.node.op not in PASSING | _SEEN_THROUGH | {"Add"}:
            return 0
        value = step.outputs[0]
    return 0
