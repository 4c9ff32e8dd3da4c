"""A dataflow as constraints of the whole mapspace: every way to cut its loops, none left out."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from accelsim.architecture.model import Architecture
from accelsim.engine.program import Ints
from accelsim.mapping.dataflows.dataflow import Dataflow
from accelsim.search.factors import tight
from accelsim.search.optimum.chains import covering, factorizations
from accelsim.search.optimum.scope import Axes, Flow
from accelsim.search.space import Space
from accelsim.search.unrolling import MOST_IN_PE, Unrollings
from accelsim.workload.problem import LOOP_DIMS, Problem


def flow_of(machine: Architecture, problem: Problem, dataflow: Dataflow) -> Flow:
    """The constraints that a dataflow is for a layer on a machine that can run it (`why_no_flow` is empty).

    What it runs above the array may be cut wherever the level outside has a loop for the rest; in the PE it may have as
    little as it likes, but for what is whole.
    """
    space = Space(machine, problem, dataflow)
    space = Space(machine, problem, dataflow, tiled=space.array > 0)
    axes = _axes(space)
    chains = {dim: _chains(space, dim, axes) for dim in LOOP_DIMS}
    innermost = dict[int, tuple[str, ...]]()
    if dataflow.above:
        innermost[space.above] = dataflow.above
    if dataflow.run:
        before = innermost.get(space.array, ())
        innermost[space.array] = (*before, *(dim for dim in dataflow.run if dim not in before))
    return Flow(
        dataflow, chains, axes, space.passing, innermost, space.y, space.x,
        tuple(dim for dim in dataflow.pe if dim in LOOP_DIMS),
    )  # fmt: skip


def why_no_flow(machine: Architecture, problem: Problem, dataflow: Dataflow) -> str:
    """Why a dataflow is no constraint of the mapspace of a machine that can be searched whole; empty: it is one."""
    space = Space(machine, problem, dataflow)
    if dataflow.fill:
        return f"'{dataflow.name}' fills the accumulators with as many outputs as they hold"
    if space.outer or space.axes != (space.array, space.array):
        return f"'{dataflow.name}' unrolls arrays further out"
    fan = machine.levels[space.array].fanout
    if dataflow.strip and fan.x < 2:
        return f"'{dataflow.name}' cuts {dataflow.strip} into strips, and the array has one column"
    return ""


def _axes(space: Space) -> list[Axes]:
    """Every joint way to unroll the array; of those with the same products the first."""
    found: dict[tuple[int, ...], Axes] = {}
    for inner in Unrollings(space, narrower=True).arrays():
        key = tuple(inner[dim].y * inner[dim].x for dim in LOOP_DIMS)
        found.setdefault(key, {dim: (own.y, own.x) for dim, own in inner.items() if own.pes > 1})
    return list(found.values())


def _chains(space: Space, dim: str, axes: list[Axes]) -> Ints:
    """int64[chain, part], every chain of a dim."""
    flow, size = space.dataflow, space.problem[dim]
    above = cache(partial(_above, space, dim))
    parts, inner = [], []
    for across in sorted({y * x for y, x in (one.get(dim, (1, 1)) for one in axes)}):
        trips = -(-size // across)
        within: tuple[int, ...] = (1,)
        if dim in flow.pe:
            within = (trips,) if dim in flow.whole else tight(trips, MOST_IN_PE)
        for inside in within:
            parts.append(above(-(-trips // inside)))
            inner.append((across, inside))
    return np.hstack(
        [np.concatenate(parts), np.repeat(np.array(inner, np.int64), [len(part) for part in parts], axis=0)]
    )


def _above(space: Space, dim: str, trips: int) -> Ints:
    """int64[way, level], loops of every level from the outermost to the one above the array, over so many trips."""
    flow, levels = space.dataflow, space.array + 1
    if dim in flow.run or dim in flow.above:
        at = space.above if dim in flow.above else space.array
        runs = tight(trips, trips) if at else (trips,)
        out = np.ones((len(runs), levels), np.int64)
        out[:, 0] = [-(-trips // run) for run in runs]
        out[:, at] = runs
        return out
    # a batch is cut into equal parts
    ways = factorizations(trips, len(space.free)) if dim == "N" else covering(trips, len(space.free))
    out = np.ones((len(ways), levels), np.int64)
    out[:, space.free] = ways
    return out
