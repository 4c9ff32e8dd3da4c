"""The machine, tick by tick: every port serves its queue in program order, one unit per cycle."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .program import Activity, Wait

Hook = Callable[[Activity], None]


def units_done_at(activity: Activity, units: int) -> int | None:
    """The cycle from which this many units (all, if it has fewer) are done; None: not yet."""
    if activity.length == 0 or units >= activity.length:
        return activity.end if activity.end >= 0 else None
    return activity.unit_ends[units - 1] if len(activity.unit_ends) >= units else None


def may_start(wait: Wait, now: int) -> bool:
    """Whether a predecessor lets the first unit go in this cycle."""
    since = units_done_at(wait.on, wait.units if wait.streamed else wait.on.length)
    return since is not None and since + wait.latency <= now


def may_finish(wait: Wait, now: int) -> bool:
    """Whether a predecessor lets the last unit go in this cycle."""
    return wait.started or (wait.on.end >= 0 and wait.on.end + wait.latency <= now)


class Machine:
    """State of all ports and activities; `first` and `last` are told of the first and last unit of each activity.

    since : the cycle in which everything may begin. least : cycles from the first unit of a step to the next step.
    """

    def __init__(self, program: list[Activity], first: Hook, last: Hook, since: int = 0, least: int = 0) -> None:
        self.first, self.last, self.now, self.least = first, last, since, least
        self.held: list[Activity] = []
        self.busy_until: dict[str, int] = {}
        self.queues: dict[str, deque[Activity]] = {}
        self.waiting_for = {activity: len(activity.waits) for activity in program}
        self.followers: dict[Activity, list[Activity]] = {activity: [] for activity in program}
        for activity in program:
            for wait in activity.waits:
                self.followers[wait.on].append(activity)
            for port in activity.ports:
                self.queues.setdefault(port, deque()).append(activity)
        self.left = len(program)
        self.running: list[Activity] = []
        self.done: dict[Activity, dict[str, int]] = {}
        # what waits for a mere start may have to be looked at before that is over
        early = {a for a in program if not a.waits or any(wait.started for wait in a.waits)}
        self.armed = [a for a in program if not a.ports and a in early]
        self.waiting_for.update(dict.fromkeys(early, -1))
        self.patience = 16 + least + max((a.hold + wait.latency for a in program for wait in a.waits), default=0)
        self.patience += max((a.hold for a in program), default=0)

    def run(self) -> int:
        """Tick until everything is done; gives the cycle in which the layer has ended."""
        activities, quiet = list(self.waiting_for), 0
        while self.left:
            quiet = 0 if self.tick() else quiet + 1
            assert quiet <= self.patience, f"deadlock at cycle {self.now}: {self.stuck()}"
            self.now += 1
        return max((a.end + a.latency for a in activities), default=0)

    def stuck(self) -> str:
        """What the head of every port is."""
        return ", ".join(f"{port}: {queue[0].kind}{queue[0].number}" for port, queue in self.queues.items() if queue)

    def tick(self) -> bool:
        """One cycle: let everything start that may, then do one unit everywhere."""
        progress = False
        for port in [port for port, when in self.busy_until.items() if when <= self.now]:
            del self.busy_until[port]
            self.queues[port].popleft()
        while self.untimed() or self.starts() or self.let_go():
            progress = True
        for activity in list(self.running):
            progress |= self.work(activity)
        return progress

    def untimed(self) -> bool:
        """Activities without a port are over as soon as nothing holds them."""
        ready = [a for a in self.armed if all(may_start(w, self.now) for w in a.waits)]
        for activity in ready:
            self.armed.remove(activity)
            activity.start = self.now
            self.first(activity)
            self.held.append(activity)
        return bool(ready)

    def starts(self) -> bool:
        """Start every activity that heads all its ports and whose first-unit conditions hold."""
        started = False
        heads = dict.fromkeys(queue[0] for queue in self.queues.values() if queue and queue[0].start < 0)
        for head in heads:
            if any(self.queues[port][0] is not head for port in head.ports):
                continue
            if not all(may_start(wait, self.now) for wait in head.waits):
                continue
            head.start, started = self.now, True
            self.first(head)
            self.held.append(head)
        return started

    def let_go(self) -> bool:
        """Begin the units of what has been held long enough."""
        ready = [a for a in self.held if a.start + a.hold <= self.now]
        for activity in ready:
            self.held.remove(activity)
            self.done[activity] = dict.fromkeys(activity.ports, 0)
            for port, share in activity.ports.items():
                if share == 0:
                    self.release(activity, port, self.now)
            if activity.ports and activity.length:
                self.running.append(activity)
            else:
                self.finish(activity, self.now)  # no port, or a step whose slots are all skipped
        return bool(ready)

    def release(self, activity: Activity, port: str, when: int) -> None:
        """Let the next activity have a port; the MAC array not before the least length of a step."""
        if activity.kind == "C":
            when = max(when, activity.start + activity.hold + self.least)
        when += activity.rests.get(port, 0) if activity.ports[port] else 0
        activity.releases[port] = when
        if when <= self.now:
            self.queues[port].popleft()
        else:
            self.busy_until[port] = when

    def work(self, activity: Activity) -> bool:
        """One unit of an activity on each of its ports; a last unit only if its conditions hold."""
        finish = all(may_finish(wait, self.now) for wait in activity.waits)
        moved = False
        for port, share in activity.ports.items():
            done = self.done[activity][port]
            if done == share:
                continue
            if done != share - 1 - activity.post or finish:
                self.done[activity][port] = done + 1
                moved = True
                if done + 1 == share:
                    self.release(activity, port, self.now + 1)
        done = len(activity.unit_ends)
        if done != activity.length - 1 - activity.post or finish:
            activity.unit_ends.append(self.now + 1)
            moved = True
            if done + 1 == activity.length:
                self.running.remove(activity)
                self.finish(activity, self.now + 1)
        return moved

    def finish(self, activity: Activity, when: int) -> None:
        """The last unit is done; followers without a port may now be looked at."""
        activity.end = when
        self.left -= 1
        self.last(activity)
        for follower in self.followers[activity]:
            self.waiting_for[follower] -= 1
            if not self.waiting_for[follower] and not follower.ports:
                self.armed.append(follower)
