"""Actions of declared parts: paid for what triggers them, and known to a search."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

import fakes
from accelsim.architecture.actions import Action, Trigger
from accelsim.architecture.physical import Memory, MemoryKind, OwnPart, Physical
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.floor import floor_of
from accelsim.energy.free import what_is_free
from accelsim.energy.load import load_table
from accelsim.energy.yaml import build
from accelsim.errors import SpecError
from accelsim.simulate import simulate
from accelsim.workload.problem import Tensor
from accelsim.yamlfile import parse

TABLE = load_table("cmos_65nm")
WORDS = {("GLB", "ifmap", "read"): 10, ("GLB", "psum", "update"): 20, ("RF", "filter", "fill"): 30}
SENT = {
    ("GLB", "ifmap", "down", "sent"): 3,
    ("GLB", "ifmap", "down", "deliveries"): 12,
    ("GLB", "psum", "up", "sent"): 5,
    ("GLB", "psum", "up", "deliveries"): 40,
}


def toy(**actions):
    own = {"ADC": OwnPart("s", 7, actions=actions)}
    return fakes.machine(physical=Physical(memories={"RF": {"*": Memory(MemoryKind.SRAM)}}, parts=own))


def paid(machine):
    rows = account(machine, fakes.counts(WORDS, SENT), TABLE)
    return {(row.tensor, row.action, row.count): row.energy for row in rows if row.component == "ADC"}


@pytest.mark.parametrize(
    ("on", "level", "tensor", "times"),
    [
        (Trigger.MAC, "", "none", 1000),
        (Trigger.READ, "GLB", "ifmap", 10),
        (Trigger.UPDATE, "GLB", "psum", 20),
        (Trigger.FILL, "RF", "filter", 30),
        (Trigger.SENT, "GLB", "ifmap", 3),
        (Trigger.DELIVERED, "GLB", "ifmap", 12),
        (Trigger.LEAVING, "GLB", "psum", 5),
    ],
)
def test_each_trigger(on, level, tensor, times):
    assert paid(toy(act=Action(Fraction(1, 3), on, level))) == {(tensor, "act", times): Fraction(times, 3)}


def test_words_of_one_tensor_only():
    assert paid(toy(act=Action(Fraction(1), Trigger.SENT, "GLB", Tensor.FILTER))) == {}
    assert len(paid(toy(act=Action(Fraction(1), Trigger.SENT, "GLB", Tensor.IFMAP)))) == 1


def test_tables_without_a_process_price_no_parts_and_say_so():
    machine, table = toy(act=Action(Fraction(1), Trigger.MAC)), load_table("horowitz_45nm")
    assert not any(row.component == "ADC" for row in account(machine, fakes.counts(WORDS, SENT), table))
    assert any("parts of its own" in line for line in what_is_free(machine, table))


def test_a_run_pays_and_its_search_knows():
    """What an action makes dear, the best mapping has less of: old sums read back from the buffer of the chip."""
    chip = load_architecture("eyeriss")
    assert chip.physical is not None
    dear = Action(Fraction(1000), Trigger.LEAVING, "FILTER_BANK", Tensor.PSUM)
    paying = replace(chip, physical=replace(chip.physical, parts={"ADC": OwnPart("s", actions={"convert": dear})}))
    options = {"layers": "CONV5", "data": "dense", "energy": "cmos_65nm", "evaluator": "analytical"}
    before, after = (simulate(machine, "alexnet", **options).layers[0] for machine in (chip, paying))
    (row,) = (row for row in after.energy_rows if row.component == "ADC")
    assert (row.action, row.energy) == ("convert", 1000 * row.count)
    assert row.count == after.counts.sent("FILTER_BANK", "psum", "up") < before.counts.sent("FILTER_BANK", "psum", "up")


def test_a_table_of_own_parts_prices_and_sizes_them_alone():
    """Its rows are those that a table of a process has for the same parts."""
    machine, table = toy(act=Action(Fraction(2), Trigger.MAC)), load_table("own_parts")
    counts = fakes.counts(WORDS, SENT)
    rows = account(machine, counts, table, 100)
    assert rows == tuple(row for row in account(machine, counts, TABLE, 100) if row.component == "ADC")
    assert [part for part in floor_of(machine, table).parts if part.component != "ADC"] == []
    assert any("no part of the machine's own" in line for line in what_is_free(machine, table))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("unit: MAC", "unit: what parts take is in pJ"),
        ("unit: pJ\naccounting: isca16", "accounting: with own_parts nothing else has a price; leave it out"),
    ],
)
def test_own_parts_go_alone(line, said):
    text = f"name: t\nsource: s\n{line}\nown_parts: true\nmac: 0\nnetwork: {{hop: 0}}\ncomponents: {{}}\n"
    with pytest.raises(SpecError, match=said):
        build(parse(text, "t"))
