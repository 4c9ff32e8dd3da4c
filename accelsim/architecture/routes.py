"""Routes of a network on chip: the links from a level to each child, and which way they lead.

The children a mapping uses sit on a y by x grid of routers. A mesh is routed in dimension order, X before Y (Dally and
Towles, "Principles and Practices of Interconnection Networks", 2004, section 8.4.2), so the routes that begin or end at
one port form a tree, and a word wanted by several children is sent once over every link of the union of their routes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Injection, Network, NetworkKind

if TYPE_CHECKING:
    from networkx import DiGraph

Child = tuple[int, int]
Node = tuple[str, int] | Child
Ints = npt.NDArray[np.int64]
PORT = "port"


@dataclass(frozen=True)
class Routes:
    """Links as arrays, for one direction; children are counted row by row.

    names : of the links. first : int64[child], the link at the child. onward : int64[link], the next one towards the
    parent, -1 at it. root : int64[child], the port of the parent a child's words pass. ports : int64[port], its link.
    longest : links of the longest route.
    """

    names: tuple[str, ...]
    first: Ints
    onward: Ints
    root: Ints
    ports: Ints
    longest: int


def route(network: Network, child: Child, up: bool) -> list[Node]:
    """The nodes a word passes from the parent to a child's router, or (up) back, in order."""
    y, x = child
    row = y if network.injection is Injection.WEST_EDGE else 0
    if up:
        along = [(y, column) for column in range(x, -1, -1)]
        return [*along, *((r, 0) for r in range(y - 1, row - 1, -1)), (PORT, row)]
    along = [(row, column) for column in range(x + 1)]
    return [(PORT, row), *along, *((r, x) for r in range(row + 1, y + 1))]


def graph(network: Network, rows: int, columns: int, up: bool) -> DiGraph:
    """All links that routes to (or, up, from) a grid of children use."""
    import networkx

    links = networkx.DiGraph()
    for y in range(rows):
        for x in range(columns):
            networkx.add_path(links, route(network, (y, x), up))
    return links


def loads(links: DiGraph, wanted: Mapping[Child, Iterable[object]], up: bool) -> Counter[tuple[Node, Node]]:
    """Words per link, one by one: each crosses the union of the routes of the children that want (offer) it."""
    import networkx

    wanting: dict[object, list[Child]] = {}
    for child, words in wanted.items():
        for word in words:
            wanting.setdefault(word, []).append(child)
    found: Counter[tuple[Node, Node]] = Counter()
    for receivers in wanting.values():
        used: set[Node] = set(receivers)
        for child in receivers:
            used |= networkx.descendants(links, child) if up else networkx.ancestors(links, child)
        found.update(list(links.subgraph(used).edges))
    return found


@lru_cache(maxsize=256)
def routes(network: Network, rows: int, columns: int, up: bool) -> Routes:
    """The links of a mesh, of a crossbar (one for each child) or of a tagged bus (one for each row)."""
    children = [(y, x) for y in range(rows) for x in range(columns)]
    if network.kind is not NetworkKind.MESH:
        ends = [y if network.tags else y * columns + x for y, x in children]
        names = [f"row {y}" for y in range(rows)] if network.tags else [_name(PORT, p, up) for p in children]
        own, one = np.array(ends, np.int64), np.zeros(len(children), np.int64)
        return Routes(tuple(names), own, np.full(len(names), -1, np.int64), one, np.zeros(0, np.int64), 1)
    links = graph(network, rows, columns, up)
    edges = list(links.edges)
    number = {edge: i for i, edge in enumerate(edges)}
    # the way to the parent: along an edge going up, against it going down; X-Y routing leaves one way only
    towards = {(a if up else b): (a, b) for a, b in edges}
    assert len(towards) == len(edges), "routes that share a port form a tree"
    onward = [number.get(towards.get(b if up else a, (PORT, PORT)), -1) for a, b in edges]
    first = [number[towards[child]] for child in children]
    at_port = [i for i, (a, b) in enumerate(edges) if PORT in (a[0], b[0])]
    root = []
    for link in first:
        while onward[link] >= 0:
            link = onward[link]
        root.append(at_port.index(link))
    longest = max(len(route(network, child, up)) for child in children) - 1
    return Routes(
        tuple(_name(a, b, False) for a, b in edges),
        np.array(first, np.int64),
        np.array(onward, np.int64),
        np.array(root, np.int64),
        np.array(at_port, np.int64),
        longest,
    )


def _name(start: Node | str, end: Node | str, back: bool) -> str:
    """`port->(0,0)`; where there are several ports, the router says which."""
    names = [PORT if PORT in (node, node[0]) else f"({node[0]},{node[1]})" for node in (start, end)]
    return "->".join(reversed(names) if back else names)
