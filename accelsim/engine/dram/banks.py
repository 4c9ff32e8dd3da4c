"""The outermost level as a DRAM with banks and rows: how long each of its transfers lasts, and what they find open.

The order of the transfers is static (T9): a simulation that runs ahead finds it, and the banks serve in that order
before time asks (docs/model.md, "DRAM").
"""

from __future__ import annotations

import numpy as np

from accelsim.architecture.dram.model import FIELDS, Dram, Page
from accelsim.engine.counts import DramCounts, RowCounts
from accelsim.engine.dram.kernels import banks as kernel
from accelsim.engine.nest.kernels.records import NDIMS
from accelsim.engine.program import FILTER, PSUM, Ints, Program
from accelsim.engine.timing.schedule import Tables
from accelsim.engine.timing.simulation import OpenWindow
from accelsim.engine.timing.windows import Window
from accelsim.engine.zeros.compression import children, lists_of, unmerged_offsets
from accelsim.mapping.finals import WIDE
from accelsim.workload.problem import TENSORS, Tensor

CODES = {"Ch": kernel.CHANNEL, "Bg": kernel.GROUP, "Ba": kernel.BANK, "Co": kernel.COLUMN, "Ro": kernel.ROW}
NOWHERE = 1 << 40
assert set(CODES) == set(FIELDS)


def _zeros(*shape: int) -> Ints:
    return np.zeros(shape, np.int64)


class Banks:
    """The banks of a layer's DRAM, which serve its transfers as their order becomes known.

    outermost : by tensor, the stream from the outermost level. kinds : int64[3, 2, 3], bursts so far that hit, miss and
    conflict, by tensor and direction.
    """

    def __init__(self, program: Program, tables: Tables) -> None:
        dram = program.architecture.levels[0].dram
        assert dram is not None
        self.dram, self.kinds = dram, np.zeros((3, 2, 3), np.int64)
        self.outermost = {int(edge[0]): x for x, edge in enumerate(tables.edges) if edge[1] == 0}
        self.columns = {
            (t, way): _columns(program, tables, x, way) for t, x in self.outermost.items() for way in range(2)
        }
        self.homes = program.architecture.homes
        psum = self.outermost.get(PSUM)
        child = 0 if psum is None else int(tables.edges[psum, 2])
        self.narrows, self.narrow = program.finals.get((0, child), WIDE).arrives, np.zeros(0, np.uint8)
        self.first = 0
        self.layout = _layout(program, dram, tables.edges[sorted(self.outermost.values())])
        loops = len(self.layout.steps)
        self.walked = kernel.Walked(_zeros(3, 2), _zeros(3, 2, loops), _zeros(3, 2, NDIMS), _zeros(3, 2))
        self.transfer = kernel.Transfer(lists_of(program), _zeros(5), _zeros(NDIMS), _zeros(NDIMS))
        self.device, self.state = device(dram), idle(dram)

    def take(self, window: Window) -> None:
        """Note which of the psums in a window are written as ofmap words."""
        x = self.outermost.get(PSUM)
        if x is None:
            return
        schedule, drained = window.schedule, int(self.walked.number[PSUM, 1])
        final = schedule.final[schedule.rows(x)]
        self.narrow = np.concatenate([self.narrow[drained - self.first :], final & self.narrows])
        self.first = drained

    def serve(self, log: Ints, window: OpenWindow, work: Ints) -> None:
        """Serve the next transfers, in the order of a log (see `kernels.records.State`); writes their cycles to `work`.

        window : holds their versions, whose rows those of `work` are.
        """
        start, limit = np.zeros(3, np.int64), np.zeros(3, np.int64)
        for t, x in self.outermost.items():
            start[t], limit[t] = window.start[x], window.limit[x]
        if self.homes:
            # the log has the first transfers of every tensor, also of one that comes from its home on the chip
            ours = log[1 : 1 + log[0]]
            ours = ours[np.isin(ours // 2, list(self.outermost))]
            log = np.concatenate([[len(ours)], ours])
        written = kernel.Written(start, limit, window.begin, window.back, self.first, self.narrow)
        count = int(log[0])
        out = np.empty((count, 2), np.int64)
        kernel.walk(
            log, self.layout, self.walked, written, self.transfer, self.device, self.state, self.kinds, out
        )  # fmt: skip
        entries = log[1 : 1 + count]
        for (t, way), columns in self.columns.items():
            mine = out[entries == 2 * t + way]
            for column in columns:
                work[start[t] + mine[:, 0], column] = mine[:, 1]

    def counts(self) -> DramCounts:
        """What has been found so far."""
        found = [
            RowCounts(tensor.value, direction, *(int(number) for number in self.kinds[t, d]))
            for t, tensor in enumerate(TENSORS)
            for d, direction in enumerate(("read", "write"))
            if self.kinds[t, d].any()
        ]
        names = kernel.PASSED, kernel.END, kernel.REFRESHES
        busy, clocks, refreshes = (int(self.state.scalars[name]) for name in names)
        slots = clocks * self.dram.channels / self.dram.burst_clocks
        return DramCounts(tuple(found), refreshes, busy, clocks, slots)


class Bursts:
    """Bursts served run after run outside any layer, on a DRAM that begins idle.

    kinds : int64[3], bursts that hit, miss and conflict so far.
    """

    def __init__(self, dram: Dram) -> None:
        self.dram, self.kinds = dram, _zeros(3)
        self._device, self._state = device(dram), idle(dram)

    def run(self, first: int, last: int, write: bool = False) -> int:
        """Serve bursts first..last; gives the clock at which all data has moved."""
        kernel.serve_run(first, last, write, self._device, self._state, self.kinds)
        return int(self._state.scalars[kernel.END])

    @property
    def refreshes(self) -> int:
        """Refreshes so far, over all channels."""
        return int(self._state.scalars[kernel.REFRESHES])

    @property
    def efficiency(self) -> float:
        """Share of a channel's bus time that moved data."""
        served, end = (int(self._state.scalars[index]) for index in (kernel.SERVED, kernel.END))
        return served * self.dram.burst_clocks / (end * self.dram.channels)


def device(dram: Dram) -> kernel.Device:
    """As the kernel reads it."""
    timing = [
        dram.cl, dram.cwl, dram.burst_clocks, dram.t_rcd, dram.t_rp, dram.t_ras, dram.t_rrd_s, dram.t_rrd_l,
        dram.t_faw, dram.t_ccd_s, dram.t_ccd_l, dram.t_wr, dram.t_rtp, dram.t_wtr_s, dram.t_wtr_l, dram.t_rtw,
        dram.t_refi, dram.t_rfc,
    ]  # fmt: skip
    sizes = [dram.channels, dram.groups, dram.banks // dram.groups, dram.columns, 0]
    order = [CODES[name] for name in reversed(dram.fields)]
    return kernel.Device(dram.page is Page.CLOSED, *(np.array(row, np.int64) for row in (order, sizes, timing)))


def idle(dram: Dram) -> kernel.State:
    """A DRAM that has served nothing."""
    state = kernel.State(
        _zeros(dram.channels * dram.banks, 4), _zeros(dram.channels * dram.groups, 6), _zeros(dram.channels, 6),
        _zeros(dram.channels, 4), _zeros(dram.queue), _zeros(5), _zeros(5),
    )  # fmt: skip
    kernel.power_up(device(dram), state)
    return state


def _columns(program: Program, tables: Tables, x: int, way: int) -> list[int]:
    """Port columns of a stream's fills or drains that are the banks'."""
    port = program.architecture.levels[0].read_port
    assert port is not None
    first, slots = (int(v) for v in tables.ports.at[x, way])
    return [column for column in range(first, first + slots) if tables.ports.labels[x][column][0] == port.name]


def _layout(program: Program, dram: Dram, edges: Ints) -> kernel.Layout:
    """Where tensors lie and what transfers move; edges : of the outermost level."""
    tile, child, slides = np.ones((3, NDIMS), np.int64), np.zeros(3, np.int64), np.zeros(3, np.uint8)
    apart: list[Ints] = [np.zeros((1, NDIMS), np.int64)] * 3
    below: list[tuple[Ints, Ints]] = [(np.zeros((6, 1, 2), np.int64), np.ones(6, np.int64))] * 3
    parts: list[Ints] = [np.zeros(1, np.int64)] * 3
    for t, _, level, register, reuse in edges.tolist():
        child[t], slides[t] = level, TENSORS[t] is Tensor.IFMAP and reuse and not register
        for dim, factor, _, loop_level, _ in program.loops:
            tile[t, dim] *= factor if loop_level >= level else 1
        alone = int(t != PSUM and program.unicast[t, 0])
        apart[t], below[t] = _instances(program, alone), children(program, alone, level)
        if t == PSUM:
            parts = unmerged_offsets(program, 0, level)
    extent = _extents(program)
    per_clock = np.array([dram.clock.denominator, dram.clock.numerator], np.int64)
    return kernel.Layout(
        *_stacked(apart), *_children_stacked(below), tile, child, slides, _padded(parts), extent,
        _origins(program, dram, extent), program.axes, program.bounds, program.on_chip,
        np.append(_word_bits(program), program.architecture.final_bits), dram.burst_bits, per_clock,
        np.ascontiguousarray(program.step_loops[:, [0, 1, 4, 3]]),
    )  # fmt: skip


def _padded(parts: list[Ints]) -> Ints:
    """Rows of one length; what is added lies past any problem."""
    out = np.full((len(parts), max(map(len, parts))), NOWHERE)
    for row, mine in zip(out, parts, strict=True):
        row[: len(mine)] = mine
    return out


def _extents(program: Program) -> Ints:
    """int64[3, 5], the tensors as they lie in the DRAM, axes in tensor order; stored padding lies there too."""
    n, g, m, c, p, q, r, s, ib, wb = (int(size) for size in program.bounds)
    problem = program.problem
    height, width = problem.height, problem.width
    if not program.on_chip:
        height = max(problem.touched[0], problem.pad[0] + height)
        width = max(problem.touched[1], problem.pad[1] + width)
    return np.array([[n, g, ib * c, height, width], [g, m, wb * c, r, s], [n, g, m, p, q]], np.int64)


def _word_bits(program: Program) -> Ints:
    return np.array([program.architecture.moved_bits[tensor] for tensor in TENSORS], np.int64)


def _origins(program: Program, dram: Dram, extent: Ints) -> Ints:
    """First burst of each tensor: one after the other, each in rows of its own."""
    origin = np.zeros(3, np.int64)
    bits = extent.prod(axis=1) * _word_bits(program)
    for t in (FILTER, PSUM):
        stripes = -(-int(bits[t - 1]) // (dram.stripe * dram.burst_bits))
        origin[t] = origin[t - 1] + stripes * dram.stripe
    return origin


def _instances(program: Program, high: int) -> Ints:
    """int64[instance, dim], offsets of the spatial loops of levels below `high`, slowest first."""
    offsets = np.zeros((1, NDIMS), np.int64)
    for dim, factor, kind, level, step in program.loops:
        if kind == 0 or level >= high:
            continue
        offsets = np.repeat(offsets[:, None, :], factor, axis=1)
        offsets[:, :, dim] += np.arange(factor) * step
        offsets = offsets.reshape(-1, NDIMS)
    return offsets


def _stacked(offsets: list[Ints]) -> tuple[Ints, Ints]:
    out = np.zeros((3, max(map(len, offsets)), NDIMS), np.int64)
    for t, mine in enumerate(offsets):
        out[t, : len(mine)] = mine
    return out, np.array([len(mine) for mine in offsets], np.int64)


def _children_stacked(below: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    out = np.zeros((3, 6, max(inner.shape[1] for inner, _ in below), 2), np.int64)
    for t, (inner, _) in enumerate(below):
        out[t, :, : inner.shape[1]] = inner
    return out, np.array([numbers for _, numbers in below], np.int64)
