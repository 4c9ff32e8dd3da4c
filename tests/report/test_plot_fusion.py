"""Pictures of a fused group are their data; the data are what is measured."""

from __future__ import annotations

import pytest

from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.engine.fused.storage import MODES, Tiling, measure
from accelsim.errors import AccelsimError
from accelsim.report.plot_fusion import Span, pyramid, pyramid_data, storage, storage_data


def group():
    first = Op("mid", "conv", (Read("x", range(1)),), 1, (1, 18), kernel=(1, 3))
    last = Op("out", "conv", (Read("mid", range(1)),), 1, (1, 16), kernel=(1, 3))
    return Group((Source("x", 1, (1, 20)),), (first, last))


def test_a_tile_in_the_middle():
    x, mid, out = pyramid_data(measure(group(), Tiling((1, 4))), 1)
    assert (x.tensor, x.plane, x.used) == ("x", 20, (6, 12))
    assert x.spans == (
        Span(0, 6, "gone", False),
        Span(6, 8, "kept", False),
        Span(8, 10, "made", False),
        Span(10, 12, "made", True),
        Span(12, 20, "later", False),
    )
    assert mid.used == (4, 10) and mid.spans[1:3] == (Span(4, 6, "kept", False), Span(6, 8, "made", False))
    assert out.spans == (Span(0, 4, "gone", False), Span(4, 8, "made", False), Span(8, 16, "later", False))


def test_what_is_made_again_does_not_stay():
    for line in pyramid_data(measure(group(), Tiling((1, 4), MODES["none"])), 1):
        assert not any(span.stays for span in line.spans)
        assert [span for span in line.spans if span.state == "made"] == [Span(*line.used, "made", False)]


@pytest.mark.parametrize("mode", MODES)
def test_words_that_stay_are_those_between_tiles(mode):
    found = measure(group(), Tiling((1, 4), MODES[mode]))
    for tile in range(4):
        stay = sum(span.end - span.begin for line in pyramid_data(found, tile) for span in line.spans if span.stays)
        assert stay == (found.columns.held[tile].sum() if found.columns.keep.any() else 0)


def test_bars_are_what_is_held():
    found = measure(group(), Tiling((1, 8)))
    rows = storage_data(found)
    assert [(row["column"], row["runs"], row["tensor"], row["words"]) for row in rows] == [
        (0, "mid", "x", 12), (0, "mid", "mid", 10), (0, "mid", "out", 0),
        (0, "out", "x", 2), (0, "out", "mid", 10), (0, "out", "out", 8),
        (1, "mid", "x", 10), (1, "mid", "mid", 10), (1, "mid", "out", 0),
        (1, "out", "x", 0), (1, "out", "mid", 10), (1, "out", "out", 8),
    ]  # fmt: skip
    axes = storage(found)
    heights = [bar.get_height() for bars in axes.containers for bar in bars]
    assert heights == [row["words"] for row in rows]
    assert max(bar.get_y() + bar.get_height() for bars in axes.containers for bar in bars) == found.room


def test_lines_are_boxes():
    axes = pyramid(measure(group(), Tiling((1, 4))), 1)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x, 20", "mid, 18", "out, 16"]
    marks = [patch for patch in axes.patches if patch.get_linewidth() == 1.2]
    assert [(mark.get_x(), mark.get_width()) for mark in marks] == [
        (6 / 20, 6 / 20),
        (4 / 18, 6 / 18),
        (4 / 16, 4 / 16),
    ]


def test_what_is_refused():
    found = measure(group(), Tiling((1, 1)))
    with pytest.raises(AccelsimError) as error:
        pyramid(found, 16)
    assert str(error.value) == "there is no tile 16 of columns: the sink has 16, from 0 on"
    wide = Op("one", "conv", (Read("x", range(1)),), 1, (1, 200))
    with pytest.raises(AccelsimError) as error:
        storage(measure(Group((Source("x", 1, (1, 200)),), (wide,)), Tiling((1, 1))))
    assert str(error.value) == "200 tiles of 1 layers: a picture has 160 passes, choose tiles"
