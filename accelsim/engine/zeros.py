"""Zeros in the cycle evaluator: how long steps take, and which operands are read (docs/model.md, "Zeros")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Format, Pairing
from accelsim.engine.kernels import zeros as kernel
from accelsim.engine.program import Ints, Program
from accelsim.sparsity.masks import Mask, Masks, shape_of
from accelsim.workload.problem import DIM_INDEX, REDUCTION_DIMS, Tensor

Floats = npt.NDArray[np.floating]
Flags = npt.NDArray[np.uint8]
PIXEL, TAP, CHANNEL = "NPQ", "GCRS", "M"
ENTRIES = 1 << 20
"""Tiles worked on at once: what fits a cache."""
EXACT = 1 << 24
"""Integers below are exact in float32."""


@dataclass(frozen=True)
class Slots:
    """What zeros leave of a layer's MACs. reads : of operands inside the PEs. updates : of psums there."""

    visited: int
    effectual: int
    ifmap_reads: int
    filter_reads: int
    updates: int


class Tiles:
    """The tiles of all steps and PEs, dim by dim: bases of the temporal and of the spatial combinations."""

    def __init__(self, program: Program) -> None:
        self.program = program
        loops = program.loops
        self.steps = loops[(loops[:, 2] == 0) & (loops[:, 3] < program.inside)]
        self.size = np.ones(8, np.int64)
        for dim, factor, kind, level, _ in loops:
            if kind == 0 and level >= program.inside:
                self.size[dim] *= factor
        self.temporal = [self._bases(dim, self.steps) for dim in range(8)]
        self.spatial = [self._bases(dim, loops[loops[:, 2] == 1]) for dim in range(8)]

    @staticmethod
    def _bases(dim: int, loops: Ints) -> Ints:
        """Bases of every combination of a dim's loops, slow to fast, those past the problem's edge among them."""
        bases = np.zeros(1, np.int64)
        for _, factor, _, _, step in loops[loops[:, 0] == dim]:
            bases = (bases[:, None] + np.arange(factor) * step).reshape(-1)
        return bases

    def combined(self, dims: str, temporal: slice = slice(None)) -> Ints:
        """int64[spatial, temporal, dim]: bases of a group of dims, all combinations (`temporal` picks some)."""
        ids = [DIM_INDEX[dim] for dim in dims]
        outer = np.array(list(product(*(self.spatial[d] for d in ids))), np.int64)
        grid = np.meshgrid(*(self.temporal[d] for d in ids), indexing="ij")
        inner = np.stack([axis.reshape(-1)[temporal] for axis in grid], axis=1)
        return outer[:, None, :] + inner[None, :, :]

    def number(self, dims: str) -> int:
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

    def __init__(self, program: Program, masks: Masks) -> None:
        self.program, self.tiles = program, Tiles(program)
        self.sparsity = program.architecture.sparsity
        self.lanes = program.architecture.macs_per_cycle
        self.ifmap, self.filter = (mask_of(program, masks, t) for t in (Tensor.IFMAP, Tensor.FILTER))
        self.taps = self.tiles.combined(TAP)
        self.channels = np.ascontiguousarray(self.tiles.combined(CHANNEL)[:, :, 0].T)
        bound = int(np.prod(self.tiles.size)) * 2
        self.kind = np.dtype(np.float32 if bound < EXACT else np.float64)
        self.busy = 0

    def of_steps(self, steps: int, begins: Ints) -> Ints:
        """int64[step] cycles; `busy` then holds the cycles of all PEs added up. begins : first steps of the passes."""
        shape = tuple(self.tiles.number(dims) for dims in (TAP, CHANNEL, PIXEL))
        out = np.empty(steps, np.int64)
        drifts = self.sparsity.drift > 1
        if drifts:
            cycles = next(iter(next(iter(self._rows(shape, everything=True)))))
            self.busy = int(cycles.sum(dtype=np.float64))
            index = np.arange(int(np.prod(shape)))
            kernel.drift_apart(
                cycles, np.stack(np.unravel_index(self._ordered(index, steps), shape), axis=1), begins,
                self.sparsity.drift, out,
            )  # fmt: skip
            return out
        table = np.empty(shape, self.kind)
        k = 0
        for row in self._rows(shape):
            at = 0
            for cycles in row:
                here = table[k : k + cycles.shape[0], :, at : at + cycles.shape[5]]
                most = np.empty(here.shape, self.kind)
                self.busy += int(kernel.slowest(cycles, most))
                here[:] = most
                at += cycles.shape[5]
            k += cycles.shape[0]
        return self._ordered(table.reshape(-1), steps)

    def _ordered(self, table: npt.NDArray[np.generic], steps: int) -> Ints:
        out = np.empty(steps, np.int64)
        kernel.order_steps(
            np.ascontiguousarray(self.tiles.steps[:, [0, 1, 4]]), self.tiles.strides(), self.program.size8, table, out
        )
        return out

    def _rows(self, shape: tuple[int, ...], everything: bool = False) -> Sequence[Sequence[Floats]]:
        """Cycles [kt, ks, mt, ms, as, at] of all tiles, piece by piece: by taps, then by pixels."""
        spatial, temporal, _ = self.taps.shape
        size = self.tiles.size
        inside = int(np.prod(size[[DIM_INDEX[d] for d in TAP]]))
        pixels = len(self.tiles.combined(PIXEL, slice(0, 1)))
        per_pixel = pixels * spatial * max(self.channels.size, inside)
        width = shape[2] if everything else max(1, min(shape[2], ENTRIES // per_pixel))
        depth = temporal if everything else max(1, min(temporal, ENTRIES // (per_pixel * width)))
        work = self._by_output if self.sparsity.pairing is Pairing.OUTPUT else self._by_column
        columns = None if self.sparsity.pairing is Pairing.OUTPUT else self._columns()
        return (
            (
                work(self.taps[:, k : k + depth].transpose(1, 0, 2), slice(at, at + width), columns)
                for at in range(0, shape[2], width)
            )
            for k in range(0, temporal, depth)
        )  # type: ignore[return-value]

    def _columns(self) -> Ints:
        program = self.program
        csc = Tensor.FILTER in self.sparsity.skip and innermost_format(program, Tensor.FILTER) is Format.CSC
        every = Tensor.FILTER not in self.sparsity.skip
        return column_table(self.filter, self.channels.reshape(-1), int(self.tiles.size[2]), self.lanes, csc, every)[0]

    def _by_column(self, taps: Ints, at: slice, columns: Ints) -> Floats:
        program, size = self.program, self.tiles.size
        pixels = self.tiles.combined(PIXEL, at)
        blocks, flat = np.ascontiguousarray(taps).reshape(-1, 4), np.ascontiguousarray(pixels).reshape(-1, 3)
        inside = int(np.prod(size[[DIM_INDEX[d] for d in TAP]]))
        seen = np.empty((len(blocks), inside, len(flat)), self.kind)
        kernel.seen_words(
            self.ifmap, Tensor.IFMAP not in self.sparsity.skip, flat, kernel.runs_of(flat), blocks, size,
            program.size8, program.axes, seen,
        )  # fmt: skip
        laid = np.empty((len(blocks), self.channels.size, inside), self.kind)
        kernel.gather_columns(columns, blocks, size, program.size8, laid)
        return np.matmul(laid, seen).reshape(*taps.shape[:2], *self.channels.shape, *pixels.shape[:2])

    def _by_output(self, taps: Ints, at: slice, _: object) -> Floats:
        program, size = self.program, self.tiles.size
        one = size.copy()
        one[[DIM_INDEX[d] for d in "NGPQ"]] = 1
        inside = int(np.prod(one[[DIM_INDEX[d] for d in TAP]]))
        words = -(-inside // 64)
        pixels = self.tiles.combined(PIXEL, at)
        blocks, flat = np.ascontiguousarray(taps).reshape(-1, 4), np.ascontiguousarray(pixels).reshape(-1, 3)
        bases = self.channels.reshape(-1)
        grouped = self.filter.reshape(*self.filter.shape[:2], -1)
        tiles = (len(blocks), len(bases))
        time = np.zeros((*tiles, self.lanes, len(flat)), np.int32)
        ends = np.zeros((*tiles, self.sparsity.queue, len(flat)), np.int32)
        rounds = np.zeros((*tiles, len(flat)), np.int64)
        seen = np.empty((len(blocks), inside, len(flat)), np.uint8)
        bits = np.empty((len(blocks), words, len(flat)), np.uint64)
        packed = np.empty((len(blocks), grouped.shape[1], words), np.uint64)
        limits = program.size8[[DIM_INDEX[d] for d in PIXEL]]
        for n, g, p, q in np.ndindex(*(int(size[DIM_INDEX[d]]) for d in "NGPQ")):
            here, mine = flat + [n, p, q], blocks + [g, 0, 0, 0]
            kernel.seen_words(
                self.ifmap, False, here, kernel.runs_of(here), mine, one, program.size8, program.axes, seen
            )
            kernel.pack_pixels(seen, bits)
            kernel.pack_filters(grouped, mine, one, program.size8, packed)
            # positions past the edge are no rounds
            there = (here < limits).all(axis=1).astype(np.uint8)
            kernel.lane_cycles(
                bits, packed, bases, int(size[DIM_INDEX["M"]]), self.lanes, self.sparsity.queue, there,
                time, ends, rounds,
            )  # fmt: skip
        out = np.empty((*tiles, len(flat)), self.kind)
        kernel.last_lane(time, out)
        return out.reshape(*taps.shape[:2], *self.channels.shape, *pixels.shape[:2])


def mask_of(program: Program, masks: Masks, tensor: Tensor) -> Mask:
    """A tensor's mask; where none is given, nothing stored is zero."""
    found = masks.of(tensor)
    return np.ones(shape_of(program.problem, tensor), np.uint8) if found is None else np.ascontiguousarray(found)


def column_table(mask: Mask, bases: Ints, tile: int, lanes: int, csc: bool, every: bool) -> tuple[Ints, Ints]:
    """(cycles, non-zero words) int64[G, channel tile, C*R*S] of every filter column."""
    grouped = mask.reshape(*mask.shape[:2], -1)
    shape = (len(grouped), len(bases), grouped.shape[2])
    length, nonzero = np.empty(shape, np.int64), np.zeros(shape, np.int64)
    kernel.column_lengths(grouped, every, bases, tile, lanes, csc, length, nonzero)
    return length, nonzero


def innermost_format(program: Program, tensor: Tensor) -> Format | None:
    """How the innermost memory that keeps an input stores it."""
    keeper = next(int(e[1]) for e in program.edges if e[0] == list(Tensor).index(tensor) and e[3])
    return program.architecture.levels[keeper].compression.get(tensor)


def slots(program: Program, masks: Masks, fresh: Flags, begin: Ints) -> Slots:
    """Slots of a whole layer that read and multiply.

    fresh : uint8[version, pe class], whether words of a version of the innermost psum are fresh, see `classes`.
    begin : its first steps, int64[version].
    """
    problem, sparsity = program.problem, program.architecture.sparsity
    matters = sparsity.skip | sparsity.gate
    ifmap = mask_of(program, masks, Tensor.IFMAP)
    seen = np.zeros(tuple(problem[d] for d in "GCRS"), np.int64)
    kernel.taps_seen(ifmap, program.size8, program.axes, seen)
    stored = np.full(seen.shape, problem["M"], np.int64)
    weights = None
    if Tensor.FILTER in matters:
        weights = mask_of(program, masks, Tensor.FILTER)
        stored = weights.sum(axis=1, dtype=np.int64)
    pixels = problem["N"] * problem["P"] * problem["Q"]
    of = {
        frozenset[Tensor](): problem.macs,
        frozenset({Tensor.IFMAP}): int(seen.sum()) * problem["M"],
        frozenset({Tensor.FILTER}): int(stored.sum()) * pixels,
        frozenset({Tensor.IFMAP, Tensor.FILTER}): int((seen * stored).sum()),
    }
    reads = {
        Tensor.IFMAP: of[sparsity.skip if Tensor.IFMAP in sparsity.gate else matters],
        Tensor.FILTER: of[
            sparsity.skip | (sparsity.gate & {Tensor.IFMAP}) if Tensor.FILTER in sparsity.gate else matters
        ],
    }
    idle = _idle_first_slots(program, ifmap, weights, matters, fresh, begin) if len(begin) else 0
    return Slots(of[sparsity.skip], of[matters], reads[Tensor.IFMAP], reads[Tensor.FILTER], of[matters] + idle)


def _idle_first_slots(
    program: Program, ifmap: Mask, weights: Mask | None, matters: frozenset[Tensor], fresh: Flags, begin: Ints
) -> int:
    tiles = Tiles(program)
    level = max(int(e[2]) for e in program.edges if e[0] == 2 and not e[3])
    temporal = np.sort(np.unique(np.concatenate([tiles.temporal[2] + b for b in tiles.spatial[2]])))
    of_base = np.zeros(int(temporal[-1]) + 1, np.int64)
    of_base[temporal] = np.arange(len(temporal))
    if weights is None:
        spans = np.minimum(temporal + tiles.size[2], program.problem["M"]) - temporal
        taps = tuple(program.problem[d] for d in "CRS")
        nonzero = np.broadcast_to(
            np.maximum(spans, 0)[None, :, None], (program.problem["G"], len(spans), np.prod(taps))
        )
    else:
        _, nonzero = column_table(weights, temporal, int(tiles.size[2]), 1, False, False)
    return int(
        kernel.idle_first_slots(
            np.ascontiguousarray(tiles.steps[:, [0, 1, 4, 3]]), level, program.size8, program.axes, tiles.size,
            pe_offsets(program), fresh, begin, ifmap, Tensor.IFMAP not in matters, nonzero, of_base,
        )
    )  # fmt: skip


def pe_offsets(program: Program) -> Ints:
    """int64[pe, 9]: where each PE's tile lies from PE 0's along the eight dims; last, its class.

    Bit i of the class: the PE is at index 0 of every reduction loop between the i-th and the next keeper of psums, so
    it is the one that is refilled.
    """
    offsets = np.zeros((1, 9), np.int64)
    children = [int(e[2]) for e in program.edges if e[0] == 2]
    offsets[:, 8] = (1 << len(children)) - 1
    reduction = [DIM_INDEX[d] for d in REDUCTION_DIMS]
    for dim, factor, kind, level, step in program.loops:
        if kind == 0:
            continue
        segment = next(i for i, child in enumerate(children) if level < child)
        moved = np.repeat(offsets[:, None, :], factor, axis=1)
        moved[:, :, dim] += np.arange(factor) * step
        if dim in reduction:
            moved[:, 1:, 8] &= ~(1 << segment)
        offsets = moved.reshape(-1, 9)
    return offsets
