"""Gemmini's RTL on an FPGA, layer by layer, against the machine that its sources describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median

from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.engine.counts import Timing
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce import source
from accelsim.reproduce.markdown import error, paragraph, table
from accelsim.workload.problem import Problem

MACHINE = "gemmini16"
SIDE = 16
"""Rows and columns of the array; a beat of the DMA is as many bytes."""
SIZES = (64, 128)
"""KiB of scratchpad, accumulators half as much: the branch's defaults, and twice both."""
NETWORKS = {"resnet50": "ResNet-50", "alexnet": "AlexNet"}
POOLED = "conv1"
"""The layer whose pooling is part of it, in ResNet-50."""
SHAPE = ("inputs", "outputs", "rows", "kernel", "stride")


@dataclass(frozen=True)
class Layer:
    """One layer: the median of theirs, and ours for each of `SIZES`."""

    name: str
    theirs: int
    ours: tuple[int, ...]


@cache
def blocks() -> Mapping[tuple[int, ...], Mapping[str, int]]:
    """What a loop instruction covers, by KiB of scratchpad and the layer's shape."""
    rows = [{name: int(value) for name, value in row.items()} for row in source.rows("rtl_gemmini_blocks")]
    return {(row["scratchpad"], *(row[name] for name in SHAPE)): row for row in rows}


def nest(block: Mapping[str, int]) -> LoopNest:
    """Blocks in the order of the software's loops; in a block, weights one after the other, all outputs for each."""
    names = ("block_outputs", "block_rows", "block_cols", "kernel_rows", "kernel_cols", "block_inputs")
    sizes = [block[name] for name in ("outputs", "height", "width", "kernel", "kernel", "inputs")]
    outside = [f"{dim}{-(-size // block[name])}" for dim, size, name in zip("MPQRSC", sizes, names, strict=True)]
    if _is_matrix(block):  # tiled_matmul_outer: vectors outside of output channels
        outside = [outside[2], outside[0], outside[5]]
    tiles = {dim: -(-block[name] // SIDE) for dim, name in (("M", names[0]), ("C", names[5]))}
    inside = f"M{tiles['M']} R{block[names[3]]} S{block[names[4]]} C{tiles['C']} P{block[names[1]]} Q{block[names[2]]}"
    return LoopNest.parse(f"DRAM: {' '.join(outside)} | SPAD: | ACC: {inside} y C{SIDE} x M{SIDE} | RF:")


def turn(block: Mapping[str, int]) -> int:
    """Cycles that a change of weights adds to a pass, the mean of a layer's blocks.

    Outputs go in groups of a row, 16 at most; the next weights, 16 rows of them, come in beside the last group, which
    takes 16 cycles then however few it has. Of a pass shorter than 16 the preload alone says so in any case.
    """
    added, of = 0, 0
    for col in range(0, block["width"], block["block_cols"]):
        wide = min(block["block_cols"], block["width"] - col)
        last = (wide - 1) % SIDE + 1
        added += max(SIDE - last - max(SIDE - wide * block["block_rows"], 0), 0)
        of += 1
    return round(added / of)


def loaded(block: Mapping[str, int]) -> str:
    """Useful bytes of the ifmap in a beat.

    A pixel's 16 channels are a beat of their own, so three channels are three bytes of it; and a 1 x 1 layer of stride
    2 loads the pixels between, too, three in four for nothing.
    """
    useful = min(SIDE, block["inputs"])
    return f"{useful // block['stride'] ** 2 if block['kernel'] == 1 else useful} B"


@cache
def run(size: int, shape: tuple[int, ...]) -> Timing:
    """One shape with so many KiB of scratchpad."""
    block = blocks()[(size, *shape)]
    sizes = {"scratchpad": f"{size} KiB", "accumulators": f"{size // 2} KiB"}
    machine = load_architecture(MACHINE, {**sizes, "turn": turn(block), "ifmap": loaded(block)})
    dims = {"M": block["outputs"], "C": block["inputs"], "P": block["height"], "Q": block["width"]}
    problem = Problem.of({**dims, "R": block["kernel"], "S": block["kernel"]}, stride=(block["stride"],) * 2)
    return evaluate(machine, nest(block), problem)[1]


@cache
def layers(network: str) -> tuple[Layer, ...]:
    """All layers of a network that were published."""
    rows = [row for row in source.rows("rtl_gemmini") if row["network"] == network]
    shapes = [tuple(int(row[name]) for name in SHAPE) for row in rows]
    return tuple(
        Layer(row["layer"], int(row["cycles"]), tuple(run(size, shape).cycles for size in SIZES))
        for row, shape in zip(rows, shapes, strict=True)
    )


def total(some: Sequence[Layer], size: int = 0) -> float:
    """Ours against theirs, all added up."""
    return sum(layer.ours[size] for layer in some) / sum(layer.theirs for layer in some) - 1


def errors(some: Sequence[Layer], size: int = 0) -> list[float]:
    """Ours against theirs, without signs."""
    return [abs(layer.ours[size] / layer.theirs - 1) for layer in some]


def section() -> str:
    """Every layer, with both sizes, as Markdown."""
    parts = [f"### `{MACHINE}`\n", paragraph(_HEAD), _summary()]
    for network, name in NETWORKS.items():
        lines = []
        for layer in layers(network):
            cells = [(f"{ours:,}", error(ours, layer.theirs)) for ours in layer.ours]
            lines.append([layer.name, f"{layer.theirs:,}", *(text for cell in cells for text in cell)])
        header = [name, "RTL", *(cell for size in SIZES for cell in (f"ours, {size} KiB", "error"))]
        parts.append(table(header, lines))
    return "\n".join([*parts, paragraph(_REST)])


def _summary() -> str:
    lines = []
    for network, name in NETWORKS.items():
        every = layers(network)
        for what, some in ((name, every), (f"{name}, without {POOLED}", [e for e in every if e.name != POOLED])):
            cells = []
            for at in range(len(SIZES)):
                wrong = errors(some, at)
                cells += [error(1 + total(some, at), 1), f"{median(wrong):.1%}", f"{max(wrong):.1%}"]
            lines.append([what, str(len(some)), *cells])
    header = ["", "layers"]
    for size in SIZES:
        header += [f"{size} KiB: total", "median", "largest"]
    return table(header, lines)


def _is_matrix(block: Mapping[str, int]) -> bool:
    """Whether the layer is run as a matrix product."""
    return block["kernel"] == 1 and block["stride"] == 1


_HEAD = (
    "Published by others: FireSim, the median of seven runs, with a DRAM model and an image that are not published. "
    "What is said here is how far Gemmini's own sources go (docs/rtl.md): blocks as its software cuts them for 64 KiB "
    "of scratchpad and 32 KiB of accumulators, the branch's defaults, and for twice both; weights, groups of outputs "
    "and stores as its RTL has them; the DMA at its peak, 16 bytes a cycle each way, without latency."
)

_REST = (
    "With 64 KiB the rule gives ResNet's first layer blocks whose pooling windows overlap so much that MACs alone "
    "take 3.8 M cycles, more than the RTL: the image that was measured had larger memories or another rule. With "
    "twice both, 1 x 1 layers of stride 1 come within 5 % but for the shortest, conv2_0a. Those of stride 2 (proj) "
    "and FC are bound by loads; classifier layers get 10.2 to 10.7 bytes of weights a cycle in the RTL, from a DRAM "
    "that is not known. 3 x 3 layers of 7 x 7 outputs take 9.2 cycles for each group of seven outputs there, here 7 "
    "and 16 for the last. AlexNet's first layer takes 2.7 times its MACs for a reason that is not found, its second 5 "
    "% less than its MACs."
)
