"""Fused groups drawn at random: branches, strides, dilation, broadcasts, modes for each tensor and axis."""

from dataclasses import replace

from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.engine.fused.storage import Tiling
from accelsim.errors import MappingError

MOST_ROWS = 13
CHOICES = [(False, False), (False, True), (True, False), (True, True)]


def windows(rng, kind, planes):
    """(kernel, stride, dilation, pad, plane) of an op over planes of one size; None if no window fits."""
    found = []
    for axis in (0, 1):
        size = planes[axis]
        kernel, stride, dilation = rng.choice([1, 1, 2, 3, 3, 4]), rng.choice([1, 1, 1, 2, 3]), rng.choice([1, 1, 1, 2])
        if kind == "matmul":
            kernel, stride, dilation = 1, 1, 1
        reach = (kernel - 1) * dilation
        pad = rng.randint(0, reach) if rng.random() < 0.6 else 0
        # outputs up to the last whose window still meets the plane
        most = (size - 1 + pad) // stride + 1
        if kind == "matmul":
            outputs = size
        elif rng.random() < 0.7:
            outputs = max(1, (size + 2 * pad - reach - 1) // stride + 1)
        else:
            outputs = rng.randint(1, most)
        found.append((kernel, stride, dilation, pad, min(outputs, most)))
    return [tuple(one) for one in zip(*found, strict=True)]


def drawn_op(rng, name, known):
    """One operation on tensors that are known, name -> (channels, plane)."""
    kind = rng.choice(
        ["conv", "conv", "conv", "depthwise", "matmul", "pool", "pool", "add", "add", "elementwise", "norm"]
    )
    recent = list(known)[-3:]
    first = rng.choice(recent if rng.random() < 0.8 else list(known))
    channels, plane = known[first]
    reads = [Read(first, range(channels))]
    alike = [other for other in known if other != first and known[other][1] == plane]
    if kind == "add":
        others = [o for o in known if o != first and known[o][0] == channels and _goes(known[o][1], plane)]
        if not others:
            return None
        other = rng.choice(others)
        return Op(name, kind, (reads[0], Read(other, range(channels))), channels, plane, operations=channels)
    if kind in ("elementwise", "norm"):
        return Op(name, kind, tuple(reads), channels, plane, operations=channels)
    if alike and rng.random() < 0.3:
        other = rng.choice(alike)  # a concatenation
        reads.append(Read(other, range(known[other][0])))
    elif channels > 1 and rng.random() < 0.2:
        reads = [Read(first, range(rng.randint(0, channels - 1), channels))]  # part of a split
    kernel, stride, dilation, pad, out = windows(rng, kind, plane)
    arriving = sum(len(read.channels) for read in reads)
    if kind == "pool":
        return Op(name, kind, tuple(reads), arriving, out, 1, 1, kernel, stride, dilation, pad, "", arriving)
    groups = arriving if kind == "depthwise" else 1
    made = groups * rng.randint(1, 3) if kind != "depthwise" else groups
    return Op(name, kind, tuple(reads), made, out, groups, 1, kernel, stride, dilation, pad)


def _goes(plane, whole):
    return all(a in (1, b) for a, b in zip(plane, whole, strict=True))


def drawn_group(rng, most_ops=6, images=1, most_rows=MOST_ROWS):
    """A legal group; ops that nobody reads are left out, or some joined."""
    joined = rng.random() < 0.2
    while True:
        plane = (rng.randint(1, most_rows), rng.randint(1, most_rows))
        known = {"x": (rng.randint(1, 3), plane)}
        if rng.random() < 0.3:
            known["y"] = (known["x"][0] if rng.random() < 0.5 else rng.randint(1, 3), plane)
        sources = dict(known)
        ops = []
        for k in range(rng.randint(1, most_ops)):
            op = drawn_op(rng, f"op{k}", known)
            if op is not None:
                ops.append(op)
                known[op.name] = (op.channels, op.plane)
        if not ops:
            continue
        read = {one.tensor for op in ops for one in op.reads}
        alike = {op.name for op in ops if op.name not in read and op.plane == ops[-1].plane}
        if joined and len(alike) < 2:
            ops.append(replace(ops[-1], name="twin"))
            alike.add("twin")
        wanted = alike if joined else {ops[-1].name}
        for op in reversed(ops):
            if op.name in wanted:
                wanted |= {read.tensor for read in op.reads}
        left = tuple(op for op in ops if op.name in wanted)
        given = tuple(Source(name, *sources[name]) for name in sources if name in wanted)
        try:
            return Group(given, left, images, joined)
        except MappingError:
            continue


def drawn_tiling(rng, group):
    """Any tile, modes for each tensor and axis."""
    tile = tuple(rng.randint(1, size) for size in group.sink.plane)
    own = {name: rng.choice(CHOICES) for name in group.tensors} if rng.random() < 0.5 else {}
    return Tiling(tile, rng.choice(CHOICES), own, rng.random() < 0.4)


def drawn_cut(rng, group, resident=()):
    """Slices of some filters: how many of their output channels come at a time."""
    may = [op for op in group.ops if op.multiplies and op.name not in resident]
    return {op.name: rng.randint(1, max(op.outer - rng.choice((0, 1, 1)), 1)) for op in may if rng.random() < 0.7}
