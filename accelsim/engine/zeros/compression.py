"""Encoded transfers in the cycle evaluator: the dense words of every version become those of its encoding.

docs/model.md, "Zeros", has the rules. One `_View` of a stream says whose words are encoded together: all that an
instance of some level sends, or what each instance of the next one wants.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Format
from accelsim.engine.counts import NARROWED, Counts, Encoded
from accelsim.engine.nest.kernels.records import GROUP_DIMS, GROUPS, IFMAP, NDIMS, OWN
from accelsim.engine.nest.kernels.steps import Walked
from accelsim.engine.program import PSUM, Ints, Program, accumulates
from accelsim.engine.words.assemble import DRAIN, FILL, READ, UPDATE, hops
from accelsim.engine.zeros.kernels import encoded as kernel
from accelsim.engine.zeros.kernels.encoded import Sizes
from accelsim.engine.zeros.kernels.lists import Lists, Tiles
from accelsim.mapping.finals import WIDE
from accelsim.sparsity.masks import Masks, Packed
from accelsim.workload.problem import DIM_INDEX, REDUCTION_DIMS, TENSORS, Tensor

FORMATS = tuple(Format)
REDUCTION = [DIM_INDEX[d] for d in REDUCTION_DIMS]
Flags = npt.NDArray[np.uint8]
CHANNEL_AXIS = {Tensor.IFMAP: 2, Tensor.FILTER: 1, Tensor.PSUM: 2}


@dataclass(frozen=True)
class Stream:
    """One stream of a schedule as far as encoding needs it.

    begin : int64[version], first steps. final : uint8[version], psum: no later version of the tile; inputs: 1.
    """

    tensor: Tensor
    parent: int
    child: int
    register: bool
    reuse: bool
    begin: Ints
    final: Flags


@dataclass(frozen=True)
class Recoded:
    """What encoding makes of one stream, or of some of its versions.

    columns : column of the edge (see kernels/tiles.py) -> words of every version.
    fills : words of every version as the child stores them (psum: as it drains them), None: as before.
    encoded : its transfers as they are reported.
    """

    columns: dict[int, Ints]
    fills: Ints | None
    encoded: tuple[Encoded, ...] = ()


class Total:
    """What encoding makes of one stream, added up.

    sums : column -> words; `fills` as in `Recoded`. sizes : (level, action, format) -> words before encoding, those
    that are not zero, words after; only of versions that are encoded.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream, self.sums = stream, dict[int, int]()
        self.fills: int | None = None
        self.sizes: dict[tuple[int, str, Format], list[int]] = {}

    def add(self, recoded: Recoded) -> None:
        """Add some versions."""
        for column, words in recoded.columns.items():
            self.sums[column] = self.sums.get(column, 0) + int(words.sum())
        if recoded.fills is not None:
            self.fills = (self.fills or 0) + int(recoded.fills.sum())

    def add_sizes(self, level: int, action: str, form: Format, sizes: Sizes, chosen: Flags) -> None:
        """Add what encoding made of the versions chosen."""
        if chosen.any():
            added = self.sizes.setdefault((level, action, form), [0, 0, 0])
            for i, part in enumerate((sizes.raw, sizes.nonzero, sizes.total)):
                added[i] += int(part[chosen.astype(bool)].sum())

    def recoded(self, program: Program) -> Recoded:
        """The sums; of psums none that are never encoded."""
        actions = {action for _, action, _ in self.sizes}
        psum, levels = self.stream.tensor is Tensor.PSUM, program.architecture.levels
        drained = {3 * (self.stream.child - self.stream.parent)}
        left = set(self.sums)
        if psum:
            left = (drained if "drain" in actions else set()) | (left - drained if "update" in actions else set())
        fills = None if self.fills is None or (psum and "drain" not in actions) else np.array([self.fills])
        encoded = tuple(
            Encoded(levels[level].name, self.stream.tensor.value, action, form.value, *words)
            for (level, action, form), words in sorted(self.sizes.items(), key=lambda item: item[0][0])
        )
        return Recoded({column: np.array([self.sums[column]]) for column in left}, fills, encoded)


class Coder:
    """Encodes the versions of one layer's streams, as they come.

    totals : by stream, of what has come so far.
    """

    def __init__(self, program: Program, masks: Masks) -> None:
        self.program, self.masks = program, masks
        self.levels = program.architecture.levels
        self.packed: dict[Tensor, Packed] = {}
        self.walked: dict[tuple[Tensor, int], Walked] = {}
        self.followed: dict[int, tuple[Ints, Ints, npt.NDArray[np.bool_]]] = {}
        self.totals: dict[tuple[int, int], Total] = {}
        self.steps = np.ascontiguousarray(program.step_loops[:, [0, 1, 4, 3]])
        psums = [(int(parent), int(child)) for t, parent, child, _, _ in program.edges if t == PSUM]
        coded = [child for parent, child in psums if any(self._formats(Tensor.PSUM, parent, child))]
        self.deepest = max(coded, default=0)

    def _formats(self, tensor: Tensor, parent: int, child: int) -> tuple[Format | None, Format | None]:
        return formats_of(self.program, tensor, parent, child, self.masks.raw_ifmap)

    def recode(self, stream: Stream) -> Recoded | None:
        """Encode the transfers of a stream's next versions; None if none of them is."""
        above, below = self._formats(stream.tensor, stream.parent, stream.child)
        psum = stream.tensor is Tensor.PSUM
        # psums are followed as far down as any are encoded
        if above is None and below is None and not (psum and stream.child <= self.deepest):
            return None
        if not len(stream.begin):
            return None
        self.total = self.totals.setdefault((TENSORS.index(stream.tensor), stream.child), Total(stream))
        self._bases(stream)
        if psum:
            self._follow(stream)
        if above is None and below is None:
            return None
        if stream.tensor not in self.packed:
            self.packed[stream.tensor] = self.masks.packed(self.program.problem, stream.tensor)
        self.mask = self.packed[stream.tensor]
        recoded = self._psum(stream, above, below) if psum else self._input(stream, above, below)
        self.total.add(recoded)
        return recoded

    def finish(self, counts: Counts) -> Counts:
        """Counts with what encoding makes of all streams in place of the dense words."""
        encoded: list[Encoded] = []
        for _, total in sorted(self.totals.items()):
            recoded = total.recoded(self.program)
            recount(self.program, total.stream, recoded, counts)
            encoded += recoded.encoded
        return replace(counts, encoded=tuple(encoded))

    def _bases(self, stream: Stream) -> None:
        count, loops = len(stream.begin), len(self.steps)
        rows = [np.zeros(shape, np.int64) for shape in ((count, NDIMS), (count, NDIMS), count)]
        self.bases = kernel.Bases(*rows)
        slides = stream.tensor is Tensor.IFMAP and stream.reuse and not stream.register
        walked = Walked(np.zeros(loops, np.int64), np.zeros(1, np.int64), np.zeros((3, NDIMS), np.int64))
        walked = self.walked.setdefault((stream.tensor, stream.child), walked)
        self.tile = np.ones(NDIMS, np.int64)
        for dim, factor, _, level, _ in self.program.loops:
            if level >= stream.child:
                self.tile[dim] *= factor
        begin = np.ascontiguousarray(stream.begin)
        kernel.follow(
            self.steps, self.program.bounds, TENSORS.index(stream.tensor), stream.child, slides, begin, walked,
            self.bases,
        )  # fmt: skip
        self.done: dict[tuple[int, int, bool, Format, int], Sizes] = {}

    def _tiles(self, stream: Stream, low: int, hidden: bool) -> Tiles:
        """What the children under an instance of level `low` want."""
        program, tensor = self.program, TENSORS.index(stream.tensor)
        inner, numbers = children(program, low, stream.child)
        return Tiles(tensor, self.tile, inner, numbers, program.bounds, program.axes, hidden)

    def _input(self, stream: Stream, above: Format | None, below: Format | None) -> Recoded:
        columns: dict[int, Ints] = {}
        crossed = stream.child - stream.parent
        hidden = self.program.on_chip and stream.parent == 0
        every = np.ones(len(stream.begin), np.uint8)
        if above is not None:
            for f in range(stream.parent, stream.child):
                alone = bool(self.program.unicast[TENSORS.index(stream.tensor), f])
                j = 3 * (f - stream.parent)
                sent = self._sizes(stream, f + alone, f, hidden and f == 0, above, every)
                columns[j], columns[j + 1] = sent.total, sent.busiest
                columns[j + 2] = self._sizes(stream, f + 1, f + 1, False, above, every).total
                if j == 0:
                    self.total.add_sizes(stream.parent, "read", above, sent, every)
            without = self._sizes(stream, stream.parent + 1, stream.parent + 1, hidden, above, every)
            columns[3 * crossed + 1] = without.total
        fills = None
        if below is not None:
            own = self._sizes(stream, stream.child, stream.child, False, below, every)
            columns[3 * crossed], fills = own.busiest, own.total
            self.total.add_sizes(stream.child, "fill", below, own, every)
        return Recoded(columns, fills)

    def _psum(self, stream: Stream, above: Format | None, below: Format | None) -> Recoded:
        arrives, leaves = self._complete(stream)
        finals = self.program.finals.get((stream.parent, stream.child), WIDE)
        crossed = stream.child - stream.parent
        out: dict[int, Ints] = {}
        fills = None
        if above is not None:
            sizes = self._sizes(stream, stream.parent, stream.parent, False, above, arrives, finals.arrives)
            out[0], out[1], out[2] = sizes.total, sizes.busiest, sizes.total
            # what no network adds up arrives several times over
            parts = np.where(arrives, 1, unmerged_parts(self.program, self.bases.base, stream.parent, stream.child))
            out = {column: words * parts for column, words in out.items()}
            self.total.add_sizes(stream.parent, "update", above, sizes, arrives)
        if below is not None:
            sizes = self._sizes(stream, stream.child, stream.child, False, below, leaves, finals.leaves)
            fills, out[3 * crossed] = sizes.total, sizes.busiest
            self.total.add_sizes(stream.child, "drain", below, sizes, leaves)
        return Recoded(out, fills)

    def _complete(self, stream: Stream) -> tuple[Flags, Flags]:
        """uint8[version]: whether a drain's sums are complete as they arrive, and as they leave the child."""
        last = stream.final.astype(bool)
        unmerged = [
            loop for loop in self._sums(stream.parent, stream.child) if not self.program.merge[PSUM, loop[1], loop[0]]
        ]
        holds = self.followed[stream.child][2][-len(last) :]
        arrives = last & self._parent_has(stream) & ~self._several(self.bases.base, unmerged)
        leaves = last & holds & ~self._several(self.bases.base, self._sums(0, stream.child))
        return arrives.astype(np.uint8), leaves.astype(np.uint8)

    def _sums(self, low: int, high: int) -> list[tuple[int, int, int]]:
        """(dim, level, step) of the spatial reduction loops of levels low <= level < high."""
        loops = self.program.loops
        found = [(int(d), int(level), int(step)) for d, _, kind, level, step in loops if kind == 1 and d in REDUCTION]
        return [loop for loop in found if low <= loop[1] < high]

    def _several(self, base: Ints, sums: list[tuple[int, int, int]]) -> npt.NDArray[np.bool_]:
        """bool[version]: whether parts of a sum lie at several instances."""
        out = np.zeros(len(base), bool)
        for dim, _, step in sums:
            out |= base[:, dim] + step < self.program.bounds[dim]
        return out

    def _parent_has(self, stream: Stream) -> npt.NDArray[np.bool_]:
        """bool[version]: whether the parent holds every product so far, not parts that lie at its siblings."""
        if stream.parent == self.program.top:
            return np.ones(len(stream.begin), bool)
        steps, base, holds = self.followed[stream.parent]
        has = holds & ~self._several(base, self._sums(0, stream.parent))
        return has[np.searchsorted(steps, stream.begin, side="right") - 1]

    def _follow(self, stream: Stream) -> None:
        """Note of every version of a psum stream whether it starts from all products before it."""
        first: npt.NDArray[np.bool_] = np.logical_not(self.bases.base[:, REDUCTION].any(axis=1))
        if not accumulates(self.program.architecture, stream.parent, stream.child):
            first |= self._parent_has(stream)
        steps, base = stream.begin.copy(), self.bases.base
        if stream.child in self.followed:
            # the last version before may go on
            before = self.followed[stream.child]
            steps, base = np.concatenate([before[0][-1:], steps]), np.concatenate([before[1][-1:], base])
            first = np.concatenate([before[2][-1:], first])
        self.followed[stream.child] = steps, base, first

    def _sizes(
        self, stream: Stream, low: int, sender: int, hidden: bool, form: Format, chosen: Flags, narrow: bool = False
    ) -> Sizes:
        """Encode what each instance of level `low` is sent; the busiest is counted per instance of level `sender`.

        narrow : as ofmap words.
        """
        architecture = self.program.architecture
        bits = architecture.final_bits if narrow else architecture.moved_bits[stream.tensor]
        key = (low, sender, hidden, form, bits)
        if key not in self.done:
            self.done[key] = self._encode(stream, key, chosen)
        return self.done[key]

    def _encode(self, stream: Stream, key: tuple[int, int, bool, Format, int], chosen: Flags) -> Sizes:
        low, sender, hidden, form, bits = key
        offsets, owner = self._instances(stream.tensor, low, sender)
        sizes = Sizes(*(np.zeros(len(stream.begin), np.int64) for _ in range(4)))
        kernel.encoded_words(
            self._tiles(stream, low, hidden), self.bases,
            kernel.Mask(self.mask.bits, np.array(self.mask.shape, np.int64)),
            kernel.Senders(offsets, owner, int(owner.max()) + 1),
            kernel.Code(FORMATS.index(form), CHANNEL_AXIS[stream.tensor], bits), chosen, lists_of(self.program), sizes,
        )  # fmt: skip
        return sizes

    def _instances(self, tensor: Tensor, low: int, sender: int) -> tuple[Ints, Ints]:
        """(int64[instance, dim] offsets, int64[instance] its ancestor among those of level `sender`)."""
        offsets, owner = np.zeros((1, NDIMS), np.int64), np.zeros(1, np.int64)
        for dim, factor, kind, level, step in self.program.loops:
            if kind == 0 or level >= low:
                continue
            offsets = np.repeat(offsets[:, None, :], factor, axis=1)
            offsets[:, :, dim] += np.arange(factor) * step
            offsets = offsets.reshape(-1, NDIMS)
            index = np.arange(factor) if level < sender else np.zeros(factor, np.int64)
            owner = (owner[:, None] * (factor if level < sender else 1) + index).reshape(-1)
        # those that move the same words one after another: each set is encoded once
        order = np.lexsort([offsets[:, dim] for dim in range(NDIMS) if OWN[TENSORS.index(tensor), dim]])
        return offsets[order], owner[order]


def lists_of(program: Program) -> Lists:
    """Room for the words of any transfer of a layer."""
    bounds, axes = program.bounds, program.axes
    planes = [(bounds[4 + a] - 1) * axes[a, 0] + (bounds[6 + a] - 1) * axes[a, 1] + 1 for a in range(2)]
    longest = int(max(*planes, *bounds, bounds[3] * max(bounds[8:])))
    lists, counts, base, before = (np.zeros(shape, np.int64) for shape in ((6, longest), 6, NDIMS, NDIMS))
    return Lists(lists, counts, base, before, np.zeros(longest + 1, np.uint8))


def children(program: Program, low: int, child: int) -> tuple[Ints, Ints]:
    """(int64[group, child, 2], int64[group]) offsets of the children under an instance along each group's dims."""
    lists = [np.zeros((1, 2), np.int64) for _ in range(GROUPS)]
    for dim, factor, kind, level, step in program.loops:
        if kind == 0 or not low <= level < child:
            continue
        group, slot = next((g, s) for g in range(GROUPS) for s in range(2) if GROUP_DIMS[g, s] == dim)
        more = np.repeat(lists[group][:, None, :], factor, axis=1)
        more[:, :, slot] += np.arange(factor) * step
        lists[group] = more.reshape(-1, 2)
    inner = np.zeros((GROUPS, max(map(len, lists)), 2), np.int64)
    for group, found in enumerate(lists):
        inner[group, : len(found)] = found
    return inner, np.array([len(found) for found in lists], np.int64)


def unmerged_parts(program: Program, base: Ints, parent: int, child: int) -> Ints:
    """int64[version]: in how many parts, that no network adds up, each psum reaches the parent.

    base : int64[version, dim], first index of its tile.
    """
    parts = np.ones(len(base), np.int64)
    for dim, offsets in zip(REDUCTION, unmerged_offsets(program, parent, child), strict=True):
        parts *= (base[:, dim, None] + offsets < program.bounds[dim]).sum(axis=1)
    return parts


def unmerged_offsets(program: Program, parent: int, child: int) -> list[Ints]:
    """Along C, R and S, where from its own tile the parts of a psum begin that no network adds up on this edge."""
    found = []
    for dim in REDUCTION:
        offsets = np.zeros(1, np.int64)
        for own, factor, kind, level, step in program.loops:
            unmerged = kind == 1 and own == dim and parent <= level < child
            if unmerged and not program.merge[PSUM, level, dim]:
                offsets = (offsets[:, None] + np.arange(factor) * step).reshape(-1)
        found.append(offsets)
    return found


def formats_of(
    program: Program, tensor: Tensor, parent: int, child: int, raw_ifmap: bool
) -> tuple[Format | None, Format | None]:
    """How the parent and the child of a stream store its tensor; raw_ifmap : see `Masks`."""
    levels = program.architecture.levels
    below = levels[child].compression.get(tensor) if child < len(levels) else None
    if raw_ifmap and tensor is Tensor.IFMAP and not parent:
        return None, below
    return levels[parent].compression.get(tensor), below


def streams(edges: Ints, start: Ints, number: Ints, begin: Ints, final: Flags) -> Iterator[Stream]:
    """The streams of a schedule, in its order."""
    for x, (t, parent, child, register, reuse) in enumerate(edges):
        rows = slice(int(start[x]), int(start[x] + number[x]))
        yield Stream(TENSORS[t], int(parent), int(child), bool(register), bool(reuse), begin[rows], final[rows])


def recount(program: Program, stream: Stream, recoded: Recoded, counts: Counts) -> None:
    """Change counts in place to what encoding makes of one stream."""
    architecture, t = program.architecture, TENSORS.index(stream.tensor)
    psum = stream.tensor is Tensor.PSUM
    sums = {column: int(words.sum()) for column, words in recoded.columns.items()}
    crossed = stream.child - stream.parent
    if 0 in sums:
        counts.words[stream.parent, t, UPDATE if psum else READ] = sums[0]
        for f in range(stream.parent, stream.parent + 1 if psum else stream.child):
            j = 3 * (f - stream.parent)
            delivered = sums[3 * crossed + 1] if f == 0 and not psum else sums[j + 2]
            kind = architecture.levels[f].fanout.network(stream.tensor).kind
            counts.network[f, t, int(psum)] = sums[j], delivered, hops(kind, sums[j], delivered)
    if recoded.fills is not None:
        counts.words[stream.child, t, DRAIN if psum else FILL] = int(recoded.fills.sum())
    if psum:
        _narrow(program, stream, recoded, counts)


def _narrow(program: Program, stream: Stream, recoded: Recoded, counts: Counts) -> None:
    """What is encoded of psums are final sums: all of it moves as ofmap words, where any does."""
    finals, narrow = program.finals.get((stream.parent, stream.child), WIDE), counts.narrow
    if narrow is None:
        return
    for part in recoded.encoded:
        if part.action == "drain" and finals.leaves:
            narrow[stream.child, NARROWED.index("drain")] = part.words
        if part.action == "update" and finals.arrives:
            kind = program.architecture.levels[stream.parent].fanout.network(Tensor.PSUM).kind
            narrow[stream.parent, NARROWED.index("update")] = part.words
            narrow[stream.parent, 2:] = part.words, part.words, hops(kind, part.words, part.words)


assert TENSORS.index(Tensor.IFMAP) == IFMAP
