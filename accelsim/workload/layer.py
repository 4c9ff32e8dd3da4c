"""What every layer of a workload file may say, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import ConfigDict, PlainValidator, WithJsonSchema

from accelsim.specs import Count, Names, Spec, key
from accelsim.workload.density import DENSE, Densities, DensityTable, densities
from accelsim.workload.network import PARTS, Layer, Picked, Shape, Slide
from accelsim.workload.precision import BitsTable
from accelsim.workload.problem import Problem, Width
from accelsim.workload.windows import Spread


class Lowered(NamedTuple):
    """What a layer gives: the shape of one image's output, and the problem if it multiplies.

    runs : how often the problem runs. moves, stored, spread : as `Layer` has them.
    parts : (name, what it gives) instead of a problem, where the layer is carried out as several.
    ops, reads : of a part: its vector operations, and the parts it reads where that is not the layer's input.
    slide, picked : as `Layer` has them.
    """

    shape: Shape
    problem: Problem | None = None
    runs: int = 1
    moves: tuple[int, int] | None = None
    stored: int | None = None
    spread: Spread | None = None
    parts: tuple[tuple[str, Lowered], ...] = ()
    ops: int = 0
    reads: str = ""
    slide: Slide | None = None
    picked: Picked | None = None


def _switch(value: object) -> bool:
    if value not in (0, 1):
        raise ValueError(f"should be 1 or 0, got '{value}'")
    return bool(value)


Switch = Annotated[bool, PlainValidator(_switch), WithJsonSchema({"enum": [0, 1, "$parameter"]})]
Flag = Annotated[
    bool, PlainValidator(_switch), WithJsonSchema({"anyOf": [{"type": "boolean"}, {"enum": [0, 1, "$parameter"]}]})
]
"""`true` or `false`; or 1 or 0, as parameters are."""


def k_for_m(schema: dict[str, Any]) -> None:
    """K is another name of M, which pydantic's schema leaves out."""
    keys = schema.get("properties", {})
    if "M" in keys:
        other = {**keys["M"], "description": "Another name of `M`.", "if_left_out": "as `M` says", "default": None}
        schema["properties"] = {
            name: of for key, own in keys.items() for name, of in ((key, own), *[("K", other)] * (key == "M"))
        }
        if "M" in schema.get("required", ()):
            schema["required"].remove("M")
            schema["anyOf"] = [{"required": ["M"]}, {"required": ["K"]}]


class LayerSpec(Spec):
    """What every layer may say."""

    model_config = ConfigDict(json_schema_extra=k_for_m)

    fan_in: ClassVar[tuple[int, int | None]] = (1, 1)

    op: str = key("What the layer does.")

    inputs: Names = key(
        "What it reads: layers by name, `input` for the network's own.",
        (),
        "the layer written before it, the first one `input`; op `problem` reads nothing",
    )
    repeat: Count = key("How often it runs; simulated once, then multiplied.", 1, unit="runs")
    when: Switch = key("`0` leaves the layer out, as if it were not written: a place for a parameter.", 1)

    @property
    def densities(self) -> Densities:
        """How many of its operands are not zero."""
        return DENSE

    @property
    def widths(self) -> dict[Width, int]:
        """Bits of its words, where it says so."""
        return {}

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape and problem for these input shapes; raises WorkloadError if they do not fit."""
        raise NotImplementedError

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """Operations of one run on one image that are no MACs; each counts one: a comparison, sum, product, exp."""
        return 0

    def layers(self, name: str, sources: tuple[str, ...], shapes: Sequence[Shape], batch: int) -> tuple[Layer, ...]:
        """The layer by its name, after its parts if it has any; raises WorkloadError if the shapes do not fit."""
        found = self.lower(shapes, batch)
        if not found.parts:
            return (self._layer(name, sources, found._replace(ops=self.vector_ops(shapes))),)
        parts = []
        for part, lowered in found.parts:
            reads = tuple(f"{name}.{one}" for one in lowered.reads.split()) or sources
            parts.append(replace(self._layer(f"{name}.{part}", reads, lowered), whole=name))
        return (*parts, Layer(name, PARTS, tuple(part.name for part in parts), found.shape))

    def _layer(self, name: str, sources: tuple[str, ...], found: Lowered) -> Layer:
        return Layer(
            name,
            self.op,
            sources,
            found.shape,
            found.problem,
            self.repeat * found.runs,
            self.densities,
            found.ops,
            self.widths,
            found.moves,
            None if found.stored is None else found.stored * self.repeat,
            found.spread,
            function=str(getattr(self, "function", None) or ""),
            slide=found.slide,
            picked=found.picked,
            causal=bool(getattr(self, "causal", False)),
        )


class Multiplying(LayerSpec):
    """What every layer with a problem may say."""

    density: DensityTable = key(
        "How many words of its operands are not zero: a share, or more (docs/data.md).",
        {},
        "no word is zero; so for tensors that are not named",
        "share of words, 0 to 1",
    )
    bits: BitsTable = key(
        "Width of its words, by tensor.", {}, "the workload's `bits`; so for tensors that are not named", "bits"
    )

    added: bool = key(
        "Whether sums begin with words that lie in the outermost level, one for each output: C <- A B + C, a residual.",
        False,
    )

    bias: bool = key(
        "Whether sums begin with a word for each output channel. It is taken out of memory where a machine says where "
        "it goes (`bias`), and costs nothing elsewhere.",
        False,
    )

    def _layer(self, name: str, sources: tuple[str, ...], found: Lowered) -> Layer:
        if found.problem and (self.added or self.bias):
            found = found._replace(problem=replace(found.problem, added=self.added, bias=self.bias))
        return super()._layer(name, sources, found)

    @property
    def densities(self) -> Densities:
        """As the file gives them."""
        return densities(self.density)

    @property
    def widths(self) -> dict[Width, int]:
        """As the file gives them."""
        return self.bits
