"""A graph on its way to layers: where every tensor lies so far, and what became of each node."""

from __future__ import annotations

from collections.abc import Sequence

from accelsim.errors import WorkloadError
from accelsim.onnx.graph.names import Names
from accelsim.onnx.graph.products import Product, Window
from accelsim.onnx.graph.records import Program, Sizes, Step, Value
from accelsim.onnx.layers.bits import bits_of
from accelsim.onnx.layers.draft import Draft, Feature, Keys
from accelsim.onnx.layers.groups import active, grouped
from accelsim.onnx.layers.kinds import Sort, sort
from accelsim.onnx.layers.plane import Graph, OtherBatchError, default_shape, pads_of_windows, unpadded, zeros
from accelsim.workload.network import Shape


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
        self.graph = Graph(program, products, self.readers, batch)
        self.padded = pads_of_windows(self.graph)

    def feature(self, value: Value) -> Feature:
        """Where an activation lies. WorkloadError where nothing is known of it."""
        if id(value) not in self.features:
            if value.shape is None:
                raise WorkloadError(f"the shape of '{value.name}' is not known, from {value.lost} on")
            self.put(value, self.draft.view(self.names.new(value.name), [], default_shape(self.graph, value)))
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
                self.put(value, self.draft.view(self.names.of(step), [], default_shape(self.graph, value)))

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
        return default_shape(self.graph, value)

    def unpadded(self, form: Window, x: Value) -> tuple[Window, Value]:
        """A window with the zeros of a Pad node before it as its own padding."""
        return unpadded(self.graph, self.padded, form, x)

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


def _over(shape: Shape, channels: int) -> Shape:
    """Other channels over the same plane."""
    return Shape(channels, shape.H, shape.W, *([shape.D] if getattr(shape, "D", 1) > 1 else []))
