"""Time of what is no MAC: words stream from the outermost level through the vector unit and back."""

from __future__ import annotations

from dataclasses import replace

from accelsim.architecture.model import Architecture, Port
from accelsim.workload.problem import Tensor, Width


def latency(
    architecture: Architecture, reads: int, writes: int, operations: int, weights: bool = False
) -> tuple[int, int]:
    """(total, processing) core cycles of one layer; processing: the outermost level's transfers take no time.

    What is read arrives as the ifmap of a layer does, what is written leaves as its ofmap: the same ports, the same
    words. The busiest port or the lanes set the time (docs/model.md, "Vector operations"). Banks of a DRAM are left
    out: words stream at its peak rate.

    weights : what moves is weights: they come as a filter does, and go back the way they came.
    """
    outermost = architecture.levels[0]
    tensors = (Tensor.FILTER, Tensor.FILTER) if weights else (Tensor.IFMAP, Tensor.PSUM)
    widths = (Width.FILTER, Width.FILTER) if weights else (Width.IFMAP, Width.OFMAP)
    arriving, leaving = (outermost.fanout.network(tensor) for tensor in tensors)
    busy: dict[str, int] = {}
    for words, width, ports in (
        (reads, widths[0], (outermost.read_port, arriving.down)),
        (writes, widths[1], (outermost.write_port, leaving.down if weights else leaving.up)),
    ):
        for name, cycles in _held(words, architecture.widths[width], ports).items():
            busy[name] = busy.get(name, 0) + cycles
    processing = -(-operations // architecture.lanes) if architecture.lanes else 0
    delay = (arriving.latency if reads else 0) + (leaving.latency if writes else 0)
    return max(processing, *busy.values(), 0) + delay, processing


def _held(words: int, word_bits: int, ports: tuple[Port | None, Port | None]) -> dict[str, int]:
    """Cycles one transfer holds each port; one named twice is held once, for the larger share."""
    held: dict[str, int] = {}
    for port in ports:
        if port:
            whole = replace(port, peak=False)  # a time, not a bound: rounded up
            held[port.name] = max(held.get(port.name, 0), whole.cycles(words, word_bits))
    return held
