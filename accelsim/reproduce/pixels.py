"""Energy of a pixel of features, by hand and learned, beside two chips of 65 nm."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from accelsim.reproduce import source
from accelsim.reproduce.markdown import error, table
from accelsim.simulate import simulate

NODE, HOG = 65, "HOG"
Row = Mapping[str, str]


def rows() -> dict[str, Row]:
    """What is published, by features."""
    return {row["features"]: row for row in source.rows("pixels")}


def measured(row: Row) -> float:
    """Energy of a pixel on the chip in nJ, out of power and rate; of HOG as a share of AlexNet's."""
    if not row["mW"]:
        whole = rows()["AlexNet"]
        return measured(whole) / float(whole["ratio"])
    return float(row["mW"]) / float(row["images_per_s"]) / int(row["rows"]) / int(row["columns"]) * 1e6


@cache
def ours(features: str) -> float:
    """Energy of a pixel on `eyeriss` in nJ, all of DRAM, clock and leakage in it."""
    row = rows()[features]
    batch, pixels = int(row["batch"]), int(row["rows"]) * int(row["columns"])
    result = simulate(
        "eyeriss", row["workload"], layers=row["layers"], batch=batch, mapping=row["mapping"] or None, node=NODE
    )
    energy = result.total.energy_exact + result.vector.energy_exact
    return float(energy) / (pixels * batch) / 1e3


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Energy of a pixel, and how many times HOG's, as Markdown."""
    lines, least = [], ours(HOG)
    for name, row in rows().items():
        theirs, found = measured(row), ours(name)
        ratios = (f"{float(row['ratio']):,.0f}", f"{found / least:,.0f}")
        lines.append([name, f"{theirs:,.1f}", f"{found:,.1f}", error(found, theirs), *ratios])
    header = ["features", "nJ/pixel, theirs", "ours", "error", "times HOG, theirs", "ours"]
    return "\n".join([_HEAD, table(header, lines)])


_HEAD = """\
## Energy of a pixel

`eyeriss` at 65 nm, DRAM included (theirs: chips alone). HOG is Suleiman et al., ISCAS 2017 (second-hand), on a chip of
its own; here it runs beside an array of 168 PEs, whose clock is two thirds of it. AlexNet has the chip's mapping and
its published densities. VGG-16's mapping is searched, dense, and twice as fast as the chip, whose own is not public;
control and the clock's tree are in no row of the table (docs/energy.md, docs/pixels.md).
"""
