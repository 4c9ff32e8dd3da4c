"""The outermost level as a DRAM with banks and rows: how long each of its transfers lasts, and what they find open.

The order of the transfers is static (T9), so the banks are walked once, before time starts (docs/model.md, "DRAM").
"""

from __future__ import annotations

import numpy as np

from accelsim.architecture.dram.model import FIELDS, Dram, Page
from accelsim.engine.counts import DramCounts, RowCounts
from accelsim.engine.dram.kernels import banks as kernel
from accelsim.engine.program import FILTER, PSUM, Ints, Program
from accelsim.engine.timing.schedule import Schedule
from accelsim.engine.zeros.compression import children, unmerged_parts
from accelsim.engine.zeros.kernels.encoded import version_bases
from accelsim.mapping.finals import WIDE
from accelsim.workload.problem import TENSORS, Tensor

CODES = {"Ch": kernel.CHANNEL, "Bg": kernel.GROUP, "Ba": kernel.BANK, "Co": kernel.COLUMN, "Ro": kernel.ROW}
assert set(CODES) == set(FIELDS)


def serve(program: Program, schedule: Schedule, log: Ints) -> DramCounts:
    """Walk all bursts of a layer; writes the cycles of every transfer into the schedule's work.

    log : int64[transfer], 2 * tensor + 1 for a drain, in program order.
    """
    dram = program.architecture.levels[0].dram
    assert dram is not None
    outermost = {int(edge[0]): x for x, edge in enumerate(schedule.edges) if edge[1] == 0}
    most = max((int(schedule.number[x]) for x in outermost.values()), default=0)
    fresh, mode = np.zeros((3, most), np.uint8), np.zeros((3, most), np.int64)
    narrow = np.zeros(most, np.uint8)
    base, before = np.zeros((3, most, 8), np.int64), np.zeros((3, most, 8), np.int64)
    parts, tile = np.ones((3, most), np.int64), np.ones((3, 8), np.int64)
    apart: list[Ints] = [np.zeros((1, 8), np.int64)] * 3
    below: list[tuple[Ints, Ints]] = [(np.zeros((6, 1, 2), np.int64), np.ones(6, np.int64))] * 3
    for t, x in outermost.items():
        child, reuse, count = int(schedule.edges[x, 2]), bool(schedule.edges[x, 4]), int(schedule.number[x])
        rows = slice(int(schedule.start[x]), int(schedule.start[x]) + count)
        register = bool(schedule.edges[x, 3])
        slides = TENSORS[t] is Tensor.IFMAP and reuse and not register
        version_bases(
            np.ascontiguousarray(program.step_loops[:, [0, 1, 4, 3]]), program.size8, t, child, slides,
            np.ascontiguousarray(schedule.begin[rows]), base[t, :count], before[t, :count], mode[t, :count],
        )  # fmt: skip
        for dim, factor, _, level, _ in program.loops:
            tile[t, dim] *= factor if level >= child else 1
        alone = int(t != PSUM and program.unicast[t, 0])
        apart[t], below[t] = _instances(program, alone), children(program, alone, child)
        if t == PSUM:
            fresh[t, :count] = schedule.back[rows] == -2
            narrow[:count] = schedule.final[rows] & program.finals.get((0, child), WIDE).arrives
            parts[t, :count] = unmerged_parts(program, base[t, :count], 0, child)
    extent = _extents(program)
    down, up, kinds = np.zeros((3, most), np.int64), np.zeros((3, most), np.int64), np.zeros((3, 2, 3), np.int64)
    busy, clocks, refreshes = kernel.walk(
        log, fresh, narrow, base, before, mode, parts, *_stacked(apart), *_children_stacked(below), tile, extent,
        _origins(program, dram, extent), program.axes, program.size8, program.on_chip,
        np.append(_word_bits(program), program.architecture.final_bits), dram.burst_bits,
        dram.page is Page.CLOSED, np.array([CODES[name] for name in reversed(dram.fields)], np.int64),
        np.array([dram.channels, dram.groups, dram.banks // dram.groups, dram.columns, 0], np.int64), timings(dram),
        dram.queue, np.array([dram.clock.denominator, dram.clock.numerator], np.int64), down, up, kinds,
    )  # fmt: skip
    for t, x in outermost.items():
        _write(program, schedule, x, (down[t], up[t]))
    found = [
        RowCounts(tensor.value, direction, *(int(number) for number in kinds[t, d]))
        for t, tensor in enumerate(TENSORS)
        for d, direction in enumerate(("read", "write"))
        if kinds[t, d].any()
    ]
    slots = int(clocks) * dram.channels / dram.burst_clocks
    return DramCounts(tuple(found), int(refreshes), int(busy), int(clocks), slots)


class Bursts:
    """Bursts served run after run outside any layer, on a DRAM that begins idle.

    kinds : int64[3], bursts that hit, miss and conflict so far.
    """

    def __init__(self, dram: Dram) -> None:
        self.dram, count = dram, dram.channels * dram.banks
        self._sizes = np.array([dram.channels, dram.groups, dram.banks // dram.groups, dram.columns, 0], np.int64)
        self._order = np.array([CODES[name] for name in reversed(dram.fields)], np.int64)
        self._timing = timings(dram)
        self._banks, self._groups = _zeros(count, 4), _zeros(dram.channels * dram.groups, 6)
        self._channels, self._acts = _zeros(dram.channels, 6), _zeros(dram.channels, 4)
        self._window, self._scalars = _zeros(dram.queue), _zeros(4)
        self._digits, self.kinds = _zeros(5), _zeros(3)
        kernel.power_up(
            self._banks, self._groups, self._channels, self._acts, self._window, self._scalars, self._timing
        )

    def run(self, first: int, last: int, write: bool = False) -> int:
        """Serve bursts first..last; gives the clock at which all data has moved."""
        closes = self.dram.page is Page.CLOSED
        kernel.serve_run(
            first, last, write, closes, self._order, self._sizes, self._timing, self._banks, self._groups,
            self._channels, self._acts, self._window, self._scalars, self._digits, self.kinds,
        )  # fmt: skip
        return int(self._scalars[kernel.END])

    @property
    def refreshes(self) -> int:
        """Refreshes so far, over all channels."""
        return int(self._scalars[kernel.REFRESHES])

    @property
    def efficiency(self) -> float:
        """Share of a channel's bus time that moved data."""
        served, end = (int(self._scalars[index]) for index in (kernel.SERVED, kernel.END))
        return served * self.dram.burst_clocks / (end * self.dram.channels)


def _zeros(*shape: int) -> Ints:
    return np.zeros(shape, np.int64)


def timings(dram: Dram) -> Ints:
    """As the kernel reads them."""
    return np.array(
        [
            dram.cl, dram.cwl, dram.burst_clocks, dram.t_rcd, dram.t_rp, dram.t_ras, dram.t_rrd_s, dram.t_rrd_l,
            dram.t_faw, dram.t_ccd_s, dram.t_ccd_l, dram.t_wr, dram.t_rtp, dram.t_wtr_s, dram.t_wtr_l, dram.t_rtw,
            dram.t_refi, dram.t_rfc,
        ],
        np.int64,
    )  # fmt: skip


def _write(program: Program, schedule: Schedule, x: int, cycles: tuple[Ints, Ints]) -> None:
    port = program.architecture.levels[0].read_port
    assert port is not None
    rows = slice(int(schedule.start[x]), int(schedule.start[x] + schedule.number[x]))
    for activity in range(2):
        first, slots = schedule.uses_at[x, activity]
        for slot in range(first, first + slots):
            if schedule.uses[x][slot][0] == port.name:
                schedule.work[rows, slot] = cycles[activity][: int(schedule.number[x])]


def _extents(program: Program) -> Ints:
    """int64[3, 5], the tensors as they lie in the DRAM, axes in tensor order; stored padding lies there too."""
    n, g, m, c, p, q, r, s = (int(size) for size in program.size8)
    problem = program.problem
    height, width = problem.height, problem.width
    if not program.on_chip:
        height = max(problem.touched[0], problem.pad[0] + height)
        width = max(problem.touched[1], problem.pad[1] + width)
    return np.array([[n, g, c, height, width], [g, m, c, r, s], [n, g, m, p, q]], np.int64)


def _word_bits(program: Program) -> Ints:
    return np.array([program.architecture.word_bits[tensor] for tensor in TENSORS], np.int64)


def _origins(program: Program, dram: Dram, extent: Ints) -> Ints:
    """First burst of each tensor: one after the other, each in rows of its own."""
    origin = np.zeros(3, np.int64)
    bits = extent.prod(axis=1) * _word_bits(program)
    for t in (FILTER, PSUM):
        stripes = -(-int(bits[t - 1]) // (dram.stripe * dram.burst_bits))
        origin[t] = origin[t - 1] + stripes * dram.stripe
    return origin


def _instances(program: Program, high: int) -> Ints:
    """int64[instance, 8], offsets of the spatial loops of levels below `high`, slowest first."""
    offsets = np.zeros((1, 8), np.int64)
    for dim, factor, kind, level, step in program.loops:
        if kind == 0 or level >= high:
            continue
        offsets = np.repeat(offsets[:, None, :], factor, axis=1)
        offsets[:, :, dim] += np.arange(factor) * step
        offsets = offsets.reshape(-1, 8)
    return offsets


def _stacked(offsets: list[Ints]) -> tuple[Ints, Ints]:
    out = np.zeros((3, max(map(len, offsets)), 8), np.int64)
    for t, mine in enumerate(offsets):
        out[t, : len(mine)] = mine
    return out, np.array([len(mine) for mine in offsets], np.int64)


def _children_stacked(below: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    out = np.zeros((3, 6, max(inner.shape[1] for inner, _ in below), 2), np.int64)
    for t, (inner, _) in enumerate(below):
        out[t, :, : inner.shape[1]] = inner
    return out, np.array([numbers for _, numbers in below], np.int64)
