"""A plan over the graph of its network: layers in run order, each tensor a lane from who makes it to who reads it.

`graph_of` is the data; `laid_out` says where everything lies, in pixels, for whoever draws it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, sqrt
from typing import NamedTuple

from accelsim.mapping.plan.living import Between
from accelsim.mapping.plan.plan import Group
from accelsim.report.palette import COLOURS
from accelsim.report.text import shown
from accelsim.workload.network import INPUT, VIEWS

OUTSIDE, HOME, BOTH, INSIDE = "outside", "home", "both", "inside"
"""Where a tensor lives: in the outermost level, at home, at home and also written there, as tiles of a group."""
PAINTS = {OUTSIDE: COLOURS[0], HOME: COLOURS[1], BOTH: COLOURS[3], INSIDE: COLOURS[2]}
SEARCHED = "searched"
"""A tile that the plan leaves to the search."""
MOST = 600
"""Layers of a graph at most: of more a picture says nothing."""


class Node(NamedTuple):
    """A layer, in run order; views are none. macs : whether it multiplies."""

    name: str
    op: str
    macs: bool


class Edge(NamedTuple):
    """A tensor: from the node that makes it to those that read it, by number, in order.

    at_home : how many of its readers find it on the chip. where : of `PAINTS`, for these; later ones go outside.
    """

    tensor: str
    words: int
    made: int
    readers: tuple[int, ...]
    at_home: int
    where: str
    level: str = ""

    @property
    def spans(self) -> tuple[tuple[int, int, str], ...]:
        """(from node, to node, where it lives), one or two."""
        if self.where == OUTSIDE or self.at_home == len(self.readers):
            return ((self.made, self.readers[-1], self.where),)
        last = self.readers[self.at_home - 1]
        return (self.made, last, self.where), (last, self.readers[-1], OUTSIDE)


@dataclass(frozen=True)
class PlanGraph:
    """groups : (first node, last node, what its tiles are). outermost, home : names of levels; '': nothing stays."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    groups: tuple[tuple[int, int, str], ...]
    outermost: str
    home: str

    def called(self, where: str) -> str:
        """What a colour says."""
        names = {
            OUTSIDE: f"in {shown(self.outermost)}",
            HOME: f"stays in {shown(self.home)}",
            BOTH: f"stays in {shown(self.home)}, and is written to {shown(self.outermost)}",
            INSIDE: "in tiles of a group, never whole",
        }
        return names[where]

    @property
    def kinds(self) -> tuple[str, ...]:
        """All that occur."""
        found = {where for edge in self.edges for _, _, where in edge.spans}
        return tuple(kind for kind in PAINTS if kind in found)


def graph_of(between: Between) -> PlanGraph:
    """The graph of a network under a plan."""
    network, plan = between.network, between.plan
    nodes = [Node(INPUT, "input", False)] if INPUT in between.tensors else []
    number: dict[int, int] = {-1: 0}
    for index, layer in enumerate(network.layers):
        if layer.op not in VIEWS:
            number[index] = len(nodes)
            nodes.append(Node(layer.name, layer.op, layer.problem is not None))
    edges = []
    for name, tensor in between.tensors.items():
        readers = tuple(dict.fromkeys(number[reader.index] for reader in tensor.readers))
        if not readers:
            continue
        home, group = plan.resident.get(name), plan.group_of(name)
        there, where = len(readers), OUTSIDE
        if home is not None:
            last = number[tensor.last(home.until)]
            there, where = sum(reader <= last for reader in readers), BOTH if between.copied(name) else HOME
        elif group is not None and all(nodes[reader].name in group.layers for reader in readers):
            where = INSIDE
        level = home.level if home else ""
        edges.append(Edge(name, tensor.words, number[tensor.made], readers, there, where, level))
    places = {node.name: at for at, node in enumerate(nodes)}
    groups = []
    for one in plan.groups:
        own = [places[name] for name in one.layers if name in places]
        groups.append((min(own), max(own), tile_of(one)))
    return PlanGraph(tuple(nodes), tuple(edges), tuple(groups), between.machine.levels[0].name, between.home)


def tile_of(group: Group) -> str:
    """The tile of a group, in few letters: rows × columns, of a layer that hands its tiles on × channels."""
    if group.attention:
        return f"{group.rows} × {group.columns or 'all'}"
    if group.epilogue:
        return f"{group.P} × {group.Q} × {group.M}" if group.P else SEARCHED
    return f"{group.P or 'all'} × {group.Q or 'all'}"


# ---- where everything lies -------------------------------------------------------------------------------------------

ROW, TALL, LANE, LETTER = 16.0, 13.0, 9.0, 6.2
"""Pixels: of a row, of a box in it, of a lane beside the boxes, of a letter."""
EDGE, APART, THIN, LONGEST = 8.0, 22.0, 1.2, 26
"""Pixels around everything and between columns, of the thinnest lane; letters of a name at most."""


class Rect(NamedTuple):
    """A filled box. title : what it says when it is asked. edge : colour of its outline."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    title: str = ""
    edge: str = ""


class Head(NamedTuple):
    """The head of an arrow that points to the left."""

    x: float
    y: float
    colour: str


class Text(NamedTuple):
    """A line of text; y : of its middle. faint : what is no name."""

    x: float
    y: float
    text: str
    faint: bool = False


@dataclass(frozen=True)
class Layout:
    """What is drawn, in this order. parts : boxes of groups first, then lanes, arrows, boxes of layers and names."""

    width: float
    height: float
    parts: tuple[Rect | Head | Text, ...]


def lanes_of(edges: Iterable[Edge]) -> dict[str, int]:
    """The lane of each tensor: short ones lie next to the boxes; none shares a lane with another beside it."""
    found: dict[str, int] = {}
    taken: list[list[tuple[int, int]]] = []
    for edge in sorted(edges, key=lambda edge: (edge.readers[-1] - edge.made, edge.made)):
        first, last = edge.made, edge.readers[-1]
        lane = 0
        while lane < len(taken) and any(first < end and begin < last for begin, end in taken[lane]):
            lane += 1
        if lane == len(taken):
            taken.append([])
        taken[lane].append((first, last))
        found[edge.tensor] = lane
    return found


def column_width(graph: PlanGraph) -> float:
    """Pixels of a column of layers with all their lanes."""
    return _names(graph) + APART / 2 + LANE * _lanes(graph) + _tiles(graph) + APART


def _names(graph: PlanGraph) -> float:
    return 10 + LETTER * max(len(short(node.name)) for node in graph.nodes)


def _lanes(graph: PlanGraph) -> int:
    return max(lanes_of(graph.edges).values(), default=0) + 1


def _tiles(graph: PlanGraph) -> float:
    return 4 + LETTER * max((len(text) for _, _, text in graph.groups), default=0)


def short(name: str) -> str:
    """A name as it is written in a box."""
    text = shown(name)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 + 1 :]}"


def laid_out(graph: PlanGraph, columns: int) -> Layout:
    """Rows in run order from top to bottom, in so many columns from left to right."""
    return _Laying(graph, columns).layout()


class _Laying:
    def __init__(self, graph: PlanGraph, columns: int) -> None:
        self.graph = graph
        self.rows = ceil(len(graph.nodes) / columns)
        self.columns = ceil(len(graph.nodes) / self.rows)
        self.names, self.wide = _names(graph), column_width(graph)
        self.lanes = lanes_of(graph.edges)
        self.most = max((edge.words for edge in graph.edges), default=1)
        self.arriving: dict[int, list[str]] = {}
        for edge in sorted(graph.edges, key=lambda edge: -self.lanes[edge.tensor]):
            for reader in edge.readers:
                self.arriving.setdefault(reader, []).append(edge.tensor)

    def layout(self) -> Layout:
        parts: list[Rect | Head | Text] = [part for group in self.graph.groups for part in self.group(*group)]
        stubs: list[Rect] = []
        lanes: list[Rect] = []
        heads: list[Head] = []
        for edge in self.graph.edges:
            for part in self.edge(edge):
                if isinstance(part, Head):
                    heads.append(part)
                else:
                    (stubs if part.width > part.height else lanes).append(part)
        # what runs on passes above what turns off
        parts += [*stubs, *lanes, *heads]
        for at, node in enumerate(self.graph.nodes):
            x, y = self.place(at)
            fill = "#ffffff" if node.macs else "#eeeeee"
            box = Rect(x, y - TALL / 2, self.names, TALL, fill, f"{shown(node.name)}: {node.op}", "#888888")
            parts += [box, Text(x + 5, y, short(node.name))]
        width = 2 * EDGE + self.columns * self.wide - APART
        return Layout(width, 2 * EDGE + self.rows * ROW, tuple(parts))

    def place(self, at: int) -> tuple[float, float]:
        """(left, middle) of the box of a node."""
        column, row = divmod(at, self.rows)
        return EDGE + column * self.wide, EDGE + (row + 0.5) * ROW

    def group(self, first: int, last: int, tile: str) -> Iterator[Rect | Text]:
        """Boxes around the layers of a group, one in each column."""
        wide = self.wide - APART + 2 * 4
        for column in range(first // self.rows, last // self.rows + 1):
            begin, end = max(first, column * self.rows), min(last, (column + 1) * self.rows - 1)
            x, top = self.place(begin)
            bottom = self.place(end)[1]
            title = f"{shown(self.graph.nodes[first].name)} to {shown(self.graph.nodes[last].name)}, tiles of {tile}"
            yield Rect(x - 4, top - ROW / 2, wide, bottom - top + ROW, "#e3f3ec", title, PAINTS[INSIDE])
        x, y = self.place(first)
        yield Text(x + self.names + APART / 2 + LANE * _lanes(self.graph) + 3, y, tile, True)

    def edge(self, edge: Edge) -> Iterator[Rect | Head]:
        """A tensor: out of its box, down its lane, into the boxes of its readers."""
        thick = THIN + (LANE - 2.5 - THIN) * sqrt(edge.words / self.most)
        readers = ", ".join(shown(self.graph.nodes[reader].name) for reader in edge.readers)
        where = self.graph.called(edge.where)
        if edge.where != OUTSIDE and edge.at_home < len(edge.readers):
            where += f" until {shown(self.graph.nodes[edge.readers[edge.at_home - 1]].name)}"
        title = f"{shown(edge.tensor)}: {edge.words:,} words, {where}; read by {readers}"
        colour = PAINTS[edge.where]
        yield self.stub(edge, edge.made, self.out(edge.made), thick, colour, title)
        ends = {edge.made: self.out(edge.made)}
        for at, reader in enumerate(edge.readers):
            own = colour if edge.where == OUTSIDE or at < edge.at_home else PAINTS[OUTSIDE]
            y = ends[reader] = self.into(edge, reader)
            yield self.stub(edge, reader, y, thick, own, title)
            yield Head(self.place(reader)[0] + self.names, y, own)
        for first, last, kind in edge.spans:
            yield from self.lane(edge, (first, ends[first]), (last, ends[last]), thick, (PAINTS[kind], title))

    def stub(self, edge: Edge, at: int, y: float, thick: float, colour: str, title: str) -> Rect:
        """Between a box and a lane."""
        x, high = self.place(at)[0] + self.names, min(thick, 2.0)
        return Rect(x, y - high / 2, self.lane_x(at, edge) - x + thick / 2, high, colour, title)

    def lane(
        self, edge: Edge, begin: tuple[int, float], end: tuple[int, float], thick: float, look: tuple[str, str]
    ) -> Iterator[Rect]:
        """Down a lane, through one column or more. begin, end : (node, y)."""
        (first, top), (last, bottom) = begin, end
        for column in range(first // self.rows, last // self.rows + 1):
            at = column * self.rows
            since = top if column == first // self.rows else 2.0
            until = bottom if column == last // self.rows else 2 * EDGE + self.rows * ROW - 2
            yield Rect(self.lane_x(at, edge) - thick / 2, since, thick, max(until - since, 0.5), *look)

    def lane_x(self, at: int, edge: Edge) -> float:
        """The middle of a tensor's lane beside a node."""
        return self.place(at)[0] + self.names + APART / 2 + LANE * (self.lanes[edge.tensor] + 0.5)

    def out(self, at: int) -> float:
        """Where a tensor leaves its box."""
        return self.place(at)[1] + 4.5

    def into(self, edge: Edge, at: int) -> float:
        """Where a tensor enters a box: above what leaves it, each at a place of its own."""
        own = self.arriving[at]
        return self.place(at)[1] - 6 + 8 * (own.index(edge.tensor) + 0.5) / len(own)
