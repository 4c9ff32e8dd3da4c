"""Nodes with MACs as layers of a workload file."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from accelsim.errors import WorkloadError
from accelsim.onnx.graph.products import Matrix, Product, Recurrent, Window
from accelsim.onnx.graph.records import Step, Value, shown
from accelsim.onnx.layers.draft import Accept, Feature, Keys, one_or_all
from accelsim.onnx.layers.lowering import Lowering
from accelsim.workload.network import Layer, Shape


def lower_product(to: Lowering, product: Product) -> None:
    """Add the layers of a node; its outputs lie in the last of them."""
    step = product.step
    name = to.names.of(step, next(iter(product.weights), ""))
    bits = to.bits(product)
    to.forms[name] = product, 0
    if isinstance(product.forms[0], Recurrent):
        _recurrent(to, name, step, product.forms[0], bits)
        return
    single = len(product.forms) == 1
    found: Feature | None = None
    for index, (form, operands) in enumerate(zip(product.forms, product.operands, strict=True)):
        mine = name if single else to.names.new(f"{name}.{_STAGES[len(product.forms)][index]}")
        before = found if operands[0] is step.outputs[0] else None
        to.forms[mine] = product, index
        if isinstance(form, Window):
            found = _window(to, mine, step, form, operands[0], bits)
        elif isinstance(form, Matrix):
            found = _matrix(to, mine, step, form, operands, before, bits)
            if found and not single and form is product.forms[-2]:
                # the shares of an attention are made of its products
                softmax: Keys = {"op": "softmax", **({"causal": True} if _causal(step) else {})}
                found = to.draft.add(to.names.new(f"{name}.softmax"), [found], [softmax])
    if found is None:
        raise _untold(step, product)
    to.put(step.outputs[product.gives], found)
    to.rest(step, 0)


def _causal(step: Step) -> bool:
    """Whether a node that is a whole attention hides later positions, by its definition or as it says."""
    if step.node.op == "GroupQueryAttention":
        return True
    return any(step.node.whole(name) == 1 for name in ("is_causal", "unidirectional"))


_STAGES = {2: ("qk", "av"), 3: ("qkv", "qk", "av")}


def _untold(step: Step, product: Product) -> WorkloadError:
    shapes = ", ".join(f"{key} {shown(shape)}" for key, shape in product.shapes.items())
    return WorkloadError(f"{step.node}: {shapes}: no layer can tell this; leave the node out, or write it as YAML")


def _macs(layers: Sequence[Layer]) -> int:
    return sum(layer.macs for layer in layers)


def _multiplies(macs: int, words: int) -> Accept:
    """Layers of so many MACs whose output has so many words of one image."""
    return lambda layers: _macs(layers) == macs and layers[-1].shape.words == words


def _window(to: Lowering, name: str, step: Step, form: Window, x: Value, bits: Keys) -> Feature | None:
    form, x = to.unpadded(form, x)
    images, left = divmod(form.batch, to.batch)
    if left:
        raise to.other_batch(step)
    given, channels = to.feature(x), form.groups * form.C
    plane = (1,) * (3 - len(form.plane)) + form.plane
    if len(form.plane) > 3:
        raise WorkloadError(f"{step.node}: slides along {len(form.plane)} axes of {x}; up to 3 are modelled")
    if images > 1:
        return _images(to, name, step, form, given, images, bits)
    wanted = Shape(channels, plane[1], plane[2], plane[0])
    source = to.draft.view(to.names.new(f"{name}.in") if given.shape != wanted else name, [to.plain(given)], wanted)
    words = form.groups * form.M * prod(form.outputs)
    accept = _multiplies(form.macs, words)
    if form.transposed:
        return _likeliest(to, name, source, _windows(form, bits), form)
    explicit = [] if len(form.plane) > 2 else [_explicit(form, 1, bits)]
    return to.draft.add(name, [source], [*_windows(form, bits), *explicit], accept)


def _likeliest(to: Lowering, name: str, source: Feature, ways: list[Keys], form: Window) -> Feature | None:
    """The first way that has ONNX's own count of MACs, if one has; else the first that gives the shape."""
    words = form.groups * form.M * prod(form.outputs)
    found = to.draft.add(name, [source], ways, _multiplies(form.macs, words))
    return found or to.draft.add(name, [source], ways, lambda layers: layers[-1].shape.words == words)


def _windows(form: Window, bits: Keys) -> list[Keys]:
    """A convolution as a file has it; a transposed one in several ways, the likeliest first."""
    axes = len(form.plane)
    sliding: Keys = {"kernel": one_or_all(form.kernel)}
    for key, sizes, usual in (("stride", form.stride, 1), ("dilation", form.dilation, 1)):
        if set(sizes) != {usual}:
            sliding[key] = one_or_all(sizes)
    before, after = form.pad
    if any(before + after):
        sliding["pad"] = one_or_all(before) if before == after else [*before, *after]
    if form.transposed and any(form.extra):
        sliding["output_padding"] = one_or_all(form.extra)
    m, groups = form.groups * form.M, form.groups
    if axes == 2 and form.C == 1 and groups > 1:
        found: Keys = {"op": "depthwise", **({"M": m} if form.M > 1 else {}), **sliding, **bits}
    else:
        op = {1: "conv1d", 2: "conv", 3: "conv3d"}[axes]
        found = {"op": op, "M": m, **sliding, **({"groups": groups} if groups > 1 else {}), **bits}
    ways = ("split", "scatter", "insert") if form.transposed else ()
    return [{**found, "transposed": way} for way in ways] or [found]


def _explicit(form: Window, images: int, bits: Keys) -> Keys:
    """A convolution of one or two axes as its eight dims."""
    pair = [(1,) * (2 - len(sizes)) + tuple(sizes) for sizes in (form.outputs, form.kernel, form.stride, form.dilation)]
    (p, q), (r, s), stride, dilation = pair
    pad = (0,) * (2 - len(form.pad[0])) + tuple(form.pad[0])
    height, width = (1,) * (2 - len(form.plane)) + tuple(form.plane)
    dims = {"N": images, "G": form.groups, "M": form.M, "C": form.C, "P": p, "Q": q, "R": r, "S": s}
    problem: Keys = {key: size for key, size in dims.items() if size > 1}
    for key, sizes, usual in (("stride", stride, 1), ("dilation", dilation, 1), ("pad", pad, 0)):
        if set(sizes) != {usual}:
            problem[key] = one_or_all(sizes)
    return {"op": "problem", "problem": {**problem, "height": height, "width": width}, **bits}


def _images(
    to: Lowering, name: str, step: Step, form: Window, given: Feature, images: int, bits: Keys
) -> Feature | None:
    """A convolution of more images than the graph has: windows, frames or steps stand where images do."""
    channels, words = form.groups * form.C, form.groups * form.M * prod(form.outputs)
    plane = (1,) * (2 - len(form.plane)) + form.plane[-2:] if len(form.plane) < 3 else form.plane[-2:]
    if len(form.plane) > 2 or form.transposed:
        one = Shape(channels, plane[0], plane[1], form.plane[0] if len(form.plane) == 3 else 1)
        source = to.draft.view(to.names.new(f"{name}.in"), [to.plain(given)], one)
        ways = [{**keys, "repeat": images} for keys in _windows(form, bits)]
        found = _likeliest(to, name, source, ways, form)
    else:
        source = to.draft.view(to.names.new(f"{name}.in"), [to.plain(given)], Shape(channels, *plane))
        found = to.draft.add(name, [source], [_explicit(form, images, bits)], _multiplies(form.macs, words))
    if found is None:
        return None
    whole = Shape(found.shape.C, found.shape.H * images, found.shape.W)
    return to.draft.view(to.names.new(f"{name}.out"), [found], whole)


def _matrix(
    to: Lowering,
    name: str,
    step: Step,
    form: Matrix,
    operands: tuple[Value, Value],
    before: Feature | None,
    bits: Keys,
) -> Feature | None:
    first = before or to.feature(operands[0])
    if form.stored:
        return _by_weights(to, name, step, form, first, bits)
    return _by_activation(to, name, step, form, first, to.feature(operands[1]), bits)


def _by_weights(to: Lowering, name: str, step: Step, form: Matrix, given: Feature, bits: Keys) -> Feature | None:
    rows, left = divmod(prod(form.rows), to.batch)
    if left:
        raise to.other_batch(step)
    channels, m = form.G * form.C, form.G * form.M
    shape, plain = given.shape, to.plain(given)
    fits = (shape.C, shape.words) == (channels, channels * rows)
    flat = rows == 1 and form.G == 1 and shape.words == channels
    if not (fits or flat):
        plain = to.draft.view(to.names.new(f"{name}.in"), [plain], Shape(channels, 1, rows))
    groups = {"groups": form.G} if form.G > 1 else {}
    ways: list[Keys] = [{"op": "matmul", "M": m, **groups, **bits}]
    if rows == 1 and form.G == 1:
        ways.insert(0, {"op": "fc", "M": m, **bits})
    return to.draft.add(name, [plain], ways, _multiplies(form.macs, m * rows))


def _by_activation(
    to: Lowering, name: str, step: Step, form: Matrix, first: Feature, second: Feature, bits: Keys
) -> Feature | None:
    pairs, left = divmod(form.G, to.batch)
    if left:
        raise to.other_batch(step)
    rows, share = form.rows, form.share * second.repeat
    if second.repeat == 1 and form.share == 1 and rows and pairs * rows[0] * form.C == first.shape.C:
        # heads of the first that are spread over one of the second
        pairs, share, rows = pairs * rows[0], rows[0], rows[1:]
    if pairs % share:
        share = 1
    positions, kv = prod(rows), pairs // share
    wanted = Shape(pairs * form.C, 1, positions)
    plain = to.plain(first)
    if plain.shape.C != wanted.C or plain.shape.words != wanted.words:
        plain = to.draft.view(to.names.new(f"{name}.in"), [plain], wanted)
    whole = second.shape.words == kv * form.C * form.M
    over_channels = whole and kv * form.C == second.shape.C
    over_positions = whole and kv * form.M == second.shape.C
    other = Feature(second.layer, second.shape)
    if not (over_channels or over_positions):
        other = to.draft.view(to.names.new(f"{name}.by"), [other], Shape(kv * form.C, 1, form.M))
        over_channels = True
    keys: Keys = {"op": "matmul"} | ({"groups": pairs} if pairs > 1 else {})
    keys |= {"kv_groups": kv} if share > 1 else {}
    ways: list[Keys] = [{**keys, **bits}] if over_channels else []
    ways += [{**keys, "over": "positions", **bits}] if over_positions else []
    return to.draft.add(name, [plain, other], ways, _multiplies(form.macs, pairs * form.M * positions))


def _recurrent(to: Lowering, name: str, step: Step, form: Recurrent, bits: Keys) -> None:
    if form.batch != to.batch:
        raise to.other_batch(step, form.batch)
    given, wanted = to.feature(step.input(0)), Shape(form.input, 1, form.steps)
    source = to.draft.view(to.names.new(f"{name}.in") if given.shape != wanted else name, [to.plain(given)], wanted)
    both = {"directions": 2} if form.directions == 2 else {}
    keys = {"op": form.kind.lower(), "M": form.hidden, "steps": form.steps, **both, **bits}
    found = to.draft.add(name, [source], [keys], lambda layers: _macs(layers) == form.macs)
    if found is None:
        raise WorkloadError(f"{step.node}: {step.input(0)}: no layer can tell this; write it as YAML")
    if step.outputs[0].name:
        to.put(step.outputs[0], found)
    last = Shape(form.directions * form.hidden)
    if len(step.outputs) > 1 and step.outputs[1].name:
        cut = {"op": "slice", "over": "columns", "start": form.steps - 1}
        to.put(step.outputs[1], to.draft.view(to.names.new(f"{name}.last"), [found], last, [cut]))
    to.rest(step, 2)
