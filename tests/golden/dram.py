"""The DRAM, command by command: a history of commands, and a table of the least distances between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from accelsim.architecture.dram.model import Dram, Page
from accelsim.architecture.model import NetworkKind
from accelsim.workload.problem import TENSORS, Padding, Tensor

from .counts import flow_up, wanted_below
from .nest import Walk, Word
from .words import Stream, Version

BANK, GROUP, CHANNEL = "bank", "group", "channel"


@dataclass(frozen=True)
class Place:
    """Where a burst lies."""

    channel: int
    group: int
    bank: int
    row: int


@dataclass(frozen=True)
class Command:
    """ACT, PRE, RD, WR or REF, when, and to which bank (REF: to all)."""

    name: str
    time: int
    place: Place


def distances(dram: Dram) -> list[tuple[str, str, str, int]]:
    """(earlier command, later command, how near they must lie to matter, least clocks between them)."""
    written = dram.cwl + dram.burst // 2
    rules = [
        ("ACT", "ACT", CHANNEL, dram.t_rrd_s),
        ("ACT", "ACT", GROUP, dram.t_rrd_l),
        ("ACT", "PRE", BANK, dram.t_ras),
        ("PRE", "ACT", BANK, dram.t_rp),
        ("PRE", "REF", CHANNEL, dram.t_rp),
        ("REF", "ACT", CHANNEL, dram.t_rfc),
        ("REF", "REF", CHANNEL, dram.t_rfc),
        ("RD", "PRE", BANK, dram.t_rtp),
        ("WR", "PRE", BANK, written + dram.t_wr),
        ("RD", "WR", CHANNEL, dram.t_rtw),
        ("WR", "RD", CHANNEL, written + dram.t_wtr_s),
        ("WR", "RD", GROUP, written + dram.t_wtr_l),
    ]
    for column in ("RD", "WR"):
        rules.append(("ACT", column, BANK, dram.t_rcd))
        for later in ("RD", "WR"):
            rules += [(column, later, CHANNEL, dram.t_ccd_s), (column, later, GROUP, dram.t_ccd_l)]
    return rules


class Banks:
    """All channels of a DRAM that is never idle."""

    def __init__(self, dram: Dram) -> None:
        self.dram = dram
        self.rules: dict[tuple[str, str], list[tuple[str, int]]] = {}
        for first, second, scope, clocks in distances(dram):
            self.rules.setdefault((first, second), []).append((scope, clocks))
        self.longest = max(dram.t_faw, *(clocks for *_, clocks in distances(dram)))
        self.history: list[Command] = []
        self.open: dict[tuple[int, int, int], int] = {}
        self.latest: list[int] = []  # per burst, the latest read or write up to it
        self.due = dict.fromkeys(range(dram.channels), dram.t_refi)
        self.refreshes, self.end = 0, 0
        self.found: Counter[tuple[str, str, str]] = Counter()

    def place(self, burst: int) -> Place:
        """The address map, least significant part first."""
        dram, parts = self.dram, {}
        sizes = {"Ch": dram.channels, "Bg": dram.groups, "Ba": dram.banks // dram.groups, "Co": self.row_bursts}
        for at in range(len(dram.order) - 2, 0, -2):
            name = dram.order[at : at + 2]
            burst, parts[name] = divmod(burst, sizes[name])
        return Place(parts["Ch"], parts["Bg"], parts["Ba"], burst)

    @property
    def row_bursts(self) -> int:
        """Bursts in a row."""
        return self.dram.row // (self.dram.width * self.dram.burst)

    def earliest(self, name: str, place: Place, arrival: int) -> int:
        """When a command may come: not before its burst is seen, and far enough from every earlier command."""
        time = arrival
        for earlier in self.history:
            for scope, clocks in self.rules.get((earlier.name, name), ()):
                if near(earlier.place, place, scope):
                    time = max(time, earlier.time + clocks)
        if name == "ACT":
            acts = [c.time for c in self.history if c.name == "ACT" and c.place.channel == place.channel]
            if len(acts) >= 4:
                time = max(time, acts[-4] + self.dram.t_faw)
        return time

    def issue(self, name: str, place: Place, arrival: int = 0) -> int:
        """Issue a command as early as may be."""
        time = self.earliest(name, place, arrival)
        self.history.append(Command(name, time, place))
        bank = (place.channel, place.group, place.bank)
        if name == "ACT":
            assert bank not in self.open
            self.open[bank] = place.row
        elif name == "PRE":
            del self.open[bank]
        return time

    def refresh(self, channel: int) -> None:
        """Close every bank of a channel at once, and refresh."""
        self.refreshes += 1
        banks = [Place(channel, g, b, 0) for c, g, b in self.open if c == channel]
        together = max([self.earliest("PRE", place, self.due[channel]) for place in banks], default=self.due[channel])
        for place in banks:
            assert self.issue("PRE", place, together) == together
        self.issue("REF", Place(channel, 0, 0, 0), self.due[channel])
        self.due[channel] += self.dram.t_refi

    def burst(self, tensor: Tensor, number: int, write: bool) -> None:
        """One burst; if its data would be asked for when a refresh is due, that comes first and nothing else before."""
        place, column = self.place(number), "WR" if write else "RD"
        bank = (place.channel, place.group, place.bank)
        arrival = self.arrival()
        while True:
            history, opened = list(self.history), dict(self.open)
            kind = "hit" if self.open.get(bank) == place.row else "conflict" if bank in self.open else "miss"
            if kind == "conflict":
                self.issue("PRE", place, arrival)
            if kind != "hit":
                self.issue("ACT", place, arrival)
            time = self.issue(column, place, arrival)
            if not self.dram.t_refi or time < self.due[place.channel]:
                break
            self.history, self.open = history, opened
            self.refresh(place.channel)
        if self.dram.page is Page.CLOSED:
            self.issue("PRE", place)
        self.latest.append(max([time, *self.latest[-1:]]))
        latency = self.dram.cwl if write else self.dram.cl
        self.end = max(self.end, time + latency + self.dram.burst // 2)
        self.found[tensor.value, "write" if write else "read", kind] += 1
        self.forget()

    def arrival(self) -> int:
        """When the next burst is seen: as the one that many before it leaves the queue."""
        before = len(self.latest) - self.dram.queue
        return self.latest[before] if before >= 0 else 0

    def forget(self) -> None:
        """Leave out of the history what no command can be near to any more."""
        now = self.arrival()
        self.history = [c for c in self.history if c.time + self.longest >= min(now, self.due[c.place.channel])]


def near(one: Place, other: Place, scope: str) -> bool:
    """Whether two commands meet in a scope."""
    if one.channel != other.channel:
        return False
    if scope == CHANNEL:
        return True
    return one.group == other.group and (scope == GROUP or one.bank == other.bank)


# ---- addresses -------------------------------------------------------------------------------------------------------


def shape(walk: Walk, tensor: Tensor) -> tuple[int, ...]:
    """A tensor as it lies in the DRAM."""
    problem = walk.problem
    (n, g, m, c, p, q, r, s), (ib, wb) = problem.sizes, problem.slices
    if tensor is Tensor.FILTER:
        return g, m, wb * c, r, s
    if tensor is Tensor.PSUM:
        return n, g, m, p, q
    if walk.architecture.padding is Padding.ON_CHIP:
        return n, g, ib * c, problem.height, problem.width
    rows, columns = problem.touched
    return n, g, ib * c, max(rows, problem.pad[0] + problem.height), max(columns, problem.pad[1] + problem.width)


def tensor_bits(walk: Walk, tensor: Tensor) -> int:
    """Bits of a whole tensor in the DRAM."""
    bits = walk.architecture.moved_bits[tensor]
    for size in shape(walk, tensor):
        bits *= size
    return bits


def first_bit(walk: Walk, dram: Dram, tensor: Tensor) -> int:
    """Tensors lie one after the other, each in rows of its own."""
    start, row = 0, dram.row * dram.banks * dram.channels
    for before in TENSORS[: TENSORS.index(tensor)]:
        start += -(-tensor_bits(walk, before) // row) * row
    return start


def bursts_of(walk: Walk, dram: Dram, tensor: Tensor, words: Iterable[Word], narrow: bool) -> list[int]:
    """The bursts that hold some words, each once, ascending; narrow: ofmap words, which begin where the psums do."""
    bits, start = walk.architecture.moved_bits[tensor], first_bit(walk, dram, tensor)
    bits = walk.architecture.final_bits if narrow else bits
    size_of_burst = dram.width * dram.burst
    found = set()
    for word in words:
        if tensor is Tensor.IFMAP and walk.architecture.padding is not Padding.ON_CHIP:
            word = (*word[:3], word[3] + walk.problem.pad[0], word[4] + walk.problem.pad[1])
        index = 0
        for at, size in zip(word, shape(walk, tensor), strict=True):
            assert 0 <= at < size
            index = index * size + at
        here = start + index * bits
        found |= set(range(here // size_of_burst, (here + bits - 1) // size_of_burst + 1))
    return sorted(found)


def sets_of(walk: Walk, stream: Stream, version: Version, kind: str) -> list[set[Word]]:
    """The sets of words a transfer moves, one after the other: what each child of a unicast network is sent, each part
    of sums that nobody has added."""
    if kind == "F" and stream.tensor is not Tensor.PSUM:
        alone = walk.architecture.levels[0].fanout.network(stream.tensor).kind is NetworkKind.UNICAST
        wanted = wanted_below(version.fills, int(alone))
        hidden = walk.architecture.padding is Padding.ON_CHIP
        return [
            {word for word in words if not (hidden and walk.is_padding(stream.tensor, word))}
            for _, words in sorted(wanted.items())
        ]
    if kind == "F":
        return [{word for words in version.fills.values() for word in words}]
    parts = flow_up(walk, stream, version)[0][1] if kind == "D" else set(version.old)
    apart: dict[object, set[Word]] = {}
    for word, unmerged, _ in parts:
        apart.setdefault(unmerged, set()).add(word)
    return [words for _, words in sorted(apart.items(), key=lambda item: item[0])]
