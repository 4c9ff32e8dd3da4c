"""When every transfer and every entry begins and ends: rules C6 to C8, event by event, in exact fractions.

Rates change where a transfer begins or ends, and only of those that are joined to it by resources: the others are not
looked at. A transfer is brought up to date when its rate changes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heappop, heappush

from accelsim.package.flow import ZERO, Flow, Schedule, Shares
from accelsim.package.rates import fair_rates

FILL, BODY, DRAIN = "fill", "body", "drain"


@dataclass
class Span:
    """When one transfer went. begin, end : of its words. landed : its latency later."""

    begin: Fraction = ZERO
    end: Fraction = ZERO
    landed: Fraction = ZERO


@dataclass
class Run:
    """What came of a schedule, in cycles.

    begins, ends : of each entry. inputs : (entry, index of its edge) -> when the transfer went.
    phases : (entry, 'fill', 'body' or 'drain') -> the same of the transfers of entries.
    """

    schedule: Schedule
    begins: list[Fraction]
    ends: list[Fraction]
    inputs: dict[tuple[int, int], Span] = field(default_factory=dict)
    phases: dict[tuple[int, str], Span] = field(default_factory=dict)

    @property
    def makespan(self) -> Fraction:
        """The end of the last entry."""
        return max(self.ends, default=ZERO)


@dataclass
class _Moving:
    """A transfer under way. left : bits at time `since`. version : of its rate; ends foreseen under others are void."""

    flow: Flow
    span: Span
    left: Fraction
    since: Fraction
    key: tuple[int, str | int]
    rate: Fraction = ZERO
    version: int = 0


def carried_out(schedule: Schedule) -> Run:
    """Carry a schedule out."""
    return _Engine(schedule).run()


class _Engine:
    def __init__(self, schedule: Schedule) -> None:
        count = len(schedule.entries)
        self.schedule, self.now = schedule, ZERO
        self.result = Run(schedule, [ZERO] * count, [ZERO] * count)
        self.core = schedule.core_of()
        self.place = {entry: at for one in schedule.lists for at, entry in enumerate(one)}
        self.done = [0] * len(schedule.lists)
        self.waits = [len(entry.inputs) for entry in schedule.entries]
        self.parts = [0] * count
        self.ended = [False] * count
        self.readers: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        for entry, one in enumerate(schedule.entries):
            for index, edge in enumerate(one.inputs):
                if edge.producer >= 0:
                    self.readers[edge.producer].append((entry, index))
        self.events: list[tuple[Fraction, int, _Moving | None, int, tuple[int, str | int]]] = []
        self.serial = 0
        self.moving: dict[int, dict[int, _Moving]] = {}
        self.changed: set[int] = set()

    def run(self) -> Run:
        """Start what can; then one instant after another."""
        for one in self.schedule.lists:
            for entry in one[: self.schedule.slots]:
                self.grant(entry)
            if one:
                self.begin_next(self.core[one[0]])
        self.settle()
        while self.events:
            self.now = self.events[0][0]
            while self.events and self.events[0][0] == self.now:
                _, _, moving, version, key = heappop(self.events)
                if moving is None:
                    self.landed(key)
                elif version == moving.version:
                    self.over(moving)
            self.settle()
        return self.result

    # an entry

    def grant(self, entry: int) -> None:
        """A slot: words that exist begin to come; what moves nothing has come with the end of its producer."""
        for index, edge in enumerate(self.schedule.entries[entry].inputs):
            if edge.producer < 0 or self.ended[edge.producer]:
                self.feed(entry, index)

    def feed(self, entry: int, index: int) -> None:
        """Begin the transfer of one input; where nothing moves, it is there."""
        edge = self.schedule.entries[entry].inputs[index]
        span = self.result.inputs[entry, index] = Span(self.now, self.now, self.now)
        self.move(edge.flow, span, (entry, index))

    def begin_next(self, core: int) -> None:
        """Begin the next entry of a core's list if all it needs is there."""
        at = self.done[core]
        if at < len(self.schedule.lists[core]):
            entry = self.schedule.lists[core][at]
            if not self.waits[entry] and not self.parts[entry]:
                self.parts[entry] = 1
                self.result.begins[entry] = self.now
                self.phase(entry, FILL, self.schedule.entries[entry].fill)

    def phase(self, entry: int, name: str, flow: Flow) -> None:
        """Begin one of an entry's own transfers."""
        span = self.result.phases[entry, name] = Span(self.now, self.now, self.now)
        self.move(flow, span, (entry, name))

    def landed(self, key: tuple[int, str | int]) -> None:
        """A transfer has come, or an entry's work is done."""
        entry, what = key
        one = self.schedule.entries[entry]
        if isinstance(what, int):
            self.waits[entry] -= 1
            self.begin_next(self.core[entry])
        elif what == FILL:
            self.parts[entry] = 2
            self.later(one.work, (entry, "work"))
            self.phase(entry, BODY, one.body)
        elif what == DRAIN:
            self.end(entry)
        else:
            self.parts[entry] -= 1
            if not self.parts[entry]:
                self.parts[entry] = 1
                self.phase(entry, DRAIN, one.drain)

    def end(self, entry: int) -> None:
        """An entry ends: its slot goes to the next entry without one, its words exist, the core is free."""
        core, schedule = self.core[entry], self.schedule
        self.result.ends[entry] = self.now
        self.ended[entry] = True
        self.done[core] += 1
        following = self.place[entry] + schedule.slots
        if following < len(schedule.lists[core]):
            self.grant(schedule.lists[core][following])
        for reader, index in self.readers[entry]:
            # one whose slot was granted by this very end has been fed
            if (reader, index) not in self.result.inputs and self.has_slot(reader):
                self.feed(reader, index)
        self.begin_next(core)

    def has_slot(self, entry: int) -> bool:
        """Whether the inputs of an entry have room."""
        return self.place[entry] < self.done[self.core[entry]] + self.schedule.slots

    # a transfer

    def later(self, cycles: Fraction, key: tuple[int, str | int]) -> None:
        """Call `landed` after so many cycles; after none, before time goes on."""
        self.serial += 1
        heappush(self.events, (self.now + cycles, self.serial, None, 0, key))

    def move(self, flow: Flow, span: Span, key: tuple[int, str | int]) -> None:
        """Begin a transfer; one that holds nothing, or has no bits, is over at once."""
        moving = _Moving(flow, span, flow.bits, self.now, key)
        if not flow.bits or not flow.shares:
            self.over(moving)
            return
        for resource, _ in flow.shares:
            self.moving.setdefault(resource, {})[id(moving)] = moving
            self.changed.add(resource)

    def over(self, moving: _Moving) -> None:
        """Its last bit has gone; its latency is left."""
        for resource, _ in moving.flow.shares if moving.flow.bits else ():
            del self.moving[resource][id(moving)]
            self.changed.add(resource)
        moving.version = -1
        moving.span.end = self.now
        moving.span.landed = self.now + moving.flow.latency
        self.later(moving.flow.latency, moving.key)

    def settle(self) -> None:
        """New rates for all that is joined to a resource on which something began or ended."""
        group = self.joined()
        self.changed.clear()
        if not group:
            return
        kinds: Counter[Shares] = Counter(moving.flow.shares for moving in group)
        rates = fair_rates(kinds, self.schedule.capacities)
        for moving in group:
            rate = rates[moving.flow.shares]
            if rate != moving.rate:
                moving.left -= moving.rate * (self.now - moving.since)
                moving.since, moving.rate = self.now, rate
                moving.version += 1
                self.serial += 1
                end = self.now + moving.left / rate
                heappush(self.events, (end, self.serial, moving, moving.version, moving.key))

    def joined(self) -> list[_Moving]:
        """Transfers that hold a changed resource, or one that another of them holds, in the order they are met."""
        found: dict[int, _Moving] = {}
        left, seen = sorted(self.changed), set(self.changed)
        while left:
            for key, moving in self.moving.get(left.pop(), {}).items():
                if key not in found:
                    found[key] = moving
                    more = [resource for resource, _ in moving.flow.shares if resource not in seen]
                    seen.update(more)
                    left += more
        return list(found.values())
