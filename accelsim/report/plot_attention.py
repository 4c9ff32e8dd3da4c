"""A fused attention, drawn: the order in which blocks of scores come, and words moved against the room for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from accelsim.engine.fused.attention import Attention, Blocks, Cut, moved
from accelsim.engine.fused.blocking import ORDERS, best
from accelsim.errors import AccelsimError
from accelsim.report.framing import PLAIN, beside, furnish, size_of, sized_axes
from accelsim.report.palette import COLOURS, GREY
from accelsim.report.plot_bars import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CALLED = {
    "whole": "rows of scores whole (FLAT)",
    "rows": "rows outside (FlashAttention-2)",
    "columns": "columns outside (FlashAttention)",
}
MOST_BLOCKS = 400
"""Blocks that are numbered at a time."""
UNFUSED, LEAST = "three layers alone", "each operand once"


class Cell(NamedTuple):
    """One block: number in its order, from 1; rows [row, row + rows), columns [column, column + columns)."""

    number: int
    row: int
    column: int
    rows: int
    columns: int


def order_of(blocks: Blocks) -> str:
    """Which of `CALLED` an order is."""
    return "whole" if blocks.whole_rows else blocks.outside


def blocks_data(attention: Attention, blocks: Blocks) -> list[Cell]:
    """Data of `walks`: blocks of scores in the order they come. Raises AccelsimError for more than a picture has."""
    listed = Cut(attention, blocks.clipped(attention)).listed
    if len(listed.row) > MOST_BLOCKS:
        raise AccelsimError(f"{len(listed.row):,} blocks: a picture has {MOST_BLOCKS}, take larger ones")
    columns = (part.tolist() for part in (listed.row, listed.column, listed.rows, listed.columns))
    return [Cell(number, *cell) for number, cell in enumerate(zip(*columns, strict=True), 1)]


def walks(attention: Attention, ways: Sequence[Blocks], ax: Axes | None = None, width: str | None = None) -> Axes:
    """The order in which blocks of scores come, side by side for each way; what a mask hides is grey."""
    from matplotlib.patches import Patch, Rectangle

    size = size_of(width)
    axes = sized_axes(size) if ax is None else ax
    wide, high = attention.keys, attention.rows
    step = 1.15 * wide
    for place, blocks in enumerate(ways):
        left = place * step
        axes.add_patch(Rectangle((left, 0), wide, high, facecolor="white", edgecolor=GREY, lw=0.6))
        data = blocks_data(attention, blocks)
        for cell in data:
            corner = (left + cell.column, cell.row)
            shade = 0.35 + 0.65 * cell.number / len(data)
            box = Rectangle(corner, cell.columns, cell.rows, facecolor=COLOURS[4], edgecolor="white", alpha=shade)
            axes.add_patch(box)
            middle = (corner[0] + cell.columns / 2, corner[1] + cell.rows / 2)
            axes.text(*middle, str(cell.number), ha="center", va="center", fontsize=size.text, **PLAIN)
        for row in range(high):
            if (seen := attention.seen(row)) < wide:
                hidden = (left + seen, row), wide - seen, 1
                axes.add_patch(Rectangle(*hidden, facecolor="#BBBBBB", edgecolor="none", alpha=0.7))
        axes.text(left + wide / 2, -0.06 * high, CALLED[order_of(blocks)], ha="center", fontsize=size.text, **PLAIN)
    axes.set_xlim(-0.02 * wide, step * len(ways) - 0.13 * wide)
    axes.set_ylim(1.02 * high, -0.16 * high)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_ylabel("queries", fontsize=size.text, **PLAIN)
    axes.set_xlabel("keys", fontsize=size.text, **PLAIN)
    keys: list[tuple[Any, str]] = [(Patch(facecolor=COLOURS[4]), "a block of scores, by number")]
    if attention.causal:
        keys.append((Patch(facecolor="#BBBBBB", alpha=0.7), "hidden by the mask"))
    title = ("Blocks of scores in the order they come", "a block that nobody sees is left out")
    if ax is None:
        furnish(axes, size, title, keys)
    else:
        beside(axes, size, title, keys)
    return axes


def words_data(attention: Attention, rooms: Sequence[int], heads: int = 1) -> list[Row]:
    """Tidy rows: order, words of the buffer, words of the outermost level with the best blocks; left out: none fits."""
    found: list[Row] = []
    for name in CALLED:
        ways = [order for order in ORDERS if order_of(order) == name]
        for room in rooms:
            blocks = best(attention, room, ways)
            if blocks is not None:
                words = moved(attention, blocks).times(heads).words
                found.append({"order": name, "room": room, "words": words})
    return found


def words_by_room(
    attention: Attention, rooms: Sequence[int], heads: int = 1, ax: Axes | None = None, width: str | None = None
) -> Axes:
    """Words of the outermost level against those of the buffer, a line for each order, both axes logarithmic."""
    data, size = words_data(attention, rooms, heads), size_of(width)
    axes = sized_axes(size) if ax is None else ax
    keys: list[tuple[Any, str]] = []
    for number, (name, called) in enumerate(CALLED.items()):
        own = [row for row in data if row["order"] == name]
        x, y = [row["room"] for row in own], [row["words"] for row in own]
        (line,) = axes.plot(x, y, color=COLOURS[(0, 2, 5)[number]], marker="os^"[number], ms=3, lw=1.2)
        keys.append((line, called))
    for words, style, called in ((attention.unfused, "--", UNFUSED), (attention.least, ":", LEAST)):
        line = axes.axhline(heads * words, color=GREY, ls=style, lw=1)
        keys.append((line, called))
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("words of the buffer", fontsize=size.text, **PLAIN)
    axes.set_ylabel("words of the outermost level", fontsize=size.text, **PLAIN)
    what = f"{attention.queries:,} queries, {attention.keys:,} keys, {heads} heads of {attention.width}"
    title = ("Words that a fused attention moves", f"{what}{', causal' if attention.causal else ''}; the best blocks")
    if ax is None:
        furnish(axes, size, title, keys)
    else:
        beside(axes, size, title, keys)
    return axes
