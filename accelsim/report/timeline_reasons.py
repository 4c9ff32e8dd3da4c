"""What slices tell of the lines of a layer: words, tile, what they waited for and the rule that says so."""

from __future__ import annotations

from collections.abc import Sequence

from accelsim.engine.timeline import DRAIN, FILL, OLD, STEP, Timeline, Waited
from accelsim.engine.timing.kernels import observe as line
from accelsim.engine.timing.kernels import records
from accelsim.report.slices import PORT, TRANSFER, Slice, clipped
from accelsim.workload.problem import LOOP_DIMS, TENSORS, Tensor

NAMES = {FILL: "fill", DRAIN: "drain", OLD: "old psums"}


class Reasons:
    """What slices tell of their lines."""

    def __init__(self, found: Timeline) -> None:
        self.found, self.known = found, dict[int, Waited | None]()

    def transfer(self, at: int, begin: int, end: int) -> Slice:
        """A transfer on a network."""
        row = self.found.lines[at].tolist()
        told = {"words": row[line.WORDS], "tile": self.tile(at), "from step": row[line.OPENS], **self.of(row)}
        name = _named_of(row[line.ACTIVITY], row[line.NUMBER], row[line.MANY])
        return clipped(self.found.span, Slice(name, TRANSFER, begin, end, told))

    def holder(self, at: int, begin: int, end: int, port: str) -> Slice:
        """A transfer on one of its ports."""
        activity, x, number = self.found.lines[at, :3].tolist()
        name = _named_of(activity, number, int(self.found.lines[at, line.MANY]))
        return clipped(self.found.span, Slice(f"{TENSORS[self.found.edges[x, 0]].value} {name}", PORT, begin, end, {}))

    def tile(self, at: int) -> str:
        """Where a tile begins: 'M16 P3'; dims at 0 are left out."""
        firsts = self.found.tiles[at].tolist()
        return " ".join(f"{dim}{first}" for dim, first in zip(LOOP_DIMS, firsts, strict=True) if first > 0) or "first"

    def of(self, row: Sequence[int]) -> dict[str, str]:
        """What an activity waited for, and the rule of docs/model.md that says so; nothing for what began at once."""
        found, step = self.found, row[line.ACTIVITY] == STEP
        if row[line.PORT] >= 0:
            port = found.streams.names[found.streams.ports[row[line.OF], row[line.PORT]]]
            return {"waited for": f"port {port}", "rule": "T9"}
        held = row[line.START] - row[line.BEFORE]
        if row[line.WAITED] != held or held <= 0:
            return {}
        key = row[line.BEHIND]
        if key not in self.known:
            self.known[key] = found.waited(key)
        waited = self.known[key]
        if waited is None:
            cause = found.causes[row[line.CAUSE]] if step and row[line.CAUSE] >= 0 else ""
            return {"waited for": "the step before", "rule": cause or "T8"}
        if waited.kind == STEP:
            text = f"step {waited.after}"
        else:
            name = found.causes[2 * waited.stream + (waited.kind == DRAIN)]
            text = f"{name}, after step {waited.after}" if waited.after >= 0 else name
        return {"waited for": text, "rule": self.rule(row, waited)}

    def rule(self, row: Sequence[int], waited: Waited) -> str:
        """The rule by which one activity waits for another."""
        found, kind, x = self.found, row[line.ACTIVITY], row[line.OF]
        rows, serial, other = found.streams.rows, found.streams.serial, waited.stream
        if kind == STEP:
            return _of_step(found, row, waited)
        if kind == DRAIN:
            own = waited.kind == STEP or (waited.kind == OLD and other == x)
            return "T6" if other == rows[x, records.PARENT] and not own else "T7"
        if waited.kind in (FILL, OLD):
            if other == rows[x, records.PARENT]:
                return "T5"
            return "T10" if other == serial and other != x else "T6"
        if x == serial and TENSORS[rows[x, records.TENSOR]] is not Tensor.PSUM:
            return "T10"
        return "T6" if waited.kind == STEP else "T5, T6"


def _named_of(activity: int, number: int, many: int) -> str:
    """A transfer by its version, or several by the first."""
    return f"{NAMES[activity]} {number}" if many == 1 else f"{NAMES[activity]} {number} and {many - 1:,} more"


def _of_step(found: Timeline, row: Sequence[int], waited: Waited) -> str:
    """The rule by which a step waits."""
    if waited.kind in (FILL, OLD):
        return "T5"
    if found.causes[row[line.CAUSE]] == "room":
        return "room"
    return "T10" if waited.kind == STEP else "T6"
