"""Pictures of sweeps: what is drawn is what the rows say."""

from __future__ import annotations

import math

import pytest

import pictures
from accelsim.errors import AccelsimError
from accelsim.report.designs import Designs
from accelsim.report.framing import SIZES
from accelsim.report.plot_sweep import heatmap, pareto, sensitivity, skislope
from accelsim.report.refit import refit


def row(point, rows, glb, flow="rs", workload="net", error=None):
    """A machine on which energy falls with the buffer by 2 and cycles with the rows by 4, but for rounding."""
    steps, large = int(math.log2(rows)), {"1 KiB": 0, "2 KiB": 1, "4 KiB": 2}[glb]
    made = {
        "point": point,
        "rows": rows,
        "levels.GLB.capacity": glb,
        "dataflow": flow,
        "workload": workload,
        "batch": 1,
    }
    metrics = {
        "energy": 64.0 / 2**large * (1 if flow == "rs" else 3),
        "cycles": 4096 // 4**steps,
        "outermost_words": 1000 - 300 * large,
        "buffer_bytes": 1024.0 * 2**large,
        "energy_unit": "MAC",
    }
    return {**made, **({} if error else metrics), "error": error, "arch": "m"}


GLB = ("1 KiB", "2 KiB", "4 KiB")
ROWS = [row(i, rows, glb) for i, (rows, glb) in enumerate((r, g) for r in (1, 2) for g in GLB)]
FIELDS = ("arch", "workload", "dataflow", "rows", "levels.GLB.capacity")


def swept(rows=ROWS, objectives=("energy", "cycles"), layers=()):
    return Designs("mine", rows, FIELDS, objectives, layers)


def many():
    """Twenty designs that none is better than, and a layer of each of six dataflows in twenty layers."""
    front = [
        {**row(at, 1, "1 KiB"), "cycles": 4000 - 190 * at, "energy": 100.0 + at**2, "rows": at} for at in range(20)
    ]
    flows = [row(20 + at, 2, "2 KiB", f"dataflow_{at}") for at in range(6)]
    layers = [
        {**one, "layer": f"conv{at // 4}_{at % 4}", "energy": 10.0 + (at * one["point"]) % 7}
        for one in flows
        for at in range(20)
    ]
    return swept([*front, *flows], layers=layers)


@pytest.mark.parametrize("size", SIZES.values(), ids=list(SIZES))
@pytest.mark.parametrize("draw", [pareto, sensitivity, heatmap, skislope])
def test_they_fit_any_width(draw, size):
    for data in (many(), swept(layers=many().layers)) if draw is not heatmap else (many(),):
        before = draw(data)
        axes = refit(draw(data), size)
        assert pictures.overlaps(axes) == [] and pictures.outside(axes) == []
        assert pictures.smallest(axes) == size.text and axes.figure.get_size_inches()[0] == size.width
        written = " ".join(text for text, _, _ in pictures.texts(axes))
        assert all(word in written for word in before.get_title("left").split())
        points = [line.get_xydata().tolist() for line in before.lines]
        assert [line.get_xydata().tolist() for line in axes.lines] == points
        if draw is pareto:  # who is on the front is said below
            assert all(word in written for text in texts(before) for word in text.split() if not text.isdigit())
        if draw is heatmap:
            assert axes.images[0].get_array().tolist() == before.images[0].get_array().tolist()
            assert "darkest: " in written


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_the_front_is_named():
    axes = pareto(swept())
    # rows 2 and the largest buffer is best in both
    assert texts(axes) == ["1", "1 rows 2, GLB.capacity 4 KiB"]
    assert axes.get_xlabel() == "energy [MAC energies]" and axes.get_ylabel() == "cycles [core cycles]"
    assert axes.get_title(loc="left") == "mine: 6 designs, 1 that none is better than"
    trade = [{**one, "cycles": one["energy"] and 1 / one["energy"]} for one in ROWS]
    assert len([text for text in texts(pareto(swept(trade))) if text.isdigit()]) == 3


def test_networks_have_fronts_of_their_own():
    others = [row(9 + i, 1, glb, workload="other") for i, glb in enumerate(GLB)]
    axes = pareto(swept([*ROWS, *others]))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["net", "other"]
    assert "2 rows 1, GLB.capacity 4 KiB" in texts(axes)[-1]


def test_one_objective_has_no_front():
    with pytest.raises(AccelsimError, match="a Pareto front is of two objectives"):
        pareto(swept(objectives=("energy",)))


def test_sensitivity_is_of_one_field_with_the_others_equal():
    axes = sensitivity(swept())
    lines = [sorted(map(float, line.get_xdata())) for line in axes.get_lines() if line.get_marker() == "o"]
    names = [text.get_text() for text in axes.get_yticklabels()]
    found = dict(zip(names, lines, strict=True))
    assert found["GLB.capacity"] == pytest.approx([0.5, 1, 2]) and found["rows"] == pytest.approx([1, 1])
    assert names[-1] == "GLB.capacity"
    assert "others differ too" not in texts(axes)
    axes = sensitivity(swept(), objective="cycles")
    assert axes.get_yticklabels()[-1].get_text() == "rows" and axes.get_xlabel() == "cycles over its mean"


def test_a_sample_in_which_all_fields_differ_says_so():
    assert "others differ too" in texts(sensitivity(swept([ROWS[0], ROWS[4]])))


def test_nothing_varied():
    with pytest.raises(AccelsimError, match="varies nothing"):
        sensitivity(swept([ROWS[0]]))
    with pytest.raises(AccelsimError, match="varies nothing to set side by side"):
        heatmap(swept([ROWS[0]]))


def test_heat_is_over_the_best_of_the_layer():
    rows = [row(0, 1, "1 KiB"), row(1, 1, "1 KiB", "ws"), row(2, 2, "1 KiB", "ws")]
    layers = [
        {**rows[0], "layer": "A", "energy": 2.0},
        {**rows[0], "layer": "B", "energy": 3.0},
        {**rows[1], "layer": "A", "energy": 8.0},
        {**rows[2], "layer": "A", "energy": 1.0},
        {**rows[1], "layer": "B", "energy": None},
    ]
    axes = heatmap(swept(rows, layers=layers))
    assert texts(axes) == ["2", "1", "1", "-"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["rs", "ws"]
    assert "(-: dataflow could not run it)" in axes.get_title(loc="left")


def test_of_several_networks_heat_is_of_each():
    rows = [row(i, 1, "1 KiB", flow, work) for i, (flow, work) in enumerate((f, w) for f in ("rs", "ws") for w in "xy")]
    axes = heatmap(swept(rows))
    assert texts(axes) == ["1", "1", "3", "3"] and axes.get_xticklabels()[1].get_text() == "y"


def test_a_ski_slope_only_falls():
    bumpy = [{**one, "outermost_words": 5000} if one["point"] == 1 else one for one in ROWS[:3]]
    axes = skislope(swept(bumpy))
    step = next(line for line in axes.get_lines() if line.get_drawstyle() == "steps-post")
    assert list(step.get_xdata()) == [1, 2, 4] and list(step.get_ydata()) == [1000, 1000, 400]


@pytest.mark.parametrize("draw", [pareto, sensitivity, skislope])
def test_nothing_to_draw(draw):
    with pytest.raises(AccelsimError, match="no point with metrics"):
        draw(swept([row(0, 1, "1 KiB", error="does not fit")]))
