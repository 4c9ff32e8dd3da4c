"""A layer looked at through a window of cycles: what happens there, line by line (`kernels.observe`).

Before the window, what repeats is looked up; behind it nothing is simulated that cannot begin in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from accelsim.engine.limits import MOST_STEPS, too_many_steps
from accelsim.engine.networks.ports import WORDS
from accelsim.engine.program import Ints
from accelsim.engine.timing.kernels import observe, records, replay
from accelsim.engine.timing.kernels.observe import Look
from accelsim.engine.timing.kernels.records import NEVER, State, Steps, Versions
from accelsim.engine.timing.repeats import Repeats, list_bodies
from accelsim.engine.timing.simulation import OpenWindow, Server, Simulation, simulate
from accelsim.engine.timing.streams import Streams
from accelsim.engine.timing.windows import Outline, Window


@dataclass(frozen=True)
class Seen:
    """What lies in a window, in program order (T9).

    lines : int64[line, column], see `kernels.observe`; None: there are more than wanted. until : where they end, or by
    when there were too many. last : when the last step ended and all had landed, if it was simulated.
    """

    streams: Streams
    lines: Ints | None
    until: int
    last: tuple[int, int] | None


@dataclass(frozen=True)
class Wanted:
    """The span of cycles to look at; joins : as of `Look`; most : lines at most."""

    span: tuple[int, int]
    joins: bool
    most: int


def look_at(streams: Streams, wanted: Wanted) -> Look:
    """Room for what is wanted."""
    slots = streams.ports.shape[1]
    words = np.zeros((len(streams.rows), 2), np.int64)
    for x, kept in enumerate(streams.kept):
        for column, slot in enumerate(kept):
            name = streams.labels[x][slot][0]
            if name in WORDS:
                words[x, WORDS.index(name)] = column
    lines, latest = np.empty((wanted.most, observe.FREED + slots), np.int64), np.full(2 * len(words) + 1, -1, np.int64)
    span, seen, free = np.array(wanted.span, np.int64), np.zeros(1, np.int64), np.zeros(slots, np.int64)
    return Look(span, wanted.joins, words, lines, seen, latest, free)


def _seen(streams: Streams, look: Look, state: State, over: bool) -> Seen:
    """What was seen; over : whether the last step was simulated."""
    many, scalars = int(look.seen[0]), state.scalars
    last = (int(scalars[records.C_END]), int(scalars[records.LAST])) if over else None
    if many > len(look.lines):
        return Seen(streams, None, int(scalars[records.C_END]), None)
    return Seen(streams, look.lines[:many], int(look.span[1]), last)


def in_repeats(found: Repeats, streams: Streams, wanted: Wanted) -> Seen:
    """Look at a layer given as a list of bodies: the last ones before the window are found, then simulated from there.

    Raises MappingError where too many steps would have to be simulated.
    """
    listed, larger = list_bodies(found, streams), 1
    until, many = wanted.span[0] - int(streams.rest.max(initial=0)), len(listed.layer.kind)
    while True:
        look = look_at(streams, wanted)
        state, known, window = listed.begin(larger)
        parts = listed.kinds, listed.layer, listed.machine
        first, simulated = replay.approach(
            *parts, state, window, known, (bool(listed.allowed), MOST_STEPS, many), until
        )
        if first == -2:
            raise too_many_steps(int(simulated))
        # the body that is too late is found by running it: once more, to just before
        if 0 <= first < many:
            state, known, window = listed.begin(larger)
            first, _ = replay.approach(
                *parts, state, window, known, (bool(listed.allowed), MOST_STEPS, int(first)), NEVER
            )
        done = -2
        if 0 <= first < many:
            done = int(observe.observe_bodies(int(first), *parts, state, window, known.at, look))
        elif first == many:
            done = found.steps - 1
        if done >= -1:
            return _seen(streams, look, state, done == found.steps - 1)
        larger *= 4


class _Over(Exception):  # noqa: N818
    """Nothing that is left lies in the window."""


class _Watched(Simulation):
    """A simulation that is looked at."""

    def __init__(self, streams: Streams, steps: int, look: Look) -> None:
        super().__init__(streams, steps)
        self.look, self.done = look, -1

    def sweep(self, window: OpenWindow, tile: Ints, work: Ints, first: int, last: int) -> None:
        """See `Simulation.sweep`."""
        versions = Versions(
            window.start, window.number, window.low, window.limit, window.begin, window.back, tile, work
        )
        steps = Steps(self.steps, window.step, window.step_n, window.step_phi)
        self.done = int(observe.observe(first, last, self.machine, versions, steps, self.state, self.look))
        if self.done < last or self.look.seen[0] > len(self.look.lines):
            raise _Over


def in_windows(
    found: Outline, parts: Iterable[Window], streams: Streams, server: Server | None, wanted: Wanted
) -> Seen:
    """Look at a layer that is simulated step by step; server : see `simulation.simulate`."""
    watched = _Watched(streams, found.steps, look_at(streams, wanted))
    with suppress(_Over):
        simulate(found, parts, [watched], server)
    return _seen(streams, watched.look, watched.state, watched.done == found.steps - 1)
