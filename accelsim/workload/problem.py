"""The one problem every layer lowers to: eight dims, three tensors, and how they project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from math import gcd, prod

from accelsim.errors import WorkloadError

DIMS = ("N", "G", "M", "C", "P", "Q", "R", "S")
"""Batch, groups, output channels and input channels per group, ofmap rows and columns, filter rows and columns."""

SLICE_DIMS = ("IB", "WB")
"""Slices of an ifmap word, and of a filter word, where a machine multiplies slices of their bits."""

LOOP_DIMS = (*DIMS, *SLICE_DIMS)
"""What a loop may go over."""

DIM_INDEX = {name: index for index, name in enumerate(LOOP_DIMS)}
REDUCTION_DIMS = ("C", "R", "S", "IB", "WB")
ADDED_DIMS = REDUCTION_DIMS[:3]
"""What a network of psums adds up unless told otherwise: slices would have to be shifted first."""
COUNT_LIMIT = 2**63


class Tensor(StrEnum):
    """The three data types; `psum` is called ofmap once it is final."""

    IFMAP = "ifmap"
    FILTER = "filter"
    PSUM = "psum"


class Width(StrEnum):
    """What has words of a width: the tensors, and the ofmap, which sums are once they are final."""

    IFMAP = "ifmap"
    FILTER = "filter"
    PSUM = "psum"
    OFMAP = "ofmap"


TENSORS = tuple(Tensor)
TENSOR_DIMS: dict[Tensor, tuple[str, ...]] = {
    Tensor.IFMAP: ("N", "G", "C", "P", "Q", "R", "S", "IB"),
    Tensor.FILTER: ("G", "M", "C", "R", "S", "WB"),
    Tensor.PSUM: ("N", "G", "M", "P", "Q"),
}


class Padding(StrEnum):
    """Where the zeros around an ifmap come from.

    `stored`: padded planes live in every level, the outermost too. `on-chip`: made at the edge of
    the chip; no traffic at the outermost level, but words, slots and MACs inside.
    """

    STORED = "stored"
    ON_CHIP = "on-chip"


@dataclass(frozen=True)
class Runs:
    """Outputs of a plane, row by row, cut into runs that go on across the ends of rows.

    columns : outputs of a row of the plane. lengths : outputs of each run, in order.
    """

    columns: int
    lengths: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Rows of outputs."""
        return sum(self.lengths) // self.columns

    @property
    def ends(self) -> tuple[int, ...]:
        """Outputs before each run, and all of them."""
        return (0, *accumulate(self.lengths))


@dataclass(frozen=True)
class Problem:
    """One layer as eight loop bounds, and two more where words are cut into slices.

    The ifmap row under ofmap row p and filter row r is ``p*stride + r*dilation - pad`` (columns likewise);
    rows outside ``0 <= h < height`` are padding zeros.

    Parameters
    ----------
    sizes : eight ints in the order of `DIMS`, each >= 1.
    stride, dilation : (rows, columns), each >= 1.
    pad : (top, left) zeros before the first row and column. What is needed after the last follows
        from the other sizes.
    height, width : rows and columns of the unpadded ifmap plane. Default: all that is touched.

    added : sums begin with words that lie in the outermost level, as many as outputs: C <- A B + C, a residual.
    bias : they begin with one word for each output channel, where the machine takes it (docs/model.md, "Bias").
    runs : the outputs are runs of pixels: P counts them, and Q is 1.
    slices : of an ifmap word and of a filter word, IB and WB, each >= 1; a word of a tensor is then one slice.

    Raises
    ------
    WorkloadError : a size below 1, sums that begin with two things, or sizes whose counts would pass 2^63.
    """

    sizes: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    height: int = 0
    width: int = 0
    dynamic_filter: bool = field(default=False)
    added: bool = False
    bias: bool = False
    runs: Runs | None = None
    slices: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if len(self.sizes) != 8:
            raise WorkloadError(f"a problem has 8 sizes ({' '.join(DIMS)}), got {len(self.sizes)}")
        if self.added and self.bias:
            raise WorkloadError("sums begin with one thing: added, or bias")
        for name, size in zip(LOOP_DIMS, self.bounds, strict=True):
            if size < 1:
                raise WorkloadError(f"size {name} is {size}; it must be at least 1")
        for what, pair, least in (
            ("stride", self.stride, 1),
            ("dilation", self.dilation, 1),
            ("pad", self.pad, 0),
        ):
            if min(pair) < least:
                raise WorkloadError(f"{what} is {pair}; it must be at least {least}")
        if not self.height:
            object.__setattr__(self, "height", max(1, self.touched[0] - 2 * self.pad[0]))
        if not self.width:
            object.__setattr__(self, "width", max(1, self.touched[1] - 2 * self.pad[1]))
        if self.slots * 8 >= COUNT_LIMIT:
            raise WorkloadError(
                f"{self.slots} MACs: the counts of this layer would pass 2^63; it is refused, not wrapped"
            )

    @staticmethod
    def of(dims: Mapping[str, int] | None = None, /, **keywords: object) -> Problem:
        """Build a problem from named dims, ``Problem.of({"M": 8, "C": 3}, stride=(2, 2))``; dims not named are 1.

        ``K`` is accepted for ``M``.
        """
        named = {("M" if k == "K" else k): v for k, v in (dims or {}).items()}
        unknown = set(named) - set(LOOP_DIMS)
        if unknown:
            raise WorkloadError(f"unknown dim '{sorted(unknown)[0]}' ({', '.join(LOOP_DIMS)})")
        if any(dim in named for dim in SLICE_DIMS):
            keywords["slices"] = tuple(int(named.get(dim, 1)) for dim in SLICE_DIMS)
        return Problem(tuple(int(named.get(d, 1)) for d in DIMS), **keywords)  # type: ignore[arg-type]

    def __getitem__(self, dim: str) -> int:
        index = DIM_INDEX[dim]
        return self.sizes[index] if index < len(DIMS) else self.slices[index - len(DIMS)]

    @property
    def bounds(self) -> tuple[int, ...]:
        """Ten ints in the order of `LOOP_DIMS`: the sizes, and the slices of a word."""
        return (*self.sizes, *self.slices)

    @property
    def slots(self) -> int:
        """Products of a slice by a slice: for each MAC as many as its two words have pairs of slices."""
        return self.macs * prod(self.slices)

    @property
    def macs(self) -> int:
        """Multiply-accumulates, padding included: the product of the eight sizes, of runs with all of their outputs."""
        n, g, m, c, _, _, r, s = self.sizes
        return n * g * m * c * r * s * prod(self.plane_outputs)

    @property
    def plane_outputs(self) -> tuple[int, int]:
        """Rows and columns of outputs."""
        return (self.runs.rows, self.runs.columns) if self.runs else (self.sizes[4], self.sizes[5])

    @property
    def touched(self) -> tuple[int, int]:
        """Rows and columns of the padded plane from the first one touched to the last."""
        (p, q), (r, s) = self.plane_outputs, self.sizes[6:]
        return (
            (p - 1) * self.stride[0] + (r - 1) * self.dilation[0] + 1,
            (q - 1) * self.stride[1] + (s - 1) * self.dilation[1] + 1,
        )

    @property
    def whole_plane(self) -> tuple[int, int]:
        """Rows and columns of the padded plane, touched or not."""
        return tuple(
            max(touched, pad + size)
            for touched, pad, size in zip(self.touched, self.pad, (self.height, self.width), strict=True)
        )  # type: ignore[return-value]

    def over_plane(self, axis: int) -> list[int]:
        """How many outputs lie over the unpadded plane, not over its padding, for each filter row (axis 1: column)."""
        step, pad, plane = self.stride[axis], self.pad[axis], (self.height, self.width)[axis]
        found = []
        for tap in range(self.sizes[6 + axis]):
            first = self.dilation[axis] * tap - pad  # the row output 0 meets
            begin, end = max(-(first // step), 0), min((plane - 1 - first) // step + 1, self.plane_outputs[axis])
            found.append(max(end - begin, 0))
        return found

    @property
    def macs_over_plane(self) -> int:
        """Multiply-accumulates whose ifmap word is no padding."""
        return prod(self.sizes[:4]) * sum(self.over_plane(0)) * sum(self.over_plane(1))

    def words(self, tensor: Tensor) -> int:
        """Distinct words of a tensor, each slice one. The ifmap counts the padded rows and columns touched."""
        n, g, m, c, _, _, r, s = self.sizes
        p, q = self.plane_outputs
        if tensor is Tensor.FILTER:
            return g * m * c * r * s * self.slices[1]
        if tensor is Tensor.PSUM:
            return n * g * m * p * q
        rows = distinct_positions(p, r, self.stride[0], self.dilation[0])
        columns = distinct_positions(q, s, self.stride[1], self.dilation[1])
        return n * g * c * rows * columns * self.slices[0]


def distinct_positions(outputs: int, taps: int, stride: int, dilation: int) -> int:
    """|{stride*i + dilation*j : i < outputs, j < taps}|: rows (columns) an ifmap tile really has, holes left out.

    Two pairs (i, j) meet in one position iff they lie (dilation/g, -stride/g) apart or a multiple of it, g the gcd of
    the two: of each such chain all pairs but one repeat another.
    """
    common = gcd(stride, dilation)
    repeated = max(outputs - dilation // common, 0) * max(taps - stride // common, 0)
    return outputs * taps - repeated
