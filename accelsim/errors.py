"""What a user can get wrong, each kind with what a person needs to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class AccelsimError(Exception):
    """Base of every error a user can cause; the command line prints it and exits with 2."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message alone, for the mistake is in what was asked, not in this code."""
        return [f"{type(self).__name__}: {self}"]


@dataclass(frozen=True)
class Issue:
    """One thing wrong in one place of one file. `line` and `column` count from 1."""

    file: str
    field: str
    message: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place += f":{self.line}"
            if self.column is not None:
                place += f":{self.column}"
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class SpecError(AccelsimError):
    """A file that cannot be read as what it should be: every issue found in it, at once."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues = tuple(issues)
        super().__init__("\n".join(str(issue) for issue in self.issues))


class WorkloadError(AccelsimError):
    """A workload whose layers do not fit together, or whose sizes cannot be counted."""


@dataclass(frozen=True)
class Overflow:
    """A level that cannot hold its tiles. Sizes in bits.

    `levers` are the ways to make it fit, in words a person can act on.
    """

    level: str
    what: str
    demand: int
    bound: int
    levers: tuple[str, ...] = ()

    @property
    def gap(self) -> int:
        """How much too large the demand is, in the unit of `demand`."""
        return self.demand - self.bound


class MappingError(AccelsimError):
    """A mapping this architecture or this problem cannot run; `overflows` says where and by how much."""

    def __init__(self, message: str, overflows: Iterable[Overflow] = ()) -> None:
        self.overflows = tuple(overflows)
        super().__init__(message)


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A ready-made ending for an error line: the nearest valid name, then all of them."""
    names = sorted(str(a) for a in allowed)
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"{hint} ({', '.join(names)})"
