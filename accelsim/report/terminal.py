"""Tables and lines for a terminal of any width: a table too wide is split between columns, a number never."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from accelsim.outcome import Outcome, Outcomes
from accelsim.report import plain
from accelsim.report.physical import efficiency_lines
from accelsim.report.summary import answer, comparison_failures, free, heading, notes, would_save
from accelsim.report.table import Grid, comparison_grid, grids
from accelsim.report.text import RAISED, shown, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE = 120  # columns where nobody says how many there are
EDGES, GAP = 2, 2  # columns beside a table, and between two of its columns

Block = str | Grid
LOWERED = {raised: plain for plain, raised in RAISED.items()}
POWER = re.compile(f"[{''.join(map(chr, LOWERED))}]+")


def report(result: Outcome) -> list[Block]:
    """What ``accelsim run`` prints; the first line answers."""
    first = [answer(result)] if result.multiplied else []
    lines = [*first, heading(result), *efficiency_lines(result), *free(result), *would_save(result)]
    return [*lines, *grids(result), *notes(result)]


def comparison_report(comparison: Outcomes) -> list[Block]:
    """What ``accelsim compare`` prints."""
    lines: list[Block] = []
    if comparison.results:
        first = next(iter(comparison.results.values()))
        lines = [f"{shown(first.workload)} on {shown(first.architecture.name)}", comparison_grid(comparison)]
        lines += [f"zeros: {visible(first.operands)}"] if first.operands else []
    if any(result.failures for result in comparison.results.values()):
        lines.append("* without the layers named below")
    return [*lines, *comparison_failures(comparison)]


def show(blocks: Sequence[Block]) -> None:
    """Print to stdout: as wide as the terminal, or COLUMNS; a pipe has no width and gets lines unwrapped."""
    width = os.environ.get("COLUMNS", str(PIPE))
    if plain.is_plain() and width.isascii() and width.isdecimal():
        text = plain.text_of(
            (one if isinstance(one, str) else [*fitted(one, int(width))] for one in blocks), int(width)
        )
        if text is not None:
            plain.write(text)
            return
    from rich.console import Console

    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    blocks = [taken(block, encoding) for block in blocks]
    terminal = sys.stdout.isatty()
    console = Console(highlight=False, markup=False, width=None if terminal or "COLUMNS" in os.environ else PIPE)
    write(blocks, console, wrap=terminal)


def taken(block: Block, encoding: str) -> Block:
    """A block in letters that a terminal has: powers as ``10^9``, what else it lacks as escapes."""
    if isinstance(block, Grid):
        rows = tuple(tuple(_taken(cell, encoding) for cell in row) for row in block.rows)
        return replace(
            block, title=_taken(block.title, encoding), header=tuple(_taken(one, encoding) for one in block.header),
            rows=rows,
        )  # fmt: skip
    return _taken(block, encoding)


def _taken(text: str, encoding: str) -> str:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        bare = POWER.sub(lambda found: "^" + found[0].translate(LOWERED), text).replace("×", "x").replace("…", "...")
        return bare.encode(encoding, "backslashreplace").decode(encoding)
    return text


def write(blocks: Sequence[Block], console: Console, wrap: bool = True) -> None:
    """Print to a console. wrap : break lines of text at its width."""
    for block in blocks:
        if isinstance(block, str):
            console.print(block, soft_wrap=not wrap)
        else:
            for part in fitted(block, console.width):
                console.print(part.title, style="bold", soft_wrap=not wrap)
                console.print(rich_table(part))


def fitted(grid: Grid, width: int) -> Iterator[Grid]:
    """The table in parts no wider than `width`, each with the names in front; as few as it takes, of equal length."""
    widths = [_width(grid, column) for column in range(len(grid.header))]
    columns = range(1, len(widths))
    for parts in range(1, len(columns) + 1):
        ends = [1 + len(columns) * part // parts for part in range(parts + 1)]
        spans = [range(*pair) for pair in pairwise(ends)]
        if all(EDGES + widths[0] + sum(widths[column] + GAP for column in span) <= width for span in spans):
            break
    for index, span in enumerate(spans):
        names = (0, *span)
        title = f"{grid.title}, continued" if index else grid.title
        rows = tuple(tuple(row[column] for column in names) for row in grid.rows)
        yield replace(grid, title=title, header=tuple(grid.header[column] for column in names), rows=rows)


def _width(grid: Grid, column: int) -> int:
    """The columns a column takes: its longest cell or word of its heading."""
    return max(map(_cells, [*grid.header[column].split(" "), *(row[column] for row in grid.rows)]))


def _cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii() and text.isprintable():
        return len(text)
    from rich.cells import cell_len

    return int(cell_len(text))


def rich_table(grid: Grid) -> Table:
    """A grid for the terminal; where not even one column fits, cells are folded, not cut."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    # one blank less on the left: a comparison of all dataflows fits into 120 columns so
    table.padding = (0, 1, 0, 0)
    for index, name in enumerate(grid.header):
        table.add_column(name.replace(" ", "\n"), justify="right" if index else "left", overflow="fold")
    body = grid.rows[: len(grid.rows) - grid.sums]
    for row in body:
        table.add_row(*row)
    if grid.sums:
        table.add_section()
    for row in grid.rows[len(body) :]:
        table.add_row(*row, style="bold")
    return table
