"""What layers are called: short names, each once, made of what the file calls its nodes and weights."""

from __future__ import annotations

import re

from accelsim.onnx.graph.records import Step
from accelsim.workload.network import INPUT

MOST = 80
TOLD = frozenset(
    {"Add", "Concat", "Div", "Gather", "MatMul", "Mul", "Pow", "Slice", "Softmax", "Split", "Sub", "Where"}
)
"""Operators that a name says, where it would be that of a module."""
_KEPT = re.compile(r"[^\w.\-/]+")


class Names:
    """Names that are given already."""

    def __init__(self) -> None:
        self.given = {INPUT}
        self.last: dict[str, int] = {}

    def of(self, step: Step, weight: str = "", several: bool = False) -> str:
        """A name for what a node becomes. weight : of the stored tensor it multiplies by, which often says most.

        several : it stands for several nodes, so that its own operator says nothing.
        """
        node = step.node
        text = _of_weight(weight) or _of_path(node.name, node.op) or _of_path(_output(step), node.op)
        if not text:
            return self.new(node.op.lower())
        # several of these are in one module
        told = not (weight or several) and node.op in TOLD and node.op.lower() not in text.lower()
        return self.new(f"{text}.{node.op.lower()}" if told else text)

    def new(self, wanted: str) -> str:
        """The name, with a number behind it if it is given already."""
        plain = _KEPT.sub("_", wanted).strip("_./")[-MOST:] or "layer"
        name, number = plain, self.last.get(plain, 1)
        while name in self.given:
            number += 1
            name = f"{plain}_{number}"
        self.last[plain] = number
        self.given.add(name)
        return name


def _output(step: Step) -> str:
    name = step.outputs[0].name if step.outputs else ""
    return re.sub(r"(_output_\d+|:\d+)$", "", name)


def _of_weight(name: str) -> str:
    """`layer1.0.conv1.weight` is of layer1.0.conv1."""
    found = re.fullmatch(r"((?:[A-Za-z_]\w*)(?:\.\w+)*)\.(weight|kernel)(_quantized|_\w*Transposed\w*)?", name)
    return found[1] if found else ""


def _of_path(name: str, op: str) -> str:
    """`/layer1/layer1.0/conv1/Conv` is layer1.0.conv1; a name that is only a number says nothing."""
    parts = [part for part in name.split("/") if part]
    if not parts:
        return ""
    if len(parts) > 1 and re.fullmatch(rf"{re.escape(op)}(_\d+)?", parts[-1]):
        parts = parts[:-1]
    # torch writes a module's whole path again below it
    kept = [part for part, below in zip(parts, [*parts[1:], ""], strict=True) if not below.startswith(f"{part}.")]
    text = ".".join(kept)
    text = text.removeprefix("node_")
    return "" if text.isdigit() else text
