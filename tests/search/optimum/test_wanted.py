"""Constraints in a file: what they are on a machine, what is refused, and which contradict each other."""

from __future__ import annotations

from math import inf

import pytest

import accelsim
from accelsim import cli
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.errors import AccelsimError, MappingError, SpecError
from accelsim.mapping.mapping import tile_sizes
from accelsim.search import find
from accelsim.search.optimum.wanted import constraints_of, load_constraints
from accelsim.search.proof import Proof
from accelsim.workload.problem import Problem, Tensor
from accelsim.yamlfile import Document

FC = Problem((4, 1, 120, 84, 1, 1, 1, 1))
ODD = Problem((1, 1, 34, 19, 7, 7, 3, 3), pad=(1, 1))
TEXT = """\
loops:
  C: {RF: 4..16, GLB: 1}
  M: {array: ..8}
tiles: {M: {GLB: 60..}}
keep: {GLB: [ifmap, psum]}
bypass: {RF: filter}
innermost: {DRAM: [N, M]}
pes: 16..
utilization: {array: ..50%, RF: 1%..}
"""


@pytest.fixture(scope="module")
def machine():
    return load_architecture("eyeriss_isca16_rs")


def file_of(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


def test_a_file_says_what_is_bound_on_a_machine(machine, tmp_path):
    found = load_constraints(file_of(tmp_path, TEXT)).on(machine)
    assert found.loops == {"C": {"PE": (4, 16), 1: (1, 1)}, "M": {"array": (0, 8)}}
    assert found.tiles == {"M": {1: (60, inf)}}
    assert found.keeps == {1: frozenset({Tensor.IFMAP, Tensor.PSUM})}
    assert found.passes == {2: frozenset({Tensor.FILTER})}
    assert found.innermost == {0: ("N", "M")}
    assert (found.pes, found.room) == ((16, 128), {2: (0.01, 1)})


def test_an_optimum_keeps_them(machine, tmp_path):
    wanted = load_constraints(file_of(tmp_path, TEXT))
    found, free = (find(machine, FC, "best", proof=proof) for proof in (Proof(constraints=wanted), Proof()))
    assert found.certificate.gap == 0
    assert found.bound >= free.bound
    assert "under constraints" in found.space
    nest = found.nest
    inside = {loop.dim: loop.factor for loop in nest.level("RF").temporal}
    assert 4 <= inside["C"] <= 16
    assert tile_sizes(machine, nest, FC, 1)["M"] >= 60
    assert nest.level("RF").bypass >= {Tensor.FILTER}
    assert not nest.level("GLB").bypass & {Tensor.IFMAP, Tensor.PSUM}
    assert 16 <= evaluate(machine, nest, FC, "analytical")[0].active_pes <= 128


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "loops: {C: {GBL: 1}}",
            r"c.yaml:1:13: loops.C.GBL: unknown level 'GBL'; did you mean 'GLB'\? \(DRAM, GLB, RF",
        ),
        ("loops: {D: {GLB: 1}}", r"c.yaml:1:9: loops.D: unknown dim \(N, G, M, C, P, Q, R, S, IB, WB\)"),
        ("loops: {C: {GLB: few}}", r"c.yaml:1:18: loops.C.GLB: 'few' is no bound of whole numbers|'few' is no bound"),
        ("loops: {C: {GLB: 9..3}}", "loops.C.GLB: '9..3': no number is at least 9 and at most 3"),
        ("loops: {C: {GLB: 0.5..}}", "loops.C.GLB: '0.5..' is no bound of whole numbers from 1 on"),
        ("loop: {C: {GLB: 1}}", r"loop: unknown key; did you mean 'loops'\?"),
        ("keep: {GLB: psums}", r"keep.GLB: unknown tensor 'psums'; did you mean 'psum'\?"),
        ("bypass: {DRAM: psum}", "bypass.DRAM: 'DRAM' is the outermost level and keeps every tensor"),
        ("bypass: {GLB: psum}\nkeep: {GLB: psum}", "bypass.GLB: psum is to be kept there too"),
        ("innermost: {RF: [C]}", "innermost.RF: orders in the PE change nothing"),
        ("utilization: {array: 130%..}", "utilization.array: '130%..' is no bound of shares"),
        ("utilization: {arry: 50%..}", r"utilization.arry: unknown level 'arry'; did you mean 'array'\?"),
    ],
)
def test_what_is_wrong_is_one_line(machine, tmp_path, text, error):
    with pytest.raises(SpecError, match=error) as caught:
        load_constraints(file_of(tmp_path, text)).on(machine)
    assert len(caught.value.issues) == 1


def test_a_constraint_that_no_mapping_meets_is_named(machine, tmp_path):
    wanted = load_constraints(file_of(tmp_path, "pes: 8..\nloops:\n  C: {RF: 5}\n"))
    with pytest.raises(MappingError, match=r"c.yaml:3:11: loops.C.RF: 5: no mapping meets this constraint$"):
        find(machine, FC, "best", proof=Proof(constraints=wanted))


def test_constraints_that_contradict_each_other_are_named(machine, tmp_path):
    text = "pes: 8..\nloops:\n  M: {RF: 60..}\n  C: {RF: 42, DRAM: 1}\nkeep: {RF: filter}\n"
    wanted = load_constraints(file_of(tmp_path, text))
    with pytest.raises(MappingError) as caught:
        find(machine, FC, "best", proof=Proof(constraints=wanted))
    # 60 x 42 filter words are more than 256; the others are met beside either
    said = str(caught.value)
    assert all(one in said for one in ("loops.M.RF: 60..", "loops.C.RF: 42", "keep.RF: filter", "together with"))
    assert "pes" not in said and "DRAM" not in said


def test_of_a_dataflow_too(machine):
    wanted = constraints_of(Document("mine", {"loops": {"Q": {"GLB": "7"}}, "tiles": {"C": {"GLB": "..10"}}}))
    found = find(machine, ODD, "row_stationary", proof=Proof(constraints=wanted))
    assert found.certificate.gap == 0
    assert found.space.startswith("row_stationary: every chain of factors")
    assert str(found.nest.level("GLB").temporal[-1]) == "Q7"
    assert tile_sizes(machine, found.nest, ODD, 1)["C"] <= 10
    ours = constraints_of(Document("mine", {"innermost": {"GLB": ["M"]}}))
    with pytest.raises(MappingError, match=r"innermost\.GLB: M: 'row_stationary' has Q innermost there"):
        find(machine, ODD, "row_stationary", proof=Proof(constraints=ours))


def test_from_the_command_line(tmp_path, capsys):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("loops: {C: {RF: 4..16}}\n")
    bad.write_text("loops: {C: {RFF: 4..16}}\n")
    line = ["map", "eyeriss_isca16_rs", "alexnet", "--layers", "FC8", "--constraints"]
    with pytest.raises(SystemExit) as done:
        cli.app([*line, str(good)])
    said = capsys.readouterr().out
    assert done.value.code == 0
    assert "# space: row_stationary: every chain of factors, order and unrolling of the array under constraints" in said
    assert "the optimum, certified" in said
    with pytest.raises(SystemExit) as done:
        cli.app([*line, str(bad)])
    assert done.value.code == 2
    assert capsys.readouterr().err.startswith(f"{bad}:1:13: loops.C.RFF: unknown level 'RFF'; did you mean 'RF'?")


def test_from_python():
    given = {"pes": "64..", "loops": {"C": {"PE": 4}}}
    options = {"layers": "FC8", "evaluator": "analytical", "constraints": given}
    (layer,) = accelsim.simulate("eyeriss_isca16_rs", "alexnet", "best", **options).layers
    assert layer.counts.active_pes >= 64
    assert layer.search.certificate.gap == 0
    with pytest.raises(AccelsimError, match="constraints: wanted a file or what is in it, got an int"):
        accelsim.simulate("eyeriss_isca16_rs", "alexnet", "best", constraints=3)


def test_where_nothing_can_be_proved_constraints_are_refused():
    wanted = constraints_of(Document("mine", {"pes": 4}))
    with pytest.raises(
        MappingError, match="constraints are kept where a mapspace is searched to its end, and it has arr"
    ):
        find(load_architecture("diannao"), FC, "adder_tree", proof=Proof(constraints=wanted))
