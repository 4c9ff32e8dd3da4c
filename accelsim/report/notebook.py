"""Results in a notebook: the tables and lines of the terminal as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from accelsim.outcome import Outcome, Outcomes
from accelsim.report.summary import not_run
from accelsim.report.table import Grid
from accelsim.report.terminal import Block, comparison_report, report


def html(result: Outcome) -> str:
    """A result: the line that answers in bold, then its tables and notes."""
    return _html([*report(result), *not_run(result)])


def comparison_html(comparison: Outcomes) -> str:
    """A comparison: its table and what did not run."""
    return _html(comparison_report(comparison))


def _html(blocks: Sequence[Block]) -> str:
    first = True
    parts = []
    for block in blocks:
        if isinstance(block, str):
            tag = "b" if first else "small"
            parts.append(f"<p><{tag}>{escape(block)}</{tag}></p>")
        else:
            parts.append(_table(block))
        first = False
    return "".join(parts)


def _table(grid: Grid) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in grid.rows)
    head = f"<caption>{escape(grid.title)}</caption><thead>{line(grid.header, 'th')}</thead>"
    return f"<table>{head}<tbody>{body}</tbody></table>"
