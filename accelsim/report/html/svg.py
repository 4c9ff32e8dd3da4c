"""SVG by hand: text stays text, widths are shares of the page, so that a picture fits a wide screen and a narrow one.

Vertical lengths are CSS pixels. Horizontal ones are shares of the width, 0 to 1, or pixels where a drawing is `fixed`.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from markupsafe import Markup

TEXT = 11
"""Pixels of a letter: 8.25 points."""
ALONE = 640
"""Pixels of the width of a picture that stands in no page of ours."""
INK, FAINT, GRID = "#222222", "#555555", "#dddddd"
Paint = tuple[str, str]
"""A colour and a hatch, one of `report.palette.HATCHES`."""
RGB = tuple[int, int, int]

_LINES = {
    "//": "M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4",
    "\\\\": "M-2,6 l4,4 M0,0 l8,8 M6,-2 l4,4",
    "xx": "M0,0 l8,8 M0,8 l8,-8",
    "++": "M4,0 v8 M0,4 h8",
    "--": "M0,4 h8",
    "||": "M4,0 v8",
    "**": "M4,0 v8 M0,4 h8 M1,1 l6,6 M1,7 l6,-6",
}
_DOTS = {"..": (1.2, "white"), "oo": (2.2, "none"), "OO": (3.2, "none")}


class Drawing:
    """A picture that grows by its parts; `markup` is the whole of it."""

    def __init__(self, height: float, label: str, fixed: float = 0.0) -> None:
        self.height, self.label, self.fixed = height, label, fixed
        self._parts: list[str] = []
        self._hatched: set[Paint] = set()

    def x(self, value: float) -> str:
        """A horizontal place or length as SVG writes it."""
        return short(value) if self.fixed else f"{short(100 * value)}%"

    def rect(
        self, x: float, y: float, width: float, height: float, paint: Paint, title: str = "", edge: str = ""
    ) -> None:
        """A box; edge : the colour of its outline, if it has one."""
        stroke = f' stroke="{edge}"' if edge else ""
        box = f'x="{self.x(x)}" y="{short(y)}" width="{self.x(width)}" height="{short(height)}"'
        self._parts.append(_with_title("rect", f'{box} fill="{self._fill(paint)}"{stroke}', title))

    def line(self, ends: tuple[float, float, float, float], colour: str = GRID, width: float = 1.0) -> None:
        """A line; ends : x, y, x, y."""
        x1, y1, x2, y2 = ends
        place = f'x1="{self.x(x1)}" y1="{short(y1)}" x2="{self.x(x2)}" y2="{short(y2)}"'
        self._parts.append(f'<line {place} stroke="{colour}" stroke-width="{short(width)}"/>')

    def dot(self, x: float, y: float, colour: str, title: str = "", radius: float = 4.0, faint: bool = False) -> None:
        """A filled circle. faint : one of many, without an outline."""
        place = f'cx="{self.x(x)}" cy="{short(y)}" r="{short(radius)}"'
        look = 'fill-opacity="0.4"' if faint else 'fill-opacity="0.9" stroke="white" stroke-width="0.7"'
        self._parts.append(_with_title("circle", f'{place} fill="{colour}" {look}', title))

    def shape(self, points: Iterable[tuple[float, float]], colour: str) -> None:
        """A filled shape with straight sides; of a drawing that is `fixed`."""
        corners = " ".join(f"{short(x)},{short(y)}" for x, y in points)
        self._parts.append(f'<polygon points="{corners}" fill="{colour}"/>')

    def text(
        self,
        x: float,
        y: float,
        text: str,
        anchor: str = "start",
        colour: str = INK,
        bold: bool = False,
        dx: float = 0.0,
    ) -> None:
        """A line of text; y : of its foot. anchor : which end of it x is, 'start', 'middle' or 'end'. dx : pixels."""
        more = f' dx="{short(dx)}"' if dx else ""
        more += "" if anchor == "start" else f' text-anchor="{anchor}"'
        more += "" if colour == INK else f' fill="{colour}"'
        more += ' font-weight="bold"' if bold else ""
        self._parts.append(f'<text x="{self.x(x)}" y="{short(y)}"{more}>{escape(text)}</text>')

    def markup(self, alone: bool = False) -> Markup:
        """The SVG element. alone : with all it needs where it stands in no page of ours."""
        width = short(self.fixed or ALONE) if self.fixed or alone else "100%"
        more = ' xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"' if alone else ""
        more += f' fill="{INK}" font-size="{TEXT}"' if alone else ""
        title = f'role="img" aria-label="{escape(self.label)}"'
        hatches = patterns(self._hatched) if alone else ""
        body = "".join(self._parts)
        return Markup(f'<svg width="{width}" height="{short(self.height)}" {title}{more}>{hatches}{body}</svg>')

    def _fill(self, paint: Paint) -> str:
        colour, hatch = paint
        if not hatch:
            return colour
        self._hatched.add(paint)
        return f"url(#{_pattern_name(paint)})"


def patterns(paints: Iterable[Paint]) -> Markup:
    """What hatched fills refer to; once in a page, before its pictures."""
    found = "".join(_pattern(paint) for paint in sorted(set(paints)) if paint[1])
    return Markup(f"<defs>{found}</defs>") if found else Markup("")


def short(value: float) -> str:
    """A number with two places at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def between(low: RGB, high: RGB, share: float) -> str:
    """The colour that is so far from one to another."""
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(low, high, strict=True))


def _pattern_name(paint: Paint) -> str:
    return f"h{paint[0].removeprefix('#')}-{'-'.join(str(ord(letter)) for letter in paint[1])}"


def _pattern(paint: Paint) -> str:
    colour, hatch = paint
    if hatch in _DOTS:
        radius, fill = _DOTS[hatch]
        mark = f'<circle cx="4" cy="4" r="{radius}" fill="{fill}" stroke="white"/>'
    else:
        mark = f'<path d="{_LINES[hatch]}" stroke="white" fill="none"/>'
    size = 'width="8" height="8" patternUnits="userSpaceOnUse"'
    return f'<pattern id="{_pattern_name(paint)}" {size}><rect width="8" height="8" fill="{colour}"/>{mark}</pattern>'


def _with_title(tag: str, attributes: str, title: str) -> str:
    if not title:
        return f"<{tag} {attributes}/>"
    return f"<{tag} {attributes}><title>{escape(title)}</title></{tag}>"
