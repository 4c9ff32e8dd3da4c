"""Where the time of whole networks goes on NVDLA's configurations: loads, MACs, delivery of sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from accelsim.architecture.yaml import load_architecture
from accelsim.errors import MappingError
from accelsim.report.framing import new_axes, save
from accelsim.report.palette import COLOURS, MAC_COLOUR
from accelsim.reproduce.nvdla_rtl import BANKS, Around, timed
from accelsim.workload.network import Layer
from accelsim.workload.problem import Problem
from accelsim.workload.yaml import load_network

NETWORKS = ("resnet50", "mobilenet_v2", "ds_cnn")
ABOUT = ("MACs", "waiting for sums to leave", "waiting for words to come, and fixed")
PAINTS = (MAC_COLOUR, COLOURS[2], COLOURS[0])
FOLDER = Path("docs/figures")
IMAGE = 4
"""Channels of a pixel of the network's input as NVDLA's image mode takes it: A8R8G8B8."""


@dataclass(frozen=True)
class Spent:
    """Cycles of one layer: of MACs, and in which they stand still for sums that leave, and for words that come.

    hardware_layers : how many it is carried out as, one after the other.
    """

    layer: Layer
    cycles: tuple[int, int, int]
    hardware_layers: int


@cache
def network(machine: str, name: str) -> tuple[Spent, ...]:
    """Every layer with MACs of a network, batch 1.

    A group of channels is a hardware layer of its own, and so is each strip of rows where an input does not fit in
    CBUF: as few strips as fit, of as equal heights as can be. Layers do not overlap.
    """
    return tuple(_spent(machine, layer) for layer in load_network(name).mac_layers)


def total(machine: str, name: str) -> tuple[int, int, int]:
    """Cycles of a network by part."""
    found = network(machine, name)
    macs, delivery, load = (sum(spent.cycles[part] for spent in found) for part in range(3))
    return macs, delivery, load


def _spent(machine: str, layer: Layer) -> Spent:
    problem = layer.problem
    assert problem is not None
    groups, n = problem["G"], problem["N"]
    one = replace(problem, sizes=(1, 1, *problem.sizes[2:]))
    image = one["C"] == 3
    if image:
        one = replace(one, sizes=(1, 1, one["M"], IMAGE, *one.sizes[4:]))
    for count in range(1, one["P"] + 1):
        pieces = list(strips(one, count))
        try:
            cycles = [_parts(machine, piece, image) for piece in pieces]
        except MappingError:
            continue
        times = groups * n * layer.repeat
        macs, delivery, load = (times * sum(parts) for parts in zip(*cycles, strict=True))
        return Spent(layer, (macs, delivery, load), times * count)
    raise MappingError(f"layer '{layer.name}': no strip of it fits in the buffer of '{machine}'")


def strips(problem: Problem, count: int) -> Iterator[Problem]:
    """A layer as strips of rows of its outputs, each with the rows of the input that its windows want."""
    first = 0
    for index in range(count):
        end = problem["P"] * (index + 1) // count
        top = first * problem.stride[0] - problem.pad[0]
        bottom = (end - 1) * problem.stride[0] - problem.pad[0] + (problem["R"] - 1) * problem.dilation[0] + 1
        low, high = max(top, 0), min(bottom, problem.height)
        sizes = (*problem.sizes[:4], end - first, *problem.sizes[5:])
        yield replace(problem, sizes=sizes, pad=(low - top, problem.pad[1]), height=high - low)
        first = end


@cache
def _parts(machine: str, problem: Problem, image: bool) -> tuple[int, int, int]:
    """Cycles of one hardware layer; weights have all the banks that its input leaves."""
    cbuf = load_architecture(machine).levels[1]
    size = cbuf.capacity[0].bits // 8
    high, wide = problem.whole_plane
    banks = BANKS[machine] - -(-problem["C"] * high * wide * BANKS[machine] // size)
    timing = timed(machine, problem, Around(banks), image)
    delivery = sum(cycles for cause, cycles in timing.stalls.items() if cause in ("room", "drain"))
    return timing.compute, delivery, timing.cycles - timing.compute - delivery


def plot(folder: str | Path = FOLDER, kind: str = "svg") -> Path:
    """A bar for each network on each configuration, its parts as shares of its time; returns the file."""
    bars = [(machine, name) for name in NETWORKS for machine in BANKS]
    axes = new_axes(8.4, 0.42 * len(bars) + 1.4)
    for at, (machine, name) in enumerate(bars):
        parts = total(machine, name)
        cycles, left = sum(parts), 0.0
        for part, colour in zip(parts, PAINTS, strict=True):
            share = part / cycles
            axes.barh(-at, share, left=left, color=colour, height=0.7)
            if share > 0.05:
                axes.text(left + share / 2, -at, f"{share:.0%}", ha="center", va="center", fontsize=8, color="white")
            left += share
        axes.text(1.01, -at, f"{cycles / 1e6:,.1f} M cycles", ha="left", va="center", fontsize=8)
    axes.set_yticks([-at for at in range(len(bars))], [f"{name} on {machine}" for machine, name in bars], fontsize=8)
    axes.set_xlim(0, 1.2)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    from matplotlib.patches import Patch

    axes.legend(
        [Patch(color=colour) for colour in PAINTS], ABOUT, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), fontsize=8
    ).set_frame_on(False)
    path = Path(folder) / f"rtl_nvdla_networks.{kind}"
    save(axes, str(path))
    return path
