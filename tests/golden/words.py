"""Streams and their versions: which words every transfer moves, found by comparing sets step by step."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from dataclasses import dataclass, field

from accelsim.architecture.model import Buffer
from accelsim.workload.problem import LOOP_DIMS, TENSOR_DIMS, Tensor

from .nest import Base, FlatLoop, Instance, Walk, Word, Words

DATA_AXES = (("N",), ("G",), ("C",), ("P", "R"), ("Q", "S"), ("IB",))
SLIDING_AXES = (("P", "R"), ("Q", "S"))

Part = tuple[Word, tuple[tuple[int, ...], ...], Instance]
"""A psum on its way up: its word, the indices of the reduction loops nobody has added yet, where it is."""


@dataclass
class Version:
    """One stay of a tile: steps first..last, and per child instance its words and those sent to it."""

    number: int
    first: int
    last: int
    base: Base
    tiles: dict[Instance, Words] = field(default_factory=dict)
    fills: dict[Instance, Words] = field(default_factory=dict)
    old: dict[Part, Instance] = field(default_factory=dict)
    """Old psums that go down into the reduction (P), and the child each one enters at."""
    begins: bool = False
    """Its sums begin with the bias, which comes down in place of old psums."""
    final: bool = False
    """Its drain brings finished sums (looked for only where psums are stored encoded)."""
    complete: bool = False
    """Its sums are finished as they leave the child (looked for likewise)."""
    narrow_in: bool = False
    """They arrive as ofmap words."""
    narrow_out: bool = False
    """They are read from the child as such."""
    narrow_on: frozenset[int] = frozenset()
    """Fan-outs that carry them as such."""


@dataclass
class Stream:
    """One tensor in one level below the outermost (or in the registers of the PEs), and its versions in order."""

    level: int
    tensor: Tensor
    parent: int
    buffer: Buffer
    register: bool
    innermost: bool
    feeds_pe: bool
    refetches: bool = False
    versions: list[Version] = field(default_factory=list)
    outer: Stream | None = None
    slots: int = 1

    def __post_init__(self) -> None:
        """A streamed buffer is a ring of one tile."""
        self.slots = 2 if self.buffer is Buffer.DOUBLE else 1

    @property
    def crossed(self) -> range:
        """The fan-outs a word crosses on its way here."""
        return range(self.parent, self.level)

    def serving(self, step: int) -> Version:
        """The version that is in place in a step."""
        return self.versions[bisect_right(self.versions, step, key=lambda v: v.first) - 1]


def build_streams(walk: Walk) -> dict[Tensor, list[Stream]]:
    """Per tensor its streams, outermost first, with versions and words."""
    streams: dict[Tensor, list[Stream]] = {}
    for tensor, keepers in walk.keepers.items():
        levels = [*keepers, walk.depth] if not walk.in_pe[tensor] else keepers
        chain: list[Stream] = []
        for parent, level in itertools.pairwise(levels):
            register = level == walk.depth
            buffer = Buffer.DOUBLE if register else walk.architecture.levels[level].buffering(tensor)
            last = level == levels[-1]
            refetches = register or tensor in walk.architecture.levels[level].refetch
            stream = Stream(level, tensor, parent, buffer, register, last, last, refetches)
            stream.outer = chain[-1] if chain else None
            if not register:
                stream.slots = walk.architecture.levels[level].tiles.get(tensor, stream.slots)
            chain.append(stream)
        streams[tensor] = chain
        for stream in chain:
            if tensor is Tensor.PSUM:
                psum_versions(walk, stream)
                send_old_psums(walk, stream)
            else:
                input_versions(walk, stream)
    return streams


def own(tensor: Tensor, base: Base) -> Base:
    """A base with the dims a tensor does not have blanked out: its tile index."""
    return tuple(b if dim in TENSOR_DIMS[tensor] else 0 for dim, b in zip(LOOP_DIMS, base, strict=True))


def slides(walk: Walk, stream: Stream, before: Base, after: Base) -> bool:
    """Whether a tile moved along one data axis only, and the level keeps the overlap."""
    if stream.tensor is not Tensor.IFMAP or stream.refetches:
        return False
    if not walk.architecture.levels[stream.level].halo_reuse:
        return False
    axes = [axis for axis in DATA_AXES if any(before[LOOP_DIMS.index(d)] != after[LOOP_DIMS.index(d)] for d in axis)]
    return len(axes) == 1 and axes[0] in SLIDING_AXES


def missing(walk: Walk, stream: Stream, step: int) -> dict[Instance, Words]:
    """Per child instance, the words of its tile in this step that it has to be sent."""
    base = walk.base(step, stream.level)
    before = walk.base(step - 1, stream.level) if step else None
    if before is not None and not stream.register:
        # what keeps no tile still keeps it through the loops inside it
        same = before == base if stream.refetches else own(stream.tensor, before) == own(stream.tensor, base)
        if same:
            return {}
    keep = before is not None and slides(walk, stream, own(stream.tensor, before), own(stream.tensor, base))
    out = {}
    for instance in walk.instances(stream.level):
        if not walk.takes_part(step, instance):
            continue
        words = walk.tile(stream.tensor, stream.level, walk.shifted(base, instance))
        if keep and before is not None:
            words -= walk.tile(stream.tensor, stream.level, walk.shifted(before, instance))
        if words:
            out[instance] = words
    return out


def input_versions(walk: Walk, stream: Stream) -> None:
    """Versions of an input: a step that sends nothing leaves the previous version in place."""
    for step in range(len(walk.steps)):
        fills = missing(walk, stream, step)
        if not fills:
            stream.versions[-1].last = step
            continue
        base = walk.base(step, stream.level)
        tiles = {
            i: walk.tile(stream.tensor, stream.level, walk.shifted(base, i))
            for i in walk.instances(stream.level)
            if walk.takes_part(step, i)
        }
        stream.versions.append(Version(len(stream.versions), step, step, base, tiles, fills))


def psum_versions(walk: Walk, stream: Stream) -> None:
    """Versions of a psum tile: every run of steps with the same tile index (a register: every step)."""
    for step in range(len(walk.steps)):
        base = walk.base(step, stream.level)
        last = stream.versions[-1] if stream.versions else None
        if last is None or stream.register or own(Tensor.PSUM, last.base) != own(Tensor.PSUM, base):
            last = Version(len(stream.versions), step, step, base)
            stream.versions.append(last)
        last.last = step
        for instance in walk.instances(stream.level):
            if walk.takes_part(step, instance):
                last.tiles[instance] = walk.tile(Tensor.PSUM, stream.level, walk.shifted(base, instance))


def unmerged(walk: Walk, fanout: int) -> list[bool]:
    """Per spatial loop of a fan-out, whether it is a reduction loop its network does not add over."""
    reduce = walk.architecture.levels[fanout].fanout.network(Tensor.PSUM).reduce
    return [reduction(loop) and LOOP_DIMS[loop.dim] not in reduce for loop in walk.fanout_loops(fanout)]


def reduction(loop: FlatLoop) -> bool:
    """Whether a loop runs over C, R or S."""
    return LOOP_DIMS[loop.dim] in ("C", "R", "S", "IB", "WB")


def risen(walk: Walk, fanout: int, part: Part) -> Part:
    """What a psum entering a fan-out from below is once it has left its top: parts that become equal are added."""
    word, tags, instance = part
    tag = tuple(i for i, keep in zip(instance[fanout], unmerged(walk, fanout), strict=True) if keep)
    return word, (*tags, tag), instance[:fanout]


def leaving(walk: Walk, stream: Stream, version: Version) -> dict[Part, list[Instance]]:
    """The psums that reach the parent from one version, each with the children it was added from."""
    out: dict[Part, list[Instance]] = {}
    for instance, words in version.tiles.items():
        for word in words:
            part: Part = (word, (), instance)
            for fanout in reversed(stream.crossed):
                part = risen(walk, fanout, part)
            out.setdefault(part, []).append(instance)
    return out


def begins_with_bias(walk: Walk) -> bool:
    """Whether the first sums of the layer are words of a bias."""
    return walk.problem.bias and walk.architecture.bias is not None


def bias_fills(version: Version) -> dict[Instance, Words]:
    """Per child, the words of the bias that it is sent: (G, M) of the sums that begin there."""
    out: dict[Instance, Words] = {i: frozenset(word[1:3] for word in words) for i, words in version.fills.items()}
    for (word, _, _), child in version.old.items():
        out[child] = out.get(child, frozenset()) | {word[1:3]}
    return out


def accumulates(walk: Walk, stream: Stream) -> bool:
    """Whether old psums enter the reduction on their way up instead of refilling the child."""
    for level in range(stream.parent, stream.level):
        if level < walk.depth and Tensor.PSUM in walk.architecture.levels[level].fanout.networks:
            return walk.architecture.levels[level].fanout.network(Tensor.PSUM).accumulate_on_drain
    return False


def send_old_psums(walk: Walk, stream: Stream) -> None:
    """Find, version by version, which psums the parent already holds a part of: these go down again first."""
    held: set[tuple[int, Instance, Word]] = set()
    if stream.outer is not None:
        for outer in stream.outer.versions:
            held |= {(outer.number, i, word) for i, words in outer.fills.items() for word in words}
    for version in stream.versions:
        outer_number = stream.outer.serving(version.first).number if stream.outer else 0
        parts = leaving(walk, stream, version)
        for part, children in parts.items():
            if (walk.store(Tensor.PSUM, stream.parent, outer_number, part[0]), part[2], part[0]) in held:
                version.old[part] = min(children)
            elif stream.outer is None and (walk.problem.added or begins_with_bias(walk)):
                version.old[part] = min(children)
                version.begins = begins_with_bias(walk)
        assert not version.begins or not any((0, part[2], part[0]) in held for part in parts), (
            "some come for the first time"
        )
        if not accumulates(walk, stream):
            for part, child in version.old.items():
                assert not any(part[1]), "a refill needs a network that adds every reduction loop"
                version.fills[child] = version.fills.get(child, frozenset()) | {part[0]}
            version.old = {}
        held |= {(walk.store(Tensor.PSUM, stream.parent, outer_number, part[0]), part[2], part[0]) for part in parts}
