"""Which axes of a tensor are images, channels, rows and columns; how many images there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from accelsim.onnx.graph.follow import BATCH
from accelsim.onnx.graph.products import Matrix, Product, Recurrent, Window
from accelsim.onnx.graph.records import INTEGERS, Input, Program, Step, Value
from accelsim.workload.network import Shape

MOST_STEPS = 64
"""Nodes between an input and the first that says what its axes are."""


class OtherBatchError(Exception):
    """A tensor that is not of so many images."""


@dataclass(frozen=True)
class Graph:
    """What is known of a graph. products : by id of the step. readers : steps that read a tensor, by its id."""

    program: Program
    products: Mapping[int, Product]
    readers: Mapping[int, Sequence[Step]]
    batch: int


def batches(program: Program, products: Sequence[Product]) -> Iterator[int]:
    """Images at a time, the likeliest first: as a symbol says, as convolutions have, the first axis of the input."""
    seen = {1}
    for value in program.inputs:
        if isinstance(value.source, Input) and value.shape:
            for dim, size in zip(value.source.dims or (), value.shape, strict=False):
                if isinstance(dim, str) and BATCH.fullmatch(dim) and size not in seen:
                    seen.add(size)
                    yield size
    firsts = [value.shape[0] for value in program.inputs if value.shape]
    for found in products:
        form = found.forms[0]
        size = form.batch if isinstance(form, Window | Recurrent) else firsts[0] if firsts else 1
        if isinstance(form, Matrix) and form.stored and (form.G > 1 or not size or prod(form.rows) % size):
            continue
        if size > 0 and size not in seen:
            seen.add(size)
            yield size
        break


def default_shape(to: Graph, value: Value) -> Shape:
    """A tensor as a feature map: channels last of two axes, first of more; whole numbers are positions."""
    shape = value.shape or ()
    words, left = divmod(prod(shape), to.batch)
    if left:
        raise OtherBatchError
    if to.batch > 1:
        at = next((axis for axis in (0, 1) if len(shape) > axis and shape[axis] == to.batch), None)
        rest = (words,) if at is None else shape[:at] + shape[at + 1 :]
    else:
        rest = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
    rest = rest or (1,)
    if len(rest) == 1:
        return Shape(1, 1, rest[0]) if value.kind in INTEGERS else Shape(rest[0])
    if len(rest) == 2:
        return Shape(rest[1], 1, rest[0])
    if len(rest) == 3:
        return Shape(*rest)
    return Shape(rest[0], prod(rest[1:-1]), rest[-1])


def input_shape(to: Graph, value: Value) -> Shape:
    """An input as the first convolution has it, if only names of words lie between; else as it is."""
    edge, seen = [value], 0
    while edge and seen < MOST_STEPS:
        at, seen = edge.pop(0), seen + 1
        for step in to.readers.get(id(at), ()):
            found = to.products.get(id(step))
            if found and isinstance(found.forms[0], Window) and found.operands[0][0] is at:
                form = found.forms[0]
                plane = (1,) * (3 - len(form.plane)) + form.plane
                channels = form.groups * form.C
                if len(plane) == 3 and channels * prod(plane) * to.batch == value.words:
                    return Shape(channels, plane[1], plane[2], *([plane[0]] if plane[0] > 1 else []))
            if len(step.outputs) == 1 and step.outputs[0].words == value.words:
                edge.append(step.outputs[0])
    return default_shape(to, value)


def unpadded(to: Graph, padded: Collection[int], form: Window, x: Value) -> tuple[Window, Value]:
    """A window with the zeros of a Pad node before it as its own padding, and what the Pad node reads."""
    if x.step < 0 or form.transposed:
        return form, x
    step = to.program.steps[x.step]
    pads = zeros(step, len(form.plane) + 2)
    source = step.inputs[0] if step.inputs else None
    if pads is None or source is None or source.shape is None or id(step) not in padded:
        return form, x
    before, after = pads
    whole = (
        tuple(a + b for a, b in zip(form.pad[0], before, strict=True)),
        tuple(a + b for a, b in zip(form.pad[1], after, strict=True)),
    )
    return replace(form, plane=source.shape[2:], pad=whole), source


def zeros(step: Step, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Zeros that a Pad node puts around a plane, before and after each axis; None where it is none, or does more."""
    if step.node.op != "Pad" or step.node.domain or step.node.text("mode", "constant") != "constant":
        return None
    pads = step.inputs[1].data if step.has(1) and step.inputs[1] is not None else step.node.attributes.get("pads")
    value = step.inputs[2].data if step.has(2) and step.inputs[2] is not None else step.node.attributes.get("value", 0)
    if step.has(3) or pads is None or len(pads) != 2 * rank or value is None or float(value) != 0:
        return None
    found = [int(pad) for pad in pads]
    if min(found) < 0 or any(found[:2]) or any(found[rank : rank + 2]):
        return None
    return tuple(found[2:rank]), tuple(found[rank + 2 :])


def pads_of_windows(to: Graph) -> set[int]:
    """The Pad nodes that are only padding: all that read them are convolutions or means of windows."""
    found = set[int]()
    for step in to.program.steps:
        if step.node.op == "Pad" and step.outputs:
            users = to.readers.get(id(step.outputs[0]), ())
            if users and all(_pads(to, user, step) for user in users):
                found.add(id(step))
    return found


def _pads(to: Graph, user: Step, pad: Step) -> bool:
    """Whether a node could pad what it reads itself, as a Pad node does."""
    product = to.products.get(id(user))
    form = product.forms[0] if product else None
    if isinstance(form, Window) and product:
        own = not form.transposed and product.operands[0][0] is pad.outputs[0]
        return own and zeros(pad, len(form.plane) + 2) is not None
    counts = user.node.op == "AveragePool" and not user.node.text("auto_pad").startswith("SAME")
    return counts and not user.node.domain and zeros(pad, len(pad.shape(0))) is not None
