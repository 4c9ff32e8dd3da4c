"""The fabricated Eyeriss chip running AlexNet at batch 4, against its measurements (JSSC 2017, Table V)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import architecture_of
from accelsim.energy.rows import MAC
from accelsim.outcome import LayerResult
from accelsim.reproduce import source
from accelsim.reproduce.markdown import error, table, triple
from accelsim.result import Result
from accelsim.simulate import simulate
from accelsim.workload.density import Densities, Density
from accelsim.workload.network import Layer, Network
from accelsim.workload.problem import TENSORS, Tensor
from accelsim.workload.yaml import load_network
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


EVENLY, IN_PLACE, WORKLOAD = "evenly", "padding in place", "densities of the workload"
PLACES = {
    EVENLY: "the table's share, evenly over stored planes",
    IN_PLACE: "the table's share, the padding's zeros in their place",
    WORKLOAD: "Sparseloop's densities, and the padding's zeros",
}
"""Where zeros of ifmaps may lie: the chip's table gives their share among the words read, not their places."""


@cache
def run(reading: str = "", data: str | None = None, energy: str = "horowitz_45nm", zeros: str = EVENLY) -> Result:
    """The chip's own mapping on the chip, or on a reading of the chip that its times refute; with the chip's zeros."""
    machine = read_as(reading) if reading else "eyeriss"
    return simulate(
        machine, network(zeros), mapping="eyeriss_alexnet_jssc17", batch=4, layers="CONV*", energy=energy, data=data
    )


@cache
def network(zeros: str = EVENLY) -> Network:
    """AlexNet with the share of zero ifmap words that the chip's table gives, placed as one of `PLACES`.

    The table counts zeros among the words read, which are those of padded planes.
    """
    alexnet = load_network("alexnet", 4)
    layers = [layer if zeros == WORKLOAD else _with_zeros(layer, zeros) for layer in alexnet.layers]
    return replace(alexnet, layers=tuple(layers))


def _with_zeros(layer: Layer, zeros: str) -> Layer:
    if layer.name not in measured() or layer.problem is None:
        return layer
    problem, (rows, columns) = layer.problem, layer.problem.touched
    share = 1 - measured()[layer.name]["ifmap_zeros_pct"] / 100
    if zeros == EVENLY:
        problem = replace(problem, pad=(0, 0), height=rows, width=columns)
    inside = share * rows * columns / (problem.height * problem.width)
    return replace(
        layer, problem=problem, density=Densities(ifmap=Density(inside), ofmap=layer.density.of(Tensor.PSUM))
    )


def zeros_read() -> float:
    """Share of zeros among the ifmap words read from DRAM, in percent, over all layers; CONV1's are not encoded."""
    zeros = words = 0.0
    for layer in run().layers:
        raw = dense()[layer.name].counts("DRAM", "ifmap", "read")
        told = [part for part in layer.counts.encoded if part.tensor == Tensor.IFMAP]
        share = told[0].nonzero / told[0].raw if told else 1 - measured()[layer.name]["ifmap_zeros_pct"] / 100
        zeros, words = zeros + (1 - share) * raw, words + raw
    return 100 * zeros / words


@cache
def dense(energy: str = "horowitz_45nm") -> dict[str, LayerResult]:
    """The same layers without a zero, by name."""
    return {layer.name: layer for layer in run(data="dense", energy=energy).layers}


def ratio(name: str) -> float:
    """DRAM words without and with coding."""
    coded, plain = (
        sum(counts("DRAM", tensor, action) for tensor in TENSORS for action in ("read", "update"))
        for counts in (run().layer(name).counts, dense()[name].counts)
    )
    return plain / coded


def gated(name: str, zeros: str = EVENLY) -> float:
    """Share of the PEs' energy (register files and MACs, relative table) that gating saves."""
    relative = "eyeriss_relative"
    with_zeros, without = (
        sum(row.energy for row in layer.energy_rows if row.component in ("RF", MAC))
        for layer in (run(energy=relative, zeros=zeros).layer(name), dense(relative)[name])
    )
    return float(1 - with_zeros / without)


def gated_in_all(zeros: str = EVENLY) -> float:
    """`gated` over all layers, weighted by MACs."""
    macs = {layer.name: layer.counts.macs for layer in run().layers}
    return sum(gated(name, zeros) * number for name, number in macs.items()) / sum(macs.values())


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
    return changed(readings()[reading]["change"])


def changed(change: Mapping[str, Any]) -> Architecture:
    """arch/eyeriss.yaml with other values, merged key by key."""
    document = read(resolve("arch", "eyeriss"))
    _merge(document.data, change)
    return architecture_of(document)


def _merge(data: Any, change: Mapping[str, Any]) -> None:
    """Values of `change` take the place of those in `data`; levels go by their names."""
    by_name = {entry["name"]: entry for entry in data} if isinstance(data, list) else data
    for key, value in change.items():
        if value is None:
            del by_name[key]
        elif isinstance(value, dict) and key in by_name:
            _merge(by_name[key], value)
        else:
            by_name[key] = value


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Everything about the chip, as Markdown."""
    return "\n".join(
        [_HEAD, _comparison(), _READINGS, _readings(), _TOTAL, _totals(), _DRAM, _dram(), _placed(), _places()]
    )


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
        [
            *("layer", "MB, theirs", "ours", "error", *TENSORS, "dense"),
            *("ratio, theirs", "ours", "PE energy gated, ours"),
        ],
        (
            [
                row.name,
                *triple(sum(row.dram.values()), chip["dram_access_MB"], ".2f"),
                *(f"{row.dram[tensor]:.2f}" for tensor in TENSORS),
                *_coding(row),
            ]
            for row, chip in _pairs()
        ),
    )


def _placed() -> str:
    return _PLACES.format(read=zeros_read())


def _places() -> str:
    lines = []
    for zeros, text in PLACES.items():
        result = run(zeros=zeros)
        megabytes = [sum(_row(result, layer).dram.values()) for layer in result.layers]
        moved = (f"{part:.2f}" for part in (*megabytes, sum(megabytes)))
        lines.append([text, *moved, f"{100 * gated_in_all(zeros):.1f} %"])
    chip = [f"{row['dram_access_MB']:.1f}" for row in measured().values()]
    return table(["zeros of ifmaps", *measured(), "PE energy gated"], [*lines, ["chip", *chip, "45 %"]])


def _coding(row: Row) -> tuple[str, ...]:
    if row.name == TOTAL:
        megabytes = sum(sum(_row(run(data="dense"), layer).dram.values()) for layer in dense().values())
        return (f"{megabytes:.2f}", "", "", f"{100 * gated_in_all():.0f} % (chip 45 %)")
    theirs = {entry["layer"]: entry["dram_ratio"] for entry in source.rows("eyeriss_chip_dram_ratios")}
    plain = sum(_row(run(data="dense"), dense()[row.name]).dram.values())
    return (f"{plain:.2f}", theirs[row.name], f"{ratio(row.name):.2f}", f"{100 * gated(row.name):.0f} %")


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
implementation of the same timing rules found for the row it names, or of the last two what a hand counts. These two
are what the RTL of an open re-implementation does (`eyeriss_v1_rtl`): its PEs stand still while old psums come in, p
of them a column, and while a window slides, by U q words (3, as of CONV3 to CONV5). The chip refutes the first. The
second brings CONV1 to CONV3 and the total nearer, CONV4 and CONV5 further away; the chip's times of VGG-16 with its
own mappings are not among our sources, so there is nothing to tell it from chance, and the machine stays without it.
"""

_TOTAL = """\
Total time and power have no target. Both totals add DRAM over a 64 bit link at 60 MHz to the processing time where it
is not hidden: a buffer of ours holds one tile of a tensor, so that the next one comes when it is used up; the chip
loads filters ahead. Our power is the energy of MACs, register files and buffers in a 45 nm table (Horowitz, ISSCC 2014)
over our total time: an order of magnitude, far below the chip's. The chip is a 65 nm one, and its power includes what
no count of accesses sees: clock tree, control, leakage, and wires, for which that table has no energy. Both fall from
layer to layer, as more ifmap words are zero and gated.
"""

_DRAM = """\
DRAM traffic in MB, item by item: ifmaps and filters read, finished ofmaps written (psum; none is read back). Ifmaps,
but not the network's input, and ofmaps are run-length coded, filters are not; every transfer is encoded on its own.
Zeros of the ifmaps are drawn evenly over the stored (padded) planes at the share the chip's table gives; those of the
ofmaps are Sparseloop's (MICRO 2022), and so are the ratios, which it takes for the chip's. Energy gated is that of
register files and MACs by the relative table, fills and drains included, which gating does not save; in all weighted by
MACs.
"""

_PLACES = """\
Of the ifmap words read {read:.2f} % are zero (chip: 57.53 %, its mean over the words read). The table says how
many, not where. Where the padding's zeros are in their place, whole rows of them take more pairs, and the PEs see fewer
zeros: a word at the rim is used by fewer MACs, so that others must be zero less often. DRAM traffic tells the first two
lines from the third, but not from each other (CONV5: +3.5 and +4.1 %); what gating saves depends on it.
"""
