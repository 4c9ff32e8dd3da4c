"""Energy per MAC of six dataflows under one area: the figure of Chen, Emer and Sze, ISCA 2016, section VII.

Bars are ours, circles what a re-computation of the paper's equations gives (VALIDATION.md).
"""

from __future__ import annotations

from typing import Any

import accelsim
from accelsim.report.canvas import new_axes, save
from accelsim.reproduce.isca16 import reference

NAMES = {"rs": "RS", "ws": "WS", "osa": "OS A", "osb": "OS B", "osc": "OS C", "nlr": "NLR"}


def main(picture: str = "isca16.png", **options: Any) -> accelsim.Sweep:
    """Sweep and draw. options : over those of the sweep file."""
    sweep = accelsim.sweep("isca16_conv", **options)
    rows = {(row["arch"].removeprefix("eyeriss_isca16_"), row["batch"]): row for row in sweep.rows()}
    batches = sorted({batch for _, batch in rows})
    axes = new_axes(7.2, 3.8)
    for place, batch in enumerate(batches):
        at = [index + 0.26 * (place - (len(batches) - 1) / 2) for index in range(len(NAMES))]
        ours = [rows[kind, batch] for kind in NAMES]
        heights = [row["energy"] / row["macs"] if row["energy"] else 0.0 for row in ours]
        axes.bar(at, heights, 0.24, label=f"batch {batch}", color=("#56B4E9", "#0072B2", "#003F66")[place % 3])
        for x, kind, height in zip(at, NAMES, heights, strict=True):
            theirs = reference()[kind, batch]
            if theirs:
                axes.plot(x, theirs.total, "o", mfc="none", mec="#D55E00", ms=6)
            if not height:
                axes.text(x, 0.2, "does not fit", rotation=90, ha="center", va="bottom", fontsize=7)
    axes.plot([], [], "o", mfc="none", mec="#D55E00", ms=6, label="the paper's equations")
    axes.set_xticks(range(len(NAMES)), list(NAMES.values()))
    axes.set_ylabel("energy per MAC [MAC energies]")
    axes.set_title("AlexNet, CONV layers, 256 PEs, one area", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=2)
    save(axes, picture)
    return sweep


if __name__ == "__main__":
    main()
