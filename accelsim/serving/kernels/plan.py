"""Which requests an iteration is of, and how many tokens of each (docs/serving.md, "A plan")."""

from __future__ import annotations

from accelsim.jit import njit, part
from accelsim.serving.kernels.blocks import blocks_for, find, grow, release_to_find
from accelsim.serving.kernels.state import (
    ADMITTED,
    ARRIVED,
    CHUNKED,
    DECODE,
    EVENT_KIND,
    EVENT_REQUEST,
    EVENT_SIDE,
    EVENT_TIME,
    EVENTS,
    FREE,
    LANDED,
    LEFT,
    NOBODY,
    NOW,
    PLANNED,
    PROMPTS_FIRST,
    PUT_BACK,
    PUT_BACK_EVENT,
    RUNNING,
    STATIC,
    WAITING,
)


@part
def tell(system, r, kind, part_):
    """Note what happened to a request, if anybody asked for that."""
    n = system.at[EVENTS]
    if n < len(system.events):
        system.events[n, EVENT_TIME] = system.at[NOW]
        system.events[n, EVENT_REQUEST] = r
        system.events[n, EVENT_KIND] = kind
        system.events[n, EVENT_SIDE] = part_
        system.at[EVENTS] = n + 1


@part
def put_into_plan(side, r, tokens):
    """A request and what it takes."""
    n = side.at[PLANNED]
    side.planned[n], side.takes[n] = r, tokens
    side.at[PLANNED] = n + 1
    side.at[LEFT] -= tokens


@njit(_nrt=False)
def put_back_last(requests, side, rules, system, part_):
    """The last admitted gives its blocks back and waits, before all others."""
    last = side.at[RUNNING] - 1
    r = side.running[last]
    side.at[RUNNING] = last
    release_to_find(requests, side, r, rules.block)
    requests.again[r] += requests.computed[r]
    requests.computed[r] = 0
    requests.puts[r] += 1
    requests.behind[r] = side.at[PUT_BACK]
    side.at[PUT_BACK] = r
    tell(system, r, PUT_BACK_EVENT, part_)
    return r


@njit(_nrt=False)
def plan_running(requests, side, rules, system, part_):
    """Those that run, in order of admission; returns how many were put back."""
    put_back, i = 0, 0
    while i < side.at[RUNNING] and side.at[LEFT] > 0:
        r = side.running[i]
        tokens = min(requests.reached[r] - requests.computed[r], rules.chunk, side.at[LEFT])
        blocks = blocks_for(requests.computed[r] + tokens, rules.block)
        while blocks - requests.held[r] > side.at[FREE]:
            put_back += 1
            if put_back_last(requests, side, rules, system, part_) == r:
                return put_back
        grow(requests, side, r, blocks, len(side.owner))
        put_into_plan(side, r, tokens)
        i += 1
    return put_back


@part
def next_waiting(requests, side, system, part_):
    """Who is first in the queue, or nobody: landed ones, then put-back ones, then arrivals."""
    if part_ == DECODE and side.at[LANDED] != NOBODY:
        return side.at[LANDED]
    if side.at[PUT_BACK] != NOBODY:
        return side.at[PUT_BACK]
    if part_ != DECODE and system.at[WAITING] < system.at[ARRIVED]:
        return system.at[WAITING]
    return NOBODY


@part
def leave_queue(requests, side, system, part_, r):
    """The first in the queue is first no more."""
    if part_ == DECODE and side.at[LANDED] == r:
        side.at[LANDED] = requests.behind[r]
    elif side.at[PUT_BACK] == r:
        side.at[PUT_BACK] = requests.behind[r]
    else:
        system.at[WAITING] += 1


@part
def seat(requests, side, system, part_, r):
    """Let a request run."""
    leave_queue(requests, side, system, part_, r)
    side.running[side.at[RUNNING]] = r
    side.at[RUNNING] += 1
    tell(system, r, ADMITTED, part_)


@njit(_nrt=False)
def admit(requests, side, rules, system, part_):
    """Those that wait, in order, until one finds no room, budget or seat; returns how many."""
    admitted = 0
    while side.at[LEFT] > 0 and side.at[RUNNING] < rules.seats:
        r = next_waiting(requests, side, system, part_)
        if r == NOBODY:
            break
        landed = part_ == DECODE and side.at[LANDED] == r  # has blocks already, in which a token more fits
        found = requests.computed[r] if landed else requests.held[r] * rules.block
        tokens = min(requests.reached[r] - found, rules.chunk, side.at[LEFT])
        if rules.policy != CHUNKED and tokens < requests.reached[r] - found:
            break
        if not landed:
            if blocks_for(requests.reached[r], rules.block) > side.at[FREE]:
                break
            requests.computed[r] = find(requests, side, r, rules.block)
            requests.again[r] -= requests.computed[r]
            grow(requests, side, r, blocks_for(requests.computed[r] + tokens, rules.block), len(side.owner))
        seat(requests, side, system, part_, r)
        put_into_plan(side, r, tokens)
        admitted += 1
    return admitted


@njit(_nrt=False)
def admit_together(requests, side, rules, system, part_):
    """As many as have seats and room to their end."""
    while side.at[RUNNING] < rules.seats:
        r = next_waiting(requests, side, system, part_)
        if r == NOBODY:
            break
        blocks = blocks_for(requests.prompt[r] + requests.output[r] - 1, rules.block)
        if blocks > side.at[FREE]:
            break
        grow(requests, side, r, blocks, len(side.owner))
        seat(requests, side, system, part_, r)


@njit(_nrt=False)
def plan(requests, side, rules, system, part_):
    """Fill `planned` and `takes`; returns how many were put back."""
    put_back = 0
    while True:
        side.at[PLANNED] = 0
        side.at[LEFT] = rules.budget
        if rules.policy == STATIC:
            if side.at[RUNNING] == 0:
                admit_together(requests, side, rules, system, part_)
            plan_running(requests, side, rules, system, part_)
            return put_back
        if rules.policy == PROMPTS_FIRST and admit(requests, side, rules, system, part_) > 0:
            return put_back
        lost = plan_running(requests, side, rules, system, part_)
        put_back += lost
        if lost == 0 and rules.policy != PROMPTS_FIRST:
            admit(requests, side, rules, system, part_)
        if lost == 0 or side.at[PLANNED] > 0:
            return put_back
        # all that ran went back: plan again, or nothing would ever happen
