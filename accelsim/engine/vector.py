"""Time of what is no MAC: words stream from the outermost level through the vector unit and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from accelsim.architecture.model import Architecture, Port
from accelsim.workload.problem import Tensor, Width


def latency(architecture: Architecture, moved: Moved, operations: int, weights: bool = False) -> tuple[int, int]:
    """(total, processing) core cycles of one layer; processing: the outermost level's transfers take no time.

    What is read arrives as the ifmap of a layer does, what is written leaves as its ofmap: the same ports, the same
    words. What stays on the chip passes the ports of its home. The busiest port or the lanes set the time
    (docs/model.md, "Vector operations"). Banks of a DRAM are left out: words stream at its peak rate.

    weights : what moves is weights: they come as a filter does, and go back the way they came.
    """
    outermost = architecture.levels[0]
    tensors = (Tensor.FILTER, Tensor.FILTER) if weights else (Tensor.IFMAP, Tensor.PSUM)
    read, written = (Width.FILTER, Width.FILTER) if weights else (Width.IFMAP, Width.OFMAP)
    arriving, leaving = (outermost.fanout.network(tensor) for tensor in tensors)
    home = architecture.levels[architecture.level_index(moved.home)] if moved.home else None
    busy: dict[str, int] = {}
    inside: dict[str, int] = {}
    for words, width, ports in (
        (moved.reads, read, (outermost.read_port, arriving.down)),
        (moved.writes, written, (outermost.write_port, leaving.down if weights else leaving.up)),
        (moved.reads_at_home, read, (home.read_port if home else None,)),
        (moved.writes_at_home, written, (home.write_port if home else None,)),
    ):
        for name, cycles in held(words, architecture.widths[width], ports).items():
            busy[name] = busy.get(name, 0) + cycles
            if home and ports[0] is not None and ports[0] in (home.read_port, home.write_port):
                inside[name] = inside.get(name, 0) + cycles
    lanes = -(-operations // architecture.lanes) if architecture.lanes else 0
    delay = (arriving.latency if moved.reads else 0) + (leaving.latency if moved.writes else 0)
    return max(lanes, *busy.values(), 0) + delay, max(lanes, *inside.values(), 0)


class Moved(NamedTuple):
    """Words of a layer that does not multiply: read and written in the outermost level, and at their home."""

    reads: int
    writes: int
    reads_at_home: int = 0
    writes_at_home: int = 0
    home: str = ""

    def times(self, images: int) -> Moved:
        """As many words of several images."""
        reads, writes = self.reads * images, self.writes * images
        return Moved(reads, writes, self.reads_at_home * images, self.writes_at_home * images, self.home)


def held(words: int, word_bits: int, ports: Iterable[Port | None]) -> dict[str, int]:
    """Cycles one transfer holds each port; one named twice is held once, for the larger share."""
    found: dict[str, int] = {}
    for port in ports:
        if port:
            whole = replace(port, peak=False)  # a time, not a bound: rounded up
            found[port.name] = max(found.get(port.name, 0), whole.cycles(words, word_bits))
    return found
