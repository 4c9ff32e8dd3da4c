"""How wide text is when it is drawn, and how it is broken or cut to fit."""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

MEASURED = 300
"""Dots per inch of what measures: as fine as those of the finest picture."""


@contextmanager
def letters_missing() -> Iterator[None]:
    """Letters that the font lacks are drawn as boxes; that needs no line for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def wrapped(text: str, room: float, points: float, bold: bool = False) -> list[str]:
    """A line broken at blanks so that each part is no wider than `room`, in points; a word that is wider is cut."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and length(longer, points, bold) <= room:
            lines[-1] = longer
        else:
            lines.append(cut(word, room, points, bold))
    return lines


def cut(text: str, room: float, points: float, bold: bool = False) -> str:
    """A text with its middle left out where it is wider than `room`, in points."""
    if length(text, points, bold) <= room:
        return text

    def shorter(kept: int) -> str:
        ahead = (kept - 1) // 2
        return f"{text[:ahead]}…{text[len(text) - (kept - 1 - ahead) :]}"

    fits = bisect_left(range(len(text)), True, lo=3, key=lambda kept: length(shorter(kept), points, bold) > room)
    return shorter(max(3, fits - 1))


@lru_cache(maxsize=10_000)
def length(text: str, points: float, bold: bool = False) -> float:
    """Points that a line of text takes."""
    from matplotlib.font_manager import FontProperties

    font = FontProperties(size=points, weight="bold" if bold else "normal")
    with letters_missing():
        wide, _, _ = _renderer().get_text_width_height_descent(text, font, ismath=False)
    return float(wide) * 72 / MEASURED


@lru_cache(maxsize=1)
def _renderer() -> Any:
    """What measures text: dots as fine as those of the finest picture."""
    from matplotlib.backends import backend_agg

    renderer: Any = backend_agg.RendererAgg
    return renderer(1, 1, MEASURED)
