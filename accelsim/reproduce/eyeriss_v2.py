"""Eyeriss v2 and the buses of Eyeriss v1 on MobileNet 0.5-128, against the published throughputs (JETCAS 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from accelsim.reproduce.markdown import table, triple
from accelsim.result import LayerResult
from accelsim.simulate import simulate
from accelsim.workload.yaml import load_network

NETWORK = "mobilenet_v1_0.5_128"
CLOCK = 200e6
V1, V15, V2 = "v1", "v1.5", "v2"
SPARSE_V2 = 1470.6
SPARSE_V2_OVER_V1 = 12.6
PUBLISHED = {"v1.5 / v1": 5.6, "v2": 1282.1, "v1": SPARSE_V2 / SPARSE_V2_OVER_V1}
"""Inferences per second of the dense network at batch 1, Table VI, and the gain of the mesh alone, section I.

That of v1 follows from sparse v2 and its gain over v1 (abstract).
"""


@dataclass(frozen=True)
class Variant:
    """One of the paper's three machines (section V, Table V).

    macs : per cycle and PE in layers whose channels feed two lanes. pipeline : stages.
    mapping : the nests, or none for the best that v1's own dataflow has.
    """

    architecture: str
    macs: int
    pipeline: int
    mapping: str | None


VARIANTS = {
    V1: Variant("eyeriss_v2_bus", 1, 3, "eyeriss_v2_bus_mobilenet"),
    V15: Variant("eyeriss_v2", 1, 3, "eyeriss_v2_mobilenet"),
    V2: Variant("eyeriss_v2", 2, 7, "eyeriss_v2_mobilenet"),
}
SEARCHED = Variant("eyeriss_v2_bus", 1, 3, None)


@cache
def run(variant: Variant) -> Mapping[str, LayerResult]:
    """Every layer by name, in network order, at batch 1."""
    found: dict[str, LayerResult] = {}
    # the two lanes share an ifmap word between output channels, of which a depthwise group has one (section V-A)
    for layers, macs in (("conv1,pw*,FC", variant.macs), ("dw*", 1)):
        result = simulate(
            variant.architecture,
            NETWORK,
            mapping=variant.mapping,
            layers=layers,
            objective="cycles",
            parameters={"macs": macs, "pipeline": variant.pipeline},
        )
        found |= {layer.name: layer for layer in result.layers}
    return {layer.name: found[layer.name] for layer in load_network(NETWORK).mac_layers}


def cycles(variant: Variant) -> int:
    """Processing cycles of one image: layers run one after another (section II)."""
    return sum(layer.timing.processing for layer in run(variant).values())


def throughput(variant: Variant) -> float:
    """Inferences per second at batch 1."""
    return CLOCK / cycles(variant)


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Everything about Eyeriss v2, as Markdown."""
    return "\n".join([_HEAD, _comparison(), _LAYERS, _layers()])


def _comparison() -> str:
    v1, v15, v2 = (VARIANTS[name] for name in (V1, V15, V2))
    gain = PUBLISHED["v1.5 / v1"]
    return table(
        ["what", "theirs", "ours", "error"],
        [
            ["v2, dense, inferences/s", *triple(throughput(v2), PUBLISHED["v2"], ".1f")],
            ["v1.5 over v1, both in one wide space", *triple(cycles(v1) / cycles(v15), gain, ".2f")],
            ["v1.5 over v1, v1 in its own dataflow", *triple(cycles(SEARCHED) / cycles(v15), gain, ".2f")],
            ["v1.5, inferences/s", *triple(throughput(v15), PUBLISHED["v1"] * gain, ".1f")],
            ["v1, inferences/s", *triple(throughput(v1), PUBLISHED["v1"], ".1f")],
        ],
    )


def _layers() -> str:
    runs = {name: run(variant) for name, variant in VARIANTS.items()}
    lines = []
    for name, layer in runs[V2].items():
        now = {variant: runs[variant][name].timing.processing for variant in VARIANTS}
        lines.append([name, f"{layer.counts.macs:,}", *_cycles(now), f"{layer.counts.compute_cycles / now[V2]:.0%}"])
    macs = sum(layer.counts.macs for layer in runs[V2].values())
    busy = sum(layer.counts.compute_cycles for layer in runs[V2].values())
    total = {name: cycles(variant) for name, variant in VARIANTS.items()}
    lines.append(["all", f"{macs:,}", *_cycles(total), f"{busy / total[V2]:.0%}"])
    return table(["layer", "MACs", "v1", "v1.5", "v2", "v1 / v1.5", "v2 computes"], lines)


def _cycles(found: Mapping[str, int]) -> list[str]:
    return [f"{found[V1]:,}", f"{found[V15]:,}", f"{found[V2]:,}", f"{found[V1] / found[V15]:.2f}"]


_HEAD = """\
## Eyeriss v2

MobileNet at half width and 128 x 128 pixels, dense, batch 1, 200 MHz: Chen, Yang, Emer and Sze, IEEE JETCAS 9(2), 2019,
section V. v1 is the first Eyeriss scaled to v2's PEs, memories and words (`eyeriss_v2_bus`), v1.5 puts the hierarchical
mesh in place of its buses, v2 adds a second lane and a deeper PE (`eyeriss_v2`). Published throughput has no limit on
off-chip bandwidth, ours is of processing time. The paper gives v1 by ratios alone: 1470.6 / 12.6. The nests shipped
(`eyeriss_v2_mobilenet`, `eyeriss_v2_bus_mobilenet`) are the best found in one space for both machines, wider than what
v1's row-stationary dataflow allows; with the best of that dataflow v1 is slower. `docs/eyeriss_v2.md` has the machine,
the space and what is not modelled.
"""

_LAYERS = """\
Processing cycles of each layer, and how much of v2's its MAC arrays work.
"""
