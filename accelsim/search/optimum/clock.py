"""When a search has to end: parts of its work are so short that it looks at the time often."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from accelsim.errors import AccelsimError

PART = 0.01
"""Of the budget, what a part of the work should take."""
GROWS = 4
"""Times the part before, at most: what comes next may take longer."""


class OutOfTimeError(AccelsimError):
    """Time was up before any mapping was found. size : mappings in the space."""

    def __init__(self, size: float = 0.0) -> None:
        super().__init__("time was up before any mapping was found")
        self.size = size


@dataclass(frozen=True)
class Clock:
    """The time that searches of one layer have together.

    budget : seconds; None: as long as it takes. firm : whether time is also up where nothing has been found: the caller
    knows another mapping. start : when it began, by the monotonic clock.
    """

    budget: float | None = None
    firm: bool = False
    start: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.start

    @property
    def late(self) -> bool:
        """Whether time is up."""
        return self.budget is not None and self.seconds > self.budget

    def check(self) -> None:
        """Raise OutOfTimeError where time is up and firm."""
        if self.firm and self.late:
            raise OutOfTimeError

    def within(self, share: float) -> Clock:
        """The same, up earlier: at a share of the time that is left."""
        if self.budget is None:
            return self
        gone = self.seconds
        return Clock(gone + max(self.budget - gone, 0.0) * share, self.firm, self.start)

    def parts(self, n: int, first: int, most: int | None = None) -> Iterator[slice]:
        """All of n pieces of work, in parts that take about `PART` of the budget each.

        first : pieces of the first part. most : of any part; without a budget every part has so many, by default all.
        """
        size, most = first, most or n
        at = 0
        while at < n:
            if self.budget is None:
                size = most
            begun = time.monotonic()
            yield slice(at, min(at + size, n))
            at += size
            if self.budget is not None:
                took = max(time.monotonic() - begun, 1e-9)
                size = max(1, min(GROWS * size, most, int(size * PART * self.budget / took)))
