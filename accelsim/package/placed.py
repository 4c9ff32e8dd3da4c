"""A part of a layer on a core."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.package.costs import Costed
from accelsim.package.flow import Entry
from accelsim.package.split import Part


@dataclass(frozen=True)
class Placed:
    """A part on a core; costed is None for the sums of a layer split over C, added at their owner."""

    core: int
    part: Part
    costed: Costed | None
    entry: Entry
