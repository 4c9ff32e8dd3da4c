"""Layers of a deep network gathered into blocks, so that a picture of it stays readable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby, takewhile

MOST = 25  # groups that fit beside each other
DASH = "–"
TOKEN = re.compile(r"[^\W\d_]+|\d+")


def blocks(names: Sequence[str], most: int = MOST) -> list[tuple[str, list[int]]]:
    """(label, positions) of at most `most` groups of neighbours, in order; up to `most` layers stay as they are.

    Neighbours whose names begin alike are one block (`l0_q`, `l0_k`; `conv2_0a`, `conv2_0b`), of all such beginnings
    those that give most blocks; else those with the same number (`dw2`, `pw2`); else runs of as many blocks, or layers.
    """
    if len(names) <= most:
        return [(name, [index]) for index, name in enumerate(names)]
    tokens = [TOKEN.findall(name) for name in names]
    depths = range(max(map(len, tokens)), 0, -1)
    keys: list[list[object]] = [[tuple(found[:depth]) for found in tokens] for depth in depths]
    keys.append([next((token for token in reversed(found) if token.isdigit()), tuple(found)) for found in tokens])
    several: list[list[list[int]]] = []
    for key in keys:
        groups = [[index for index, _ in run] for _, run in groupby(enumerate(key), lambda item: item[1])]
        if len(groups) <= most and len(groups) > 1:
            return [(_label([names[index] for index in group]), group) for group in groups]
        if most < len(groups) < len(names):
            several.append(groups)
    # the fewest blocks that are still too many, or the layers, in runs of equal length
    parts = min(several, key=len, default=[[index] for index in range(len(names))])
    labels = [_label([names[index] for index in part]) for part in parts]
    size = -(-len(parts) // most)
    found = []
    for first in range(0, len(parts), size):
        ends = labels[first].split(DASH)[0], labels[min(first + size, len(labels)) - 1].split(DASH)[-1]
        label = labels[first] if size == 1 or first == len(labels) - 1 else DASH.join(ends)
        found.append((label, [index for part in parts[first : first + size] for index in part]))
    return found


def _label(names: Sequence[str]) -> str:
    """What the names of a block have in common, else its first and last."""
    if len(names) == 1:
        return names[0]
    first, last = min(names), max(names)  # what these two share all share
    alike = "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    common = alike.rstrip("_-./ ")
    return common if TOKEN.search(common) else f"{names[0]}{DASH}{names[-1]}"
