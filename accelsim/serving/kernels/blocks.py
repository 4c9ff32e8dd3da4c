"""Blocks of keys and values: one queue of those free, and a chain for each request."""

from __future__ import annotations

from accelsim.jit import njit, part
from accelsim.serving.kernels.state import FREE, NOBODY, PEAK, QUEUE_HEAD, QUEUE_TAIL


@part
def blocks_for(tokens, block):
    """Blocks that so many tokens fill, the last in part."""
    return (tokens + block - 1) // block


@part
def unlink(side, b):
    """Take a block out of the queue."""
    before, after = side.before[b], side.after[b]
    if before == NOBODY:
        side.at[QUEUE_HEAD] = after
    else:
        side.after[before] = after
    if after == NOBODY:
        side.at[QUEUE_TAIL] = before
    else:
        side.before[after] = before
    side.at[FREE] -= 1


@part
def enqueue(side, b, owner):
    """Put a block at the queue's tail; its owner may find it again."""
    tail = side.at[QUEUE_TAIL]
    side.before[b], side.after[b], side.owner[b] = tail, NOBODY, owner
    if tail == NOBODY:
        side.at[QUEUE_HEAD] = b
    else:
        side.after[tail] = b
    side.at[QUEUE_TAIL] = b
    side.at[FREE] += 1


@njit(_nrt=False)
def grow(requests, side, r, blocks, capacity):
    """Give a request blocks from the queue's head until it has so many."""
    while requests.held[r] < blocks:
        b = side.at[QUEUE_HEAD]
        loser = side.owner[b]
        if loser != NOBODY:  # a sequence's end is queued first, so what it loses is the last it could find
            requests.top[loser] = side.below[b]
            requests.held[loser] -= 1
            side.owner[b] = NOBODY
        unlink(side, b)
        side.below[b] = requests.top[r]
        requests.top[r] = b
        requests.held[r] += 1
    used = capacity - side.at[FREE]
    if used > side.at[PEAK]:
        side.at[PEAK] = used


@njit(_nrt=False)
def release_chain(side, top, held):
    """So many blocks of a chain, the end of the sequence first; none is found again."""
    b = top
    for _ in range(held):
        below = side.below[b]
        enqueue(side, b, NOBODY)
        b = below


@njit(_nrt=False)
def release(requests, side, r):
    """All blocks of a request."""
    release_chain(side, requests.top[r], requests.held[r])
    requests.top[r], requests.held[r] = NOBODY, 0


@njit(_nrt=False)
def release_to_find(requests, side, r, block):
    """The same, but full blocks can be found again by this request."""
    b = requests.top[r]
    full = requests.computed[r] // block
    for i in range(requests.held[r] - 1, -1, -1):
        below = side.below[b]
        if i >= full:
            requests.top[r] = below
            enqueue(side, b, NOBODY)
        else:
            enqueue(side, b, r)
        b = below
    requests.held[r] = min(requests.held[r], full)


@njit(_nrt=False)
def find(requests, side, r, block):
    """Take what a put-back request still finds of its own; returns the tokens in it."""
    b = requests.top[r]
    for _ in range(requests.held[r]):
        side.owner[b] = NOBODY
        unlink(side, b)
        b = side.below[b]
    return requests.held[r] * block
