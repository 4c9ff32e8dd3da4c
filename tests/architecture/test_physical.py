"""`physical:` of a machine: read, written back, and wrong in one line each."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from accelsim.architecture.actions import Action, Trigger
from accelsim.architecture.analog import Analog, Deviation, Storage
from accelsim.architecture.document import document_of
from accelsim.architecture.physical import ALL, Access, Arithmetic, Memory, MemoryKind, OwnPart, Physical
from accelsim.architecture.yaml import architecture_of
from accelsim.errors import AccelsimError, SpecError
from accelsim.workload.problem import Tensor
from accelsim.yamlfile import Document, parse

HEAD = """\
name: m
source: s
clock: 1 GHz
word: 8 b
levels:
  - {name: DRAM}
  - {name: GLB, capacity: 4 KiB, array: {size: {x: 16}}}
  - {name: RF, keeps: [ifmap, filter], capacity: 16 B}
physical:
"""
FULL = """\
  source: here
  floorplan: 1.5
  registers: 0
  clock_gate: true
  handed_on: false
  arithmetic: fp16
  layouts: {GLB: {y: 4, x: 4}}
  parts:
    CONTROL: {source: p. 9, count: 2, area: 0.25, static: 10}
    ADC:
      source: s
      actions: {convert: {energy: 2.5, on: leaving, level: GLB, tensor: psum}, add: {energy: 1, on: mac}}
  analog:
    level: GLB
    bits: 6
    range: [-3, 12.5]
    weights: offset
    cell: {relative: 0.05}
    read: {relative: 0.01, absolute: 2}
  memories:
    GLB: {port: 64 b, banks: 2, slices: 2, count: 4, access: word}
    RF: {ifmap: {kind: sram}, psum: {kind: flip-flop}}
"""
ACTION = "  parts: {{ADC: {{source: s, actions: {{act: {{{}}}}}}}}}\n"


def read(text):
    return architecture_of(parse(HEAD + text, "m.yaml"))


def test_every_key():
    found = read(FULL).physical
    assert found == Physical(
        "here", Fraction(3, 2),
        {
            "GLB": {ALL: Memory(None, 64, 2, 2, 4, Access.WORD)},
            "RF": {"ifmap": Memory(MemoryKind.SRAM), "psum": Memory(MemoryKind.FLIP_FLOP)},
        },
        0, True, False, Arithmetic.FP16, {"GLB": (4, 4)},
        {
            "CONTROL": OwnPart("p. 9", 2, Fraction(1, 4), Fraction(10)),
            "ADC": OwnPart("s", actions={
                "convert": Action(Fraction(5, 2), Trigger.LEAVING, "GLB", Tensor.PSUM),
                "add": Action(Fraction(1), Trigger.MAC),
            }),
        },
        Analog(
            "GLB", 6, (Fraction(-3), Fraction(25, 2)), Storage.OFFSET, Deviation(Fraction(1, 20)),
            Deviation(Fraction(1, 100), Fraction(2)),
        ),
    )  # fmt: skip
    assert found.memory("RF", "filter") == found.memory("DRAM", "ifmap") == Memory()


@pytest.mark.parametrize(
    "text", [FULL, "  floorplan: 2\n", "  memories: {RF: {kind: sram}}\n", "  analog: {level: GLB}\n"]
)
def test_written_and_read_back(text):
    machine = read(text)
    anew = replace(machine, document=None)
    assert architecture_of(Document("again", document_of(anew))).physical == machine.physical


def test_a_machine_may_say_nothing():
    assert architecture_of(parse(HEAD.replace("physical:\n", ""), "m.yaml")).physical is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  floorplan: 0.5\n", "10:14: physical.floorplan: must lie in 1 to 100, got 0.5"),
        ("  floorplan: wide\n", "10:14: physical.floorplan: should be a number, got 'wide'"),
        ("  memories: {GBL: {kind: sram}}\n", "unknown level 'GBL'; did you mean 'GLB'?"),
        ("  memories: {GLB: {kind: srm}}\n", "unknown kind of memory 'srm'; did you mean 'sram'?"),
        ("  memories: {GLB: {port: 4 words}}\n", "'4 words': write a width in bits or bytes"),
        ("  memories: {GLB: {ports: 64 b}}\n", "unknown key; did you mean 'port'?"),
        (
            "  memories: {GLB: {ifmap: {port: 64 b}, psums: {port: 64 b}}}\n",
            "unknown tensor 'psums'; did you mean 'psum'?",
        ),
        ("  layouts: {GLB: {y: 3, x: 4}}\n", "3 x 4 is no layout of the 16 children below 'GLB'"),
        ("  arithmetic: fp8\n", "unknown arithmetic 'fp8'"),
        ("  registers: -1\n", "physical.registers: must be at least 0, got -1"),
        ("  parts: {PLL: {static: 3}}\n", "physical.parts.PLL.source: missing"),
        ("  parts: {GLB: {source: s}}\n", "'GLB' is what something else is called"),
        ("  parts: {a b: {source: s}}\n", "'a b' is no name"),
        ("  parts: {PLL: {source: s, static: -3}}\n", "must lie in 0 to 1e+06, got -3"),
        (ACTION.format("energy: 1, on: sending, level: GLB"), "unknown trigger 'sending'; did you mean '"),
        (ACTION.format("energy: 1, on: sent"), "'sent' is of a level; say which: DRAM, GLB, RF"),
        (ACTION.format("energy: 1, on: sent, level: GBL"), "unknown level 'GBL'; did you mean 'GLB'?"),
        (ACTION.format("energy: 1, on: sent, level: RF"), "'RF' has one child, so no network below it"),
        (ACTION.format("energy: 1, on: mac, level: RF"), "a mac is of no level and no tensor; leave them out"),
        (ACTION.format("energy: 1, on: read, level: RF, tensor: sums"), "unknown tensor 'sums'"),
        (ACTION.format("energy: 1, on: step"), "'step' is of a level; say which: DRAM, GLB, RF"),
        (ACTION.format("energy: 1, on: step, level: GLB, tensor: psum"), "a step is of no tensor; leave it out"),
        (ACTION.format("energy: -1, on: mac"), "must lie in 0 to 1e+06, got -1"),
        (ACTION.format("on: mac"), "physical.parts.ADC.actions.act.energy: missing"),
        (ACTION.replace("act:", "clock:").format("energy: 1, on: mac"), "'clock' is what something else is called"),
        ("  analog: {level: GBL}\n", "unknown level 'GBL'; did you mean 'GLB'?"),
        ("  analog: {level: RF}\n", "analog.level: 'RF' has one child, so nothing is added up below it"),
        ("  analog: {level: GLB, range: [0, 9]}\n", "analog.range: a range is that of a converter: give its bits"),
        ("  analog: {level: GLB, bits: 4, range: [9, 0]}\n", "the lowest sum, 9, is not below the highest, 0"),
        ("  analog: {level: GLB, bits: 4, range: 9}\n", "should be a list of two numbers"),
        ("  analog: {level: GLB, bits: 0}\n", "analog.bits: must be at least 1, got 0"),
        ("  analog: {level: GLB, bits: 40}\n", "analog.bits: must be at most 32, got 40"),
        ("  analog: {level: GLB, weights: ofset}\n", "unknown way to store weights 'ofset'; did you mean 'offset'?"),
        ("  analog: {level: GLB, cell: {relative: -1}}\n", "cell.relative: must lie in 0 to 1e+06, got -1"),
        ("  analog: {level: GLB, cell: 0.1}\n", "should be a mapping of keys to values, got '0.1'"),
        ("  analog: {bits: 8}\n", "physical.analog.level: missing"),
        ("  clockgate: true\n", "unknown key; did you mean 'clock_gate'?"),
    ],
)
def test_what_is_wrong_is_one_line(text, message):
    with pytest.raises(SpecError) as found:
        read(text)
    (line,) = str(found.value).splitlines()
    assert message in line and line.startswith("m.yaml:10:")


def test_code_is_checked_too():
    with pytest.raises(AccelsimError, match="floorplan must lie in 1 to 100, got 0"):
        Physical(floorplan=Fraction(0))
    with pytest.raises(AccelsimError, match=r"analog: 'RFF' is no level \(DRAM, GLB, RF\)"):
        replace(read(FULL), physical=Physical(analog=Analog("RFF")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels.RF.keeps": "[ifmap, psum]"}, "level 'RF' keeps psums, below GLB, where they are read"),
        (
            {"levels.GLB.array.networks": "{psum: {kind: tree, reduce: [C, IB]}}"},
            "sums of different slices are read apart, but the array below GLB adds over IB",
        ),
    ],
)
def test_sums_that_cannot_be_read(change, message):
    text = HEAD.replace("word: 8 b", "word: 8 b\npe: {slices: {ifmap: 1 b}}") + "  analog: {level: GLB}\n"
    with pytest.raises(SpecError) as found:
        architecture_of(parse(text, "m.yaml"), change)
    (line,) = str(found.value).splitlines()
    assert message in line and "physical.analog.level" in line
