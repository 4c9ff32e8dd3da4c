"""Ports taken in turn, reads of several words, and room for sums on their way out: small layers, by hand."""

from __future__ import annotations

import re

import pytest

from accelsim.architecture.document import document_of
from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import architecture_of
from accelsim.engine import evaluate
from accelsim.errors import SpecError
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.problem import Problem
from accelsim.yamlfile import Document, parse

FILE = """
name: turns
source: none
clock: 1 GHz
word: 8 b
levels:
  - name: DRAM
    ports: {read: 1 words}
    turns: [ifmap, filter]
    array:
      size: {x: 1}
      networks: {ifmap: {kind: unicast, width: PACE}, filter: {kind: unicast}, psum: {kind: unicast, out: 1 words}}
  - {name: RF, buffer: {filter: double}}
"""


PASSES = "size: {x: 1}\n      passes: {serial: "
ARRAY = "atoms: {ifmap: 4}\n    array:\n      size: {x: 2}"


def machine(pace: str = "1 words", old: str = "", new: str = "") -> Architecture:
    """The machine, data at a pace of their own, some text replaced."""
    return architecture_of(parse(FILE.replace("PACE", pace).replace(old, new)))


def cycles(found: Architecture, nest: str, **sizes: int) -> int:
    """Of one layer; the closed form is no more."""
    loops, problem = LoopNest.parse(nest), Problem.of(sizes)
    timing = evaluate(found, loops, problem)[1]
    assert evaluate(found, loops, problem, "analytical")[1].cycles <= timing.cycles
    return timing.cycles


@pytest.mark.parametrize(
    ("channels", "outputs", "pace", "first"),
    [
        # 8 words of data, 8 of the first weights, 8 of the second: data are through at 2 x 8 - 1, weights at 16
        (8, 2, "1 words", 16),
        # 8 words of data and 8 of weights
        (8, 1, "1 words", 16),
        # at half a word a cycle alone, 8 words of data take 16 cycles in any case
        (8, 1, "0.5 words", 16),
    ],
)
def test_first_step_after_words_in_turn(channels, outputs, pace, first):
    # one output in the end: a MAC a cycle, and a word out
    found = cycles(machine(pace), f"DRAM: M{outputs} | RF: C{channels}", C=channels, M=outputs)
    assert found == first + (8 + 1) * outputs


def test_data_alone_go_at_their_own_pace():
    # 12 pixels of one channel and a filter word: two in turn, then ten words at half a word a cycle
    assert cycles(machine("0.5 words"), "DRAM: | RF: Q12", Q=12) == max(2 + 22, 24) + 12 + 12


def test_words_nobody_wants():
    atoms = machine(old="turns: [ifmap, filter]", new="atoms: {ifmap: 8}")
    plain = machine(old="    turns: [ifmap, filter]\n", new="")
    # 3 channels of 4 pixels: 8 words each in place of 3
    nest, sizes = "DRAM: | RF: C3 Q4", {"C": 3, "Q": 4}
    assert cycles(atoms, nest, **sizes) - cycles(plain, nest, **sizes) == 4 * (8 - 3)
    loops, problem = LoopNest.parse(nest), Problem.of(sizes)
    assert (evaluate(atoms, loops, problem)[0].words == evaluate(plain, loops, problem)[0].words).all()


@pytest.mark.parametrize(("room", "expected"), [(100, 15), (6, 15), (5, 18), (3, 24), (1, 24)])
def test_room_on_the_way_out(room, expected):
    # four tiles of three sums, a MAC each, a word out a cycle; operands take no time. With room for five sums a tile
    # may begin when one of the last has left, with room for three when all have; a larger tile waits for that, too
    text = FILE.replace("    ports: {read: 1 words}\n    turns: [ifmap, filter]\n", "").replace(", width: PACE", "")
    rf = f"{{name: RF, buffer: {{psum: double}}, delivery: {{room: {room}}}}}"
    found = architecture_of(parse(text.replace("{name: RF, buffer: {filter: double}}", rf)))
    assert cycles(found, "DRAM: Q4 | RF: M3", Q=4, M=3) == expected


@pytest.mark.parametrize(
    ("nest", "sizes", "rf", "pe", "expected", "busy"),
    [
        # four steps of three MACs and a new pixel each; every second one ends a tile of three psums, two cycles each;
        # then three words go out
        ("DRAM: Q2 C2 | RF: M3", {"Q": 2, "C": 2, "M": 3}, "psum: double", "", 4 * (3 + 1) + 2 * 6 + 3, 16),
        ("DRAM: Q2 C2 | RF: M3", {"Q": 2, "C": 2, "M": 3}, "psum: double", "mac: 2, ", 4 * (6 + 1) + 2 * 6 + 3, 16),
        # streamed: step 1 has MACs from 4 to 7, and its first psum at 9, where the words begin to go, the last at 15,
        # behind the window; step 2 is there at 14, and step 3 ends at 28, a cycle before the last word has gone
        ("DRAM: Q2 C2 | RF: M3", {"Q": 2, "C": 2, "M": 3}, "psum: stream", "", 29, 16),
        # the last of four pixels comes at 4, and all MACs are over at 5: then two cycles, four, and a word out
        ("DRAM: | RF: C4", {"C": 4}, "ifmap: stream", "", 5 + 2 + 4 + 1, 6),
    ],
)
def test_work_behind_the_macs(nest, sizes, rf, pe, expected, busy):
    text = FILE.replace("    ports: {read: 1 words}\n    turns: [ifmap, filter]\n", "").replace("filter: double", rf)
    text = text.replace("PACE", "1 words") if "ifmap" in rf else text.replace(", width: PACE", "")
    found = architecture_of(parse(f"{text}pe: {{cycles: {{{pe}psum_in: 2, window: 1}}}}\n"))
    assert architecture_of(Document("again", document_of(found))) == found
    assert cycles(found, nest, **sizes) == expected
    assert evaluate(found, LoopNest.parse(nest), Problem.of(sizes))[1].stalls["pe"] == busy


def test_work_behind_the_macs_is_that_of_the_words_there_are():
    # 5 pixels in steps of 2: 2 + 2 MACs, 2 + 2 + 1 words in place of 6
    text = FILE.replace("    ports: {read: 1 words}\n    turns: [ifmap, filter]\n", "").replace(", width: PACE", "")
    found = architecture_of(parse(text.replace("filter: double", "psum: double") + "pe: {cycles: {psum_in: 3}}\n"))
    assert cycles(found, "DRAM: Q3 | RF: Q2", Q=5) == 5 + 3 * 5 + 1


@pytest.mark.parametrize(("few", "expected"), [(1, 61), (2, 37), (3, 33), (4, 31)])
def test_few_transfers_on_their_way(few, expected):
    # four filters of four words, each here ten cycles after its last; a step of four MACs each, a word out in the end.
    # One at a time they come at 14, 28, 42 and 56; two at a time at 14, 18, 28 and 32; three at 14, 18, 22 and 28
    text = FILE.replace("ports: {read: 1 words}\n    turns: [ifmap, filter]", f"outstanding: {{filter: {few}}}")
    text = text.replace(", width: PACE", "").replace(
        "filter: {kind: unicast}", "filter: {kind: unicast, width: 1 words, latency: 10}"
    )
    found = architecture_of(parse(text.replace("{filter: double}}", "double, tiles: {filter: 4}}")))
    assert architecture_of(Document("again", document_of(found))) == found
    assert cycles(found, "DRAM: M4 | RF: C4", M=4, C=4) == expected


@pytest.mark.parametrize(
    ("passes", "pace", "expected"),
    [
        # two passes of four filter words and two steps of four MACs; a pass ends a cycle after, with its last word out
        ("{serial: filter}", "1", 2 * (4 + 8 + 1)),
        # the first MAC after a word, the last after all of them
        ("{serial: filter, stream: true}", "1", 2 * (1 + 8 + 1)),
        # 8 cycles of words, a MAC behind the last, and a step
        ("{serial: filter, stream: true}", "0.5", 2 * (8 + 1 + 4 + 1)),
    ],
)
def test_passes_that_stream_in(passes, pace, expected):
    text = FILE.replace("    ports: {read: 1 words}\n    turns: [ifmap, filter]\n", "").replace(", width: PACE", "")
    text = text.replace("filter: {kind: unicast}", f"filter: {{kind: unicast, width: {pace} words}}")
    text = text.replace("filter: double", "psum: double")
    found = architecture_of(parse(text.replace("size: {x: 1}", f"size: {{x: 1}}\n      passes: {passes}")))
    assert architecture_of(Document("again", document_of(found))) == found
    assert cycles(found, "DRAM: M2 Q2 | RF: C4", M=2, Q=2, C=4) == expected


def test_the_file_of_a_machine_comes_back():
    found = machine(old="turns: [ifmap, filter]", new="turns: [filter, ifmap]\n    atoms: {filter: 4}")
    assert architecture_of(Document("again", document_of(found))) == found


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("turns: [ifmap, filter]", "turns: [ifmap]", "turns: of ifmap and filter, each once"),
        ("turns: [ifmap, filter]", "turns: [ifmap, psum]", "turns: of ifmap and filter, each once"),
        ("    ports: {read: 1 words}\n", "", "turns: DRAM has no port that its inputs share"),
        (
            "buffer: {filter: double}",
            "buffer: {filter: stream}",
            "turns: not with fixed cycles",
        ),
        ("turns: [ifmap, filter]", "atoms: {psum: 4}", "atoms: of an ifmap or a filter"),
        ("turns: [ifmap, filter]\n    array:\n      size: {x: 1}", ARRAY, "atoms: not to an array"),
        (
            "ports: {read: 1 words}\n    turns: [ifmap, filter]",
            "atoms: {filter: 4}",
            "leaves DRAM by no port with a width",
        ),
        ("name: RF,", "name: RF, atoms: {ifmap: 4},", "atoms: only words of the outermost level lie in them"),
        ("name: RF,", "name: RF, turns: [ifmap, filter],", "turns: only the outermost level has them"),
        ("turns:", "outstanding: {filter: 2}\n    turns:", "outstanding: not where inputs take a port in turn"),
        ("turns:", "outstanding: {filter: 0}\n    turns:", "outstanding.filter"),
        ("name: turns", "name: turns\npe: {cycles: {psum_in: -1}}", "cycles.psum_in"),
        ("name: turns", "name: turns\npe: {cycles: {sum: 1}}", "cycles.sum: unknown key"),
        (
            "name: RF, buffer: {filter: double}}",
            "name: RF}\npe: {gate: [ifmap], cycles: {window: 1}}",
            "psum_in and window are of PEs that see no zeros",
        ),
        (
            "name: RF, buffer: {filter: double}}",
            "name: RF, keeps: [filter]}\npe: {cycles: {psum_in: 1}}",
            "psum_in: no level inside the PE keeps psum",
        ),
        ("size: {x: 1}", f"{PASSES}psum, stream: true}}", "stream: passes of a stationary ifmap or filter stream in"),
        ("size: {x: 1}", f"{PASSES}filter, wave: 2, stream: true}}", "stream: passes that follow a wave overlap"),
        ("name: RF,", "name: RF, outstanding: {ifmap: 2},", "outstanding: only transfers out of the outermost level"),
        ("name: RF,", "name: RF, keeps: [filter], delivery: {room: 4},", "delivery: it keeps no psums"),
        ("name: RF,", "name: RF, delivery: {room: 0},", "delivery.room"),
    ],
)
def test_bad_files(old, new, error):
    with pytest.raises(SpecError, match=re.escape(error)):
        machine(old=old, new=new)
