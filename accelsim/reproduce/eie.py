"""EIE on the pruned FC layers of AlexNet, against the published times (Han et al., ISCA 2016, Table IV)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from accelsim.architecture.yaml import load_architecture
from accelsim.mapping.mapping import LoopNest
from accelsim.outcome import LayerResult
from accelsim.reproduce import source
from accelsim.reproduce.markdown import table, triple
from accelsim.simulate import simulate
from accelsim.sparsity.masks import Masks
from accelsim.sparsity.operands import Operands
from accelsim.workload.problem import Problem, Tensor
from accelsim.workload.yaml import load_network

MACHINE, NETWORK, LAYERS = "eie", "alexnet", "FC*"
QUEUE = 8
DEPTHS = (1, 2, 4, 8, 16, 64)


@dataclass(frozen=True)
class Times:
    """Microseconds of one layer. theoretical : the work spread evenly over the PEs; actual : with what they wait."""

    theoretical: float
    actual: float

    @property
    def idle(self) -> float:
        """Share of the PEs' cycles without work."""
        return 1 - self.theoretical / self.actual


@cache
def reference() -> Mapping[str, Times]:
    """Theirs by layer."""
    return {
        row["layer"]: Times(float(row["theoretical_us"]), float(row["actual_us"])) for row in source.rows("eie_isca16")
    }


@cache
def as_run(queue: int = QUEUE) -> Mapping[str, LayerResult]:
    """The layers as `accelsim run eie alexnet` has them, by name."""
    result = simulate(MACHINE, NETWORK, layers=LAYERS, parameters={"drift": queue})
    return {layer.name: layer for layer in result.layers}


@cache
def masks(layer: str) -> Masks:
    """Which operands of a layer are zero, as in `as_run`."""
    network = load_network(NETWORK)
    own = next(own for own in network.layers if own.name == layer)
    return Operands(network).masks(own, (Tensor.IFMAP, Tensor.FILTER))


def times(layer: str, queue: int = QUEUE) -> Times:
    """Ours, and the same work spread evenly over the PEs."""
    found = as_run(queue)[layer]
    pes = load_architecture(MACHINE).pes
    return Times(found.counts.busy / pes / _cycles_per_us(), found.timing.processing / _cycles_per_us())


def total() -> float:
    """Microseconds of the three layers."""
    return sum(times(name).actual for name in reference())


def _cycles_per_us() -> float:
    return load_architecture(MACHINE).clock_hz / 1e6


def nest(problem: Problem, pes: int = 64) -> LoopNest:
    """What `column_broadcast` finds: rows over the PEs, columns one after another."""
    rows = -(-problem["M"] // pes)
    return LoopNest.parse(f"ACT: C{problem['C']} x M{-(-problem['M'] // rows)} | ACC: M{rows}")


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Everything about EIE, as Markdown."""
    return "\n".join([_HEAD, _comparison(), _DEPTHS, _depths()])


def _comparison() -> str:
    lines = []
    for name, theirs in reference().items():
        ours = times(name)
        lines += [
            [f"{name}, actual", *triple(ours.actual, theirs.actual, ".1f")],
            [f"{name}, theoretical", *triple(ours.theoretical, theirs.theoretical, ".1f")],
        ]
    lines.append(["all, actual", *triple(total(), sum(theirs.actual for theirs in reference().values()), ".1f")])
    return table(["us", "theirs", "ours", "error"], lines)


def _depths() -> str:
    return table(
        ["idle cycles of PEs", *(f"queue of {depth}" for depth in DEPTHS)],
        [[name, *(f"{times(name, depth).idle:.0%}" for depth in DEPTHS)] for name in reference()],
    )


_HEAD = """\
## EIE

The pruned FC layers of AlexNet, one image, 64 PEs at 800 MHz: Han et al., ISCA 2016, Table IV. Ours has the densities
of Han et al., NIPS 2015, Table 4, that ship with the workload, printed there in whole percents, and zeros anywhere.
Theoretical time is the same work spread evenly over the PEs, padding zeros of the 4-bit counts included.
"""

_DEPTHS = """\
What the activation queue is for. The paper finds about half of all cycles idle with a queue of one, little to gain
beyond eight, and takes eight.
"""
