"""A machine as a picture: levels, networks and array, from its file; and what happens when, as lanes of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from accelsim.architecture.model import Architecture, Buffer, Level, Network, Port
from accelsim.report.framing import PLAIN, new_axes
from accelsim.report.palette import GREY, MAC_COLOUR, PAINT
from accelsim.workload.problem import TENSORS, Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS = {Tensor.IFMAP: 2.5, Tensor.FILTER: 1.5, Tensor.PSUM: 0.5}
"""Where each tensor is, from the bottom; a box is three rows high."""
HEIGHT, BOX, GAP, MOST, FEW = 3.0, 2.05, 1.75, 16, 512
"""Of a level; its width, and that of networks beside it; PEs drawn along a side of an array; sizes told in words."""
TEXT = 7
EDGE, SLOW = "#444444", "#cccccc"


class Bar(NamedTuple):
    """One activity: its lane, when, and the tensor that it moves (None: MACs). waits : it stands still in between."""

    lane: str
    begin: int
    end: int
    tensor: Tensor | None
    waits: bool = False


class Page(NamedTuple):
    """What is drawn of a machine at work. title : over the machine. caption : over the lanes. cycles : of the layer.

    returns : whether psums go down, too.
    """

    title: str
    caption: str
    cycles: int
    returns: bool = False


def draw(machine: Architecture, bars: Sequence[Bar], page: Page) -> Axes:
    """The machine above, the time of one small layer below, lanes in the order of their first bar."""
    lanes = list(dict.fromkeys((bar.lane, bar.tensor) for bar in bars))
    tall = 0.24 * len(lanes) + 0.75
    axes = new_axes(11.6, 3.1 + tall)
    figure = axes.figure
    assert figure is not None
    figure.delaxes(axes)
    above, below = figure.subplots(2, 1, height_ratios=[3.1, tall])
    draw_machine(machine, above, page.returns)
    above.set_title(page.title, loc="left", fontsize=10, **PLAIN)
    draw_lanes(bars, lanes, page.cycles, below)
    below.set_title(page.caption, loc="left", fontsize=8, color=GREY, **PLAIN)
    return above  # type: ignore[no-any-return]


# ---- the machine -----------------------------------------------------------------------------------------------------


def draw_machine(machine: Architecture, axes: Axes, returns: bool = False) -> None:
    """Levels from the outermost on, the array, one of its PEs with what lies in it; returns : psums go down, too."""
    left, last = 0.0, len(machine.levels) - 1
    for index, level in enumerate(machine.levels):
        _level(machine, level, axes, left)
        left += BOX
        if index < machine.pe_level or index < last:
            _networks(machine, index, axes, left, returns)
            left += GAP
        if index == machine.pe_level - 1:
            left = _array(machine, level, axes, left)
    left = _macs(machine, axes, left)
    axes.set_xlim(-0.1, left + 0.1)
    axes.set_ylim(-0.35, HEIGHT + 0.5)
    axes.set_aspect("auto")
    axes.axis("off")


def _level(machine: Architecture, level: Level, axes: Axes, left: float) -> None:
    """A box with a row for each tensor: how much of it is kept, or a line that passes by."""
    _box(axes, left, BOX, level.name)
    for tensor, y in ROWS.items():
        if tensor in level.keeps:
            told = _kept(machine, level, tensor)
            axes.text(left + 0.08, y, told, fontsize=TEXT, va="center", color=PAINT[tensor], **PLAIN)
        else:
            axes.plot([left, left + BOX], [y, y], color=PAINT[tensor], lw=1, ls=":")


def _kept(machine: Architecture, level: Level, tensor: Tensor) -> str:
    """Room for a tensor, how it is buffered, and whether it comes anew."""
    lines = [tensor.value]
    for part in level.capacity:
        if tensor in part.tensors:
            shared = [other.value for other in TENSORS if other in part.tensors and other is not tensor]
            words = part.bits / machine.word_bits[tensor]
            few = not shared and words <= FEW
            room = f"{words:g} words" if few else size_text(part.bits)
            lines.append(f"{room} with {' and '.join(shared)}" if shared else room)
    buffer = level.buffering(tensor)
    how = [str(buffer)] if buffer is not Buffer.SINGLE else []
    if level.slots(tensor) > 2:
        how = [f"{level.slots(tensor)} tiles"]
    if tensor in level.refetch:
        how.append("anew")
    return "\n".join([*lines, *([", ".join(how)] if how else [])])


def size_text(bits: int) -> str:
    """A capacity as a person writes it."""
    size = bits / 8
    for unit in ("B", "KiB", "MiB"):
        if size < 1024 or unit == "MiB":
            break
        size /= 1024
    return f"{size:g} {unit}"


def _networks(machine: Architecture, index: int, axes: Axes, left: float, returns: bool) -> None:
    """Arrows from a level to the next one, or into its array."""
    fanout = machine.levels[index].fanout
    for tensor, y in ROWS.items():
        network = fanout.network(tensor)
        style = "->" if tensor is not Tensor.PSUM else "<->" if returns and not network.accumulate_on_drain else "<-"
        axes.annotate(
            "",
            (left + GAP, y),
            (left, y),
            arrowprops={"arrowstyle": style, "color": PAINT[tensor], "lw": 1.4},
        )
        middle = left + GAP / 2
        if fanout.y * fanout.x > 1:
            kind = network.kind.value
            axes.text(middle, y + 0.08, kind, fontsize=TEXT, ha="center", va="bottom", color=PAINT[tensor], **PLAIN)
        told = speed_text(machine, index, tensor)
        axes.text(middle, y - 0.1, told, fontsize=TEXT, ha="center", va="top", color=GREY, **PLAIN)


def speed_text(machine: Architecture, index: int, tensor: Tensor) -> str:
    """How fast a tensor is below a level; nothing of what takes no time."""
    fanout = machine.levels[index].fanout
    network, told = fanout.network(tensor), []
    port = _port(network, tensor)
    if port:
        narrow = [level.name for level in machine.levels].index(machine.narrow) if machine.narrow else machine.pe_level
        final = tensor is Tensor.PSUM and index < narrow
        bits = machine.final_bits if final else machine.word_bits[tensor]
        words = float(port.rate if port.in_words else port.rate / bits)
        told.append(f"{words:.3g} word{'' if words == 1 else 's'} a cycle")
        ports = [_port(other, t) for t, other in fanout.networks.items()]
        if sum(other is not None and other.name == port.name for other in ports) > 1:
            told.append(f"port {port.name.rpartition(' ')[2]}")
    if network.latency:
        told.append(f"{network.latency} later")
    return "\n".join(told)


def _port(network: Network, tensor: Tensor) -> Port | None:
    """What a tensor mostly goes through: psums on their way up."""
    return network.up if tensor is Tensor.PSUM else network.down


def _array(machine: Architecture, level: Level, axes: Axes, left: float) -> float:
    """The PEs of an array, one of them with lines to what is inside it; those of a large one are not all drawn."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    rows, cols = level.fanout.y, level.fanout.x
    drawn = min(rows, MOST), min(cols, MOST)
    wide = 2.4 if drawn[1] > drawn[0] / 2 else 1.2
    pitch = wide / drawn[1], HEIGHT / drawn[0]
    squares = [
        Rectangle((left + col * pitch[0], (row + 0.1) * pitch[1]), 0.8 * pitch[0], 0.8 * pitch[1])
        for row in range(drawn[0])
        for col in range(drawn[1])
    ]
    axes.add_collection(PatchCollection(squares[:-1], facecolor="#dddddd", edgecolor="none"))
    axes.add_collection(PatchCollection(squares[-1:], facecolor=MAC_COLOUR, edgecolor="none"))
    name = f"{rows} x {cols} PEs" + (", skewed" if machine.skew else "")
    axes.text(left + wide / 2, HEIGHT + 0.12, name, fontsize=TEXT + 1, ha="center", weight="bold", **PLAIN)
    edge, inner = left + wide - 0.2 * pitch[0], left + wide + 0.5
    for start, end in ((HEIGHT - 0.1 * pitch[1], HEIGHT), (HEIGHT - 0.9 * pitch[1], 0.0)):
        axes.plot([edge, inner], [start, end], color=MAC_COLOUR, lw=0.8)
    return inner


def _macs(machine: Architecture, axes: Axes, left: float) -> float:
    """What multiplies, with what holds it up."""
    wide = 1.5
    left += 0.15
    _box(axes, left, wide, "MACs", fill="#eeeeee")
    told = [f"{machine.macs_per_cycle} a cycle"]
    if machine.mac_cycles > 1:
        told = [f"{machine.macs_per_cycle} at once,", f"{machine.mac_cycles} cycles"]
    if machine.pipeline:
        told.append(f"sums {machine.pipeline} later")
    fixed = sum(sum(level.fixed.tile.values()) + sum(level.fixed.fill.values()) for level in machine.levels)
    drains = sum(level.fixed.drain for level in machine.levels)
    if fixed:
        told.append(f"{fixed} before\na tile")
    if drains:
        told.append(f"{drains} before\nsums leave")
    if machine.lock:
        told.append(f"lock step\nover {' '.join(sorted(machine.lock.dims))}")
    if machine.wave is not None:
        told.append(f"next weights\n{machine.wave} behind")
    if machine.after > 1:
        told.append(f"{machine.after} at the end")
    axes.text(left + wide / 2, HEIGHT / 2, "\n".join(told), fontsize=TEXT, ha="center", va="center", **PLAIN)
    return left + wide


def _box(axes: Axes, left: float, wide: float, name: str, fill: str = "white") -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((left, 0), wide, HEIGHT, facecolor=fill, edgecolor=EDGE, lw=1))
    axes.text(left + wide / 2, HEIGHT + 0.12, name, fontsize=TEXT + 1, ha="center", weight="bold", **PLAIN)


# ---- time ------------------------------------------------------------------------------------------------------------


def draw_lanes(bars: Sequence[Bar], lanes: Sequence[tuple[str, Tensor | None]], cycles: int, axes: Axes) -> None:
    """A lane for each network and one for the MACs: hatched where they are idle, light where words come too slowly."""
    for at, (lane, tensor) in enumerate(lanes):
        if tensor is None:
            axes.broken_barh([(0, cycles)], (at - 0.36, 0.72), facecolor="none", edgecolor="#bbb", hatch="////", lw=0)
        for waits, colour in ((False, MAC_COLOUR), (True, SLOW)):
            mine = [bar for bar in bars if (bar.lane, bar.tensor, bar.waits) == (lane, tensor, waits)]
            spans = [(bar.begin, bar.end - bar.begin) for bar in mine]
            paint = colour if tensor is None else PAINT[tensor]
            axes.broken_barh(spans, (at - 0.36, 0.72), facecolor=paint, edgecolor="white", lw=0.5)
    names = [lane if tensor is None else f"{lane} {tensor.value}" for lane, tensor in lanes]
    axes.set_yticks(range(len(lanes)), names, fontsize=TEXT, **PLAIN)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=TEXT)
    axes.set_ylim(len(lanes) - 0.5, -0.5)
    axes.set_xlim(0, cycles)
    axes.set_xlabel("cycle", fontsize=TEXT)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color="#eeeeee", lw=0.6)
    axes.set_axisbelow(True)
