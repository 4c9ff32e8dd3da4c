"""Outputs taken as runs of pixels: how long runs are, what they read, and that outputs are right."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest

from accelsim.architecture.document import document_of
from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import architecture_of
from accelsim.engine import evaluate
from accelsim.engine.counts import ACTIONS
from accelsim.engine.outputs.functional import check
from accelsim.errors import MappingError, SpecError
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.lowering import in_runs
from accelsim.workload.problem import TENSORS, Problem, Tensor
from accelsim.yamlfile import Document, parse
from strategies import run_case

ARRAY = """
name: runs
source: none
clock: 1 GHz
word: {ifmap: 8 b, filter: 8 b, psum: 16 b}
runs: {level: BUFFER, length: 16, least: 8}
levels:
  - {name: DRAM}
  - name: BUFFER
    keeps: [ifmap, filter]
    capacity: {ifmap: 2 KiB, filter: 2 KiB}
    array: {size: {x: 8}}
  - {name: SUMS, keeps: [psum], capacity: 16 words, array: {size: {y: 8}, networks: {psum: {kind: tree}}}}
  - {name: RF, keeps: [filter]}
"""
LAYER = Problem.of({"M": 16, "C": 8, "P": 7, "Q": 7, "R": 3, "S": 3}, pad=(1, 1), height=7, width=7)
NEST = LoopNest.parse("DRAM: M2 | BUFFER: P4 x M8 | SUMS: R3 S3 y C8")


def machine(**changes: str) -> Architecture:
    """The array, other text in place of some."""
    text = ARRAY
    for old, new in changes.items():
        text = text.replace(old, new)
    return architecture_of(parse(text))


@pytest.mark.parametrize(
    ("outputs", "length", "least", "runs"),
    [
        # NVDLA, nv_hw 771f20c, of 8 kernels at a time: 16 while 32 are left, all if 16 or less are, else 8
        (49, 16, 8, (16, 16, 8, 9)),
        (196, 16, 8, (16,) * 11 + (8, 12)),
        (31, 16, 8, (8, 8, 15)),
        (16, 16, 8, (16,)),
        (1, 16, 8, (1,)),
        (10, 3, 3, (3, 3, 3, 1)),
    ],
)
def test_how_long_runs_are(outputs, length, least, runs):
    found = in_runs(Problem.of({"Q": outputs}), length, least)
    assert found.runs.lengths == runs
    assert in_runs(found, length, least) is found


def test_a_run_goes_on_in_the_next_row():
    lowered = machine().lower(LAYER)
    assert (lowered["P"], lowered["Q"], lowered.runs.columns, lowered.runs.rows) == (4, 1, 7, 7)
    assert lowered.macs == LAYER.macs
    assert machine().lowers_to == "runs of pixels"
    assert [lowered.words(t) for t in TENSORS] == [LAYER.words(t) for t in TENSORS]


@pytest.mark.parametrize("evaluator", ["cycle", "analytical"])
def test_what_is_read(evaluator):
    counts, timing = evaluate(machine(), NEST, machine().lower(LAYER), evaluator)
    read = {t: counts.words[:, TENSORS.index(t), ACTIONS.index("read")] for t in TENSORS}
    # planes lie in the buffer once, for either half of the kernels; every window is read from there
    assert read[Tensor.IFMAP][0] == 8 * 7 * 7
    assert read[Tensor.IFMAP][1] == 2 * 8 * 9 * 49
    assert read[Tensor.FILTER][0] == 16 * 8 * 9
    # a filter word goes into its PE once for each run
    assert read[Tensor.FILTER][1] == 4 * 16 * 8 * 9
    assert counts.macs == LAYER.macs
    assert timing.compute == 2 * 9 * 49


@pytest.mark.parametrize("evaluator", ["cycle", "analytical"])
@pytest.mark.parametrize("gap", [1, 2])
def test_planes_come_whole(evaluator, gap):
    # windows three rows apart leave rows out, and the last column; taps two apart leave out others
    sizes = {"M": 8, "C": 8, "P": 3, "Q": 3, "R": 2, "S": 2}
    layer = Problem.of(sizes, stride=(3, 2), dilation=(gap, 1), pad=(1, 0), height=9, width=8)
    nest = LoopNest.parse("DRAM: | BUFFER: x M8 | SUMS: R2 S2 y C8")
    counts, _ = evaluate(machine(), nest, machine().lower(layer), evaluator)
    assert counts.words[0, TENSORS.index(Tensor.IFMAP), ACTIONS.index("read")] == 8 * 9 * 8


def test_outputs_are_those_of_the_layer():
    assert check(machine(), NEST, LAYER) == "outputs equal numpy's convolution (seed 0, 784 words)"


@pytest.mark.parametrize("seed", range(20))
def test_outputs_of_drawn_machines(seed):
    drawn, nest, problem = run_case(Random(seed))
    problem = replace(problem, added=False, bias=False, slices=(1, 1))
    layer = replace(problem, sizes=(*problem.sizes[:4], *problem.plane_outputs, *problem.sizes[6:]), runs=None)
    assert drawn.lower(layer) == problem
    check(replace(drawn, lock=None, ofmap_bits=0, word_bits=dict.fromkeys(TENSORS, 16), bias=None), nest, layer)


def test_the_file_of_a_machine_comes_back():
    assert architecture_of(Document("again", document_of(machine()))) == machine()
    assert architecture_of(Document("again", document_of(replace(machine(), document=None)))) == machine()


@pytest.mark.parametrize(
    ("nest", "error"),
    [
        ("DRAM: M2 P4 | BUFFER: x M8 | SUMS: R3 S3 y C8", "DRAM: P4 cuts planes, but runs of pixels need them whole"),
        ("DRAM: M2 R3 | BUFFER: P4 x M8 | SUMS: S3 y C8", "DRAM: R3 cuts planes, but runs of pixels need them whole"),
        ("DRAM: M2 C8 | BUFFER: x M8 | SUMS: R3 S3 y P4", "SUMS: P4 is spatial; runs of pixels come to the array"),
    ],
)  # fmt: skip
def test_a_nest_that_cuts_planes(nest, error):
    with pytest.raises(MappingError, match=re.escape(error)):
        evaluate(machine(), LoopNest.parse(nest), machine().lower(LAYER))


def test_planes_have_to_fit():
    small = machine(**{"ifmap: 2 KiB": "ifmap: 256 B"})
    with pytest.raises(MappingError, match="BUFFER ifmap: needs 5184 bits, has 2048 bits"):
        evaluate(small, NEST, small.lower(LAYER))
    short = machine(**{"16 words": "15 words"})
    with pytest.raises(MappingError, match="SUMS psum: needs 256 bits, has 240 bits"):
        evaluate(short, NEST, short.lower(LAYER))


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("least: 8", "least: 17", "runs.least: least is 17; it must lie in 1 .. 16, the length"),
        ("level: BUFFER", "level: BUFER", ":6:15: runs.level: unknown level 'BUFER'; did you mean 'BUFFER'?"),
        ("level: BUFFER", "level: SUMS", "'SUMS' keeps no ifmap"),
        ("clock: 1 GHz", "clock: 1 GHz\nlowering: im2col", "not with a lowering"),
        ("clock: 1 GHz", "clock: 1 GHz\npe: {lock: {dims: [Q], of: [ifmap]}}", "not with a lock of P or Q"),
        (
            "keeps: [filter]}",
            "keeps: [filter]}\npe: {gate: [ifmap]}",
            "not with a lowering, PEs or memories that see zeros",
        ),
    ],
)
def test_bad_files(old, new, error):
    with pytest.raises(SpecError, match=re.escape(error)):
        machine(**{old: new})
