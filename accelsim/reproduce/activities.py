"""When each transfer and step of a small layer happens, for pictures: the cycle evaluator, watched step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace

from accelsim.architecture.model import Architecture
from accelsim.engine.lockstep import in_lock_step
from accelsim.engine.networks.ports import Crossed
from accelsim.engine.program import Ints, build
from accelsim.engine.timing.kernels import records
from accelsim.engine.timing.simulation import OpenWindow, Simulation, simulate
from accelsim.engine.timing.streams import Streams
from accelsim.engine.timing.windows import across_links, outline, windows
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.problem import TENSORS, Problem, Tensor

COMPUTE = "MACs"


@dataclass(frozen=True, order=True)
class Activity:
    """What holds the MAC array, or a network, from one cycle to another.

    lane : `COMPUTE`, or the levels that a transfer goes from and to. tensor : of a transfer. waits : cycles in which a
    step stands still, for words that come later than it could go. Ordered by when it begins.
    """

    begin: int
    end: int
    lane: str
    tensor: Tensor | None = None
    waits: int = 0


def activities(machine: Architecture, nest: LoopNest, problem: Problem) -> tuple[Activity, ...]:
    """All that take time in a layer, and the MAC array's, in order; of a machine without a DRAM of banks, and dense."""
    program = build(machine, nest, problem)
    if machine.lock:
        program = in_lock_step(program)
    found = outline(program)
    tables, parts = found.tables, windows(program, found)
    crossed = [Crossed(program, tables.ports, x, crossing) for x, crossing in tables.crossings]
    if crossed:
        parts = across_links(parts, crossed)
    watched = _Watched(Streams.of(program, tables.edges, tables.ports), found.steps)
    simulate(found, parts, [watched])
    names = [*(level.name for level in machine.levels), "PE"]
    ends = {x: (t, names[parent], names[child]) for x, (t, parent, child, _, _) in enumerate(tables.edges.tolist())}
    lanes = []
    for (x, _, up), (begin, end) in watched.transfers.items():
        tensor, parent, child = ends[x]
        if end > begin:
            lanes.append(Activity(begin, end, f"{child} → {parent}" if up else f"{parent} → {child}", TENSORS[tensor]))
    lanes += [Activity(begin, end, COMPUTE, waits=end - begin - work) for begin, end, work in watched.steps_taken]
    before = machine.before
    return tuple(sorted(replace(each, begin=each.begin + before, end=each.end + before) for each in lanes))


class _Watched(Simulation):
    """A simulation that writes down what each step left behind.

    transfers : (begin, end) by stream, version and direction (1: up). steps_taken : (begin, end, work) of each step.
    """

    def __init__(self, streams: Streams, steps: int) -> None:
        super().__init__(streams, steps)
        self.transfers: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.steps_taken: list[tuple[int, int, int]] = []

    def sweep(self, window: OpenWindow, tile: Ints, work: Ints, first: int, last: int) -> None:
        """Step by step, with a look at the records after each: nothing in them is overwritten within a step."""
        for step in range(first, last):
            super().sweep(window, tile, work, step, step + 1)
            self._look()

    def _look(self) -> None:
        begin, end, work = (int(self.state.scalars[at]) for at in (records.C_START, records.C_END, records.C_UNITS))
        self.steps_taken.append((begin, end, work))
        for x, ring in enumerate(self.state.records):
            for row in ring[ring[:, records.VID] >= 0]:
                version = int(row[records.VID])
                for there, begin, end, up in _SPANS:
                    psum = self.streams.rows[x, records.TENSOR] == _PSUM
                    if row[there] and (psum or not up):
                        self.transfers[x, version, up] = int(row[begin]), int(row[end])


_PSUM = TENSORS.index(Tensor.PSUM)
_SPANS = (
    (records.FILLED, records.F_START, records.F_END, 0),
    (records.HAS_P, records.P_START, records.P_END, 0),
    (records.D_END, records.D_START, records.D_END, 1),
)
"""Of a version's record: what says that a transfer is over, when it began and ended, whether it went up."""
