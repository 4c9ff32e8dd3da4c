"""What a user can get wrong, each kind with what a person needs to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

MOST_NAME = 200
"""Letters of a name."""
MOST_LINE = 4_000
"""Letters of a line that is shown; of a longer one, its two ends."""
MOST_LISTED = 100
MOST_COMPARED = 2_000


class AccelsimError(Exception):
    """Base of every error a user can cause; the command line prints it and exits with 2."""

    def __str__(self) -> str:
        return "\n".join(plain(line) for line in super().__str__().split("\n"))

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
        return plain(f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}")


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
    close = near(str(name), names)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"{hint} ({listing(names)})"


def near(name: str, allowed: Iterable[str], cutoff: float = 0.5) -> list[str]:
    """The name most like one, or none; a name too long to be meant is compared with nothing, for that takes long."""
    if len(name) > MOST_NAME:
        return []
    return difflib.get_close_matches(name, list(islice(allowed, MOST_COMPARED)), n=1, cutoff=cutoff)


def listing(names: Sequence[str]) -> str:
    """Names as a line shows them, the first hundred."""
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def plain(text: str) -> str:
    """A text as one line can show it: the middle of a very long one is cut out, what does not print is escaped."""
    if len(text) > MOST_LINE:
        text = f"{text[: MOST_LINE - 1000]} [... {len(text):,} letters ...] {text[-900:]}"
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()


def unshowable(name: str) -> str:
    """Why a text cannot be a name that tables and pictures show, or nothing."""
    if len(name) > MOST_NAME:
        return f"has at most {MOST_NAME} letters, got {len(name):,}"
    wrong = next((letter for letter in name if not letter.isprintable()), "")
    return f"holds U+{ord(wrong):04X}, which does not print" if wrong else ""


def reason(error: Exception) -> str:
    """Why a file could not be read or written."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
