"""What a machine gets for nothing: what takes no time, has no limit or has no price, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from accelsim.architecture.model import Architecture, Level, Sparsity
from accelsim.architecture.physical import Arithmetic
from accelsim.energy.floor import floor_of, physical
from accelsim.energy.table import EnergyTable, show_bytes
from accelsim.workload.problem import TENSORS, Tensor


def what_is_free(architecture: Architecture, table: EnergyTable | None = None) -> tuple[str, ...]:
    """A sentence for each kind of thing that costs nothing in a run of this machine at these prices.

    No link, no width, no port: no time. No capacity: no limit. No price: no energy. And a level smaller than the one
    below it, which the lower one can never be filled from.
    """
    return (*_time(architecture), *_room(architecture), *(_energy(architecture, table) if table else ()))


def _time(machine: Architecture) -> Iterator[str]:
    links: dict[str, list[str]] = {}
    for tensor in TENSORS:
        keepers = [i for i, level in enumerate(machine.levels) if tensor in level.keeps]
        for parent, child in pairwise([*keepers, len(machine.levels)]):
            for way in _untimed(machine, tensor, parent, child):
                to = machine.levels[child].name if child < len(machine.levels) else "the MACs"
                links.setdefault(f"from {machine.levels[parent].name} to {to}", []).append(f"{tensor}{way}")
    outermost = f"from {machine.levels[0].name} "
    for kind, here in (("no link", True), ("no width", False)):
        free = [f"{', '.join(what)} {way}" for way, what in links.items() if way.startswith(outermost) is here]
        if free:
            yield f"{kind}: {'; '.join(free)}: moved in no time"
    ports = [level.name for level in machine.levels if not (level.read_port or level.write_port)]
    if ports:
        yield f"no ports: {', '.join(ports)}: reads and writes need no time beside that of the networks"
    if not machine.lanes:
        yield "no vector unit: what is no MAC (pooling, additions, softmax) needs time for its words alone"


def _untimed(machine: Architecture, tensor: Tensor, parent: int, child: int) -> list[str]:
    """Ways between a level and the next that keeps a tensor on which its words pass no port at all."""
    between = machine.levels[parent:child]
    if child == len(machine.levels) and not any(level.fanout.declared for level in between):
        return []  # inside a PE
    outer, inner = machine.levels[parent], machine.levels[child] if child < len(machine.levels) else None
    networks = [level.fanout.network(tensor) for level in between]
    down = any(network.down for network in networks) or outer.read_port or (inner and inner.write_port)
    up = any(network.up for network in networks) or outer.write_port or (inner and inner.read_port)
    if tensor is not Tensor.PSUM:
        return [] if down else [""]
    return [] if down and up else [""] if not (down or up) else [" up"] if down else [" down"]


def _room(machine: Architecture) -> Iterator[str]:
    endless = []
    for level in machine.levels[1:]:
        limited = {tensor for part in level.capacity for tensor in part.tensors}
        missing = [tensor.value for tensor in TENSORS if tensor in level.keeps - limited]
        if missing:
            endless.append(level.name if not limited else f"{level.name} ({', '.join(missing)})")
    if endless:
        yield f"no capacity: {', '.join(endless)}: never full"
    for tensor in TENSORS:
        keepers = [level for level in machine.levels if tensor in level.keeps]
        for outer, inner in pairwise(keepers):
            above, here = _bits(outer, tensor), _bits(inner, tensor)
            if above and here and above < here:
                yield (
                    f"smaller than the level below: {outer.name} has {show_bytes(above)} for {tensor}, "
                    f"{inner.name} {show_bytes(here)}, which a tile of {outer.name} never fills"
                )


def _bits(level: Level, tensor: Tensor) -> int:
    return sum(part.bits for part in level.capacity if tensor in part.tensors)


def _energy(machine: Architecture, table: EnergyTable) -> Iterator[str]:
    missing = list(_unpriced(machine, table))
    if missing:
        yield f"no price in '{table.name}': {', '.join(missing)}"


def _unpriced(machine: Architecture, table: EnergyTable) -> Iterable[str]:
    if table.own_parts:
        yield "all that no part of the machine's own stands for"
        return
    networks = [level.fanout.network(tensor) for level in machine.levels for tensor in TENSORS]
    if table.technology:
        yield from _unknown(machine, table)
    elif not table.hop and any(level.fanout.declared for level in machine.levels):
        yield "wires (a hop)"
    if not table.tag and any(network.tags for network in networks):
        yield "tags"
    if table.vector_op is None:
        yield "vector operations"
    if not table.gated and machine.sparsity.gate and machine.sparsity != Sparsity():
        yield "gated MACs"
    entries = [(level, table.components.get(level.component or level.name)) for level in machine.levels]
    if not table.technology and not any(entry.leakage for _, entry in entries if entry):
        yield "leakage"
    if not table.technology:
        yield "clock"
        yield "area"
        if physical(machine).parts:
            yield "parts of its own"
    for level, entry in entries:
        if entry and level.dram and not entry.activate:
            yield f"activates of {level.name}"
        for action, curve in (("reads", entry.read), ("writes", entry.write)) if entry else ():
            if not any(energy for _, energy in curve.points):
                yield f"{action} of {level.name}"


def _unknown(machine: Architecture, table: EnergyTable) -> Iterator[str]:
    """What a technology leaves out on this machine."""
    floor = floor_of(machine, table)
    for name in floor.missing:
        yield f"area of {name}"
    for level, pitch in zip(machine.levels, floor.pitch, strict=True):
        if pitch is None and level.fanout.y * level.fanout.x > 1:
            yield f"wires below {level.name}"
    if physical(machine).arithmetic is Arithmetic.BF16:
        yield "area of bf16 MACs (fp16's stands for it)"
    yield "leakage of flip-flops and arithmetic"
    yield "control"
