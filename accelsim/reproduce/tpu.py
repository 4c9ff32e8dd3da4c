"""TPU v1 on its six applications, whose layers are not published (Jouppi et al., ISCA 2017, Tables 1 and 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.engine.counts import Timing
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce import source
from accelsim.reproduce.markdown import bullets, table
from accelsim.search import best
from accelsim.workload.problem import Problem

MACHINE = "tpu_v1"
WEIGHT_BANDWIDTH = 34e9
"""Bytes per second, Table 2."""
OPS = 2
"""A MAC is a multiplication and an addition."""


@dataclass(frozen=True)
class App:
    """One application: millions of weights, MACs per byte of weights; percent of cycles; tera-operations per second."""

    weights: float
    intensity: int
    batch: int
    active: float
    useful: float
    unused: float
    stall: float
    shift: float
    other: float
    tops: float

    @property
    def roofline(self) -> float:
        """TOPS that weight bandwidth or the MACs allow."""
        return min(OPS * self.intensity * WEIGHT_BANDWIDTH / 1e12, peak())

    @property
    def counted(self) -> float:
        """TOPS that the counter of useful MACs stands for."""
        return self.useful / 100 * peak()

    @property
    def busy(self) -> float:
        """Active cycles among those of matrix work, percent: the rest waits for weights or shifts them in."""
        return 100 * self.active / (100 - self.other)


@cache
def reference() -> Mapping[str, App]:
    """Theirs by application."""
    columns = (
        "array_active_pct", "useful_macs_pct", "unused_macs_pct", "weight_stall_pct", "weight_shift_pct",
        "non_matrix_pct", "TOPS",
    )  # fmt: skip
    return {
        row["app"]: App(
            float(row["weights_M"]),
            int(row["ops_per_weight_byte"]),
            int(row["batch"]),
            *(float(row[column]) for column in columns),
        )
        for row in source.rows("tpu_v1_isca17")
    }


@cache
def machine() -> Architecture:
    """The machine as it ships."""
    return load_architecture(MACHINE)


@cache
def peak() -> float:
    """TOPS of all MACs."""
    return OPS * machine().pes * machine().clock_hz / 1e12


def stream(app: str) -> Problem:
    """An application's weights as full tiles of the array, each met by as many vectors as it has MACs per byte."""
    found = reference()[app]
    side = machine().levels[machine().pe_level - 1].fanout.y
    return Problem.of({"N": found.intensity, "C": side, "M": round(found.weights * 1e6 / side)})


@cache
def run(app: str) -> tuple[LoopNest, Timing]:
    """The mapping found and the cycles of one stream."""
    nest = best(machine(), stream(app), machine().dataflow, "cycles")
    return nest, evaluate(machine(), nest, stream(app))[1]


def tops(app: str) -> float:
    """Ours: what the stream reaches, start and end included."""
    return OPS * stream(app).macs / run(app)[1].cycles * machine().clock_hz / 1e12


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """The six applications as Markdown."""
    return "\n".join([_HEAD, _bounds(), _COUNTERS, _counters(), _why()])


def _bounds() -> str:
    return table(
        ["TOPS", "MACs per weight byte", "batch", "roofline", "ours, a bound", "theirs, achieved", "theirs / ours"],
        [
            [name, f"{app.intensity:,}", str(app.batch), f"{app.roofline:.1f}", f"{tops(name):.1f}", f"{app.tops:.1f}",
             f"{app.tops / tops(name):.0%}"]
            for name, app in reference().items()
        ],
    )  # fmt: skip


def _counters() -> str:
    return table(
        ["% of cycles", "active", "unused MACs", "weight stall", "weight shift", "non-matrix",
         "active, of matrix work", "ours", "useful MACs as TOPS", "TOPS"],
        [
            [name, f"{app.active}", f"{app.unused}", f"{app.stall}", f"{app.shift}", f"{app.other}", f"{app.busy:.1f}",
             f"{100 * run(name)[1].compute / run(name)[1].cycles:.1f}", f"{app.counted:.1f}", f"{app.tops:.1f}"]
            for name, app in reference().items()
        ],
    )  # fmt: skip


def _why() -> str:
    """What the columns say about each application that stays below its bound."""
    lines = []
    for name, app in reference().items():
        reasons = [f"non-matrix work takes {app.other:.1f} % of all cycles"]
        if app.unused > 1:
            reasons.append(f"{app.unused / app.active:.0%} of the MACs are unused in active cycles")
        if app.roofline == peak() and app.stall:
            reasons.append(
                f"weight stalls and shifts take {app.stall + app.shift:.1f} %, for its FC layers meet each weight "
                f"{app.batch} times, not {app.intensity:,} times"
            )
        if abs(app.counted / app.tops - 1) > 0.3:
            reasons.append(
                f"the counters would make {app.counted:.1f} TOPS, {app.counted / app.tops:.1f} times what is given"
            )
        lines.append(f"{name}: {'; '.join(reasons)}.")
    return bullets(lines)


_HEAD = """\
## TPU v1

The six applications of Jouppi et al., ISCA 2017. Their layers are not published, so what can be derived is a bound:
the weights of Table 1 as full tiles of 256 x 256, one after another, each met by as many input vectors as the table has
MACs per byte of weights, on `tpu_v1`, activations in the unified buffer. The roofline is 34 GB/s of weights or all
MACs, whichever is less. A real application is below its bound.
"""

_COUNTERS = """\
Where the rest goes, by the table's own counters (percent of cycles, Table 3). *Ours* is to be held against the share of
active cycles in those of matrix work. Useful MACs, as TOPS, and the TOPS given differ by 1.5 to 2 times for LSTM0,
LSTM1 and CNN1; no model can meet both. That MACs of CNN1 go unused the paper lays to layers of few channels: R and S
are not unrolled, so few rows are filled.
"""
