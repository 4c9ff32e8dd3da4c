"""Speedup of a sparse machine over its dense twin, against density."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from accelsim.report.framing import new_axes
from accelsim.report.framing import save as save_figure
from accelsim.report.palette import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = (0.5, 1, 2, 5, 10, 20, 50)


def draw_speedup(ours: Mapping[float, float], theirs: Mapping[float, float], ax: Axes | None = None) -> Axes:
    """Speedup by density of both operands, on a logarithmic axis; published points as open circles."""
    axes = ax or new_axes(6.4, 4.0)
    axes.axhline(1, color="#999999", lw=0.8)
    axes.text(0.06, 1.04, "as fast as the dense machine", fontsize=8, color="#555555")
    axes.plot(list(ours), list(ours.values()), color=COLOURS[0], lw=1.6, marker=".", ms=7, label="accelsim")
    axes.plot(
        list(theirs),
        list(theirs.values()),
        ls="none",
        marker="o",
        ms=9,
        mfc="none",
        mec=COLOURS[5],
        mew=1.6,
        label="Parashar et al., ISCA 2017",
    )
    axes.set_yscale("log")
    axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS], minor=False)
    axes.set_yticks([], minor=True)
    axes.set_ylim(min(0.6, *ours.values(), *theirs.values()), 1.4 * max(*ours.values(), *theirs.values()))
    axes.set_xlim(0.05, 1.02)
    axes.set_xticks([tenth / 10 for tenth in range(1, 11)])
    axes.set_xlabel("density of filters and of inputs")
    axes.set_ylabel("speedup, SCNN over DCNN")
    axes.set_title("GoogLeNet, CONV layers", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.legend(edgecolor="none", framealpha=1, fontsize=9, loc="upper right")
    return axes


def save(axes: Axes, path: str) -> None:
    """Write the picture, with its folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_figure(axes, path)
