"""Which constraints no mapping meets."""

from __future__ import annotations

from collections.abc import Callable

from accelsim.errors import MappingError
from accelsim.search.optimum.wanted import Wanted

Meets = Callable[[Wanted], bool]
"""Whether any mapping keeps some constraints."""


def conflict(wanted: Wanted, meets: Meets) -> MappingError:
    """The error that names what no mapping meets: one constraint, or few that contradict each other.

    None of those named can be left out: each by itself, or without one of them, is met.
    """
    left = wanted.items
    for item in wanted.items:
        rest = tuple(one for one in left if one != item)
        if rest and not meets(wanted.only(rest)):
            left = rest
    if len(left) == 1:
        return MappingError(f"{wanted.said(left[0])}: no mapping meets this constraint")
    others = "; ".join(wanted.said(item) for item in left[1:])
    return MappingError(f"{wanted.said(left[0])}: no mapping meets this constraint together with {others}")
