"""Zeros in the cycle evaluator: how long steps take, and which operands are read (docs/model.md, "Zeros")."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Format, Pairing
from accelsim.engine.limits import refuse_bytes
from accelsim.engine.nest.kernels.records import NDIMS
from accelsim.engine.program import OPERAND, PSUM, Ints, Program
from accelsim.engine.zeros.kernels import slots as kernel
from accelsim.engine.zeros.kernels.fresh import Inside
from accelsim.sparsity.masks import Mask, Masks, refuse_words, shape_of
from accelsim.workload.problem import DIM_INDEX, REDUCTION_DIMS, TENSOR_DIMS, TENSORS, Tensor

Floats = npt.NDArray[np.floating]
Flags = npt.NDArray[np.uint8]
PIXEL, CHANNEL = ("N", "P", "Q"), ("M",)
TAP = ("G", "IB", "WB", "C", "R", "S")
"""A group, and the axes of what is added up in it."""
OF_IFMAP, OF_FILTER = TAP.index("IB"), TAP.index("WB")
ENTRIES = 1 << 18
"""Seen words worked on at once: what fits a cache."""
IMAGES = 1 << 22
"""Ifmap words unpacked at a time."""
EXACT = 1 << 24
"""Integers below are exact in float32."""


class Tiles:
    """The tiles of all steps and PEs, dim by dim: bases of the temporal and of the spatial combinations."""

    def __init__(self, program: Program) -> None:
        self.program = program
        loops = program.loops
        self.steps = program.step_loops
        self.size = np.ones(NDIMS, np.int64)
        for dim, factor, kind, level, _ in loops:
            if kind == 0 and level >= program.inside:
                self.size[dim] *= factor
        self.temporal = [self.bases(dim, self.steps) for dim in range(NDIMS)]
        self.spatial = [self.bases(dim, loops[loops[:, 2] == 1]) for dim in range(NDIMS)]

    @staticmethod
    def bases(dim: int, loops: Ints) -> Ints:
        """Bases of every combination of a dim's loops, slow to fast, those past the problem's edge among them."""
        bases = np.zeros(1, np.int64)
        for _, factor, _, _, step in loops[loops[:, 0] == dim]:
            bases = (bases[:, None] + np.arange(factor) * step).reshape(-1)
        return bases

    def combined(self, dims: tuple[str, ...]) -> Ints:
        """int64[spatial, temporal, dim]: bases of a group of dims, all combinations."""
        ids = [DIM_INDEX[dim] for dim in dims]
        outer = np.array(list(product(*(self.spatial[d] for d in ids))), np.int64)
        grid = np.meshgrid(*(self.temporal[d] for d in ids), indexing="ij")
        inner = np.stack([axis.reshape(-1) for axis in grid], axis=1)
        return outer[:, None, :] + inner[None, :, :]

    def number(self, dims: tuple[str, ...]) -> int:
        """Temporal combinations of a group of dims."""
        return int(np.prod([len(self.temporal[DIM_INDEX[d]]) for d in dims]))

    def strides(self) -> Ints:
        """Per loop of the steps, how far one iteration moves in a table [taps, channels, pixels] of all steps."""
        far = np.zeros(len(self.steps), np.int64)
        running = 1
        for dims in (PIXEL, CHANNEL, TAP):
            for dim in reversed(dims):
                for row in reversed(range(len(self.steps))):
                    if self.steps[row, 0] == DIM_INDEX[dim]:
                        far[row] = running
                        running *= int(self.steps[row, 1])
        return far


class Lengths:
    """Cycles of every step of one layer on a machine whose PEs skip zeros."""

    def __init__(self, program: Program, masks: Masks, slots: Slots) -> None:
        refuse_words(program.problem, (Tensor.IFMAP, Tensor.FILTER))
        self.program, self.tiles, self.slots = program, Tiles(program), slots
        self.sparsity = program.architecture.sparsity
        steps = prod(len(bases) for bases in self.tiles.temporal)
        pes = prod(len(bases) for bases in self.tiles.spatial) if self.sparsity.drift > 1 else 1
        refuse_bytes(steps * (8 * pes + 8), f"cycles of {steps:.1e} steps of {pes} PEs")
        self.lanes = program.architecture.macs_per_cycle
        self.ifmap, self.filter = (masks.words(program.problem, t) for t in (Tensor.IFMAP, Tensor.FILTER))
        self.taps, self.pixels = self.tiles.combined(TAP), self.tiles.combined(PIXEL)
        self.channels = np.ascontiguousarray(self.tiles.combined(CHANNEL)[:, :, 0].T)
        bound = int(np.prod(self.tiles.size)) * 2
        self.kind = np.dtype(np.float32 if bound < EXACT else np.float64)
        self.busy = 0
        self.memory: dict[str, Floats] = {}

    def of_steps(self, steps: int, begins: Ints) -> Ints:
        """int64[step] cycles; `busy` then holds the cycles of all PEs added up. begins : first steps of the passes."""
        shape = tuple(self.tiles.number(dims) for dims in (TAP, CHANNEL, PIXEL))
        by_output = self.sparsity.pairing is Pairing.OUTPUT
        columns = None if by_output else self._columns()
        if columns is not None:
            self.busy = self._busy(columns)
        if self.sparsity.drift > 1:
            return self._drifting(steps, begins, shape, columns)
        table = np.empty(shape, self.kind)
        width, depth = self._block(shape)
        for at in range(0, shape[2], width):
            pixels = self.pixels[:, at : at + width]
            for k in range(0, shape[0], depth):
                taps = self.taps[:, k : k + depth].transpose(1, 0, 2)
                most = np.empty((len(taps), shape[1], pixels.shape[1]), self.kind)
                if columns is None:
                    cycles = self._by_output(taps, pixels)
                    self.busy += int(cycles.sum(dtype=np.float64))
                    kernel.slowest(cycles, most)
                else:
                    kernel.slowest(self._by_column(taps, pixels, columns), most)
                table[k : k + depth, :, at : at + width] = most
        return self._ordered(table.reshape(-1), steps)

    def _drifting(self, steps: int, begins: Ints, shape: tuple[int, ...], columns: Ints | None) -> Ints:
        taps, pixels = self.taps.transpose(1, 0, 2), self.pixels
        if columns is None:
            cycles = self._by_output(taps, pixels)
            self.busy = int(cycles.sum(dtype=np.float64))
        else:
            cycles = self._by_column(taps, pixels, columns)
        at = np.stack(np.unravel_index(self._ordered(np.arange(int(np.prod(shape))), steps), shape), axis=1)
        out = np.empty(steps, np.int64)
        kernel.drift_apart(np.ascontiguousarray(cycles), at, begins, min(self.sparsity.drift, steps + 1), out)
        return out

    def _busy(self, columns: Ints) -> int:
        """Cycles of all PEs: what every tap sees in the whole layer, times its columns."""
        seen = self.slots.seen
        if Tensor.IFMAP not in self.sparsity.skip:
            seen = np.full_like(seen, self.slots.pixels)
        return int((seen * columns.sum(axis=1).reshape(self.slots.stored.shape)).sum())

    def _ordered(self, table: npt.NDArray[np.generic], steps: int) -> Ints:
        out = np.empty(steps, np.int64)
        kernel.order_steps(
            np.ascontiguousarray(self.tiles.steps[:, [0, 1, 4]]), self.tiles.strides(), self.program.bounds, table, out
        )
        return out

    def _block(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """(pixels, taps) of a block of the work that fits a cache."""
        spatial = self.taps.shape[0] * self.pixels.shape[0]
        inside = int(np.prod(self.tiles.size[[DIM_INDEX[d] for d in TAP]]))
        each = spatial * max(inside, self.channels.size)
        if self.sparsity.pairing is Pairing.OUTPUT:
            # bits, or a few numbers per tile of channels
            each = spatial * max(-(-inside // 16), self.channels.size * (self.lanes + self.sparsity.queue))
        width = max(1, min(shape[2], ENTRIES // each))
        return width, max(1, min(shape[0], ENTRIES // (each * width)))

    def _columns(self) -> Ints:
        program = self.program
        csc = Tensor.FILTER in self.sparsity.skip and innermost_format(program, Tensor.FILTER) is Format.CSC
        every = Tensor.FILTER not in self.sparsity.skip
        return column_table(self.filter, self.channels.reshape(-1), int(self.tiles.size[2]), self.lanes, csc, every)[0]

    def _pixels(self, every: bool, pixels: Ints, tile: Ints) -> kernel.Pixels:
        return kernel.Pixels(every, pixels, kernel.runs_of(pixels), tile, self.program.bounds, self.program.axes)

    def _by_column(self, taps: Ints, pixels: Ints, columns: Ints) -> Floats:
        """Cycles [kt, ks, mt, ms, as, at] of tiles: words seen times lengths of columns, added over the taps."""
        program, size = self.program, self.tiles.size
        blocks, flat = np.ascontiguousarray(taps).reshape(-1, len(TAP)), np.ascontiguousarray(pixels).reshape(-1, 3)
        inside = int(np.prod(size[[DIM_INDEX[d] for d in TAP]]))
        listed = self._listed(blocks, size)
        seen = self._scratch("seen", (len(blocks), inside, len(flat)))
        at = self._pixels(Tensor.IFMAP not in self.sparsity.skip, flat, size)
        kernel.seen_words(self.ifmap, at, self._planes(listed, OF_IFMAP), seen)
        laid = self._scratch("laid", (len(blocks), self.channels.size, inside))
        kernel.gather_columns(columns, self._planes(listed, OF_FILTER), program.bounds, laid)
        cycles = self._scratch("cycles", (len(blocks), self.channels.size, len(flat)))
        np.matmul(laid, seen, out=cycles)
        return cycles.reshape(*taps.shape[:2], *self.channels.shape, *pixels.shape[:2])

    def _listed(self, blocks: Ints, tile: Ints) -> Ints:
        """int64[block, tap, 6]: the taps of every block, see `TAP`; g is -1 past the problem's edge."""
        ids = [DIM_INDEX[d] for d in TAP]
        inside = np.stack(np.meshgrid(*(np.arange(tile[d]) for d in ids), indexing="ij"), axis=-1).reshape(-1, len(TAP))
        taps: Ints = blocks[:, None, :] + inside
        taps[(taps >= self.program.bounds[ids]).any(axis=-1)] = -1
        return taps

    def _planes(self, taps: Ints, of: int) -> Ints:
        """int64[block, tap, 4], (g, c, r, s) of taps in an operand's mask, whose slices lie along c (`shape_of`)."""
        found = taps[..., [0, 3, 4, 5]]
        found[..., 1] += taps[..., of] * self.program.problem["C"]
        return found

    def _packed_filters(self, taps: Ints, tile: Ints, words: int) -> npt.NDArray[np.uint64]:
        """uint64[block, m, word]: the taps of each output channel as bits, in the order of `TAP`."""
        repeats, *shape = (int(tile[DIM_INDEX[d]]) for d in TAP[1:])
        groups, channels = self.filter.shape[:2]
        filters = self.filter.reshape(groups, channels, *(self.program.problem[d] for d in TAP[2:]))
        out = np.zeros((len(taps), channels, 8 * words), np.uint8)
        for block, (g, _, *first) in enumerate(taps):
            if g >= groups:
                continue
            box = tuple(slice(int(at), int(at) + size) for at, size in zip(first, shape, strict=True))
            found = filters[(g, slice(None), *box)]
            if list(found.shape[1:]) != shape:
                found = np.pad(found, [(0, 0), *((0, a - b) for a, b in zip(shape, found.shape[1:], strict=True))])
            if repeats > 1:
                found = np.repeat(found[:, None], repeats, axis=1)
            packed = np.packbits(found.reshape(channels, -1), axis=1, bitorder="little")
            out[block, :, : packed.shape[1]] = packed
        return out.view(np.dtype("<u8"))

    def _scratch(self, name: str, shape: tuple[int, ...]) -> Floats:
        """An array of this shape in memory that is already there: fresh pages cost more than the products."""
        size = int(np.prod(shape))
        if name not in self.memory or self.memory[name].size < size:
            self.memory[name] = np.empty(size, self.kind)
        return self.memory[name][:size].reshape(shape)

    def _by_output(self, taps: Ints, pixels: Ints) -> Floats:
        """Cycles [kt, ks, mt, ms, as, at] of tiles whose lanes work output by output."""
        program, size = self.program, self.tiles.size
        one = size.copy()
        one[[DIM_INDEX[d] for d in "NGPQ"]] = 1
        inside = int(np.prod(one[[DIM_INDEX[d] for d in TAP]]))
        words = -(-inside // 64)
        blocks, flat = np.ascontiguousarray(taps).reshape(-1, len(TAP)), np.ascontiguousarray(pixels).reshape(-1, 3)
        bases = self.channels.reshape(-1)
        tiles = (len(blocks), len(bases))
        time = np.zeros((*tiles, self.lanes, len(flat)), np.int64)
        ends = np.zeros((*tiles, self.sparsity.queue, len(flat)), np.int64)
        rounds = np.zeros((*tiles, len(flat)), np.int64)
        seen = np.empty((len(blocks), inside, len(flat)), np.uint8)
        bits = np.empty((len(blocks), words, len(flat)), np.uint64)
        limits = program.bounds[[DIM_INDEX[d] for d in PIXEL]]
        for n, g, p, q in np.ndindex(*(int(size[DIM_INDEX[d]]) for d in "NGPQ")):
            here, mine = flat + np.array([n, p, q]), blocks + np.eye(1, len(TAP), dtype=np.int64) * g
            listed = self._planes(self._listed(mine, one), OF_IFMAP)
            kernel.seen_words(self.ifmap, self._pixels(False, here, one), listed, seen)
            kernel.pack_pixels(seen, bits)
            packed = self._packed_filters(mine, one, words)
            # positions past the edge are no rounds
            there = (here < limits).all(axis=1).astype(np.uint8)
            kernel.lane_cycles(
                bits, packed, bases, int(size[DIM_INDEX["M"]]), self.lanes, self.sparsity.queue, there,
                time, ends, rounds,
            )  # fmt: skip
        out = np.empty((*tiles, len(flat)), self.kind)
        kernel.last_lane(time, out)
        return out.reshape(*taps.shape[:2], *self.channels.shape, *pixels.shape[:2])


def stored_by_taps(weights: Mask) -> Ints:
    """int64[g, c, r, s], the filters of uint8[g, m, c, r, s] whose word at a tap is not zero."""
    stored = np.zeros((weights.shape[0], *weights.shape[2:]), np.int64)
    # sums of bytes that stay bytes: several times as fast
    for first in range(0, weights.shape[1], 255):
        stored += weights[:, first : first + 255].sum(axis=1, dtype=np.uint8)
    return stored


def seen_by_taps(program: Program, masks: Masks) -> Ints:
    """int64[g, c, r, s], non-zero ifmap words every tap sees over the layer, some images at a time."""
    shape = shape_of(program.problem, Tensor.IFMAP)
    channels = shape[2]
    seen = np.zeros((shape[1], channels, program.problem["R"], program.problem["S"]), np.int64)
    mask = masks.packed(program.problem, Tensor.IFMAP)
    images = max(1, IMAGES // int(np.prod(shape[1:])))
    for first in range(0, shape[0], images):
        last = min(first + images, shape[0])
        bounds, here = program.bounds.copy(), np.empty_like(seen)
        bounds[[DIM_INDEX["N"], DIM_INDEX["C"]]] = last - first, channels
        kernel.taps_seen(mask.words(first, last), bounds, program.axes, here)
        seen += here
    return seen


def column_table(mask: Mask, bases: Ints, tile: int, lanes: int, csc: bool, every: bool) -> tuple[Ints, Ints]:
    """(cycles, non-zero words) int64[G, channel tile, C*R*S] of every filter column."""
    grouped = mask.reshape(*mask.shape[:2], -1)
    shape = (len(grouped), len(bases), grouped.shape[2])
    length, nonzero = np.empty(shape, np.int64), np.zeros(shape, np.int64)
    kernel.column_lengths(grouped, every, bases, tile, lanes, csc, length, nonzero)
    return length, nonzero


def innermost_format(program: Program, tensor: Tensor) -> Format | None:
    """How the innermost memory that keeps an input stores it."""
    keeper = next(int(e[1]) for e in program.edges if e[0] == list(Tensor).index(tensor) and e[3] == OPERAND)
    return program.architecture.levels[keeper].compression.get(tensor)


class Slots:
    """What zeros leave of a layer's MACs, added up over the layer."""

    def __init__(self, program: Program, masks: Masks) -> None:
        problem = program.problem
        self.program, self.matters = program, program.architecture.sparsity.matters
        self.masks = masks
        self.weights = masks.words(problem, Tensor.FILTER) if Tensor.FILTER in self.matters else None
        g, ib, wb, *taps = (problem[d] for d in TAP)
        self.pixels = problem["N"] * problem["P"] * problem["Q"]
        # by tap, see `TAP`; 1 along the slices of the other operand
        self.seen = np.full((g, ib, 1, *taps), self.pixels, np.int64)
        if Tensor.IFMAP in self.matters:
            self.seen = seen_by_taps(program, masks).reshape(self.seen.shape)
        self.stored = np.full((g, 1, wb, *taps), problem["M"], np.int64)
        if self.weights is not None:
            self.stored = stored_by_taps(self.weights).reshape(self.stored.shape)

    def number(self, tensors: frozenset[Tensor]) -> int:
        """Slots in which none of these tensors' words is zero."""
        if Tensor.IFMAP in tensors and Tensor.FILTER in tensors:
            return int((self.seen * self.stored).sum())
        problem = self.program.problem
        if Tensor.IFMAP in tensors:
            return int(self.seen.sum()) * problem["M"] * problem["WB"]
        return int(self.stored.sum()) * self.pixels * problem["IB"] if Tensor.FILTER in tensors else problem.slots

    @property
    def visited(self) -> int:
        """Slots that take time."""
        return self.number(self.program.architecture.sparsity.skip)

    @property
    def effectual(self) -> int:
        """Slots that multiply."""
        return self.number(self.matters)

    def reads(self, tensor: Tensor) -> int:
        """Reads of an operand kept inside the PE; padding made on the chip is nowhere in the outermost level."""
        before, problem = self.program.architecture.sparsity.before_reading(tensor), self.program.problem
        outermost = not operands_inside(self.program)[tensor]
        if tensor is not Tensor.IFMAP or tensor in before or not (self.program.on_chip and outermost):
            return self.number(before)
        rows, columns = (np.array(problem.over_plane(axis)) for axis in range(2))
        stored = self.stored if Tensor.FILTER in before else np.full_like(self.stored, problem["M"])
        return problem["N"] * problem["IB"] * int((stored * rows[:, None] * columns).sum())

    def idle_at(self, firsts: npt.NDArray[np.bool_], words: int) -> int:
        """Those of so many words, all fresh, whose first slot is one of these taps, as `first_taps` gives them."""
        return words - int((self.seen * self.stored)[:, firsts].sum())

    def first_taps(self, number: int) -> npt.NDArray[np.bool_] | None:
        """bool[IB, WB, C, R, S], taps a version begins with, if they are the same for all words.

        number : of versions.
        """
        program, tiles = self.program, Tiles(self.program)
        level = psum_level(program)
        own = [DIM_INDEX[d] for d in TENSOR_DIMS[Tensor.PSUM]]
        outer = tiles.steps[tiles.steps[:, 3] < level]
        relevant = np.flatnonzero(np.isin(outer[:, 0], own))
        inner = int(relevant[-1]) + 1 if len(relevant) else 0
        starts = outer[:inner]
        versions = 1
        for index in range(NDIMS):
            versions *= int((Tiles.bases(index, starts) < program.bounds[index]).sum())
        if versions != number:
            return None
        spatial = program.loops[program.loops[:, 2] == 1]
        first: npt.NDArray[Any] = np.ones(1, np.bool_)
        for dim in TAP[1:]:
            index = DIM_INDEX[dim]
            begins = np.zeros(program.problem[dim], np.bool_)
            bases = (Tiles.bases(index, starts)[:, None] + Tiles.bases(index, spatial)).reshape(-1)
            begins[bases[bases < len(begins)]] = True
            first = first[..., None] & begins
        found: npt.NDArray[np.bool_] = first[0]
        return found

    def inside(self) -> Inside:
        """What the PEs do in a step, for a walk over all of them."""
        program, tiles = self.program, Tiles(self.program)
        channels = np.sort(np.unique(np.concatenate([tiles.temporal[2] + b for b in tiles.spatial[2]])))
        of_base = np.zeros(int(channels[-1]) + 1, np.int64)
        of_base[channels] = np.arange(len(channels))
        if self.weights is None:
            spans = np.minimum(channels + tiles.size[2], program.problem["M"]) - channels
            shape = (program.problem["G"], len(spans), int(np.prod([program.problem[d] for d in TAP[2:]])))
            nonzero = np.array(np.broadcast_to(np.maximum(spans, 0)[None, :, None], shape))
        else:
            _, nonzero = column_table(self.weights, channels, int(tiles.size[2]), 1, False, False)
        return Inside(
            np.ascontiguousarray(tiles.steps[:, [0, 1, 4, 3]]), psum_level(program), tiles.size, pe_offsets(program),
            program.bounds, program.axes, self.masks.words(program.problem, Tensor.IFMAP),
            Tensor.IFMAP not in self.matters, nonzero, of_base,
        )  # fmt: skip


def operands_inside(program: Program) -> dict[Tensor, int]:
    """Tensors whose innermost keeper lies inside the PE, and its level."""
    return {TENSORS[t]: level for t, level in program.edges[~program.timed, :2].tolist()}


def psum_level(program: Program) -> int:
    """The innermost level that keeps psums (0: the outermost is the only one)."""
    return max([int(e[2]) for e in program.edges if e[0] == PSUM and not e[3]], default=0)


def pe_offsets(program: Program) -> Ints:
    """int64[pe, dim + 1]: where each PE's tile lies from PE 0's along the eight dims; last, its class.

    Bit i of the class: the PE is at index 0 of every reduction loop between the i-th and the next keeper of psums, so
    it is the one that is refilled.
    """
    offsets = np.zeros((1, NDIMS + 1), np.int64)
    children = [int(e[2]) for e in program.edges if e[0] == 2]
    offsets[:, NDIMS] = (1 << len(children)) - 1
    reduction = [DIM_INDEX[d] for d in REDUCTION_DIMS]
    for dim, factor, kind, level, step in program.loops:
        if kind == 0:
            continue
        segment = next(i for i, child in enumerate(children) if level < child)
        moved = np.repeat(offsets[:, None, :], factor, axis=1)
        moved[:, :, dim] += np.arange(factor) * step
        if dim in reduction:
            moved[:, 1:, NDIMS] &= ~(1 << segment)
        offsets = moved.reshape(-1, NDIMS + 1)
    return offsets
