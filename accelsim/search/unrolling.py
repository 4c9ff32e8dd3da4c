"""What the arrays and the PE may take of each dim, before anything is said of the levels above them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from accelsim.mapping.mapping import tile_words
from accelsim.search.factors import fitting, largest, thin, tight
from accelsim.search.nested import NARROWEST, unrollings
from accelsim.search.room import Part, Room, Stepped, Straight
from accelsim.search.space import Space
from accelsim.search.split import Inner
from accelsim.workload.problem import LOOP_DIMS, TENSOR_DIMS, Tensor

MOST_IN_PE = 1 << 16
"""Largest factor of a dim in the PE."""
Unrolling = dict[str, Inner]
Tile = dict[str, int]
"""Extents of all dims."""
SLIDING = frozenset("PQRS")
"""Dims whose words overlap in an ifmap."""


class Unrollings:
    """The inner factors of a space.

    narrower : a strip of a dim may also be narrower than the widest, where x has room for another dim beside it.
    """

    def __init__(self, space: Space, narrower: bool = False) -> None:
        self.space, self.narrower = space, narrower and bool(space.dataflow.strip) and len(space.x) > 1
        self.machine, self.problem, self.dataflow = space.machine, space.problem, space.dataflow
        self._known_parts: dict[tuple[int, ...], list[Part]] = {}

    def largest(self) -> Iterator[Unrolling]:
        """Every joint choice of inner factors that fits the arrays and the PE; none that a larger one covers.

        The widest use of the array comes first, of nested arrays what needs fewest passes; of equals the one that
        `_spatial`, then `unrollings`, has first.
        """
        for spatial in self._nested() if self.space.outer else self.arrays():
            for inner in self._inside(spatial):
                yield self.filled(inner)

    def within(self, inner: Unrolling, most: int) -> list[Unrolling]:
        """The same unrolling of the arrays with whatever fits inside the PE, smaller factors too; at most `most`."""
        found = self._choices_in_pe(inner, largest_only=False)
        return [_with_pe(inner, found[i]) for i in thin(list(range(len(found))), most)]

    def arrays(self) -> Iterator[Unrolling]:
        """What the innermost array alone may unroll, nothing in the PE; the widest use of it first."""
        y, x = self.space.axes
        return self._spatial(self.machine.levels[y].fanout.y, self.machine.levels[x].fanout.x)

    def _nested(self) -> Iterator[Unrolling]:
        """The same with all arrays around it."""
        alone = list(self.arrays())
        starts = [{dim: -(-self.problem[dim] // own.factor) for dim, own in inner.items()} for inner in alone]
        for at, outer in unrollings(starts, self.space.outer, NARROWEST):
            yield {dim: own._replace(outer=outer[dim]) for dim, own in alone[at].items()}

    def _spatial(self, size_y: int, size_x: int) -> Iterator[Unrolling]:
        flow = self.dataflow
        dims = [d for d in LOOP_DIMS if d in self.space.y or d in self.space.x]
        dims.sort(key=lambda d: (d not in flow.whole, d != flow.strip))
        # (PEs, what is left of y and of x, inner factors)
        found: list[tuple[int, int, int, tuple[Inner, ...]]] = [(1, size_y, size_x, ())]
        for dim in dims:
            ways: dict[tuple[int, int], list[tuple[int, int, int, Inner]]] = {}
            grown = []
            for pes, left_y, left_x, chosen in found:
                if (left_y, left_x) not in ways:
                    ways[left_y, left_x] = [
                        (y * x, left_y // y, left_x // x, Inner(y, x))
                        for y, x in self._choices(dim, self.problem[dim], left_y, left_x, size_x)
                    ]
                for more, rest_y, rest_x, inner in ways[left_y, left_x]:
                    grown.append((pes * more, rest_y, rest_x, (*chosen, inner)))
            found = grown
        found.sort(key=lambda one: -one[0])
        ones = dict.fromkeys(LOOP_DIMS, Inner())
        for *_, chosen in found:
            yield ones | dict(zip(dims, chosen, strict=True))

    def _choices(self, dim: str, size: int, left_y: int, left_x: int, size_x: int) -> Iterator[tuple[int, int]]:
        flow = self.dataflow
        on_y, on_x = dim in self.space.y, dim in self.space.x
        if dim == flow.strip:
            folds = -(-size // size_x)
            widest = -(-size // folds)
            for width in reversed(tight(size, left_x)) if self.narrower else [widest] * (widest <= left_x):
                yield 1, width
            if folds > 1 and on_y and folds <= left_y:
                yield folds, -(-size // folds)
        elif dim in flow.whole:
            whole = [(size, 1)] * (on_y and size <= left_y) + [(1, size)] * (on_x and size <= left_x)
            yield from whole or [(left_y if on_y else 1, 1 if on_y else left_x)]
        else:
            for fy in tight(size, left_y if on_y else 1):
                for fx in tight(-(-size // fy), left_x if on_x else 1):
                    yield fy, fx

    def _inside(self, inner: Unrolling) -> Iterator[Unrolling]:
        """The largest factors in the PE beside an unrolling of the arrays."""
        # what fits depends on how much of each tensor the array has, and most unrollings have the same
        key = tuple((inner[dim].pes, inner[dim].y * inner[dim].x) for dim in self._decisive)
        found = self.space.in_pe.get(key)
        if found is None:
            found = self.space.in_pe[key] = self._choices_in_pe(inner, largest_only=True)
        for pe in found:
            yield _with_pe(inner, pe)

    @cached_property
    def _decisive(self) -> tuple[str, ...]:
        """Dims whose unrolling decides what fits in the PE and right above the array."""
        above = {tensor for inside, _, words in self._below if not inside for tensor, _ in words}
        return tuple(dim for dim in LOOP_DIMS if dim in self.dataflow.pe or any(dim in TENSOR_DIMS[t] for t in above))

    def _choices_in_pe(self, inner: Unrolling, largest_only: bool) -> list[dict[str, int]]:
        """Factors inside the PE that fit there and right above the array; the largest: none larger in one dim does."""
        rest = {dim: -(-self.problem[dim] // inner[dim].pes) for dim in self.dataflow.pe}
        fixed = {dim: size for dim, size in rest.items() if dim in self.dataflow.whole}
        free = [dim for dim in rest if dim not in fixed]
        room, ones = self._room(fixed, free, inner), (1,) * len(free)
        lists = []
        for at, dim in enumerate(free):
            values = tight(rest[dim], MOST_IN_PE)
            lists.append(values[: room.number(at, ones, values)])
        found = largest(lists, room) if largest_only else fitting(lists, room)
        return [{**fixed, **dict(zip(free, chosen, strict=True))} for chosen in found]

    def _room(self, fixed: dict[str, int], free: list[str], inner: Unrolling) -> Room:
        """What of the free dims fits every level from the one above the array on."""
        one = dict.fromkeys(LOOP_DIMS, 1) | {dim: min(factor, self._sizes[dim]) for dim, factor in fixed.items()}

        def slide(chosen: Sequence[int]) -> bool:
            pe = one | {dim: min(factor, self._sizes[dim]) for dim, factor in zip(free, chosen, strict=True)}
            above = self._of_array(pe, inner)
            return all(
                sum(word * tile_words(self.problem, pe if inside else above, t) for t, word in words) <= bits
                for inside, bits, words in self._below
            )

        if SLIDING & set(free):
            return Stepped(slide)
        array = self._of_array(one, inner)
        parts = [self._part(array, free, bits, words) for inside, bits, words in self._below if not inside]
        return Straight([*parts, *self._inside_parts(fixed, free, one)])

    def _inside_parts(self, fixed: dict[str, int], free: list[str], one: Tile) -> list[Part]:
        """The partitions in the PE, the same for all unrollings of the arrays that leave as much of the fixed dims."""
        key = tuple(fixed.values())
        if key not in self._known_parts:
            rows = (row for row in self._below if row[0])
            self._known_parts[key] = [self._part(one, free, bits, words) for _, bits, words in rows]
        return self._known_parts[key]

    def _part(self, tile: Tile, free: list[str], bits: int, words: list[tuple[Tensor, int]]) -> Part:
        """One partition, by the tile where the free dims' factors are 1."""
        base, terms = tile | dict.fromkeys(free, 1), []
        for tensor, word in words:
            own = tuple([i for i, dim in enumerate(free) if dim in TENSOR_DIMS[tensor]])
            terms.append((word * tile_words(self.problem, base, tensor), own))
        return Part(bits, tuple(terms), tuple([tile[dim] for dim in free]), tuple([self._sizes[dim] for dim in free]))

    def filled(self, inner: Unrolling) -> Unrolling:
        """The same with the largest block of outputs that the accumulators hold, if the dataflow fills them."""
        if not self.dataflow.fill:
            return inner
        level = self.machine.levels[self.space.accumulators]
        slots = level.slots(Tensor.PSUM)
        room = min((p.free for p in level.capacity if p.tensors & level.keeps == {Tensor.PSUM}), default=0)
        on_y, on_x = (axis >= self.space.accumulators for axis in self.space.axes)
        tile = {dim: own.pe * (own.y if on_y else 1) * (own.x if on_x else 1) for dim, own in inner.items()}
        inner = dict(inner)
        for dim in self.dataflow.fill if room else ():
            most = room // (slots * tile_words(self.problem, tile, Tensor.PSUM) * self.machine.moved_bits[Tensor.PSUM])
            own = inner[dim]
            run = tight(-(-self.problem[dim] // own.factor), max(most, 1))[-1]
            inner[dim] = own._replace(run=run)
            tile[dim] *= run
        return inner

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return dict(zip(LOOP_DIMS, self.problem.bounds, strict=True))

    @cached_property
    def _below(self) -> list[tuple[bool, int, list[tuple[Tensor, int]]]]:
        """(inside the PE, bits, (tensor, bits of one word in all its slots)) of each partition from the array on."""
        found = []
        for index in range(self.space.array, len(self.machine.levels)):
            level = self.machine.levels[index]
            inside = index >= self.machine.pe_level
            if not inside and len(level.keeps) > 1:
                # a shared buffer may be bypassed or its free loops moved out: checked combination by combination
                continue
            held = level.keeps & self.dataflow.keeps if inside else level.keeps
            for partition in level.capacity:
                words = [(t, level.slots(t) * self.machine.moved_bits[t]) for t in partition.tiled & held]
                found.append((inside, partition.free, words))
        return found

    @cached_property
    def _of_this_array(self) -> tuple[bool, bool]:
        return self.space.axes[0] == self.space.array, self.space.axes[1] == self.space.array

    def _of_array(self, one: Tile, inner: Unrolling) -> Tile:
        """The tile of the whole array, from that of one PE."""
        y, x = self._of_this_array
        tile = {}
        for dim, size in self._sizes.items():
            rows, columns, *_ = inner[dim]
            words = one[dim] * (rows if y else 1) * (columns if x else 1)
            tile[dim] = words if words < size else size
        if not self.space.tiled:
            for dim in self.dataflow.run:
                if dim not in self.dataflow.fill:
                    tile[dim] = self._sizes[dim]
        return tile


def _with_pe(inner: Unrolling, pe: dict[str, int]) -> Unrolling:
    found = dict(inner)
    for dim, factor in pe.items():
        y, x, _, run, outer = inner[dim]
        found[dim] = Inner(y, x, factor, run, outer)
    return found
