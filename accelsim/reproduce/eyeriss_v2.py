"""Eyeriss v2 and the buses of Eyeriss v1 on MobileNet 0.5-128, against the published throughputs (JETCAS 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from accelsim.given import DENSE
from accelsim.outcome import LayerResult, mean_imbalance
from accelsim.reproduce import source
from accelsim.reproduce.markdown import table, triple
from accelsim.simulate import simulate
from accelsim.workload.density import Densities, Density
from accelsim.workload.network import Network
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
    result = simulate(
        variant.architecture,
        NETWORK,
        mapping=variant.mapping,
        objective="cycles",
        parameters={"macs": variant.macs, "pipeline": variant.pipeline},
        data=DENSE,
    )
    return {layer.name: layer for layer in result.layers}


def cycles(variant: Variant) -> int:
    """Processing cycles of one image: layers run one after another (section II)."""
    return sum(layer.timing.processing for layer in run(variant).values())


def throughput(variant: Variant) -> float:
    """Inferences per second at batch 1."""
    return CLOCK / cycles(variant)


# ---- the sparse network ----------------------------------------------------------------------------------------------

SPARSE_MAPPING = "eyeriss_v2_mobilenet_sparse"
PES = 192


@dataclass(frozen=True)
class Measured:
    """A layer whose masks are public: shares of words that are not zero, and cycles of one PE of one lane."""

    ifmap: float
    filter: float
    pe_cycles: int


@cache
def measured() -> Mapping[str, Measured]:
    """The four layers by name; the source numbers layers from conv1 on."""
    layers = load_network(NETWORK).mac_layers
    found = {}
    for row in source.rows("eyeriss_v2_sparse_mobilenet"):
        layer = layers[int(row["layer"].removeprefix("L")) - 1]
        problem = layer.problem
        assert problem
        assert [problem[d] for d in "CMPQ"] == [int(row[d]) for d in "CMEE"]
        found[layer.name] = Measured(float(row["ifmap"]), float(row["filter"]), int(row["pe_cycles"]))
    return found


@cache
def sparse_network() -> Network:
    """MobileNet with densities.

    Pointwise layers have their own where measured, else the mean of the measured ones, weighted by MACs. FC has
    that mean's filter; its ifmap, averages over a plane, is dense. conv1 and depthwise layers are dense.
    """
    network = load_network(NETWORK)
    macs = {layer.name: layer.problem.macs for layer in network.mac_layers if layer.problem}
    weight = sum(macs[name] for name in measured())
    ifmap = sum(macs[name] * layer.ifmap for name, layer in measured().items()) / weight
    filters = sum(macs[name] * layer.filter for name, layer in measured().items()) / weight

    def densities(name: str) -> Densities:
        if name in measured():
            return Densities(Density(measured()[name].ifmap), Density(measured()[name].filter))
        if name.startswith("pw"):
            return Densities(Density(ifmap), Density(filters))
        return Densities(filter=Density(filters)) if name == "FC" else Densities()

    return replace(network, layers=tuple(replace(layer, density=densities(layer.name)) for layer in network.layers))


@cache
def run_sparse(mapping: str = SPARSE_MAPPING, drift: int = 1, seed: int = 0) -> Mapping[str, LayerResult]:
    """Every layer of the sparse network on v2; zeros lie anywhere, drawn from `seed`.

    conv1 and the depthwise layers are those of the dense network: nothing is skipped in the latter (section V), and
    no density of the former is published.
    """
    result = simulate(
        "eyeriss_v2", sparse_network(), mapping=mapping, layers="pw*,FC", parameters={"drift": drift}, seed=seed
    )
    return dict(run(VARIANTS[V2])) | {layer.name: layer for layer in result.layers}


def sparse_throughput(mapping: str = SPARSE_MAPPING, drift: int = 1) -> float:
    """Inferences per second at batch 1, the sparse network."""
    return CLOCK / sum(layer.timing.processing for layer in run_sparse(mapping, drift).values())


def bound_cycles(layer: LayerResult) -> float:
    """A layer's effectual MACs over two lanes of all PEs; one lane where a group has one output channel."""
    return layer.counts.effectual / (PES * (2 if layer.problem["M"] > 1 else 1))


def bound() -> float:
    """Inferences per second that the MACs left alone would allow."""
    return CLOCK / sum(bound_cycles(layer) for layer in run_sparse().values())


def skipping() -> dict[str, LayerResult]:
    """The layers in which zeros are skipped."""
    return {name: layer for name, layer in run_sparse().items() if layer.counts.effectual < layer.counts.macs}


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Everything about Eyeriss v2, as Markdown."""
    return "\n".join([_HEAD, _comparison(), _LAYERS, _layers(), _SPARSE, _sparse(), _LOST, _lost(), _sparse_layers()])


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


def _sparse() -> str:
    theirs, dense = SPARSE_V2, throughput(VARIANTS[V2])
    ours = sparse_throughput()
    return table(
        ["what", "theirs", "ours", "error"],
        [
            ["v2, sparse, inferences/s", *triple(ours, theirs, ".1f")],
            ["v2, sparse over dense", *triple(ours / dense, theirs / PUBLISHED["v2"], ".2f")],
            ["v2, dense, inferences/s", *triple(dense, PUBLISHED["v2"], ".1f")],
            ["bound of the MACs left, inferences/s", "", f"{bound():.1f}", ""],
            ["sparse, PEs up to 2 steps apart", *triple(sparse_throughput(drift=2), theirs, ".1f")],
            ["sparse, nests of the dense network", *triple(sparse_throughput("eyeriss_v2_mobilenet"), theirs, ".1f")],
        ],
    )


def _lost() -> str:
    """From the bound to the cycles, loss by loss."""
    layers = run_sparse()
    sparse, dense = skipping(), {name: layer for name, layer in layers.items() if name not in skipping()}
    macs = sum(bound_cycles(layer) for layer in sparse.values())
    busy = sum(layer.counts.busy for layer in sparse.values()) / PES
    compute = sum(layer.counts.compute_cycles for layer in sparse.values())
    spent = sum(layer.timing.processing for layer in sparse.values())
    rest = sum(layer.timing.processing for layer in dense.values())
    lines = {
        "effectual MACs at two a cycle in 192 PEs": macs,
        "odd columns, placeholders": busy - macs,
        "PEs that wait for the slowest (imbalance)": compute - busy,
        "stalls": spent - compute,
        "conv1 and depthwise, dense": rest,
        "all": spent + rest,
    }
    return table(["cycles", "ours"], [[name, f"{cycles:,.0f}"] for name, cycles in lines.items()])


def _sparse_layers() -> str:
    dense, lines = run(VARIANTS[V2]), []
    densities = {layer.name: layer.density for layer in sparse_network().layers}
    for name, layer in skipping().items():
        own = densities[name]
        shares = [f"{part.fraction:.3f}" if part else "1" for part in (own.ifmap, own.filter)]
        lines.append([name, *shares, "yes" if name in measured() else "", *_losses([layer], [dense[name]])])
    lines.append(["all", "", "", "", *_losses([*skipping().values()], [dense[name] for name in skipping()])])
    header = ["layer", "ifmap", "filter", "measured", "bound", "cycles", "dense cycles", "imbalance", "stalls"]
    return table(header, lines)


def _losses(layers: Sequence[LayerResult], dense: Sequence[LayerResult]) -> list[str]:
    """Bound, cycles, dense cycles, imbalance and share of stalls of some layers together."""
    spent, before = (sum(layer.timing.processing for layer in run) for run in (layers, dense))
    computed = sum(layer.counts.compute_cycles for layer in layers)
    cycles = [f"{number:,.0f}" for number in (sum(map(bound_cycles, layers)), spent, before)]
    imbalance = mean_imbalance((layer.counts, layer.repeat) for layer in layers)
    return [*cycles, f"{imbalance or 0:.2f}", f"{1 - computed / spent:.0%}"]


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

_SPARSE = """\
The pruned network. Densities are public for four of its pointwise layers alone (the masks in the artifact of Wu et al.,
"Sparseloop", MICRO 2022; `accelsim/reference/eyeriss_v2_sparse_mobilenet.csv`): the others have their mean, FC that of
the filters, and zeros lie anywhere. So what can be asked of ours is to lie between the dense network and the bound that
the MACs left set; where the chip loses the rest is not published.
"""

_LOST = """\
Where ours loses it. PEs in lock step wait for the one whose ifmap words and columns have fewest zeros.
"""
