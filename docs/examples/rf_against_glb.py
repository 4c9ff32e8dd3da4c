"""Storage in the PEs or in the buffer they share, under one area? The Pareto front of docs/sweeps.md."""

from __future__ import annotations

from typing import Any

import accelsim


def main(picture: str = "rf_against_glb.png", **options: Any) -> accelsim.Sweep:
    """Sweep, draw, and say which split takes least energy. options : over those of the sweep file."""
    sweep = accelsim.sweep("rf_against_glb", **options)
    sweep.plot.pareto().figure.savefig(picture, dpi=150, bbox_inches="tight")
    for row in sorted(sweep.rows(), key=lambda row: row["buffer_bytes"] or 0):
        if row["energy"]:
            split = f"{row['levels.RF.capacity']:>6} in a PE, {row['levels.GLB.capacity']:>7} shared"
            print(f"{split}: {row['area_mm2']:.3f} mm2, {row['energy'] / 1e9:.2f} mJ, {row['ms']:.1f} ms")
    best = sweep.best("energy")
    print(f"least energy: {best['levels.RF.capacity']} in a PE, {best['levels.GLB.capacity']} shared")
    return sweep


if __name__ == "__main__":
    main()
