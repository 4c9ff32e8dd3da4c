"""Groups of layers on groups of cores; items of a batch flow through them (rule C9)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from accelsim.errors import AccelsimError
from accelsim.package.bounds import Bound
from accelsim.package.costs import Costs
from accelsim.package.events import carried_out
from accelsim.package.flow import ZERO, Edge
from accelsim.package.layerwise import Group, layer_group
from accelsim.package.model import Package
from accelsim.package.outcome import LayerRow, Packaged
from accelsim.package.running import Progress, groups_of
from accelsim.package.tenants import Chain, hand_over, packaged


def pipeline_mode(costs: Costs, items: int, progress: Progress | None = None) -> Packaged:
    """Stages of layers in a row, each on cores of its own; the layers of an item run one after another in its stage.

    costs : of one item. items : how many flow through. Cores are shared out evenly, the first groups one larger; layers
    so that the slowest stage is as fast as it can be.
    """
    package, layers = costs.package, costs.layers
    stages = package.stages or min(len(package.cores), len(layers))
    if stages > min(len(package.cores), len(layers)):
        raise AccelsimError(
            f"package '{package.name}': stages: {stages} are more than its {len(package.cores)} cores "
            f"or the {len(layers)} layers"
        )
    shares = shared_out(len(package.cores), stages)
    alike: dict[tuple[str, ...], list[Group]] = {}
    for cores in shares:
        kinds = tuple(package.cores[core].group for core in cores)
        if kinds not in alike:
            alike[kinds] = groups_of(costs, cores, progress)
    times = [
        [group.cycles * group.layer.repeat for group in alike[tuple(package.cores[core].group for core in cores)]]
        for cores in shares
    ]
    ends = partition(times)
    placed: list[tuple[int, Group]] = []
    begin = 0
    for stage, end in enumerate(ends):
        kinds = tuple(package.cores[core].group for core in shares[stage])
        for index in range(begin, end):
            group = alike[kinds][index]
            placed.append((stage, layer_group(costs, group.layer, group.cut, shares[stage])))
        begin = end
    chain = _items(package, placed, items)
    run = carried_out(chain.schedule(package))
    rows = [
        LayerRow(
            group.layer.name, group.layer.repeat, f"stage {stage + 1}, {group.cut.text}",
            tuple(sorted({one.core for one in group.placed})), group.cycles, group.energy,
        )
        for stage, group in placed
    ]  # fmt: skip
    groups = [group for _, group in placed]
    return packaged(package, "pipeline", items, rows, run, [(costs, groups)], _bounds(placed, items), times=items)


def _items(package: Package, placed: Sequence[tuple[int, Group]], items: int) -> Chain:
    """Every item through every layer, in order; an item enters a stage when it has left the one before."""
    chain = Chain()
    for _ in range(items):
        after: tuple[Edge, ...] = ()
        used: set[int] = set()
        for _, group in placed:
            cores = {one.core for one in group.placed}
            for _ in range(group.layer.repeat):
                moves = bool(used) and (used != cores or len(cores) > 1)
                own = tuple(hand_over(package, edge.producer, moves) for edge in after)
                after = tuple(Edge(entry) for entry in chain.add(group, own))
                used = cores
    return chain


def _bounds(placed: Sequence[tuple[int, Group]], items: int) -> list[Bound]:
    """All stages once and the slowest for each further item: of stages by themselves."""
    stages: dict[int, Fraction] = {}
    for stage, group in placed:
        stages[stage] = stages.get(stage, ZERO) + group.cycles * group.layer.repeat
    if any(len({one.core for one in group.placed}) > 1 for _, group in placed):
        # several cores of a stage share what it is bound by: not a bound by itself
        return []
    return [Bound("stages", sum(stages.values(), ZERO) + (items - 1) * max(stages.values(), default=ZERO))]


def shared_out(cores: int, stages: int) -> list[tuple[int, ...]]:
    """Cores in a row for each stage, as evenly as it goes, the first ones one more."""
    each, more = divmod(cores, stages)
    found, begin = [], 0
    for stage in range(stages):
        end = begin + each + (stage < more)
        found.append(tuple(range(begin, end)))
        begin = end
    return found


def partition(times: Sequence[Sequence[Fraction]]) -> list[int]:
    """Where each stage ends, so that the slowest is as fast as it can be; each has a layer at least.

    times : of each layer on each stage, cycles. Of equal ways the one whose later stages begin first.
    """
    stages, layers = len(times), len(times[0])
    before: list[list[tuple[Fraction, int]]] = []
    for stage in range(stages):
        sums = [ZERO]
        for time in times[stage]:
            sums.append(sums[-1] + time)
        row: list[tuple[Fraction, int]] = []
        for end in range(layers + 1):
            best: tuple[Fraction, int] | None = None
            starts = range(stage, end) if stage else range(1 if end else 0)
            for start in starts:
                earlier = before[stage - 1][start][0] if stage else ZERO
                if stage and before[stage - 1][start][1] < 0:
                    continue
                value = max(earlier, sums[end] - sums[start])
                if best is None or value < best[0]:
                    best = (value, start)
            row.append(best or (ZERO, -1))
        before.append(row)
    ends, end = [], layers
    for stage in reversed(range(stages)):
        ends.append(end)
        end = before[stage][end][1]
    return ends[::-1]
