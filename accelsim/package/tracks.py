"""A run as pieces of a timeline: a track for each core, link and memory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from accelsim.package.events import Run
from accelsim.package.model import Package
from accelsim.package.outcome import Track


def tracks(package: Package, run: Run, begin: Fraction, prefix: str = "") -> list[Track]:
    """Entries on their cores; transfers on every resource they hold, from first word to last."""
    found, schedule = [], run.schedule
    owner = schedule.core_of()
    for index, entry in enumerate(schedule.entries):
        name = entry.name or prefix
        core = package.cores[owner[index]].name
        found.append(Track(core, name, begin + run.begins[index], begin + run.ends[index], "core"))
        for edge in range(len(entry.inputs)):
            found += _held(package, entry.inputs[edge].flow.shares, run.inputs[index, edge], begin, f"to {name}")
        for what in ("fill", "body", "drain"):
            shares = getattr(entry, what).shares
            found += _held(package, shares, run.phases[index, what], begin, f"{name} {what}")
    return [one for one in found if one.end > one.begin]


def _held(package: Package, shares: Any, span: Any, begin: Fraction, name: str) -> list[Track]:
    return [
        Track(package.resources[one].name, name, begin + span.begin, begin + span.end, package.resources[one].kind)
        for one, _ in shares
    ]


def trace_text(package: Package, pieces: Iterable[Track]) -> str:
    """A Chrome trace, which Perfetto reads: a thread for each core, link and memory; microseconds.

    What a resource carries at once lies over each other, so its pieces are asynchronous events.
    """
    kinds = {"core": 1, "memory": 2, "link": 3}
    names = [(core.name, "core") for core in package.cores] + [(one.name, one.kind) for one in package.resources]
    threads = {name: index + 1 for index, (name, _) in enumerate(names)}
    events: list[dict[str, Any]] = [
        {
            "ph": "M",
            "pid": pid,
            "name": "process_name",
            "args": {"name": f"{kind}s" if kind != "memory" else "memories"},
        }
        for kind, pid in kinds.items()
    ]
    events += [
        {"ph": "M", "pid": kinds[kind], "tid": threads[name], "name": "thread_name", "args": {"name": name}}
        for name, kind in names
    ]
    scale = 10**6 / package.clock
    for index, piece in enumerate(pieces):
        base = {"pid": kinds[piece.kind], "tid": threads[piece.track], "name": piece.name}
        begin, end = float(piece.begin * scale), float(piece.end * scale)
        if piece.kind == "core":
            events.append({**base, "ph": "X", "ts": begin, "dur": end - begin})
        else:
            own = {**base, "cat": piece.track, "id": index}
            events += [{**own, "ph": "b", "ts": begin}, {**own, "ph": "e", "ts": end}]
    return json.dumps({"displayTimeUnit": "ns", "traceEvents": events}, indent=0) + "\n"
