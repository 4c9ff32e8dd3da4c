"""The fabricated Eyeriss chip running AlexNet at batch 4, against its measurements (JSSC 2017, Table V)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import architecture_of
from accelsim.reproduce import source
from accelsim.reproduce.markdown import error, table, triple
from accelsim.result import LayerResult, Result
from accelsim.simulate import simulate
from accelsim.workload.problem import TENSORS, Tensor
from accelsim.yamlfile import read, resolve

BUFFER_TRAFFIC = ((Tensor.IFMAP, "read"), *((Tensor.PSUM, action) for action in ("update", "read", "drain")))
TOTAL = "Total"


@dataclass(frozen=True)
class Row:
    """One row of the chip's table; ms, MB of 10^6 bytes, mW.

    buffer : traffic of the global buffer. dram : MB by tensor (of the total: added over layers).
    power : of the chip without its DRAM, by the 45 nm table.
    """

    name: str
    active_pes: float
    buffer: float
    processing: float
    total: float
    dram: Mapping[str, float]
    power: float


@cache
def measured() -> dict[str, dict[str, float]]:
    """The chip's rows by name."""
    rows = source.rows("eyeriss_chip_alexnet_b4")
    return {row["layer"]: {key: float(text) for key, text in row.items() if key != "layer"} for row in rows}


@cache
def run(reading: str = "") -> Result:
    """The chip's own mapping on the chip, or on a reading of the chip that its times refute."""
    machine = read_as(reading) if reading else "eyeriss"
    return simulate(
        machine, "alexnet", mapping="eyeriss_alexnet_jssc17", batch=4, layers="CONV*", energy="horowitz_45nm"
    )


@cache
def rows(reading: str = "") -> dict[str, Row]:
    """Ours by name, the total last."""
    result = run(reading)
    found = [_row(result, layer) for layer in result.layers]
    total = Row(
        TOTAL,
        result.total.active_pes,
        sum(row.buffer for row in found),
        sum(row.processing for row in found),
        sum(row.total for row in found),
        {tensor: sum(row.dram[tensor] for row in found) for tensor in TENSORS},
        sum(row.power * row.total for row in found) / sum(row.total for row in found),
    )
    return {row.name: row for row in (*found, total)}


def _row(result: Result, layer: LayerResult) -> Row:
    counts, bits = layer.counts, result.architecture.word_bits
    total = result.milliseconds(layer.timing.cycles)
    on_chip = sum(row.energy for row in layer.energy_rows if row.component != "DRAM")
    return Row(
        layer.name,
        counts.active_pes,
        sum(counts("GLB", tensor, action) * bits[tensor] for tensor, action in BUFFER_TRAFFIC) / 8e6,
        result.milliseconds(layer.timing.processing),
        total,
        {t: (counts("DRAM", t, "read") + counts("DRAM", t, "update")) * bits[t] / 8e6 for t in TENSORS},
        float(on_chip) / total * 1e-6,
    )


# ---- readings of the chip that its times refute ----------------------------------------------------------------------


@cache
def readings() -> dict[str, Any]:
    """Each reading: what it changes in the YAML, and what a prototype found."""
    found: dict[str, Any] = source.document("eyeriss_readings")
    return found


def read_as(reading: str) -> Architecture:
    """arch/eyeriss.yaml with one reading's values instead of its own."""
    document = read(resolve("arch", "eyeriss"))
    _merge(document.data, readings()[reading]["change"])
    return architecture_of(document)


def _merge(data: Any, change: Mapping[str, Any]) -> None:
    """Values of `change` take the place of those in `data`; levels go by their names."""
    by_name = {entry["name"]: entry for entry in data} if isinstance(data, list) else data
    for key, value in change.items():
        if value is None:
            del by_name[key]
        elif isinstance(value, dict):
            _merge(by_name[key], value)
        else:
            by_name[key] = value


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Everything about the chip, as Markdown."""
    return "\n".join([_HEAD, _comparison(), _READINGS, _readings(), _TOTAL, _totals(), _DRAM, _dram()])


def _pairs() -> Iterable[tuple[Row, dict[str, float]]]:
    return ((row, measured()[row.name]) for row in rows().values())


def _comparison() -> str:
    header = [
        *("layer", "active PEs, theirs", "ours"),
        *("buffer MB, theirs", "ours", "error"),
        *("processing ms, theirs", "ours", "error"),
    ]
    return table(
        header,
        (
            [
                row.name,
                f"{chip['active_PEs']:.0f}",
                f"{row.active_pes:.0f}",
                *triple(row.buffer, chip["glb_access_MB"], ".1f"),
                *triple(row.processing, chip["processing_latency_ms"], ".1f"),
            ]
            for row, chip in _pairs()
        ),
    )


def _readings() -> str:
    chip = measured()
    lines = []
    for reading in ("", *readings()):
        moved = [error(row.processing, chip[row.name]["processing_latency_ms"]) for row in rows(reading).values()]
        found = readings()[reading]["prototype"] if reading else None
        note = f"{found['row']} {found['percent']:+} %".replace("-", "−") if found else ""
        lines.append([reading or "as modelled", *moved, note])
    return table(["processing time, error", *rows(), "prototype"], lines)


def _totals() -> str:
    return table(
        ["layer", "total ms, theirs", "ours", "error", "power mW, theirs", "ours"],
        (
            [
                row.name,
                *triple(row.total, chip["total_latency_ms"], ".1f"),
                f"{chip['power_mW']:.0f}",
                f"{row.power:.0f}",
            ]
            for row, chip in _pairs()
        ),
    )


def _dram() -> str:
    return table(
        ["layer", "MB, theirs (compressed)", "ours (dense)", *TENSORS],
        (
            [
                row.name,
                f"{chip['dram_access_MB']:.1f}",
                f"{sum(row.dram.values()):.2f}",
                *(f"{row.dram[tensor]:.2f}" for tensor in TENSORS),
            ]
            for row, chip in _pairs()
        ),
    )


_HEAD = """\
## The Eyeriss chip

Measurements of the 65 nm chip on the CONV layers of AlexNet, batch 4: Chen, Krishna, Emer and Sze, IEEE JSSC 52(1),
2017, Table V. Ours: `eyeriss` with the chip's own mapping `eyeriss_alexnet_jssc17` (Table III). Buffer traffic counts
two bytes for each ifmap word read and each psum word updated, read back or drained, as the chip's table does: filters
and what comes from DRAM are left out. Processing time has DRAM completely overlapped. CONV5 runs CONV4's passes, 256
of them instead of 384, so that a machine whose passes add up gives it 2/3 of CONV4's time; the chip shows 0.63.
"""

_READINGS = """\
It is the machine, not a formula: each reading below changes a few values of `arch/eyeriss.yaml` (they are in
`accelsim/reference/eyeriss_readings.yaml`) and moves the rows away from the chip. *Prototype* is what another
implementation of the same timing rules found for the row it names.
"""

_TOTAL = """\
Total time and power have no target. Both totals add DRAM over a 64 bit link at 60 MHz to the processing time where it
is not hidden. Ours moves the words of a dense network, and a buffer holds one tile of a tensor, so that the next one
comes when it is used up; the chip moves fewer words (see below) and loads filters ahead. Our power is the energy of
MACs, register files and buffers in a 45 nm table (Horowitz, ISSCC 2014) over our total time: an order of magnitude, far
below the chip's. The chip is a 65 nm one, and its power includes what no count of accesses sees: clock tree, control,
leakage, and wires, for which that table has no energy. Its power falls from layer to layer, ours does not: the chip
gates the arithmetic and the reads of zero ifmap words, none in CONV1, 39 % in CONV2, 72 to 79 % in the others.
"""

_DRAM = """\
DRAM traffic in MB, item by item: ifmaps and filters read, finished ofmaps written (psum; none is read back). Ours is
dense. The chip codes runs of zeros in the ofmaps it writes and in the ifmaps it reads, the first layer's excepted;
filters it does not code, and they alone are less than what it moves in each layer.
"""
