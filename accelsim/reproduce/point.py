"""One number of somebody else's beside ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """One run of a design: what was run, in words; cycles of the RTL and ours."""

    what: str
    theirs: int
    ours: int

    @property
    def error(self) -> float:
        """Ours against theirs, signed."""
        return self.ours / self.theirs - 1
