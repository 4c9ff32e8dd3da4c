"""The passes of a fused group: one operation on one tile, as an ordinary problem.

P and Q are what its output makes, height and width the interval that this operation uses, clipped to the plane: not the
hull of all readers of a tensor, which computes wrong values. Zeros before it are those that clipping cut off. A pass is
mapped, counted and timed as a layer on the machine without its outermost level; one that makes nothing is none.
Where a filter comes in slices of its output channels (`Tiling.cut`) each slice is a pass, and reads the input anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from accelsim.engine.fused.group import MULTIPLYING, WINDOWED, Group, Op, Pair, Read
from accelsim.engine.fused.storage import Measured
from accelsim.engine.nest.intervals import Along
from accelsim.workload.problem import Problem


class Pass(NamedTuple):
    """What is alike in some tiles of an operation.

    problem : None of one that does not multiply. plane : (rows, columns) it makes. runs : how often, of all images.
    reads : words of its own intervals, each once. writes : words it makes. operations : that are no MACs.
    Of a slice of a filter (M of `problem`) writes are its own, reads those of every slice.
    """

    op: str
    problem: Problem | None
    plane: tuple[int, int]
    runs: int
    reads: int
    writes: int
    operations: int


def passes(measured: Measured) -> tuple[Pass, ...]:
    """Every distinct pass of a group, in run order of its operations, then by rows, columns and slices."""
    return tuple(one for place in range(len(measured.group.ops)) for one in passes_of(measured, place))


def passes_of(measured: Measured, place: int) -> list[Pass]:
    """Every distinct pass of one operation, by its place among those of the group."""
    group = measured.group
    op, number, images, known = group.ops[place], len(group.sources) + place, group.images, group.met
    slices = measured.tiling.slices(op)
    rows, columns = (
        along.passes(number, links)
        for along, links in zip((measured.rows, measured.columns), group.reading[place], strict=True)
    )
    found = []
    for down, many in rows:
        for across, times in columns:
            for outer, blocks in slices:
                key = number, down, across, outer
                one = known.get(key)
                if one is None:
                    one = known[key] = _pass(op, down, across, outer)
                found.append(one._replace(runs=many * times * images * blocks))
    return found


def _pass(op: Op, rows: Along, columns: Along, outer: int) -> Pass:
    """One that never runs. outer : output channels of one group; of a slice not all."""
    (high, of_rows), (wide, of_columns) = rows, columns
    reads = 0
    for read, (down, _), (across, _) in zip(op.reads, of_rows, of_columns, strict=True):
        reads += len(read.channels) * down * across
    problem = None
    if op.multiplies:
        (height, top), (width, left) = of_rows[0], of_columns[0]
        sizes = (op.shared, op.groups, outer, op.inner, high, wide, *op.kernel)
        steps = op.stride, op.dilation, (top, left)
        problem = _problem(sizes, *steps, height, width, bool(op.dynamic), op.bias)
    writes = op.channels // op.outer * outer * high * wide
    return Pass(op.name, problem, (high, wide), 0, reads, writes, op.operations * high * wide)


@lru_cache(maxsize=1 << 15)
def _problem(sizes: tuple[int, ...], stride: Pair, dilation: Pair, pad: Pair, height: int, width: int, dynamic: bool,
             bias: bool) -> Problem:  # fmt: skip
    """The same object for the same pass: many tilings have it."""
    return Problem(sizes, stride, dilation, pad, height, width, dynamic_filter=dynamic, bias=bias)


# ---- epilogues -------------------------------------------------------------------------------------------------------


def epilogues(group: Group) -> dict[str, tuple[str, ...]]:
    """{operation that multiplies: those that may take each tile of it over}, in run order; empty: none may.

    A layer whose psums finish in the buffer's tile may hand each tile to pooling without overlap, an add or an
    elementwise operation, and that one to the next, where nobody else reads it and they run one after another.
    """
    readers: dict[str, list[Op]] = {name: [] for name in group.tensors}
    for op in group.ops:
        for name in dict.fromkeys(read.tensor for read in op.reads):
            readers[name].append(op)
    after = dict(zip((op.name for op in group.ops), group.ops[1:], strict=False))
    found = {}
    for op in group.ops:
        if op.kind in MULTIPLYING:
            chain, last = [], op
            while readers[last.name] == [after.get(last.name)] and hands_over(last, after[last.name]):
                last = after[last.name]
                chain.append(last.name)
            found[op.name] = tuple(chain)
    return found


def hands_over(op: Op, reader: Op) -> bool:
    """Whether a reader can take tiles of an operation over, channel by channel: windows that do not overlap."""
    mine = [read for read in reader.reads if read.tensor == op.name]
    if mine != [Read(op.name, range(op.channels))] or reader.channels != op.channels:
        return False
    if reader.kind in ("add", "elementwise"):
        return reader.plane == op.plane
    return reader.kind == "pool" and not any(reader.pad) and _apart(reader)


def _apart(op: Op) -> bool:
    """Whether no word is in two windows."""
    axes: Iterable[tuple[int, int, int]] = zip(op.kernel, op.stride, op.dilation, strict=True)
    return op.kind in WINDOWED and all((taps - 1) * gap < step for taps, step, gap in axes)
