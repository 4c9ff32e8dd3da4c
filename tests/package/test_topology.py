"""Routes over buses, crossbars, rings, meshes and single links, against graphs."""

from fractions import Fraction

import networkx
import pytest

from accelsim.package.topology import Fabric, Kind
from accelsim.package.yaml import package_of
from accelsim.yamlfile import parse

ENDS = tuple("abcdef")


def test_a_bus_is_one_medium():
    bus = Fabric("bus", Kind.BUS, ENDS)
    assert bus.links == ("bus",)
    assert {bus.route(a, b).links for a in ENDS for b in ENDS if a != b} == {("bus",)}


def test_a_crossbar_has_a_port_each_way_at_every_end():
    found = Fabric("x", Kind.CROSSBAR, ENDS)
    assert len(found.links) == 12
    assert found.route("a", "c").links == ("x a out", "x c in")
    assert Fabric("x", Kind.CROSSBAR, ENDS, shared=True).route("a", "c").links == ("x a", "x c")


@pytest.mark.parametrize("count", [2, 3, 5, 6])
def test_a_ring_goes_the_shorter_way(count):
    ends = ENDS[:count]
    ring, graph = Fabric("r", Kind.RING, ends), networkx.cycle_graph(count)
    for a in ends:
        for b in ends:
            links = ring.route(a, b).links
            assert len(links) == networkx.shortest_path_length(graph, ends.index(a), ends.index(b))
            assert set(links) <= set(ring.links)


@pytest.mark.parametrize("size", [(1, 6), (2, 3), (3, 2)])
def test_a_mesh_goes_along_the_row_first(size):
    mesh = Fabric("m", Kind.MESH, ENDS, size=size)
    rows, columns = size
    assert len(mesh.links) == 2 * (rows * (columns - 1) + columns * (rows - 1))
    for a in range(6):
        for b in range(6):
            links = mesh.route(ENDS[a], ENDS[b]).links
            y, x, v, u = *divmod(a, columns), *divmod(b, columns)
            assert len(links) == abs(y - v) + abs(x - u)
            steps = [tuple(map(int, link.removeprefix("m ").split("-"))) for link in links]
            assert [abs(i - j) for i, j in steps] == sorted((abs(i - j) for i, j in steps), reverse=False)
            assert set(links) <= set(mesh.links)


def test_ends_may_share_a_place_of_a_mesh():
    mesh = Fabric("m", Kind.MESH, ("hbm", *ENDS), size=(2, 3), at={"hbm": 0})
    assert mesh.route("hbm", "a").count == 0
    assert mesh.route("hbm", "f").count == 3
    assert mesh.route("hbm", "f").latency == 0


def test_latency_and_energy_are_of_every_hop():
    ring = Fabric("r", Kind.RING, ENDS, latency=Fraction(2), energy=Fraction(1, 2))
    assert (ring.route("a", "d").latency, ring.route("a", "d").energy) == (6, Fraction(3, 2))


def test_single_links_are_shared_by_so_many():
    text = """
name: chip
clock: 1 GHz
cores: {mxu: {machine: systolic_ws, count: 4}}
memory: {hbm: {rate: 900 GB/s}}
links: [{from: hbm, to: mxu, rate: 450 GB/s, per: 2 cores}]
"""
    chip = package_of(parse(text))
    names = [[chip.resources[one].name for one in chip.path(core).reads] for core in chip.cores]
    assert names == [["hbm", "hbm 0 down"]] * 2 + [["hbm", "hbm 1 down"]] * 2
    assert [chip.users(index) for index in range(len(chip.resources))] == [4, 2, 2, 2, 2]
    up = [chip.resources[one].name for one in chip.path(chip.cores[3]).writes]
    assert up == ["hbm", "hbm 1 up"]
    between = chip.between(chip.cores[0], chip.cores[3])
    assert [chip.resources[one].name for one in between.reads] == ["hbm 0 up", "hbm 1 down"]
    assert between.hops == 2
