"""Stacked bars, one below the other, each with its name and its sum above it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from accelsim.report.html.svg import FAINT, GRID, Drawing, Paint
from accelsim.report.text import number, percent

ROW, BAR, AXIS = 34, 15, 32
"""Pixels of a bar with its name; of the bar; of the axis below all."""


@dataclass(frozen=True)
class Bars:
    """What is drawn: numbers in `unit`.

    rows : (name, part -> value), values not negative. paint : of every part, in the order they are stacked.
    """

    title: str
    unit: str
    rows: tuple[tuple[str, Mapping[str, float]], ...]
    paint: Mapping[str, Paint]

    @property
    def parts(self) -> tuple[str, ...]:
        """Those that are drawn at all."""
        return tuple(part for part in self.paint if any(values.get(part) for _, values in self.rows))


def ticks(highest: float, most: int = 4) -> list[float]:
    """Round numbers from 0 to one that is `highest` or a little less: steps of 1, 2 or 5 times a power of ten."""
    if highest <= 0:
        return [0.0]
    rough = highest / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
    return [step * index for index in range(int(highest / step * 1.0001) + 1)]


def draw(bars: Bars, alone: bool = False) -> Markup:
    """The picture; its legend is `legend`."""
    sums = [sum(values.values()) for _, values in bars.rows]
    highest = max(sums, default=0.0)
    bottom = ROW * len(bars.rows) + 4
    drawing = Drawing(bottom + AXIS, f"{bars.title} [{bars.unit}]")
    marks = ticks(highest)
    for mark in marks:
        place = mark / highest if highest else 0.0
        drawing.line((place, 0, place, bottom), GRID)
        anchor = "start" if place < 0.05 else "end" if place > 0.95 else "middle"
        drawing.text(place, bottom + 12, number(mark), anchor, FAINT)
    drawing.text(0.5, bottom + 27, bars.unit, "middle", FAINT)
    for index, ((name, values), whole) in enumerate(zip(bars.rows, sums, strict=True)):
        top, at = ROW * index, 0.0
        drawing.text(0, top + 12, name)
        drawing.text(1, top + 12, number(whole), "end", FAINT)
        for part in bars.parts:
            value = values.get(part, 0.0)
            if not value:
                continue
            width = value / highest
            title = f"{name}, {part}: {number(value)} {bars.unit}, {percent(value / whole)} %"
            drawing.rect(at, top + 16, width, BAR, bars.paint[part], title)
            at += width
    return drawing.markup(alone)


def legend(paint: Mapping[str, Paint], parts: Sequence[str]) -> list[tuple[str, Markup]]:
    """(name, a patch of its colour) of each part, to stand beside a picture."""
    found = []
    for part in parts:
        patch = Drawing(12, part, fixed=12)
        patch.rect(0, 0, 12, 12, paint[part])
        found.append((part, patch.markup()))
    return found
