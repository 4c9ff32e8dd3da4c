"""Words of each level and tensor: the picture's are those of the table."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

import fakes
from accelsim.engine.counts import ACTIONS
from accelsim.errors import AccelsimError
from accelsim.report.plot_traffic import short, traffic_data
from accelsim.simulate import simulate


@pytest.fixture
def result(fake_engine):
    return simulate(fakes.machine(), fakes.network())


def counted(result):
    """Words by level and tensor, out of the tidy table."""
    sums: Counter[tuple[str, str]] = Counter()
    for row in result.table:
        if row["action"] in ACTIONS and row["level"] in ("DRAM", "GLB", "RF"):
            sums[row["level"], row["tensor"]] += row["words"]
    return dict(sums)


def test_words_are_those_of_the_table(result):
    rows = result.plot.data("traffic")
    sums: Counter[tuple[str, str]] = Counter()
    for row in rows:
        sums[row["level"], row["tensor"]] += row["words"]
    assert dict(sums) == counted(result)
    assert list(dict.fromkeys(row["level"] for row in rows)) == ["DRAM", "GLB", "RF"]


@pytest.mark.parametrize("width", ["column", "page", "slide"])
def test_a_bar_ends_at_its_words(result, width):
    axes = result.plot.traffic(width=width)
    ends = [
        bar.get_x() + bar.get_width() if width == "column" else bar.get_y() + bar.get_height() for bar in axes.patches
    ]
    assert ends == pytest.approx(list(counted(result).values()))
    assert (axes.get_xlabel() if width == "column" else axes.get_ylabel()) == "words (logarithmic)"
    assert (axes.get_xscale() if width == "column" else axes.get_yscale()) == "log"


def test_what_a_level_keeps_none_of_has_no_bar(result):
    layers = tuple(
        replace(layer, counts=fakes.counts({("DRAM", "ifmap", "read"): 5_000_000, ("RF", "psum", "update"): 7}))
        for layer in result.layers
    )
    axes = replace(result, layers=layers).plot.traffic(width="slide")
    assert len(axes.patches) == 2
    assert [text.get_text() for text in axes.texts] == ["25 M", *"-------", "35"]


def test_short_numbers():
    assert [short(words) for words in (0, 999, 1_000, 61_128_896, 4_190_000_000, 10**13)] == [
        "0", "999", "1 k", "61.1 M", "4.19 G", "10 T",
    ]  # fmt: skip


def test_nothing_is_drawn_of_nothing(result):
    with pytest.raises(AccelsimError, match="none of these layers of 'toynet' has MACs"):
        traffic_data(replace(result, layers=()))
