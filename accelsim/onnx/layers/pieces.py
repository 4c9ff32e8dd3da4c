"""Nodes that name some of the words of a tensor, or those of several, as layers of a workload file."""

from __future__ import annotations

from collections.abc import Sequence

from accelsim.onnx.graph.records import Step, Value
from accelsim.onnx.layers.draft import Feature, Keys
from accelsim.onnx.layers.groups import active
from accelsim.onnx.layers.lowering import Lowering
from accelsim.workload.network import Shape

AXES = {"channels": "C", "rows": "H", "columns": "W", "depth": "D"}


def lower_part(to: Lowering, step: Step) -> None:
    """Add views for the outputs of a node."""
    given = [value for value in step.inputs if value is not None and active(value)]
    op = step.node.op
    if op in ("Concat", "QLinearConcat"):
        _joined(to, step, given)
    elif op in ("Expand", "Tile"):
        _repeated(to, step, given[0])
    else:
        source = to.feature(given[0])
        for index, value in enumerate(step.outputs):
            if value.name and value.words:
                _taken(to, step, source, value, index)


def _taken(to: Lowering, step: Step, source: Feature, value: Value, index: int) -> None:
    """A Split, Slice or Gather: some of the words along an axis."""
    if value.words // to.batch == source.words and not value.words % to.batch:
        to.put(value, source)
        return
    plain = to.plain(source)
    out, ways = to.shape_like(value, [plain]), list[Keys]()
    cut = _cut(step, index)
    if cut:
        start, count, apart, whole = cut
        for name, letter in AXES.items():
            size = getattr(plain.shape, letter, 1)
            # heads are groups of channels: a part of each is a part of all only where there is one
            if size == whole and size > 1:
                even = step.node.op == "Split" and whole % count == 0
                parts = {"op": "split", "over": name, "parts": whole // count, "part": start // count}
                sliced: Keys = {"op": "slice", "over": name, "start": start, "count": count, "step": apart}
                ways += [_short(parts)] if even and start % count == 0 else []
                ways.append(_short(sliced))
    to.put(value, to.draft.view(to.names.of(step), [plain], _first_shape(plain.shape, ways, out), ways))


def _first_shape(shape: Shape, ways: Sequence[Keys], other: Shape) -> Shape:
    """The shape that the first of some ways gives."""
    if not ways:
        return other
    keys = ways[0]
    letter = AXES[keys.get("over", "channels")]
    size = getattr(shape, letter, 1)
    count = size // keys["parts"] if keys["op"] == "split" else keys.get("count", size)
    changed = {axis: getattr(shape, axis, 1) for axis in "CHW"} | {letter: count}
    return Shape(**changed)


def _short(keys: Keys) -> Keys:
    """Without what a file means anyway."""
    usual = {"over": "channels", "start": 0, "step": 1, "part": 0}
    return {key: value for key, value in keys.items() if usual.get(key) != value}


def _cut(step: Step, index: int) -> tuple[int, int, int, int] | None:
    """(first, how many, how far apart, of how many) if a node takes words along a single axis."""
    before, after = step.shape(0), step.outputs[index].shape or ()
    if step.node.op == "Gather":
        axis, picked = step.node.whole("axis"), step.inputs[1]
        if picked is None or picked.data is None:
            return None
        first, size = int(picked.data.reshape(-1)[0]), before[axis]
        return first % size, 1, 1, size
    if len(before) != len(after):
        return None
    changed = [axis for axis, (was, now) in enumerate(zip(before, after, strict=True)) if was != now]
    if len(changed) != 1:
        return None
    (axis,) = changed
    if step.node.op == "Split":
        start = sum((value.shape or before)[axis] for value in step.outputs[:index])
        return start, after[axis], 1, before[axis]
    start, apart = _begin(step, axis, len(before))
    first = start + before[axis] if start < 0 else start
    return (first, after[axis], apart, before[axis]) if apart > 0 and first >= 0 else None


def _begin(step: Step, axis: int, rank: int) -> tuple[int, int]:
    """First word and step of a Slice along an axis; -1 for the step where they are not known."""
    if len(step.inputs) < 2:
        starts, axes, steps = step.node.attributes.get("starts"), step.node.attributes.get("axes"), None
    else:
        starts, axes, steps = (
            None if len(step.inputs) <= at or (value := step.inputs[at]) is None else value.data for at in (1, 3, 4)
        )
    if starts is None:
        return 0, -1
    axes = range(len(starts)) if axes is None else axes
    for at, one in enumerate(axes):
        if int(one) % rank == axis:
            return int(starts[at]), 1 if steps is None else int(steps[at])
    return 0, -1


def _joined(to: Lowering, step: Step, given: Sequence[Value]) -> None:
    """A Concat: its activations one after another, and stored words beside them."""
    value = step.outputs[0]
    features = [to.plain(to.feature(one)) for one in given]
    axis = step.node.whole("axis", 1)
    size = (value.shape or (1,))[axis]
    out, ways = to.shape_like(value, features), list[Keys]()
    if len(given) == sum(one is not None for one in step.inputs) or step.node.op == "QLinearConcat":
        for name, letter in AXES.items():
            total = sum(getattr(one.shape, letter, 1) for one in features)
            others = {tuple(getattr(one.shape, other, 1) for other in "CHW" if other != letter) for one in features}
            if total == size and len(others) == 1:
                ways.append(_short({"op": "concat", "over": name}))
                shape = features[0].shape
                out = Shape(**({axis: getattr(shape, axis, 1) for axis in "CHW"} | {letter: total}))
                break
    elif len(features) == 1:
        shape, words = features[0].shape, value.words // to.batch
        if words % shape.C == 0:
            out = Shape(shape.C, 1, words // shape.C)
            ways.append({"op": "extend", "by": out.W - shape.words // shape.C})
    to.put(value, to.draft.view(to.names.of(step), features, out, ways))


def _repeated(to: Lowering, step: Step, value: Value) -> None:
    """An Expand: every word several times, which moves nothing."""
    source, out = to.feature(value), step.outputs[0]
    words = out.words // to.batch
    if words % source.words == 0:
        to.put(out, Feature(source.layer, source.shape, source.repeat * (words // source.words)))
        return
    to.put(out, to.draft.view(to.names.of(step), [to.plain(source)], to.shape_like(out, [])))
