"""A layer of a network that hands its tiles to others, as a result has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from accelsim.engine.copied import padded
from accelsim.engine.fused.handed import Handed, refuse_machine
from accelsim.engine.fused.layers import group_of
from accelsim.errors import MappingError
from accelsim.grouped import GroupResult, PassRun, Share, refuse_number
from accelsim.mapping.plan.living import Stay
from accelsim.search.plan.handing import Handing, Placed, Ran, Tile, handing
from accelsim.workload.problem import TENSORS, Tensor

if TYPE_CHECKING:
    from accelsim.mapping.mapping import LoopNest
    from accelsim.mapping.plan.living import Between
    from accelsim.mapping.plan.plan import Group
    from accelsim.search.plan.costs import Wanted


def run_epilogue(
    group: Group, between: Between, wanted: Wanted, evaluator: str, nests: Sequence[LoopNest] | None = None
) -> GroupResult:
    """Run a layer and its epilogue.

    nests : the mapping of the layer; None: the best is searched for, of the group's tile or of any.
    Raises MappingError for layers that are no epilogue, a tile that is none, what does not fit.
    """
    one = handing_of(group, between, wanted)
    refuse_number(group, nests, 1)
    nest = nests[0] if nests else _mapped(group, one, evaluator)
    return _result(group, between, one, one.run(nest, evaluator), nest)


def handing_of(group: Group, between: Between, wanted: Wanted) -> Handing:
    """What a group is on the machine as its layers find it."""
    geometry = group_of(between.network, group.layers)
    inside = [between.index[op.name] for op in geometry.ops]
    layers = [between.network.layers[i] for i in (inside[0], inside[-1])]
    if layers[0].problem is not None and layers[0].vector_ops:
        raise MappingError(f"'{layers[0].name}': its sums have vector operations of their own: it hands no tiles on")
    names = [source.name for source in geometry.sources]
    at_home = {name for name in names if all(between.lives(p, inside[0], inside[-1]) for p in between.parts[name])}
    sink = geometry.sink.name
    if sink in between.plan.resident:
        at_home.add(sink)
    homes = {Tensor.IFMAP: wanted.home} if geometry.ops[0].reads[0].tensor in at_home else {}
    stay = Stay({t: homes[t] for t in TENSORS if t in homes}, between.taken_from(inside[0], inside[-1]))
    return handing(
        wanted, geometry, layers[0].problem, [between.sized(layer) for layer in layers], stay, frozenset(at_home),
        sink not in at_home or between.copied(sink),
    )  # fmt: skip


def check_epilogue(group: Group, between: Between, wanted: Wanted) -> None:
    """Raise MappingError as `run_epilogue` would for what is no epilogue or does not fit, and map nothing."""
    one = handing_of(group, between, wanted)
    refuse_machine(one.machine, one.problem, wanted.home)
    if group.P:
        _placed(group, one)
    elif next(one.tiles(), None) is None:
        raise MappingError(f"group {group.name}: no tile of it fits in '{wanted.home}'")


def seen_epilogue(found: GroupResult, between: Between, wanted: Wanted) -> Handed:
    """What one that has run is, for a timeline."""
    return handing_of(found.group, between, wanted).handed(found.passes[0].nest)


def crossing_epilogue(found: GroupResult, between: Between) -> dict[str, int]:
    """Words of each tensor that go between the outermost level and home, filters left out.

    An operand of the epilogue comes once; all else that comes as an ifmap is the layer's own.
    """
    names = list(found.group.layers)
    maker, sink = (between.network.layers[between.index[name]] for name in (names[0], names[-1]))
    words = found.counts.words[0].sum(axis=1).tolist()
    moved = Counter({sink.name: words[TENSORS.index(Tensor.PSUM)]})
    comes = words[TENSORS.index(Tensor.IFMAP)]
    for name in names[1:]:
        layer = between.network.layers[between.index[name]]
        for place, operand in enumerate(layer.inputs):
            if operand not in names and not between.reads_at_home(layer, place):
                own = between.network.shape(operand).words * between.network.images(layer)
                moved[operand] += own
                comes -= own
    moved[maker.inputs[0]] += comes
    return dict(moved)


def _placed(group: Group, one: Handing) -> Placed:
    """A group's tile and the loops around it."""
    limits = dict(zip("PQM", (*one.epilogue.last.plane, one.channels), strict=True))
    for dim, most in limits.items():
        if getattr(group, dim) > most:
            raise MappingError(f"group {group.name}: a tile of {dim} {getattr(group, dim)}; there are {most}")
    placed = one.placed(Tile(group.P, group.Q, group.M))
    if placed is None:
        others = one.listed()
        lever = "P {}, Q {}, M {} would fit".format(*others[0].tile) if others else "no tile fits"
        raise MappingError(f"group {group.name}: its tile does not fit in '{one.wanted.home}'; {lever}")
    return placed


def _mapped(group: Group, one: Handing, evaluator: str) -> LoopNest:
    """The best mapping of a group's tile, or of the best tile."""
    if group.P:
        return one.mapped(_placed(group, one), evaluator)
    best = one.best()
    if best is None:
        raise MappingError(f"group {group.name}: no tile of it fits in '{one.wanted.home}', or has a mapping")
    return one.mapped(best[0], evaluator)


def _result(group: Group, between: Between, one: Handing, ran: Ran, nest: LoopNest) -> GroupResult:
    counts, timing, epilogue = ran.counts, ran.timing, one.epilogue
    sink = between.network.layers[between.index[epilogue.last.name]]
    zeros = between.zeros(sink.name) if epilogue.stays else 0
    rows = ran.rows
    if zeros:
        counts = padded(one.machine, counts, zeros, one.home)
        rows = one.rows(counts, timing, nest)
    tiles = len(ran.found.tiles.out)
    outside = {one.machine.levels[0].name: timing.cycles - timing.processing} if timing.exact else {}
    shares = [
        Share(epilogue.maker.name, _op(between, epilogue.maker.name), counts.macs, 0, 1, timing.processing, outside)
    ]
    shares += [Share(op.name, _op(between, op.name), 0, 0, tiles, 0, {}) for op in epilogue.ops]
    return GroupResult(
        group, tuple(shares), (PassRun(epilogue.maker.name, one.problem, 1, nest),), counts, timing, rows, ran.room,
        one.wanted.home, one.machine.widths, one.operations,
    )  # fmt: skip


def _op(between: Between, name: str) -> str:
    return between.network.layers[between.index[name]].op
