"""The use of an array as a page has it; its data is `report.arrays`."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from accelsim.report.arrays import Use
from accelsim.report.html.svg import FAINT, INK, Drawing, between
from accelsim.report.text import percent, shown

SIDE, LEAST, BARE = 300, 14, 40
"""Most pixels of a picture's side, and least; most rows or columns that are drawn one by one."""
IDLE, BUSY = (238, 238, 238), (0, 114, 178)
"""Light grey to the blue of the palette."""


def draw(use: Use) -> Markup:
    """The array as a map, the darker the longer a place works; equal neighbours are one box."""
    rows, columns = use.share.shape
    cell = min(SIDE / max(rows, columns), 22.0)
    wide, high = max(cell * columns, LEAST), max(cell * rows, LEAST)
    drawing = Drawing(high + 34, f"use of the {rows} x {columns} array below {use.level}", fixed=max(wide + 2, 240.0))
    single = max(rows, columns) <= BARE
    for top, tall, row in _runs(use.share, rows, single):
        for left, broad, cells in _runs(row[None, :].T, columns, single):
            share = float(cells[0])
            title = f"row {_span(top, tall)}, column {_span(left, broad)}: {percent(share)} % of the cycles with MACs"
            box = (1 + left * wide / columns, 1 + top * high / rows, broad * wide / columns, tall * high / rows)
            drawing.rect(*box, (between(IDLE, BUSY, share), ""), title, "#ffffff" if single else "")
    drawing.rect(1, 1, wide, high, ("none", ""), edge=FAINT)
    drawing.text(1, high + 15, f"{rows} x {columns} below {shown(use.level, 20)}", colour=INK)
    drawing.text(1, high + 29, f"works {percent(use.mean)} % of the cycles with MACs", colour=FAINT)
    return drawing.markup()


def _runs(lines: npt.NDArray[np.float64], count: int, single: bool) -> list[tuple[int, int, npt.NDArray[np.float64]]]:
    """(first, how many, one of them) of equal neighbours among rows."""
    if single:
        return [(index, 1, lines[index]) for index in range(count)]
    found, at = [], 0
    for _, run in groupby(lines, lambda line: line.tobytes()):
        same = list(run)
        found.append((at, len(same), same[0]))
        at += len(same)
    return found


def _span(first: int, count: int) -> str:
    return f"{first}" if count == 1 else f"{first} to {first + count - 1}"
