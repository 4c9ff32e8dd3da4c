"""What a pass costs at least, before any mapping of it is looked at: a bound that is proved, of many at once.

Of the loops above the PEs that go round more than once one is innermost. With each of its iterations every tensor that
depends on its dim has another tile in the PE. So a PE moves at least a tile of each such tensor (of an ifmap that
slides, what is new of it) for the MACs that a tile in it gives; which tiles fit a PE is known. Other tensors move each
word once. The least over all innermost loops and tiles bounds the words that cross into and out of PEs. The memory
outside them moves at least that over how many PEs can share a word, which the dims that a dataflow lays over its arrays
decide, and each word once. What a MAC reads and writes inside its PE comes on top (`ledger`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture
from accelsim.energy.table import EnergyTable
from accelsim.mapping.dataflows.dataflow import Dataflow
from accelsim.search.plan.ledger import IFMAP, PSUM, Ledger, keepers, ledger_of
from accelsim.search.space import Space
from accelsim.workload.problem import LOOP_DIMS, TENSOR_DIMS, TENSORS, Problem, Tensor

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MOST_TILES, MOST_EXTENT = 20_000, 4096
"""Tiles of a PE that are looked at, where there are more words count once; and the largest extent of a tile's plane."""
TAP = {"P": "R", "Q": "S"}
"""The dim of filter words that slides along with one of outputs."""
AXIS = {"P": 0, "R": 0, "Q": 1, "S": 1}
ALL = ""
"""The loop of a problem that has none: every tensor moves whole."""


def simple(machine: Architecture, flow: Dataflow | str, problem: Problem) -> bool:
    """Whether what a PE keeps is known of every mapping, and words are what the loops say."""
    odd = machine.slices or machine.cartesian or machine.sparsity.skip or problem.runs or problem.slices != (1, 1)
    return isinstance(flow, Dataflow) and not odd


class Floors:
    """Bounds on one machine, as passes find it. machine : with the widths of a layer, its tensors at home."""

    def __init__(self, machine: Architecture, table: EnergyTable, flow: Dataflow) -> None:
        self.machine, self.flow = machine, flow
        self.ledger: Ledger = ledger_of(machine, table, flow)
        self._moved: dict[Problem, dict[str, Floats]] = {}

    def energy(self, problems: Sequence[Problem]) -> Floats:
        """float64[problem] : none of its mappings costs less. They differ in P, Q and what of the plane they use."""
        macs = np.array([one.macs for one in problems], np.float64)
        words = np.array([[one.words(t) for t in TENSORS] for one in problems], np.float64)
        shares = self._shares(problems)
        base = macs * self.ledger.each + words @ np.array(self.ledger.once)
        least = np.full(len(problems), np.inf)
        for dim, moved in self._moved_of(problems[0]).items():
            there = np.array([self._goes_round(one, dim) for one in problems])
            if there.any():
                every = [
                    self._of_tensor(t, macs[there], words[there, t], shares[t][:, there], moved[:, t])
                    for t in range(len(TENSORS))
                ]
                least[there] = np.minimum(least[there], np.add.reduce(every).min(axis=1))
        found: Floats = base + least
        return found

    def busy(self, problems: Sequence[Problem]) -> Floats:
        """float64[problem] : cycles of the MACs where each PE that a dataflow can use has its share."""
        machine = self.machine
        space = Space(machine, problems[0], self.flow)
        pes = np.ones(len(problems))
        for f, level in enumerate(machine.levels):
            for axis, size in enumerate((level.fanout.y, level.fanout.x)):
                dims = self._dims(space, f, axis)
                pes *= size if dims is None else np.minimum(size, _extent(problems, dims))
        return np.array([one.macs for one in problems]) / (pes * machine.macs_per_cycle * max(machine.mode.macs, 1))

    def _of_tensor(self, t: int, macs: Floats, words: Floats, shares: Floats, moved: Floats) -> Floats:
        """float64[problem, tile] : energy of one tensor between PEs and the memory outside them."""
        crossed = macs[:, None] * moved[None, :]
        parent, out = self.ledger.parents[t], np.zeros(crossed.shape)
        once = words[:, None]
        for price, fanout, less in self.ledger.places[t]:
            here = np.maximum(crossed / shares[fanout - parent][:, None], once)
            out += here * price - once * less
        if t == PSUM:
            here = np.maximum(crossed / shares[self.ledger.back.fanout - parent][:, None], once)
            out += (here - once) * self.ledger.back.price
        return out

    # ---- the arrays ----------------------------------------------------------------------------------------------

    def _dims(self, space: Space, fanout: int, axis: int) -> tuple[str, ...] | None:
        """Dims that may lie along an axis of an array; None: any may."""
        if space.outer or not isinstance(self.flow, Dataflow):
            return None
        if fanout == space.axes[axis]:
            return (space.y, space.x)[axis]
        return () if not self.flow.arrays else None

    def _shares(self, problems: Sequence[Problem]) -> list[Floats]:
        """float64[fan-out, problem] by tensor: how many PEs have a word in common from each of the fan-outs on that
        lie between the memory outside the PEs and them; the last row: 1.
        """
        space, found = Space(self.machine, problems[0], self.flow), []
        # at a time PEs differ in what lies over the arrays, and hold what lies in them
        at_once = LOOP_DIMS if space.outer or self.flow.arrays else (*space.y, *space.x, *self.flow.pe)
        slide = [pair for pair in TAP.items() if set(pair) <= set(at_once)]
        for t, tensor in enumerate(TENSORS):
            parent, child = self.ledger.parents[t], self.ledger.children[t]
            out = np.ones((child - parent + 1, len(problems)))
            for f in range(child - 1, parent - 1, -1):
                fan = self.machine.levels[f].fanout if f < len(self.machine.levels) else None
                out[f - parent] = out[f - parent + 1]
                for axis, size in enumerate((fan.y, fan.x) if fan else ()):
                    dims = self._dims(space, f, axis)
                    most = size if dims is None else _sharing(problems, tensor, dims, slide)
                    out[f - parent] *= np.minimum(size, most)
            found.append(out)
        return found

    # ---- the PE --------------------------------------------------------------------------------------------------

    def _goes_round(self, problem: Problem, dim: str) -> bool:
        if dim == ALL:
            return problem.macs == 1
        return problem[dim] > 1

    def _moved_of(self, problem: Problem) -> dict[str, Floats]:
        """By the dim of the innermost loop: float64[tile, tensor], words that a PE moves for each of its MACs."""
        alike = replace(problem, sizes=(*problem.sizes[:4], 1, 1, *problem.sizes[6:]), height=1, width=1, pad=(0, 0))
        if alike not in self._moved:
            tiles = self._tiles(alike)
            found = {dim: self._per_mac(alike, tiles, dim) for dim in (*LOOP_DIMS, ALL)}
            self._moved[alike] = {dim: _least(moved) for dim, moved in found.items()}
        return self._moved[alike]

    def _tiles(self, problem: Problem) -> dict[str, Ints]:
        """Extents of the tiles of a PE that fit and are as large as may be along one dim."""
        dims = self.flow.pe
        sizes = {dim: MOST_EXTENT if dim in TAP else problem[dim] for dim in dims}
        ones = dict.fromkeys(LOOP_DIMS, np.ones(1, np.int64))
        if not dims:
            return ones
        *outer, last = sorted(dims, key=lambda dim: sizes[dim])
        grid = [np.arange(1, min(sizes[dim], self._most(problem, dim, sizes[dim])) + 1) for dim in outer]
        if prod(len(values) for values in grid) > MOST_TILES:
            # too many: tiles without bound, of which each word moves once
            return {dim: np.array([1 << 40]) if dim in dims else one for dim, one in ones.items()}
        mesh = [each.ravel() for each in np.meshgrid(*grid, indexing="ij")] if grid else []
        count = len(mesh[0]) if mesh else 1
        tiles = {dim: np.ones(count, np.int64) for dim in LOOP_DIMS} | dict(zip(outer, mesh, strict=True))
        low, high = np.zeros(count, np.int64), np.full(count, sizes[last])
        while (low < high).any():
            middle = (low + high + 1) // 2
            fits = self._fits(problem, tiles | {last: middle})
            low, high = np.where(fits, middle, low), np.where(fits, high, middle - 1)
        some = low > 0
        if not some.any():
            return ones
        return {dim: each[some] for dim, each in (tiles | {last: low}).items()}

    def _most(self, problem: Problem, dim: str, size: int) -> int:
        """The largest extent of one dim that fits with all others 1."""
        low, high = 1, size
        ones = dict.fromkeys(LOOP_DIMS, np.ones(1, np.int64))
        while low < high:
            middle = (low + high + 1) // 2
            if self._fits(problem, ones | {dim: np.array([middle])})[0]:
                low = middle
            else:
                high = middle - 1
        return low

    def _fits(self, problem: Problem, tiles: dict[str, Ints]) -> npt.NDArray[np.bool_]:
        """Whether tiles fit every memory of a PE."""
        out = np.ones(len(tiles["C"]), np.bool_)
        for bits, held in self._memories():
            taken = sum(each * _words(problem, tiles, t) for t, each in held)
            out &= np.asarray(taken) <= bits
        return out

    def _memories(self) -> Iterator[tuple[int, list[tuple[Tensor, int]]]]:
        """(bits, (tensor, bits of a word in all its slots)) of each part of the memories in a PE."""
        machine = self.machine
        for level in machine.levels[machine.pe_level :]:
            for part in level.capacity:
                held = part.tiled & level.keeps & self.flow.keeps
                yield part.free, [(t, level.slots(t) * machine.moved_bits[t]) for t in held]

    def _per_mac(self, problem: Problem, tiles: dict[str, Ints], dim: str) -> Floats:
        """float64[tile, tensor] : words that come in or go out for each MAC where `dim` goes round innermost."""
        macs = np.multiply.reduce(np.broadcast_arrays(*(tiles[d].astype(np.float64) for d in LOOP_DIMS)))
        out = np.zeros((len(macs), len(TENSORS)))
        for t, tensor in enumerate(TENSORS):
            if self.ledger.register[t]:
                out[:, t] = 1.0  # no PE keeps it: a word for each MAC
            elif dim == ALL or (dim in TENSOR_DIMS[tensor] and tensor is not Tensor.IFMAP):
                out[:, t] = _words(problem, tiles, tensor) / macs
            elif dim in TENSOR_DIMS[tensor]:
                out[:, t] = self._new(problem, tiles, dim) / macs
        return out

    def _new(self, problem: Problem, tiles: dict[str, Ints], dim: str) -> Floats:
        """Words of an ifmap's tile that were not in the one before, at least: float64[tile]."""
        whole = _words(problem, tiles, Tensor.IFMAP).astype(np.float64)
        if dim not in AXIS or not self.machine.levels[self.ledger.children[IFMAP]].halo_reuse:
            return whole
        axis = AXIS[dim]
        outputs, taps = ("P", "R") if axis == 0 else ("Q", "S")
        stride, dilation = problem.stride[axis], problem.dilation[axis]
        length = _positions(tiles[outputs], tiles[taps], stride, dilation)
        if dim in TAP:
            # a tile without holes slides by its outputs' step; one with holes has one new row or column at least
            solid = ((dilation == 1) | (tiles[taps] == 1)) & ((tiles[outputs] == 1) | (stride <= tiles[taps]))
            new = np.where(solid, np.minimum(length, tiles[outputs] * stride), 1)
        else:
            new = np.ones(len(length), np.int64)
        # as a loop begins anew another one along the axis may bring it back to where it was: at most every other time
        share = 1.0 if dim in TAP and self._held(problem, TAP[dim]) else 0.5
        return share * whole * new / length

    def _held(self, problem: Problem, taps: str) -> bool:
        """Whether a PE holds all of a filter's taps along an axis in every mapping."""
        if problem[taps] == 1:
            return True
        flow, machine = self.flow, self.machine
        if taps not in flow.pe or taps not in flow.whole:
            return False
        # `best.find` cuts whole dims where nothing fits: something does if a PE has room and no memory is in between
        tile = {dim: np.array([problem[dim] if dim in flow.pe and dim in flow.whole else 1]) for dim in LOOP_DIMS}
        outside = (keepers(machine, flow, tensor) for tensor in TENSORS)
        between = any(
            machine.home(t) < i < machine.pe_level for t, held in zip(TENSORS, outside, strict=True) for i in held
        )
        return not between and bool(self._fits(problem, tile)[0])


def _words(problem: Problem, tiles: dict[str, Ints], tensor: Tensor) -> Ints:
    """int64[tile], as `mapping.tile_words`."""
    if tensor is not Tensor.IFMAP:
        found: Ints = prod(tiles[dim] for dim in TENSOR_DIMS[tensor])  # type: ignore[assignment]
        return found
    rows = _positions(tiles["P"], tiles["R"], problem.stride[0], problem.dilation[0])
    columns = _positions(tiles["Q"], tiles["S"], problem.stride[1], problem.dilation[1])
    return tiles["N"] * tiles["G"] * tiles["C"] * rows * columns


def _positions(outputs: Ints, taps: Ints, stride: int, dilation: int) -> Ints:
    """As `problem.distinct_positions`."""
    common = int(np.gcd(stride, dilation))
    repeated = np.maximum(outputs - dilation // common, 0) * np.maximum(taps - stride // common, 0)
    found: Ints = outputs * taps - repeated
    return found


def _extent(problems: Sequence[Problem], dims: Sequence[str]) -> Floats:
    """float64[problem], iterations of some dims."""
    return np.array([float(prod(one[dim] for dim in dims)) for one in problems])


def _sharing(
    problems: Sequence[Problem], tensor: Tensor, dims: Sequence[str], slide: Sequence[tuple[str, str]]
) -> Floats:
    """float64[problem] : how many iterations of some dims have a word of a tensor in common at most.

    slide : outputs and taps of one axis that both vary at a time: else none of them meet in a row or a column.
    """
    found = _extent(problems, [dim for dim in dims if dim not in TENSOR_DIMS[tensor]])
    if tensor is Tensor.IFMAP:
        for pair in slide:
            if set(pair) & set(dims):
                found *= np.array([float(min(one[dim] for dim in pair)) for one in problems])
    return found


def _least(moved: Floats) -> Floats:
    """The rows that no other row has less of everything than."""
    rows = np.unique(moved, axis=0)
    if len(rows) > 4000:
        return rows
    kept = [k for k, row in enumerate(rows) if not (np.all(rows[:k] <= row, axis=1)).any()]
    return rows[kept]
