"""Whole layers on cores by list schedule, side by side where the network's graph lets them (rule C9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from accelsim.errors import AccelsimError, MappingError
from accelsim.outcome import reasons
from accelsim.package.bounds import Bound, spread
from accelsim.package.costs import Costs
from accelsim.package.events import carried_out
from accelsim.package.flow import ZERO, Edge
from accelsim.package.layerwise import Group, layer_group
from accelsim.package.listed import Placement, Tasks, exact_schedule, list_schedule
from accelsim.package.outcome import LayerRow, Packaged
from accelsim.package.running import Progress
from accelsim.package.split import Cut
from accelsim.package.tenants import Chain, hand_over, packaged
from accelsim.workload.network import Layer, Network

MOST_EXACT = 16
"""Layers that are placed by constraint programming."""


def graph_mode(costs: Costs, progress: Progress | None = None, exact: bool = False) -> Packaged:
    """Every layer whole on one core: list schedule, or with `exact` the best placement of up to 16 layers (C10).

    Words between layers go through memory, and are among the transfers of both.
    """
    package, layers = costs.package, costs.layers
    if exact and len(layers) > MOST_EXACT:
        raise AccelsimError(
            f"--exact places {MOST_EXACT} layers at most, here are {len(layers)}; choose some (--layers)"
        )
    times = layer_times(costs, progress)
    reads = multiplying_reads(costs.network, layers)
    sync = package.sync

    def moves(first: int, second: int, begin: int, end: int) -> Fraction:
        return sync if begin != end else ZERO

    tasks = Tasks(times, reads, moves)
    listed = list_schedule(tasks)
    notes: list[str] = []
    placement = listed
    if exact:
        placement, proved = exact_schedule(tasks)
        how = "the optimum of private times" if proved else "the best found in time"
        over = float(listed.makespan / placement.makespan - 1) if placement.makespan else 0.0
        notes.append(f"placement: {how}; the list schedule is {over:.1%} above it")
    chain, groups = _written(costs, layers, placement, reads)
    run = carried_out(chain.schedule(package))
    rows = [
        LayerRow(
            layer.name, layer.repeat, "whole", (placement.cores[index],), groups[index].cycles, groups[index].energy
        )
        for index, layer in enumerate(layers)
    ]
    ordered = [groups[index] for index in range(len(layers))]
    return packaged(
        package, "graph", costs.network.batch, rows, run, [(costs, ordered)], any_placement(costs, tasks),
        notes=tuple(notes),
    )  # fmt: skip


def layer_times(costs: Costs, progress: Progress | None = None) -> list[list[Fraction | None]]:
    """Private cycles of each layer, its repeats included, on each core; None where it cannot be mapped.

    Raises MappingError for layers that no core can run.
    """
    package, found = costs.package, []
    failures: list[tuple[str, str]] = []
    for index, layer in enumerate(costs.layers):
        if progress:
            progress(index, len(costs.layers), layer.name)
        row: list[Fraction | None] = []
        why = ""
        assert layer.problem is not None
        for core in package.cores:
            try:
                costed = costs.part(core, layer, layer.problem)
            except MappingError as error:
                why = why or str(error)
                row.append(None)
                continue
            row.append(costs.entry(core, costed, layer.name).private(package.capacities) * layer.repeat)
        if all(time is None for time in row):
            failures.append((layer.name, why))
        found.append(row)
    if failures:
        raise MappingError("\n".join(reasons(failures)))
    return found


def multiplying_reads(network: Network, layers: Sequence[Layer]) -> list[list[int]]:
    """Of each layer those it reads, by index, directly or through layers that do not multiply or were not chosen."""
    index = {layer.name: at for at, layer in enumerate(layers)}
    behind: dict[str, set[int]] = {}
    for layer in network.layers:
        found: set[int] = set()
        for name in layer.inputs:
            found |= {index[name]} if name in index else behind.get(name, set())
        behind[layer.name] = found
    return [sorted(behind[layer.name]) for layer in layers]


def _written(
    costs: Costs, layers: Sequence[Layer], placement: Placement, reads: Sequence[Sequence[int]]
) -> tuple[Chain, Mapping[int, Group]]:
    """The placement as lists of entries: tasks in order of their begins, so that each comes behind those it reads."""
    chain = Chain()
    last: dict[int, int] = {}
    groups: dict[int, Group] = {}
    order = sorted(range(len(layers)), key=lambda task: (placement.begins[task], placement.ends[task], task))
    for task in order:
        layer, core = layers[task], placement.cores[task]
        assert layer.problem is not None
        group = groups[task] = layer_group(costs, layer, Cut(layer.problem, {}), (core,))
        after: tuple[Edge, ...] = tuple(
            hand_over(costs.package, last[producer], placement.cores[producer] != core) for producer in reads[task]
        )
        for _ in range(layer.repeat):
            last[task] = chain.add(group, after)[-1]
            after = (Edge(last[task]),)
    return chain, groups


def any_placement(costs: Costs, tasks: Tasks) -> list[Bound]:
    """What no placement beats: the longest chain with each layer on its best core, and the work as a fraction (C10)."""
    best = [min(time for time in row if time is not None) for row in tasks.times]
    ends = [ZERO] * len(best)
    for task, time in enumerate(best):
        ends[task] = time + max((ends[producer] for producer in tasks.reads[task]), default=ZERO)
    groups = list(dict.fromkeys(core.group for core in costs.package.cores))
    first = [next(i for i, core in enumerate(costs.package.cores) if core.group == group) for group in groups]
    counts = [sum(core.group == group for core in costs.package.cores) for group in groups]
    # cores of a group differ in latency to memory alone: the least of them
    times = [
        [
            _least(row, costs, group) if row[core] is not None else None
            for core, group in zip(first, groups, strict=True)
        ]
        for row in tasks.times
    ]
    return [
        Bound("longest chain on best cores", max(ends, default=ZERO)),
        Bound("work spread over all cores", spread(times, counts)),
    ]


def _least(row: Sequence[Fraction | None], costs: Costs, group: str) -> Fraction:
    return min(
        time for time, core in zip(row, costs.package.cores, strict=True) if core.group == group and time is not None
    )
