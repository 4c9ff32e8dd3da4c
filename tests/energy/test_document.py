"""An energy table's document rebuilds it."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest

from accelsim.energy.curve import Curve
from accelsim.energy.document import document_of
from accelsim.energy.load import load_table, names
from accelsim.energy.yaml import build
from accelsim.yamlfile import Document


def again(document):
    return build(Document("r.json", json.loads(json.dumps(document))))


@pytest.mark.parametrize("name", names())
def test_every_shipped_table_comes_back_equal(name):
    table = load_table(name)
    assert again(document_of(table)) == table
    assert document_of(again(document_of(table))) == document_of(table)


@pytest.mark.parametrize(
    "changes",
    [
        {"accounting": "isca16"},
        {"hop": Fraction(1, 3), "gated": Fraction(1, 7)},
        {"hop": Fraction(0), "hop_bits": 5},
        {"vector_op": Curve(((16, Fraction(1, 30)),)), "tag": Fraction(1, 2)},
    ],
)
def test_so_does_one_changed_in_code(changes):
    table = replace(load_table("eyeriss_relative"), **changes)
    assert again(document_of(table)) == table


def test_numbers_are_as_a_file_has_them():
    document = document_of(replace(load_table("horowitz_45nm"), hop=Fraction(2, 3)))
    assert document["mac"]["multiply"] == {"8": 0.2, "32": 3.1}
    assert document["components"]["DRAM"]["read"] == 640
    assert document["network"]["hop"] == "2/3"
