"""Drawings by hand: shares of the width, round ticks, text that stays text, letters large enough to read."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.architecture.yaml import load_architecture
from accelsim.mapping.yaml import load_mappings
from accelsim.report.html import bars, machine, nest
from accelsim.report.html.bars import Bars, ticks
from accelsim.report.html.paints import of_causes
from accelsim.report.html.svg import TEXT, Drawing
from accelsim.report.palette import COLOURS, HATCHES
from accelsim.yamlfile import names

SVG = "{http://www.w3.org/2000/svg}"
PAINT = {"DRAM": (COLOURS[0], ""), "GLB": (COLOURS[1], "//"), "RF": (COLOURS[2], "")}


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def boxes(svg: str) -> list[tuple[float, float]]:
    """(left, width) of every box, as shares."""
    found = [(one.get("x"), one.get("width")) for one in parsed(svg).iter("rect")]
    return [(float(x.rstrip("%")) / 100, float(w.rstrip("%")) / 100) for x, w in found]


def test_bars_are_stacked_in_proportion():
    data = Bars("energy", "pJ", (("a", {"DRAM": 30.0, "GLB": 10.0}), ("b", {"RF": 20.0})), PAINT)
    assert boxes(bars.draw(data)) == [(0.0, 0.75), (0.75, 0.25), (0.0, 0.5)]
    texts = [one.text for one in parsed(bars.draw(data)).iter("text")]
    assert {"a", "b", "40", "20", "pJ"} <= set(texts)
    assert data.parts == ("DRAM", "GLB", "RF")


def test_no_value_draws_no_bar():
    assert boxes(bars.draw(Bars("energy", "pJ", (("a", {"DRAM": 0.0}), ("b", {})), PAINT))) == []


@given(st.floats(1e-12, 1e18))
def test_ticks_are_few_and_round(highest):
    found = ticks(highest)
    assert found[0] == 0 and found[-1] <= highest * 1.001 and 2 <= len(found) <= 6
    digits = f"{found[1]:e}".partition("e")[0].rstrip("0").rstrip(".")
    assert digits in ("1", "2", "5")


def test_names_are_escaped_wherever_they_stand():
    drawing = Drawing(10, "<label>")
    drawing.rect(0, 0, 1, 1, ("#000000", ""), title="<title> & co")
    drawing.text(0, 0, "<text>")
    root = parsed(drawing.markup())
    assert root.get("aria-label") == "<label>" and [one.text for one in root.iter("text")] == ["<text>"]
    assert [one.text for one in root.iter("title")] == ["<title> & co"]


def test_alone_it_has_its_hatches_and_letters_of_7_points_and_more():
    text = str(bars.draw(Bars("energy", "pJ", (("a", {"GLB": 1.0}),), PAINT), alone=True))
    (fill,) = re.findall(r"url\(#([^)]+)\)", text)
    assert f'id="{fill}"' in text and 'xmlns="http://www.w3.org/2000/svg"' in text
    assert TEXT * 0.75 >= 7


@pytest.mark.parametrize("hatch", HATCHES)
def test_every_hatch_can_be_drawn(hatch):
    drawing = Drawing(10, "x")
    drawing.rect(0, 0, 1, 1, (COLOURS[0], hatch))
    root = parsed(drawing.markup(alone=True))
    (box,) = root.findall(f"{SVG}rect")
    made = [f"url(#{one.get('id')})" for one in root.iter(f"{SVG}pattern")]
    assert box.get("fill") == (made[0] if hatch else COLOURS[0]) and len(made) == bool(hatch)


@pytest.mark.parametrize("name", names("arch"))
def test_every_machine_is_drawn_with_all_it_has(name):
    chip = load_architecture(name)
    found = parsed(machine.draw(chip, alone=True))
    texts = " ".join(one.text or "" for one in found.iter(f"{SVG}text"))
    for level in chip.levels:
        assert level.name in texts
        if level.fanout.y * level.fanout.x > 1:
            assert f"{level.fanout.y} x {level.fanout.x} below" in texts
    assert f"{chip.pes:,} PEs" in texts


def test_a_nest_is_drawn_loop_by_loop():
    loops = load_mappings("eyeriss_alexnet_jssc17")["CONV1"]
    root = parsed(nest.draw(loops))
    texts = [one.text for one in root.iter("text")]
    assert [text for text in texts if re.fullmatch(r"[A-Z]\d+", text)] == [
        str(loop) for _, level in loops.levels for _, loop in level.loops if loop.factor > 1
    ]
    assert texts.index("DRAM") < texts.index("GLB") < texts.index("RF")


def test_nothing_of_a_nest_leaves_its_picture():
    long = nest.LoopNest.parse("DRAM: " + " ".join(f"M{10**at}" for at in range(1, 12)))
    for one in parsed(nest.draw(long)).iter("rect"):
        assert float(one.get("x")) + float(one.get("width")) <= nest.WIDTH


def test_causes_have_the_colour_of_their_tensor():
    found = of_causes(["DRAM->GLB filter", "GLB->RF filter", "GLB<-RF psum", "fill", "drain"])
    assert found["DRAM->GLB filter"][0] == found["GLB->RF filter"][0] != found["GLB<-RF psum"][0]
    assert len(set(found.values())) == len(found)
