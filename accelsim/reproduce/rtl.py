"""Open RTL, simulated cycle by cycle, against the machines that are read from its sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from statistics import median
from typing import Any

from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce import gemmini, nvdla_rtl, source, tileflow_rtl
from accelsim.reproduce.markdown import error, paragraph, table
from accelsim.reproduce.point import Point
from accelsim.workload.problem import Problem


def _axis_sa(row: Mapping[str, int]) -> Point:
    """Tiles of outputs on an array that overlaps its folds."""
    rows, cols, depth, tiles, every = (row[key] for key in ("rows", "cols", "depth", "tiles", "every"))
    machine = load_architecture("axis_sa", {"rows": rows, "cols": cols, "down": rows - 1, "every": every})
    nest = LoopNest.parse(f"DRAM: | SRAM: M{tiles} y Q{rows} x M{cols} | RF: C{depth}")
    _, timing = evaluate(machine, nest, Problem.of({"M": cols * tiles, "C": depth, "Q": rows}))
    sink = f"sink ready 1 in {every}"
    return Point(f"{rows} x {cols}, depth {depth}, {tiles} tiles, {sink}", row["cycles"], timing.processing)


def _opentpu(row: Mapping[str, int]) -> Point:
    """Tiles of weights, each used by all vectors; the RTL has those of the first in place before."""
    size, vectors, tiles = row["size"], row["vectors"], row["tiles"]
    machine = load_architecture("opentpu", {"size": size, "wave": size + 1})
    nest = LoopNest.parse(f"DRAM: | UNIFIED: | ACCUMULATORS: M{tiles} Q{vectors} y C{size} x M{size} | RF:")
    _, timing = evaluate(machine, nest, Problem.of({"M": size * tiles, "C": size, "Q": vectors}))
    return Point(f"{size} x {size}, {vectors} vectors, {tiles} tiles", row["cycles"], timing.processing - size)


FULL, POINTWISE, DEPTHWISE = 3, 1, 0
"""NE16's filters, as the points name them."""


def _ne16(row: Mapping[str, int]) -> Point:
    """One layer; what its kind of filter and its bits change is in the machine file."""
    kind, bits, every = row["filter"], row["weight_bits"], row["every"]
    idle, at_once = every - 1, 16 if kind == DEPTHWISE else min(32, row["outputs"])
    ports = {"ifmap": 128, "filter": 144, "psum": min(256, at_once * row["output_bits"])}
    given: dict[str, object] = {"bits": bits, "filter_word": f"{bits} b", "setup": 19, "drain": 4}
    if kind == POINTWISE:
        ports["filter"] = 128
        given |= {"bits": 1, "filter_word": "8 b", "macs": 16, "setup": 23}
    if kind == DEPTHWISE:
        ports["filter"] = 9
        given |= {"macs": 9, "setup": 35}
    if row["output_bits"] == 8:
        given |= {"out": "8 b", "drain": 12 + at_once // 4}
    # after the last access of a state nothing waits for the cycles without a grant behind it
    given |= {"setup": int(str(given["setup"])) - 2 * idle, "drain": int(str(given["drain"])) - idle}
    machine = load_architecture("ne16", given | {name: f"{width / every:g} b" for name, width in ports.items()})
    inputs, outputs, rows, cols = (row[name] for name in ("inputs", "outputs", "rows", "cols"))
    taps = {"R": 1, "S": 1} if kind == POINTWISE else {"R": 3, "S": 3}
    if kind == DEPTHWISE:
        problem, tiles, inside = {"G": inputs}, f"G{-(-inputs // 16)}", "G16"
    else:
        problem, tiles = {"M": outputs, "C": inputs}, f"M{-(-outputs // 32)} C{-(-inputs // 16)}"
        inside = "M32 C16"
    blocks, taken = f"P{-(-rows // 3)} Q{-(-cols // 3)}", " ".join(f"{dim}{size}" for dim, size in taps.items())
    nest = LoopNest.parse(f"L1: {blocks} {tiles} y P3 x Q3 | COLUMN: {inside} {taken}")
    _, timing = evaluate(machine, nest, Problem.of({**problem, "P": rows, "Q": cols, **taps}))
    name = {FULL: "3 x 3", POINTWISE: "1 x 1", DEPTHWISE: "3 x 3 depthwise"}[kind]
    what = f"{name}, {inputs} x {rows} x {cols} to {outputs}, {bits} b to {row['output_bits']} b, a grant in {every}"
    return Point(what, row["cycles"], timing.cycles)


def _redmule(row: Mapping[str, int]) -> Point:
    """One product, added to what lies in memory; a core clock `every` times that of memory is a grant in so many."""
    rows, inner, cols, every = row["rows"], row["inner"], row["cols"], row["every"]
    machine = load_architecture("redmule", {"clock": f"{every} GHz"})
    nest = LoopNest.parse(f"L1: Q{-(-rows // 12)} M{-(-cols // 16)} C{-(-inner // 4)} y Q12 x C4 | FMA: M16")
    problem = replace(Problem.of({"Q": rows, "C": inner, "M": cols}), added=True)
    _, timing = evaluate(machine, nest, problem)
    return Point(f"{rows} x {inner} by {inner} x {cols}, a grant in {every}", row["cycles"], timing.cycles)


def _eyeriss(row: Mapping[str, int]) -> Point:
    """One pass; groups of filters (t) beside one another where the array has too few rows for them."""
    taps, cols, stride, images, rows, filters, channels, sets, groups = (row[k] for k in "RFUnepqrt")
    after = 9 + 7 * taps * sets - 5 * (groups - 1)
    # where no word of a window stays, the first MAC waits a cycle for the first of the next
    window = stride * channels + (row["S"] <= stride)
    machine = load_architecture("eyeriss_v1_rtl", {"sums": filters, "window": window, "after": after})
    strips = -(-rows // 14)
    beside = groups * taps * sets * strips > 12
    y, x = f"C{sets} R{taps} P{strips}", f"P{-(-rows // strips)}"
    y, x = (y, f"M{groups} {x}") if beside else (f"M{groups} {y}", x)
    nest = LoopNest.parse(f"GLB: N{images} Q{cols} y {y} x {x} | SPAD: C{channels} S{row['S']} M{filters}")
    sizes = {"N": images, "M": filters * groups, "C": channels * sets, "P": rows, "Q": cols, "R": taps, "S": row["S"]}
    _, timing = evaluate(machine, nest, Problem.of(sizes, stride=(stride, stride)))
    what = (
        f"{taps} x {row['S']}, {rows} x {cols}, U {stride}: n {images}, p {filters}, q {channels}, r {sets}, t {groups}"
    )
    return Point(what, row["cycles"], timing.cycles)


DESIGNS: dict[str, Callable[[Mapping[str, Any]], Point]] = {
    "axis_sa": _axis_sa,
    "opentpu": _opentpu,
    "ne16": _ne16,
    "redmule": _redmule,
    "eyeriss_v1": _eyeriss,
    **{name: partial(nvdla_rtl.layer, name) for name in nvdla_rtl.BANKS},
    "nv_traces": nvdla_rtl.trace,
    "nv_pairs": nvdla_rtl.pair,
}


@cache
def points(design: str) -> tuple[Point, ...]:
    """All runs of a design whose outputs were right."""
    rows = source.rows(f"rtl_{design}")
    return tuple(DESIGNS[design](row) for row in map(_numbers, rows))


def _numbers(row: Mapping[str, str]) -> dict[str, Any]:
    return {name: int(value) if value.isdigit() else value for name, value in row.items()}


def section() -> str:
    """Every point of every design, as Markdown."""
    parts = [_HEAD, _summary()]
    for design in DESIGNS:
        lines = [[p.what, f"{p.theirs:,}", f"{p.ours:,}", error(p.ours, p.theirs)] for p in points(design)]
        parts += [f"### `{design}`\n", table(["run", "RTL", "ours", "error"], lines)]
    return "\n".join([*parts, paragraph(_REST), tileflow_rtl.section(), gemmini.section()])


def _summary() -> str:
    lines = []
    for design, found in (*((design, points(design)) for design in DESIGNS), ("tileflow_gemm", tileflow_rtl.points())):
        errors = [abs(point.error) for point in found]
        exact = sum(not wrong for wrong in errors)
        lines.append([design, str(len(errors)), str(exact), f"{median(errors):.1%}", f"{max(errors):.1%}"])
    return table(["design", "points", "to the cycle", "median error", "largest"], lines)


_HEAD = """\
## Against RTL

Cycles of open designs, their RTL simulated and their outputs checked; runs whose outputs were wrong are left out. The
machine files name what each number is read from (docs/rtl.md). The last two were measured by others.
"""

_REST = (
    "axis_sa with 16 tiles of depth 16 and the sink ready every second cycle takes 8 cycles less than ours, as if the "
    "second tile followed the first after 16 cycles and not 24; what lets it is not found. OpenTPU with two tiles and "
    "few vectors takes a cycle less than ours: the best program for two tiles has an "
    "interval of 34 cycles, for three and more one of 35. What the third tile waits for is not found; ours has 35 "
    "for all. NE16 is met to the cycle where memory grants every cycle. Where it grants one in n, the accesses of "
    "a state, so many as a, take (a - 1) n + 1 cycles here; in the RTL a state may begin anywhere between two "
    "grants. RedMulE reads a row of X of fewer than 16 words in an access of its own, ours does not: layers with "
    "less than 16 inputs, or few beyond a multiple of it, lack these accesses, up to 36 %. 100 x 100 x 100 stalls "
    "515 cycles in the RTL for a reason that is not found. With a grant in two its streams wait for one another, "
    "up to 3.5 % more. One pass of Eyeriss's RTL differs, by 3 cycles: from one of its four images to the next a PE "
    "forgets its window in two cycles and waits one for a word, where ours slides it in four. "
    "NVDLA's weights are rounded up to 128 bytes in all, and of 8 kernels that find room in part that part comes "
    "ahead; ours knows neither. Where reads and writes share the beats, ours counts the reads alone."
)
