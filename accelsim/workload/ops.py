"""The layer types: what each may say in YAML, the shape it gives, and the problem it lowers to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, ConfigDict, Discriminator, Tag

from accelsim.errors import WorkloadError
from accelsim.specs import Count, PadPair, Pair, Spec, key
from accelsim.workload.layer import LayerSpec, Lowered, Multiplying, k_for_m
from accelsim.workload.network import Shape
from accelsim.workload.problem import Problem

OP = "What the layer does."
CHANNELS = "channels"
ROWS_COLUMNS = ": one number, or [rows, columns]"


def _outputs(
    shape: Shape,
    kernel: tuple[int, int],
    pad: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
    ceil: bool = False,
) -> tuple[int, int]:
    """Rows and columns a window gives as it slides over a padded plane."""
    found = []
    for size, taps, zeros, step, gap in zip((shape.H, shape.W), kernel, pad, stride, dilation, strict=True):
        room = size + 2 * zeros - (gap * (taps - 1) + 1)
        if room < 0:
            window = f"a window of {kernel[0]}x{kernel[1]}"
            raise WorkloadError(
                f"shape mismatch: {window} does not fit an input of {shape} with pad {pad[0]}, {pad[1]}"
            )
        count = (room + step - 1 if ceil else room) // step + 1
        # a window that would begin in the padding after the plane is not taken
        found.append(count - 1 if ceil and (count - 1) * step >= size + zeros else count)
    return found[0], found[1]


def _m(text: str, default: Any = ..., left_out: str = "") -> Any:
    return key(text, default, left_out, CHANNELS, validation_alias=AliasChoices("M", "K"))


def _c() -> Any:
    return key("Channels that should arrive; checked.", None, "whatever arrives", CHANNELS)


def _stride() -> Any:
    return key(f"Step of the window{ROWS_COLUMNS}.", (1, 1), unit="words")


def _dilation() -> Any:
    return key(f"Distance of neighbouring taps{ROWS_COLUMNS}.", (1, 1), unit="words")


class Convolution(Multiplying):
    """What the convolutions share."""

    kernel: Pair = key(f"Taps of the filter{ROWS_COLUMNS}.", unit="taps")
    C: Count | None = _c()
    stride: Pair = _stride()
    dilation: Pair = _dilation()
    pad: PadPair = key(f"Zeros on every side of the plane{ROWS_COLUMNS}.", (0, 0), unit="words")

    def convolve(self, shape: Shape, batch: int, groups: int, channels: int) -> Lowered:
        """Channels are split over G; the plane stays unpadded."""
        _expect_channels(self.C, shape)
        c, m = _per_group(shape.C, groups, "input"), _per_group(channels, groups, "output")
        p, q = _outputs(shape, self.kernel, self.pad, self.stride, self.dilation)
        problem = Problem(
            (batch, groups, m, c, p, q, *self.kernel), self.stride, self.dilation, self.pad, shape.H, shape.W
        )
        return Lowered(Shape(channels, p, q), problem)


class Conv(Convolution):
    """A 2-D convolution."""

    op: Literal["conv"] = key(OP)
    M: Count = _m("Output channels, of all groups together.")
    groups: Count = key("Parts its channels are split into, each a convolution by itself.", 1, unit="groups")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """M and C per group."""
        return self.convolve(shapes[0], batch, self.groups, self.M)


class Depthwise(Convolution):
    """A convolution of each channel by itself."""

    op: Literal["depthwise"] = key(OP)
    M: Count | None = _m("Output channels, of all together.", None, "as many as arrive")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """G = channels, C = 1."""
        return self.convolve(shapes[0], batch, shapes[0].C, self.M or shapes[0].C)


class FullyConnected(Multiplying):
    """Every output reads every input word."""

    op: Literal["fc"] = key(OP)
    M: Count = _m("Outputs.")
    C: Count | None = key("Words that should arrive, of one image; checked.", None, "whatever arrives", "words")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """C = the flattened input."""
        words = shapes[0].words
        if self.C not in (None, words):
            raise WorkloadError(f"shape mismatch: expects C = {self.C}, but its input is {shapes[0]}, {words} words")
        return Lowered(Shape(self.M), Problem((batch, 1, self.M, words, 1, 1, 1, 1)))


class Lstm(Multiplying):
    """A layer of M LSTM units, one step of it; its repeats are time steps, so they share the weights.

    Without peepholes or projection: W. Zaremba et al., arXiv 1409.2329, 2014, section 3.
    """

    op: Literal["lstm"] = key(OP)
    M: Count = _m("Units.")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Four gates on M; C = the flattened input and the layer's own output of the step before."""
        return Lowered(Shape(self.M), Problem((batch, 1, 4 * self.M, shapes[0].words + self.M, 1, 1, 1, 1)))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """9 per unit: 3 sigmoids and a tanh; the cell's 2 products and a sum; a tanh and a product for the output."""
        return 9 * self.M


class Matmul(Multiplying):
    """A product at every position of a plane.

    One input: by M x C weights, the same at every position (split over `groups`). Two inputs: by the second,
    an activation, per group (head), over its ``channels`` (Q K^T) or over its ``positions`` (A V).
    """

    fan_in = (1, 2)

    op: Literal["matmul"] = key(OP)
    M: Count | None = _m(
        "Outputs at every position, of all groups together. Of one input it has to be given, of two it may not.",
        None,
        "what follows from the second input",
    )
    groups: Count = key("Parts the channels are split into: heads.", 1, unit="groups")
    over: Literal["channels", "positions"] = key("Of two inputs: what is summed over.", "channels")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Positions on P, Q; heads on G."""
        first = shapes[0]
        c = _per_group(first.C, self.groups, "input")
        if len(shapes) == 1:
            if self.M is None:
                raise WorkloadError("needs M, or a second input to multiply by")
            m = _per_group(self.M, self.groups, "output")
            problem = Problem((batch, self.groups, m, c, first.H, first.W, 1, 1))
            return Lowered(Shape(self.M, first.H, first.W), problem)
        if self.M is not None:
            raise WorkloadError("with two inputs, M follows from the second; leave it out")
        second, positions = shapes[1], shapes[1].H * shapes[1].W
        inner, m = _per_group(second.C, self.groups, "second input"), positions
        if self.over == "positions":
            inner, m = positions, inner
        if inner != c:
            where = f" in each of {self.groups} groups" if self.groups > 1 else ""
            raise WorkloadError(f"shape mismatch: {first} by {second}: {c} against {inner}{where}")
        # each image has a second operand of its own, so the batch counts as groups
        sizes = (1, batch * self.groups, m, c, first.H, first.W, 1, 1)
        return Lowered(Shape(self.groups * m, first.H, first.W), Problem(sizes, dynamic_filter=True))


class Pool(LayerSpec):
    """Maximum or mean of a window."""

    op: Literal["maxpool", "avgpool"] = key(OP)
    kernel: Pair | None = key(f"The window{ROWS_COLUMNS}.", None, "the whole plane", "words")
    stride: Pair | None = key(
        f"Step of the window{ROWS_COLUMNS}.", None, "as `kernel`: windows do not overlap", "words"
    )
    pad: PadPair = key(f"Room on every side of the plane{ROWS_COLUMNS}.", (0, 0), unit="words")
    ceil: bool = key("Whether a last window that the edge cuts is kept.", False)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        shape = shapes[0]
        kernel = self.window(shape)
        return Lowered(Shape(shape.C, *_outputs(shape, kernel, self.pad, self.stride or kernel, ceil=self.ceil)))

    def window(self, shape: Shape) -> tuple[int, int]:
        """Rows and columns one output is taken over."""
        return self.kernel or (shape.H, shape.W)

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """Per output word: maximum, window - 1 comparisons; mean, window - 1 sums and a product."""
        rows, columns = self.window(shapes[0])
        return self.lower(shapes, 1).shape.words * (rows * columns - (self.op == "maxpool"))


class Add(LayerSpec):
    """Elementwise sum of two or more inputs of equal shapes."""

    fan_in = (2, None)

    op: Literal["add"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(_alike(shapes, "adds"))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """A sum per word and input, the first left out."""
        return shapes[0].words * (len(shapes) - 1)


class Elementwise(LayerSpec):
    """A function of each word (gelu, tanh, a sum or product with stored words), or the product of equal shapes."""

    fan_in = (1, None)

    op: Literal["elementwise"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(_alike(shapes, "multiplies"))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """1 per word, whatever the function takes; of several inputs, a product per word and input but the first."""
        return shapes[0].words * max(1, len(shapes) - 1)


class Softmax(LayerSpec):
    """Softmax over the channels of each position and head: what attention weighs its positions with."""

    op: Literal["softmax"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(shapes[0])

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """5 per word: maximum, subtract it, exp, sum, divide by it."""
        return 5 * shapes[0].words


class Norm(LayerSpec):
    """Layer normalisation over the channels of each position: J. L. Ba et al., arXiv 1607.06450, 2016.

    Batch normalisation is no layer: once trained it folds into the filters before it.
    """

    op: Literal["norm"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(shapes[0])

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """7 per word: sum, subtract the mean, square, sum, by 1 / deviation, by the gain, add the bias."""
        return 7 * shapes[0].words


class Concat(LayerSpec):
    """Channels of its inputs one after another; their planes must be alike."""

    fan_in = (1, None)

    op: Literal["concat"] = key(OP)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        if len({(s.H, s.W) for s in shapes}) > 1:
            raise WorkloadError(
                f"shape mismatch: joins inputs of different rows and columns: {', '.join(map(str, shapes))}"
            )
        return Lowered(Shape(sum(s.C for s in shapes), shapes[0].H, shapes[0].W))


class Positions(LayerSpec):
    """The plane as one row of positions: `extend` joins stored ones (class token, KV cache), `crop` keeps the first."""

    op: Literal["extend", "crop"] = key(OP)
    positions: Count | None = key("How many there are then.", None, "`extend` needs `by`; `crop` needs it", "positions")
    by: Count | None = key(
        "`extend` only, instead: how many are joined.", None, "what `positions` makes it", "positions"
    )

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        shape = shapes[0]
        arriving = shape.H * shape.W
        if self.op == "extend" and self.by is not None and self.positions is None:
            return Lowered(Shape(shape.C, 1, arriving + self.by))
        if self.positions is None or self.by is not None:
            raise WorkloadError(f"{self.op} needs positions" + (", or by" if self.op == "extend" else " alone"))
        if (self.positions < arriving) if self.op == "extend" else (self.positions > arriving):
            raise WorkloadError(
                f"shape mismatch: {self.op}s to {self.positions} positions, but its input is {shape}, {arriving}"
            )
        return Lowered(Shape(shape.C, 1, self.positions))


class ProblemSpec(Spec):
    """The eight dims as they are."""

    model_config = ConfigDict(json_schema_extra=k_for_m)

    N: Count = key("Images; the batch of a run multiplies them.", 1, unit="images")
    G: Count = key("Groups of channels.", 1, unit="groups")
    M: Count = _m("Output channels of a group.", 1)
    C: Count = key("Input channels of a group.", 1, unit=CHANNELS)
    P: Count = key("Ofmap rows.", 1, unit="rows")
    Q: Count = key("Ofmap columns.", 1, unit="columns")
    R: Count = key("Filter rows.", 1, unit="rows")
    S: Count = key("Filter columns.", 1, unit="columns")
    stride: Pair = _stride()
    dilation: Pair = _dilation()
    pad: PadPair = key(f"Zeros before the plane{ROWS_COLUMNS}.", (0, 0), unit="words")
    height: Count | None = key("Rows of the ifmap, without padding.", None, "as many as are touched", "rows")
    width: Count | None = key("Columns of the ifmap, without padding.", None, "as many as are touched", "columns")


class Explicit(Multiplying):
    """A layer given as its problem."""

    fan_in = (0, None)

    op: str = key("`problem`, or what you call it.", "problem")
    problem: ProblemSpec = key("The eight dims, and how they project.")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """The problem as it stands."""
        p = self.problem
        sizes = (p.N * batch, p.G, p.M, p.C, p.P, p.Q, p.R, p.S)
        problem = Problem(sizes, p.stride, p.dilation, p.pad, p.height or 0, p.width or 0)
        for shape in shapes:
            _expect_channels(p.G * p.C, shape)
        return Lowered(Shape(p.G * p.M, p.P, p.Q), problem)


def _per_group(channels: int, groups: int, what: str) -> int:
    if channels % groups:
        raise WorkloadError(f"shape mismatch: {channels} {what} channels cannot be split into {groups} groups")
    return channels // groups


def _alike(shapes: Sequence[Shape], verb: str) -> Shape:
    if len(set(shapes)) > 1:
        raise WorkloadError(f"shape mismatch: {verb} inputs of different shapes: {', '.join(map(str, shapes))}")
    return shapes[0]


def _expect_channels(expected: int | None, shape: Shape) -> None:
    if expected not in (None, shape.C):
        raise WorkloadError(f"shape mismatch: expects {expected} channels, but its input is {shape}")


def _tag(value: Any) -> str:
    if isinstance(value, LayerSpec):
        return str(getattr(value, "op", ""))
    return ("problem" if "problem" in value else str(value.get("op"))) if isinstance(value, dict) else ""


AnyLayer = Annotated[
    Annotated[Conv, Tag("conv")]
    | Annotated[Depthwise, Tag("depthwise")]
    | Annotated[FullyConnected, Tag("fc")]
    | Annotated[Matmul, Tag("matmul")]
    | Annotated[Lstm, Tag("lstm")]
    | Annotated[Pool, Tag("maxpool")]
    | Annotated[Pool, Tag("avgpool")]
    | Annotated[Add, Tag("add")]
    | Annotated[Elementwise, Tag("elementwise")]
    | Annotated[Softmax, Tag("softmax")]
    | Annotated[Norm, Tag("norm")]
    | Annotated[Concat, Tag("concat")]
    | Annotated[Positions, Tag("extend")]
    | Annotated[Positions, Tag("crop")]
    | Annotated[Explicit, Tag("problem")],
    Discriminator(_tag),
]
