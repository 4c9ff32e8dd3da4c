"""What the scheduler's kernels share: requests, the two sides that may serve them, and what is told of a run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NOBODY = -1

# of Side.at
RUNNING, FREE, QUEUE_HEAD, QUEUE_TAIL, PUT_BACK, PLANNED, ENDS, STARTED, PEAK, LEFT, LANDED, LANDED_TAIL, BUSY, LOST = (
    range(14)
)
SIDE_FIELDS = 14
# of System.at
(
    NOW, WAITING, ARRIVED, FINISHED, CROSSING, CROSSING_TAIL, FLYING, FLYING_TAIL, LINK_FREE, AREA, ROWS, GAPS, EVENTS,
    ITERATIONS, OUTSIDE, LAST_TOKEN,
) = range(16)  # fmt: skip
SYSTEM_FIELDS = 16
# columns of System.rows
ROW_START, ROW_END, ROW_SIDE, ROW_TOKENS, ROW_SEQUENCES, ROW_DECODES, ROW_PRESENT, ROW_BLOCKS, ROW_PUT_BACK = range(9)
ROW_FIELDS = 9
# columns of System.events, and what happens to a request
EVENT_TIME, EVENT_REQUEST, EVENT_KIND, EVENT_SIDE = range(4)
EVENT_FIELDS = 4
ADMITTED, PUT_BACK_EVENT, FIRST_TOKEN, DONE, CROSSES, LANDS = range(6)
# policies
CHUNKED, WHOLE, PROMPTS_FIRST, STATIC = range(4)
# the part of a side
ALL, PREFILL, DECODE = range(3)


class Requests(NamedTuple):
    """int64[requests] each, in order of arrival; times in ns.

    reached : tokens of the prompt and emitted. computed : those with keys and values. last : time of the last token.
    again : tokens computed again. puts : times put back. top, held : last block of its chain and how many it has, or,
    put back, of those that can be found again. behind : the next of the list it is in.
    """

    arrival: np.ndarray
    prompt: np.ndarray
    output: np.ndarray
    reached: np.ndarray
    computed: np.ndarray
    first: np.ndarray
    last: np.ndarray
    again: np.ndarray
    puts: np.ndarray
    top: np.ndarray
    held: np.ndarray
    behind: np.ndarray


class Side(NamedTuple):
    """A device, or group of them, with a KV cache of its own.

    at : int64[SIDE_FIELDS]. running, planned, takes : int64[seats], in order of admission.
    after, before, below, owner : int64[blocks]: neighbours in the queue of free blocks, the block below in its
    request's chain, and the request that may find it again.
    """

    at: np.ndarray
    running: np.ndarray
    planned: np.ndarray
    takes: np.ndarray
    after: np.ndarray
    before: np.ndarray
    below: np.ndarray
    owner: np.ndarray


class Rules(NamedTuple):
    """What is asked for. split : whether there are two sides. token_time, token_parts : ns to send a token's keys and
    values, as a fraction. latency : ns.
    """

    policy: int
    chunk: int
    budget: int
    seats: int
    block: int
    split: int
    token_time: int
    token_parts: int
    latency: int


class System(NamedTuple):
    """What is told of a run.

    at : int64[SYSTEM_FIELDS]. energy : float64[2], uJ of each side's iterations. lands, sent_top, sent_held :
    int64[requests] of a split run: when what crosses is there, and its chain here. rows, gaps, events :
    int64[most, fields], filled up to what `at` says, for the caller to take away; gaps are (ns between two tokens of a
    request, how many).
    """

    at: np.ndarray
    energy: np.ndarray
    lands: np.ndarray
    sent_top: np.ndarray
    sent_held: np.ndarray
    rows: np.ndarray
    gaps: np.ndarray
    events: np.ndarray
