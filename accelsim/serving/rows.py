"""Files of comma-separated numbers, each row with its line, and one clear line for what is wrong in them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from accelsim.errors import Issue, SpecError, nearest, reason
from accelsim.yamlfile import shown

MOST_BYTES = 2**30


def wrong(file: Path, line: int | None, field: str, message: str) -> NoReturn:
    """Refuse a file."""
    raise SpecError([Issue(shown(file), field, message, line)])


def rows(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """(line, the values of these columns) of each row; others are passed over, and so are lines that begin with #.

    Raises
    ------
    SpecError : no file, no text, a column that is missing, a row too short.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            wrong(file, None, "", f"has more than {MOST_BYTES:,} bytes")
        with file.open(newline="", encoding="utf-8") as text:
            lines = csv.reader(text)
            header = _header(lines)
            for column in columns:
                if column not in header:
                    wrong(file, lines.line_num, column, f"no such column{nearest(column, header)}")
            places = [header.index(column) for column in columns]
            for row in lines:
                if not row or row[0].startswith("#"):
                    continue
                if len(row) <= max(places):
                    wrong(file, lines.line_num, "", f"has {len(row)} values, where its header has {len(header)}")
                yield lines.line_num, [row[place].strip() for place in places]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        wrong(file, None, "", f"cannot be read: {reason(error)}")


def columns_of(file: Path) -> list[str]:
    """The names of a file's columns; none of a file that cannot be read."""
    try:
        with file.open(newline="", encoding="utf-8") as text:
            return _header(csv.reader(text))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _header(lines: Iterator[list[str]]) -> list[str]:
    header = next((row for row in lines if row and not row[0].startswith("#")), [])
    return [name.strip().lstrip("\ufeff") for name in header]


def whole(file: Path, line: int, field: str, text: str, least: int, most: int = 2**40) -> int:
    """A whole number, also as '12.0'. Raises SpecError."""
    try:
        value = float(text)
        if value != int(value):
            raise ValueError
    except (ValueError, OverflowError):
        wrong(file, line, field, f"should be a whole number, got '{text[:40]}'")
    if not least <= value <= most:
        wrong(file, line, field, f"must be from {least:,} to {most:,}, got {text[:40]}")
    return int(value)


def real(file: Path, line: int, field: str, text: str, most: float, least: float = 0) -> float:
    """A number from `least`. Raises SpecError."""
    try:
        value = float(text)
        if value != value:
            raise ValueError
    except ValueError:
        wrong(file, line, field, f"should be a number, got '{text[:40]}'")
    if not least <= value <= most:
        wrong(file, line, field, f"must be from {least:g} to {most:g}, got {text[:40]}")
    return value
