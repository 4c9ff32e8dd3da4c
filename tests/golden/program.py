"""The program: every activity with the ports it holds, what it waits for, and its place in program order (T2-T10)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

from accelsim.architecture.model import Buffer, NetworkKind
from accelsim.workload.problem import TENSORS, Tensor

from .counts import loads_of
from .dram import Banks, bursts_of, sets_of
from .nest import Walk
from .routes import longest
from .slots import cycles_of, round_ends, slots_of, turns_of
from .words import Stream, Version

Key = tuple[int, int, int, int, int]
MAC_ARRAY = "the MAC array"


@dataclass
class Wait:
    """One predecessor. Whole: it must be over `latency` cycles ago. Streamed: the first unit needs `units` of its
    units, the last unit needs all of them, unless it need only have `started`."""

    on: Activity
    latency: int
    streamed: bool = False
    units: int = 1
    started: bool = False
    cause: str = ""


@dataclass(eq=False)
class Activity:
    """One piece of work: `length` units, one per cycle, of which each port it holds carries its own share.

    hold : cycles before the first unit, all ports held. post : the last units, behind the MACs of a step. rests : of
    each port, cycles after its share in which nobody has it.
    """

    kind: str
    number: int
    key: Key
    length: int = 1
    ports: dict[str, int] = field(default_factory=dict)
    waits: list[Wait] = field(default_factory=list)
    latency: int = 0
    stream: Stream | None = None
    version: Version | None = None
    unit_ends: list[int] = field(default_factory=list)
    start: int = -1
    end: int = -1
    releases: dict[str, int] = field(default_factory=dict)
    hold: int = 0
    post: int = 0
    rests: dict[str, int] = field(default_factory=dict)

    @property
    def moves(self) -> tuple[Stream, Version]:
        """What a transfer transfers."""
        if self.stream is None or self.version is None:
            raise AssertionError("a compute moves no tile")
        return self.stream, self.version

    def whole(self, on: Activity | None, latency: int = 0) -> None:
        """Wait for all of another activity (one that does not exist is over)."""
        if on is not None:
            self.waits.append(Wait(on, latency))

    def started(self, on: Activity, latency: int, units: int = 1, cause: str = "") -> None:
        """Wait for the first units of another activity alone."""
        self.waits.append(Wait(on, latency, True, units, True, cause))

    def streamed(self, on: Activity | None, latency: int = 0, units: int = 1) -> None:
        """Wait unit against unit; a transfer of a single unit has first = last and waits for the whole."""
        if on is not None:
            self.waits.append(Wait(on, latency, self.length - self.post > 1, units))


class Program:
    """All activities of one run, by kind, stream and version."""

    def __init__(
        self,
        walk: Walk,
        streams: dict[Tensor, list[Stream]],
        processing: bool = False,
        walks: dict[Tensor, Walk] | None = None,
    ) -> None:
        self.walks = walks or dict.fromkeys(Tensor, walk)
        self.walk, self.streams, self.processing = walk, streams, processing
        self.machine = walk.architecture
        self.inner = {t: chain[-1] if chain else None for t, chain in streams.items()}
        self.transfers: dict[tuple[str, Tensor, int, int], Activity] = {}
        self._kappa: dict[Activity, int] = {}
        fanout = self.machine.levels[self.machine.pe_level - 1].fanout
        has_array = self.machine.pe_level > 0 and fanout.declared
        self.rows = fanout.y if has_array else 1
        self.tail = self.machine.pipeline
        for level in self.machine.levels:
            if self.machine.skew and level.fanout.declared:  # operands are handed on through every array
                self.tail += (level.fanout.y - 1) + (level.fanout.x - 1)
        self.stationary = self.inner[self.machine.serial] if self.machine.serial is not None else None
        psum = self.inner[Tensor.PSUM]
        if psum is not None and psum.register:
            psum.slots += self.tail  # what is on its way through the array has left its register
        self._lengths()
        self._keys()
        self.banks = self._serve_dram()
        joint = self._take_turns()
        self._waits()
        for fill, ends in joint.items():
            fill.started(self.joint, ends - 1)
        together = [self.joint] if joint else []
        self.activities = sorted([*together, *self.computes, *self.transfers.values()], key=lambda a: a.key)
        for activity in self.activities:
            for wait in activity.waits:
                assert wait.on.key < activity.key, f"{activity.kind}{activity.key} comes before {wait.on.key}"

    # ---- what there is -------------------------------------------------------------------------------------------

    def all_streams(self) -> list[Stream]:
        """Every stream, outer levels first within a tensor."""
        return [stream for chain in self.streams.values() for stream in chain]

    def find(self, kind: str, stream: Stream | None, version: int) -> Activity | None:
        """An activity, if it exists."""
        if stream is None:
            return None
        return self.transfers.get((kind, stream.tensor, stream.level, version))

    def absent(self, stream: Stream) -> bool:
        """Processing latency: what crosses only the outermost fan-out takes no part."""
        return self.processing and list(stream.crossed) == [0]

    def _lengths(self) -> None:
        self.computes = []
        for step, length in enumerate(self._compute_lengths()):
            post = sum(self.behind_macs(stream, step) for stream in self.all_streams())
            length += post
            compute = Activity("C", step, (step, 0, 0, 0, 0), length, {MAC_ARRAY: length}, [], self.tail, post=post)
            compute.hold = sum(self.before_step(stream, step) for stream in self.all_streams())
            self.computes.append(compute)
        for stream in self.all_streams():
            if self.absent(stream):
                continue
            for version in stream.versions:
                kinds = ["F"] * bool(version.fills) + ["P"] * bool(version.old)
                for kind in kinds + ["D"] * (stream.tensor is Tensor.PSUM):
                    self._transfer(kind, stream, version)

    def before_step(self, stream: Stream, step: int) -> int:
        """Cycles before the MACs of a step that a stream asks for: a tile that the PEs work on begins."""
        if not stream.innermost or stream.register or stream.serving(step).first != step:
            return 0
        return self.machine.levels[stream.level].fixed.tile.get(stream.tensor, 0)

    def behind_macs(self, stream: Stream, step: int) -> int:
        """Cycles behind the MACs of a step: for psums as their tile ends, for new words of the window."""
        version = stream.serving(step)
        if not stream.innermost or stream.register:
            return 0
        if stream.tensor is Tensor.PSUM and version.last == step:
            return self.machine.psum_in * max(map(len, version.tiles.values()))
        if stream.tensor is Tensor.IFMAP and version.first == step:
            return self.machine.window * max(map(len, version.fills.values()))
        return 0

    def before_words(self, kind: str, stream: Stream) -> int:
        """Cycles before the words of a transfer."""
        if stream.register:
            return 0
        fixed = self.machine.levels[stream.level].fixed
        if kind == "D":
            return fixed.drain
        tile = kind == "F" and not stream.innermost
        return fixed.fill.get(stream.tensor, 0) + (fixed.tile.get(stream.tensor, 0) if tile else 0)

    def _compute_lengths(self) -> list[int]:
        """Cycles of every step: those of its slowest PE, or of PEs that drift apart within their pass."""
        walk, steps = self.walk, range(len(self.walk.steps))
        cycles = [[cycles_of(walk, slots) for slots in slots_of(walk, step).values()] for step in steps]
        self.busy = sum(map(sum, cycles))
        if not self.machine.sparsity.skip:
            return [max(own) * self.machine.mac_cycles for own in cycles]
        passes: dict[int, list[list[int]]] = {}
        for step in steps:
            passes.setdefault(self.pass_of(step).number if self.stationary else 0, []).append(cycles[step])
        lengths = []
        for rounds in passes.values():
            # a step without work for anybody is no place in the queues between the PEs
            ends = round_ends([own for own in rounds if any(own)], self.machine.sparsity.drift)
            apart = iter([end - before for before, end in itertools.pairwise([0, *ends])])
            lengths += [next(apart) if any(own) else 0 for own in rounds]
        return lengths

    def _transfer(self, kind: str, stream: Stream, version: Version) -> None:
        ports: dict[str, int] = {}
        rests: dict[str, int] = {}
        nothing = kind == "D" and not any(version.tiles.values())  # all of the tile lives where it is
        loads = [] if nothing else loads_of(self.walks[stream.tensor], stream, version, kind)
        for port, words, outermost, narrow, every in loads:
            bits = self.machine.final_bits if narrow else self.machine.moved_bits[stream.tensor]
            if version.begins and kind != "D":
                bits = self.machine.bias_bits
            if self.processing and outermost:
                continue
            cycles = port.cycles(words, bits)
            cycles = max(cycles * every - (every - 1), 0)
            rest = every - 1 if cycles else 0
            if self.machine.skew and kind == "F" and stream is self.stationary:
                cycles = max(cycles, self.rows)  # a row per cycle, slower if the port is
            until = max(cycles + rest, rests.get(port.name, 0) + ports.get(port.name, 0))
            ports[port.name] = max(cycles, ports.get(port.name, 0))
            rests[port.name] = until - ports[port.name]
        if self.machine.skew and kind == "F" and stream is self.stationary and not ports:
            ports[f"preload {version.number}"] = self.rows  # takes its time though no port is declared
        length = max(1, *ports.values()) if ports else 0
        latency = 0
        for f in stream.crossed:
            network = self.machine.levels[f].fanout.network(stream.tensor)
            latency += network.latency
            if network.kind is NetworkKind.MESH:
                latency += network.hop_latency * (1 if kind == "P" else longest(self.walk, network, f))
        self.transfers[kind, stream.tensor, stream.level, version.number] = Activity(
            kind, version.number, (0, 0, 0, 0, 0), length, ports, [], latency, stream, version,
            hold=self.before_words(kind, stream), rests=rests,
        )  # fmt: skip

    # ---- DRAM ----------------------------------------------------------------------------------------------------

    def from_dram(self, stream: Stream) -> bool:
        """Whether a stream's transfers pass through banks and rows, and that takes time."""
        return bool(self.machine.levels[0].dram) and stream.parent == 0 and not self.processing

    def _serve_dram(self) -> Banks | None:
        """Give the transfers of the outermost level their lengths: bus time from the end of the one before."""
        dram, port = self.machine.levels[0].dram, self.machine.levels[0].read_port
        if dram is None or port is None or self.processing:
            return None
        banks, before = Banks(dram), 0
        for transfer in sorted(self.transfers.values(), key=lambda a: a.key):
            stream, version = transfer.moves
            if stream.parent:
                continue
            for words in sets_of(self.walk, stream, version, transfer.kind):
                narrow = transfer.kind == "D" and version.narrow_in
                for burst in bursts_of(self.walk, dram, stream.tensor, words, narrow):
                    banks.burst(stream.tensor, burst, transfer.kind == "D")
            after = math.ceil(banks.end / dram.clock)
            preload = self.machine.skew and transfer.kind == "F" and stream is self.stationary
            transfer.ports[port.name] = max(after - before, self.rows if preload else 0)
            transfer.length = max(1, *transfer.ports.values())
            before = after
        return banks

    # ---- transfers in turn ---------------------------------------------------------------------------------------

    def _take_turns(self) -> dict[Activity, int]:
        """When the fills that take a port in turn are over: word by word, the one whose tensor is named first first."""
        pair = self.machine.levels[0].turns
        outer = [next((s for s in self.streams[tensor] if s.outer is None), None) for tensor in pair]
        if self.processing or not pair or None in outer:
            return {}
        one, *others = (
            self.find("F", stream, number)
            for stream, many in zip(outer, (1, None), strict=True)
            for number in range(min(many or stream.slots, len(stream.versions)))
        )
        down = [self.machine.levels[0].fanout.network(tensor).down for tensor in pair]
        own = self.machine.levels[0].read_port
        port = down[0].name if down[0] and down[1] and down[0].name == down[1].name else own.name
        whole, alone, clock, ends = one.ports[port], one.length, 0, {}
        first, queue = whole, [[fill, fill.ports[port]] for fill in others]
        while first or queue:
            while queue and not queue[0][1]:
                ends[queue.pop(0)[0]] = clock
            if first and not queue:
                clock += math.ceil(first * alone / whole)  # at a pace of its own
                first = 0
                ends[one] = clock
            elif first:
                clock, first = clock + 1, first - 1
                if not first:
                    ends[one] = clock
            if queue:
                clock += 1
                queue[0][1] -= 1
        ends.setdefault(one, 0)
        ends[one] = max(ends[one], one.length)
        for fill, least in zip(others, itertools.accumulate(fill.length for fill in others), strict=True):
            ends[fill] = max(ends[fill], least)  # at a pace of their own, too
        clock = max(clock, *ends.values())
        names = dict.fromkeys([*one.ports, *(port for fill in others for port in fill.ports)], clock)
        self.joint = Activity("J", 0, (-2, 0, 0, 0, 0), clock, names)
        for fill in ends:
            fill.ports, fill.length = {}, 0
        return ends

    # ---- program order (T9) --------------------------------------------------------------------------------------

    def slots(self, transfer: Activity) -> int:
        """How many versions back a transfer's slot was used last; a one-unit streamed input fill has a skid slot."""
        stream, _ = transfer.moves
        if transfer.kind == "P":
            crossed = (self.machine.levels[f].fanout.network(Tensor.PSUM) for f in stream.crossed)
            return max(network.slots for network in crossed)
        skid = stream.buffer is Buffer.STREAM and stream.tensor is not Tensor.PSUM and transfer.length <= 1
        skid = skid and not self.from_dram(stream)
        return 2 if skid else stream.slots

    def pass_of(self, step: int) -> Version:
        """The pass a step belongs to, as a version of the stationary tensor."""
        assert self.stationary is not None
        return self.stationary.serving(step)

    def _keys(self) -> None:
        self.kappa: dict[int, int] = {}
        order = sorted(TENSORS, key=lambda t: (t is not self.machine.serial, TENSORS.index(t)))
        for transfer in self.transfers.values():
            stream, version = transfer.moves
            if transfer.kind == "D":
                transfer.key = (version.last, 1, -stream.level, 0, version.number)
            else:
                # what feeds the PE sorts below all levels: a moving operand kept further out than the stationary
                # one follows it (T10b) and must not head a port they share
                depth = self.walk.depth if stream.feeds_pe else stream.level
                transfer.key = (self._after(transfer), 2, depth, order.index(stream.tensor), version.number)

    def _after(self, transfer: Activity) -> int:
        """Kappa: the last step a fill or P can have to wait for."""
        if id(transfer) not in self.kappa:
            self.kappa[id(transfer)] = self._look_back(transfer)
        return self.kappa[id(transfer)]

    def _look_back(self, transfer: Activity) -> int:
        if transfer not in self._kappa:
            self._kappa[transfer] = self._kappa_of(transfer)
        return self._kappa[transfer]

    def _kappa_of(self, transfer: Activity) -> int:
        stream, version = transfer.moves
        back = version.number - self.slots(transfer)
        after = [-1]
        if back >= 0:
            after.append(stream.versions[back].last)
        before = self.fill_before(transfer)
        if before is not None:
            after.append(self._after(before))
        parent = self.parent_fill(transfer)
        if parent is not None:
            after.append(self._after(parent))
        earlier = self.earlier_drain(transfer)
        if earlier is not None and earlier.version is not None:
            after.append(earlier.version.last)
        if self.stationary is not None and stream.feeds_pe:
            mine = self.pass_of(version.first)
            if stream is self.stationary:
                if stream.tensor is not Tensor.PSUM and self.machine.wave is None:
                    after.append(mine.first - 1)
                elif stream.tensor is not Tensor.PSUM and mine.number:
                    after.append(stream.versions[mine.number - 1].first)
            else:
                led = self.find("F", self.stationary, mine.number)
                if led is not None and self.machine.lead:
                    after.append(self._after(led))
        return max(after)

    def fill_before(self, transfer: Activity) -> Activity | None:
        """The fill or old psum before this one on the same network, which it must not overtake."""
        assert transfer.stream is not None
        for number in range(transfer.number - 1, -1, -1):
            found = self.find(transfer.kind, transfer.stream, number)
            if found is not None:
                return found
        return None

    def parent_fill(self, transfer: Activity) -> Activity | None:
        """The fill that brought the parent version this transfer reads."""
        stream, version = transfer.moves
        return self.find("F", stream.outer, stream.outer.serving(version.first).number) if stream.outer else None

    def earlier_drain(self, transfer: Activity) -> Activity | None:
        """The latest earlier drain of the psum tile a transfer reads back."""
        stream, version = transfer.moves
        if stream.tensor is not Tensor.PSUM:
            return None
        tile = self.tile_index(version)
        before = reversed(stream.versions[: version.number])
        same = next((v.number for v in before if self.tile_index(v) == tile), -1)
        return self.find("D", stream, same)

    @staticmethod
    def tile_index(version: Version) -> tuple[int, ...]:
        """N, G, M, P, Q of a psum tile."""
        return version.base[0], version.base[1], version.base[2], version.base[4], version.base[5]

    # ---- predecessors (T3-T8, T10) -------------------------------------------------------------------------------

    def _waits(self) -> None:
        for step, compute in enumerate(self.computes):
            self._wait_compute(step, compute)
        for transfer in self.transfers.values():
            if transfer.kind == "F":
                self._wait_fill(transfer)
            elif transfer.kind == "P":
                self._wait_old(transfer)
            else:
                self._wait_drain(transfer)

    def _wait_compute(self, step: int, compute: Activity) -> None:
        ramp_up = self.stationary is not None and self.pass_of(step).first == step
        for tensor, stream in self.inner.items():
            if stream is None:
                continue
            version = stream.serving(step)
            if version.first != step:
                continue
            fill = self.find("F", stream, version.number)
            by_word = stream.buffer is Buffer.STREAM and not (ramp_up and tensor is not Tensor.PSUM)
            if self.machine.stream:  # a pass begins with the first words of its operands
                by_word = stream.buffer is Buffer.STREAM or stream is self.stationary
            if fill is not None and by_word:
                compute.streamed(fill, fill.latency)
            elif fill is not None:
                compute.whole(fill, fill.latency)
            elif tensor is Tensor.PSUM:
                self._wait_slot(compute, stream, version.number - stream.slots)
        self._wait_room(step, compute)
        if ramp_up and step and self.machine.serial is Tensor.PSUM:
            for earlier in self.computes[:step]:  # that take no time end together: the first of them binds
                compute.whole(earlier, self.tail)

    def _wait_room(self, step: int, compute: Activity) -> None:
        """The last step of a psum tile waits until what is on its way out leaves room for the tile."""
        for stream in self.streams[Tensor.PSUM]:
            if stream.register or self.absent(stream):
                continue
            delivery = self.machine.levels[stream.level].delivery
            version = stream.serving(step)
            if delivery is None or version.last != step:
                continue
            drains = [self.transfers["D", Tensor.PSUM, stream.level, v.number] for v in stream.versions]
            mine, before = drains[version.number].length, drains[: version.number]
            to_leave = min(sum(d.length for d in before), sum(d.length for d in before) + mine - delivery.room)
            for drain in before:
                if 0 < to_leave <= drain.length:
                    compute.started(drain, delivery.back, to_leave, "room")
                to_leave -= drain.length

    def _wait_slot(self, writer: Activity, stream: Stream, freed: int, ring: bool | None = None) -> None:
        """The first writer of a version waits for the last users of the version whose slot it takes."""
        if freed < 0:
            return
        if ring is None:
            ring = stream.buffer is Buffer.STREAM
        wait = writer.streamed if ring else writer.whole
        if stream.tensor is Tensor.PSUM:
            wait(self.find("D", stream, freed))
        elif stream.feeds_pe:
            wait(self.computes[stream.versions[freed].last])
            fill = self.find("F", stream, freed)
            if not ring and fill is not None:
                writer.whole(fill, fill.latency)
        else:
            fill = self.find("F", stream, freed)
            if fill is not None:
                writer.whole(fill, fill.latency)
            for child in self.children(stream, freed, "F"):
                writer.whole(child)

    def children(self, stream: Stream, number: int, kind: str) -> list[Activity]:
        """Transfers of one kind between a version and the level below that keeps the tensor."""
        chain = self.streams[stream.tensor]
        inner = next((s for s in chain if s.outer is stream), None)
        if inner is None:
            return []
        version = stream.versions[number]
        found = [self.find(kind, inner, v.number) for v in inner.versions if version.first <= v.first <= version.last]
        return [child for child in found if child is not None]

    def _wait_fill(self, fill: Activity) -> None:
        stream, version = fill.moves
        parent, earlier = self.parent_fill(fill), self.earlier_drain(fill)
        if parent is not None:
            fill.whole(parent, parent.latency)
        if earlier is not None:
            fill.whole(earlier, earlier.latency)
        slots = self.slots(fill)
        ring = stream.buffer is Buffer.STREAM and slots == 1 and (fill.length > 1 or stream.tensor is Tensor.PSUM)
        self._wait_slot(fill, stream, version.number - slots, ring)
        self._wait_outstanding(fill)
        if self.stationary is None:
            return
        if stream is self.stationary and stream.tensor is not Tensor.PSUM:
            self._wait_passes(fill, version)
        elif stream.feeds_pe and stream is not self.stationary:
            self._wait_stationary(fill, version)

    def _wait_outstanding(self, transfer: Activity) -> None:
        """Out of the outermost level only so many transfers of a tensor are on their way at a time."""
        stream, version = transfer.moves
        most = self.machine.levels[0].outstanding.get(stream.tensor)
        if most and stream.parent == 0 and not self.processing:
            earlier = self.find(transfer.kind, stream, version.number - most)
            transfer.whole(earlier, earlier.latency if earlier else 0)

    def _wait_passes(self, fill: Activity, version: Version) -> None:
        """Passes never overlap: all computes and innermost drains of the passes before; or follow a wave."""
        if not version.number:
            return
        if self.machine.wave is not None:
            before = self.stationary.versions[version.number - 1]
            fill.started(self.computes[before.first], self.machine.wave)
            return
        for compute in self.computes[: version.first]:
            fill.whole(compute, self.tail)
        psum = self.inner[Tensor.PSUM]
        for old in psum.versions if psum is not None else []:
            if old.last < version.first:
                drain = self.find("D", psum, old.number)
                if drain is not None:
                    fill.whole(drain, drain.latency)

    def _wait_stationary(self, transfer: Activity, version: Version) -> None:
        """Moving operands follow the stationary one of their pass."""
        led = self.find("F", self.stationary, self.pass_of(version.first).number)
        if led is not None and self.machine.lead:
            transfer.whole(led, led.latency)

    def _wait_old(self, old: Activity) -> None:
        stream, version = old.moves
        parent, earlier = self.parent_fill(old), self.earlier_drain(old)
        if parent is not None:
            old.whole(parent, parent.latency)
        if earlier is not None:
            old.whole(earlier, earlier.latency)
        before = version.number - self.slots(old)
        if before >= 0:
            old.streamed(self.find("D", stream, before))
        self._wait_outstanding(old)
        if self.stationary is not None and stream.feeds_pe and stream is not self.stationary:
            self._wait_stationary(old, version)

    def _wait_drain(self, drain: Activity) -> None:
        stream, version = drain.moves
        old = self.find("P", stream, version.number)
        if old is not None:
            drain.streamed(old, old.latency)
        if stream.feeds_pe and stream.buffer is Buffer.STREAM:
            drain.streamed(self.computes[version.last], self.tail, self.first_word_units(stream, version))
        elif stream.feeds_pe:
            drain.whole(self.computes[version.last], self.tail)
        else:
            for child in self.children(stream, version.number, "D"):
                drain.whole(child, child.latency)
            for kind in ("F", "P"):
                for child in self.children(stream, version.number, kind):
                    drain.whole(child)
        self._wait_parent_slot(drain)

    def _wait_parent_slot(self, drain: Activity) -> None:
        """The first drain into a parent version is its first writer, or waits for the fill that is."""
        stream, version = drain.moves
        if stream.outer is None:
            return
        target = stream.outer.serving(version.first)
        if self.children(stream.outer, target.number, "D")[0] is not drain:
            return
        fill = self.find("F", stream.outer, target.number)
        if fill is not None:
            drain.whole(fill, fill.latency)
        else:
            self._wait_slot(drain, stream.outer, target.number - stream.outer.slots)

    def first_word_units(self, stream: Stream, version: Version) -> int:
        """Units of the last compute after which the first psum word of the tile (PE 0's) is finished."""
        if self.machine.psum_in and not stream.register:  # the first psum has come in
            compute = self.computes[version.last]
            return compute.length - compute.post + self.machine.psum_in
        first = self.walk.operands(version.base)[Tensor.PSUM]
        slots = self.walk.iterations(version.last)
        macs = (words for base in slots for words in self.walk.macs(base))
        touched = [index for index, words in enumerate(macs) if words[Tensor.PSUM] == first]
        if self.machine.sparsity.skip:  # which slot comes last is not known before
            return self.computes[version.last].length
        turns = turns_of(self.walk, slots)
        return max((turns[index] for index in touched), default=1) * self.machine.mac_cycles
