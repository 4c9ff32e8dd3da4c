"""A run: the kernel from one full array to the next, what it tells collected, and all of it checked at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from accelsim.serving.kernels import state
from accelsim.serving.kernels.events import NEVER, advance
from accelsim.serving.kernels.lookup import Costs
from accelsim.serving.kernels.state import Requests, Rules, Side, System
from accelsim.serving.policy import Policy
from accelsim.serving.requests import Asked

Ints = npt.NDArray[np.int64]
ROWS = 8192
MOST_KEPT = 4096
"""Iterations that are kept to be drawn; of more, every second, fourth, ... one."""
MOST_TRACED = 2**17
"""The same where a trace is asked for."""
MOST_EVENTS = 2**20
Progress = Callable[[int, int], None]


class ConservationError(Exception):
    """A run that lost or made up something: a fault of this package, not of who asked."""


@dataclass
class Gaps:
    """Times between tokens of a request: how often each, in ns, exactly."""

    times: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    counts: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, pairs: Ints) -> None:
        """Pairs : int64[pairs, 2], (ns, how many)."""
        times = np.concatenate((self.times, pairs[:, 0]))
        self.times, place = np.unique(times, return_inverse=True)
        counts = np.zeros(len(self.times), np.int64)
        np.add.at(counts, place, np.concatenate((self.counts, pairs[:, 1])))
        self.counts = counts


@dataclass
class Kept:
    """Iterations over time, thinned to what a picture shows.

    most : rows to keep. rows : int64[kept, ROW_FIELDS]. stride : of how many iterations one is kept. tokens,
    put_back, sequences : of all of them.
    """

    most: int = MOST_KEPT
    rows: Ints = field(default_factory=lambda: np.zeros((0, state.ROW_FIELDS), np.int64))
    stride: int = 1
    seen: int = 0
    tokens: int = 0
    put_back: int = 0
    sequences: int = 0

    def add(self, rows: Ints) -> None:
        """More iterations, in order of their start."""
        first = -self.seen % self.stride
        self.seen += len(rows)
        self.tokens += int(rows[:, state.ROW_TOKENS].sum())
        self.sequences += int(rows[:, state.ROW_SEQUENCES].sum())
        self.put_back += int(rows[:, state.ROW_PUT_BACK].sum())
        self.rows = np.concatenate((self.rows, rows[first :: self.stride]))
        while len(self.rows) > self.most:
            self.rows, self.stride = self.rows[::2].copy(), 2 * self.stride


@dataclass(frozen=True, repr=False)
class Run:
    """What came of it. Times are ns.

    first, last, again, puts : int64[requests]: times of the first and last token, tokens computed again, times put
    back. area : of the number of requests in the system, over time. busy, energy : ns and uJ of iterations, of each
    side. peak : blocks, of each side. outside : iterations that lay beyond the table. events : int64[events, 4], if
    they were asked for, up to a million.
    """

    asked: Asked
    policy: Policy
    first: Ints
    last: Ints
    again: Ints
    puts: Ints
    gaps: Gaps
    kept: Kept
    area: int
    busy: tuple[int, ...]
    energy: tuple[float, ...]
    peak: tuple[int, ...]
    iterations: int
    outside: int
    events: Ints

    @property
    def end(self) -> int:
        """When the last token appeared."""
        return int(self.last.max())

    @property
    def span(self) -> int:
        """From the first arrival to the last token."""
        return self.end - int(self.asked.arrival[0])


def new_side(blocks: int, seats: int) -> Side:
    """An idle device with all blocks free, in order."""
    at = np.zeros(state.SIDE_FIELDS, np.int64)
    at[state.FREE] = blocks
    at[state.QUEUE_HEAD], at[state.QUEUE_TAIL] = (0, blocks - 1) if blocks else (state.NOBODY, state.NOBODY)
    at[[state.PUT_BACK, state.LANDED, state.LANDED_TAIL]] = state.NOBODY
    at[state.ENDS] = NEVER
    running, planned, takes = (np.zeros(seats, np.int64) for _ in range(3))
    number = np.arange(blocks, dtype=np.int64)
    after = number + 1
    after[-1:] = state.NOBODY
    below, owner = (np.full(blocks, state.NOBODY, np.int64) for _ in range(2))
    return Side(at, running, planned, takes, after, number - 1, below, owner)


def new_requests(asked: Asked) -> Requests:
    """None of them begun."""
    n = len(asked)
    computed, first, last, again, puts, held = (np.zeros(n, np.int64) for _ in range(6))
    top, behind = (np.full(n, state.NOBODY, np.int64) for _ in range(2))
    return Requests(
        asked.arrival, asked.prompt, asked.output, asked.prompt.copy(), computed, first, last, again, puts, top, held,
        behind,
    )  # fmt: skip


def new_system(asked: Asked, rules: Rules, events: int) -> System:
    """At the first arrival."""
    at = np.zeros(state.SYSTEM_FIELDS, np.int64)
    at[[state.CROSSING, state.CROSSING_TAIL, state.FLYING, state.FLYING_TAIL]] = state.NOBODY
    at[state.NOW] = asked.arrival[0]
    at[state.ARRIVED] = np.searchsorted(asked.arrival, asked.arrival[0], "right")
    lands, top, held = (np.zeros(len(asked) if rules.split else 0, np.int64) for _ in range(3))
    gaps = max(4 * rules.seats, ROWS)
    return System(
        at, np.zeros(2), lands, top, held, np.zeros((ROWS, state.ROW_FIELDS), np.int64), np.zeros((gaps, 2), np.int64),
        np.zeros((events, state.EVENT_FIELDS), np.int64),
    )  # fmt: skip


def run(
    asked: Asked,
    policy: Policy,
    costs: Costs,
    prices: Costs,
    kv_bytes: int = 0,
    events: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Serve requests; every count is checked afterwards.

    costs, prices : of iterations, in ns and uJ. kv_bytes : of a token. events : keep what happened to each request.
    progress : called with (requests done, in all).

    Raises
    ------
    AccelsimError : a request that never fits. ConservationError : a fault of this package.
    """
    policy.check(asked)
    rules = policy.rules(len(asked), kv_bytes)
    requests = new_requests(asked)
    sides = (new_side(policy.kv_blocks, rules.seats), new_side(policy.split.blocks if policy.split else 0, rules.seats))
    room = max(2**16, 64 * rules.seats) if events else 0
    system = new_system(asked, rules, room)
    gaps, kept = Gaps(), Kept(MOST_TRACED if events else MOST_KEPT)
    told, area = [np.zeros((0, state.EVENT_FIELDS), np.int64)], 0
    more = 1
    while more == 1:
        more = advance(requests, *sides, rules, system, costs, prices)
        gaps.add(system.gaps[: system.at[state.GAPS]])
        kept.add(system.rows[: system.at[state.ROWS]])
        area += int(system.at[state.AREA])
        if events and sum(map(len, told)) < MOST_EVENTS:
            if system.at[state.EVENTS] == room:
                raise ConservationError("more happened at one instant than is told")
            told.append(system.events[: system.at[state.EVENTS]].copy())
        system.at[[state.GAPS, state.ROWS, state.AREA, state.EVENTS]] = 0
        if progress:
            progress(int(system.at[state.FINISHED]), len(asked))
    used = sides[: 1 + rules.split]
    found = Run(
        asked, policy, requests.first, requests.last, requests.again, requests.puts, gaps, kept, area,
        tuple(int(side.at[state.BUSY]) for side in used), tuple(float(x) for x in system.energy[: len(used)]),
        tuple(int(side.at[state.PEAK]) for side in used), int(system.at[state.ITERATIONS]),
        int(system.at[state.OUTSIDE]), np.concatenate(told)[:MOST_EVENTS],
    )  # fmt: skip
    _check(found, requests, used, more)
    return found


def _check(found: Run, requests: Requests, sides: tuple[Side, ...], stuck: int) -> None:
    """What must hold after every run (docs/serving.md, "Nothing is lost")."""
    asked = found.asked
    latency = sum(map(int, found.last)) - sum(map(int, asked.arrival))
    for held, what in (
        (stuck == 0, "requests wait, and nothing can happen"),
        (bool((requests.reached == asked.prompt + asked.output).all()), "a request has not all of its tokens"),
        (bool((requests.computed == asked.work).all()), "a request computed more or fewer tokens than it has"),
        (int(found.gaps.counts.sum()) == int((asked.output - 1).sum()), "tokens are not each told once"),
        (bool((found.gaps.times > 0).all()), "tokens of a request do not follow one another"),
        (bool((found.first > asked.arrival).all() and (found.last >= found.first).all()), "tokens are out of order"),
        (found.kept.tokens == int(asked.work.sum() + found.again.sum()), "tokens computed do not add up"),
        (found.kept.put_back == int(found.puts.sum()), "requests put back do not add up"),
        (latency == found.area, "latencies are not the area under the requests in the system"),
        (all(_whole(side) for side in sides), "blocks did not come back"),
    ):
        if not held:
            raise ConservationError(what)


def _whole(side: Side) -> bool:
    """Whether all blocks stand in the queue, once each."""
    seen = np.zeros(len(side.owner), np.int64)
    b, steps = int(side.at[state.QUEUE_HEAD]), 0
    while b != state.NOBODY and steps <= len(seen):
        seen[b] += 1
        b, steps = int(side.after[b]), steps + 1
    return bool((seen == 1).all()) and int(side.at[state.FREE]) == len(seen)
