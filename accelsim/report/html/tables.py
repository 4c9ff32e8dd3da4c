"""Tables of a page: cells that a person reads, with the value that they are sorted by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from accelsim.report.text import number, percent

LEFT, RIGHT = "l", "r"


class Cell(NamedTuple):
    """What is read, what it is sorted by (''; the text itself), where it leads, and the colour behind it."""

    text: str
    value: str = ""
    link: str = ""
    shade: str = ""


@dataclass(frozen=True)
class Table:
    """heads : (name, LEFT or RIGHT). sums : rows below all, which stay there however the others are sorted."""

    title: str
    heads: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]
    sums: tuple[tuple[Cell, ...], ...] = ()


def named(text: str, link: str = "") -> Cell:
    """A cell of text."""
    return Cell(text, "", link)


def count(value: float | Fraction, digits: int = 3) -> Cell:
    """A cell of a number."""
    found = float(value)
    return Cell(number(found, digits), f"{found:.6g}")


def share(value: float) -> Cell:
    """A cell of a share of 1, as a percentage."""
    return Cell(percent(value), f"{value:.6g}")


def table(
    title: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    names: int = 1,
    sums: Iterable[Sequence[Cell]] = (),
) -> Table:
    """Names : how many columns, from the first on, are text."""
    kinds = tuple((head, LEFT if index < names else RIGHT) for index, head in enumerate(heads))
    return Table(title, kinds, tuple(map(tuple, rows)), tuple(map(tuple, sums)))
