"""Figures of a given width: what stands above the axes and below them, in letters of one size, nothing on the data.

A figure for a column of a paper is 3.5 in wide, one for its page 7.16 in (IEEE, "Preparation of Papers for IEEE
Transactions and Journals"), one for a slide 10 in. They are saved at that width, so letters keep their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

from accelsim.cache import prepare_matplotlib
from accelsim.errors import AccelsimError, nearest
from accelsim.report.letters import cut, letters_missing, wrapped
from accelsim.report.palette import GREY, Paint, look

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

PLAIN: dict[str, Any] = {"parse_math": False}  # names with dollar signs are no formulas
EDGE = 3.0
"""Points that stay free along each side."""
LINE = 1.25
"""Height of a line, in heights of a letter."""
LETTER = 0.6
"""Mean width of a letter, in its height."""


class Size(NamedTuple):
    """How large a figure is. width, height : inches, the height of the axes with what is written along them.

    text : points of a letter. flat : bars lie, names beside them. groups : of bars that fit, where each has four.
    dots : per inch, of pixels.
    """

    name: str
    width: float
    height: float
    text: float
    flat: bool
    groups: int
    dots: int

    @property
    def head(self) -> float:
        """Points of a letter of the title."""
        return self.text + 1

    @property
    def inner(self) -> float:
        """Points between the edges."""
        return 72 * self.width - 2 * EDGE

    def letters(self, points: float) -> int:
        """How many fit into a length."""
        return max(4, int(points / (LETTER * self.text)))


COLUMN = Size("column", 3.5, 2.3, 7, True, 8, 300)
PAGE = Size("page", 7.16, 2.7, 8, False, 9, 200)
SLIDE = Size("slide", 10.0, 4.0, 14, False, 8, 150)
SIZES = {size.name: size for size in (COLUMN, PAGE, SLIDE)}


def size_of(width: str | None, default: Size | None = None) -> Size:
    """The size of a name, 'column', 'page' or 'slide'; None: `default`, else a page's. AccelsimError for another."""
    if width is None:
        return default or PAGE
    if width not in SIZES:
        raise AccelsimError(f"unknown width '{width}'{nearest(width, SIZES)}")
    return SIZES[width]


def new_axes(width: float, height: float = 4.2) -> Axes:
    """Axes of a figure of its own, in inches, that no window belongs to."""
    prepare_matplotlib()
    from accelsim.report import canvas

    return canvas.new_axes(width, height)


def sized_axes(size: Size) -> Axes:
    """Axes of a figure that keeps its width; `furnish` gives it its height."""
    axes = new_axes(size.width, size.height)
    figure: Any = axes.figure
    figure.exact = True
    figure.set_dpi(size.dots)
    axes.tick_params(labelsize=size.text, length=0.3 * size.text, pad=0.3 * size.text, width=0.6)
    for spine in axes.spines.values():
        spine.set_linewidth(0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def save(axes: Axes, path: str) -> None:
    """Write a picture; the ending says the format (png, svg or pdf). Whole or not at all."""
    prepare_matplotlib()
    from accelsim.report import canvas

    canvas.save(axes, path)


@letters_missing()
def furnish(
    axes: Axes,
    size: Size,
    title: Sequence[str],
    handles: Sequence[tuple[Artist, str]] = (),
    caption: str = "",
    height: float | None = None,
    bare: float | None = None,
) -> None:
    """Put title and legend above the axes and a caption below; the figure becomes as high as all of it.

    title : lines, the first in bold. handles : (what is drawn, its name). height : inches of the axes, with what is
    written along them; None: `size.height`. bare : points of axes that nothing is written along, which fill the width.
    """
    figure: Any = axes.figure
    heads = [line for text in title[:1] for line in wrapped(text, size.inner, size.head, bold=True)]
    lines = [line for text in title[1:] for line in wrapped(text, size.inner, size.text)]
    notes = wrapped(caption, size.inner, size.text) if caption else []
    legend = _legend(axes, size, handles) if handles else None
    key = legend.get_window_extent().height * 72 / figure.dpi if legend else 0.0
    gap = 0.4 * size.text
    above = EDGE + LINE * size.head * len(heads) + LINE * size.text * len(lines) + gap + (key + gap if legend else 0)
    below = (LINE * size.text * len(notes) + gap if notes else 0) + EDGE
    whole = above + (bare or 72 * (height or size.height)) + below
    figure.set_size_inches(size.width, whole / 72)
    left, top = EDGE / (72 * size.width), 1 - EDGE / whole

    def write(y: float, texts: Sequence[str], points: float, **more: Any) -> float:
        for text in texts:
            own = figure.text(left, y, text, fontsize=points, va="top", **PLAIN, **more)
            own.set_in_layout(False)
            y -= LINE * points / whole
        return y

    y = write(top, heads, size.head, weight="bold")
    y = write(y, lines, size.text)
    if legend:
        legend.set_bbox_to_anchor((left, y - gap / whole), transform=figure.transFigure)
    write(below / whole - gap / whole, notes, size.text, color=GREY)
    if bare is not None:
        figure.set_layout_engine("none")
        axes.set_position((left, below / whole, size.inner / (72 * size.width), bare / whole))
        return
    figure.set_layout_engine(
        "constrained", rect=(0, below / whole, 1, 1 - (above + below) / whole), w_pad=EDGE / 72, h_pad=EDGE / 144
    )
    # the first layout is made of ticks that the second one changes
    figure.draw_without_rendering()


def beside(axes: Axes, size: Size, title: Sequence[str], handles: Sequence[tuple[Artist, str]]) -> None:
    """Put a title above axes that someone gave, and the legend at their right."""
    axes.set_title("\n".join(title), loc="left", fontsize=size.text, **PLAIN)
    legend = axes.legend(
        [handle for handle, _ in handles], [name for _, name in handles], loc="upper left", bbox_to_anchor=(1, 1),
        frameon=False, fontsize=size.text,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def patches(entries: Sequence[tuple[str, Paint]]) -> list[tuple[Artist, str]]:
    """(box of its colour and hatch, name) of each entry of a legend."""
    from matplotlib.patches import Patch

    with thin_hatches():
        return [(Patch(**look(paint)), name) for name, paint in entries]


def thin_hatches() -> AbstractContextManager[None]:
    """What is made within has fine lines as hatches, so that its colour is seen."""
    from matplotlib import rc_context

    return rc_context({"hatch.linewidth": 0.5})


def _legend(axes: Axes, size: Size, handles: Sequence[tuple[Artist, str]]) -> Any:
    """A legend of the figure in as many columns as fit."""
    figure: Any = axes.figure
    names = [cut(name, size.inner - 3.5 * size.text, size.text) for _, name in handles]
    for columns in range(len(handles), 0, -1):
        # a legend fills column by column, and is read line by line
        order = [at for column in range(columns) for at in range(column, len(handles), columns)]
        legend = figure.legend(
            [handles[at][0] for at in order], [names[at] for at in order], ncols=columns,
            loc="upper left", fontsize=size.text,
            frameon=False, borderpad=0, borderaxespad=0, columnspacing=1.2, handlelength=1.6, handletextpad=0.5,
            labelspacing=0.35,
        )  # fmt: skip
        for text in legend.get_texts():
            text.set_parse_math(False)
        legend.set_in_layout(False)
        if columns == 1 or legend.get_window_extent().width * 72 / figure.dpi <= size.inner:
            return legend
        legend.remove()
    raise AssertionError("a legend has at least one column")
