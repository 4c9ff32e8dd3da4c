"""Attention as a group of three, Q K^T, softmax, A V: what moves at the outermost level, and the room that takes.

The orders are those of FLAT (S.-C. Kao et al., ASPLOS 2023: rows of scores whole in the buffer) and of FlashAttention
(T. Dao et al., NeurIPS 2022: a running softmax; the first version walks columns of blocks outside, the second,
T. Dao, arXiv 2307.08691, rows). docs/attention.md works one out by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.errors import WorkloadError, nearest
from accelsim.workload.problem import COUNT_LIMIT, Tensor

RUNNING = 2
"""Words kept for each row while blocks of its scores come and go: their largest so far, and the sum of their powers."""
OUTSIDE = ("rows", "columns")
TENSORS = ("queries", "keys", "values", "outputs")
"""What an attention reads and makes; `at_home` names those that live in the buffer anyway: they do not move."""
NOWHERE: frozenset[str] = frozenset()
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Attention:
    """The attention of one head of keys and values; counts of several heads, or images, are so many times as large.

    queries, keys : positions, N and N'. width, value_width : words of a query or key, and of a value, d and d'.
    heads_on_one : query heads that share the keys and values; their rows lie position by position, head by head.
    causal : the query at position p sees the keys up to p + N' - N, and is later than all of those.
    beside : operations of a score besides its softmax: scaled, masked.

    Raises
    ------
    WorkloadError : a size below 1, a causal one with more queries than keys, counts that would pass 2^63.
    """

    queries: int
    keys: int
    width: int
    value_width: int
    heads_on_one: int = 1
    causal: bool = False
    beside: int = 0

    def __post_init__(self) -> None:
        for name in ("queries", "keys", "width", "value_width", "heads_on_one"):
            if getattr(self, name) < 1:
                raise WorkloadError(f"attention: {name} is {getattr(self, name)}; it must be at least 1")
        if self.causal and self.queries > self.keys:
            raise WorkloadError(
                f"attention: causal, but the first of {self.queries} queries sees none of {self.keys} keys"
            )
        if 8 * self.rows * self.keys * (self.width + self.value_width) >= COUNT_LIMIT:
            raise WorkloadError("attention: its counts would pass 2^63; it is refused, not wrapped")

    @property
    def rows(self) -> int:
        """Rows of scores: a query of one head each."""
        return self.heads_on_one * self.queries

    @property
    def words(self) -> int:
        """Words of keys and values."""
        return self.keys * (self.width + self.value_width)

    @property
    def least(self) -> int:
        """Words that move at the outermost level at least: queries, keys, values and outputs once each."""
        return self.rows * (self.width + self.value_width) + self.words

    @property
    def unfused(self) -> int:
        """Words that move there where the three run alone and fetch each operand once: scores four times over."""
        return self.least + 4 * self.rows * self.keys

    def seen(self, row: int) -> int:
        """Keys that a row of scores sees."""
        return self.keys - self.queries + row // self.heads_on_one + 1 if self.causal else self.keys


@dataclass(frozen=True)
class Blocks:
    """How the scores are cut, and in which order their blocks come.

    rows, columns : of a block, B_r and B_c; the last is clipped. outside : which of the two the outer loop goes over.
    whole_rows : a row of blocks is held whole, so softmax runs once; keys and values then come one after the other.
    kv_resident : keys and values lie in the buffer whole, and are fetched once.

    Raises
    ------
    WorkloadError : a size below 1, an order that there is not, whole rows with columns outside.
    """

    rows: int
    columns: int
    outside: str = "rows"
    whole_rows: bool = False
    kv_resident: bool = False

    def __post_init__(self) -> None:
        for name in ("rows", "columns"):
            if getattr(self, name) < 1:
                raise WorkloadError(f"attention: blocks of {getattr(self, name)} {name}; it must be at least 1")
        if self.outside not in OUTSIDE:
            raise WorkloadError(f"attention: outside: '{self.outside}'{nearest(self.outside, OUTSIDE)}")
        if self.whole_rows and self.outside != "rows":
            raise WorkloadError("attention: rows of scores are whole only where rows are outside")

    def clipped(self, attention: Attention) -> Blocks:
        """The same, no block larger than all there is."""
        return Blocks(
            min(self.rows, attention.rows),
            min(self.columns, attention.keys),
            self.outside,
            self.whole_rows,
            self.kv_resident,
        )


class Listed(NamedTuple):
    """Blocks of scores: rows [row, row + rows), columns [column, column + columns); each int64[block], or bool[block].

    first, last : whether it is the first, or last, of its row of blocks.
    """

    row: Ints
    rows: Ints
    column: Ints
    columns: Ints
    first: npt.NDArray[np.bool_]
    last: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Moved:
    """What a fused attention moves and does. All words, but for the last three.

    queries, keys, values : fetched from the outermost level. partials : outputs in progress with their running maximum
    and sum, written there, and as many read back. outputs : written there.
    room : of the buffer. rescalings : products by which outputs in progress are brought to a new maximum.
    macs : of all blocks, each computed whole. blocks : computed.
    """

    queries: int
    keys: int
    values: int
    partials: int
    outputs: int
    room: int
    rescalings: int
    macs: int
    blocks: int

    @property
    def reads(self) -> int:
        """Words read at the outermost level."""
        return self.queries + self.keys + self.values + self.partials

    @property
    def updates(self) -> int:
        """Words written there."""
        return self.partials + self.outputs

    @property
    def words(self) -> int:
        """Words that move there."""
        return self.reads + self.updates

    def times(self, heads: int) -> Moved:
        """The same of several heads, one after another: the room is that of one."""
        grown = {field.name: heads * getattr(self, field.name) for field in fields(self)}
        return Moved(**{**grown, "room": self.room})


@dataclass(frozen=True)
class Cut:
    """An attention in blocks.

    Attributes
    ----------
    rows : int64[row block]; its rows, rows(r).
    counts : int64[row block]; blocks of it that are computed, n(r): those not wholly masked.
    """

    attention: Attention
    blocks: Blocks

    @cached_property
    def rows(self) -> Ints:
        """Rows of each row of blocks."""
        size, whole = self.blocks.rows, self.attention.rows
        found = np.full(-(-whole // size), size, np.int64)
        found[-1] = whole - size * (len(found) - 1)
        return found

    @cached_property
    def counts(self) -> Ints:
        """Blocks computed in each row of blocks."""
        attention = self.attention
        across = -(-attention.keys // self.blocks.columns)
        if not attention.causal:
            return np.full(len(self.rows), across, np.int64)
        last = (np.cumsum(self.rows) - 1) // attention.heads_on_one
        return np.minimum(across, -(-(attention.keys - attention.queries + last + 1) // self.blocks.columns))

    @property
    def columns(self) -> Ints:
        """Columns computed in each row of blocks, cols(r)."""
        return np.minimum(self.attention.keys, self.counts * self.blocks.columns)

    @cached_property
    def listed(self) -> Listed:
        """All blocks, in order: row by row, or column by column."""
        across, many = self.counts, int(self.counts.sum())
        which = np.repeat(np.arange(len(across)), across)
        number = np.arange(many) - np.repeat(np.cumsum(across) - across, across)
        column = number * self.blocks.columns
        width = np.minimum(self.blocks.columns, self.attention.keys - column)
        row = (np.cumsum(self.rows) - self.rows)[which]
        found = Listed(row, self.rows[which], column, width, number == 0, number == across[which] - 1)
        if self.blocks.outside == "rows":
            return found
        order = np.argsort(column, kind="stable")
        return Listed._make(part[order] for part in found)


def moved(attention: Attention, blocks: Blocks, at_home: frozenset[str] = NOWHERE) -> Moved:
    """What one head moves, in closed form.

    at_home : see `TENSORS`. Raises WorkloadError for another name, and for outputs at home that would leave before they
    are done.

    Blocks are fetched anew for each row (column) of blocks, but one that is the only one of its kind stays in place:
    keys and values with rows outside, queries and outputs with columns outside.
    """
    cut = Cut(attention, blocks.clipped(attention))
    blocks, rows, d, e = cut.blocks, attention.rows, attention.width, attention.value_width
    check_home(attention, blocks, at_home)
    computed = int(cut.counts.sum())
    visits = int((cut.rows * cut.counts).sum())
    columns, partials, queries = attention.keys, 0, rows * d
    stays = blocks.kv_resident or (not blocks.whole_rows and blocks.columns == attention.keys)
    if blocks.outside == "rows":
        if not stays:
            columns = int(cut.columns.sum())
    elif blocks.rows < rows:
        queries, partials = visits * d, (visits - rows) * (e + RUNNING)
    return Moved(
        queries=0 if "queries" in at_home else queries,
        keys=0 if "keys" in at_home else columns * d,
        values=0 if "values" in at_home else columns * e,
        partials=partials,
        outputs=0 if "outputs" in at_home else rows * e,
        room=sum(held(attention, blocks, at_home=at_home)),
        rescalings=0 if blocks.whole_rows else (visits - rows) * e,
        macs=int((cut.rows * cut.columns).sum()) * (d + e),
        blocks=computed,
    )


class Room(NamedTuple):
    """Words of the buffer: of queries, of keys and values, of scores and outputs (which are psums while they are made).

    Scores are wider while they are psums than as they are read; outputs, and their running maximum and sum, are psums
    until they leave.
    """

    ifmap: int
    filter: int
    psum: int

    def bits(self, widths: Mapping[Tensor, int]) -> int:
        """Bits, with words of these widths."""
        return sum(words * widths[tensor] for words, tensor in zip(self, Tensor, strict=True))


def held(attention: Attention, blocks: Blocks, double: bool = False, at_home: frozenset[str] = NOWHERE) -> Room:
    """A block of queries, scores and outputs, and the keys and values that are there at a time.

    double : the next block's operands come, and the last one's outputs leave, while one is computed: two of each, but
    of scores, and of keys and values that are resident. at_home : need no room here, they have it whole.
    """
    twice = 2 if double else 1
    widths = {"queries": attention.width, "keys": attention.width}
    widths |= {"values": attention.value_width, "outputs": attention.value_width}
    q, k, v, o = (0 if name in at_home else widths[name] for name in TENSORS)
    if blocks.whole_rows:
        sums, columns = attention.keys + twice * o, max(k, v)
    else:
        # with columns outside the running maximum and sum come and go with the outputs
        running = twice * RUNNING if blocks.outside == "columns" else RUNNING
        sums, columns = blocks.columns + twice * o + running, k + v
    second = attention.keys * (k + v) if blocks.kv_resident else twice * blocks.columns * columns
    return Room(blocks.rows * twice * q, second, blocks.rows * sums)


def room(attention: Attention, blocks: Blocks, double: bool = False) -> int:
    """Words of the buffer, see `held`."""
    return sum(held(attention, blocks, double))


def check_home(attention: Attention, blocks: Blocks, at_home: frozenset[str]) -> None:
    """Raise WorkloadError for a name that is no tensor of an attention, or outputs that leave before they are done."""
    for name in sorted(at_home - {*TENSORS}):
        raise WorkloadError(f"attention: at home: '{name}'{nearest(name, TENSORS)}")
    if "outputs" in at_home and blocks.outside == "columns" and blocks.rows < attention.rows:
        raise WorkloadError(
            "attention: outputs live in the buffer, but with columns outside those in progress would leave it; take "
            "rows outside, or all rows in a block"
        )
