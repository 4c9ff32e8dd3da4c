"""Figures of a width: saved as wide as they are, letters as large as they say, text as text."""

from __future__ import annotations

import struct

import pytest

import pictures
from accelsim import plotting
from accelsim.errors import AccelsimError
from accelsim.report import framing
from accelsim.report.framing import SIZES, furnish, patches, size_of, sized_axes


@pytest.fixture(params=SIZES.values(), ids=list(SIZES))
def size(request):
    return request.param


def drawn(size, names=("a", "b"), title=("title", "more"), caption="said below"):
    axes = sized_axes(size)
    axes.plot([1, 2], [3, 4])
    axes.set_xlabel("x [m]", fontsize=size.text)
    furnish(axes, size, title, patches([(name, ("#0072B2", "")) for name in names]), caption)
    return axes


def test_a_name_that_is_none_is_refused():
    assert size_of(None) is framing.PAGE and size_of("slide") is framing.SLIDE
    with pytest.raises(AccelsimError, match=r"unknown width 'colum'; did you mean 'column'\? \(column, page, slide\)"):
        size_of("colum")
    assert tuple(SIZES) == plotting.WIDTHS


def test_it_is_saved_at_its_width(size, tmp_path):
    axes = drawn(size)
    framing.save(axes, str(tmp_path / "x.png"))
    wide, _ = struct.unpack(">II", (tmp_path / "x.png").read_bytes()[16:24])
    assert wide == pytest.approx(size.width * size.dots, abs=1)
    framing.save(axes, str(tmp_path / "x.svg"))
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert f'width="{72 * size.width:g}pt"' in text
    assert all(f">{words}</text>" in text for words in ("title", "more", "said below", "a", "x [m]"))


def test_letters_are_no_smaller_than_seven_points(size):
    assert size.text >= 7
    assert pictures.smallest(drawn(size)) == size.text


def test_legends_take_as_many_lines_as_they_need(size):
    names = [f"a rather long name, {index}" for index in range(9)]
    axes = drawn(size, names, ("a title " * 30, "and more " * 40), "said below, " * 30)
    assert pictures.overlaps(axes) == [] and pictures.outside(axes) == []
    (legend,) = axes.figure.legends
    boxes = {text.get_text(): text.get_window_extent() for text in legend.get_texts()}
    order = sorted(names, key=lambda name: (-round(boxes[name].y0), boxes[name].x0))
    assert order == names  # read line by line


def test_a_word_wider_than_the_figure_is_cut(size):
    axes = drawn(size, ["n" * 400], ("t" * 400,), "c" * 400)
    assert pictures.outside(axes) == []
    assert sum("…" in text for text, _, _ in pictures.texts(axes)) == 3


def test_what_lies_on_each_other_would_be_found():
    axes = drawn(framing.PAGE)
    box = axes.get_position()
    axes.figure.text(box.x0, box.y0, "one", fontsize=8)
    axes.figure.text(box.x0, box.y0, "two", fontsize=8)
    axes.figure.text(0.99, 0.5, "beyond", fontsize=6)
    assert ("one", "two") in pictures.overlaps(axes)
    assert pictures.outside(axes) == ["beyond"] and pictures.smallest(axes) == 6
