"""Networks with links, word by word: each word walks its route hop by hop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from accelsim.architecture.model import Injection, Network, NetworkKind, Port
from accelsim.workload.problem import Padding, Tensor

from .nest import Instance, Walk
from .words import Part, Stream, Version, risen

Link = str
Crossed = dict[Instance, dict[Link, set[object]]]
"""Per parent instance and link, what crosses it."""


def place_of(walk: Walk, fanout: int, child: Instance) -> tuple[int, int]:
    """Row and column of a child on the grid of its fan-out."""
    at = {"y": 0, "x": 0}
    for loop, index in zip(walk.fanout_loops(fanout), child[fanout], strict=True):
        at[loop.kind] = at[loop.kind] * loop.factor + index
    return at["y"], at["x"]


def hops(network: Network, place: tuple[int, int], up: bool) -> Iterator[Link]:
    """The links of one route, in the order a word takes them: along the row first, then along the column."""
    if network.kind is NetworkKind.CROSSBAR:
        yield f"({place[0]},{place[1]})->port" if up else f"port->({place[0]},{place[1]})"
        return
    edge = network.injection is Injection.WEST_EDGE
    here = place if up else (place[0] if edge else 0, 0)
    goal = (place[0] if edge else 0, 0) if up else place
    if not up:
        yield f"port->({here[0]},{here[1]})"
    while here != goal:
        (y, x), (goal_y, goal_x) = here, goal
        along = x != goal_x
        following = (y, x + (1 if goal_x > x else -1)) if along else (y + (1 if goal_y > y else -1), x)
        yield f"({y},{x})->({following[0]},{following[1]})"
        here = following
    if up:
        yield f"({here[0]},{here[1]})->port"


def every_link(walk: Walk, network: Network, fanout: int, up: bool) -> dict[Link, None]:
    """The links that routes to the children of this mapping use."""
    places = {place_of(walk, fanout, child) for child in walk.instances(fanout + 1)}
    return {link: None for place in sorted(places) for link in hops(network, place, up)}


def longest(walk: Walk, network: Network, fanout: int) -> int:
    """Hops to the child that is farthest away."""
    return max(len(list(hops(network, place_of(walk, fanout, c), False))) for c in walk.instances(fanout + 1))


def carried(walk: Walk, stream: Stream, version: Version, fanout: int, kind: str) -> Crossed:
    """What a fill, a drain (D) or old psums (P) put on every link."""
    network = walk.architecture.levels[fanout].fanout.network(stream.tensor)
    out: Crossed = {}
    for child, sort, thing in _travellers(walk, stream, version, fanout, kind):
        links = list(hops(network, place_of(walk, fanout, child), kind == "D"))
        if kind == "P" and network.kind is NetworkKind.MESH:
            links = links[:1]  # they meet the new ones at the port
        for link in links:
            out.setdefault(child[:fanout], {}).setdefault(link, set()).add((sort, thing))
    return out


def _travellers(
    walk: Walk, stream: Stream, version: Version, fanout: int, kind: str
) -> Iterator[tuple[Instance, str, object]]:
    """(child of the fan-out, sort, what is the same on its way): what is wanted there, or comes from there."""
    if kind == "P":
        for part, child in version.old.items():
            yield child[: fanout + 1], "old", part
        return
    if kind == "D":
        parts: set[Part] = {(word, (), i) for i, words in version.tiles.items() for word in words}
        for below in reversed(range(fanout + 1, stream.level)):
            parts = {risen(walk, below, part) for part in parts}
        for part in parts:
            yield part[2], "sum", risen(walk, fanout, part)
        return
    hidden = fanout == 0 and walk.architecture.padding is Padding.ON_CHIP and stream.tensor is Tensor.IFMAP
    for instance, words in version.fills.items():
        for word in words:
            if not (hidden and walk.is_padding(stream.tensor, word)):
                yield instance[: fanout + 1], "word", word


def held(walk: Walk, stream: Stream, version: Version, fanout: int, kind: str) -> list[tuple[Port, int]]:
    """The timed ports a transfer holds on a mesh or at the children of a crossbar, and the busiest one's words."""
    network, up = walk.architecture.levels[fanout].fanout.network(stream.tensor), kind == "D"
    crossed = carried(walk, stream, version, fanout, kind)
    if network.kind is NetworkKind.CROSSBAR:
        port = network.child_up if up else network.child_down
        most = max((len(things) for links in crossed.values() for things in links.values()), default=0)
        return [(port, most)] if port is not None else []
    port, out = network.up if up else network.down, []
    for link in every_link(walk, network, fanout, up) if port is not None else ():
        assert port is not None
        most = max((len(links.get(link, ())) for links in crossed.values()), default=0)
        out.append((replace(port, name=f"{port.name} {link}"), most))
    return out


def compared(walk: Walk, stream: Stream, version: Version, fanout: int) -> int:
    """Tags compared on a tagged bus: of each word at every row, then at every PE of the rows that match."""
    rows: dict[tuple[Instance, object], set[int]] = {}
    for child, _, word in _travellers(walk, stream, version, fanout, "F"):
        rows.setdefault((child[:fanout], word), set()).add(place_of(walk, fanout, child)[0])
    array, comparisons = walk.architecture.levels[fanout].fanout, 0
    for matching in rows.values():
        for row in range(array.y):
            comparisons += 1
            comparisons += array.x if row in matching else 0
    return comparisons


def link_words(crossed: Crossed) -> Counter[Link]:
    """Words per link, all parent instances together."""
    out: Counter[Link] = Counter()
    for links in crossed.values():
        for link, things in links.items():
            out[link] += len(things)
    return out
