"""What words on networks cost by the length of their wires, in pitches of the array they cross (docs/energy.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import prod

from accelsim.architecture.model import Architecture, NetworkKind
from accelsim.energy.floor import HANDS_ON, floor_of, physical, technology_of
from accelsim.energy.rows import EnergyRow, network_name
from accelsim.energy.table import EnergyTable
from accelsim.engine.counts import DIRECTIONS, Counts
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.problem import TENSORS, Tensor

DOWN, UP = DIRECTIONS
WIRE, REGISTER, ROUTER = "wire", "register", "router"


@dataclass(frozen=True)
class Array:
    """A grid of children below a level, and mm from one to the next. inner : the level of the array that lies across
    it, whose children the grid is then of; else the level itself.
    """

    level: int
    inner: int
    y: int
    x: int
    pitch: Fraction


@dataclass(frozen=True)
class Moved:
    """Words of a tensor in one direction below a level; of psums, the final ones that are narrower or the others."""

    sent: int
    deliveries: int
    hops: int


def arrays(machine: Architecture, table: EnergyTable) -> Iterator[Array]:
    """Every array with children of known area; a column below a row (or a row below a column) is one with it."""
    floor, laid = floor_of(machine, table), physical(machine).layouts
    fans = [laid.get(level.name, (level.fanout.y, level.fanout.x)) for level in machine.levels]
    several = [index for index, (y, x) in enumerate(fans) if y * x > 1]
    skip = -1
    for index, after in pairwise([*several, -1]):
        if index == skip:
            continue
        (y, x), inner = fans[index], index
        if after >= 0 and _across(fans[index], fans[after]):
            inner, skip = after, after
            y, x = y * fans[after][0], x * fans[after][1]
        pitch = floor.pitch[inner]
        if pitch is not None:
            yield Array(index, inner, y, x, pitch)


def _across(outer: tuple[int, int], inner: tuple[int, int]) -> bool:
    return (outer[0] == 1 and inner[1] == 1) or (outer[1] == 1 and inner[0] == 1)


def wire_rows(
    machine: Architecture, counts: Counts, table: EnergyTable, nest: LoopNest | None = None
) -> Iterable[EnergyRow]:
    """Wires, routers and registers of all networks, and the way to one of several memories of a level.

    nest : tells how many children add into one psum; None: the least that their links can be, as a search needs it.
    """
    technology = technology_of(table)
    per_mm = technology.wire
    for array in arrays(machine, table):
        for tensor in TENSORS:
            name = network_name(machine, machine.levels[array.level].name)
            wide, narrow = _bits(machine, tensor)
            found = [_pitches(machine, counts, array, tensor, part, nest) for part in (False, True)]
            words = _sent(counts, machine, array, tensor)
            energy = array.pitch * per_mm * ((found[0] - found[1]) * wide + found[1] * narrow)
            if words and found[0]:
                yield EnergyRow(name, tensor.value, WIRE, words, energy)
            yield from _routed(machine, counts, array, tensor, technology.router)
    if physical(machine).handed_on:
        yield from _registers(machine, counts, technology.flip_flop.access)
    yield from _ways(machine, counts, table, per_mm)


def _bits(machine: Architecture, tensor: Tensor) -> tuple[int, int]:
    wide = machine.moved_bits[tensor]
    return wide, machine.final_bits if tensor is Tensor.PSUM else wide


def _sent(counts: Counts, machine: Architecture, array: Array, tensor: Tensor) -> int:
    """Words on the outer of two networks that lie across each other; if there are none, on the inner one."""
    outer, inner = (
        sum(counts.sent(machine.levels[level].name, tensor, way) for way in DIRECTIONS)
        for level in (array.level, array.inner)
    )
    return outer or inner


def _moved(counts: Counts, level: str, tensor: Tensor, way: str, narrow: bool) -> Moved:
    if not narrow:
        return Moved(*(counts.sent(level, tensor, way, kind) for kind in ("sent", "deliveries", "hops")))
    if tensor is not Tensor.PSUM or way == DOWN:
        return Moved(0, 0, 0)
    return Moved(*(counts.narrowed(level, kind) for kind in ("sent", "deliveries", "hops")))


def _pitches(
    machine: Architecture, counts: Counts, array: Array, tensor: Tensor, narrow: bool, nest: LoopNest | None
) -> Fraction:
    """Pitches that all words of a tensor travel in an array; narrow : those psums alone that move as ofmap words."""
    outer, inner = machine.levels[array.level], machine.levels[array.inner]
    kinds = {level.name: level.fanout.network(tensor).kind for level in (outer, inner)}
    total = Fraction(0)
    for way in DIRECTIONS:
        if outer is inner or any(kind in HANDS_ON for kind in kinds.values()):
            # where words are handed on in one of two arrays that lie across each other, they are there
            for name, kind in kinds.items():
                if outer is inner or kind in HANDS_ON:
                    moved = _moved(counts, name, tensor, way, narrow)
                    total += _alone(machine, counts, array, tensor, (name, kind, way), moved, nest)
        else:
            total += _crossed(machine, counts, array, tensor, way, narrow, nest)
    return total


def _alone(
    machine: Architecture,
    counts: Counts,
    array: Array,
    tensor: Tensor,
    at: tuple[str, NetworkKind, str],
    moved: Moved,
    nest: LoopNest | None,
) -> Fraction:
    """Pitches on one network; `at` is its level, kind and direction."""
    (name, kind, way), y, x = at, array.y, array.x
    if kind is NetworkKind.MULTICAST:
        if machine.levels[machine.level_index(name)].fanout.network(tensor).tags:
            return Fraction(_tagged(counts, name, tensor, way, moved, y, x))
        return Fraction(moved.sent * (y + y * x))
    if kind is NetworkKind.UNICAST:
        return Fraction(moved.deliveries * (y + x), 2)
    if kind is NetworkKind.CROSSBAR:
        return Fraction(moved.deliveries * (y + x))
    if kind is NetworkKind.MESH:
        return Fraction(moved.hops)
    if kind is NetworkKind.CHAIN:
        links = moved.deliveries if way == UP else 0
        return Fraction(links + moved.sent * (y + x))
    if kind is NetworkKind.TREE:
        return _tree(machine, name, way, moved, y + x, nest)
    return Fraction(moved.deliveries)


def _tagged(counts: Counts, name: str, tensor: Tensor, way: str, moved: Moved, y: int, x: int) -> int:
    """A trunk beside all rows, and the rows that want a word: as many pitches as tags are compared.

    Before links are counted, the rows are at least the children over those of a row.
    """
    compared = {at[:2]: at[2] for at in counts.tag_matches}
    counted = way == (UP if tensor is Tensor.PSUM else DOWN)
    if counted and (name, tensor.value) in compared:
        return compared[name, tensor.value]
    return moved.sent * y + moved.deliveries


def _tree(machine: Architecture, name: str, way: str, moved: Moved, sides: int, nest: LoopNest | None) -> Fraction:
    """Joins of the children that add into one word, and half the sides out of it; down, as wires of their own."""
    if way == DOWN:
        return Fraction(moved.deliveries * sides, 2)
    out = Fraction(moved.sent * sides, 2)
    if nest is None:
        return out + moved.deliveries - moved.sent
    reduce = machine.levels[machine.level_index(name)].fanout.network(Tensor.PSUM).reduce
    loops = nest.level(name)
    children = prod(loop.factor for loop in (*loops.y, *loops.x) if loop.dim in reduce)
    return out + moved.sent * joins(children)


def joins(children: int) -> int:
    """Pitches of a tree of adders over a row of children, the next join always beside the nearest."""
    total, apart = 0, 1
    while children > 1:
        total += children // 2 * apart
        children, apart = -(-children // 2), 2 * apart
    return total


def _crossed(
    machine: Architecture,
    counts: Counts,
    array: Array,
    tensor: Tensor,
    way: str,
    narrow: bool,
    nest: LoopNest | None,
) -> Fraction:
    """Pitches where one array lies across another and no word is handed on."""
    outer, inner = machine.levels[array.level], machine.levels[array.inner]
    y, x = array.y, array.x
    first, last = (_moved(counts, level.name, tensor, way, narrow) for level in (outer, inner))
    kinds = [level.fanout.network(tensor).kind for level in (outer, inner)]
    if NetworkKind.TREE in kinds:
        total = Fraction(0)
        for level, moved, kind in zip((outer, inner), (first, last), kinds, strict=True):
            if kind is NetworkKind.TREE:
                total += _tree(machine, level.name, way, moved, 0, nest)
        return total + Fraction((first.sent if way == UP else last.deliveries) * (y + x), 2)
    if kinds == [NetworkKind.MULTICAST] * 2:
        return Fraction(first.sent * (y + y * x))
    if NetworkKind.MULTICAST in kinds:
        # along the axis of the bus, after half the other one on the way to it
        bus, other = (outer, inner) if kinds[0] is NetworkKind.MULTICAST else (inner, outer)
        along, beside = (level.fanout.y * level.fanout.x for level in (bus, other))
        return Fraction((first if bus is outer else last).sent) * (along + Fraction(beside, 2))
    if NetworkKind.MESH in kinds:
        return Fraction(first.hops + last.hops)
    share = 1 if NetworkKind.CROSSBAR in kinds else 2
    return Fraction(last.deliveries * (y + x), share)


def _routed(
    machine: Architecture, counts: Counts, array: Array, tensor: Tensor, price: Fraction
) -> Iterator[EnergyRow]:
    """A router for each link of a mesh."""
    for level in dict.fromkeys((array.level, array.inner)):
        spec = machine.levels[level]
        if spec.fanout.network(tensor).kind is NetworkKind.MESH and price:
            hops = sum(counts.sent(spec.name, tensor, way, "hops") for way in DIRECTIONS)
            wide, narrower = _bits(machine, tensor)
            narrow = counts.narrowed(spec.name, "hops") if tensor is Tensor.PSUM else 0
            name = network_name(machine, spec.name)
            if hops:
                yield EnergyRow(name, tensor.value, ROUTER, hops, price * ((hops - narrow) * wide + narrow * narrower))


def _registers(machine: Architecture, counts: Counts, price: Fraction) -> Iterator[EnergyRow]:
    """A register for each word that a systolic network or a chain delivers."""
    for level in machine.levels:
        for tensor in TENSORS if level.fanout.y * level.fanout.x > 1 else ():
            if level.fanout.network(tensor).kind in HANDS_ON:
                words = sum(counts.sent(level.name, tensor, way, "deliveries") for way in DIRECTIONS)
                wide, narrower = _bits(machine, tensor)
                narrow = counts.narrowed(level.name, "deliveries") if tensor is Tensor.PSUM else 0
                if words:
                    energy = price * ((words - narrow) * wide + narrow * narrower)
                    yield EnergyRow(network_name(machine, level.name), tensor.value, REGISTER, words, energy)


def _ways(machine: Architecture, counts: Counts, table: EnergyTable, per_mm: Fraction) -> Iterator[EnergyRow]:
    """The way to one of several memories that stand side by side at a level, for each word it moves."""
    floor = floor_of(machine, table)
    for index, level in enumerate(machine.levels):
        for tensor in TENSORS if floor.own[index] else ():
            if physical(machine).memory(level.name, tensor.value).count > 1:
                actions = [
                    (action, words)
                    for name, what, action, words in counts.rows()
                    if (name, what) == (level.name, tensor.value)
                ]
                bits = sum(counts.bits(level.name, tensor, action, machine.moved_widths) for action, _ in actions)
                if bits:
                    words = sum(words for _, words in actions)
                    yield EnergyRow(level.name, tensor.value, WIRE, words, bits * per_mm * floor.own[index])
