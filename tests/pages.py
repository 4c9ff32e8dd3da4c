"""A part of a page of docs/ that a test keeps equal to what the simulator says."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def read(page: str, mark: str) -> str:
    """What stands between ``<!-- mark -->`` and ``<!-- /mark -->``, the lines of the marks left out."""
    return _split(page, mark)[1]


def write(page: str, mark: str, text: str) -> None:
    """Put `text` there instead."""
    before, _, after = _split(page, mark)
    (DOCS / page).write_text(before + text + after, encoding="utf-8")


def _split(page: str, mark: str) -> tuple[str, str, str]:
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    before, _, rest = (DOCS / page).read_text(encoding="utf-8").partition(begin)
    inside, _, after = rest.partition(end)
    return before + begin, inside, end + after
