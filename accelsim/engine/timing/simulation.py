"""Time of a schedule that comes in windows: a step is simulated as soon as all it can ask for is written down.

The same as a sweep over the whole schedule, to the cycle and to the stall.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from accelsim.engine.program import Ints
from accelsim.engine.timing.kernels import records, sweep
from accelsim.engine.timing.kernels.records import Steps, Versions
from accelsim.engine.timing.schedule import Schedule
from accelsim.engine.timing.streams import Streams
from accelsim.engine.timing.windows import Outline, Window

AHEAD = 2
"""A step can ask for its own version of a stream and for so many after it, besides the slots of the buffer."""


class OpenWindow:
    """The versions and steps at hand: those of the latest window, and of earlier ones what can still be asked for.

    Version v of stream x lies at start[x] + v of `begin`, `back`, `tile` and of each array in `work`, for
    low[x] <= v < limit[x]; step k at k - step of `step_n`, `step_phi`.

    kept : for each simulation the port columns that are left of each stream's work.
    first : what is never forgotten, the versions of the streams that have few.
    """

    def __init__(self, number: Ints, kept: list[list[list[int]]], first: Window) -> None:
        schedule, n = first.schedule, len(number)
        self.number, self.kept, self.few = number, kept, schedule.number == number
        self.low, self.limit, self.start = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.begin, self.back, self.tile = (np.zeros(0, np.int64) for _ in range(3))
        self.work = [np.zeros((0, schedule.work.shape[1]), np.int64) for _ in kept]
        self.step, self.step_n, self.step_phi = 0, np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._lay(schedule, np.flatnonzero(self.few), np.zeros(n, np.int64), 0)
        self.fixed = int(schedule.number.sum())

    def append(self, window: Window, keep: Ints, step: int) -> None:
        """Take up a window; versions before keep[x] and steps before `step` are forgotten."""
        schedule = window.schedule
        self._lay(schedule, np.flatnonzero(~self.few), np.minimum(keep, self.limit), self.fixed)
        self.step_n = np.concatenate([self.step_n[step - self.step :], schedule.step_n])
        self.step_phi = np.concatenate([self.step_phi[step - self.step :], schedule.step_phi])
        self.step = step

    def _lay(self, schedule: Schedule, streams: npt.NDArray[np.intp], keep: Ints, at: int) -> None:
        """Lay what is kept of some streams and what is new down from row `at` on."""
        old = [slice(int(self.start[x] + keep[x]), int(self.start[x] + self.limit[x])) for x in streams]
        new = [slice(int(schedule.start[x]), int(schedule.start[x] + schedule.number[x])) for x in streams]
        sizes = [schedule.number[x] + self.limit[x] - keep[x] for x in streams]
        starts = at + np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

        def joined(here: Ints, there: list[Ints]) -> Ints:
            kept, to = [here[rows].copy() for rows in old], here
            if starts[-1] > len(here):
                to = np.empty((int(starts[-1]) * 3 // 2, *here.shape[1:]), np.int64)
                to[:at] = here[:at]
            for first, end, before, more in zip(starts[:-1], starts[1:], kept, there, strict=True):
                middle = first + len(before)
                to[first:middle], to[middle:end] = before, more
            return to

        self.begin = joined(self.begin, [schedule.begin[rows] for rows in new])
        self.back = joined(self.back, [schedule.back[rows] for rows in new])
        self.tile = joined(self.tile, [schedule.tile[rows] for rows in new])
        for i, kept in enumerate(self.kept):
            added = [selected(schedule.work[rows], kept[x]) for x, rows in zip(streams, new, strict=True)]
            self.work[i] = joined(self.work[i], added)
        self.start[streams] = starts[:-1] - keep[streams]
        self.low[streams] = keep[streams]
        self.limit[streams] += schedule.number[streams]

    def last_step(self, slots: Ints) -> int:
        """The last step that asks for nothing still to come; slots : int64[x], versions a buffer holds."""
        last = self.step + len(self.step_n) - 1
        for x in np.flatnonzero(self.limit < self.number):
            following = int(self.limit[x] - slots[x]) - AHEAD
            if following < self.low[x]:
                return self.step - 1
            last = min(last, int(self.begin[self.start[x] + following]) - 1)
        return last


def selected(work: Ints, kept: list[int]) -> Ints:
    """One stream's cycles on the ports that are left, in their new slots."""
    if kept == list(range(len(kept))):
        return work
    chosen = np.zeros_like(work)
    chosen[:, : len(kept)] = work[:, kept]
    return chosen


class Simulation:
    """One simulation of a layer as far as it has got. cycles : at its end, when all has landed."""

    def __init__(self, streams: Streams, steps: int) -> None:
        self.streams, self.steps = streams, steps
        self.machine, self.state, self.cycles = streams.machine(), streams.state(1), 0

    def advance(self, window: OpenWindow, work: Ints, first: int, last: int, slots: int) -> None:
        """Simulate from after step `first` to after step `last`; slots : of psum tiles."""
        drains = self.state.drains
        if slots > len(drains):
            more = np.zeros((2 * slots - len(drains), 3), np.int64)
            self.state = self.state._replace(drains=np.concatenate([drains, more]))
        self.sweep(window, window.tile, work, first, last)

    def sweep(self, window: OpenWindow, tile: Ints, work: Ints, first: int, last: int) -> None:
        """The same where there are slots for all; tile : those of the versions."""
        versions = Versions(
            window.start, window.number, window.low, window.limit, window.begin, window.back, tile, work
        )
        steps = Steps(self.steps, window.step, window.step_n, window.step_phi)
        sweep.advance(first, last, self.machine, versions, steps, self.state)

    def end(self) -> None:
        """Charge what comes after the last step."""
        self.cycles = int(sweep.finish(self.machine, self.state))


class Server(Protocol):
    """Finds how long the outermost level's transfers take, once their order is known."""

    def take(self, window: Window) -> None:
        """Take up the versions of a window."""

    def serve(self, log: Ints, window: OpenWindow, work: Ints) -> None:
        """Write the cycles of the next transfers, in the order of a log (see `records.State`), into rows of `work`."""


class Ahead:
    """A simulation that runs before the others, for the order of the outermost level's transfers.

    The order is static (T9): it depends neither on how long they take, which is thus known before another simulation
    asks, nor on when psums were drained, so that here all tiles share one slot.
    """

    def __init__(self, simulation: Simulation, server: Server) -> None:
        self.simulation, self.server = simulation, server
        self.outermost = simulation.streams.rows[:, records.PARENT] < 0

    def advance(self, window: OpenWindow, work: Ints, first: int, last: int) -> None:
        """Simulate these steps, and write down how long the transfers that begin in them take."""
        most = int((window.limit - window.low)[self.outermost].sum())
        log = np.zeros(1 + 2 * most, np.int64)
        self.simulation.state = self.simulation.state._replace(log=log)
        self.simulation.sweep(window, np.zeros_like(window.tile), work, first, last)
        self.server.serve(log, window, work)


def simulate(
    found: Outline, windows: Iterable[Window], simulations: Sequence[Simulation], server: Server | None = None
) -> None:
    """Run all simulations over a layer's windows, the first of which has the streams with few versions.

    server : of the first simulation's transfers at the outermost level; None: they take what is written down.
    """
    parts = iter(windows)
    first = next(parts)
    window = OpenWindow(found.number, [simulation.streams.kept for simulation in simulations], first)
    slots = simulations[0].streams.rows[:, records.SLOTS]
    ahead = None
    if server is not None:
        ahead = Ahead(Simulation(simulations[0].streams, found.steps), server)
        server.take(first)
    done = -1
    for part in parts:
        current = np.maximum(simulations[0].state.progress[:, records.CURRENT], 0)
        window.append(part, current, done + 1)
        if server is not None:
            server.take(part)
        last = window.last_step(slots)
        if last <= done:
            continue
        if ahead is not None:
            ahead.advance(window, window.work[0], done, last)
        for simulation, work in zip(simulations, window.work, strict=True):
            simulation.advance(window, work, done, last, part.slots)
        done = last
    assert done == found.steps - 1
    for simulation in simulations:
        simulation.end()
