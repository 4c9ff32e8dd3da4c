"""Layers of a deep network gathered into blocks, so that a picture of it stays readable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby, takewhile

MOST = 25  # groups that fit beside each other
TOKEN = re.compile(r"[^\W\d_]+|\d+")


def blocks(names: Sequence[str], most: int = MOST) -> list[tuple[str, list[int]]]:
    """(label, positions) of at most `most` groups of neighbours, in order; up to `most` layers stay as they are.

    Neighbours whose names begin alike are one block (`l0_q`, `l0_k`; `conv2_0a`, `conv2_0b`), of all such beginnings
    those that give most blocks; else those with the same number (`dw2`, `pw2`); else runs of equal length.
    """
    if len(names) <= most:
        return [(name, [index]) for index, name in enumerate(names)]
    tokens = [TOKEN.findall(name) for name in names]
    depths = range(max(map(len, tokens)), 0, -1)
    keys: list[list[object]] = [[tuple(found[:depth]) for found in tokens] for depth in depths]
    keys.append([next((token for token in reversed(found) if token.isdigit()), tuple(found)) for found in tokens])
    for key in keys:
        groups = [[index for index, _ in run] for _, run in groupby(enumerate(key), lambda item: item[1])]
        if len(groups) <= most and len(groups) > 1:
            return [(_label([names[index] for index in group]), group) for group in groups]
    size = -(-len(names) // most)
    runs = [list(range(first, min(first + size, len(names)))) for first in range(0, len(names), size)]
    return [(_label([names[index] for index in run], ends=True), run) for run in runs]


def _label(names: Iterable[str], ends: bool = False) -> str:
    """What the names of a block have in common, else its first and last."""
    names = list(names)
    if len(names) == 1:
        return names[0]
    first, last = min(names), max(names)  # what these two share all share
    alike = "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    common = "" if ends else alike.rstrip("_-./ ")
    return common if TOKEN.search(common) else f"{names[0]}–{names[-1]}"
