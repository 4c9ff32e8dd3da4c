"""Which dataflow is best for which layer of ResNet-50? The heat map of docs/sweeps.md."""

from __future__ import annotations

from typing import Any

import accelsim


def main(picture: str = "dataflows_resnet50.png", **options: Any) -> accelsim.Sweep:
    """Sweep, draw, and say how much the best dataflow of each layer saves. options : over those of the sweep file."""
    sweep = accelsim.sweep("dataflows_resnet50", **options)
    axes = sweep.plot.heatmap()
    axes.figure.savefig(picture, dpi=150, bbox_inches="tight")
    least: dict[str, float] = {}
    for row in sweep.layer_rows():
        if row["energy"] is not None:
            least[row["layer"]] = min(row["energy"], least.get(row["layer"], row["energy"]))
    best = sweep.best("energy")
    saved = 1 - sum(least.values()) / best["energy"]
    print(f"{best['dataflow']} takes least; the best dataflow of each layer would take {saved:.1%} less")
    return sweep


if __name__ == "__main__":
    main()
