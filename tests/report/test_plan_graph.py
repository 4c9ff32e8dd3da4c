"""A plan over its network: every tensor is a lane in the colour of where it lives, and none lies on another."""

from __future__ import annotations

from itertools import combinations, pairwise
from random import Random

import pytest

import pictures
from accelsim.architecture.yaml import load_architecture
from accelsim.errors import AccelsimError, SpecError
from accelsim.mapping.plan.living import Between, between_of
from accelsim.mapping.plan.plan import Group, Home, Plan
from accelsim.networks import network_from
from accelsim.report import plot_between
from accelsim.report.html.plan import draw
from accelsim.report.plan_graph import (
    BOTH,
    HOME,
    INSIDE,
    OUTSIDE,
    Head,
    Rect,
    Text,
    graph_of,
    laid_out,
    lanes_of,
    tile_of,
)
from accelsim.simulate import simulate
from accelsim.workload.network import Network
from plans import draw_network

MACHINE = load_architecture("eyeriss_isca16_rs").with_(**{"levels.GLB.capacity": "64 MiB"})


def drawn(seed: int) -> Between | None:
    """A network with tensors that stay, some for their first readers only, and a group."""
    random = Random(seed)
    try:
        network = draw_network(random, 9)
    except SpecError:
        return None
    names = [layer.name for layer in network.layers]
    readers = {name: [layer.name for layer in network.layers if name in layer.inputs] for name in names}
    first = random.randrange(len(names) - 1)
    group = names[first : first + random.randint(2, 4)]
    free = [name for name in names if readers[name] and name not in group[:-1] and random.random() < 0.5]
    stays = {name: Home("GLB", random.choice(("", *readers[name]))) for name in free}
    return between_of(Plan(stays, (Group(tuple(group), 2, 3),)), MACHINE, network, {})


@pytest.mark.parametrize("seed", range(60))
def test_tensors_live_where_the_plan_says(seed: int) -> None:
    between = drawn(seed)
    if between is None:
        return
    graph = graph_of(between)
    names = [node.name for node in graph.nodes]
    known = {edge.tensor: edge for edge in graph.edges}
    assert set(known) == {name for name, tensor in between.tensors.items() if tensor.readers}
    group = between.plan.groups[0].layers
    for name, edge in known.items():
        tensor, home = between.tensors[name], between.plan.resident.get(name)
        assert edge.words == tensor.words and names[edge.made] == name
        assert [names[reader] for reader in edge.readers] == list(dict.fromkeys(one.layer for one in tensor.readers))
        there = [reader.layer for reader in tensor.readers if between.lives(name, reader.index, reader.index)]
        if home is not None:
            assert edge.where == (BOTH if between.copied(name) else HOME)
            assert set(there) == {names[reader] for reader in edge.readers[: edge.at_home]}
        elif name in group[:-1] and all(names[reader] in group for reader in edge.readers):
            assert edge.where == INSIDE
        else:
            assert edge.where == OUTSIDE
        # from who makes it to its last reader, without a gap
        spans = edge.spans
        assert spans[0][0] == edge.made and spans[-1][1] == edge.readers[-1]
        assert all(one[1] == other[0] for one, other in pairwise(spans))
    lanes = lanes_of(graph.edges)
    for one, other in combinations(graph.edges, 2):
        apart = one.readers[-1] <= other.made or other.readers[-1] <= one.made
        assert apart or lanes[one.tensor] != lanes[other.tensor]


@pytest.mark.parametrize("columns", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(12))
def test_nothing_lies_on_anything_else(seed: int, columns: int) -> None:
    """Boxes of layers are apart, lanes are beside them, and all of it is within the picture."""
    between = drawn(seed)
    if between is None:
        return
    graph = graph_of(between)
    layout = laid_out(graph, columns)
    assert layout == laid_out(graph, columns)
    rects = [part for part in layout.parts if isinstance(part, Rect)]
    boxes = [part for part in rects if part.edge == "#888888"]
    assert len(boxes) == len(graph.nodes)
    lanes = [part for part in rects if not part.edge and part.height > part.width]
    for one, other in combinations(boxes, 2):
        assert _apart(one, other)
    for lane in lanes:
        assert all(_apart(lane, box) for box in boxes)
    for part in rects:
        assert part.x >= 0 and part.x + part.width <= layout.width
        assert part.y >= 0 and part.y + part.height <= layout.height
    heads = [part for part in layout.parts if isinstance(part, Head)]
    assert len(heads) == sum(len(edge.readers) for edge in graph.edges)
    texts = [part.text for part in layout.parts if isinstance(part, Text)]
    assert [node.name for node in graph.nodes] == [text for text in texts if "×" not in text]


def _apart(one: Rect, other: Rect) -> bool:
    across = one.x + one.width <= other.x or other.x + other.width <= one.x
    return across or one.y + one.height <= other.y or other.y + other.height <= one.y


@pytest.mark.parametrize("width", ["column", "page", "slide"])
@pytest.mark.parametrize("network", ["resnet50", "mobilenet_v2", "bert_base"])
def test_pictures_of_networks_can_be_read(network: str, width: str) -> None:
    net = network_from(network, 1)
    first = next(layer.name for layer in net.layers if layer.problem)
    readers = {name for layer in net.layers for name in layer.inputs}
    stays = {layer.name: "GLB" for layer in net.layers[3:20:2] if layer.name in readers and layer.repeat == 1}
    try:
        result = simulate(MACHINE, network, evaluator="analytical", plan={"resident": stays}, layers=first)
    except AccelsimError:
        pytest.skip("layers that repeat cannot stay")
    axes = result.plot.plan(width=width)
    assert pictures.overlaps(axes) == pictures.outside(axes) == []
    rows = result.plot.data("plan")
    assert {row["tensor"] for row in rows if row["lives"] != "outside"} == set(stays)


def test_names_are_escaped() -> None:
    """A name of anybody's is text, in a box and where it is asked for."""
    name = '<b>&"x'
    layers = {name: {"op": "conv", "M": 2, "kernel": 1}, "b": {"op": "conv", "M": 2, "kernel": 1}}
    network = Network.of("n", layers, (2, 4, 4))
    between = between_of(Plan({name: Home("GLB")}), MACHINE, network, {})
    assert between is not None
    text = str(draw(graph_of(between), alone=True))
    assert "<b>" not in text and "&lt;b&gt;&amp;" in text
    assert text.count("<svg") == 1 and 'xmlns="' in text


def test_what_has_no_picture_is_told() -> None:
    result = simulate(MACHINE, "alexnet", evaluator="analytical", layers="CONV1")
    with pytest.raises(AccelsimError, match="it had no plan"):
        result.plot.plan()
    assert plot_between.planned(result) is None


def test_tiles_are_told() -> None:
    """Rows × columns; of a layer that hands its tiles on, × channels, unless they are searched for."""
    pair = ("a", "b")
    told = [
        tile_of(group)
        for group in (
            Group(pair, 2, 3), Group(pair, 2), Group(pair, 2, 4, M=8, epilogue=True), Group(pair, epilogue=True),
        )
    ]  # fmt: skip
    assert told == ["2 × 3", "2 × all", "2 × 4 × 8", "searched"]
