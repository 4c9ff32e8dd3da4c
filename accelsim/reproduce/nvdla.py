"""NVDLA's full configuration: AlexNet layer by layer, ResNet-50 in frames per second (nvdla.org)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from accelsim.outcome import LayerResult
from accelsim.reproduce import source
from accelsim.reproduce.markdown import bullets, error, paragraph, table
from accelsim.result import Result
from accelsim.simulate import simulate
from accelsim.workload.problem import Problem, Tensor

MACHINE, CHAIN, RESIDUAL = "nvdla_full", "alexnet", "resnet50_v1"
ALEXNET_BANDWIDTH = 10
"""GB/s, bytes per cycle at 1 GHz."""
FC_BATCH = 16
WINOGRAD_MACS, WINOGRAD_WEIGHTS = 36 / 16, 16 / 9
"""Direct products for one of Winograd's, words of its 4 x 4 filters for one of 3 x 3 (Unit Description, Winograd)."""


@dataclass(frozen=True)
class Theirs:
    """Cycles per frame of one layer, its groups added: of the MACs, of DRAM (0: not the bound)."""

    mac: float
    dram: float

    @property
    def cycles(self) -> float:
        """What the spreadsheet adds up."""
        return self.dram or self.mac


@cache
def reference() -> Mapping[str, Theirs]:
    """Theirs by layer of AlexNet."""
    return {
        row["layer"]: Theirs(*(int(row["groups"]) * float(row[key] or 0) for key in ("mac_cycles", "dram_cycles")))
        for row in source.rows("nvdla_alexnet")
    }


@cache
def frames() -> Mapping[int, float]:
    """Their frames per second of ResNet-50 by GB/s of DRAM."""
    return {int(row["dram_GBps"]): float(row["fps"]) for row in source.rows("nvdla_resnet50")}


@cache
def run(network: str, bandwidth: int, layers: str | None = None, batch: int = 1) -> Result:
    """One network on the machine."""
    parameters = {"dram": f"{bandwidth} words"}
    return simulate(MACHINE, network, batch=batch, layers=layers, objective="cycles", parameters=parameters)


@cache
def alexnet() -> Mapping[str, tuple[LayerResult, int]]:
    """Ours by layer, and the frames it was run with: one for CONV layers, 16 for FC."""
    return {
        layer.name: (layer, batch)
        for pattern, batch in (("CONV*", 1), ("FC*", FC_BATCH))
        for layer in run(CHAIN, ALEXNET_BANDWIDTH, pattern, batch).layers
    }


def cycles(layer: str) -> float:
    """Ours per frame."""
    found, batch = alexnet()[layer]
    return found.timing.cycles / batch


def fps(bandwidth: int) -> float:
    """Our frames per second of ResNet-50."""
    result = run(RESIDUAL, bandwidth)
    return result.architecture.clock_hz / result.total.cycles


def small(problem: Problem) -> bool:
    """Whether NVDLA would run a layer by Winograd: 3 x 3 taps, stride 1."""
    return (problem["R"], problem["S"], *problem.stride) == (3, 3, 1, 1)


def unmodelled() -> dict[str, int]:
    """Bytes of ResNet-50 that NVDLA moves from DRAM and we do not, by cause; a block's last layer is called `c`."""
    layers = run(RESIDUAL, ALEXNET_BANDWIDTH).layers
    winograd = sum(layer.problem.words(Tensor.FILTER) for layer in layers if small(layer.problem))
    added = sum(layer.problem.words(Tensor.PSUM) for layer in layers if layer.name.endswith("c"))
    return {"filters": round((WINOGRAD_WEIGHTS - 1) * winograd), "shortcuts": added}


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """AlexNet and ResNet-50 as Markdown."""
    return "\n".join([_HEAD, _layers(), _why_layers(), _RESIDUAL, _frames(), _why_frames()])


def _layers() -> str:
    lines = []
    for name, theirs in reference().items():
        layer, batch = alexnet()[name]
        lines.append(_line(name, theirs.mac, layer.counts.compute_cycles / batch, theirs.cycles, cycles(name)))
    total = sum(theirs.cycles for theirs in reference().values()), sum(map(cycles, reference()))
    lines.append(["all", "", "", f"{total[0]:,.0f}", f"{total[1]:,.0f}", error(total[1], total[0])])
    return table(["cycles per frame", "MACs, theirs", "ours", "counted, theirs", "ours", "error"], lines)


def _line(name: str, mac: float, ours: float, counted: float, all_ours: float) -> list[str]:
    theirs = f"{mac:,.0f}" if mac else ""
    return [name, theirs, f"{ours:,.0f}", f"{counted:,.0f}", f"{all_ours:,.0f}", error(all_ours, counted)]


def _why_layers() -> str:
    """What makes each layer differ, in numbers of the two machines."""
    lines = []
    for name, theirs in reference().items():
        layer, _ = alexnet()[name]
        problem, pes = layer.problem, layer.counts.active_pes
        if name.startswith("FC"):
            alone = problem.words(Tensor.FILTER) / ALEXNET_BANDWIDTH / FC_BATCH
            reason = f"DRAM-bound here and there; its weights alone take {alone:,.0f} cycles at the bandwidth given"
        elif small(problem):
            expanded = problem.words(Tensor.FILTER) * WINOGRAD_WEIGHTS
            reason = (
                f"Winograd does the MACs in 1/{WINOGRAD_MACS:.2f} of ours there, but its filters of "
                f"{expanded / 1e6:.2f} MB take {expanded / ALEXNET_BANDWIDTH:,.0f} cycles of DRAM, "
                f"ours {problem.words(Tensor.FILTER) / ALEXNET_BANDWIDTH:,.0f}"
            )
        else:
            reason = f"{pes:,} of 2,048 MACs have work here ({_lanes(problem)}); theirs has all MACs busy"
            if theirs.mac < problem.macs / 2048:
                reason += f" on {theirs.mac * 2048 / problem.macs:.3f} of the MACs (a plane of 54 x 54, not 55 x 55)"
        lines.append(f"{name}: {reason}.")
    return bullets(lines)


def _lanes(problem: Problem) -> str:
    lanes = problem["C"] if problem["C"] > 4 else problem["C"] * problem["S"]
    return f"{lanes} of 64 in a cell"


def _frames() -> str:
    lines = []
    for bandwidth, theirs in frames().items():
        lines.append([f"{bandwidth} GB/s", f"{theirs:.1f}", f"{fps(bandwidth):.1f}", error(fps(bandwidth), theirs)])
    return table(["ResNet-50, frames per second", "theirs", "ours", "error"], lines)


def with_more(bandwidth: int) -> float:
    """Our frames per second if what is not modelled were read from DRAM on top of everything else."""
    result = run(RESIDUAL, bandwidth)
    return result.architecture.clock_hz / (result.total.cycles + sum(unmodelled().values()) / bandwidth)


def _why_frames() -> str:
    extra = {cause: f"{size / 1e6:.1f} MB" for cause, size in unmodelled().items()}
    low, high = ALEXNET_BANDWIDTH, 2 * ALEXNET_BANDWIDTH
    return paragraph(
        "The spreadsheet computes its number. It moves more through DRAM: filters expanded for Winograd are "
        f"{extra['filters']} more, and what is added to a block's output on its way past it is another "
        f"{extra['shortcuts']} to read. With those on top of all other cycles ours would be at {with_more(low):.0f} "
        f"frames per second at {low} GB/s, where DRAM is what both wait for, and at {with_more(high):.0f} at {high} "
        "GB/s, where Winograd, not modelled here, would win cycles of MACs back. What else it charges, such as pooling,"
        " is left out here."
    )


_HEAD = """\
## NVDLA

2048 MACs of 8 bits, 512 KiB of buffer, 1 GHz: AlexNet at 10 GB/s, FC layers at batch 16, against the spreadsheet that
comes with its source. It takes for each layer the greater of two ideal times: MACs at 2,048 in a cycle (3x3 layers by
Winograd), DRAM bytes at full bandwidth. Ours runs `nvdla_full` and what its search finds (fewest cycles): lanes without
a channel idle, and a layer waits for its first tile. *Counted* is what the spreadsheet adds up.
"""

_RESIDUAL = """\
ResNet-50 (v1, batch 1) against the primer's frames per second at 20 GB/s, and the spreadsheet's at 10 GB/s.
"""
