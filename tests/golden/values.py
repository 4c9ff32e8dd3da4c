"""The words themselves: what every instance of every memory holds, moved transfer by transfer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Buffer
from accelsim.sparsity.masks import shape_of
from accelsim.workload.problem import Tensor

from .nest import Instance, Walk, Word
from .program import Activity, Program
from .slots import visit
from .words import Part, Stream, Version, begins_with_bias, leaving

SLICE = 2
"""Bits of a slice of the values that move, whatever width a machine moves them at."""
Content = dict[Word, int]
Place = tuple[Tensor, int, int, Instance]
"""Tensor, level, version, instance: one tile slot."""


def added_at(word: Word, bias: bool = False) -> int:
    """What a sum begins with, where sums begin in memory: something of its own, or of its output channel."""
    return hash(word[1:3] if bias else word) % 1009


def found_in(tile: Content, word: Word, else_: str) -> int:
    """A word of a tile; of a run of pixels it may be there as a word of its plane, without the output it is for."""
    word = word if word in tile else word[:5]
    assert word in tile, else_
    return tile[word]


def sliced(words: npt.NDArray[np.int64], slices: int) -> npt.NDArray[np.int64]:
    """Words of `SLICE` bits for each slice, cut from the least bit on: all first slices, then all second ones (axis 2).

    The last is signed. What is not cut stays as it is.
    """
    if slices == 1:
        return words
    parts = [words >> SLICE * index & (1 << SLICE) - 1 for index in range(slices - 1)]
    return np.concatenate([*parts, words >> SLICE * (slices - 1)], axis=2)


class Values:
    """Every tile in the machine. A word that is read must be there; a tile that is replaced is gone."""

    def __init__(self, walk: Walk, program: Program, ifmap: npt.NDArray[np.int64], weights: npt.NDArray[np.int64]):
        ifmaps, filters = walk.problem.slices
        self.walk, self.program = walk, program
        self.ifmap, self.weights = sliced(ifmap, ifmaps), sliced(weights, filters)
        self.held: dict[Place, Content] = {}
        self.old: dict[tuple[int, int, Part], int] = {}
        self.top: Content = {}
        self.stays: Content = {}
        """Sums that live in a level between layers."""
        if walk.problem.added or begins_with_bias(walk):
            words = np.ndindex(*shape_of(walk.problem, Tensor.PSUM))
            self.top = {word: added_at(word, walk.problem.bias) for word in words}
        self.vacated_by: dict[Activity, tuple[int, int]] = {}
        """Fills under way whose end lets the next one, already begun, have its slot: its version and the slots."""

    # ---- looking up ----------------------------------------------------------------------------------------------

    def outermost(self, tensor: Tensor, word: Word) -> int:
        """A word of the outermost level; padding reads zero."""
        if tensor is Tensor.PSUM:
            return self.top[word]
        if self.walk.is_padding(tensor, word):
            return 0
        return int((self.ifmap if tensor is Tensor.IFMAP else self.weights)[word[:5]])

    def tile(self, stream: Stream, version: int, instance: Instance) -> Content:
        """The slot that holds a version; it must still be there."""
        place = (stream.tensor, stream.level, version, instance)
        assert place in self.held, f"{stream.tensor} version {version} is not in level {stream.level} at {instance}"
        return self.held[place]

    def parent_tile(self, stream: Stream, step: int, instance: Instance) -> Content:
        """The parent's tile (for psums, which may still be empty) under which a step runs."""
        if stream.outer is None:
            return self.top
        number = stream.outer.serving(step).number
        place = (stream.tensor, stream.outer.level, number, instance[: stream.outer.level])
        if stream.tensor is Tensor.PSUM:
            return self.held.setdefault(place, {})
        return self.tile(stream.outer, number, place[3])

    def source(self, stream: Stream, version: Version, instance: Instance, word: Word) -> int:
        """What the parent holds of a word."""
        if stream.outer is None:
            return self.outermost(stream.tensor, word)
        tile = self.parent_tile(stream, version.first, instance)
        if self.walk.store(stream.tensor, stream.parent, 0, word) < 0:
            return self.stays[word] if stream.tensor is Tensor.PSUM else self.outermost(stream.tensor, word)
        return found_in(tile, word, f"{stream.tensor} {word} is not in level {stream.parent}")

    # ---- moving --------------------------------------------------------------------------------------------------

    def first(self, activity: Activity) -> None:
        """First unit: a whole transfer starts to overwrite the slot it was given."""
        stream = activity.stream
        if activity.kind != "F" or stream is None or stream.tensor is Tensor.PSUM:
            return
        if stream.buffer is not Buffer.STREAM or activity.length <= 1:
            before = self.program.find("F", stream, activity.number - 1)
            slots = self.program.slots(activity)
            if before is not None and before.end < 0:  # it holds no port (all padding): its tile slides in this cycle
                self.vacated_by[before] = (activity.number, slots)
            else:
                self._vacate(stream, activity.number, slots)

    def last(self, activity: Activity) -> None:
        """Last unit: the values are where they were going."""
        if activity.kind == "J":
            return
        if activity.kind == "C":
            self.compute(activity.number)
            return
        stream, version = activity.moves
        if activity.kind == "F":
            self.fill(stream, version)
            if activity in self.vacated_by:
                self._vacate(stream, *self.vacated_by.pop(activity))
            if stream.buffer is Buffer.STREAM and activity.length > 1 and stream.tensor is not Tensor.PSUM:
                self._vacate(stream, activity.number, 1)
        elif activity.kind == "P":
            self.send_old(stream, version)
        else:
            self.drain(stream, version)

    def _vacate(self, stream: Stream, number: int, slots: int) -> None:
        """Forget the words of the version whose slot is taken, but for those that slide into the new tile."""
        for place in [p for p in self.held if p[:3] == (stream.tensor, stream.level, number - slots)]:
            kept = stream.versions[number].tiles.get(place[3], self.held[place].keys())
            staying = {w: x for w, x in self.held[place].items() if w in kept} if slots == 1 else {}
            del self.held[place]
            if staying:
                self.held[place] = staying

    def fill(self, stream: Stream, version: Version) -> None:
        """New words come from the parent, the others slide in from the version before."""
        for instance, words in version.fills.items():
            content = {word: self.source(stream, version, instance, word) for word in words}
            if stream.tensor is not Tensor.PSUM:
                for word in version.tiles[instance] - words:
                    content[word] = self.tile(stream, version.number - 1, instance)[word]
            self.held[stream.tensor, stream.level, version.number, instance] = content
        if stream.tensor is not Tensor.PSUM:
            self._stay(stream, version)

    def _stay(self, stream: Stream, version: Version) -> None:
        """Who is sent nothing keeps what it has: all of it if idle, else what belongs to the new tile."""
        for instance in self.walk.instances(stream.level):
            before = self.held.get((stream.tensor, stream.level, version.number - 1, instance))
            if before is None or instance in version.fills:
                continue
            words = version.tiles.get(instance, before.keys())
            self.held[stream.tensor, stream.level, version.number, instance] = {word: before[word] for word in words}

    def send_old(self, stream: Stream, version: Version) -> None:
        """Old psums set out: one part of each sum takes the value, other unmerged parts of the same word a zero."""
        taken: set[tuple[Instance, Word]] = set()
        for part in sorted(version.old):
            word, _, instance = part
            value = 0 if (instance, word) in taken else self.source(stream, version, instance, word)
            taken.add((instance, word))
            self.old[stream.level, version.number, part] = value

    def drain(self, stream: Stream, version: Version) -> None:
        """A psum tile leaves: parts are added on the way, joined by the old psum, and land in the parent."""
        parts = leaving(self.walk, stream, version)
        landed: set[tuple[Instance, Word]] = set()
        for part, children in parts.items():
            word, _, instance = part
            value = sum(self.tile(stream, version.number, child)[word] for child in children)
            value += self.old.pop((stream.level, version.number, part), 0)
            tile = self.parent_tile(stream, version.first, instance)
            if self.walk.store(Tensor.PSUM, stream.parent, 0, word) < 0:
                tile = self.stays
            tile[word] = value + (tile[word] if (instance, word) in landed else 0)
            landed.add((instance, word))
        for instance in version.tiles:
            self.held.pop((stream.tensor, stream.level, version.number, instance), None)

    def compute(self, step: int) -> None:
        """Every PE multiplies what its innermost memories hold and adds into the psum there, which the first slot
        writes even if it has nothing to add."""
        for base in self.walk.iterations(step):
            for pe in self.walk.instances(self.walk.depth):
                here = self.walk.shifted(base, pe)
                if not self.walk.inside(here):
                    continue
                for words in self.walk.macs(here):
                    read, effectual = visit(self.walk, words)
                    values = {tensor: self.operand(tensor, step, pe, words) for tensor in read}
                    psums = self.psum_tile(step, pe)
                    total = psums.setdefault(words[Tensor.PSUM], 0)
                    if effectual:
                        product = values[Tensor.IFMAP] * values[Tensor.FILTER] << SLICE * sum(here[8:])
                        psums[words[Tensor.PSUM]] = total + product

    def operand(self, tensor: Tensor, step: int, pe: Instance, words: dict[Tensor, Word]) -> int:
        """An operand, out of the tile that must hold it."""
        stream, word = self.program.inner[tensor], words[tensor]
        if stream is None:
            return self.outermost(tensor, word)
        if self.walk.store(tensor, stream.level, 0, word) < 0:
            return self.outermost(tensor, word)
        content = self.tile(stream, stream.serving(step).number, pe[: stream.level])
        return found_in(content, word, f"step {step}: {tensor} {word} is not at PE {pe}")

    def psum_tile(self, step: int, pe: Instance) -> Content:
        """Where a PE adds up; a fresh tile starts empty, a refilled one must have arrived."""
        stream = self.program.inner[Tensor.PSUM]
        if stream is None:
            return self.top
        version = stream.serving(step)
        place = (Tensor.PSUM, stream.level, version.number, pe[: stream.level])
        if place not in self.held:
            assert place[3] not in version.fills, f"psum version {version.number} was not refilled at {pe}"
            self._check_slot(stream, version, place[3])
            self.held[place] = {}
        return self.held[place]

    def _check_slot(self, stream: Stream, version: Version, instance: Instance) -> None:
        """The tile whose slot a fresh psum tile takes must have left."""
        before = (Tensor.PSUM, stream.level, version.number - stream.slots, instance)
        assert before not in self.held, f"psum version {before[2]} still holds its slot at {instance}"

    def outputs(self) -> npt.NDArray[np.int64]:
        """The ofmap as it lies in the outermost level."""
        out = np.zeros(shape_of(self.walk.problem, Tensor.PSUM), np.int64)
        assert len(self.top) + len(self.stays) == out.size, "an output never left the chip, or is nowhere"
        for word, value in {**self.top, **self.stays}.items():
            out[word] = value
        return out
