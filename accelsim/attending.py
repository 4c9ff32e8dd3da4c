"""An attention of a network that runs as a fused group, as a result has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from accelsim.engine.counts import Timing
from accelsim.engine.fused.attention import Blocks
from accelsim.engine.fused.attention_layers import Heads, attention_of
from accelsim.engine.fused.attention_passes import LAYERS
from accelsim.engine.fused.timeline import Ran
from accelsim.errors import MappingError
from accelsim.grouped import GroupResult, PassRun, Share, refuse_number, started
from accelsim.mapping.plan.plan import COLUMNS, RESIDENT, ROWS
from accelsim.search.plan.attended import Attended, refuse, walk_of
from accelsim.search.plan.passed import FILTER, inside
from accelsim.workload.problem import Tensor

if TYPE_CHECKING:
    from accelsim.mapping.mapping import LoopNest
    from accelsim.mapping.plan.living import Between
    from accelsim.mapping.plan.plan import Group
    from accelsim.search.plan.costs import Wanted


def run_attention(
    group: Group, between: Between, wanted: Wanted, evaluator: str, nests: Sequence[LoopNest] | None = None
) -> GroupResult:
    """Run a group of scores, softmax and values.

    group : `rows` and `columns` of a block, `outside` ('': rows of scores are whole); filters that are resident are
    those of both products. nests : of its products, in the order of its passes.
    Raises MappingError for a group that is no attention, or does not fit: with the blocks that would.
    """
    heads, found = _attended(group, between, wanted, evaluator, nests)
    return _result(group, heads, found)


def check_attention(group: Group, between: Between, wanted: Wanted) -> None:
    """Raise MappingError as `run_attention` would, and run nothing."""
    _attended(group, between, wanted, "analytical", None)


def seen_attention(group: Group, between: Between, wanted: Wanted, nests: Sequence[LoopNest] | None = None) -> Ran:
    """The same as it runs in time, for a timeline."""
    heads, found = _attended(group, between, wanted, "cycle", nests)
    insides = tuple(inside(wanted, found.machine, one) for one in found.done)
    operands = (Tensor.IFMAP, Tensor.FILTER, Tensor.FILTER, Tensor.PSUM)
    levels = found.machine.levels[0].name, wanted.home
    return Ran(
        found.clock, heads.layers, operands, levels, found.ways.ports, np.tile(found.walk.which, heads.heads), insides,
        found.walk.tiles(heads.heads), ("head", "row", "column"), found.machine.launch,
    )  # fmt: skip


def crossing_attention(group: Group, between: Between, wanted: Wanted, nests: Sequence[LoopNest]) -> dict[str, int]:
    """Words of each tensor that the outermost level reads and writes."""
    heads, found = _attended(group, between, wanted, "analytical", nests)
    moved, words = found.moved, Counter[str]()
    # where home keeps no filters, keys and values pass it by: products fetch them themselves
    for one, done in zip(found.walk.passes, found.done, strict=True):
        if done:
            of = heads.keys if one.op == LAYERS[0] else heads.values
            words[of] += int(done.counts.words[0, FILTER].sum()) * one.runs * heads.heads
    for name, number in (
        (heads.queries, moved.queries),
        (heads.keys, moved.keys),
        (heads.values, moved.values),
        (heads.layers[-1], moved.updates + moved.partials),
    ):
        words[name] += number
    return dict(words)


def _attended(
    group: Group, between: Between, wanted: Wanted, evaluator: str, nests: Sequence[LoopNest] | None
) -> tuple[Heads, Attended]:
    heads = attention_of(between.network, group.layers)
    blocks = blocks_of(group, heads)
    walk = walk_of(heads.attention, blocks, wanted, _at_home(heads, between))
    machine = between.sized(between.network.layers[between.index[heads.layers[-1]]])
    level = machine.levels[machine.level_index(wanted.home)]
    found = Attended(walk, heads.heads, machine, wanted, evaluator, level.slots(Tensor.IFMAP) > 1, nests)
    refuse_number(group, nests, sum(one.problem is not None for one in walk.passes))
    run = [between.index[name] for name in heads.layers]
    capacity = wanted.capacity
    free = None if capacity is None else capacity - between.taken_from(run[0], run[-1])
    refuse(found, free, f"group {group.name}")
    return heads, found


def blocks_of(group: Group, heads: Heads) -> Blocks:
    """The blocks of a group; without columns those of all keys. Raises MappingError for filters of other layers."""
    products = {*heads.products}
    for name in group.filters:
        if name not in products:
            raise MappingError(f"group {group.name}: '{name}' has no filter ({', '.join(sorted(products))})")
    for name in group.slices:
        raise MappingError(f"group {group.name}: '{name}' comes in blocks of the tile, not in slices")
    stays = {name for name, way in group.filters.items() if way == RESIDENT}
    if stays and stays != products:
        raise MappingError(f"group {group.name}: keys and values stay both, or none: filters of {sorted(products)}")
    outside = COLUMNS if group.outside == COLUMNS else ROWS
    columns = group.columns or heads.attention.keys
    return Blocks(group.rows, columns, outside, not group.outside, bool(stays))


def _at_home(heads: Heads, between: Between) -> frozenset[str]:
    """What of it lives on the chip."""
    inside = [between.index[name] for name in heads.layers]
    named = {"queries": heads.queries, "keys": heads.keys, "values": heads.values}
    found = {
        what
        for what, name in named.items()
        if all(between.lives(part, inside[0], inside[-1]) for part in between.parts[name])
    }
    return frozenset(found | ({"outputs"} if heads.layers[-1] in between.plan.resident else set()))


def _result(group: Group, heads: Heads, found: Attended) -> GroupResult:
    clock, launch = found.clock, found.machine.launch
    every, by_layer = tuple(zip(found.walk.passes, found.done, strict=True)), started(clock.by_layer, launch)
    names = dict(zip(LAYERS, heads.named, strict=True))
    stalls: Counter[str] = Counter(clock.stalls) + Counter(fixed=launch)
    for one, done in every:
        if done:
            for cause, cycles in done.timing.stalls.items():
                stalls[cause] += cycles * one.runs * found.heads
        else:
            stalls["vector"] += found.cycles_of(one, None) * one.runs * found.heads
    exact = found.evaluator == "cycle"
    told = {cause: cycles for cause, cycles in sorted(stalls.items()) if cycles} if exact else {}
    shares = []
    for kind, op in zip(LAYERS, ("matmul", "softmax", "matmul"), strict=True):
        own = [one for one, _ in every if one.op == kind]
        macs = sum(one.problem.macs * one.runs for one in own if one.problem) * found.heads
        shares.append(Share(names[kind], op, macs, 0, found.heads * sum(o.runs for o in own), *by_layer[kind]))
    # what scales or masks scores is done with their softmax
    for name in heads.layers:
        if name not in heads.named:
            shares.insert(heads.layers.index(name), Share(name, "elementwise", 0, 0, 0, 0, {}))
    runs = tuple(
        PassRun(names[one.op], one.problem, one.runs * found.heads, done.nest)
        for one, done in every
        if done and one.problem
    )
    timing = Timing(found.cycles, launch + clock.processing, found.counts.compute_cycles, told, {}, exact)
    return GroupResult(
        group,
        tuple(shares),
        runs,
        found.counts,
        timing,
        found.rows,
        found.room,
        found.wanted.home,
        found.machine.widths,
        found.vector_ops,
    )
