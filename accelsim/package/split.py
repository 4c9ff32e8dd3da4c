"""A layer cut into parts, one for each of several cores, and the words that they take from each other (C2, C3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import prod

from accelsim.errors import MappingError, nearest
from accelsim.workload.problem import Problem

SPLIT_DIMS = ("N", "G", "M", "P", "Q", "C")
"""What a layer may be split over, the outermost of the order of parts first."""
Span = tuple[int, int]
"""First, and one behind the last."""


def blocks(size: int, factor: int) -> tuple[Span, ...]:
    """The blocks of a dim: ceil(size / factor) each, the last one clipped, empty ones left out."""
    each = -(-size // factor)
    return tuple((first, min(first + each, size)) for first in range(0, size, each))


@dataclass(frozen=True)
class Part:
    """What one core computes. spans : of each dim of `SPLIT_DIMS`. problem : the same as an ordinary layer.

    owner : index of the part that its sums end in: itself, but for parts behind the first block of C.
    """

    index: int
    spans: Mapping[str, Span]
    problem: Problem
    owner: int

    def __hash__(self) -> int:
        return hash((self.index, self.problem))

    @property
    def owns(self) -> bool:
        """Whether its outputs are final."""
        return self.owner == self.index


@dataclass(frozen=True)
class Cut:
    """A layer and how it is split. factors : of the dims named; the others stay whole.

    Raises MappingError for a dim that cannot be split, a factor below 1, runs of pixels, and sums that begin in memory
    split over C.
    """

    problem: Problem
    factors: Mapping[str, int]

    def __post_init__(self) -> None:
        for dim, factor in self.factors.items():
            if dim not in SPLIT_DIMS:
                raise MappingError(f"split: a layer is not split over '{dim}'{nearest(dim, SPLIT_DIMS)}")
            if factor < 1:
                raise MappingError(f"split: {dim}: must be at least 1, got {factor}")
        if self.problem.runs and self.count > 1:
            raise MappingError("split: outputs that are runs of pixels are not split; split the layer before")
        if (self.problem.added or self.problem.bias) and self.parts_of("C") > 1:
            raise MappingError("split: C: sums that begin with words of memory are not split over C")

    def __hash__(self) -> int:
        return hash((self.problem, tuple(sorted(self.factors.items()))))

    def parts_of(self, dim: str) -> int:
        """Blocks of a dim that are not empty."""
        return len(blocks(self.problem[dim], self.factors.get(dim, 1)))

    @property
    def count(self) -> int:
        """Parts."""
        return prod(self.parts_of(dim) for dim in SPLIT_DIMS)

    @property
    def text(self) -> str:
        """`N2 M4`; of a whole layer `whole`."""
        return " ".join(f"{dim}{n}" for dim in SPLIT_DIMS if (n := self.parts_of(dim)) > 1) or "whole"

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """All of them, N outermost, then G, M, P, Q, C."""
        spans = [blocks(self.problem[dim], self.factors.get(dim, 1)) for dim in SPLIT_DIMS]
        reductions = len(spans[-1])
        found = []
        for index, chosen in enumerate(product(*spans)):
            own = dict(zip(SPLIT_DIMS, chosen, strict=True))
            found.append(Part(index, own, part_problem(self.problem, own), index - index % reductions))
        return tuple(found)

    def replication(self, dims: tuple[str, ...]) -> int:
        """How often a tensor of these dims is read where each part reads its own (C4): blocks of dims foreign to it."""
        return prod(self.parts_of(dim) for dim in SPLIT_DIMS if dim not in dims)


def part_problem(whole: Problem, spans: Mapping[str, Span]) -> Problem:
    """The part of a layer as a layer: sizes of its spans, and of the ifmap the rows and columns from its first on."""
    if all(spans[dim] == (0, whole[dim]) for dim in SPLIT_DIMS):
        return whole
    sizes = {dim: spans[dim][1] - spans[dim][0] for dim in SPLIT_DIMS}
    rows, columns = (_window(whole, axis, spans["PQ"[axis]]) for axis in (0, 1))
    return replace(
        whole,
        sizes=tuple(sizes.get(dim, whole[dim]) for dim in ("N", "G", "M", "C", "P", "Q", "R", "S")),
        pad=(rows[0], columns[0]),
        height=rows[1],
        width=columns[1],
    )


def _window(whole: Problem, axis: int, span: Span) -> tuple[int, int]:
    """Pad before the first row (column) of a part, and how many rows of the plane it has."""
    step, pad, plane = whole.stride[axis], whole.pad[axis], (whole.height, whole.width)[axis]
    reach = (whole["RS"[axis]] - 1) * whole.dilation[axis] + 1
    first, last = span[0] * step - pad, (span[1] - 1) * step - pad + reach
    if first >= plane:
        # all behind the plane: its windows see zeros alone, as many rows of them before a plane they never reach
        return last - first, 1
    begin = max(first, 0)
    end = plane if span[1] == whole["PQ"[axis]] else min(last, plane)
    return max(-first, 0) if end > begin else last - first, max(end - begin, 1)


def whole_part(problem: Problem) -> Part:
    """All of a layer as its only part."""
    return Part(0, {dim: (0, problem[dim]) for dim in SPLIT_DIMS}, problem, 0)


Box = tuple[Span, Span, Span, Span]
"""Images, channels, rows and columns of a feature map."""


def owned(cut: Cut, part: Part) -> Box | None:
    """The part of the ofmap that a part ends up with; None where its sums end in another one.

    Groups and channels are one axis; of several whole groups, or of channels of one group, they are an interval.
    Raises MappingError where they are none.
    """
    if not part.owns:
        return None
    channels = _channels(cut.problem, part.spans["G"], part.spans["M"], "M")
    return part.spans["N"], channels, part.spans["P"], part.spans["Q"]


def _channels(problem: Problem, groups: Span, inside: Span, dim: str) -> Span:
    size = problem[dim]
    if inside == (0, size):
        return groups[0] * size, groups[1] * size
    if groups[1] - groups[0] > 1:
        raise MappingError(
            f"split: {dim} of a layer of several groups is split only where each part holds one group or all of {dim}"
        )
    return groups[0] * size + inside[0], groups[0] * size + inside[1]


def needed(problem: Problem, part: Part) -> tuple[Span, Span, list[bool], list[bool]]:
    """What a part reads of the ifmap: images, channels, and which rows and columns of the plane are marked."""
    channels = _channels(problem, part.spans["G"], part.spans["C"], "C")
    return part.spans["N"], channels, _marked(problem, 0, part.spans["P"]), _marked(problem, 1, part.spans["Q"])


def _marked(problem: Problem, axis: int, span: Span) -> list[bool]:
    plane = (problem.height, problem.width)[axis]
    marks = [False] * plane
    for output in range(*span):
        for tap in range(problem["RS"[axis]]):
            position = output * problem.stride[axis] + tap * problem.dilation[axis] - problem.pad[axis]
            if 0 <= position < plane:
                marks[position] = True
    return marks


def exchanged(first: Cut, second: Cut) -> dict[tuple[int, int], int]:
    """Words of a feature map that parts of the layer that reads it take from parts of the one that wrote it.

    (part of `first`, part of `second`) -> words, those that are not zero. All of them: what stays on one core is left
    out by who knows which core has which part.
    """
    boxes = [(part.index, box) for part in first.parts if (box := owned(first, part)) is not None]
    found = {}
    for part in second.parts:
        images, channels, rows, columns = needed(second.problem, part)
        before = [_sums(marks) for marks in (rows, columns)]
        for index, (n, c, h, w) in boxes:
            words = _overlap(n, images) * _overlap(c, channels)
            for span, sums in zip((h, w), before, strict=True):
                low, high = (min(max(at, 0), len(sums) - 1) for at in span)
                words *= max(sums[high] - sums[low], 0)
            if words:
                found[index, part.index] = words
    return found


def _overlap(one: Span, other: Span) -> int:
    return max(min(one[1], other[1]) - max(one[0], other[0]), 0)


def _sums(marks: list[bool]) -> list[int]:
    found = [0]
    for mark in marks:
        found.append(found[-1] + mark)
    return found


def partial_sums(cut: Cut) -> int:
    """Words of sums that go to their owners, each added there once: (blocks of C - 1) times all outputs."""
    n, g, m, _, p, q = (cut.problem[dim] for dim in ("N", "G", "M", "C", "P", "Q"))
    return (cut.parts_of("C") - 1) * n * g * m * p * q
