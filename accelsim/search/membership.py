"""Whether a mapping is in a dataflow's space: the same factors in the same places, in an order the search would try."""

from __future__ import annotations

from collections import Counter

from accelsim.mapping.mapping import LoopNest
from accelsim.search.space import GROUPS, Inner, Space, Split
from accelsim.workload.problem import DIMS

KINDS = ("temporal", "y", "x")
Slots = dict[tuple[int, int], int]


def why_not(space: Space, nest: LoopNest) -> str:
    """Why a mapping that fits the machine is not in the space; empty: it is."""
    slots: dict[str, Slots] = {dim: {} for dim in DIMS}
    for level, spec in enumerate(space.machine.levels):
        loops = [(kind, loop.dim, loop.factor) for kind, loop in nest.level(spec.name).loops if loop.factor > 1]
        for (kind, dim), times in Counter((kind, dim) for kind, dim, _ in loops).items():
            if times > 1:
                return f"{spec.name}: {dim} has {times} {kind} loops"
        for kind, dim, factor in loops:
            slots[dim][level, KINDS.index(kind)] = factor
        if reason := _wrong_order(space, level, [dim for kind, dim, _ in loops if kind == "temporal"]):
            return f"{spec.name}: {reason}"
    inners = {}
    for dim in DIMS:
        places = {(level, kind) for level, _, kind in space.slots(dim)}
        if strange := [at for at in slots[dim] if at not in places]:
            return f"{dim} has a loop at {space.machine.levels[strange[0][0]].name}, {KINDS[strange[0][1]]}"
        inners[dim] = _inner(space, dim, slots[dim])
    alone = {dim: Inner(i.y, i.x, 1, i.run if _fills(space, dim) else 0, i.outer) for dim, i in inners.items()}
    if alone not in list(space.spatials()):
        return "no such unrolling of the arrays"
    for dim, inner in inners.items():
        if inner not in space.inside(dim, alone[dim]):
            return f"{dim}: no such factor inside the PE, or run above the array"
        split = Split(inner, tuple(slots[dim].get((level, 0), 1) for level in range(space.array + 1)))
        if split not in space.splits(dim, inner):
            return f"{dim}: no such split over the levels above the array"
    return ""


def _fills(space: Space, dim: str) -> bool:
    return dim in space.dataflow.fill and space.filled


def _inner(space: Space, dim: str, slots: Slots) -> Inner:
    flow = space.dataflow
    fixed = dim in flow.above + flow.run or _fills(space, dim)
    outer = tuple((slots.get((array.level, 1), 1), slots.get((array.level, 2), 1)) for array in space.outer)
    return Inner(
        slots.get((space.axes[0], 1), 1),
        slots.get((space.axes[1], 2), 1),
        slots.get((len(space.machine.levels) - 1, 0), 1),
        slots.get((space.run_level(dim), 0), 1) if fixed else 0,
        outer,
    )


def _wrong_order(space: Space, level: int, dims: list[str]) -> str:
    """Fixed loops are innermost, in the dataflow's order; a group's free loops lie together."""
    positions = {dim: max(pos for lv, pos, kind in space.slots(dim) if lv == level and kind == 0) for dim in dims
                 if any(lv == level and kind == 0 for lv, _, kind in space.slots(dim))}  # fmt: skip
    fixed = [positions[dim] for dim in dims if positions.get(dim, -1) >= 0]
    if fixed != sorted(fixed) or [positions.get(dim, -1) for dim in dims][len(dims) - len(fixed) :] != fixed:
        return f"{' '.join(dims)} is not the dataflow's order"
    free = [dim for dim in dims if positions.get(dim, -1) < 0]
    groups = [next(group for group in GROUPS if dim in group) for dim in free]
    together = [dim for group in dict.fromkeys(groups) for dim in group if dim in free]
    return "" if together == free else f"{' '.join(free)} has loops between two of one kind"
