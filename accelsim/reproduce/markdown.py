"""Markdown tables of theirs, ours and the error."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 120


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns are aligned in the text too; all but the first to the right."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [_line(row, widths) for row in cells]
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([lines[0], _line(rule, widths), *lines[1:]]) + "\n"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return f"| {' | '.join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])} |"


def paragraph(text: str) -> str:
    """Generated prose, broken into lines as the rest is."""
    return textwrap.fill(text, WIDTH) + "\n"


def bullets(items: Iterable[str]) -> str:
    """A list of generated prose."""
    return "".join(textwrap.fill(f"- {item}", WIDTH, subsequent_indent="  ") + "\n" for item in items)


def error(ours: float, theirs: float) -> str:
    """Ours against theirs, in percent with its sign."""
    percent = 100 * (ours / theirs - 1)
    return f"{percent:+.1f} %".replace("-0.0", "0.0").replace("+0.0", "0.0").replace("-", "−")


def triple(ours: float, theirs: float, form: str) -> tuple[str, str, str]:
    """Theirs, ours and the error, as three cells."""
    return format(theirs, form), format(ours, form), error(ours, theirs)
