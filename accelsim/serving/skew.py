"""Shares of unequal contexts by kind of batch, as LLMServingSim's tables have them (docs/serving.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from math import inf, isqrt

import numpy as np

from accelsim.serving.kernels.skew import AXES, Skews

CHUNK, COUNT, RATE, LONGEST, PAST, LEVER = range(AXES)
Edges = dict[int, list[float]]


@dataclass(frozen=True)
class Axis:
    """Labels of an axis and where they end. bins : one more than labels.

    A value has the first label whose end it does not exceed, or else the last.
    """

    bins: tuple[float, ...]
    labels: tuple[str, ...]

    @property
    def ends(self) -> list[float]:
        """Of all labels, the last without end."""
        return [*self.bins[1:-1], inf]


@dataclass(frozen=True)
class Skew:
    """The same share for all batches. default : 0 to 1."""

    default: float = 0.0

    def table(self) -> Skews:
        """As arrays: none by kind."""
        return Skews(np.zeros(0), np.zeros(AXES + 1, np.int64), np.zeros(0))


@dataclass(frozen=True)
class Buckets(Skew):
    """Shares by five axes. axes : `n`, `skew_rate`, `kv_big`, `kp`. cells : by tokens of prompts and four labels.

    The tokens have to be those of the cell. Where there is no cell, `default`.
    """

    axes: Mapping[str, Axis] = field(default_factory=dict)
    cells: Mapping[tuple[int, str, str, str, str], float] = field(default_factory=dict)

    def table(self) -> Skews:
        """As arrays."""
        chunks: list[float] = []
        places: dict[int, int] = {}
        for chunk in sorted({cell[0] for cell in self.cells}):
            if not chunks or chunks[-1] < chunk - 1:
                chunks.append(chunk - 1)  # those between two of the table
            places[chunk] = len(chunks)
            chunks.append(chunk)
        four = [self.axes[name] for name in ("n", "skew_rate", "kv_big", "kp")]
        edges: Edges = {CHUNK: [*chunks, inf], **{at: axis.ends for at, axis in enumerate(four, COUNT)}}
        labels = [{label: at for at, label in enumerate(axis.labels)} for axis in four]
        cells = (
            ((places[chunk], *(of[label] for of, label in zip(labels, names, strict=True)), 0), alpha)
            for (chunk, *names), alpha in self.cells.items()
        )
        return _arrays(edges, cells, self.default)


@dataclass(frozen=True)
class Anchors(Skew):
    """Shares by numbers of decodes that were measured, for each kind of prompt and lever.

    axes : `pc` (tokens of prompts), `lev`. cells : by their labels, (decodes, share) rising; the number next to a
    batch's by ratio counts, the lower of two alike. counts : least and most decodes measured; beyond them `default`.
    """

    axes: Mapping[str, Axis] = field(default_factory=dict)
    cells: Mapping[tuple[str, str], Sequence[tuple[int, float]]] = field(default_factory=dict)
    counts: tuple[int, int] = (0, 0)

    def table(self) -> Skews:
        """As arrays."""
        least, most = self.counts
        between = {isqrt(a * b) for cell in self.cells.values() for (a, _), (b, _) in pairwise(cell)}
        counts = [*sorted({least - 1, most, *(n for n in between if least <= n < most)}), inf]
        prompts, levers = self.axes["pc"], self.axes["lev"]
        cells = (
            ((pc, at, 0, 0, 0, lev), _nearest(self.cells[prompts.labels[pc], levers.labels[lev]], int(counts[at])))
            for pc, lev, at in product(range(len(prompts.labels)), range(len(levers.labels)), range(1, len(counts) - 1))
            if self.cells.get((prompts.labels[pc], levers.labels[lev]))
        )
        return _arrays({CHUNK: prompts.ends, COUNT: counts, LEVER: levers.ends}, cells, self.default)


def _nearest(cell: Sequence[tuple[int, float]], count: int) -> float:
    """The share of the number of decodes that is next by ratio."""
    at = 0
    while at + 1 < len(cell) and count * count > cell[at][0] * cell[at + 1][0]:
        at += 1
    return cell[at][1]


def _arrays(edges: Edges, cells: Iterable[tuple[tuple[int, ...], float]], default: float) -> Skews:
    own = [edges.get(axis, [inf]) for axis in range(AXES)]
    alpha = np.full([len(one) for one in own], default)
    for place, value in cells:
        alpha[place] = value
    start = np.cumsum([0, *(len(one) for one in own)]).astype(np.int64)
    return Skews(np.array([end for one in own for end in one]), start, alpha.reshape(-1))
