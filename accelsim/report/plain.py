"""Tables and lines for a pipe or a file, to the byte what rich prints there, which is a tenth of a short run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

from accelsim.report.grid import Grid

EDGE, GAP, RULE = " ", "  ", "─"
EMOJI = re.compile(r":\S+:")
"""What rich may take for the name of an emoji."""
STYLED = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Variables that may ask for colours where there is no terminal."""


def is_plain() -> bool:
    """Whether stdout is no terminal, nor a notebook, and takes every character as it is."""
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower()
    return not (
        sys.stdout.isatty()
        or sys.platform == "win32"
        or not encoding.startswith("utf")
        or any(name in os.environ for name in STYLED)
        or "IPython" in sys.modules
    )


def text_of(blocks: Iterable[str | Sequence[Grid]], width: int) -> str | None:
    """Lines, and tables in parts that fit the width; None where there is something in them that takes more."""
    found: list[str] = []
    for block in blocks:
        if isinstance(block, str):
            lines: Iterable[str] | None = block.split("\n")
            found += lines or ()
        else:
            for part in block:
                lines = _table(part, width)
                if lines is None:
                    return None
                found.append(part.title)
                found += lines
    whole = all(line.isprintable() and not EMOJI.search(line) for line in found)
    return "".join(f"{line}\n" for line in found) if whole else None


def write(text: str) -> None:
    """Write to stdout; where nobody reads on, stop as rich does."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def _table(grid: Grid, width: int) -> list[str] | None:
    """The lines of a table; None where it is too wide, or its cells are not what they seem as wide as."""
    heads = [name.split(" ") for name in grid.header]
    columns = [[*head, *cells] for head, cells in zip(heads, zip(*grid.rows, strict=True), strict=False)]
    if len(columns) != len(heads) or not all(map(_is_as_wide_as_long, (cell for own in columns for cell in own))):
        return None
    widths = [max(map(len, own)) for own in columns]
    blank = " " * (len(EDGE) * 2 + sum(widths) + len(GAP) * (len(widths) - 1))
    if len(blank) > width or not all(widths):
        return None
    lines = max(map(len, heads))
    heads = [[""] * (lines - len(head)) + head for head in heads]
    body = len(grid.rows) - grid.sums
    rows = list(_rows(grid.rows, widths))
    if 0 < body < len(rows):
        rows.insert(body, blank)
    rule = f"{EDGE}{RULE * (len(blank) - 2 * len(EDGE))}{EDGE}"
    return [blank, *_rows(zip(*heads, strict=True), widths), rule, *rows, blank]


def _is_as_wide_as_long(cell: str) -> bool:
    """Whether every character takes one place; names are shortened with an ellipsis."""
    return cell.replace("…", "").isascii() and "\n" not in cell


def _rows(rows: Iterable[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    first, *others = widths
    for name, *cells in rows:
        fields = [name.ljust(first), *(cell.rstrip().rjust(n) for cell, n in zip(cells, others, strict=True))]
        yield f"{EDGE}{GAP.join(fields)}{EDGE}"
