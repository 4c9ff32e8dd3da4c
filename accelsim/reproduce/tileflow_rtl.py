"""Products of matrices whose RTL cycles were published with TileFlow, against `tileflow_gemm`."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from statistics import median

from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce import source
from accelsim.reproduce.markdown import paragraph, table
from accelsim.reproduce.point import Point
from accelsim.workload.problem import Problem

SIDE = 16
"""Multipliers along a side of the array."""


@cache
def points() -> tuple[Point, ...]:
    """All products, in tiles that divide them."""
    machine, found = load_architecture("tileflow_gemm"), []
    for row in source.rows("rtl_tileflow_gemm"):
        size = {name: int(value) for name, value in row.items()}
        outer = f"Q{size['rows'] // size['tile_rows']} M{size['cols'] // size['tile_cols']}"
        inner = f"M{size['tile_cols'] // SIDE} C{size['tile_inner'] // SIDE} Q{size['tile_rows']}"
        nest = f"DRAM: {outer} C{size['inner'] // size['tile_inner']} | TILES: {inner} y C{SIDE} x M{SIDE} | RF:"
        problem = Problem.of({"Q": size["rows"], "C": size["inner"], "M": size["cols"]})
        _, timing = evaluate(machine, LoopNest.parse(nest), problem)
        what = f"{size['tile_rows']} x {size['tile_cols']}, {size['tile_inner']} deep"
        found.append(Point(what, size["cycles"], timing.cycles))
    return tuple(found)


def section() -> str:
    """Errors by tile, as Markdown: there are too many products to list."""
    by_tile = defaultdict(list)
    for point in points():
        by_tile[point.what].append(point.error)
    lines = []
    for what, errors in by_tile.items():
        exact, most = sum(not wrong for wrong in errors), max(errors, key=abs)
        sizes = [abs(wrong) for wrong in errors]
        largest = f"{most:+.1%}".replace("-", "−") if most else "0.0%"
        lines.append([what, str(len(errors)), str(exact), f"{median(sizes):.1%}", largest])
    header = ["tile of sums", "products", "to the cycle", "median error", "largest"]
    return "\n".join(["### `tileflow_gemm`\n", table(header, lines), paragraph(_REST)])


_REST = (
    "Published with TileFlow. A product of tiles takes its reads, (rows + columns) x depth / 4 + 12 cycles, a tile of "
    "sums its write, words / 4 + 6; MACs and writes are hidden behind reads where they are shorter. Where a write is "
    "longer than the reads of a product, and several products follow one another into a tile, the runs take longer, as "
    "if the second product's reads waited for the write to end; so do those with 128 x 128 sums. What causes it is "
    "not said, and no property of the machine holds reads up so. Ours is longer at the start, for the second tile of "
    "inputs is read before the first weights, which shows where writes bind; and shorter by the last weights where all "
    "tiles have the same, for those are in the array."
)
