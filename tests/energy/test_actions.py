"""Actions of declared parts: paid for what triggers them, and known to a search."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings

import fakes
from accelsim.architecture.actions import Action, Trigger
from accelsim.architecture.physical import Memory, MemoryKind, OwnPart, Physical
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.floor import floor_of
from accelsim.energy.free import what_is_free
from accelsim.energy.load import load_table
from accelsim.energy.yaml import build
from accelsim.engine import evaluate
from accelsim.errors import SpecError
from accelsim.mapping.mapping import LoopNest
from accelsim.result import Result
from accelsim.simulate import simulate
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import Problem, Tensor
from accelsim.yamlfile import parse
from golden.nest import Walk
from strategies import cases

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


def test_a_step_is_one_of_the_array_below() -> None:
    """Reads of crossbars, counted by hand: outputs times bits times crossbars that share a layer's weights."""
    read = Action(Fraction(30), Trigger.STEP, "REGISTERS")
    isaac = load_architecture("isaac")
    machine = replace(isaac, physical=replace(isaac.physical, parts={"CROSSBAR": OwnPart("s", actions={"read": read})}))
    problem = machine.lower(Problem.of({"N": 3, "P": 5, "Q": 7, "C": 40, "R": 3, "S": 3, "M": 50}))
    nest = LoopNest.parse("EDRAM: N3 P5 Q7 IB16 x C3 M4 | REGISTERS: y C14 R3 S3 x M16 WB8 | CELL:")
    times = 3 * 5 * 7 * 16 * -(-40 // 14) * -(-50 // 16)
    for evaluator in ("analytical", "cycle"):
        counts, timing = evaluate(machine, nest, problem, evaluator)
        assert counts.steps == (("REGISTERS", times),)
        rows = account(machine, counts, load_table("own_parts"), timing.cycles)
        (row,) = (row for row in rows if row.component == "CROSSBAR" and row.action == "read")
        assert (row.tensor, row.count, row.energy) == ("none", times, 30 * times)


@settings(deadline=None, max_examples=150)
@given(cases())
def test_steps_are_those_of_the_nest_walked_out(drawn) -> None:
    machine, nest, problem = drawn
    acts = {f"at_{level.name}": Action(Fraction(1), Trigger.STEP, level.name) for level in machine.levels}
    machine = replace(machine, physical=Physical(parts={"PART": OwnPart("s", actions=acts)}))
    counts, _ = evaluate(machine, nest, problem, "analytical")
    walk = Walk(machine, nest, problem, Masks())
    for index, level in enumerate(machine.levels):
        times = sum(
            walk.inside(walk.shifted(base, instance))
            for step in range(len(walk.steps))
            for base in walk.iterations(step)
            for instance in walk.instances(index)
        )
        assert dict(counts.steps)[level.name] == times


def test_steps_are_in_the_document(tmp_path) -> None:
    machine = load_architecture("isaac").with_(
        **{"physical.parts.CELLS.actions": {"read": {"energy": 30, "on": "step", "level": "REGISTERS"}}}
    )
    result = simulate(machine, "alexnet", layers="FC8", evaluator="analytical")
    (tmp_path / "result.json").write_text(json.dumps(result.to_dict()))
    again = Result.load(tmp_path / "result.json")
    assert again.layers[0].counts.steps == result.layers[0].counts.steps != ()
    assert again.to_dict() == result.to_dict()


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
