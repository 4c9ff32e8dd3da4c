"""A window of a layer's cycles as a Chrome trace, which Perfetto opens: tracks of slices, one cycle one microsecond.

Slices come out of `tracks`, data that anything can draw; `write` makes the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, TextIO

import numpy as np

from accelsim.engine.fused.handed_seen import HandedTimeline
from accelsim.engine.fused.timeline import GroupTimeline
from accelsim.engine.networks.ports import NO_PORTS
from accelsim.engine.program import Ints
from accelsim.engine.timeline import DRAIN, FILL, OLD, STEP, Copied, Timeline
from accelsim.engine.timing.kernels import observe as line
from accelsim.engine.zeros.cartesian_seen import PeTimeline
from accelsim.report.slices import COMPUTE, MACS, STALL, Slice, Track, clipped
from accelsim.report.timeline_copied import tracks as of_copied
from accelsim.report.timeline_groups import tracks as of_group
from accelsim.report.timeline_handed import tracks as of_handed
from accelsim.report.timeline_pes import tracks as of_pes
from accelsim.report.timeline_reasons import Reasons
from accelsim.version import __version__
from accelsim.workload.problem import TENSORS, Tensor

HEAD = 180
"""Bytes that name a track."""
SAMPLE = 500
"""Slices that are written to tell how large a file will be."""


Window = Timeline | PeTimeline | GroupTimeline | Copied | HandedTimeline


class Layer(NamedTuple):
    """A window of one layer, or of a group of layers; name : as the workload has it."""

    name: str
    window: Window


def tracks(found: Window, tell: Callable[[Timeline], Reasons] = Reasons) -> Iterator[Track]:
    """The MAC array, then each direction of each network, then each port; in several lanes where slices overlap.

    The slices of the MAC array follow each other without a gap: those of `STALL`, by their name, are the stall table.
    Of Cartesian PEs, see `timeline_pes.tracks`; of groups `timeline_groups.tracks`, of layers with an epilogue
    `timeline_handed.tracks`. tell : what tells of transfers.
    """
    if isinstance(found, PeTimeline):
        yield from of_pes(found)
        return
    if isinstance(found, GroupTimeline):
        yield from of_group(found, tracks)
        return
    if isinstance(found, HandedTimeline):
        yield from of_handed(found, tracks)
        return
    if isinstance(found, Copied):
        yield from of_copied(found, tracks)
        return
    if found.pace > 1:
        yield from _at_pace(found, tell)
        return
    macs = list(_array(found))
    yield Track(MACS, len(macs), macs)
    lines, reasons = found.lines, tell(found)
    order = np.argsort(found.edges[:, 1], kind="stable").tolist()
    for way, activities in ((0, (FILL, OLD)), (1, (DRAIN,))):
        for x in order if way == 0 else order[::-1]:
            if way and TENSORS[found.edges[x, 0]] is not Tensor.PSUM:
                continue
            mine = np.flatnonzero((lines[:, line.OF] == x) & np.isin(lines[:, line.ACTIVITY], activities))
            name = found.causes[2 * x + way]
            yield from _lanes(found, name, mine, lines[mine, line.START], lines[mine, line.END], reasons.transfer)
    for port, name in enumerate(found.streams.names):
        if name in NO_PORTS:
            continue
        mine, freed = _holders(found, port)
        holder = partial(reasons.holder, port=name)
        yield from _lanes(found, f"port {name}", mine, lines[mine, line.BEGIN], freed, holder)


def _at_pace(found: Timeline, tell: Callable[[Timeline], Reasons]) -> Iterator[Track]:
    """The same in core cycles, of a machine that runs at a part of its clock."""
    pace, (low, high) = found.pace, found.span
    own = replace(found, pace=1, span=(low // pace, -(-high // pace)), cycles=found.cycles // pace)
    for track in tracks(own, tell):
        shown = [_slower(one, pace) for one in track.slices]
        kept = [clipped(found.span, one) for one in shown if one.begin < high and one.end > low]
        yield Track(track.name, len(kept), kept)


def _slower(shown: Slice, pace: int) -> Slice:
    """A slice at its whole length, in core cycles."""
    begin, end = shown.told.get("from", shown.begin), shown.told.get("to", shown.end)
    told = {name: value for name, value in shown.told.items() if name not in ("from", "to")}
    return shown._replace(begin=pace * begin, end=pace * end, told=told)


def _holders(found: Timeline, port: int) -> tuple[Ints, Ints]:
    """(lines that hold a port, until when each does)."""
    lines, streams = found.lines, found.streams
    index, until = [], []
    for x, kept in enumerate(streams.kept):
        for slot in np.flatnonzero(streams.ports[x, : len(kept)] == port).tolist():
            if streams.labels[x][kept[slot]][0] in NO_PORTS:
                continue
            mine = np.flatnonzero((lines[:, line.OF] == x) & (lines[:, line.FREED + slot] >= 0))
            index.append(mine)
            until.append(lines[mine, line.FREED + slot])
    none = np.zeros(0, np.int64)
    chosen, freed = np.concatenate([none, *index]), np.concatenate([none, *until])
    # a port that an activity names twice is held once
    chosen, first = np.unique(chosen, return_index=True)
    return chosen, freed[first]


def _lanes(found: Timeline, name: str, index: Ints, begin: Ints, end: Ints, tell: Any) -> Iterator[Track]:
    """A track of these lines, or several; what takes no time is left out, as is what lies outside the window."""
    before, (low, high) = found.architecture.before, found.span
    begin, end = begin + before, end + before
    inside = (end > begin) & (end > low) & (begin < high)
    index, begin, end = index[inside], begin[inside], end[inside]
    order = np.lexsort((end, begin))
    index, begin, end = index[order], begin[order], end[order]
    lanes: list[int] = []
    of = np.zeros(len(index), np.int64)
    if (begin[1:] >= end[:-1]).all():
        lanes = [0]
    else:
        for i, (first, last) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
            lane = next((at for at, free in enumerate(lanes) if free <= first), len(lanes))
            lanes[lane : lane + 1] = [last]
            of[i] = lane
    for lane in range(len(lanes)):
        mine = np.flatnonzero(of == lane)
        told = name if lane == 0 else f"{name} ({lane + 1})"
        yield Track(told, len(mine), (tell(int(index[i]), int(begin[i]), int(end[i])) for i in mine))


def _array(found: Timeline) -> Iterator[Slice]:
    """What the MAC array does in each cycle of the window."""
    machine, reasons = found.architecture, Reasons(found)
    before, end = machine.before, found.cycles - machine.after
    yield from _cut(found, "fixed", STALL, 0, before, {})
    for at in np.flatnonzero(found.lines[:, line.ACTIVITY] == STEP).tolist():
        row = found.lines[at].tolist()
        first, units, step = row[line.START] + before, row[line.UNITS], row[line.NUMBER]
        ready, name = first - row[line.BEFORE], f"step {step}"
        if row[line.MANY] > 1:
            name = f"steps {step} to {step + row[line.MANY] - 1}"
        told = {"tile": reasons.tile(at)}
        if ready > row[line.BEGIN] + before:
            waits = reasons.of(row)
            yield from _cut(found, found.causes[row[line.CAUSE]], STALL, row[line.BEGIN] + before, ready, waits)
        yield from _cut(found, "fixed", STALL, ready, first, {})
        if row[line.LATE]:
            # the last unit waits for the last word that is streamed
            yield from _cut(found, name, COMPUTE, first, first + units - 1, told)
            first += units - 1
            yield from _cut(found, found.causes[row[line.LATE_CAUSE]], STALL, first, first + row[line.LATE], {})
            first, units = first + row[line.LATE], 1
        yield from _cut(found, name, COMPUTE, first, first + units, told)
        yield from _cut(found, "pe", STALL, row[line.END] - row[line.POST] + before, row[line.END] + before, {})
    if found.drain is not None:
        yield from _cut(found, "drain", STALL, *found.drain, {})
    yield from _cut(found, "fixed", STALL, end, found.cycles, {})


def _cut(found: Timeline, name: str, category: str, begin: int, end: int, told: Mapping[str, Any]) -> Iterator[Slice]:
    """A slice, cut off at the window; none where nothing is left."""
    if begin < end and begin < found.span[1] and end > found.span[0]:
        yield clipped(found.span, Slice(name, category, begin, end, told))


def size_of(layers: Sequence[Layer]) -> tuple[int, int]:
    """(slices, about how many bytes their file takes)."""
    slices = size = 0
    for layer in layers:
        for track in tracks(layer.window):
            shown = [len(_event(each, 1, 1)) for each in islice(iter(track.slices), SAMPLE)]
            slices += track.many
            size += sum(shown) * track.many // max(len(shown), 1) + 2 * track.many + HEAD + len(track.name)
        size += HEAD
    return slices, size + HEAD


def write(file: TextIO, layers: Sequence[Layer], about: Mapping[str, Any]) -> None:
    """Write a Chrome trace: a process for each layer, a thread for each track; ts and dur in cycles.

    about : what was run, for `otherData`.
    """
    told = {"accelsim": __version__, "unit": "1 us is one core cycle", **about}
    file.write('{"displayTimeUnit":"ns","otherData":' + json.dumps(told) + ',"traceEvents":[\n')
    for at, text in enumerate(_events(layers)):
        file.write((",\n" if at else "") + text)
    file.write("\n]}\n")


def _events(layers: Sequence[Layer]) -> Iterator[str]:
    for pid, layer in enumerate(layers, 1):
        low, high = layer.window.span
        yield _named("process_name", pid, 0, f"{layer.name}: cycles {low:,} to {high:,} of {layer.window.cycles:,}")
        for tid, track in enumerate(tracks(layer.window), 1):
            yield _named("thread_name", pid, tid, track.name)
            yield _sorted(pid, tid)
            yield from (_event(each, pid, tid) for each in track.slices)


def _event(shown: Slice, pid: int, tid: int) -> str:
    told = f',"args":{json.dumps(shown.told)}' if shown.told else ""
    return (
        f'{{"ph":"X","pid":{pid},"tid":{tid},"ts":{shown.begin},"dur":{shown.end - shown.begin},'
        f'"name":{json.dumps(shown.name)},"cat":"{shown.category}"{told}}}'
    )


def _named(what: str, pid: int, tid: int, name: str) -> str:
    return json.dumps({"ph": "M", "pid": pid, "tid": tid, "name": what, "args": {"name": name}})


def _sorted(pid: int, tid: int) -> str:
    return json.dumps({"ph": "M", "pid": pid, "tid": tid, "name": "thread_sort_index", "args": {"sort_index": tid}})
