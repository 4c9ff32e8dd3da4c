"""A layer that hands each finished tile of its ofmap to pooling, an addition or a function of words (FUSION, F8).

The tile lies in the buffer, its sums are complete, and on its way out it passes through the vector unit: what leaves is
the last output's part of it. Nothing else of the layer changes. Here is geometry: which mappings do so, and how many
words each tile brings; `handed` counts and times them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Buffer
from accelsim.engine.fused.group import Group, Op, Pair
from accelsim.engine.fused.passes import epilogues, hands_over
from accelsim.engine.program import Program
from accelsim.errors import MappingError
from accelsim.mapping.mapping import LoopNest, kept, tile_sizes
from accelsim.workload.problem import DIM_INDEX, REDUCTION_DIMS, TENSOR_DIMS, Problem, Tensor

Ints = npt.NDArray[np.int64]
Sizes = tuple[Ints, Ints]
OWN = TENSOR_DIMS[Tensor.PSUM]
"""The dims that cut an ofmap: N, G, M, P, Q."""


class Operand(NamedTuple):
    """What an operation of the chain reads beside the tile.

    place : of the operation in the chain. channels : read; 1: the same for all. plane : (rows, columns) of the tensor.
    """

    place: int
    tensor: str
    channels: int
    plane: Pair


@dataclass(frozen=True)
class Epilogue:
    """A layer and those that take its tiles over, one after another.

    maker : multiplies. ops : the others, in run order; the last one makes what leaves. operands : see `Operand`.
    at_home : operands that live in the buffer. stays : the last output lives there. leaves : it is written to the
    outermost level.

    Raises
    ------
    MappingError : a layer that cannot take tiles over, or reads more beside them than channel by channel.
    """

    maker: Op
    ops: tuple[Op, ...]
    operands: tuple[Operand, ...] = ()
    at_home: frozenset[str] = frozenset()
    stays: bool = False
    leaves: bool = True

    @staticmethod
    def of(group: Group, at_home: frozenset[str] = frozenset(), stays: bool = False, leaves: bool = True) -> Epilogue:
        """Of a group whose first layer multiplies and whose others take its tiles over."""
        maker, *ops = group.ops
        if not maker.multiplies:
            raise MappingError(f"'{maker.name}' ({maker.kind}) does not multiply: it has no tiles to hand on")
        if maker.dynamic:
            raise MappingError(f"'{maker.name}' multiplies by '{maker.dynamic}', an activation: it hands no tiles on")
        if not ops:
            raise MappingError(f"'{maker.name}' is the group's only layer that computes: nothing takes its tiles over")
        taken = epilogues(group)[maker.name]
        for before, op in zip(group.ops, ops, strict=False):
            if op.name not in taken:
                raise MappingError(why_not(before, op))
        operands = [
            Operand(place, read.tensor, len(read.channels), group.planes[group.number[read.tensor]])
            for place, (before, op) in enumerate(zip(group.ops, ops, strict=False))
            for read in op.reads
            if read.tensor != before.name
        ]
        for one in operands:
            op = ops[one.place]
            if one.channels not in (1, op.channels):
                raise MappingError(
                    f"'{op.name}' reads {one.channels} channels of '{one.tensor}' beside {op.channels} of its own: in "
                    "an epilogue it takes as many, or one"
                )
        return Epilogue(maker, tuple(ops), tuple(operands), at_home, stays, leaves)

    @property
    def last(self) -> Op:
        """What makes the words that leave."""
        return self.ops[-1]

    @cached_property
    def steps(self) -> Pair:
        """(rows, columns) of the ofmap in whose multiples tiles begin: no window then lies in two of them."""
        return prod(op.stride[0] for op in self.ops), prod(op.stride[1] for op in self.ops)

    def made(self, axis: int, begin: Ints, end: Ints) -> list[tuple[Ints, Ints]]:
        """[begin, end) along rows (0) or columns (1) of what each operation makes of tiles [begin, end)."""
        found, size = [], self.maker.plane[axis]
        for op in self.ops:
            out = op.plane[axis]
            # the last tile goes as far as there are outputs, one behind it makes none; other tiles' windows end inside
            begin, end = (np.where(at >= size, out, np.minimum(at // op.stride[axis], out)) for at in (begin, end))
            found.append((begin, end))
            size = out
        return found

    def planes(self, tile: list[tuple[Ints, Ints]]) -> list[Sizes]:
        """(rows, columns) that each operation makes of tiles [begin, end), given for either axis."""
        made = (self.made(axis, *interval) for axis, interval in enumerate(tile))
        return [(rows[1] - rows[0], columns[1] - columns[0]) for rows, columns in zip(*made, strict=True)]

    def read(self, one: Operand, images: Ints, channels: Ints, planes: list[Sizes]) -> Ints:
        """int64[tile], words of an operand; an axis of one word goes with all words of the operation's."""
        op, found = self.ops[one.place], images * (channels if one.channels == self.ops[one.place].channels else 1)
        for size, own, whole in zip(planes[one.place], one.plane, op.plane, strict=True):
            found = found * (np.minimum(size, 1) if own == 1 != whole else size)
        return found

    def refuse(self, machine: Architecture, nest: LoopNest, problem: Problem, home: int) -> None:
        """Raise MappingError for a mapping under which tiles of a level are not finished, or cut windows."""
        name = machine.levels[home].name
        if not kept(machine, nest, home, Tensor.PSUM):
            raise MappingError(f"{name}: psums pass it by; an epilogue takes tiles over that lie there")
        between = [
            spec.name for i, spec in enumerate(machine.levels) if 0 < i < home and kept(machine, nest, i, Tensor.PSUM)
        ]
        if between:
            raise MappingError(
                f"{name}: tiles go from there to {between[0]}; an epilogue takes over what leaves the chip"
            )
        if machine.levels[home].buffering(Tensor.PSUM) is Buffer.STREAM:
            raise MappingError(f"{name}: psums stream through it; an epilogue takes whole tiles over")
        above = [
            (spec.name, kind, loop) for spec in machine.levels[:home] for kind, loop in nest.level(spec.name).loops
        ]
        above = [one for one in above if one[2].factor > 1]
        for where, kind, loop in above:
            if kind != "temporal":
                raise MappingError(f"{where}: {loop} is spatial above {name}: each of several buffers has a part of it")
        own = [k for k, (_, _, loop) in enumerate(above) if loop.dim in OWN]
        for where, _, loop in above[: own[-1]] if own else ():
            if loop.dim in REDUCTION_DIMS:
                raise MappingError(
                    f"{where}: {loop} goes round {above[own[-1]][2]}: tiles leave {name} unfinished, and an epilogue "
                    f"takes finished ones over; put {loop} inside"
                )
        tile = tile_sizes(machine, nest, problem, home)
        for dim, axis in (("P", 0), ("Q", 1)):
            step = 1
            for op in self.ops:
                step *= op.stride[axis]
                if tile[dim] % step and tile[dim] < problem[dim]:
                    raise MappingError(
                        f"{name}: tiles of {dim}{tile[dim]} cut windows of '{op.name}', which takes {step} at a time"
                    )


def why_not(before: Op, op: Op) -> str:
    """Why one layer cannot take tiles of the one before over."""
    where = f"'{op.name}' ({op.kind}) cannot take tiles of '{before.name}' over"
    if before.name not in {read.tensor for read in op.reads}:
        return f"{where}: it does not read them"
    if not hands_over(op=before, reader=op):
        if op.kind == "pool":
            return f"{where}: its windows overlap, or have padding"
        if op.kind in ("add", "elementwise"):
            return f"{where}: it does not read each word of them once"
        return f"{where}: pooling without overlap, additions and functions of words can"
    return f"{where}: others read them too"


@dataclass(frozen=True)
class Tiles:
    """What each tile brings, in the order in which they leave. All int64[tile], words.

    whole : of the maker's ofmap. out : of the last output. operands : of each operand. operations : of all layers.
    """

    whole: Ints
    out: Ints
    operands: tuple[Ints, ...]
    operations: Ints


class Made(NamedTuple):
    """What one operation of the chain makes of each tile, and does for it. All int64[tile]."""

    words: Ints
    operations: Ints


def made_of(epilogue: Epilogue, program: Program, home: int) -> tuple[Made, ...]:
    """Of each operation what it makes of the tiles of a mapping, in the order in which they leave."""
    begin, size = _boxes(program, home)
    return tuple(_made(epilogue, size, epilogue.planes([(begin[dim], begin[dim] + size[dim]) for dim in "PQ"])))


def _made(epilogue: Epilogue, size: dict[str, Ints], planes: list[Sizes]) -> Iterator[Made]:
    channels = size["G"] * size["M"]
    for op, (rows, columns) in zip(epilogue.ops, planes, strict=True):
        each = size["N"] * rows * columns
        yield Made(each * channels, each * -(-op.operations * channels // op.channels))


def tiles_of(epilogue: Epilogue, program: Program, home: int) -> Tiles:
    """The tiles of a mapping that `Epilogue.refuse` has let pass."""
    begin, size = _boxes(program, home)
    channels, many = size["G"] * size["M"], size["N"] * size["G"] * size["M"]
    planes = epilogue.planes([(begin[dim], begin[dim] + size[dim]) for dim in "PQ"])
    operations = np.zeros_like(many)
    for one in _made(epilogue, size, planes):
        operations += one.operations
    rows, columns = planes[-1]
    operands = tuple(epilogue.read(one, size["N"], channels, planes) for one in epilogue.operands)
    return Tiles(many * size["P"] * size["Q"], many * rows * columns, operands, operations)


def largest(epilogue: Epilogue, machine: Architecture, nest: LoopNest, problem: Problem, home: int) -> int:
    """Words of operands that have room beside the tile: each comes as its tile leaves, the first is a largest one."""
    tile = tile_sizes(machine, nest, problem, home)
    zero, n, channels = np.zeros(1, np.int64), np.array([tile["N"]]), np.array([tile["G"] * tile["M"]])
    planes = epilogue.planes([(zero, np.array([tile[dim]])) for dim in "PQ"])
    return sum(int(epilogue.read(one, n, channels, planes)[0]) for one in epilogue.operands)


def _boxes(program: Program, home: int) -> tuple[dict[str, Ints], dict[str, Ints]]:
    """Where each tile of psums begins along N, G, M, P, Q, and how far it goes: int64[tile], in nest order."""
    names = {DIM_INDEX[dim]: dim for dim in OWN}
    loops = [row for row in program.loops.tolist() if row[3] < home and not row[2] and row[0] in names]
    sizes = tile_sizes(program.architecture, program.nest, program.problem, home)
    begin = {dim: np.zeros(1, np.int64) for dim in OWN}
    for d, factor, _, _, step in loops:
        for dim in OWN:
            more = np.arange(factor) * step if dim == names[d] else np.zeros(factor, np.int64)
            begin[dim] = (begin[dim][:, None] + more[None]).reshape(-1)
        inside = begin[names[d]] < program.problem[names[d]]
        begin = {dim: one[inside] for dim, one in begin.items()}
    return begin, {dim: np.minimum(sizes[dim], program.problem[dim] - one) for dim, one in begin.items()}
