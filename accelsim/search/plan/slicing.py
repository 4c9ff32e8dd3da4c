"""Slices of filters that a search looks at: fewer words of each at a time, where whole ones ask for too much room."""

from __future__ import annotations

from collections.abc import Iterator

from accelsim.engine.fused.storage import Measured
from accelsim.search.plan.costs import Wanted

MOST_ROOMS, HALVES = 2, 7
"""Rooms that are looked at for one tiling, and how often what filters add to the room is halved."""


def slicings(wanted: Wanted, found: Measured) -> Iterator[dict[str, int]]:
    """Output channels in a slice, by operation whose filter comes in slices; none where filters need not.

    Looked at where filters that come whole ask for more than half of the home. What they add to the room is halved
    until it fits, and once more; each filter comes in 1, 2, 4, ... slices, as few as that room takes.
    Twice the room holds whole filters then, or slices twice as large, beside all else that lay there.
    """
    capacity = wanted.capacity
    if capacity is None or not (wanted.keeps_filters and wanted.weights_share):
        return
    slots = 2 if found.tiling.double else 1
    ops = [op for op in found.group.ops if op.filters]
    # bits of one output channel, with its slots
    each = {op.name: op.filters // op.outer * found.widths.of_filter(op.name) * slots for op in ops}
    whole = max((found.held[op.name] + each[op.name] * op.outer for op in ops), default=0)
    if 2 * whole <= capacity:
        return
    tried: list[dict[str, int]] = []
    for halves in range(1, HALVES + 1):
        room = found.room + (max(whole - found.room, 0) >> halves)
        if room > capacity:
            continue
        cut = {}
        for op in ops:
            channels = _channels(op.outer, each[op.name], room - found.held[op.name])
            if not channels:
                return
            if channels < op.outer:
                cut[op.name] = channels
        if cut and cut not in tried:
            tried.append(cut)
            yield cut
        if len(tried) == MOST_ROOMS:
            return


def _channels(outer: int, each: int, room: int) -> int:
    """Of a slice: of all output channels in the fewest of 1, 2, 4, ... that fit; 0: not even one channel does."""
    many = 1
    while each * -(-outer // many) > room:
        if many >= outer:
            return 0
        many *= 2
    return -(-outer // many)
