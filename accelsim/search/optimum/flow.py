"""A dataflow as constraints of the whole mapspace: every way to cut its loops, none left out."""

from __future__ import annotations

from collections.abc import Iterator

from accelsim.architecture.model import Architecture
from accelsim.mapping.dataflows.dataflow import Dataflow
from accelsim.search.factors import tight
from accelsim.search.optimum.chains import covering, factorizations
from accelsim.search.optimum.constraints import Bypass, Chain
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
    chains = {dim: tuple(_chains(space, dim, axes)) for dim in LOOP_DIMS}
    innermost = dict[int, tuple[str, ...]]()
    if dataflow.above:
        innermost[space.above] = dataflow.above
    if dataflow.run:
        before = innermost.get(space.array, ())
        innermost[space.array] = (*before, *(dim for dim in dataflow.run if dim not in before))
    return Flow(
        dataflow.name, chains, axes, _bypass(space), innermost, space.y, space.x,
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


def _chains(space: Space, dim: str, axes: list[Axes]) -> Iterator[Chain]:
    flow, size = space.dataflow, space.problem[dim]
    for across in sorted({y * x for y, x in (one.get(dim, (1, 1)) for one in axes)}):
        trips = -(-size // across)
        within: tuple[int, ...] = (1,)
        if dim in flow.pe:
            within = (trips,) if dim in flow.whole else tight(trips, MOST_IN_PE)
        for inside in within:
            for above in _above(space, dim, -(-trips // inside)):
                yield (*above, across, inside)


def _above(space: Space, dim: str, trips: int) -> Iterator[Chain]:
    """Loops of every level from the outermost to the one above the array, over so many trips."""
    flow, levels = space.dataflow, space.array + 1
    if dim in flow.run or dim in flow.above:
        at = space.above if dim in flow.above else space.array
        for run in tight(trips, trips) if at else (trips,):
            rest = -(-trips // run)
            yield tuple(run if i == at else rest if i == 0 else 1 for i in range(levels))
        return
    # a batch is cut into equal parts
    ways = factorizations(trips, len(space.free)) if dim == "N" else covering(trips, len(space.free))
    for factors in ways:
        own = dict(zip(space.free, factors, strict=True))
        yield tuple(own.get(i, 1) for i in range(levels))


def _bypass(space: Space) -> Bypass:
    """What the dataflow does not keep in the PE passes by it."""
    levels, kept = space.machine.levels, space.dataflow.keeps
    inside = range(max(1, space.machine.pe_level), len(levels))
    return {i: levels[i].keeps - kept for i in inside if levels[i].keeps - kept}
