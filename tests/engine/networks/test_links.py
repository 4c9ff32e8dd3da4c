"""Networks on chip: hand-drawn cases, the routes of networkx, ports that cannot bind, what is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest

import strategies
from accelsim.architecture.model import Architecture, Fanout, Format, Injection, Level, Network, NetworkKind, Port
from accelsim.architecture.routes import graph, loads, route, routes
from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import load_table
from accelsim.engine import analytical, cycle, program
from accelsim.engine.counts import Counts, LinkLoads
from accelsim.engine.networks import links
from accelsim.engine.timing.schedule import tabulate
from accelsim.engine.timing.windows import first_steps, outline
from accelsim.errors import MappingError, SpecError
from accelsim.mapping.mapping import LoopNest
from accelsim.simulate import simulate
from accelsim.workload.problem import REDUCTION_DIMS, Padding, Problem, Tensor
from accelsim.yamlfile import parse
from test_agreement import agree, agree_on_zeros

IFMAP, FILTER, PSUM = Tensor.IFMAP, Tensor.FILTER, Tensor.PSUM
CORNER, WEST = Injection.CORNER, Injection.WEST_EDGE
WORD = Port("mesh", Fraction(1), in_words=True)


def mesh(injection: Injection = CORNER, **options: object) -> Network:
    return Network(NetworkKind.MESH, injection=injection, **options)  # type: ignore[arg-type]


def machine(y: int, x: int, networks: dict[Tensor, Network], **options: object) -> Architecture:
    """GLB, a y by x array, RF; only the networks given take time."""
    psum = Network(NetworkKind.TREE, reduce=frozenset(REDUCTION_DIMS), accumulate_on_drain=True)
    array = Fanout(y, x, {PSUM: psum} | networks, declared=True)
    return Architecture("toy", (Level("GLB", fanout=array), Level("RF")), padding=Padding.STORED, **options)


def run(architecture: Architecture, nest: str, **sizes: int) -> tuple[Counts, int]:
    """Counts of all three evaluators (they agree) and the cycles."""
    mapping, problem = LoopNest.parse(nest), Problem.of(sizes)
    agree(architecture, mapping, problem)
    counts, timing = cycle.evaluate(program.build(architecture, mapping, problem))
    return counts, timing.cycles


def table(counts: Counts, tensor: Tensor, direction: str = "down") -> dict[str, int]:
    """Words by link."""
    row = next(row for row in counts.links if (row.tensor, row.direction) == (tensor, direction))
    return dict(zip(row.names, row.words, strict=True))


def test_unicast_on_2_by_2():
    # every PE wants a filter word of its own: 1 + 2 + 2 + 3 links
    counts, _ = run(machine(2, 2, {FILTER: mesh()}), "GLB: y M2 x C2", M=2, C=2)
    assert table(counts, FILTER) == {
        "port->(0,0)": 4, "(0,0)->(0,1)": 2, "(0,0)->(1,0)": 1, "(0,1)->(1,1)": 1,
    }  # fmt: skip
    assert [counts.sent("GLB", FILTER, kind=kind) for kind in ("sent", "deliveries", "hops")] == [4, 4, 8]


def test_multicast_over_the_rows_of_2_by_2():
    # ifmap word c goes to both rows of column c: X first, then down the column
    counts, _ = run(machine(2, 2, {IFMAP: mesh()}), "GLB: y M2 x C2", M=2, C=2)
    assert table(counts, IFMAP) == {
        "port->(0,0)": 2, "(0,0)->(0,1)": 1, "(0,0)->(1,0)": 1, "(0,1)->(1,1)": 1,
    }  # fmt: skip
    assert [counts.sent("GLB", IFMAP, kind=kind) for kind in ("sent", "deliveries", "hops")] == [2, 4, 5]


def test_broadcast_along_1_by_4_is_one_hop_for_each_child():
    counts, _ = run(machine(1, 4, {IFMAP: mesh(), FILTER: mesh()}), "GLB: x M4", M=4)
    assert list(table(counts, IFMAP).values()) == [1, 1, 1, 1]
    assert list(table(counts, FILTER).values()) == [4, 3, 2, 1]
    assert counts.sent("GLB", IFMAP, kind="hops") == counts.sent("GLB", IFMAP, kind="deliveries") == 4
    assert counts.links[1] == LinkLoads("GLB", "filter", "down", counts.links[1].names, (4, 3, 2, 1))
    assert (counts.links[1].mean, counts.links[1].busiest) == (2.5, "port->(0,0)")


def test_columns_only_on_3_by_3():
    # filter word of channel m goes down column m; from the west edge it is sent into every row that wants it
    nest, sizes = "GLB: y P3 x M3", {"P": 3, "M": 3}
    corner, _ = run(machine(3, 3, {FILTER: mesh()}), nest, **sizes)
    assert table(corner, FILTER) == {
        "port->(0,0)": 3, "(0,0)->(0,1)": 2, "(0,1)->(0,2)": 1,
        **{f"({y},{x})->({y + 1},{x})": 1 for y in range(2) for x in range(3)},
    }  # fmt: skip
    west, _ = run(machine(3, 3, {FILTER: mesh(WEST)}), nest, **sizes)
    assert table(west, FILTER) == {
        link: words
        for y in range(3)
        for link, words in ((f"port->({y},0)", 3), (f"({y},0)->({y},1)", 2), (f"({y},1)->({y},2)", 1))
    }
    # read once either way
    assert corner.sent("GLB", FILTER) == west.sent("GLB", FILTER) == corner("GLB", FILTER, "read") == 3


def test_sums_are_added_where_routes_meet():
    nest, sizes = "GLB: y C2 x C2", {"C": 4}
    added, _ = run(machine(2, 2, {PSUM: mesh(reduce=frozenset("C"), accumulate_on_drain=True)}), nest, **sizes)
    assert set(table(added, PSUM, "up").values()) == {1}
    apart, _ = run(machine(2, 2, {PSUM: mesh(accumulate_on_drain=True)}), nest, **sizes)
    assert table(apart, PSUM, "up") == {
        "(0,0)->port": 4, "(1,0)->(0,0)": 2, "(0,1)->(0,0)": 1, "(1,1)->(1,0)": 1,
    }  # fmt: skip


def test_mixed_radix_rows():
    # y is two loops deep: rows 2 and 3 hold m = 1, where the second filter plane lies
    counts, _ = run(machine(4, 1, {IFMAP: mesh(), FILTER: mesh()}), "GLB: y M2 P2", M=2, P=2)
    assert list(table(counts, IFMAP).values()) == [2, 2, 2, 1]
    assert list(table(counts, FILTER).values()) == [2, 2, 1, 1]


def test_the_port_of_the_mesh_takes_the_time_and_every_hop_its_latency():
    # 4 filter words through one port; the last has 3 more links to go
    bus = machine(2, 2, {FILTER: Network(down=WORD)})
    assert run(bus, "GLB: y M2 x C2", M=2, C=2)[1] == 4 + 1
    assert run(machine(2, 2, {FILTER: mesh(down=WORD)}), "GLB: y M2 x C2", M=2, C=2)[1] == 4 + 3 + 1
    assert run(machine(2, 2, {FILTER: mesh(down=WORD, hop_latency=4)}), "GLB: y M2 x C2", M=2, C=2)[1] == 4 + 12 + 1
    assert run(machine(2, 2, {FILTER: mesh(WEST, down=WORD)}), "GLB: y M2 x C2", M=2, C=2)[1] == 2 + 2 + 1


def test_tensors_contend_for_one_mesh():
    own = {FILTER: mesh(down=WORD, hop_latency=0), IFMAP: mesh(down=Port("other", Fraction(1), True), hop_latency=0)}
    one = {tensor: mesh(down=WORD, hop_latency=0) for tensor in own}
    assert run(machine(2, 2, own), "GLB: y M2 x C2", M=2, C=2)[1] == max(4, 2) + 1
    assert run(machine(2, 2, one), "GLB: y M2 x C2", M=2, C=2)[1] == 4 + 2 + 1
    # psums go the other way: they have the opposite links
    up = {**one, PSUM: mesh(up=WORD, hop_latency=0, reduce=frozenset("C"), accumulate_on_drain=True)}
    assert run(machine(2, 2, up), "GLB: y M2 x C2", M=2, C=2)[1] == 4 + 2 + 1 + 2


@pytest.mark.parametrize(("source", "child", "cycles"), [(1, 1, 6), (3, 1, 3), (6, 1, 3), (6, 3, 1), (2, 4, 3)])
def test_a_crossbar_lasts_as_long_as_its_source_or_its_busiest_child(source: int, child: int, cycles: int):
    # 6 filter words, of which one child takes 3 and the others 2 and 1
    ports = {"down": Port("source", Fraction(source), True), "child_down": Port("child", Fraction(child), True)}
    bar = Network(NetworkKind.CROSSBAR, **ports)  # type: ignore[arg-type]
    counts, total = run(machine(1, 2, {FILTER: bar}), "GLB: x M2 | RF: M3", M=6)
    assert list(table(counts, FILTER).values()) == [3, 3]
    assert total == cycles + 3
    assert counts.sent("GLB", FILTER, kind="hops") == counts.sent("GLB", FILTER, kind="deliveries") == 6


def test_tags_are_compared_at_every_row_and_in_rows_that_match():
    # 3 by 4 array: 2 ifmap words, each wanted in both of the rows used; 4 filter words, each in one row
    tags = {tensor: Network(tags=True) for tensor in (IFMAP, FILTER)}
    counts, _ = run(machine(3, 4, tags), "GLB: y M2 x C2", M=2, C=2)
    assert counts.tag_matches == (("GLB", "ifmap", 2 * 3 + 2 * 2 * 4), ("GLB", "filter", 4 * 3 + 4 * 4))
    assert counts.links == ()
    assert counts.sent("GLB", IFMAP, kind="hops") == 2
    table_without = load_table("eyeriss_relative")
    for price in (Fraction(0), Fraction(1, 10)):
        rows = account(machine(3, 4, tags), counts, replace(table_without, tag=price))
        energy = {(row.tensor, row.action): row.energy for row in rows}
        assert energy.get(("ifmap", "tag"), 0) == 22 * price
        assert (("ifmap", "tag") in energy) == bool(price)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("up", [False, True])
def test_arrays_carry_what_networkx_says(seed: int, up: bool):
    rng = Random(seed)
    rows, columns, network = rng.randint(1, 5), rng.randint(1, 5), mesh(rng.choice((CORNER, WEST)))
    children = [(y, x) for y in range(rows) for x in range(columns)]
    wanted = {child: {word for word in range(8) if rng.random() < 0.4} for child in children}
    found, drawn = routes(network, rows, columns, up), graph(network, rows, columns, up)
    told = np.zeros(len(found.names), np.int64)
    for word in range(8):
        crossed = set()
        for number, child in enumerate(children):
            link = int(found.first[number]) if word in wanted[child] else -1
            while link >= 0:
                crossed.add(link)
                link = int(found.onward[link])
        told[list(crossed)] += 1
    reference = loads(drawn, wanted, up)
    assert told.tolist() == [reference[edge] for edge in drawn.edges]
    assert found.longest == max(len(route(network, child, up)) for child in children) - 1


def test_only_ports_that_can_bind_are_kept(monkeypatch: pytest.MonkeyPatch):
    """A row of PEs that gets no more than another, always, never holds anything up; time is the same without it."""
    nest = LoopNest.parse("GLB: P2 C2 y M5 x C2 | RF: S3")
    problem = Problem.of({"M": 5, "C": 3, "P": 2, "S": 3})
    lowered = program.build(machine(5, 2, {FILTER: mesh(WEST, down=WORD), IFMAP: mesh(WEST, down=WORD)}), nest, problem)
    assert {name for row in tabulate(lowered).ports.labels for name, _ in row} == {"mesh port->(0,0)"}
    kept = cycle.evaluate(lowered)[1]
    monkeypatch.setattr("accelsim.engine.timing.schedule.dominated", lambda *_: set())
    assert len({name for row in tabulate(lowered).ports.labels for name, _ in row}) == 5
    assert cycle.evaluate(lowered)[1] == kept


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_every_way_to_count_and_time_gives_the_same(first: int):
    for seed in range(first, first + 100):
        lowered = program.build(*strategies.mesh_case(Random(seed), max_macs=3000))
        counts, timing = cycle.evaluate(lowered)
        assert cycle.evaluate(lowered, repeats=False)[1] == timing
        closed, bound = analytical.evaluate(lowered)
        assert (closed.links, closed.tag_matches) == (counts.links, counts.tag_matches)
        assert bound.cycles <= timing.cycles


@pytest.mark.parametrize("seed", range(40))
def test_zeros_are_gated_and_skipped_behind_links(seed: int):
    agree_on_zeros(*strategies.sparse_mesh_case(Random(seed)))


def test_a_whole_layer_has_few_classes():
    architecture = machine(8, 8, {IFMAP: mesh(), FILTER: mesh(WEST)})
    problem = Problem.of({"N": 4, "M": 64, "C": 32, "P": 28, "Q": 28, "R": 3, "S": 3}, pad=(1, 1))
    nest = LoopNest.parse("GLB: N4 M8 C4 Q28 P4 y C8 x P8 | RF: M8 R3 S3")
    lowered = program.build(architecture, nest, problem)
    crossings = list(links.crossings(lowered))
    # ifmap windows are whole, slide down, or slide onto the last strip of 4 rows; filters always alike
    assert [len(crossing.classes) for crossing in crossings] == [3, 1]
    assert sum(crossings[0].classes.values()) == 4 * 8 * 4 * 28 * 4


def test_classes_found_part_by_part_are_those_of_the_layer():
    # every strip that the edge of the plane clips is a class of its own: more than a table of classes begins with
    array = machine(1, 2, {IFMAP: mesh()})
    dram = replace(array.levels[0], name="DRAM")
    problem = Problem.of({"P": 300, "R": 3, "N": 2}, pad=(140, 0))
    nest = LoopNest.parse("DRAM: N2 P150 x P2 | RF: R3")
    lowered = program.build(replace(array, levels=(dram, array.levels[1]), padding=Padding.ON_CHIP), nest, problem)
    (crossing,) = links.crossings(lowered)
    found = outline(lowered)
    begin = first_steps(lowered, found, found.tables.crossings[0][0])
    classes, told = links.Classes(crossing), Counter[links.Key]()
    for part in np.array_split(begin, 7):
        told.update(classes.keys[index] for index in classes.of(part))
    assert len(classes.keys) > 64
    assert told == crossing.classes


# ---- what a file may say ---------------------------------------------------------------------------------------------

HEAD = "name: m\nsource: test\nclock: 200 MHz\nword: 16 b\nlevels:\n  - name: A\n    array:\n      size: {y: 2, x: 2}\n"


def read(networks: str) -> Architecture:
    return architecture_of(parse(f"{HEAD}      networks: {networks}\n  - {{name: B}}\n", "m.yaml"))


def test_keys_of_a_file():
    found = (
        read(
            "{ifmap: {kind: mesh, width: 2 words, ports: west-edge, hop_latency: 2 cycles, port: one},"
            " filter: {kind: crossbar, width: 4 words, port_width: 1 word},"
            " psum: {kind: mesh, width: 2 words, port: one, reduce: [C]}}"
        )
        .levels[0]
        .fanout
    )
    shared = Port("one", Fraction(2), in_words=True)
    assert found.network(IFMAP) == mesh(WEST, down=shared, hop_latency=2)
    assert found.network(PSUM) == mesh(down=shared, up=shared, reduce=frozenset("C"), accumulate_on_drain=True)
    assert found.network(FILTER).child_down == Port("A filter child down", Fraction(1), in_words=True)
    assert read("{ifmap: {kind: multicast, tags: true}}").levels[0].fanout.network(IFMAP).tags


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ("{ifmap: {kind: mesch}}", "unknown kind of network 'mesch'; did you mean 'mesh'?"),
        ("{ifmap: {kind: mesh, ports: corners}}", "unknown place of ports 'corners'; did you mean 'corner'?"),
        ("{ifmap: {kind: crossbar, ports: corner}}", "only a mesh network has this; this is a crossbar"),
        ("{ifmap: {kind: mesh, tags: true}}", "only a multicast network has this; this is a mesh"),
        ("{psum: {kind: multicast, tags: true}}", "tags are compared on the way down; psum has none"),
        ("{psum: {kind: mesh, accumulate: refill}}", "a mesh adds old psums at its port"),
        (
            "{ifmap: {kind: mesh, width: 1 word, port: a}, filter: {kind: multicast, width: 1 word, port: a}}",
            "port 'a' is the mesh below A, here no mesh",
        ),
    ],
)
def test_errors_in_a_file(networks: str, message: str):
    with pytest.raises(SpecError) as error:
        read(networks)
    assert message in str(error.value)
    assert str(error.value).startswith("m.yaml:9:")
    assert "\n" not in str(error.value)


def test_a_mesh_takes_no_width_from_a_link():
    text = "name: m\nsource: t\nclock: 1 MHz\nword: 8 b\nlevels:\n  - name: A\n    link: {width: 8 b}\n"
    with pytest.raises(SpecError, match="a mesh has links of its own"):
        architecture_of(parse(text + "    networks: {ifmap: {kind: mesh}}\n  - {name: B}\n", "m.yaml"))


def test_what_no_link_carries_is_refused():
    problem, nest = Problem.of({"M": 2, "C": 2}), LoopNest.parse("GLB: y M2 x C2")
    with pytest.raises(MappingError, match="let psums accumulate on drain"):
        program.build(machine(2, 2, {PSUM: mesh(reduce=frozenset("C"))}), nest, problem)
    plain = machine(2, 2, {IFMAP: mesh()})
    coded = replace(plain.levels[0], compression={IFMAP: Format.BITMASK})
    with pytest.raises(MappingError, match="GLB compresses ifmap, but a mesh carries raw words only"):
        program.build(replace(plain, levels=(coded, plain.levels[1])), nest, problem)


def test_the_document_tells_the_busiest_link(tmp_path):
    machine_file, layer = tmp_path / "m.yaml", tmp_path / "w.yaml"
    head = HEAD.replace("levels:", "energy: eyeriss_relative\ndataflow: weight_stationary\nlevels:")
    networks = "      networks: {ifmap: {kind: multicast, tags: true}, filter: {kind: mesh}}\n  - {name: RF}\n"
    machine_file.write_text(head.replace("name: A", "name: DRAM") + networks)
    layer.write_text("name: w\nsource: t\ninput: {C: 4, H: 4, W: 4}\nlayers:\n  CONV1: {op: conv, M: 4, kernel: 1}\n")
    mapping = {"CONV1": LoopNest.parse("DRAM: P4 Q4 y M2 x C2 | RF: M2 C2")}
    rows = simulate(machine_file, layer, mapping=mapping).to_dict()["layers"][0]["network"]
    found = {(row["tensor"], row["direction"]): row for row in rows}
    filters = found["filter", "down"]
    assert filters["link_load"] == {"max": 16, "mean": filters["hops"] / filters["links"], "on": "port->(0,0)"}
    assert found["ifmap", "down"]["tag_matches"] == 64 * 2 + 64 * 2 * 2
    assert "links" not in found["psum", "up"]


def test_shipped_machines_have_no_links():
    chip = load_architecture("eyeriss")
    assert not any(network.has_links for level in chip.levels for network in level.fanout.networks.values())
