"""How a search came to its optimum: the best mapping it had found, and what it had proved by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from accelsim.errors import AccelsimError
from accelsim.report.plot import COLOURS, PLAIN
from accelsim.report.text import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from accelsim.search.optimum.optimum import Step

MOST = len(COLOURS)
BY = {"visited": "choices and mappings looked at", "seconds": "time [s]"}


class Curve(NamedTuple):
    """One search, over what it found in the end.

    at : choices and mappings looked at, or seconds, rising. best : the objective of the best mapping found by then,
    falling to 1. bound : what no mapping is below, rising; 1 where the search ended with a certificate.
    """

    name: str
    at: tuple[float, ...]
    best: tuple[float, ...]
    bound: tuple[float, ...]

    @property
    def gap(self) -> float:
        """How far above the optimum what was found may lie at most."""
        return 1 / self.bound[-1] - 1 if self.bound[-1] > 0 else float("inf")


def curve(name: str, steps: Sequence[Step], by: str = "visited") -> Curve:
    """What is drawn of a search: steps : as `optimum` fills them; by : 'visited' or 'seconds'.

    Raises AccelsimError where nothing was found.
    """
    found = [step for step in steps if isfinite(step.best)]
    if not found:
        raise AccelsimError(f"nothing was found for '{name}'")
    last, proved = found[-1].best, 0.0
    at, best, bound = [], [], []
    for step in found:
        proved = max(proved, step.bound)
        at.append(float(getattr(step, by)))
        best.append(step.best / last)
        bound.append(min(proved / last, 1.0))
    return Curve(name, tuple(at), tuple(best), tuple(bound))


def convergence(
    searches: Mapping[str, Sequence[Step]], ax: Axes | None = None, by: str = "visited", objective: str = "energy"
) -> Axes:
    """Best so far and proven bound of some searches, by name, over what each found in the end.

    by : 'visited' or 'seconds'. Raises AccelsimError for nothing to draw, and for more than there are colours.
    """
    if by not in BY:
        from accelsim.errors import nearest

        raise AccelsimError(f"unknown axis '{by}'{nearest(by, BY)}")
    if not 0 < len(searches) <= MOST:
        raise AccelsimError(f"a picture has 1 to {MOST} searches, got {len(searches)}")
    from matplotlib import pyplot as plt

    axes = ax or plt.subplots(figsize=(7.2, 4.2), layout="constrained")[1]
    for colour, (name, steps) in zip(COLOURS, searches.items(), strict=False):
        one = curve(name, steps, by)
        proved = "certified" if one.gap <= 1e-9 else f"gap {one.gap:.1%}"
        told = f"{shown(name)}, {proved}"
        axes.step(one.at, one.best, where="post", color=colour, linewidth=1.5, label=told)
        axes.step(one.at, one.bound, where="post", color=colour, linewidth=1.2, linestyle="--")
        axes.plot(one.at[-1:], one.best[-1:], "o", color=colour, markersize=4)
    axes.set_xscale("log")
    axes.set_xlabel(BY[by], **PLAIN)
    axes.set_ylabel(f"{objective} over that of the mapping found", **PLAIN)
    axes.set_title("solid: best found by then; dashed: no mapping is below", loc="left", fontsize=10, **PLAIN)
    axes.legend(fontsize=8, frameon=False)
    return axes
