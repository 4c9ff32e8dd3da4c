"""Which places of a machine's arrays hold work, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from accelsim.errors import AccelsimError
from accelsim.outcome import Outcome
from accelsim.report.arrays import Use, uses
from accelsim.report.framing import LINE, PLAIN, Size, beside, furnish, size_of, sized_axes
from accelsim.report.letters import cut, wrapped
from accelsim.report.palette import COLOURS, GREY
from accelsim.report.plot_bars import Row
from accelsim.report.plot_result import headline, require_cycles
from accelsim.report.text import number, percent, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IDLE, BUSY = "#EEEEEE", COLOURS[0]
GAP = 0.25
"""Between arrays, in widths of the place of each."""
BARE = 32
"""Most rows or columns with lines between them."""
THIN = 0.12
"""Least side of an array that is long and thin, in its longer one."""


def draw(result: Outcome, ax: Axes | None = None, width: str | None = None) -> Axes:
    """A map of each array, outermost first: the darker, the longer a place works."""
    data = array_data(result)
    size = size_of(width)
    axes = sized_axes(size) if ax is None else ax
    high = _maps(data, axes, size)
    axes.set_xlim(0, size.inner)
    axes.set_ylim(-high, 0)
    axes.set_aspect("equal" if ax else "auto")
    axes.axis("off")
    sums = result.total
    told = f"{number(sums.active_pes)} of {result.architecture.pes:,} PEs active in the mean cycle with MACs"
    title = (headline(result), told)
    if ax is None:
        note = "share of the cycles with MACs in which a place holds work; mean of all layers by those cycles"
        furnish(axes, size, title, _key(), note, bare=high)
    else:
        beside(axes, size, title, _key())
    return axes


def array_data(result: Outcome) -> list[Use]:
    """Data of `draw`: of each array below a level, float[y, x], the share of cycles with MACs that a place works."""
    require_cycles(result)
    if result.architecture.cartesian:
        raise AccelsimError(
            f"no use of an array to draw: PEs of '{shown(result.architecture.name)}' map a layer by themselves"
        )
    found = uses(result)
    if not found:
        raise AccelsimError(f"no use of an array to draw: '{shown(result.architecture.name)}' has no array")
    return found


def rows(data: Sequence[Use]) -> list[Row]:
    """Tidy rows for any tool: below which level, y, x, share."""
    return [
        {"below": use.level, "y": y, "x": x, "share": float(use.share[y, x])}
        for use in data
        for y in range(use.share.shape[0])
        for x in range(use.share.shape[1])
    ]


def _maps(data: Sequence[Use], axes: Axes, size: Size) -> float:
    """Draw the arrays beside each other, in points from the top left corner; gives the height of all."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("use", [IDLE, BUSY])
    room = size.inner / (len(data) + GAP * (len(data) - 1))
    side = min(room, 165.0 if size.flat else 40 * size.height)
    shapes = [use.share.shape for use in data]
    sides = [tuple(side * max(one / max(shape), THIN) for one in shape) for shape in shapes]
    top = max(tall for tall, _ in sides)
    lines = 0
    for index, (use, (tall, broad)) in enumerate(zip(data, sides, strict=True)):
        middle = room * (index * (1 + GAP) + 0.5)
        begin, end = middle - broad / 2, middle + broad / 2
        rows, columns = use.share.shape
        axes.imshow(
            use.share, cmap=shades, vmin=0, vmax=1, extent=(begin, end, -top, tall - top), aspect="auto",
            interpolation="nearest", origin="upper",
        )  # fmt: skip
        if max(rows, columns) <= BARE:
            for at in range(1, columns):
                axes.plot([begin + at * broad / columns] * 2, [-top, tall - top], color="white", lw=0.4)
            for at in range(1, rows):
                axes.plot([begin, end], [at * tall / rows - top] * 2, color="white", lw=0.4)
        axes.plot([begin, end, end, begin, begin], [-top, -top, tall - top, tall - top, -top], color=GREY, lw=0.6)
        name = f"{rows} x {columns} below {cut(shown(use.level), room, size.text)}"
        told = [line for text in (name, f"works {percent(use.mean)} %") for line in wrapped(text, room, size.text)]
        for at, line in enumerate(told):
            place = -top - (0.4 + LINE * at) * size.text
            axes.text(middle, place, line, fontsize=size.text, ha="center", va="top", **PLAIN)
        lines = max(lines, len(told))
    return float(top + (0.4 + LINE * lines) * size.text)


def _key() -> list[tuple[Any, str]]:
    """Boxes of five shades."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Patch

    shades = LinearSegmentedColormap.from_list("use", [IDLE, BUSY])
    steps = (0.0, 0.25, 0.5, 0.75, 1.0)
    return [(Patch(facecolor=shades(share), edgecolor=GREY, lw=0.4), f"{100 * share:.0f} %") for share in steps]
