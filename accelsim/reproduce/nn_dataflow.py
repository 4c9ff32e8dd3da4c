"""DRAM words of nn-dataflow's blocking of AlexNet, and of what our own search finds on the same machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache

from accelsim.reproduce import source
from accelsim.reproduce.markdown import error, table
from accelsim.result import Result
from accelsim.simulate import simulate
from accelsim.workload.problem import TENSORS

COLUMNS = {"filter": "DRAM_W", "ifmap": "DRAM_I", "psum": "DRAM_O"}
FC_NAMES = {"fc1": "FC6", "fc2": "FC7", "fc3": "FC8"}
MAPPING = "nn_dataflow_alexnet_b16"
PARAMETERS = {"glb": "128 KiB"}
"""65,536 words."""
Words = Mapping[str, int]


@cache
def reference() -> dict[str, Words]:
    """Theirs: words by tensor, by layer, the two towers added."""
    found: dict[str, Counter[str]] = {}
    for row in source.rows(MAPPING):
        tower = row["layer"].split("_")[0]
        name = FC_NAMES.get(tower, tower.upper())
        found.setdefault(name, Counter()).update({tensor: int(row[column]) for tensor, column in COLUMNS.items()})
    return dict(found)


@cache
def run(searched: bool = False) -> Result:
    """Their machine with their blocking, or with the mappings our search finds (least energy by their costs)."""
    return simulate(
        "eyeriss_isca16_rs",
        "alexnet_two_tower",
        mapping=None if searched else MAPPING,
        batch=16,
        layers="CONV*,FC*",
        evaluator="analytical",
        parameters=PARAMETERS,
    )


@cache
def words(searched: bool = False) -> dict[str, Words]:
    """Ours: words read from and written to DRAM by tensor, by layer, repeats added."""
    return {
        layer.name: {
            tensor.value: layer.repeat * (layer.counts("DRAM", tensor, "read") + layer.counts("DRAM", tensor, "update"))
            for tensor in TENSORS
        }
        for layer in run(searched).layers
    }


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Both comparisons as Markdown."""
    return "\n".join([_HEAD, _blocking(), _SEARCH, _search()])


def _blocking() -> str:
    header = ["layer", *(cell for tensor in COLUMNS for cell in (f"{tensor}, theirs", "ours", "error"))]
    lines = []
    for name, theirs in reference().items():
        cells = [(f"{theirs[t]:,}", f"{words()[name][t]:,}", error(words()[name][t], theirs[t])) for t in COLUMNS]
        lines.append([name, *(cell for triple in cells for cell in triple)])
    return table(header, lines)


def _search() -> str:
    lines = []
    for name, theirs in reference().items():
        ours = words(searched=True)[name]
        lines.append(_sums(name, sum(theirs.values()), sum(ours.values())))
    all_theirs = sum(sum(layer.values()) for layer in reference().values())
    lines.append(_sums("all", all_theirs, sum(sum(layer.values()) for layer in words(searched=True).values())))
    return table(["layer", "DRAM words, theirs", "ours", "error"], lines)


def _sums(name: str, theirs: int, ours: int) -> list[str]:
    return [name, f"{theirs:,}", f"{ours:,}", error(ours, theirs)]


_HEAD = """\
## nn-dataflow

Words read from and written to DRAM by AlexNet at batch 16 on 16 x 16 PEs: nn-dataflow 2.1 (Gao et al., ASPLOS 2017),
measured by running it, no tensor allowed to bypass the buffer. Ours: its blocking written as mappings
(`nn_dataflow_alexnet_b16`) for `eyeriss_isca16_rs` with its 65,536 words of buffer. Every tensor of every layer moves
the same words, both towers added; psum counts words written and words read back.
"""

_SEARCH = """\
With mappings of our own search (least energy, the same costs per access) no CONV layer moves more words, nor does the
network. In the FC layers nn-dataflow keeps the psums of all 16 images in the register files, which our row-stationary
space leaves to the buffer: that costs up to a few percent there.
"""
