"""Word counts by walking the sets of every version, and the words each port carries for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import NetworkKind, Port
from accelsim.engine.counts import ACTIONS, DIRECTIONS, TRAFFIC
from accelsim.workload.problem import TENSORS, Padding, Tensor

from .formats import encoded_words
from .nest import Instance, Walk, Word, Words
from .routes import Link, carried, compared, held, link_words
from .slots import visit
from .words import Part, Stream, Version, bias_fills, leaving, risen

Load = tuple[Port, int, bool, bool, int]
"""A port, the words it carries, whether it belongs to the outermost level, whether they are ofmap words, and cycles
from a beat to the next."""
BUSES = (NetworkKind.MULTICAST, NetworkKind.UNICAST)
LINKED = (NetworkKind.CROSSBAR, NetworkKind.MESH)


def wanted_below(fills: Mapping[Instance, Words], fanout: int) -> dict[Instance, Words]:
    """Per instance of a level, the union of what the children under it are sent."""
    out: dict[Instance, Words] = {}
    for instance, words in fills.items():
        out[instance[:fanout]] = out.get(instance[:fanout], frozenset()) | words
    return out


def stored_size(walk: Walk, level: int, tensor: Tensor, words: Words, narrow: bool = False) -> int:
    """Words a set takes as a level stores it, encoded or not; narrow: as ofmap words."""
    architecture = walk.architecture
    form = architecture.levels[level].compression.get(tensor) if level < walk.depth else None
    if walk.masks.raw_ifmap and tensor is Tensor.IFMAP and level == 0:
        form = None
    return encoded_words(
        form, tensor, words, walk.nonzero, architecture.final_bits if narrow else architecture.moved_bits[tensor]
    )


def moved_size(walk: Walk, stream: Stream, fanout: int, words: Words) -> int:
    """What these words take on a fan-out, as the parent sends them. Padding made on the chip never crosses the first
    one, psums on their way down are partial and raw."""
    if stream.tensor is Tensor.PSUM:
        return len(words)
    if fanout == 0 and walk.architecture.padding is Padding.ON_CHIP:
        words = frozenset(word for word in words if not walk.is_padding(stream.tensor, word))
    return stored_size(walk, stream.parent, stream.tensor, words)


def filled_size(walk: Walk, stream: Stream, words: Words) -> int:
    """What a fill takes in the child: psums come back raw."""
    return len(words) if stream.tensor is Tensor.PSUM else stored_size(walk, stream.level, stream.tensor, words)


def drained_size(walk: Walk, stream: Stream, version: Version, words: Words) -> int:
    """What a drain takes in the child: encoded if the child holds complete sums."""
    if not version.complete:
        return len(words)
    return stored_size(walk, stream.level, Tensor.PSUM, words, version.narrow_out)


def sent_down(walk: Walk, stream: Stream, fanout: int, fills: Mapping[Instance, Words]) -> dict[Instance, int]:
    """Words each instance of a level sends into its fan-out for these fills."""
    unicast = walk.architecture.levels[fanout].fanout.network(stream.tensor).kind is NetworkKind.UNICAST
    out: Counter[Instance] = Counter()
    for instance, words in wanted_below(fills, fanout + unicast).items():
        out[instance[:fanout]] += moved_size(walk, stream, fanout, words)
    return dict(out)


def delivered_down(walk: Walk, stream: Stream, fanout: int, fills: Mapping[Instance, Words]) -> int:
    """Words that enter the instances of the next level."""
    below = wanted_below(fills, fanout + 1)
    return sum(moved_size(walk, stream, fanout, words) for words in below.values())


def old_down(version: Version, fanout: int) -> dict[Instance, int]:
    """Old psums each instance of a level sends down for accumulation on the way up."""
    return dict(Counter(child[:fanout] for child in version.old.values()))


def flow_up(walk: Walk, stream: Stream, version: Version) -> dict[int, tuple[set[Part], set[Part]]]:
    """Per fan-out, inner first: the psums that enter it from below and those that leave its top."""
    entering: set[Part] = {(word, (), i) for i, words in version.tiles.items() for word in words}
    out = {}
    for fanout in reversed(stream.crossed):
        top = {risen(walk, fanout, part) for part in entering}
        out[fanout] = (entering, top)
        entering = top
    return out


def up_sizes(walk: Walk, stream: Stream, version: Version, fanout: int, parts: Iterable[Part]) -> dict[Instance, int]:
    """What psums at a fan-out take, by the instance they are at: finished ones are encoded on the parent's own."""
    at: dict[Instance, list[Word]] = {}
    for word, _, instance in parts:
        at.setdefault(instance, []).append(word)
    if not version.final or fanout != stream.parent:
        return {instance: len(words) for instance, words in at.items()}
    spec = walk.architecture.levels[fanout]
    assert Tensor.PSUM not in spec.compression or spec.fanout.y * spec.fanout.x == 1, "an array below encoded psums"
    return {
        instance: stored_size(walk, fanout, Tensor.PSUM, frozenset(words), version.narrow_in)
        for instance, words in at.items()
    }


def loads_of(walk: Walk, stream: Stream, version: Version, kind: str) -> list[Load]:
    """Every timed port a transfer holds, with the words of its busiest instance."""
    levels = walk.architecture.levels
    crossing: dict[int, dict[Instance, int]] = {}
    if kind == "D":
        flow = flow_up(walk, stream, version)
        crossing = {f: up_sizes(walk, stream, version, f, top) for f, (_, top) in flow.items()}
    for fanout in stream.crossed:
        if kind == "F":
            crossing[fanout] = sent_down(walk, stream, fanout, version.fills)
        elif kind == "P":
            crossing[fanout] = old_down(version, fanout)
        if kind != "D" and version.begins:
            crossing[fanout] = sent_down(walk, stream, fanout, bias_fills(version))
    drain = kind == "D"
    found: list[tuple[Port | None, int, bool, bool, int]] = []
    for fanout, words in crossing.items():
        network, narrow = levels[fanout].fanout.network(stream.tensor), drain and fanout in version.narrow_on
        if network.kind is not NetworkKind.MESH:
            port, most = network.up if drain else network.down, max(words.values())
            found.append((port, most, fanout == 0, narrow, network.every))
        if network.kind in LINKED:
            found += [(*port, fanout == 0, narrow, 1) for port in held(walk, stream, version, fanout, kind)]
    parent, narrow = levels[stream.parent], drain and version.narrow_in
    at_parent = max(crossing[stream.parent].values())
    found.append((parent.write_port if drain else parent.read_port, at_parent, stream.parent == 0, narrow, 1))
    if kind != "P" and not stream.register:
        child = levels[stream.level]
        if kind == "D":
            most = max(drained_size(walk, stream, version, words) for words in version.tiles.values())
        else:
            fills = bias_fills(version) if version.begins else version.fills
            most = max(filled_size(walk, stream, words) for words in fills.values())
        found.append((child.read_port if drain else child.write_port, most, False, drain and version.narrow_out, 1))
    atom = levels[0].atoms.get(stream.tensor, 1)
    if kind == "F" and stream.parent == 0 and atom > 1:
        read = in_atoms(walk, stream, version, atom)
        found = [(port, read if outermost else words, outermost, *rest) for port, words, outermost, *rest in found]
    return [(port, *rest) for port, *rest in found if port is not None]


def in_atoms(walk: Walk, stream: Stream, version: Version, atom: int) -> int:
    """Words that are read where those along C come several at a time, some of which nobody wants."""
    rows: dict[Word, set[int]] = {}
    channel = 2  # of an ifmap's word and of a filter's; slices of all channels lie one plane after the other
    channels = walk.problem["C"]
    hidden = walk.architecture.padding is Padding.ON_CHIP
    for word in frozenset().union(*version.fills.values()):
        if not (hidden and walk.is_padding(stream.tensor, word)):
            plane, own = divmod(word[channel], channels)
            rows.setdefault((*word[:channel], plane, *word[channel + 1 :]), set()).add(own)
    return sum(-(-len(wanted) // atom) * atom for wanted in rows.values())


class Tally:
    """The two count arrays, filled version by version."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.words: npt.NDArray[np.int64] = np.zeros((walk.depth, len(TENSORS), len(ACTIONS)), np.int64)
        self.network: npt.NDArray[np.int64] = np.zeros(
            (walk.depth, len(TENSORS), len(DIRECTIONS), len(TRAFFIC)), np.int64
        )
        self.narrow: npt.NDArray[np.int64] = np.zeros((walk.depth, 5), np.int64)
        self.bias: npt.NDArray[np.int64] = np.zeros((walk.depth, 5), np.int64)
        self.links: dict[tuple[int, Tensor, str], Counter[Link]] = {}
        self.tag_matches: Counter[tuple[int, Tensor]] = Counter()

    def add(self, level: int, tensor: Tensor, action: str, words: int) -> None:
        """Count words at a memory; registers have no counts of their own."""
        if level < self.walk.depth:
            self.words[level, TENSORS.index(tensor), ACTIONS.index(action)] += words

    def cross(self, fanout: int, tensor: Tensor, direction: str, traffic: tuple[int, int, int]) -> None:
        """Count words sent, deliveries and hops on a network."""
        self.network[fanout, TENSORS.index(tensor), DIRECTIONS.index(direction)] += np.array(traffic, np.int64)

    def walk_links(self, stream: Stream, version: Version, fanout: int, way: str, hops: int) -> int:
        """Hops on a fan-out; on a network with links every word walks them one by one."""
        network = self.walk.architecture.levels[fanout].fanout.network(stream.tensor)
        if network.tags:
            self.tag_matches[fanout, stream.tensor] += compared(self.walk, stream, version, fanout)
        if network.kind not in LINKED:
            return hops
        words = link_words(carried(self.walk, stream, version, fanout, "F" if way == "down" else "D"))
        self.links.setdefault((fanout, stream.tensor, way), Counter()).update(words)
        return sum(words.values())

    def stream(self, stream: Stream) -> None:
        """Everything the transfers of one stream move."""
        arrived: set[tuple[int, Instance, Word]] = set()
        if stream.tensor is Tensor.PSUM and stream.outer is not None:
            for outer in stream.outer.versions:
                arrived |= {(outer.number, i, word) for i, words in outer.fills.items() for word in words}
        for version in stream.versions:
            if stream.tensor is Tensor.PSUM:
                self._psum(stream, version, arrived)
            else:
                self._input(stream, version)

    def _input(self, stream: Stream, version: Version) -> None:
        filled = sum(filled_size(self.walk, stream, words) for words in version.fills.values())
        self.add(stream.level, stream.tensor, "fill", filled)
        for fanout in stream.crossed:
            sent = sum(sent_down(self.walk, stream, fanout, version.fills).values())
            delivered = delivered_down(self.walk, stream, fanout, version.fills)
            bus = self.walk.architecture.levels[fanout].fanout.network(stream.tensor).kind in BUSES
            hops = self.walk_links(stream, version, fanout, "down", sent if bus else delivered)
            self.cross(fanout, stream.tensor, "down", (sent, delivered, hops))
            if fanout == stream.parent:
                self.add(stream.parent, stream.tensor, "read", sent)

    def _psum(self, stream: Stream, version: Version, arrived: set[tuple[int, Instance, Word]]) -> None:
        """A drain: words that find a part of their sum at the parent make it read that part."""
        outer = stream.outer.serving(version.first).number if stream.outer else 0
        if version.begins:
            self._bias(stream, version)
        else:
            self.add(stream.level, Tensor.PSUM, "fill", sum(map(len, version.fills.values())))
        drained = sum(drained_size(self.walk, stream, version, words) for words in version.tiles.values())
        self.add(stream.level, Tensor.PSUM, "drain", drained)
        updates = 0
        for fanout, (below, top) in flow_up(self.walk, stream, version).items():
            kind = self.walk.architecture.levels[fanout].fanout.network(Tensor.PSUM).kind
            sent = sum(up_sizes(self.walk, stream, version, fanout, top).values())
            delivered = sum(up_sizes(self.walk, stream, version, fanout, below).values())
            hops = sent if kind in BUSES else delivered
            if kind is NetworkKind.TREE:
                hops = delivered - sent
            hops = self.walk_links(stream, version, fanout, "up", hops)
            self.cross(fanout, Tensor.PSUM, "up", (sent, delivered, hops))
            if fanout in version.narrow_on:
                self.narrow[fanout, 2:] += sent, delivered, hops
            if fanout == stream.parent:
                updates = sent
        reads = 0
        for word, _, instance in leaving(self.walk, stream, version):
            place = self.walk.store(Tensor.PSUM, stream.parent, outer, word), instance, word
            reads += place in arrived or (self.walk.problem.added and stream.outer is None)
            arrived.add(place)
        self.add(stream.parent, Tensor.PSUM, "update", updates)
        self.narrow[stream.parent, 0] += updates * version.narrow_in
        if version.narrow_out:
            self.narrow[stream.level, 1] += drained
        self.add(stream.parent, Tensor.PSUM, "read", reads)
        for fanout in stream.crossed:
            self.cross(fanout, Tensor.PSUM, "down", (reads, reads, reads))

    def _bias(self, stream: Stream, version: Version) -> None:
        """The bias comes down in place of old psums."""
        fills = bias_fills(version)
        self.bias[0, 0] += sum(sent_down(self.walk, stream, 0, fills).values())
        if version.fills:
            self.bias[stream.level, 1] += sum(map(len, fills.values()))
        for fanout in stream.crossed:
            sent = sum(sent_down(self.walk, stream, fanout, fills).values())
            delivered = delivered_down(self.walk, stream, fanout, fills)
            bus = self.walk.architecture.levels[fanout].fanout.network(Tensor.PSUM).kind in BUSES
            self.bias[fanout, 2:] += sent, delivered, sent if bus else delivered

    def macs(self, psum: Stream | None) -> tuple[int, int, int]:
        """Walk every MAC of every PE: operand reads and psum updates inside the PE; gives (MACs, effectual ones,
        most active PEs)."""
        walk, macs, effectual, most = self.walk, 0, 0, 0
        self.inside: Counter[tuple[int, Tensor, str]] = Counter()
        pes = walk.instances(walk.depth)
        done: set[tuple[int, Instance, Word]] = set()
        if psum is not None:
            for v in psum.versions:
                done |= {(v.number, i, word) for i, words in v.fills.items() for word in words}
        for step in range(len(walk.steps)):
            version = psum.serving(step).number if psum is not None else 0
            for base in walk.iterations(step):
                active = 0
                for pe in pes:
                    here = walk.shifted(base, pe)
                    if walk.inside(here):
                        active += 1
                        for words in walk.macs(here):
                            macs += 1
                            effectual += self._mac(words, pe, version, done)
                most = max(most, active)
        for (level, tensor, action), words in self.inside.items():
            self.add(level, tensor, action, words)
        return macs, effectual, most

    def _mac(
        self, words: dict[Tensor, Word], pe: Instance, version: int, done: set[tuple[int, Instance, Word]]
    ) -> bool:
        """One slot; gives whether it is effectual."""
        walk = self.walk
        read, effectual = visit(walk, words)
        for tensor in read:
            level = walk.keepers[tensor][-1]
            if walk.in_pe[tensor]:
                stays = level or walk.architecture.padding is not Padding.ON_CHIP
                self.inside[level, tensor, "read"] += bool(stays) or not walk.is_padding(tensor, words[tensor])
        if walk.in_pe[Tensor.PSUM]:
            level = walk.keepers[Tensor.PSUM][-1]
            key = (version, pe[:level], words[Tensor.PSUM])
            fresh = key not in done and (
                level > 0 or not walk.problem.added
            )  # the first slot writes what is there to drain, effectual or not
            self.inside[level, Tensor.PSUM, "update"] += effectual or fresh
            self.inside[level, Tensor.PSUM, "read"] += effectual and not fresh
            done.add(key)
        return effectual
