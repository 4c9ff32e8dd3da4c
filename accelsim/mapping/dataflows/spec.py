"""What a dataflow YAML file may say, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from accelsim.architecture.choices import Dim
from accelsim.specs import Spec, key, listed, pick
from accelsim.workload.problem import Tensor

DimName = Annotated[Dim, BeforeValidator(pick("dim", Dim))]
TensorName = Annotated[Tensor, BeforeValidator(pick("tensor", Tensor))]
Dims = Annotated[tuple[DimName, ...], BeforeValidator(listed, json_schema_input_type=Dim | list[Dim])]
Tensors = Annotated[tuple[TensorName, ...], BeforeValidator(listed, json_schema_input_type=Tensor | list[Tensor])]


def _dims(text: str, left_out: str) -> Any:
    return key(text, (), left_out)


class AxesSpec(Spec):
    """Dims that may be spatial on the two axes of an array."""

    y: Dims = _dims("Dims that may be on the rows, outer to inner.", "none is")
    x: Dims = _dims("Dims that may be on the columns, outer to inner.", "none is")


class DataflowSpec(Spec):
    """A dataflow: what stays in the PE, what is spatial where, and the order of loops that it fixes.

    All loops that it does not name are free above the array.
    """

    source: str = key("Who described it.", "", "nobody is named")
    about: str = key("What it does, in a line.", "", "nothing is said")
    keeps: Tensors = key("Tensors that stay inside the PE; the others pass it by.", (), "none stays")
    skips: Tensors = key(
        "Tensors that may pass by a buffer above the array that gives them no reuse, with `accounting: isca16`.",
        (),
        "none does",
    )
    y: Dims = _dims(
        "Dims that may be on the rows of the innermost array, outer to inner; if it has one row, of the next one out.",
        "none is",
    )
    x: Dims = _dims("The same for columns.", "none is")
    arrays: tuple[AxesSpec, ...] = key(
        "The same for the arrays around the innermost, the last one next to it. With any, `y` and `x` are of the "
        "innermost array alone.",
        (),
        "arrays further out are used only where the innermost lacks an axis",
    )
    whole: Dims = _dims(
        "Dims unrolled in full where they are spatial or in the PE, as far as there is room, whatever else would fit; "
        "cut like others where nothing fits otherwise.",
        "every unrolling is tried",
    )
    image: Dims = _dims("Dims that are on `y` too where the ifmap is an image: at most four channels.", "none is")
    strip: DimName | None = key(
        "A dim cut into strips as wide as `x` allows and equally wide, or folded whole over `y`.", None, "no dim is"
    )
    above: Dims = _dims(
        "Dims whose rest runs innermost one level above the array; if only the level right above it keeps psums, "
        "there, outside of `run`.",
        "none is bound there",
    )
    run: Dims = _dims("Dims whose rest runs innermost right above the array, outer to inner.", "none is bound there")
    fill: Dims = _dims(
        "Dims of `run` of which as many iterations run there as the accumulators hold: the innermost psums outside the "
        "PE. The first goes as far as it can; what is left is free above them.",
        "`run` is whole",
    )
    pe: Dims = _dims("Dims that may run inside the PE, outer to inner.", "none does")
