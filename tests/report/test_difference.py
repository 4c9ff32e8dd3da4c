"""What differs between two results adds up to the difference of their totals, and names what was given."""

from __future__ import annotations

from fractions import Fraction

import pytest

from accelsim.report.difference import difference
from accelsim.report.difference_text import blocks, of, signed
from accelsim.report.grid import Grid
from accelsim.report.html import difference_page
from accelsim.simulate import simulate

LAYERS = "CONV3,FC8"


@pytest.fixture(scope="module")
def pair():
    before = simulate("eyeriss", "alexnet", layers=LAYERS)
    after = simulate("eyeriss", "alexnet", layers=LAYERS, parameters={"levels.GLB.capacity": "50 KiB"}, batch=2, seed=1)
    return before, after


@pytest.fixture(scope="module")
def found(pair):
    return difference("a", pair[0], "b", pair[1])


def of_title(found, title):
    (changes,) = (one for one in found.changes if one.title == title)
    return changes


@pytest.mark.parametrize(
    ("title", "total"),
    [
        ("Cycles by layer", "cycles"),
        ("Cycles by cause", "cycles"),
        ("Energy by layer", "energy_exact"),
        ("Energy by level", "energy_exact"),
    ],
)
def test_changes_add_up_to_that_of_the_total(pair, found, title, total):
    before, after = (Fraction(getattr(result.total, total)) for result in pair)
    changes = of_title(found, title)
    assert (changes.total.before, changes.total.after) == (before, after)
    assert sum(row.by for row in changes.rows) == after - before
    assert [abs(row.by) for row in changes.rows] == sorted((abs(row.by) for row in changes.rows), reverse=True)


def test_words_are_those_of_all_runs(pair, found):
    changes = {row.key: row for row in of_title(found, "Words by level").rows}
    row = changes["DRAM", "ifmap", "read"]
    for result, words in zip(pair, (row.before, row.after), strict=True):
        assert words == sum(layer.counts("DRAM", "ifmap", "read") * layer.repeat for layer in result.layers)


def test_what_was_given_is_named_by_its_place(found):
    given = {one.place: (one.before, one.after) for one in found.inputs}
    assert given["batch"] == ("1", "2") and given["seed"] == ("0", "1")
    assert given["parameters.levels.GLB.capacity"] == ("-", "50 KiB")
    assert any(place.startswith("machine.levels.GLB.capacity") for place in given)
    # mappings that were searched for follow from the rest
    assert not any(place.startswith("mapping") for place in given)
    assert {one.place for one in found.nests} <= {"mapping.CONV3", "mapping.FC8"} and found.nests


def test_a_mapping_that_was_given_is_an_input():
    options = {"layers": "CONV5", "batch": 4}
    before = simulate("eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", **options)
    nest = str(before.layers[0].nest)
    longer = nest.replace("DRAM: ", "DRAM: N1 ")
    after = simulate("eyeriss", "alexnet", mapping={"CONV5": longer}, **options)
    found = difference("a", before, "b", after)
    given = {one.place: (one.before, one.after) for one in found.inputs}
    assert given == {"mapping": ("eyeriss_alexnet_jssc17", ""), "mapping of.CONV5": (nest, longer)}
    assert not any(changes.rows for changes in found.changes)


def test_the_same_is_no_difference(pair):
    found = difference("a", pair[0], "b", pair[0])
    assert not found.inputs and not found.nests and not any(changes.rows for changes in found.changes)
    lines = list(blocks(found, 5))
    assert lines == ["from a to b", "the same cycles and the same energy", "what was given is the same"]


def test_a_plan_was_given():
    """Layers that one of the two ran in a group have no other mapping, for they have none of their own."""
    options = {"layers": "CONV5,POOL5", "evaluator": "analytical"}
    plan = {"groups": [{"layers": ["CONV5", "POOL5"], "tile": {"P": 1}}]}
    alone, found = simulate("eyeriss", "alexnet", **options), simulate("eyeriss", "alexnet", plan=plan, **options)
    assert len(found.groups) == 1
    told = difference("a", alone, "b", found)
    assert {one.place: one.after for one in told.inputs} == {
        "plan.groups.0.layers": "['CONV5', 'POOL5']", "plan.groups.0.tile.P": "1", "plan.groups.0.keep": "both",
    }  # fmt: skip
    assert not told.nests


def test_energies_in_other_units_are_left_out(pair):
    other = simulate("eyeriss", "alexnet", layers=LAYERS, node=65)
    found = difference("a", pair[0], "b", other)
    assert "energies are left out: a has them in MAC energies, b in pJ" in found.note
    assert not any(changes.title.startswith("Energy") for changes in found.changes)


def test_layers_of_one_alone_count_as_new(pair):
    less = simulate("eyeriss", "alexnet", layers="FC8")
    row = next(row for row in of_title(difference("a", less, "b", pair[0]), "Cycles by layer").rows)
    assert row.key == ("CONV3",) and row.before == 0 and row.share is None and of(row) == "new"


def test_the_terminal_adds_up_what_it_leaves_out(found):
    tables = {one.title.partition(" [")[0]: one for one in blocks(found, 2) if isinstance(one, Grid)}
    energies = tables["energy by level"]
    assert "others" in energies.rows[2][0] and energies.rows[-1][0] == "total" and len(energies.rows) == 4
    whole = of_title(found, "Energy by level")
    assert energies.rows[-1][-2] == signed(float(whole.total.by))


def test_the_page_has_every_row(found):
    text = difference_page(found)
    for changes in found.changes:
        for row in changes.rows:
            assert signed(float(row.by)) in text
    assert all(one.place in text for one in found.inputs)


def test_what_one_lacks_stands_beside_its_kind():
    from accelsim.report.difference import _given

    before = {"machine": {"clock": "1 GHz", "GLB": {"a": 1}}, "mapping of": {"A": "x"}}
    after = {"machine": {"clock": "2 GHz", "GLB": 2}, "mapping of": {"A": "y"}}
    assert [row.place for row in _given((before, after))] == [
        "machine.clock", "machine.GLB.a", "machine.GLB", "mapping of.A",
    ]  # fmt: skip
