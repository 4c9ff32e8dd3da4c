"""Six dataflows on machines of one area, under the accounting of the ISCA 2016 analysis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from accelsim.energy.isca16 import by_role
from accelsim.energy.rows import grouped
from accelsim.errors import MappingError
from accelsim.reproduce import source
from accelsim.reproduce.markdown import error, table, triple
from accelsim.result import Result
from accelsim.simulate import simulate

KINDS = ("rs", "ws", "osa", "osb", "osc", "nlr")
BATCHES = (1, 16, 64)
LEVELS = {"alu": "alu", "rf": "lvl_reg", "noc": "lvl_noc", "buffer": "lvl_buffer", "dram": "lvl_dram"}
TYPES = {"ifmap": "dt_ifmap", "filter": "dt_weight", "psum": "dt_psum"}


@dataclass(frozen=True)
class Point:
    """Energy per MAC in MAC energies: in all, by level (alu, rf, noc, buffer, dram) and by data type."""

    total: float
    levels: Mapping[str, float]
    types: Mapping[str, float]


@cache
def reference() -> dict[tuple[str, int], Point | None]:
    """Theirs by (dataflow, batch); None where it cannot run."""
    found: dict[tuple[str, int], Point | None] = {}
    for row in source.rows("isca16_energy_conv256"):
        key = row["dataflow"].lower(), int(row["N"])
        found[key] = None
        if row["energy_per_op"] != "INFEASIBLE":
            found[key] = Point(
                float(row["energy_per_op"]),
                {name: float(row[column]) for name, column in LEVELS.items()},
                {name: float(row[column]) for name, column in TYPES.items()},
            )
    return found


@cache
def run(kind: str, batch: int) -> Result:
    """The best mapping of every CONV layer. Raises MappingError where a layer cannot run."""
    return simulate(
        f"eyeriss_isca16_{kind}",
        "alexnet_two_tower",
        batch=batch,
        layers="CONV*",
        accounting="isca16",
        evaluator="analytical",
    )


@cache
def point(kind: str, batch: int) -> Point | None:
    """Ours; None where a layer cannot run."""
    try:
        result = run(kind, batch)
    except MappingError:
        return None
    rows, macs = result.energy_rows(), result.total.macs
    return Point(
        float(result.total.energy / macs),
        {level: float(energy / macs) for level, energy in by_role(result.architecture, rows).items()},
        {tensor: float(energy / macs) for tensor, energy in grouped(rows, "tensor").items() if tensor in TYPES},
    )


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Totals, row-stationary in detail, all levels and types, and the nests found, as Markdown."""
    parts = [_HEAD, _totals(), _PARTS, _parts(), _NESTS]
    return "\n".join([*parts, *(_nests(kind) for kind in ("osa", "osb", "osc"))])


def _totals() -> str:
    return table(["dataflow", *(cell for n in BATCHES for cell in (f"N={n}, theirs", "ours", "error"))], _total_rows())


def _total_rows() -> Iterable[list[str]]:
    for kind in KINDS:
        cells = [kind.upper()]
        for batch in BATCHES:
            cells += _cells(point(kind, batch), reference()[kind, batch])
        yield cells


def _cells(ours: Point | None, theirs: Point | None) -> tuple[str, ...]:
    if ours and theirs:
        return triple(ours.total, theirs.total, ".3f")
    return *(f"{found.total:.3f}" if found else "infeasible" for found in (theirs, ours)), ""


def _parts() -> str:
    header = ["dataflow, N", *(cell for name in (*list(LEVELS)[1:], *TYPES) for cell in (name, "ours"))]
    lines = []
    for kind in KINDS:
        for batch in BATCHES:
            ours, theirs = point(kind, batch), reference()[kind, batch]
            if ours and theirs:
                mine, their = {**ours.levels, **ours.types}, {**theirs.levels, **theirs.types}
                pairs = [(f"{their[name]:.3f}", f"{mine[name]:.3f}") for name in (*list(LEVELS)[1:], *TYPES)]
                lines.append([f"{kind.upper()}, {batch}", *(cell for pair in pairs for cell in pair)])
    return table(header, lines)


def _nests(kind: str) -> str:
    lines = []
    for batch in BATCHES:
        ours, theirs = point(kind, batch), reference()[kind, batch]
        if ours and theirs:
            lines.append(f"{kind.upper()}, N={batch} ({error(ours.total, theirs.total)}):\n")
            lines += [f"- {layer.name} `{layer.nest}`" for layer in run(kind, batch).layers]
            lines.append("")
    return "\n".join(lines)


_HEAD = """\
## ISCA 2016: six dataflows of one area

Energy per MAC, in MAC energies, on the CONV layers of AlexNet with 256 PEs. *Theirs* is a re-computation, not the
paper's printed values: the equations of Chen, Emer and Sze, ISCA 2016, section VI, searched exhaustively over AlexNet
as two towers. Ours: `eyeriss_isca16_*` with `--accounting isca16`, each layer's mapping searched within its dataflow.
RS is the best of the six at each batch size N, as there; WS has no room for its psums at N=64 on either side. OSA, OSB
and OSC come out below where our search tries tilings that theirs does not: compare the ifmap columns further down.
"""

_PARTS = """\
By level of the hierarchy and by data type (each first theirs, then ours; a MAC itself is 1).
"""

_NESTS = """\
The nests of the output-stationary machines, whose totals differ most, so that anyone can count them again.
"""
