"""A window of a layer whose ofmap stays and is written out behind it: its own tracks, then the copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from accelsim.engine.copied import COPY
from accelsim.engine.timeline import Copied, Timeline
from accelsim.report.slices import MACS, PORT, STALL, TRANSFER, Slice, Track, clipped
from accelsim.workload.problem import Tensor

Inner = Callable[[Timeline], Iterable[Track]]


def tracks(found: Copied, of_layer: Inner) -> Iterator[Track]:
    """Tracks of the layer, which end where the copy begins, and then what it holds. of_layer : tracks of a layer."""
    copy, (low, high) = found.copy, found.span
    begin, end = found.cycles - copy.cycles, found.cycles
    outermost, home = found.levels
    told = {"words": copy.words, "waited for": "the end of the layer"}
    network, tensor = f"{outermost}<-{home} {Tensor.PSUM.value}", Tensor.PSUM.value
    more = {MACS: Slice(COPY, STALL, begin, end, {})}
    more[network] = Slice(COPY, TRANSFER, begin, begin + max(copy.busy.values(), default=0), told)
    for port, cycles in copy.busy.items():
        more[f"port {port}"] = Slice(f"{tensor} {COPY}", PORT, begin, begin + cycles, {})
    shown = {name: one for name, one in more.items() if one.begin < one.end and one.begin < high and one.end > low}
    for track in of_layer(replace(found.layer, span=(low, min(high, begin)))):
        slices = [one for one in track.slices if low < begin]
        if track.name in shown:
            slices.append(clipped(found.span, shown.pop(track.name)))
        yield Track(track.name, len(slices), slices)
    for name, one in shown.items():
        yield Track(name, 1, [clipped(found.span, one)])
