"""Fused groups beside those that others published or ran: Alwani et al. (MICRO 2016), DeFiNES, AccelForge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from accelsim.engine.fused.filters import fetched
from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.engine.fused.layers import group_of
from accelsim.engine.fused.storage import MODES, Measured, Tiling, measure
from accelsim.reproduce.markdown import error, paragraph, table
from accelsim.reproduce.source import document, rows
from accelsim.workload.problem import Tensor
from accelsim.workload.yaml import load_network

# ---- DeFiNES ---------------------------------------------------------------------------------------------------------

STACKS = {"fsrcnn": (range(8),), "mobilenetv1": (range(18), range(18, 24), range(24, 27), range(27, 29))}
"""Layers that DeFiNES runs depth first together: all of FSRCNN; MobileNet's are read off its counts."""
CALLED = {"none": "fully recompute", "columns": "H-cached, V-recompute", "both": "fully cached"}


def stack(network: str, numbers: range) -> Group:
    """Some layers of one of DeFiNES's networks. There is no padding: a plane is what the windows of its reader need."""
    given = [document("fused_defines_layers")[network][number] for number in numbers]
    ops = tuple(_op(layer, given[place - 1]["layer"] if place else None) for place, layer in enumerate(given))
    first = given[0]
    plane = tuple(
        (out - 1) * s + k for out, s, k in zip(first["output"], first["stride"], first["kernel"], strict=True)
    )
    return Group((Source("input", ops[0].arriving, (plane[0], plane[1])),), ops)


def _op(layer: dict[str, Any], before: int | None) -> Op:
    apart = bool(layer.get("depthwise"))
    arriving = range(layer["M"] if apart else layer["C"])
    return Op(
        str(layer["layer"]), "depthwise" if apart else "conv",
        (Read("input" if before is None else str(before), arriving),), layer["M"], tuple(layer["output"]),
        layer["M"] if apart else 1, kernel=tuple(layer["kernel"]), stride=tuple(layer["stride"]),
    )  # fmt: skip


@dataclass(frozen=True)
class Count:
    """One number of DeFiNES: MACs of a layer, or words of the first input or the last output in DRAM."""

    network: str
    mode: str
    what: str
    theirs: int
    ours: int


@cache
def counts() -> tuple[Count, ...]:
    """All numbers of DeFiNES beside ours."""
    return tuple(_counts())


def _counts() -> Iterator[Count]:
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows("fused_defines"):
        network, mode = row["network"], row["mode"]
        if (network, mode) not in found:
            found[network, mode] = _ours(network, mode, (int(row["rows"]), int(row["columns"])))
        yield Count(network, mode, row["what"], int(row["count"]), found[network, mode][row["what"]])


def _ours(network: str, mode: str, tile: tuple[int, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for numbers in STACKS[network]:
        group = stack(network, numbers)
        high, wide = group.sink.plane
        one = measure(group, Tiling((min(tile[0], high), min(tile[1], wide)), MODES[mode]))
        found.update(one.macs, output=one.updates)
        found.setdefault("input", one.reads["input"])
    return found


# ---- Alwani et al. ---------------------------------------------------------------------------------------------------

LAYERS = ("CONV1-1", "CONV1-2", "POOL1", "CONV2-1", "CONV2-2", "POOL2", "CONV3-1")
"""The same in VGG-16 and VGG-E, its 19 layers."""
BYTES, MB, KB = 4, 2**20, 1000
AT_ONCE = 64
"""Output channels of the unfused accelerator that share one reading of the ifmap."""


@cache
def vgg() -> Measured:
    """VGG's first five convolutions in tiles of one output, every word made once."""
    return measure(group_of(load_network("vgg16"), LAYERS), Tiling((1, 1)))


def fused_bytes() -> int:
    """Feature maps in DRAM with all five layers fused: the input and the last output."""
    return BYTES * (sum(vgg().reads.values()) + vgg().updates)


def unfused_bytes() -> int:
    """The same with each convolution alone: outputs are written before pooling, ifmaps read for every 64 filters."""
    network, words = load_network("vgg16"), 0
    for layer in network.layers:
        if layer.name in LAYERS and layer.problem:
            times = -(-layer.problem["M"] // AT_ONCE)
            words += times * network.shape(layer.inputs[0]).words + layer.problem.words(Tensor.PSUM)
    return BYTES * words


def kept_bytes() -> int:
    """Whole lines, and columns beside a tile in the rows it uses in the middle of the plane."""
    return BYTES * vgg().line_bound(steady=True)


def alwani() -> dict[str, tuple[float, float]]:
    """{what: (theirs, ours)} in the paper's units."""
    ours = {"fused": fused_bytes() / MB, "unfused": unfused_bytes() / MB, "extra storage": kept_bytes() / KB}
    theirs = {row["what"]: float(row["value"]) for row in rows("fused_published") if row["source"] == "alwani_micro16"}
    return {what: (theirs[what], ours[what]) for what in ours}


# ---- AccelForge ------------------------------------------------------------------------------------------------------


def matmuls(count: int, size: int) -> Group:
    """Products of square matrices, each by weights, one after another: rows of the first are positions."""
    names = ["x", *(f"y{number}" for number in range(count))]
    ops = tuple(Op(name, "matmul", (Read(before, range(size)),), size, (1, size)) for before, name in pairwise(names))
    return Group((Source("x", size, (1, size)),), ops)


def crossing(count: int, size: int) -> float:
    """Tensors of one size that cross main memory where all products are fused and every filter stays."""
    found = measure(matmuls(count, size), Tiling((1, size // 4)))
    filters = sum(fetched(found, op, True) for op in found.group.ops)
    return (sum(found.reads.values()) + found.updates + filters) / size**2


def lines() -> Measured:
    """Two convolutions of three taps along one axis, 18 words to 14, in tiles of 8."""
    first = Op("between", "conv", (Read("input", range(1)),), 1, (1, 16), kernel=(1, 3))
    last = Op("output", "conv", (Read("between", range(1)),), 1, (1, 14), kernel=(1, 3))
    return measure(Group((Source("input", 1, (1, 18)),), (first, last)), Tiling((1, 8)))


def accelforge() -> dict[str, tuple[str, str]]:
    """{what: (theirs, ours)} as its files have them."""
    columns = lines().columns
    ours = {f"input of tile {tile}": _ends(columns.used[tile, 0]) for tile in (0, 1)}
    ours |= {f"between in tile {tile}": _ends(columns.made[tile, 1]) for tile in (0, 1)}
    ours |= {"two matmuls of 64": f"{crossing(2, 64):g}", "three matmuls of 128": f"{crossing(3, 128):g}"}
    theirs = {row["what"]: row["value"] for row in rows("fused_published") if row["source"] == "accelforge"}
    return {what: (theirs[what], ours[what]) for what in theirs}


def _ends(interval: Any) -> str:
    return f"{interval[0]}..{interval[1] - 1}"


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Everything about fused groups as Markdown."""
    return "\n".join([_HEAD, _published(), _live(), _DEFINES, _of_defines(), _ACCELFORGE, _of_accelforge()])


def _published() -> str:
    units = {"fused": "MB", "unfused": "MB", "extra storage": "KB"}
    names = {"fused": "feature maps in DRAM, fused", "unfused": "the same, layer by layer", "extra storage": "kept"}
    forms = {"fused": ("g", ".3f"), "unfused": ("g", ".2f"), "extra storage": ("g", ".3f")}
    cells = [
        [names[what], units[what], *(format(one, form) for one, form in zip(pair, forms[what], strict=True)),
         error(pair[1], pair[0])]
        for what, pair in alwani().items()
    ]  # fmt: skip
    return table(["Alwani et al.", "unit", "theirs", "ours", "error"], cells)


def _live() -> str:
    found = vgg()
    return paragraph(
        "Their storage is a sum of whole lines and of the columns beside a tile. Words that really lie in the buffer "
        f"between two tiles are fewer, {BYTES * found.between / KB:.3f} KB: lines and columns share a corner. While a "
        f"pyramid is computed its tiles lie there too, {BYTES * found.room / KB:.3f} KB."
    )


def _of_defines() -> str:
    cells = []
    for network in STACKS:
        for mode, called in CALLED.items():
            mine = [one for one in counts() if (one.network, one.mode) == (network, mode)]
            macs = [one for one in mine if one.what.isdigit()]
            words = {one.what: one for one in mine if not one.what.isdigit()}
            total = sum(one.theirs for one in macs), sum(one.ours for one in macs)
            same = sum(one.theirs == one.ours for one in mine)
            fetch = words.get("input")
            cells.append(
                [f"{network}, {called}", f"{total[0]:,}", f"{total[1]:,}", f"{fetch.theirs:,}" if fetch else "",
                 f"{fetch.ours:,}" if fetch else "", f"{same} of {len(mine)}"]
            )  # fmt: skip
    return table(["DeFiNES", "MACs", "ours", "input words", "ours", "numbers equal"], cells)


def _of_accelforge() -> str:
    return table(["AccelForge", "theirs", "ours"], [[what, *pair] for what, pair in accelforge().items()])


_HEAD = """\
## Layers that are fused

Layers run together, tile by tile, and what lies between them never leaves the buffer (docs/fusion.md). VGG-E's first
five convolutions with their pools, in tiles of one output of CONV3-1, every word made once. Abstracts round: 3.6, 77
and 362 are all digits there are. How the paper counts is inferred from these: feature maps of 32 b; unfused, outputs
are written before they are pooled, and ifmaps are read again for every 64 filters.
"""

_DEFINES = """\
DeFiNES (HPCA 2023) was run: MACs of every layer, and words that cross its DRAM, for tiles of 60 columns and 72 rows
(FSRCNN) and of 14 and 4 (MobileNet v1). What it calls *fully cached* keeps rows and columns of every tensor, *H-cached,
V-recompute* columns only, *fully recompute* nothing. FSRCNN is one group; MobileNet's four, 0-17, 18-23, 24-26 and
27-28, are read off its counts. Energy and latency of its machine are not compared.
"""

_ACCELFORGE = """\
AccelForge's own files: which words two convolutions of three taps use and make in tiles of 8, and how many tensors
cross main memory where square matrix products are fused.
"""
