"""A machine as its hierarchy, outermost level on top: capacities and how full they are, networks and how fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from accelsim.architecture.levers import room_name
from accelsim.architecture.model import Architecture, Buffer, Level, NetworkKind, Partition
from accelsim.mapping.mapping import demands
from accelsim.outcome import Outcome
from accelsim.report.html.svg import FAINT, INK, Drawing
from accelsim.report.palette import PAINT, TEXTS
from accelsim.report.plot_machine import size_text, speed_text
from accelsim.report.text import number, percent, shown
from accelsim.workload.problem import TENSORS, Tensor

LINE, PAD = 14, 8
"""Pixels of a line of text; around what is in a box."""


@dataclass(frozen=True)
class Fill:
    """Shares of a part of a capacity that the layers' tiles take: of the fullest layer, and the mean."""

    most: float
    mean: float


def fills(result: Outcome) -> dict[str, Fill]:
    """By the name of each capacity; none of PEs that map a layer by themselves."""
    if result.architecture.cartesian:
        return {}
    shares: dict[str, list[float]] = {}
    for layer in result.layers:
        sized = result.machine_of(layer)
        for level, partition, demand, _ in demands(sized, layer.nest, layer.problem):
            shares.setdefault(room_name(level, partition), []).append((demand + partition.taken) / partition.bits)
    return {name: Fill(max(own), sum(own) / len(own)) for name, own in shares.items()}


def draw(machine: Architecture, full: Mapping[str, Fill] | None = None, alone: bool = False) -> Markup:
    """The picture. full : how full each capacity is; None: not known."""
    boxes = [_lines(machine, index, full) for index in range(len(machine.levels))]
    heights = [2 * PAD + LINE * (1 + len(lines)) + 10 * sum(share is not None for _, share in lines) for lines in boxes]
    below = [_below(machine, index) for index in range(len(machine.levels))]
    gaps = [PAD + LINE * max((len(lines) for lines in texts.values()), default=0) + 2 * PAD for texts in below]
    last = 3 * LINE
    drawing = Drawing(sum(heights) + sum(gaps) + last, f"the levels of {machine.name}")
    top = 1.0
    for index, level in enumerate(machine.levels):
        _box(drawing, top, heights[index] - 2, _heading(machine, level), boxes[index])
        top += heights[index]
        _arrows(drawing, top, gaps[index], below[index])
        top += gaps[index]
    drawing.rect(0.002, top, 0.996, last - 2, ("#eeeeee", ""), edge=FAINT)
    drawing.text(0.5, top + LINE + 4, f"{machine.pes:,} PEs", "middle", INK, True)
    drawing.text(0.5, top + 2 * LINE + 4, _macs(machine), "middle", FAINT)
    return drawing.markup(alone)


def _heading(machine: Architecture, level: Level) -> str:
    instances = 1
    for other in machine.levels:
        if other is level:
            break
        instances *= other.fanout.y * other.fanout.x
    return shown(level.name, 24) + (f" (x{instances:,})" if instances > 1 else "")


def _macs(machine: Architecture) -> str:
    rate = number(machine.macs_per_cycle / machine.mac_cycles)
    return f"{rate} MAC{'' if rate == '1' else 's'} a cycle each, {number(float(machine.clock_hz) / 1e6)} MHz"


def _lines(machine: Architecture, index: int, full: Mapping[str, Fill] | None) -> list[tuple[str, Fill | None]]:
    """What stands in a level's box, with how full it is below the lines that are capacities."""
    level = machine.levels[index]
    lines: list[tuple[str, Fill | None]] = []
    for partition in level.capacity:
        share = None if full is None else full.get(room_name(level, partition))
        told = "" if share is None else f", full to {percent(share.most)} %"
        lines.append((f"{_held(level, partition)}: {size_text(partition.bits)}{told}", share))
    loose = [t for t in TENSORS if t in level.keeps and not any(t in part.tensors for part in level.capacity)]
    if loose:
        lines.append((f"{', '.join(loose)}: no limit", None))
    if level.dram:
        channels = level.dram.channels
        lines.append((f"{channels} channel{'s' * (channels > 1)} of {level.dram.banks} banks", None))
    ports = {port.name: port for port in (level.read_port, level.write_port) if port}
    for port in ports.values():
        unit = "words" if port.in_words else "b"
        lines.append((f"port {shown(port.name, 24)}: {number(float(port.rate))} {unit} a cycle", None))
    return lines


def _held(level: Level, partition: Partition) -> str:
    """Tensors of a part, with how they are buffered."""
    found = []
    for tensor in TENSORS:
        if tensor in partition.tensors and tensor in level.keeps:
            buffer = level.buffering(tensor)
            found.append(tensor.value if buffer is Buffer.SINGLE else f"{tensor.value} ({buffer.value})")
    return " + ".join(found) or "nothing"


def _box(drawing: Drawing, top: float, height: float, heading: str, lines: list[tuple[str, Fill | None]]) -> None:
    drawing.rect(0.002, top, 0.996, height, ("#ffffff", ""), edge=FAINT)
    drawing.text(0.02, top + PAD + LINE - 3, heading, bold=True)
    y = top + PAD + LINE
    for text, share in lines:
        y += LINE
        drawing.text(0.02, y - 3, text)
        if share is not None:
            drawing.rect(0.02, y, 0.96, 6, ("#eeeeee", ""))
            title = f"the fullest layer {percent(share.most)} %, the mean {percent(share.mean)} %"
            drawing.rect(0.02, y, 0.96 * min(share.most, 1.0), 6, ("#9db8c9", ""), title)
            drawing.rect(0.02, y, 0.96 * min(share.mean, 1.0), 6, ("#0072B2", ""), title)
            y += 10


def _below(machine: Architecture, index: int) -> dict[Tensor, list[str]]:
    """Lines beside each tensor's arrow below a level."""
    fanout = machine.levels[index].fanout
    found = {}
    for tensor in TENSORS:
        network = fanout.network(tensor)
        kind = [] if network.kind is NetworkKind.MULTICAST and fanout.y * fanout.x == 1 else [network.kind.value]
        if not fanout.declared and fanout.y * fanout.x == 1:
            kind = []
        words = speed_text(machine, index, tensor)
        found[tensor] = [tensor.value, *kind, *(words.split("\n") if words else [])]
    if fanout.y * fanout.x > 1:
        found[Tensor.IFMAP].insert(0, f"{fanout.y} x {fanout.x} below")
        for tensor in (Tensor.FILTER, Tensor.PSUM):
            found[tensor].insert(0, "")
    return found


def _arrows(drawing: Drawing, top: float, height: float, texts: Mapping[Tensor, list[str]]) -> None:
    for place, (tensor, lines) in enumerate(texts.items()):
        x = 0.03 + place / 3
        colour = PAINT[tensor]
        drawing.line((x, top + 2, x, top + height - 4), colour, 3)
        # ends as small boxes: shares of the width and pixels do not mix in one arrow head
        foot = top + 2 if tensor is Tensor.PSUM else top + height - 8
        drawing.rect(x - 0.012, foot, 0.024, 5, (colour, ""))
        for at, line in enumerate(lines):
            own = FAINT if line != tensor.value else TEXTS[tensor]
            drawing.text(x + 0.02, top + PAD + LINE * (at + 1) - 3, shown(line, 20), colour=own, bold=own != FAINT)
