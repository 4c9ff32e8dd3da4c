"""A fused group, walked tile by tile with real values; slow, obvious, and with no code of the package but its geometry.

The buffer holds words: a value and whether it is there, for each tensor. A tile asks for boxes of words; what it makes
is written, what no later tile reads before it is made again is thrown away. Whoever reads a word that is not there
fails. What is counted is counted as it happens.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

LOST = -(10**9)  # what a word that is not there would be worth


@dataclass
class Walked:
    """What happened, of all images. Boxes are ((row, row), (column, column))."""

    reads: Counter = field(default_factory=Counter)
    made: Counter = field(default_factory=Counter)
    macs: Counter = field(default_factory=Counter)
    updates: int = 0
    runs: Counter = field(default_factory=Counter)
    states: dict = field(default_factory=dict)  # (i, j, tensor) -> words before, in use, after, of the first image
    held: dict = field(default_factory=dict)  # (image, i, j, operation) -> words while it runs
    parts: dict = field(default_factory=dict)  # the same, by tensor, without what double buffers hold besides
    waits: dict = field(default_factory=dict)  # (image, i, j) -> words before a sink that runs first, double buffers
    own: dict = field(default_factory=dict)  # words that the operation makes there
    between: int = 0
    passes: Counter = field(default_factory=Counter)  # (operation, rows, columns, ...) -> how often
    order: list = field(default_factory=list)  # (image, tile, operation, words made), as they run
    fetched: list = field(default_factory=list)  # (image, tile, source, words, operation that it comes for)
    left: list = field(default_factory=list)  # words of the sink, tile by tile
    moved: Counter = field(
        default_factory=Counter
    )  # words of their own boxes that operations read, and that they write
    filters: Counter = field(default_factory=Counter)  # words of filters that come, if all are streamed
    sliced: dict = field(default_factory=dict)  # (image, i, j, operation) -> words of its largest slice
    outputs: list = field(default_factory=list)


def interval(op, axis, begin, end, plane):
    """What one operation reads to make [begin, end)."""
    if op.kind in ("add", "elementwise", "norm", "softmax") and plane == 1 and op.plane[axis] > 1:
        return 0, 1
    low = begin * op.stride[axis] - op.pad[axis]
    high = (end - 1) * op.stride[axis] + (op.kernel[axis] - 1) * op.dilation[axis] - op.pad[axis] + 1
    return max(low, 0), min(high, plane)


def along(group, axis, tile, keep):
    """[{tensor: (used, made)}] for every tile of the sink along one axis; None where there is nothing."""
    planes = {one.name: one.plane[axis] for one in (*group.sources, *group.ops)}
    inside = {read.tensor for op in group.ops for read in op.reads}
    sink = group.ops[-1].name
    order = [source.name for source in group.sources] + [op.name for op in group.ops]
    end = dict.fromkeys(order, 0)
    found = []
    for begin in range(0, planes[sink], tile):
        own = (begin, min(begin + tile, planes[sink]))
        one = {}
        for name in reversed(order):
            if name not in inside:
                one[name] = (own, own)
                continue
            asked = [
                interval(op, axis, *one[op.name][1], planes[name])
                for op in group.ops
                if any(read.tensor == name for read in op.reads) and one[op.name][1]
            ]
            if not asked:
                one[name] = (None, None)
                continue
            used = (min(low for low, _ in asked), max(high for _, high in asked))
            first = max(used[0], end[name]) if keep[name][axis] else used[0]
            one[name] = (used, (first, used[1]) if first < used[1] else None)
            end[name] = max(end[name], used[1])
        found.append(one)
    return found


def walk(group, tile, keep, double=False, seed=0, cut=None):
    """Run all images of a group. keep : by tensor, (rows, columns). cut : by operation, M of a slice of its filter."""
    rows, columns = (along(group, axis, tile[axis], keep) for axis in (0, 1))
    tiles = [(i, j) for i in range(len(rows)) for j in range(len(columns))]
    draw = np.random.default_rng(seed)
    weights = {op.name: weights_of(op, draw) for op in group.ops}
    found = Walked()
    leaving = deque()
    for image in range(group.images):
        given = {one.name: draw.integers(-9, 9, (one.channels, *one.plane)) for one in group.sources}
        last = image == group.images - 1
        output = _image(group, (rows, columns), tiles, double, given, weights, found, leaving, image, last, cut or {})
        found.outputs.append((output, whole(group, given, weights)))
    return found


def box(rows, columns, i, j, name, which):
    """What tile (i, j) uses (0) or makes (1) of a tensor: two slices, or None."""
    row, column = rows[i][name][which], columns[j][name][which]
    return (slice(*row), slice(*column)) if row and column else None


def needed(group, rows, columns, tiles):
    """[{tensor: bool[row, column]}]: words that a tile after this one uses before any makes them again."""
    planes = {one.name: one.plane for one in (*group.sources, *group.ops)}
    later = {name: np.zeros(plane, bool) for name, plane in planes.items()}
    found = []
    for i, j in reversed(tiles):
        found.append({name: one.copy() for name, one in later.items()})
        for name, one in later.items():
            used, made = (box(rows, columns, i, j, name, which) for which in (0, 1))
            if used:
                one[used] = True
            if made:
                one[made] = False
    return found[::-1]


def _image(group, axes, tiles, double, given, weights, found, leaving, image, last_image, cut):
    rows, columns = axes
    inside = {read.tensor for op in group.ops for read in op.reads}
    sinks = [op for op in group.ops if op.name not in inside]
    channels = {one.name: one.channels for one in (*group.sources, *group.ops)}
    value = {one.name: np.full((one.channels, *one.plane), LOST) for one in (*group.sources, *group.ops)}
    there = {one.name: np.zeros(one.plane, bool) for one in (*group.sources, *group.ops)}
    keep = needed(group, rows, columns, tiles)
    result = {op.name: np.full_like(value[op.name], LOST) for op in sinks}

    def words(name):
        return int(there[name].sum()) * channels[name]

    def drop(name, at):
        there[name] &= keep[at][name]
        value[name][:, ~there[name]] = LOST

    def fetched(at):
        if at == len(tiles):
            if last_image:
                return 0
            at = 0
        boxes = ((name, box(rows, columns, *tiles[at], name, 1)) for name in given)
        return sum(there[name][one].size * channels[name] for name, one in boxes if one)

    for at, (i, j) in enumerate(tiles):
        makes = {name: box(rows, columns, i, j, name, 1) for name in value}
        running = [op for op in group.ops if makes[op.name]]
        readers = {name: [op for op in running if any(r.tensor == name for r in op.reads)] for name in value}
        before = {name: words(name) for name in value}
        using, sunk = dict(before), {}

        def make(name, new, area):
            assert not there[name][area].any(), f"{name} makes words that are there"
            value[name][(slice(None), *area)] = new
            there[name][area] = True
            found.made[name] += there[name][area].size

        def fetch(name, makes=makes, make=make, running=running, readers=readers, at=at):
            area = makes[name]
            if area:
                make(name, given[name][(slice(None), *area)], area)
                found.reads[name] += there[name][area].size * channels[name]
                first = next(one for one in group.ops if any(read.tensor == name for read in one.reads))
                crossed = next(one for one in running if group.ops.index(one) >= group.ops.index(first))
                who = readers[name][0].name if readers[name] else crossed.name
                found.fetched.append((image, at, name, there[name][area].size * channels[name], who))

        # what nobody makes or reads here goes at once
        for name in value:
            if not readers[name] and not makes[name]:
                drop(name, at)
        if double:
            for name in given:
                fetch(name)
                using[name] = words(name)
            for name in given:
                if makes[name] and not readers[name]:
                    # the cross of two readers that do not run: it counts for no pass
                    drop(name, at)
        for op in group.ops:
            for name in given:
                first = next(one for one in group.ops if any(read.tensor == name for read in one.reads))
                if makes[name] and not readers[name] and first is op and not double:
                    fetch(name)
                    using[name] = words(name)
                    drop(name, at)
            if not makes[op.name]:
                continue
            for name in dict.fromkeys(read.tensor for read in op.reads):
                if name in given and readers[name][0] is op and not double:
                    fetch(name)
                    using[name] = words(name)
            if double and op is running[0] and op is sinks[0]:
                found.waits[image, i, j] = sum(words(name) for name in value) + fetched(at + 1) + sum(leaving)
            # all of its output has its place from the first slice on
            new = np.full((op.channels, *(one.stop - one.start for one in makes[op.name])), LOST)
            sizes = []
            for mine, filters in slices_of(op, weights[op.name], cut):
                new[mine] = run(op, makes[op.name], value, there, filters, group, found, mine)
                found.order.append((image, at, op.name, new[mine].size))
                sizes.append(0 if filters is None else int((filters != LOST).sum()) // op.shared)
            found.filters[op.name] += sum(sizes)
            found.sliced[image, i, j, op.name] = max(sizes)
            if op in sinks:
                while op is sinks[0] and len(leaving) > 1:
                    leaving.popleft()
                result[op.name][(slice(None), *makes[op.name])] = new
                sunk[op.name] = new.size
                found.updates += new.size
                found.made[op.name] += new.size // op.channels
            else:
                make(op.name, new, makes[op.name])
                using[op.name] = words(op.name)
            parts = {name: sunk.get(name, words(name)) for name in value}
            found.parts[image, i, j, op.name], found.own[image, i, j, op.name] = parts, new.size
            held = sum(parts.values())
            if double:
                held += fetched(at + 1) + sum(leaving)
            found.held[image, i, j, op.name] = held
            for name in value:
                if readers[name] and readers[name][-1] is op:
                    drop(name, at)
            if op is sinks[-1]:
                leaving.append(sum(sunk.values()))
                found.left.append(sum(sunk.values()))
            elif op not in sinks and not readers[op.name]:
                drop(op.name, at)
        for name in value:
            if image == 0:
                found.states[i, j, name] = (before[name], using[name], words(name))
        found.between = max(found.between, sum(words(name) for name in value))
    return np.concatenate([result[op.name] for op in sinks])


def weights_of(op, draw):
    """Of an operation that multiplies: [M of all, C of one group, R, S]."""
    if op.kind not in ("conv", "depthwise", "matmul"):
        return None
    return draw.integers(-4, 5, (op.channels, op.inner, *op.kernel))


def slices_of(op, weights, cut):
    """(channels, weights) of every pass of an operation on a tile: of each slice no others are there."""
    if op.name not in cut:
        yield slice(None), weights
        return
    outer = op.channels // (op.groups * op.shared)
    within = np.arange(op.channels) % outer
    for begin in range(0, outer, cut[op.name]):
        mine = (begin <= within) & (within < begin + cut[op.name])
        yield mine, np.where(mine[:, None, None, None], weights, LOST)


def run(op, area, value, there, weights, group, found, mine):
    """One pass: read its own box of every tensor, which must be there, and compute. mine : channels that it makes."""
    planes = {one.name: one.plane for one in (*group.sources, *group.ops)}
    boxes, parts = {}, []
    for read in op.reads:
        plane = planes[read.tensor]
        each = [interval(op, axis, area[axis].start, area[axis].stop, plane[axis]) for axis in (0, 1)]
        own = tuple(slice(*one) for one in each)
        assert there[read.tensor][own].all(), f"{op.name} reads words of {read.tensor} that are not there"
        # words around the box are not read: they are made worthless
        seen = np.full_like(value[read.tensor], LOST)
        seen[(slice(None), *own)] = value[read.tensor][(slice(None), *own)]
        parts.append(seen[list(read.channels)])
        boxes[read.tensor] = each
        found.moved[op.name, "read"] += len(read.channels) * there[read.tensor][own].size
    new = compute(op, parts, area, weights)[mine]
    found.runs[op.name] += 1
    found.moved[op.name, "written"] += new.size
    if op.kind in ("conv", "depthwise", "matmul"):
        found.macs[op.name] += new.size * op.inner * op.kernel[0] * op.kernel[1]
    first = boxes[op.reads[0].tensor]
    begins = [area[axis].start * op.stride[axis] - op.pad[axis] for axis in (0, 1)]
    key = (op.name, new.shape[0], new.shape[1], new.shape[2])
    sizes = tuple(high - low for low, high in first)
    found.passes[(*key, sizes, tuple(low - begin for (low, _), begin in zip(first, begins, strict=True)))] += 1
    return new


def compute(op, parts, area, weights):
    """The words of one box. parts : whole planes of what it reads, channels in its order."""
    shape = tuple(one.stop - one.start for one in area)
    if op.kind in ("add", "elementwise"):
        total = np.zeros((op.channels, *shape), np.int64)
        stacked = np.concatenate(parts) if len({one.shape[1:] for one in parts}) == 1 else None
        if op.kind == "elementwise" and stacked is not None and stacked.shape[0] == op.channels:
            return stacked[(slice(None), *area)] * 3 + 1
        for part in parts:
            rows = slice(0, 1) if part.shape[1] == 1 else area[0]
            columns = slice(0, 1) if part.shape[2] == 1 else area[1]
            total += part[:, rows, columns]
        return total
    plane = np.concatenate(parts)
    if op.kind in ("norm", "softmax"):
        here = plane[(slice(None), *area)]
        return here * here.shape[0] - here.sum(axis=0)
    total = np.zeros((op.channels, *shape), np.int64)
    many = op.channels if op.kind == "pool" else op.groups * op.shared
    inner, outer = plane.shape[0] // many, op.channels // many
    for r in range(op.kernel[0]):
        for s in range(op.kernel[1]):
            tap = tap_of(op, plane, area, r, s)
            if op.kind == "pool":
                total += tap
                continue
            for g in range(many):
                mine = slice(g * outer, (g + 1) * outer)
                total[mine] += np.tensordot(weights[mine, :, r, s], tap[g * inner : (g + 1) * inner], 1)
    return total


def tap_of(op, plane, area, r, s):
    """The words that all outputs of a box meet with one tap; zeros beside the plane."""
    rows = np.arange(area[0].start, area[0].stop) * op.stride[0] + r * op.dilation[0] - op.pad[0]
    columns = np.arange(area[1].start, area[1].stop) * op.stride[1] + s * op.dilation[1] - op.pad[1]
    inside = ((rows >= 0) & (rows < plane.shape[1]))[:, None] & ((columns >= 0) & (columns < plane.shape[2]))[None]
    taken = plane[:, rows.clip(0, plane.shape[1] - 1)][:, :, columns.clip(0, plane.shape[2] - 1)]
    return np.where(inside, taken, 0)


def whole(group, given, weights):
    """The sink, layer by layer over whole planes: what the tiles must add up to."""
    value = dict(given)
    for op in group.ops:
        parts = [value[read.tensor][list(read.channels)] for read in op.reads]
        area = (slice(0, op.plane[0]), slice(0, op.plane[1]))
        value[op.name] = compute(op, parts, area, weights[op.name])
    inside = {read.tensor for op in group.ops for read in op.reads}
    return np.concatenate([value[op.name] for op in group.ops if op.name not in inside])
