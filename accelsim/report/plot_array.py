"""Which places of a machine's arrays hold work, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from accelsim.errors import AccelsimError
from accelsim.outcome import Outcome
from accelsim.report.framing import PLAIN, Size, cut, furnish, size_of, sized_axes, wrapped
from accelsim.report.html.usage import Use, uses
from accelsim.report.palette import COLOURS, GREY
from accelsim.report.plot_bars import Row
from accelsim.report.plot_result import headline, require_cycles
from accelsim.report.text import number, percent, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IDLE, BUSY = "#EEEEEE", COLOURS[0]
SIDE, GAP = 1.0, 0.3
"""Of the longest side of an array, and between arrays."""
BARE = 32
"""Most rows or columns with lines between them."""
THIN = 0.12
"""Least side of an array that is long and thin."""


def draw(result: Outcome, ax: Axes | None = None, width: str | None = None) -> Axes:
    """A map of each array, outermost first: the darker, the longer a place works."""
    data = array_data(result)
    size = size_of(width)
    axes = sized_axes(size) if ax is None else ax
    room = size.inner / (len(data) + GAP * (len(data) - 1))
    side = min(room, 2.3 * 72 if size.flat else 0.55 * 72 * size.height)
    share = max(max(use.share.shape[0] / max(use.share.shape) for use in data), THIN)
    lines = _maps(data, axes, size, max(room, 1.0) * (1 + 0.8 * GAP))
    axes.axis("off")
    where = headline(result)
    sums = result.total
    told = f"{number(sums.active_pes)} of {result.architecture.pes:,} PEs active in the mean cycle with MACs"
    if ax is None:
        note = "share of the cycles with MACs in which a place holds work; mean of all layers by those cycles"
        furnish(axes, size, (where, told), _key(), note, (side * share + (lines + 1.2) * 1.25 * size.text) / 72)
    else:
        axes.set_title(f"{where}\n{told}", loc="left", fontsize=size.text, **PLAIN)
        handles, names = zip(*_key(), strict=True)
        axes.legend(handles, names, loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=size.text)
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


def _maps(data: Sequence[Use], axes: Axes, size: Size, room: float) -> int:
    """Draw the arrays beside each other; gives how many lines stand below the longest."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("use", [IDLE, BUSY])
    left, most, top = 0.0, 0, 0.0
    for use in data:
        high, wide = use.share.shape
        tall, broad = (max(SIDE * side / max(high, wide), THIN) for side in (high, wide))
        begin = left + (SIDE - broad) / 2
        box = (begin, begin + broad, 0.0, tall)
        axes.imshow(
            use.share, cmap=shades, vmin=0, vmax=1, extent=box, aspect="auto", interpolation="nearest", origin="upper"
        )
        if max(high, wide) <= BARE:
            for at in range(1, wide):
                axes.plot([begin + at * broad / wide] * 2, [0, tall], color="white", lw=0.4)
            for at in range(1, high):
                axes.plot([begin, begin + broad], [at * tall / high] * 2, color="white", lw=0.4)
        axes.plot([begin, begin + broad, begin + broad, begin, begin], [0, 0, tall, tall, 0], color=GREY, lw=0.6)
        name = f"{high} x {wide} below {cut(axes, shown(use.level), 9 * size.text, size.text)}"
        lines = [*wrapped(axes, name, room, size.text), *wrapped(axes, f"works {percent(use.mean)} %", room, size.text)]
        axes.annotate(
            "\n".join(lines), (left + SIDE / 2, 0), (0, -0.4 * size.text), textcoords="offset points",
            ha="center", va="top", fontsize=size.text, annotation_clip=False, **PLAIN,
        )  # fmt: skip
        most, top = max(most, len(lines)), max(top, tall)
        left += SIDE + GAP
    axes.set_xlim(-GAP / 2, left - GAP / 2)
    axes.set_ylim(0, top)
    axes.set_aspect("equal", anchor="N")
    return most


def _key() -> list[tuple[Any, str]]:
    """Boxes of five shades."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Patch

    shades = LinearSegmentedColormap.from_list("use", [IDLE, BUSY])
    steps = (0.0, 0.25, 0.5, 0.75, 1.0)
    return [(Patch(facecolor=shades(share), edgecolor=GREY, lw=0.4), f"{100 * share:.0f} %") for share in steps]
