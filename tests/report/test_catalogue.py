"""Everything that ships has a name of its own and a line that says what it is."""

from __future__ import annotations

import pytest

from accelsim.errors import AccelsimError
from accelsim.report.catalogue import described, find, listing, named


def test_a_name_is_one_file():
    names = [file.name for file in named()]
    assert len(set(names)) == len(names)
    kinds = {"architectures", "workloads", "mappings", "dataflows", "energy tables", "sweeps", "search spaces"}
    kinds |= {"packages"}
    assert {file.kind for file in named()} == kinds


@pytest.mark.parametrize("file", list(named()), ids=lambda file: file.name)
def test_every_file_says_what_it_is(file):
    line = described(file.path)
    assert 20 < len(line) < 250
    assert "\n" not in line and not line.endswith(".")


def test_sentences_end_where_they_do():
    assert described(find("eyeriss").path) == "The Eyeriss chip, 65 nm, 1.0 V, as measured on AlexNet and VGG-16"
    assert described(find("vgg16").path) == "VGG-16, configuration D: 3x3 convolutions throughout"
    assert described(find("row_stationary").path).startswith("a PE runs a 1-D row convolution")
    assert described(find("eyeriss_relative").path).startswith("Chen, Emer and Sze, ISCA 2016, Table IV")


def test_lines_fit():
    assert max(map(len, listing(80))) == 80
    assert not any("…" in line for line in listing(0))


def test_the_nearest_is_named():
    with pytest.raises(AccelsimError, match="called 'eyerss'; did you mean 'eyeriss'"):
        find("eyerss")
