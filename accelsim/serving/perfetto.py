"""A run as a Chrome trace that Perfetto opens: iterations, memory, and each request as a flow through them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from accelsim.errors import AccelsimError
from accelsim.serving.kernels import state
from accelsim.serving.run import MOST_EVENTS
from accelsim.serving.served import Served
from accelsim.version import __version__

US = 1e3
"""ns in a us, which is what a trace counts in."""
DEVICE, REQUESTS = 1, 2
PHASES = {
    state.ADMITTED: "runs", state.PUT_BACK_EVENT: "put back, waits", state.CROSSES: "crosses",
    state.LANDS: "landed, waits",
}  # fmt: skip


def write(file: TextIO, served: Served) -> None:
    """Write it. Raises AccelsimError: the run kept no events."""
    if not len(served.run.events):
        raise AccelsimError("a trace needs what happened to each request: serve with events=True")
    file.write('{"displayTimeUnit": "ms", "otherData": ')
    told = {"accelsim": __version__, "what": served.what, "one iteration of": served.run.kept.stride}
    if len(served.run.events) == MOST_EVENTS:
        told["requests"] = f"cut off after {MOST_EVENTS:,} events"
    json.dump(told, file)
    file.write(', "traceEvents": [\n')
    for index, event in enumerate(events(served)):
        file.write((",\n" if index else "") + json.dumps(event))
    file.write("\n]}\n")


def events(served: Served) -> Iterator[dict[str, Any]]:
    """Chrome trace events; times are us from the first arrival."""
    sides = ("device",) if len(served.run.busy) == 1 else ("prefill", "decode")
    yield {"ph": "M", "pid": DEVICE, "name": "process_name", "args": {"name": served.what}}
    yield {"ph": "M", "pid": REQUESTS, "name": "process_name", "args": {"name": "requests"}}
    for side, name in enumerate(sides):
        yield {"ph": "M", "pid": DEVICE, "tid": side, "name": "thread_name", "args": {"name": f"{name}: iterations"}}
    yield from _iterations(served, sides)
    yield from _requests(served)


def _iterations(served: Served, sides: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    start = int(served.run.asked.arrival[0])
    for row in served.run.kept.rows.tolist():
        at, side = (row[state.ROW_START] - start) / US, row[state.ROW_SIDE]
        tokens, batch = row[state.ROW_TOKENS], row[state.ROW_SEQUENCES]
        told = {
            "tokens": tokens, "requests": batch, "decodes": row[state.ROW_DECODES],
            "put back": row[state.ROW_PUT_BACK], "KV blocks": row[state.ROW_BLOCKS],
        }  # fmt: skip
        lasts = (row[state.ROW_END] - row[state.ROW_START]) / US
        name = "decode" if row[state.ROW_DECODES] == batch else "prefill" if not row[state.ROW_DECODES] else "mixed"
        yield {"ph": "X", "pid": DEVICE, "tid": side, "ts": at, "dur": lasts, "name": name, "args": told}
        for what, value in (("requests in an iteration", batch), ("KV blocks", row[state.ROW_BLOCKS])):
            yield {"ph": "C", "pid": DEVICE, "ts": at, "name": f"{sides[side]}: {what}", "args": {"value": value}}
    # the last batch is over
    end = served.run.span / US
    for side in sides:
        for what in ("requests in an iteration", "KV blocks"):
            yield {"ph": "C", "pid": DEVICE, "ts": end, "name": f"{side}: {what}", "args": {"value": 0}}


def _requests(served: Served) -> Iterator[dict[str, Any]]:
    """A request is a row of phases, and a flow from its admission over its first token to its last."""
    asked, start = served.run.asked, int(served.run.asked.arrival[0])
    phase: dict[int, str] = {}
    begun: set[int] = set()

    def span(kind: str, r: int, at: float, name: str) -> dict[str, Any]:
        return {"ph": kind, "cat": "request", "id": r, "pid": REQUESTS, "tid": 0, "ts": at, "name": name}

    for time, r, kind, part in served.run.events.tolist():
        at = (time - start) / US
        side = int(part == state.DECODE)
        if r not in phase:
            arrived = (int(asked.arrival[r]) - start) / US
            told = {"prompt": int(asked.prompt[r]), "output": int(asked.output[r])}
            yield span("b", r, arrived, f"request {r}") | {"args": told}
            yield span("b", r, arrived, "waits")
            phase[r] = "waits"
        if kind == state.FIRST_TOKEN:
            yield span("n", r, at, "first token")
            yield _flow("t", r, at - 1 / US, side)  # the iteration that made it has just ended
            if part == state.PREFILL:
                yield span("e", r, at, phase[r])
                phase[r] = "waits for the link"
                yield span("b", r, at, phase[r])
            continue
        yield span("e", r, at, phase[r])
        if kind == state.DONE:
            yield span("e", r, at, f"request {r}")
            yield _flow("f", r, at - 1 / US, side)
            continue
        phase[r] = PHASES[kind]
        yield span("b", r, at, phase[r])
        if kind == state.ADMITTED:
            yield _flow("t" if r in begun else "s", r, at, side)
            begun.add(r)


def _flow(kind: str, r: int, at: float, side: int) -> dict[str, Any]:
    found = {"ph": kind, "cat": "flow", "id": r, "pid": DEVICE, "tid": side, "ts": at, "name": f"request {r}"}
    return found | ({"bp": "e"} if kind == "f" else {})
