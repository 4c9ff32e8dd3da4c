"""Why the MAC array stood still: every idle cycle is charged to one cause (T15)."""

from __future__ import annotations

from collections import Counter

from .machine import units_done_at
from .program import MAC_ARRAY, Activity, Program, Wait


def start_bound(wait: Wait) -> int:
    """The earliest start a predecessor allowed."""
    since = units_done_at(wait.on, wait.units if wait.streamed else wait.on.length)
    assert since is not None
    return since + wait.latency


class Stalls:
    """Walks back from each gap to the port that holds it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.previous: dict[Activity, dict[str, Activity]] = {}
        last: dict[str, Activity] = {}
        for activity in program.activities:
            self.previous[activity] = {port: last[port] for port in activity.ports if port in last}
            last.update(dict.fromkeys(activity.ports, activity))

    def attribute(self, end: int) -> dict[str, int]:
        """Cause -> cycles; with the compute cycles they add up to `end`."""
        machine = self.program.machine
        causes = Counter({"fixed": machine.before + machine.after})
        busy_until, end = machine.before, end - machine.after
        for index, compute in enumerate(self.program.computes):
            if compute.start > busy_until:
                causes[self.gap(compute) if index else "fill"] += compute.start - busy_until
            causes["fixed"] += compute.hold
            causes["pe"] += compute.post
            stretch = compute.end - compute.start - compute.hold - compute.length
            if stretch:
                causes[self.stretch(compute)] += stretch
            busy_until = compute.end
        causes["drain"] += end - busy_until
        return {cause: cycles for cause, cycles in causes.items() if cycles}

    def gap(self, compute: Activity) -> str:
        """The cause of a gap before a compute: the predecessor with the latest bound, the smaller key first."""
        before = self.program.computes[compute.number - 1]
        if before.end < before.releases[MAC_ARRAY] == compute.start:
            return "least"
        binding = min(compute.waits, key=lambda wait: (-start_bound(wait), wait.on.key))
        return binding.cause or self.name(self.origin(binding.on))

    def stretch(self, compute: Activity) -> str:
        """The cause of a last unit that came late: the streamed predecessor that ended last."""
        late = [wait for wait in compute.waits if wait.streamed and not wait.started]
        binding = min(late, key=lambda wait: (-(wait.on.end + wait.latency), wait.on.key))
        return self.name(self.origin(binding.on))

    def origin(self, activity: Activity) -> Activity:
        """Follow a transfer back through the transfers that set its start, to the one that its own port held."""
        while activity.kind != "C" and activity.start > self.program.machine.before:
            own = self.previous[activity]
            if any(before.releases[port] == activity.start for port, before in own.items()):
                break
            setters = [wait.on for wait in activity.waits if start_bound(wait) == activity.start]
            if not setters:
                break
            setter = min(setters, key=lambda a: a.key)
            if setter.kind in ("C", "J"):
                break
            activity = setter
        return activity

    def name(self, activity: Activity) -> str:
        """The network of a transfer; a compute waiting for another is its pipeline."""
        stream = activity.stream
        if activity.kind == "C" or stream is None:
            return "pipeline"
        levels = self.program.machine.levels
        child = "PE" if stream.register else levels[stream.level].name
        arrow = "<-" if activity.kind == "D" else "->"
        return f"{levels[stream.parent].name}{arrow}{child} {stream.tensor.value}"
