"""Search spaces: networks counted as their sources count them, and another tool's order of them beside ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from accelsim.codesign.costs import cost_table
from accelsim.codesign.lookup import Choices, choices_of
from accelsim.codesign.spaces.space import Counted, Space, load_space
from accelsim.reproduce.markdown import paragraph, table
from accelsim.reproduce.source import rows

MACHINE = "eyeriss"
CIFAR = {"size": 32, "classes": 100, "head": 1504, "stem": 1, "s2": 1, "s3": 2, "s4": 2, "s6": 2}
"""FBNet's space on CIFAR-100, as HW-NAS-Bench has it."""
SETTINGS: dict[str, dict[str, Any]] = {"nasbench201": {}, "fbnet": CIFAR}
OPERATIONS = ("nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3", "skip_connect")


@dataclass(frozen=True)
class Network:
    """A network: what its source counts, and what we do. None: it does not say."""

    name: str
    macs: int
    theirs: Counted | None
    our_macs: int
    ours: Counted
    status: str


@cache
def networks() -> tuple[Network, ...]:
    """All that are published with what they count."""
    out = []
    for row in rows("nas_networks"):
        own = {name: int(value) for name, _, value in (one.partition("=") for one in row["set"].split())}
        space = load_space(row["space"], own)
        network = space.network(row["choice"])
        theirs = Counted(int(row["operations"]), int(row["parameters"])) if row["operations"] else None
        out.append(Network(row["network"], int(row["macs"]), theirs, network.macs, space.count(network), row["status"]))
    return tuple(out)


@dataclass(frozen=True)
class Order:
    """Networks of one space: another tool's latencies, ours, and MACs."""

    space: Space
    choices: tuple[str, ...]
    theirs: npt.NDArray[np.float64]
    ours: npt.NDArray[np.float64]
    macs: npt.NDArray[np.float64]


@cache
def priced(name: str) -> Choices:
    """The cycles of a space on the machine."""
    space = load_space(name, SETTINGS[name])
    return choices_of(cost_table(MACHINE, space, workers=1), space)


@cache
def order(name: str) -> Order:
    """What HW-NAS-Bench has of a space."""
    found = [row for row in rows("nas_hwnasbench") if row["space"] == name]
    costs, chosen = priced(name), tuple(row["choice"] for row in found)
    ours = costs.price([costs.indices(one) for one in chosen])
    macs = np.array([costs.space.network(one).macs for one in chosen], np.float64)
    return Order(costs.space, chosen, np.array([float(row["latency_ms"]) for row in found]), ours, macs)


def tau(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Kendall's tau-b: pairs in the same order less those in the other, over all that are no ties (Kendall 1945)."""
    first, second = (np.sign(np.subtract.outer(values, values)) for values in (one, other))
    return float((first * second).sum() / np.sqrt(np.abs(first).sum() * np.abs(second).sum()))


def their_terms() -> dict[str, float]:
    """Milliseconds that their model gives each operation of a cell, by least squares, which leave nothing."""
    found = order("nasbench201")
    counts = np.array([[1, *(re.findall(r"(\w+)~", one).count(op) for op in OPERATIONS)] for one in found.choices])
    terms, *_ = np.linalg.lstsq(counts.astype(np.float64), found.theirs, rcond=None)
    assert np.abs(counts @ terms - found.theirs).max() < 1e-9
    return dict(zip(("rest", *OPERATIONS), terms.tolist(), strict=True))


def pooled() -> npt.NDArray[np.float64]:
    """Our cycles where an average pool takes as long as a 3x3 convolution."""
    found, costs = order("nasbench201"), priced("nasbench201")
    pool, conv = (costs.space.operations.index(name) for name in ("avg_pool_3x3", "nor_conv_3x3"))
    picks = np.array([costs.indices(one) for one in found.choices])
    return costs.price(np.where(picks == pool, conv, picks))


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Everything about search spaces as Markdown."""
    lines = []
    for one in networks():
        counted = [f"{one.theirs.operations:,}", f"{one.ours.operations:,}"] if one.theirs else ["", ""]
        parameters = [f"{one.theirs.parameters:,}", f"{one.ours.parameters:,}"] if one.theirs else ["", ""]
        lines.append([one.name, f"{one.macs:,}", f"{one.our_macs:,}", *counted, *parameters, one.status])
    header = ["network", "MACs: theirs", "ours", "operations: theirs", "ours", "parameters: theirs", "ours", "source"]
    orders = []
    for name in SETTINGS:
        own = order(name)
        cells = [tau(own.ours, own.theirs), tau(own.macs, own.theirs), tau(own.macs, own.ours)]
        orders.append([name, str(len(own.choices)), *(f"{value:.2f}" for value in cells)])
    terms = their_terms()
    found = order("nasbench201")
    why = paragraph(
        f"Theirs is an analytical model, its configuration not published: only its order compares. In cells it is "
        f"a sum (least squares leave less than 1e-9 ms): {terms['rest']:.4f} ms, and for each edge "
        f"{terms['nor_conv_3x3']:.4f} ms with a 3x3 convolution, {terms['nor_conv_1x1']:.4f} with a 1x1 and "
        f"{terms['avg_pool_3x3']:.4f} with an average pool: a pool takes as long as a 3x3 convolution of all channels. "
        f"Here pools take vector operations, not MACs. Where ours is charged like theirs, tau is "
        f"{tau(pooled(), found.theirs):.2f}. FBNet's space has no pools."
    )
    return "\n".join(
        [
            _HEAD,
            table(header, lines),
            _MIDDLE,
            table(["space", "networks", "ours", "MACs", "MACs and ours"], orders),
            why,
        ]
    )


_HEAD = """\
## Search spaces

Networks of the spaces that ship (docs/nas.md), counted as their sources count. NAS-Bench-201 adds the classifier's bias
to the MACs; FBNet's release counts the mean pool's inputs, and leaves out the first layer of blocks of expansion 1.
"""

_MIDDLE = """\

Order of latencies on Eyeriss, HW-NAS-Bench's beside ours on `eyeriss`, as Kendall's tau; beside it the order that MACs
give, against theirs and against ours.
"""
