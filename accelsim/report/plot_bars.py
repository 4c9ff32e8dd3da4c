"""Stacked bars in groups: the data of a picture, and how it is drawn at any width."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from accelsim.report.framing import PLAIN, Size, furnish, new_axes, patches, sized_axes, thin_hatches
from accelsim.report.letters import cut, length
from accelsim.report.palette import GREY, Paint, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Stacks = Mapping[str, Mapping[str, Mapping[str, float]]]
"""group -> bar -> part -> value."""
Row = dict[str, Any]

MISSING = "did not run"
SHORT = 24
"""Letters of a name below the bars."""
CAPTION = 28
"""Letters that fit beside the bars."""
BREAK = re.compile(r"[^_\-–: ]*[_\-–: ]*(?<=.)")
FEW, ROOM, ROOM_OF_MANY = 10, 10, 7  # groups that are few; letters below one of few and of many
SPAN = 0.8
"""What the bars of a group take, where groups are 1 apart."""
THIN = 0.88
"""Of its place, the share a bar fills."""
LINE_OF_BAR, LETTER_OF_BAR = 1.22, 0.58
"""Height of a bar with its name, and mean width of a letter of that, in heights of a letter."""


@dataclass(frozen=True)
class Bars:
    """What is drawn.

    title : lines over it. axis : what the bars measure. unit : of all values. stacks : values, none negative.
    bars : of each group, from left or top. parts : stacked from the axis on, (key in `stacks`, name, paint).
    missing : groups without bars, named after the others and marked. caption : phrases that say what it comes from.
    totals : the sum of each group, said where it stands; empty: none is.
    """

    title: tuple[str, ...]
    axis: str
    unit: str
    stacks: Stacks
    bars: tuple[tuple[str, str], ...]
    parts: tuple[tuple[str, str, Paint], ...]
    heading: str = "level"
    missing: tuple[str, ...] = ()
    caption: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()

    @property
    def groups(self) -> list[str]:
        """All names along the axis."""
        return [*self.stacks, *self.missing]

    @property
    def highest(self) -> float:
        """The longest bar."""
        sums = (sum(parts.values()) for bars in self.stacks.values() for parts in bars.values())
        return max(sums, default=0.0)

    def rows(self) -> list[Row]:
        """Tidy rows for any tool: group, bar, part, value, unit; those of 0 left out."""
        return [
            {"group": group, "bar": bar, "part": part, "value": value, "unit": self.unit}
            for group, bars in self.stacks.items()
            for bar, parts in bars.items()
            for part, value in parts.items()
            if value
        ]


def draw(data: Bars, ax: Axes | None = None, size: Size | None = None) -> Axes:
    """Draw into axes that are given, into a figure of a size, or into one as wide as its groups: upright bars, legend
    and caption beside them. In a figure of a size both stand above and below.
    """
    if ax is None and size is not None:
        axes = sized_axes(size)
        (_lying if size.flat else _standing)(data, axes, size)
        return axes
    axes = ax or _new_axes(data)
    _stack(data, axes, flat=False)
    axes.set_ylim(0, 1.08 * data.highest or 1)
    axes.set_ylabel(f"{data.axis} [{data.unit}]", **PLAIN)
    _mark(data, axes, 9)
    _label_axes(data, axes)
    _legend(data, axes)
    beside = "\n".join(_beside(data))
    axes.text(1.02, 0.0, beside, transform=axes.transAxes, fontsize=7, color=GREY, va="bottom", **PLAIN)
    _totals(data, axes, 8)
    axes.set_title("\n".join(data.title), loc="left", fontsize=10, **PLAIN)
    return axes


def _places(data: Bars) -> list[list[float]]:
    """Of each group, where its bars stand."""
    pitch = SPAN / len(data.bars)
    offsets = [(at - (len(data.bars) - 1) / 2) * pitch for at in range(len(data.bars))]
    return [[group + offset for offset in offsets] for group in range(len(data.stacks))]


def _stack(data: Bars, axes: Axes, flat: bool) -> None:
    places = [place for group in _places(data) for place in group]
    cells = [bars.get(bar, {}) for bars in data.stacks.values() for bar, _ in data.bars]
    ends = [0.0] * len(cells)
    thick = THIN * SPAN / len(data.bars)
    for part, _, paint in data.parts:
        values = [cell.get(part, 0.0) for cell in cells]
        with thin_hatches():
            (axes.barh if flat else axes.bar)(places, values, thick, ends, **look(paint))
        ends = [end + value for end, value in zip(ends, values, strict=True)]


# ---- of a width ------------------------------------------------------------------------------------------------------


def _lying(data: Bars, axes: Axes, size: Size) -> None:
    """Bars from left to right, a line for each, groups from the top down with their names at the left."""
    _stack(data, axes, flat=True)
    count, several = len(data.groups), len(data.bars) > 1
    pitch = LINE_OF_BAR * size.text
    high = count * (pitch * len(data.bars) / SPAN if several else pitch)
    axes.set_xlim(0, 1.04 * data.highest or 1)
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_xlabel(f"{data.axis} [{data.unit}]", fontsize=size.text, x=1.0, ha="right", **PLAIN)
    axes.grid(axis="x", color="#dddddd", lw=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_linewidth(0.8)
    names = _named(data)
    if several:
        places = [place for group in _places(data) for place in group]
        axes.set_yticks(places, [name for _, name in data.bars] * len(data.stacks), fontsize=size.text, **PLAIN)
        wide = max(map(len, (name for _, name in data.bars)))
        own = axes.secondary_yaxis("left")
        lines = ["\n".join(broken(name, 0.22 * size.inner, size.text, len(data.bars))) + total for name, total in names]
        own.set_yticks(range(count), lines, fontsize=size.text, fontweight="bold", **PLAIN)
        own.tick_params(axis="y", length=0, pad=LETTER_OF_BAR * size.text * wide + size.text)
        own.spines["left"].set_visible(False)
    else:
        lines = [broken(name, 0.36 * size.inner, size.text, 1)[0] + total for name, total in names]
        axes.set_yticks(range(count), lines, fontsize=size.text, **PLAIN)
    for place in range(len(data.stacks), count):
        axes.text(0.01, place, MISSING, color=GREY, fontsize=size.text, va="center",
                  transform=axes.get_yaxis_transform(), **PLAIN)  # fmt: skip
    furnish(axes, size, data.title, _handles(data), "; ".join(data.caption), (high + 3.6 * size.text) / 72)


def _named(data: Bars) -> list[tuple[str, str]]:
    """(name, line below it) of each group."""
    totals = [f"\n{total}" for total in data.totals]
    return list(zip(data.groups, [*totals, *[""] * (len(data.groups) - len(totals))], strict=True))


def _standing(data: Bars, axes: Axes, size: Size) -> None:
    """Bars upright, their names below them, below these the groups'."""
    _stack(data, axes, flat=False)
    count, several = len(data.groups), len(data.bars) > 1
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(0, (1.16 if data.totals else 1.05) * data.highest or 1)
    axes.grid(axis="y", color="#dddddd", lw=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=0)
    each = (size.inner - 5 * size.text) / count
    below = 0.0
    if several:
        places = [place for group in _places(data) for place in group]
        kinds = [name for _, name in data.bars] * len(data.stacks)
        longest = max(length(name, size.text) for _, name in data.bars)
        upright = longest + 0.5 * size.text < each * SPAN / len(data.bars)
        axes.set_xticks(places, kinds, rotation=0 if upright else 90, fontsize=size.text, **PLAIN)
        below = (1.4 * size.text if upright else longest) + 0.9 * size.text
        own: Any = axes.secondary_xaxis("bottom")
        own.spines["bottom"].set_visible(False)
    else:
        own = axes
    lines = [broken(name, each - 0.3 * size.text, size.text, 3, several) for name in data.groups]
    turned = not several and any(len(parts) > 1 or "…" in parts[0] for parts in lines)
    if turned:
        lines = [broken(name, 9 * size.text, size.text, 1) for name in data.groups]
        high = max(len(parts[0]) for parts in lines) * LETTER_OF_BAR
    else:
        high = LINE_OF_BAR * max(map(len, lines))
    texts = ["\n".join(parts) for parts in lines]
    own.set_xticks(
        range(count), texts, fontsize=size.text, fontweight="bold" if several else "normal",
        rotation=90 if turned else 0, **PLAIN,
    )  # fmt: skip
    own.tick_params(axis="x", length=0, pad=below or 0.3 * size.text)
    plot_height = 72 * size.height - below - high * size.text
    label = [f"{data.axis} [{data.unit}]"]
    if length(label[0], size.text) > 0.95 * plot_height:
        label = [data.axis, f"[{data.unit}]"]
    axes.set_ylabel("\n".join(label), fontsize=size.text, **PLAIN)
    _mark(data, axes, size.text)
    _totals(data, axes, size.text)
    furnish(axes, size, data.title, _handles(data), "; ".join(data.caption))


def _handles(data: Bars) -> list[Any]:
    return patches([(name, paint) for _, name, paint in data.parts])


def broken(name: str, room: float, points: float, most: int, bold: bool = True) -> list[str]:
    """A name over as many lines as there may be, each no wider than `room`, in points; what is left over is cut."""
    lines: list[str] = []
    pieces = BREAK.findall(name)
    while pieces:
        piece = pieces.pop(0)
        joined = (lines[-1] if lines else "") + piece
        if lines and length(joined.rstrip("_ "), points, bold) <= room:
            lines[-1] = joined
        elif lines and len(lines) == most:
            lines[-1] = joined + "".join(pieces)
            break
        else:
            lines.append(piece)
    return [cut(line.rstrip("_ ") or line, room, points, bold) for line in lines] or [name]


# ---- as wide as its groups -------------------------------------------------------------------------------------------


def _new_axes(data: Bars) -> Axes:
    """As wide as the groups, as high as the legend with the caption below it, and the names under the bars."""
    groups = data.groups
    names, turned = _names(groups)
    below = 0.085 * max(map(len, names)) if turned else 0.15 * max(name.count("\n") + 1 for name in names)
    beside = 0.18 * (len(data.parts) + 1) + 0.14 * len(_beside(data))
    each = (0.85 if len(groups) <= FEW else 0.62) if len(data.bars) > 1 else 0.5
    width = max(6.4, 2.6 + each * len(groups))
    return new_axes(width, max(3.0, beside) + 1.1 + below)


def _beside(data: Bars) -> list[str]:
    """The caption as lines beside the bars."""
    return [line for phrase in data.caption for line in textwrap.wrap(phrase, CAPTION)]


def _label_axes(data: Bars, axes: Axes) -> None:
    groups, several = data.groups, len(data.bars) > 1
    labels, turned = _names(groups)
    axes.tick_params(axis="x", length=0)
    names: Any = axes
    if several:
        places = [place for group in _places(data) for place in group]
        kinds = [name for _, name in data.bars]
        axes.set_xticks(places, kinds * len(data.stacks), rotation=90, fontsize=7)
        names = axes.secondary_xaxis("bottom")
        names.tick_params(axis="x", length=0, pad=42)
        names.spines["bottom"].set_visible(False)
    names.set_xticks(
        range(len(groups)),
        labels,
        fontsize=9 if len(groups) <= FEW else 8,
        fontweight="bold" if several else "normal",
        rotation=90 if turned else 0,
        **PLAIN,
    )
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)


def _names(groups: Sequence[str]) -> tuple[list[str], bool]:
    """Names as they stand under the bars, and whether they are turned: over several lines, or upright if too long."""
    room = ROOM if len(groups) <= FEW else ROOM_OF_MANY
    found = [_wrapped(group, room) for group in groups]
    turned = len(groups) > 4 and max(len(line) for text in found for line in text.split("\n")) > room
    return (list(groups), True) if turned else (found, False)


def _wrapped(name: str, room: int) -> str:
    """A name broken behind underscores, hyphens and blanks where it is too long for its place."""
    if len(name) <= room:
        return name
    lines: list[str] = []
    for piece in BREAK.findall(name):
        if lines and len((lines[-1] + piece).rstrip("_ ")) <= room:
            lines[-1] += piece
        else:
            lines.append(piece)
    return "\n".join(line.rstrip("_ ") or line for line in lines)


def _legend(data: Bars, axes: Axes) -> None:
    handles = [handle for handle, _ in _handles(data)]
    legend = axes.legend(
        handles, [name for _, name, _ in data.parts], frameon=False, fontsize=8, loc="upper left",
        bbox_to_anchor=(1.0, 1.0), reverse=True, title=data.heading,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def _mark(data: Bars, axes: Axes, points: float) -> None:
    """Say of groups without bars why they have none."""
    for place in range(len(data.stacks), len(data.groups)):
        axes.text(
            place, 0.02, MISSING, rotation=90, color=GREY, fontsize=points, ha="center", va="bottom",
            transform=axes.get_xaxis_transform(), **PLAIN,
        )  # fmt: skip


def _totals(data: Bars, axes: Axes, points: float) -> None:
    """The sum of each group's bars, above the highest of them."""
    for place, (bars, total) in enumerate(zip(data.stacks.values(), data.totals, strict=False)):
        sums = [sum(parts.values()) for parts in bars.values()]
        axes.annotate(
            total, (place, max(sums, default=0.0)), (0, 2), textcoords="offset points",
            ha="center", va="bottom", fontsize=points, color=GREY,
        )  # fmt: skip


def free(name: str, taken: Container[str]) -> str:
    """The name, or with a number behind it: shortened names may be equal."""
    found, count = name, 2
    while found in taken:
        found, count = f"{name} ({count})", count + 1
    return found
