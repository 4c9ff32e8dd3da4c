"""Designs by two objectives, with the front of those that none is better than, numbered as the table beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from accelsim.report.html.scales import Scale, around
from accelsim.report.html.svg import FAINT, GRID, Drawing
from accelsim.report.text import number

TOP, HEIGHT, BOTTOM = 26, 330, 40
LEFT, RIGHT = 0.13, 0.98
NARROW = 300
"""Pixels of a narrow page between the axes: numbers that would lie on each other there are left out."""
LETTER, LINE, BESIDE = 6.5, 12, 6
"""Pixels that a digit takes, a line of them, and from a dot to its number."""
GRAIN = (400, 200)
"""Places side by side, and one above the other: dots in one place are drawn once."""


@dataclass(frozen=True)
class Dot:
    """x, y : in the units of the axes. label : what stands beside it. name : what is told of it where it is pointed at.

    best : whether it is on the front.
    """

    x: float
    y: float
    label: str = ""
    name: str = ""
    best: bool = False


@dataclass(frozen=True)
class Fronts:
    """axes : names with units. runs : (what is run, its designs), each with a front of its own, one colour each.

    line : whether the front is one of these two objectives alone, so that a line between its designs means something.
    """

    axes: tuple[str, str]
    runs: tuple[tuple[str, tuple[Dot, ...]], ...]
    colours: tuple[str, ...]
    line: bool = True


def draw(data: Fronts) -> Markup:
    """The picture; least is best on both axes."""
    every = [dot for _, dots in data.runs for dot in dots]
    across, up = around([dot.x for dot in every]), around([dot.y for dot in every])
    drawing = Drawing(HEIGHT + BOTTOM, f"{data.axes[1]} against {data.axes[0]}")
    _axes(drawing, data.axes, across, up)
    taken: list[tuple[float, float, float]] = []
    for (label, dots), colour in zip(data.runs, data.colours, strict=True):
        best = [dot for dot in dots if dot.best]
        for dot, x, y in _places((dot for dot in dots if not dot.best), across, up):
            drawing.dot(x, y, colour, f"{dot.name}: {_told(data, dot)}" if dot.name else "", 3, faint=True)
        if data.line:
            for one, other in pairwise(best):
                # what a better second objective costs is paid at once
                corner = _x(across, other.x), _y(up, one.y)
                drawing.line((_x(across, one.x), corner[1], *corner), colour, 1.2)
                drawing.line((*corner, corner[0], _y(up, other.y)), colour, 1.2)
        for dot in best:
            title = f"{dot.label} {label}: {dot.name}: {_told(data, dot)}"
            drawing.dot(_x(across, dot.x), _y(up, dot.y), colour, title, 4.5)
    for at in _ends_first([dot for _, dots in data.runs for dot in dots if dot.label]):
        _label(drawing, at, (_x(across, at.x), _y(up, at.y)), taken)
    return drawing.markup()


def _x(across: Scale, value: float) -> float:
    return LEFT + (RIGHT - LEFT) * across.share(value)


def _y(up: Scale, value: float) -> float:
    return HEIGHT - (HEIGHT - TOP) * up.share(value)


def _axes(drawing: Drawing, names: tuple[str, str], across: Scale, up: Scale) -> None:
    for value in across.ticks(4):
        place = _x(across, value)
        drawing.line((place, TOP, place, HEIGHT), GRID)
        drawing.text(place, HEIGHT + 14, short_number(value), "end" if place > 0.93 else "middle", FAINT)
    for value in up.ticks(6):
        drawing.line((LEFT, _y(up, value), RIGHT, _y(up, value)), GRID)
        drawing.text(LEFT - 0.012, _y(up, value) + 4, short_number(value), "end", FAINT)
    drawing.text((LEFT + RIGHT) / 2, HEIGHT + 32, names[0], "middle", FAINT)
    drawing.text(0, 9, names[1], "start", FAINT)


def short_number(value: float) -> str:
    """A tick: ``0.0005``, ``12.5``, ``120``."""
    return f"{value:.4g}"


def _told(data: Fronts, dot: Dot) -> str:
    return f"{number(dot.x)} {data.axes[0]}, {number(dot.y)} {data.axes[1]}"


def _places(dots: Iterator[Dot], across: Scale, up: Scale) -> Iterator[tuple[Dot, float, float]]:
    found = set()
    for dot in dots:
        at = round(across.share(dot.x) * GRAIN[0]), round(up.share(dot.y) * GRAIN[1])
        if at not in found:
            found.add(at)
            yield dot, _x(across, dot.x), _y(up, dot.y)


def _ends_first(dots: Sequence[Dot]) -> list[Dot]:
    """Those of a front before others; of these the first and the last, then those between."""
    dots = sorted(dots, key=lambda dot: not dot.best)
    return [*dots[:1], *dots[-1:], *dots[1:-1]] if len(dots) > 1 else list(dots)


def _label(drawing: Drawing, dot: Dot, place: tuple[float, float], taken: list[tuple[float, float, float]]) -> None:
    """What stands beside a dot, if nothing is there yet."""
    text = dot.label
    wide, left = LETTER * len(text), place[0] * NARROW + BESIDE
    turned = left + wide > NARROW
    left = left - 2 * BESIDE - wide if turned else left
    foot = place[1] - BESIDE
    if any(x < left + wide and left < x + own and abs(y - foot) < LINE for x, y, own in taken):
        return
    taken.append((left, foot, wide))
    drawing.text(place[0], foot, text, "end" if turned else "start", dx=-BESIDE if turned else BESIDE)
