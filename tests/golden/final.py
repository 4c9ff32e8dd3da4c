"""Which drains bring finished sums: every psum word carries the set of the MACs that went into it."""

from __future__ import annotations

import numpy as np

from accelsim.sparsity.masks import shape_of
from accelsim.workload.problem import Tensor

from .nest import Instance, Walk, Word
from .words import Part, Stream, Version, begins_with_bias, leaving, risen

Sum = frozenset[tuple[int, ...]]
"""C, R, S, IB and WB of the products added so far."""
Place = tuple[int, int, Instance]
"""Level, version, instance."""


def mark_final(walk: Walk, chain: list[Stream]) -> None:
    """Mark the psum versions whose words all have every product in them: as they arrive (final), and already as they
    leave the child (complete)."""
    if not chain:
        return
    every = walk.problem.slots // walk.problem.words(Tensor.PSUM)
    sums: dict[Place, dict[Word, Sum]] = {}
    if walk.problem.added or begins_with_bias(walk):
        # what they begin with is no product; their home is one memory
        (home,) = walk.instances(chain[0].parent)
        sums[chain[0].parent, 0, home] = dict.fromkeys(np.ndindex(*shape_of(walk.problem, Tensor.PSUM)), frozenset())
    for step in range(len(walk.steps)):
        for stream in chain:
            version = stream.serving(step)
            if version.first == step:
                refill(walk, sums, stream, version)
        inner = chain[-1]
        for base in walk.iterations(step):
            for pe in walk.instances(walk.depth):
                here = walk.shifted(base, pe)
                for words in walk.macs(here) if walk.inside(here) else ():
                    tile = sums.setdefault((inner.level, inner.serving(step).number, pe[: inner.level]), {})
                    word = words[Tensor.PSUM]
                    tile[word] = tile.get(word, frozenset()) | {(here[3], *here[6:])}
        for stream in reversed(chain):
            version = stream.serving(step)
            if version.last == step:
                there = ((stream.level, version.number, child) for child, words in version.tiles.items() if words)
                leaving_child = [sums[place] for place in there]
                version.complete = all(len(products) == every for tile in leaving_child for products in tile.values())
                arriving = drain(walk, sums, stream, version)
                version.final = all(len(products) == every for products in arriving.values())


def mark_narrow(walk: Walk, chain: list[Stream]) -> None:
    """Mark where finished sums are ofmap words: of a stream whose tiles all arrive finished the last time."""
    places = spread_over(walk)
    for index, stream in enumerate(chain):
        lasts = {(v.base[0], v.base[1], v.base[2], v.base[4], v.base[5]): v for v in stream.versions}
        parts = [leaving(walk, stream, v) for v in stream.versions]
        apart = any(len(found) > len({(word, at) for word, _, at in found}) for found in parts)
        if stream.parent > walk.architecture.narrow_level or apart or places[stream.parent]:
            continue
        if not all(version.final for version in lasts.values()):
            continue
        for version in lasts.values():
            version.narrow_in = True
            version.narrow_on = frozenset(f for f in stream.crossed if carried_narrow(walk, stream, f))
        for outer in chain[index - 1 : index]:
            outer_lasts = {(v.base[0], v.base[1], v.base[2], v.base[4], v.base[5]): v for v in outer.versions}
            for version in outer_lasts.values():
                assert version.complete
                version.narrow_out = True


def spread_over(walk: Walk) -> list[bool]:
    """Of every level, whether several of its instances add to the same sum."""
    found: list[dict[Word, set[Instance]]] = [{} for _ in range(walk.depth + 1)]
    for step in range(len(walk.steps)):
        for base in walk.iterations(step):
            for pe in walk.instances(walk.depth):
                here = walk.shifted(base, pe)
                for words in walk.macs(here) if walk.inside(here) else ():
                    for level, places in enumerate(found):
                        places.setdefault(words[Tensor.PSUM], set()).add(pe[:level])
    return [any(len(at) > 1 for at in places.values()) for places in found]


def carried_narrow(walk: Walk, stream: Stream, fanout: int) -> bool:
    """Whether a fan-out carries finished sums as ofmap words: it lies where the machine narrows, and nothing is added
    there or behind it."""
    machine = walk.architecture
    encoded = fanout == stream.parent and Tensor.PSUM in machine.levels[fanout].compression
    if fanout > machine.narrow_fanout and not encoded:
        return False
    for version in stream.versions:
        entering = {(word, (), i) for i, words in version.tiles.items() for word in words}
        for f in reversed(stream.crossed):
            top = {risen(walk, f, part) for part in entering}
            if f <= fanout and len(top) < len(entering):
                return False
            entering = top
    return True


def parent_place(walk: Walk, stream: Stream, version: Version, instance: Instance, word: Word) -> Place:
    """Where a word of a version comes from and goes to."""
    number = stream.outer.serving(version.first).number if stream.outer else 0
    return stream.parent, walk.store(Tensor.PSUM, stream.parent, number, word), instance[: stream.parent]


def refill(walk: Walk, sums: dict[Place, dict[Word, Sum]], stream: Stream, version: Version) -> None:
    """Partial sums come back."""
    for instance, words in version.fills.items():
        above = {word: sums[parent_place(walk, stream, version, instance, word)][word] for word in words}
        sums[stream.level, version.number, instance] = above


def drain(walk: Walk, sums: dict[Place, dict[Word, Sum]], stream: Stream, version: Version) -> dict[Part, Sum]:
    """Sums rise, are added on the way, join their old psums, and land; gives them as they arrive."""
    arriving: dict[Part, Sum] = {}
    for part, children in leaving(walk, stream, version).items():
        word, _, instance = part
        parts = [sums[stream.level, version.number, child][word] for child in children]
        assert len(frozenset().union(*parts)) == sum(map(len, parts)), "a product is in a sum once"
        arriving[part] = frozenset().union(*parts)
        above = sums.setdefault(parent_place(walk, stream, version, instance, word), {})
        if part in version.old:
            arriving[part] |= above[word]
    for part, products in arriving.items():
        word, _, instance = part
        above = sums[parent_place(walk, stream, version, instance, word)]
        above[word] = above.get(word, frozenset()) | products
    return arriving
