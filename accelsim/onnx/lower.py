"""A graph that was followed as a workload file: the layers a person would write, and how much they cover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelsim.errors import WorkloadError
from accelsim.onnx.bits import bits_of, hoisted
from accelsim.onnx.draft import Draft, Feature, Keys, sizes
from accelsim.onnx.groups import Group, active, grouped
from accelsim.onnx.kinds import Sort, macs_left, sized, sort, why
from accelsim.onnx.multiply import lower_product
from accelsim.onnx.names import Names
from accelsim.onnx.pieces import lower_part
from accelsim.onnx.plane import batches, default_shape, input_shape, pads_of_windows, unpadded, zeros
from accelsim.onnx.products import Product, Window, product
from accelsim.onnx.records import Program, Sizes, Step, Value, refused, telling
from accelsim.onnx.vectors import lower_group, lower_vector
from accelsim.workload.coverage import Coverage, Covered, NotModelled
from accelsim.workload.network import INPUT, Shape


class OtherBatchError(Exception):
    """A tensor that is not of so many images."""


def lower(program: Program) -> tuple[dict[str, Any], Coverage]:
    """A workload file as its keys, and what of the graph they cover."""
    found = lowered(program)
    return found.document(), found.coverage()


def lowered(program: Program) -> Lowering:
    """A graph with all its layers."""
    try:
        products = dict[int, Product]()
        for step in program.steps:
            with telling(step):
                if sized(step) and (found := product(step)):
                    products[id(step)] = found
        for batch in batches(program, list(products.values())):
            try:
                return Lowering(program, products, batch).run()
            except OtherBatchError:
                continue
        return Lowering(program, products, 1).run()
    except WorkloadError as error:
        raise refused(program.model.file, error) from None


class Lowering:
    """One way from a graph to layers: for so many images at a time."""

    def __init__(self, program: Program, products: dict[int, Product], batch: int) -> None:
        self.program, self.products, self.batch = program, products, batch
        self.draft, self.names = Draft(batch), Names()
        self.kinds = [sort(step) for step in program.steps]
        self.sorts = dict(zip(program.steps, self.kinds, strict=True))
        self.groups = grouped(program, self.kinds)
        self.features: dict[int, Feature] = {}
        self.became: dict[Step, Sort | None] = {}
        self.input: Shape | None = None
        self.forms: dict[str, tuple[Product, int]] = {}
        self.inside = {step for group in self.groups.values() for step in group.steps[:-1]}
        self.readers: dict[int, list[Step]] = {}
        for step in program.steps:
            for value in step.inputs:
                if value is not None:
                    self.readers.setdefault(id(value), []).append(step)
        self.padded = pads_of_windows(self)

    def run(self) -> Lowering:
        """Step by step."""
        self._inputs()
        for index, step in enumerate(self.program.steps):
            with telling(step):
                self._step(index, step)
        if not any(layer.problem for layers in self.draft.found.values() for layer in layers):
            raise WorkloadError("has no node with MACs: no Conv, MatMul, Gemm, LSTM or the like")
        self.draft.pruned(self._read_last())
        return self

    def _step(self, index: int, step: Step) -> None:
        """The layers of one node; of nodes that are joined, at the last of them."""
        kind, group = self.kinds[index], self.groups.get(index)
        self.became.setdefault(step, kind)
        if kind is Sort.PRODUCT:
            lower_product(self, self.products[id(step)])
        elif group and kind is not Sort.FOLDED:
            self._group(group)
        elif kind is Sort.PART:
            lower_part(self, step)
        elif id(step) in self.padded:
            self.became[step] = Sort.ALIAS
        elif kind is Sort.VECTOR and step not in self.inside:
            lower_vector(self, step)
        elif kind is Sort.UNKNOWN:
            self.rest(step, 0)

    def _group(self, group: Group) -> None:
        kind = lower_group(self, group)
        for step in group.steps:
            self.became[step] = kind if self.sorts[step] is not Sort.ALIAS else Sort.ALIAS

    def _inputs(self) -> None:
        """The first input is the network's own; others lie in the outermost level, as a cache does."""
        taken = [value for value in self.program.inputs if active(value) and value.shape is not None]
        for value in taken:
            shape = input_shape(self, value)
            if self.input is None:
                self.input = self.draft.input = shape
                self.features[id(value)] = Feature(INPUT, shape)
            else:
                self.put(value, self.draft.view(self.names.new(value.name), [], shape))

    def _read_last(self) -> set[str]:
        return {self.features[id(value)].layer for value in self.program.outputs if id(value) in self.features}

    def feature(self, value: Value) -> Feature:
        """Where an activation lies. WorkloadError where nothing is known of it."""
        if id(value) not in self.features:
            if value.shape is None:
                raise WorkloadError(f"the shape of '{value.name}' is not known, from {value.lost} on")
            self.put(value, self.draft.view(self.names.new(value.name), [], default_shape(self, value)))
        return self.features[id(value)]

    def put(self, value: Value, feature: Feature) -> None:
        """Say where an activation lies."""
        if value.words and feature.words * self.batch != value.words:
            raise (
                OtherBatchError
                if self.batch > 1
                else WorkloadError(f"'{value.name}' has {value.words} words, but its layer gives {feature.words}")
            )
        self.features[id(value)] = feature

    def plain(self, feature: Feature) -> Feature:
        """The same words, each once."""
        return feature if feature.repeat == 1 else Feature(feature.layer, feature.shape)

    def rest(self, step: Step, first: int) -> None:
        """Outputs of a node that no layer writes lie in the outermost level."""
        for value in step.outputs[first:]:
            lies = not value.name or value.shape is None or not value.words or not active(value)
            if not lies and id(value) not in self.features:
                self.put(value, self.draft.view(self.names.of(step), [], default_shape(self, value)))

    def must(self, found: Feature | None, step: Step, value: Value) -> None:
        """Say where the output of a layer lies; WorkloadError if there is no such layer."""
        if found is None:
            given = ", ".join(str(one) for one in step.inputs if one is not None)
            raise WorkloadError(f"{step.node}: {given}: no layer can tell this")
        self.put(value, found)

    def shape_like(self, value: Value, given: Sequence[Feature]) -> Shape:
        """The shape of a new feature map: as those it is made of, where that fits."""
        words, left = divmod(value.words, self.batch)
        if left:
            raise self.other_batch()
        for one in given:
            if one.shape.words == words:
                return one.shape
        for one in given:
            plane = one.shape.words // one.shape.C
            if words % plane == 0:
                return Shape(words // plane, 1, plane) if one.shape.H == 1 else _over(one.shape, words // plane)
            if words % one.shape.C == 0:
                return Shape(one.shape.C, 1, words // one.shape.C)
        return default_shape(self, value)

    def unpadded(self, form: Window, x: Value) -> tuple[Window, Value]:
        """A window with the zeros of a Pad node before it as its own padding."""
        return unpadded(self, form, x)

    def bare(self, value: Value) -> Value:
        """What a Pad node reads, if it is only padding of what reads it; else the tensor itself."""
        step = self.program.steps[value.step] if value.step >= 0 else None
        return value if step is None or id(step) not in self.padded else step.input(0)

    def pads_before(self, step: Step, pads: Sizes) -> Sizes:
        """The zeros around a pool's plane, with those of a Pad node before it."""
        value = step.input(0)
        found = zeros(self.program.steps[value.step], len(pads) // 2 + 2) if self.bare(value) is not value else None
        return pads if found is None else tuple(a + b for a, b in zip(pads, (*found[0], *found[1]), strict=True))

    def bits(self, found: Product) -> Keys:
        """What the graph says of the width of words."""
        return bits_of(self.program, found, self.readers)

    def other_batch(self, step: Step | None = None, batch: int = 0) -> Exception:
        """What to raise where a tensor is not of `batch` images."""
        if self.batch > 1 or step is None:
            return OtherBatchError()
        return WorkloadError(f"{step.node}: a recurrent layer of {batch} sequences in a graph of one; give --dim")

    def document(self) -> dict[str, Any]:
        """The keys of a workload file."""
        model = self.program.model
        stem = model.file.replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or model.file
        made = f", written by {model.producer}" if model.producer else ""
        version = model.opsets.get("", 0)
        head: dict[str, Any] = {"name": stem[:200], "source": f"ONNX graph {stem}, opset {version}{made}"}
        if self.batch > 1:
            head["batch"] = self.batch
        if self.input is not None:
            head["input"] = dict(sizes(self.input))
        layers = self.draft.written()
        common = hoisted(layers)
        return {**head, **({"bits": common} if common else {}), "layers": layers}

    def coverage(self) -> Coverage:
        """What became of every step."""
        found: dict[str, Covered] = {}
        missing = []
        for step in self.program.steps:
            became, own = self.became[step], self.sorts[step]
            words = sum(value.words for value in (*step.inputs, *step.outputs) if value is not None)
            macs = self.products[id(step)].macs if id(step) in self.products and own is Sort.PRODUCT else 0
            if own is Sort.UNKNOWN:
                name = step.node.name or next((value.name for value in step.outputs), "")
                missing.append(NotModelled(name, step.node.kind, words, macs_left(step), why(step)))
                continue
            key = {
                Sort.PRODUCT: "layers",
                Sort.WORD: "passing",
                Sort.VECTOR: "vector",
                Sort.FOLDED: "constants",
            }.get(became or own, "views")
            before = found.get(key, Covered())
            found[key] = Covered(before.nodes + 1, before.macs + macs, before.words + words)
        return Coverage(**found, not_modelled=tuple(missing))


def _over(shape: Shape, channels: int) -> Shape:
    """Other channels over the same plane."""
    return Shape(channels, shape.H, shape.W, *([shape.D] if getattr(shape, "D", 1) > 1 else []))
