"""The layer types: what each may say in YAML, the shape it gives, and the problem it lowers to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AliasChoices, Discriminator, Field, PlainValidator, Tag, WithJsonSchema

from accelsim.errors import WorkloadError
from accelsim.specs import Count, Names, PadPair, Pair, Spec
from accelsim.workload.density import DENSE, Densities, DensityTable, densities
from accelsim.workload.network import Shape
from accelsim.workload.precision import BitsTable
from accelsim.workload.problem import Problem, Width


class Lowered(NamedTuple):
    """What a layer gives: the shape of one image's output, and the problem if it multiplies."""

    shape: Shape
    problem: Problem | None = None


def _switch(value: object) -> bool:
    if value not in (0, 1):
        raise ValueError(f"should be 1 or 0, got '{value}'")
    return bool(value)


Switch = Annotated[bool, PlainValidator(_switch), WithJsonSchema({"enum": [0, 1, "$parameter"]})]


class LayerSpec(Spec):
    """What every layer may say. Without `inputs` it reads the layer before it; `when: 0` leaves it out."""

    fan_in: ClassVar[tuple[int, int | None]] = (1, 1)

    op: str

    inputs: Names = ()
    repeat: Count = 1
    when: Switch = True

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


class Multiplying(LayerSpec):
    """What every layer with a problem may say.

    density: by tensor; those left out have no zeros. bits: by tensor, over the network's.
    """

    density: DensityTable = Field(default_factory=dict)
    bits: BitsTable = Field(default_factory=dict)

    @property
    def densities(self) -> Densities:
        """As the file gives them."""
        return densities(self.density)

    @property
    def widths(self) -> dict[Width, int]:
        """As the file gives them."""
        return self.bits


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


_M: Any = Field(validation_alias=AliasChoices("M", "K"))
_OPTIONAL_M: Any = Field(None, validation_alias=AliasChoices("M", "K"))


class Convolution(Multiplying):
    """What the convolutions share. C, if given, is checked against what arrives."""

    kernel: Pair
    C: Count | None = None
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pad: PadPair = (0, 0)

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
    """A 2-D convolution. M: output channels in total."""

    op: Literal["conv"]
    M: Count = _M
    groups: Count = 1

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """M and C per group."""
        return self.convolve(shapes[0], batch, self.groups, self.M)


class Depthwise(Convolution):
    """A convolution of each channel by itself. M: output channels in total, by default as many as arrive."""

    op: Literal["depthwise"]
    M: Count | None = _OPTIONAL_M

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """G = channels, C = 1."""
        return self.convolve(shapes[0], batch, shapes[0].C, self.M or shapes[0].C)


class FullyConnected(Multiplying):
    """Every output reads every input word."""

    op: Literal["fc"]
    M: Count = _M
    C: Count | None = None

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

    op: Literal["lstm"]
    M: Count = _M

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

    op: Literal["matmul"]
    M: Count | None = _OPTIONAL_M
    groups: Count = 1
    over: Literal["channels", "positions"] = "channels"

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
    """Maximum or mean of a window; without a kernel, of the whole plane. `ceil` keeps a window cut by the edge."""

    op: Literal["maxpool", "avgpool"]
    kernel: Pair | None = None
    stride: Pair | None = None
    pad: PadPair = (0, 0)
    ceil: bool = False

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
    """Elementwise sum of equal shapes."""

    fan_in = (2, None)

    op: Literal["add"]

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(_alike(shapes, "adds"))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """A sum per word and input, the first left out."""
        return shapes[0].words * (len(shapes) - 1)


class Elementwise(LayerSpec):
    """A function of each word (gelu, tanh, a sum or product with stored words), or the product of equal shapes."""

    fan_in = (1, None)

    op: Literal["elementwise"]

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(_alike(shapes, "multiplies"))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """1 per word, whatever the function takes; of several inputs, a product per word and input but the first."""
        return shapes[0].words * max(1, len(shapes) - 1)


class Softmax(LayerSpec):
    """Softmax over the channels of each position and head: what attention weighs its positions with."""

    op: Literal["softmax"]

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

    op: Literal["norm"]

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        return Lowered(shapes[0])

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """7 per word: sum, subtract the mean, square, sum, by 1 / deviation, by the gain, add the bias."""
        return 7 * shapes[0].words


class Concat(LayerSpec):
    """Channels one after another; the planes must be alike."""

    fan_in = (1, None)

    op: Literal["concat"]

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape only."""
        if len({(s.H, s.W) for s in shapes}) > 1:
            raise WorkloadError(
                f"shape mismatch: joins inputs of different rows and columns: {', '.join(map(str, shapes))}"
            )
        return Lowered(Shape(sum(s.C for s in shapes), shapes[0].H, shapes[0].W))


class Positions(LayerSpec):
    """The plane as one row of positions: `extend` joins stored ones (class token, KV cache), `crop` keeps the first.

    positions : how many there are then. by : `extend` only, instead: how many are joined.
    """

    op: Literal["extend", "crop"]
    positions: Count | None = None
    by: Count | None = None

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
    """The eight dims as they are; those left out are 1. The batch multiplies N."""

    N: Count = 1
    G: Count = 1
    M: Count = Field(1, validation_alias=AliasChoices("M", "K"))
    C: Count = 1
    P: Count = 1
    Q: Count = 1
    R: Count = 1
    S: Count = 1
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pad: PadPair = (0, 0)
    height: Count | None = None
    width: Count | None = None


class Explicit(Multiplying):
    """A layer given as its problem; without `inputs` it reads nothing."""

    fan_in = (0, None)

    op: str = "problem"
    problem: ProblemSpec

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
