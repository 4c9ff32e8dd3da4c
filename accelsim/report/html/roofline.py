"""A roofline as a page has it; its data is `report.rooflines`."""

from __future__ import annotations

import math
from collections.abc import Mapping

from markupsafe import Markup

from accelsim.report.html.svg import FAINT, GRID, Drawing, Paint
from accelsim.report.rooflines import Roofline
from accelsim.report.text import number, shown, ten_to

TOP, HEIGHT, BOTTOM = 26, 310, 40
LEFT, RIGHT = 0.13, 0.97


def draw(data: Roofline, paint: Mapping[str, Paint]) -> Markup:
    """The picture: both axes logarithmic, a roof for each level in its colour, a dot for each layer and level."""
    xs = [point.intensity for point in data.points] + [roof.ridge for roof in data.roofs]
    ys = [point.performance for point in data.points] + [data.peak]
    low_x, high_x = _decades(xs)
    low_y, high_y = _decades(ys)

    def x(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (math.log10(value) - low_x) / (high_x - low_x)

    def y(value: float) -> float:
        return HEIGHT - (HEIGHT - TOP) * (math.log10(value) - low_y) / (high_y - low_y)

    drawing = Drawing(HEIGHT + BOTTOM, "roofline: MACs per cycle against MACs per byte")
    every = max(1, -(-(high_x - low_x) // 5))
    for power in range(low_x, high_x + 1):
        place = x(10.0**power)
        drawing.line((place, TOP, place, HEIGHT), GRID)
        if (power - low_x) % every == 0:
            anchor = "end" if power == high_x else "middle"
            drawing.text(place, HEIGHT + 14, _power(power), anchor, FAINT)
    for power in range(low_y, high_y + 1):
        drawing.line((LEFT, y(10.0**power), RIGHT, y(10.0**power)), GRID)
        drawing.text(LEFT - 0.015, y(10.0**power) + 4, _power(power), "end", FAINT)
    drawing.text((LEFT + RIGHT) / 2, HEIGHT + 32, "MACs per byte", "middle", FAINT)
    drawing.text(0, 9, "MACs per cycle", "start", FAINT)
    for roof in data.roofs:
        begin = max(10.0**low_x, 10.0**low_y / roof.bandwidth)
        foot = roof.bandwidth * begin
        if begin < roof.ridge:
            drawing.line((x(begin), y(foot), x(roof.ridge), y(data.peak)), paint[roof.level][0], 2)
    first = min((roof.ridge for roof in data.roofs), default=10.0**low_x)
    drawing.line((x(max(first, 10.0**low_x)), y(data.peak), RIGHT, y(data.peak)), "#222222", 2)
    # layers that lie on each other at two levels stay both seen: inner ones are smaller
    sizes = {roof.level: max(7.0 - 2.5 * at, 2.0) for at, roof in enumerate(data.roofs)}
    for point in data.points:
        told = f"{number(point.intensity)} MACs per byte, {number(point.performance)} MACs per cycle"
        title = f"{shown(point.layer)} at {shown(point.level)}: {told}, {number(data.bound(point))} at most"
        drawing.dot(x(point.intensity), y(point.performance), paint[point.level][0], title, sizes[point.level])
    return drawing.markup()


def _decades(values: list[float]) -> tuple[int, int]:
    """Powers of ten around all values above 0."""
    known = [value for value in values if value > 0]
    if not known:
        return 0, 1
    low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    return low, max(high, low + 1)


def _power(power: int) -> str:
    return f"{10.0**power:,g}" if -3 < power < 5 else ten_to(power)
