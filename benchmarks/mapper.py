"""Optimum against optimum: AccelForge's mapper and the search of all mappings, on small products of matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from environments import Peer
from rich.table import Table

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import architecture_of
from accelsim.energy.yaml import build
from accelsim.reproduce.accelforge_timeloop import PRICES
from accelsim.search.optimum.constraints import Constraints
from accelsim.search.optimum.optimum import Optimum, optimum
from accelsim.search.optimum.scope import ALL, Scope
from accelsim.workload.problem import Problem
from accelsim.yamlfile import Document

TENSORS = {"I": "M K", "W": "K N", "O": "M N"}
SIZES = (
    ({"M": 8, "K": 8, "N": 8}, {"DRAM": None, "GLB": 96, "RF": 12}),
    ({"M": 12, "K": 8, "N": 6}, {"DRAM": None, "GLB": 192, "RF": 16}),
)
"""Products, and words of each memory; with more than this AccelForge takes long."""
PES = (4, 4)


def accelforge(peer: Peer, venvs: Path) -> Table:
    """Energy of both optima, every tensor kept in every memory or in any; seconds of both."""
    cases = [
        {"sizes": sizes, "words": words, "pes": PES, "kept": kept, "tensors": TENSORS}
        for sizes, words in SIZES
        for kept in (True, False)
    ]
    theirs = peer.run(venvs, {"searches": cases, "prices": PRICES})
    table = Table(
        "product", "placement", "AccelForge", "seconds", "accelsim", "seconds", "ours over theirs",
        title=f"energy of the optimum beside AccelForge {theirs['version']}",
    )  # fmt: skip
    for case, answer in zip(cases, theirs["searches"], strict=True):
        own = searched(case)
        table.add_row(
            " x ".join(map(str, case["sizes"].values())), "all kept" if case["kept"] else "free",
            f"{answer['energy']:,.0f}", f"{answer['seconds']:.1f}", f"{own.energy:,.0f}", f"{own.seconds:.2f}",
            f"{own.energy / answer['energy']:.4f}",
        )  # fmt: skip
    return table


def searched(case: dict[str, Any]) -> Optimum:
    """The certified optimum of a case, kernels compiled."""
    sizes, own = case["sizes"], machine(case["words"])
    prices = {
        "name": "prices", "source": "as AccelForge's cases", "unit": "MAC", "word": "8 b", "mac": 1,
        "network": {"hop": 0}, "components": {name: {"read": p, "write": p} for name, p in PRICES.items()},
    }  # fmt: skip
    table = build(Document("prices", prices))
    problem = Problem((1, 1, sizes["N"], sizes["K"], sizes["M"], 1, 1, 1))
    scope = Scope(constraints=Constraints(placements=[{}])) if case["kept"] else ALL
    optimum(own, problem, table=table, scope=scope)
    found = optimum(own, problem, table=table, scope=scope)
    assert found.certified
    return found


def machine(words: dict[str, int | None]) -> Architecture:
    """Three memories; sums are added on their way out of the array, as there."""
    psum = {"kind": "tree", "reduce": ["C", "R", "S"]}
    array = {"size": dict(zip("yx", PES, strict=True)), "networks": {"psum": psum}}
    levels: list[dict[str, Any]] = [
        {"name": name, **({"capacity": f"{most} words"} if most else {})} for name, most in words.items()
    ]
    levels[1]["array"] = array
    document = {
        "name": "matched", "source": "as AccelForge's cases", "clock": "1 GHz", "energy": "eyeriss_relative",
        "word": dict.fromkeys(("ifmap", "filter", "psum"), "8 b"), "levels": levels, "pe": {"macs": 1},
    }  # fmt: skip
    return architecture_of(Document("matched", document))
