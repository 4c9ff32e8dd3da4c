"""Mappings: text and YAML forms that come back the same, and what makes one illegal."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.yaml import load_architecture
from accelsim.errors import MappingError, SpecError
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest, check, check_bypass
from accelsim.mapping.yaml import dump_mappings, load_mappings, mappings_of
from accelsim.workload.problem import DIMS, TENSORS, Problem
from accelsim.workload.yaml import load_network
from accelsim.yamlfile import parse

loops = st.lists(st.builds(Loop, st.sampled_from(DIMS), st.integers(1, 10**6)), max_size=5).map(tuple)
levels = st.builds(LevelMapping, loops, loops, loops, st.frozensets(st.sampled_from(TENSORS)))
nests = st.lists(
    st.tuples(st.from_regex(r"[A-Za-z]\w{0,5}", fullmatch=True), levels), min_size=1, unique_by=lambda level: level[0]
).map(lambda found: LoopNest(tuple(found)))
names = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1)


@given(nests)
def test_text_round_trip(nest):
    assert LoopNest.parse(str(nest)) == nest
    assert LoopNest.from_dict(nest.to_dict()) == nest


@given(st.dictionaries(names, nests, min_size=1))
@settings(deadline=None)
def test_yaml_round_trip(mappings):
    assert mappings_of(parse(dump_mappings(mappings))) == mappings


def test_dump_is_short():
    nest = LoopNest.parse("DRAM: N4 P8 C3 | GLB: M3 Q55 y R11 x M2 P7 | RF: S11 M16 bypass ifmap")
    assert dump_mappings({"CONV1": nest}).splitlines() == [
        "CONV1:",
        "  DRAM: {temporal: N4 P8 C3}",
        "  GLB: {temporal: M3 Q55, y: R11, x: M2 P7}",
        "  RF: {temporal: S11 M16, bypass: [ifmap]}",
    ]


def test_k_is_m_and_a_level_may_be_empty():
    found = mappings_of(parse("A:\n  DRAM: {temporal: K4, bypass: psum}\n  RF:\n"), "mine")
    assert str(found["A"]) == "DRAM: M4 bypass psum | RF:"
    assert found["A"].source == "mine"


def test_the_chip_runs_its_own_mapping():
    """Active PEs of each layer: Chen et al., JSSC 2017, Table V."""
    chip, active = load_architecture("eyeriss"), {}
    mappings = load_mappings("eyeriss_alexnet_jssc17")
    for layer in load_network("alexnet", batch=4).select("CONV*"):
        nest = mappings[layer.name]
        check(chip, nest, layer.problem)
        bank = nest.level("FILTER_BANK")
        active[layer.name] = 1
        for loop in (*bank.y, *bank.x):
            active[layer.name] *= loop.factor
    # CONV2 asks for 2 x 14 rows of 27: 140, of which the clipped strip idles 5
    assert active == {"CONV1": 154, "CONV2": 140, "CONV3": 156, "CONV4": 156, "CONV5": 156}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "A:\n  DRAM: {temporal: N4 X3}\n",
            "m.yaml:2:20: A.DRAM.temporal: 'X3' is not a loop; write a dim and a factor",
        ),
        ("A:\n  DRAM: {temporal: M0}\n", "m.yaml:2:20: A.DRAM.temporal: loop M0: a factor must be at least 1"),
        ("A:\n  DRAM: {temporal: 3}\n", "'3' is not a list of loops"),
        ("A:\n  DRAM: {temporl: M3}\n", "m.yaml:2:10: A.DRAM.temporl: unknown key; did you mean 'temporal'?"),
        ("A:\n  DRAM: {bypass: [psums]}\n", "A.DRAM.bypass.0: unknown tensor 'psums'; did you mean 'psum'?"),
        ("A:\n", "m.yaml:1:1: A: should be a mapping of keys to values, got nothing"),
        ("A: {DRAM: M4}\n", "m.yaml:1:11: A.DRAM: should be a mapping of keys to values, got 'M4'"),
        ("- A\n", "m.yaml:1:1: should be a mapping of keys to values, got a list"),
    ],
)
def test_refused(text, message):
    with pytest.raises(SpecError) as error:
        mappings_of(parse(text, "m.yaml"))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("N4 P8", "N4 P4"), "the factors of P multiply to 28, below its size 55; add a loop P2 at an outer level"),
        (("GLB", "GBL"), "architecture 'eyeriss' has no level 'GBL'; did you mean 'GLB'?"),
        (("x M2", "x M4"), "FILTER_BANK array x: needs 28, has 14, 14 too many"),
        (("S11 M16", "S11 M32"), "RF psum: needs 512 bits, has 384 bits, 128 bits too many (move a loop of M"),
    ],
)
def test_illegal_on_this_machine(change, message):
    problem = load_network("alexnet", batch=4).layers[0].problem
    text = str(load_mappings("eyeriss_alexnet_jssc17")["CONV1"]).replace(*change)
    with pytest.raises(MappingError) as error:
        check(load_architecture("eyeriss"), LoopNest.parse(text), problem)
    assert message in str(error.value)


def test_a_bypass_that_would_be_dropped_is_refused():
    machine = load_architecture("eyeriss")
    problem = Problem.of({"M": 4, "C": 2})
    check(machine, LoopNest.parse("DRAM: M4 C2"), problem)
    with pytest.raises(MappingError, match=r"^level 'DRAM' is the outermost and holds every tensor; leave ifmap, psum"):
        check(machine, LoopNest.parse("DRAM: M4 C2 bypass psum,ifmap"), problem)
    check_bypass(machine, LoopNest.parse("DRAM: M4 C2 | GLB: bypass ifmap"))
    with pytest.raises(MappingError, match=r"^level 'GLB' does not keep filter \(keeps ifmap, psum\); leave it out"):
        check_bypass(machine, LoopNest.parse("DRAM: M4 C2 | GLB: bypass filter"))
