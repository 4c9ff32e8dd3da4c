"""Slices as a machine file says them, and what a run of other widths makes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.architecture.document import document_of
from accelsim.architecture.model import Architecture, Cartesian
from accelsim.architecture.precision import with_bits
from accelsim.architecture.yaml import architecture_of
from accelsim.errors import AccelsimError, SpecError
from accelsim.workload.problem import TENSORS, Problem
from accelsim.yamlfile import Document, parse

IFMAP, FILTER, PSUM = TENSORS


def machine(pe: str = "slices: {ifmap: 1 b, filter: 4 b}") -> Architecture:
    return architecture_of(
        parse(
            "name: m\nsource: test\nclock: 1 GHz\nword: {ifmap: 8 b, filter: 8 b, psum: 32 b}\n"
            f"levels:\n  - name: DRAM\n    link: {{width: 64 b}}\n  - name: GLB\npe: {{{pe}}}\n"
        )
    )


def test_bits_decide_how_many_slices_there_are() -> None:
    found, layer = machine(), Problem.of({"M": 2, "C": 3})
    assert found.lower(layer).slices == (8, 2)
    assert found.moved_bits == {IFMAP: 1, FILTER: 4, PSUM: 32}
    assert found.mac_bits == found.moved_bits
    few = with_bits(found, {IFMAP: 5, FILTER: 4})
    assert few.lower(layer).slices == (5, 1)
    assert few.moved_bits == {IFMAP: 1, FILTER: 4, PSUM: 32}
    short = with_bits(found, {FILTER: 3})
    assert short.lower(layer).slices == (8, 1)
    assert short.moved_bits[FILTER] == 3


def test_words_as_wide_as_a_slice_are_whole() -> None:
    layer = Problem.of({"M": 2})
    whole = machine("slices: {filter: 8 b}")
    assert whole.lower(layer) is layer
    assert whole.cuts == {}


def test_the_file_is_written_again() -> None:
    found = replace(machine(), document=None)
    data = document_of(found)
    assert data["pe"]["slices"] == {"ifmap": "1 b", "filter": "4 b"}
    assert architecture_of(Document("again", data)) == found


@pytest.mark.parametrize(
    ("pe", "message"),
    [
        ("slices: {psum: 4 b}", "pe.slices.psum: a psum is no operand; allowed are ifmap and filter"),
        ("slices: {ifmp: 4 b}", "pe.slices.ifmp: unknown tensor; did you mean 'ifmap'? (ifmap, filter, psum)"),
        ("slices: {ifmap: 65 b}", "pe.slices.ifmap: a word has at most 64 b, got '65 b'"),
        ("slices: {ifmap: 2}", "pe.slices.ifmap: "),
    ],
)
def test_what_is_refused(pe: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        machine(pe)
    (issue,) = caught.value.issues
    assert message in str(issue)


def test_a_cartesian_pe_takes_none() -> None:
    with pytest.raises(AccelsimError, match="multiplies whole words; it takes no slices"):
        replace(machine(), cartesian=Cartesian())
