"""A table as text, from which the terminal, notebooks and tests read the same cells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """A table as text: the first column names, the last `sums` rows add up the others."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sums: int = 1
