"""Slices of a timeline: what a track shows from one cycle to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

COMPUTE, STALL, TRANSFER, PORT = "compute", "stall", "transfer", "port"
"""Categories of slices."""
MACS, PASSES = "MAC array", "passes"


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
