"""Slices of a timeline: what a track shows from one cycle to another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

COMPUTE, STALL, TRANSFER, PORT, HANDED = "compute", "stall", "transfer", "port", "handed"
"""Categories of slices; `HANDED`: a tile on its way through a layer of an epilogue."""
MACS, PASSES, EPILOGUE = "MAC array", "passes", "epilogue "
"""Names of tracks; that of a layer of an epilogue begins with the last one."""
LANE = re.compile(r" \(\d+\)$")
"""What a second lane of a track has behind its name."""


class Slice(NamedTuple):
    """What a track shows from cycle `begin` to cycle `end`, cut off at the window.

    told : words, tile, what it waited for.
    """

    name: str
    category: str
    begin: int
    end: int
    told: Mapping[str, Any]


class Track(NamedTuple):
    """A name and slices in order of time, none of which overlap; `many` of them."""

    name: str
    many: int
    slices: Iterable[Slice]


def clipped(span: tuple[int, int], shown: Slice) -> Slice:
    """A slice cut off at the window; it then says from when to when it really lasts."""
    low, high = span
    if shown.begin >= low and shown.end <= high:
        return shown
    told = {**shown.told, "from": shown.begin, "to": shown.end}
    return shown._replace(begin=max(shown.begin, low), end=min(shown.end, high), told=told)


def within(span: tuple[int, int], slices: Iterable[Slice]) -> Iterator[Slice]:
    """Those that last and lie in a window, cut off at it."""
    for one in slices:
        if one.begin < one.end and one.begin < span[1] and one.end > span[0]:
            yield clipped(span, one)


def laid_out(span: tuple[int, int], name: str, slices: Iterable[Slice]) -> Iterator[Track]:
    """What of these lies in a window, as a track; or several where they overlap."""
    lanes: list[list[Slice]] = []
    for one in sorted(within(span, slices), key=lambda one: (one.begin, one.end)):
        lane = next((lane for lane in lanes if lane[-1].end <= one.begin), None)
        if lane is None:
            lanes.append([one])
        else:
            lane.append(one)
    for at, lane in enumerate(lanes):
        yield Track(name if at == 0 else f"{name} ({at + 1})", len(lane), lane)
