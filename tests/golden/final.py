"""Which drains bring finished sums: every psum word carries the set of the MACs that went into it."""

from __future__ import annotations

from .nest import Instance, Walk, Word
from .words import Part, Stream, Version, leaving

Sum = frozenset[tuple[int, int, int]]
"""C, R and S of the products added so far."""
Place = tuple[int, int, Instance]
"""Level, version, instance."""


def mark_final(walk: Walk, chain: list[Stream]) -> None:
    """Mark the psum versions whose words all have every product in them: as they arrive (final), and already as they
    leave the child (complete)."""
    if not chain:
        return
    _, _, _, c, _, _, r, s = walk.problem.sizes
    sums: dict[Place, dict[Word, Sum]] = {}
    for step in range(len(walk.steps)):
        for stream in chain:
            version = stream.serving(step)
            if version.first == step:
                refill(sums, stream, version)
        inner = chain[-1]
        for base in walk.iterations(step):
            for pe in walk.instances(walk.depth):
                n, g, m, *_ = here = walk.shifted(base, pe)
                if walk.inside(here):
                    tile = sums.setdefault((inner.level, inner.serving(step).number, pe[: inner.level]), {})
                    word = (n, g, m, here[4], here[5])
                    tile[word] = tile.get(word, frozenset()) | {(here[3], here[6], here[7])}
        for stream in reversed(chain):
            version = stream.serving(step)
            if version.last == step:
                leaving_child = [sums[stream.level, version.number, child] for child in version.tiles]
                version.complete = all(
                    len(products) == c * r * s for tile in leaving_child for products in tile.values()
                )
                arriving = drain(walk, sums, stream, version)
                version.final = all(len(products) == c * r * s for products in arriving.values())


def parent_place(stream: Stream, version: Version, instance: Instance) -> Place:
    """Where a version's words come from and go to."""
    number = stream.outer.serving(version.first).number if stream.outer else 0
    return stream.parent, number, instance[: stream.parent]


def refill(sums: dict[Place, dict[Word, Sum]], stream: Stream, version: Version) -> None:
    """Partial sums come back."""
    for instance, words in version.fills.items():
        above = sums[parent_place(stream, version, instance)]
        sums[stream.level, version.number, instance] = {word: above[word] for word in words}


def drain(walk: Walk, sums: dict[Place, dict[Word, Sum]], stream: Stream, version: Version) -> dict[Part, Sum]:
    """Sums rise, are added on the way, join their old psums, and land; gives them as they arrive."""
    arriving: dict[Part, Sum] = {}
    for part, children in leaving(walk, stream, version).items():
        word, _, instance = part
        parts = [sums[stream.level, version.number, child][word] for child in children]
        assert len(frozenset().union(*parts)) == sum(map(len, parts)), "a product is in a sum once"
        arriving[part] = frozenset().union(*parts)
        above = sums.setdefault(parent_place(stream, version, instance), {})
        if part in version.old:
            arriving[part] |= above[word]
    for part, products in arriving.items():
        word, _, instance = part
        above = sums[parent_place(stream, version, instance)]
        above[word] = above.get(word, frozenset()) | products
    return arriving
