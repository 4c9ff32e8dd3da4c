"""SCNN against its dense twin DCNN: speedup on three networks, and against density (Parashar et al., ISCA 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.engine.zeros.cartesian_walk import walk
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce import source
from accelsim.reproduce.markdown import table, triple
from accelsim.sparsity.draw import draw
from accelsim.sparsity.masks import shape_of
from accelsim.workload.density import Density
from accelsim.workload.problem import Problem, Tensor
from accelsim.workload.yaml import load_network

NETWORKS = {"alexnet": "AlexNet", "vgg16": "VGG-16", "googlenet": "GoogLeNet"}
UNIFORM = 0.40, 0.60
"""Densities of filters and inputs in every layer of GoogLeNet: the paper prints its own as a plot only."""
CROSSING = 0.80, 0.85
SWEEP = tuple(round(0.1 * tenth, 1) for tenth in range(1, 11))
DOT_PRODUCT = 16
Densities = tuple[float, float]


@cache
def reference() -> dict[tuple[str, str, float | None], float]:
    """Theirs by (what, network, density of both operands)."""
    rows = source.rows("scnn_isca17")
    return {
        (row["what"], row["network"], float(row["density"]) if row["density"] else None): float(row["value"])
        for row in rows
    }


@cache
def densities(network: str) -> Mapping[str, Densities]:
    """(filter, input) density of each CONV layer of a pruned network."""
    if network == "googlenet":
        return dict.fromkeys(problems(network), UNIFORM)
    found, before = {}, 1.0
    for row in source.rows("han2015_densities"):
        if row["network"] == network:
            found[row["layer"]] = float(row["filter"]), before
            before = float(row["output"])
    return found


@cache
def problems(network: str) -> Mapping[str, Problem]:
    """The CONV layers by name."""
    layers = load_network(network).mac_layers
    return {layer.name: layer.problem for layer in layers if layer.op == "conv" and layer.problem}


@cache
def machine() -> Architecture:
    """SCNN as published."""
    return load_architecture("scnn")


@cache
def sparse_cycles(problem: Problem, filters: float, inputs: float, seed: int = 0) -> int:
    """SCNN's cycles on one layer, DRAM hidden; exactly the share of words given is not zero, anywhere."""
    ifmap, weights = (
        draw(Density(density), shape_of(problem, tensor), tensor, seed, str(problem.sizes))
        for tensor, density in ((Tensor.IFMAP, inputs), (Tensor.FILTER, filters))
    )
    return walk(machine(), problem, ifmap, weights).cycles


def dense_cycles(problem: Problem) -> int:
    """DCNN's cycles: each PE an output at a time, 16 products in each cycle (section V)."""
    n, g, m, c, p, q, r, s = problem.sizes
    return n * g * m * -(-c * r * s // DOT_PRODUCT) * -(-p // 8) * -(-q // 8)


def dcnn_nest(problem: Problem) -> LoopNest:
    """The same as a mapping of arch/dcnn.yaml, for the evaluators of dense machines."""
    n, g, m, c, p, q, r, s = problem.sizes
    outer = f"N{n} G{g} M{m} P{-(-p // 8)} Q{-(-q // 8)}"
    return LoopNest.parse(f"DRAM: {outer} y P{min(p, 8)} x Q{min(q, 8)} | OPERANDS: C{c} R{r} S{s}")


def layer_speedups(network: str) -> dict[str, float]:
    """SCNN over DCNN, layer by layer, at the network's densities."""
    return {
        name: dense_cycles(problems(network)[name]) / sparse_cycles(problems(network)[name], *pair)
        for name, pair in densities(network).items()
    }


def speedup(network: str, density: float | None = None) -> float:
    """SCNN over DCNN on all CONV layers: at the network's densities, or at one density of filters and inputs."""
    pairs = densities(network) if density is None else dict.fromkeys(problems(network), (density, density))
    dense = sum(dense_cycles(problems(network)[name]) for name in pairs)
    return dense / sum(sparse_cycles(problems(network)[name], *pair) for name, pair in pairs.items())


def crossover() -> float:
    """Density of both operands at which SCNN is as fast as DCNN on GoogLeNet, on a line between two points."""
    (low, fast), (high, slow) = ((density, speedup("googlenet", density)) for density in CROSSING)
    return low + (high - low) * (fast - 1) / (fast - slow)


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """All published points as Markdown."""
    return "\n".join([_HEAD, _points(), _LAYERS, _layers()])


def _points() -> str:
    lines = []
    for (what, network, density), theirs in reference().items():
        if what == "crossover":
            name, ours = "GoogLeNet, density at which both are as fast", crossover()
        else:
            own = "filters .40, inputs .60" if network == "googlenet" else "pruned"
            at = own if density is None else f"both densities {density:g}"
            name, ours = f"{NETWORKS[network]}, {at}", speedup(network, density)
        lines.append([name, *triple(ours, theirs, ".2f")])
    return table(["SCNN over DCNN", "theirs", "ours", "error"], lines)


def _layers() -> str:
    lines = [
        [NETWORKS[network], name, *(f"{density:.2f}" for density in densities(network)[name]), f"{found:.2f}"]
        for network in ("alexnet", "vgg16")
        for name, found in layer_speedups(network).items()
    ]
    return table(["network", "layer", "filter density", "input density", "SCNN over DCNN"], lines)


# ---- the picture -----------------------------------------------------------------------------------------------------


def plot(path: str = "docs/figures/scnn_density.png") -> None:
    """Speedup against the density of both operands on GoogLeNet, ours and the published points."""
    from accelsim.report.plot_density import draw_speedup, save

    ours = {density: speedup("googlenet", density) for density in sorted({*SWEEP, *CROSSING})}
    theirs = {
        density: value
        for (what, network, density), value in reference().items()
        if what == "speedup" and network == "googlenet" and density is not None
    }
    theirs[reference()["crossover", "googlenet", None]] = 1.0
    save(draw_speedup(ours, theirs), path)


_HEAD = """\
## SCNN

Speedup of SCNN over DCNN in cycles, CONV layers, against Parashar et al., ISCA 2017. Ours: `scnn` under the rules of
docs/scnn.md, bank conflicts and all, DRAM hidden as in the paper; DCNN's cycles are those of `dcnn`,
G M ⌈CRS/16⌉ ⌈P/8⌉ ⌈Q/8⌉. AlexNet and VGG-16 have the densities of Han et al., NIPS 2015; where the non-zero words lie
was never published, and here they lie anywhere. The paper plots GoogLeNet's densities without printing them: ours are
.40 for filters and .60 for inputs in every layer. At a density of .1 a vector is seldom full with 8 output channels at
a time (Kc); the paper's point is nearer with 16, which would give ours 20.
"""

_LAYERS = """\
Layer by layer. Later layers have few words in each PE's tile, so that vectors are less often full.
"""
