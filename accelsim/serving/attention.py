"""Attention as a fused pair: scores stay on chip, so that only queries, keys, values and outputs cross level 0.

Words follow rule F9 of the project's rules of fusion, "rows outside": blocks of queries, over blocks of keys and
values, with a running maximum and sum. A key-value head's queries are in the order position, then head.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.engine.fused.attention import Attention, Blocks, moved


@dataclass(frozen=True)
class Fused:
    """What one key-value head's attention moves and computes.

    queries, keys, outputs : words at level 0; keys : keys and values. scores : that are computed. rescalings : of
    outputs and sums, vector operations. blocks : (rows, keys) at a time.
    """

    queries: int
    keys: int
    outputs: int
    scores: int
    rescalings: int
    blocks: tuple[int, int]


def fused(new: int, past: int, heads: int, width: int, room: int | None) -> Fused | None:
    """Causal attention of `new` positions after `past` others, `heads` query heads on one of keys and values.

    width : words of a head. room : words of the buffer, or None: without bound. Fewest words first, then fewest
    rescalings. None: not even a row and a key fit.
    """
    rows, keys = heads * new, past + new
    if room is None or rows * (keys + 2 * width + 2) + 2 * width * keys <= room:
        return _counted(new, past, heads, width, (rows, keys), whole=True)
    most = (room - 2 * width) // (1 + 2 * width + 2)
    if most < 1:
        return None
    # keys and values that stay cross once, whatever the blocks of queries
    left = room - 2 * width * keys
    if left >= 2 * width + 3:
        height = min(rows, left // (2 * width + 3))
        breadth = min(keys, left // height - 2 * width - 2)
        return _counted(new, past, heads, width, (height, breadth), whole=True)
    many = -(-rows // min(most, rows))
    height = -(-rows // many)
    breadth = min(keys, (room - height * (2 * width + 2)) // (height + 2 * width))
    return _counted(new, past, heads, width, (height, max(1, breadth)), whole=False)


def _counted(new: int, past: int, heads: int, width: int, blocks: tuple[int, int], *, whole: bool) -> Fused:
    """Its words (`engine.fused.attention`). whole : keys and values stay on chip."""
    attention = Attention(new, past + new, width, width, heads, causal=True)
    found = moved(attention, Blocks(*blocks, outside="rows", kv_resident=whole))
    # a score is a product over a head's width, and a value's share another
    scores = found.macs // (2 * width)
    return Fused(found.queries, found.keys + found.values, found.outputs, scores, found.rescalings, blocks)
