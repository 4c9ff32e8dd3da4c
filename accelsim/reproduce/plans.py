"""Plans of whole networks that move fewest words of DRAM, beside those that a prototype of the same rules found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.energy.curve import Curve
from accelsim.energy.table import RELATIVE, Component, EnergyTable
from accelsim.mapping.dataflows.dataflow import BEST
from accelsim.reproduce.markdown import error, table
from accelsim.reproduce.source import rows
from accelsim.search.plan.best import VALUES
from accelsim.search.plan.costs import Wanted
from accelsim.search.plan.states import Step, Walk
from accelsim.search.proof import NONE
from accelsim.workload.network import Network
from accelsim.workload.yaml import load_network

BITS = 16
CALLED = {"none": "layer by layer", "resident": "resident", "fused": "fused", "best": "both"}
FREE = Fraction(1, 10**12)
"""A MAC's price, in words of DRAM: of plans that move as many words, one that makes none of them again."""


@dataclass(frozen=True)
class Found:
    """Words of DRAM of the best plan of one way."""

    network: str
    kib: int
    way: str
    theirs: int
    ours: int


def machine(kib: int) -> Architecture:
    """One buffer, single, behind which nothing is kept."""
    networks = {tensor: {"kind": "unicast"} for tensor in ("ifmap", "filter", "psum")}
    buffer = {"name": "GLB", "capacity": f"{kib} KiB", "array": {"size": {"x": 1}, "networks": networks}}
    levels: list[dict[str, Any]] = [{"name": "DRAM"}, buffer, {"name": "RF", "keeps": "none"}]
    return Architecture.of("one_buffer", levels, clock="1 GHz", word=f"{BITS} b")


def prices() -> EnergyTable:
    """A word of DRAM costs 1, everything on the chip nothing."""
    word, nothing = (Component(Curve.flat(price), Curve.flat(price), BITS) for price in (1, 0))
    parts = {"DRAM": word, "GLB": nothing, "RF": nothing}
    why = "words of DRAM are counted, nothing else"
    return EnergyTable("words", RELATIVE, why, Curve.flat(FREE), Curve.flat(0), parts, Fraction(0), BITS)


@cache
def found() -> tuple[Found, ...]:
    """Every number of the prototype beside ours."""
    return tuple(_found())


def _found() -> Iterator[Found]:
    theirs = {(row["network"], int(row["kib"]), row["way"]): int(row["words"]) for row in rows("fused_plans")}
    for name in dict.fromkeys(network for network, _, _ in theirs):
        network, before = load_network(name), None
        # the largest buffer first: groups run in smaller ones as they do there, or not at all
        for kib in sorted({size for other, size, _ in theirs if other == name}, reverse=True):
            lone = None
            for way in CALLED:
                walk = walk_of(network, kib, way)
                if before is not None:
                    walk.shapes, walk.passes = before.shapes, before.passes
                walk.lone = walk.lone if lone is None else lone
                lone, before = walk.lone, walk
                path = least(walk)
                ours = round(sum(step.cost.words for step in path))
                yield Found(name, kib, way, theirs[name, kib, way], ours)


def walk_of(network: Network, kib: int, way: str) -> Walk:
    """The search of one way on one buffer."""
    chip = machine(kib)
    wanted = Wanted(chip, prices(), "GLB", BEST, BEST, "energy", NONE)
    return Walk(
        wanted, network, lambda _: chip, VALUES["energy"], way in ("resident", "best"), way in ("fused", "best")
    )


def least(walk: Walk) -> list[Step]:
    """The steps of the plan of fewest words. Passes of groups are not looked at: they move no word of DRAM."""
    while True:
        path = walk.cheapest()
        unknown = [step for step in path if step.way < 0 and not step.known]
        if not unknown:
            return path
        for step in unknown:
            walk.look(step)


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Everything about plans as Markdown."""
    header = ["network", "KiB", "way", "prototype", "ours", "error"]
    cells = [
        [one.network, str(one.kib), CALLED[one.way], f"{one.theirs:,}", f"{one.ours:,}", error(one.ours, one.theirs)]
        for one in found()
    ]
    return "\n".join([_HEAD, table(header, cells)])


_HEAD = """\
## Plans of whole networks

Fewest words of DRAM, batch 1, words of 16 b, single buffers: what our search finds (docs/between.md) beside a prototype
of the same rules. Layer by layer and resident it is the certified optimum of all mappings. Fused, groups are of up to
ten layers, filters that are streamed come whole or in slices of 1/2, 1/4, ... of their output channels, and layers hand
their tiles to additions and pools (epilogues). Where ours is above, by at most 0.3 %, fewer tiles are looked at.
"""
