"""The table of docs/glossary.md is report/glossary.py; run this file to write it again."""

from __future__ import annotations

from accelsim.report.glossary import GLOSSARY
from pages import read, write

PAGE, MARK = "glossary.md", "metrics"


def table() -> str:
    """A row for each metric, by name."""
    lines = ["| Metric | Unit | What it is | Formula |", "|---|---|---|---|"]
    for name, entry in sorted(GLOSSARY.items()):
        cells = (f"`{name}`", entry.unit, entry.meaning, entry.formula)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("*", "\\*") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def test_the_page_has_every_metric_as_it_is_explained():
    assert read(PAGE, MARK) == table()


if __name__ == "__main__":
    write(PAGE, MARK, table())
