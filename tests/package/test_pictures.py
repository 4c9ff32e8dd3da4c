"""The picture of speed-ups: its bars are the points, its marks are cores, and no words overlap or leave it."""

from itertools import pairwise

import pytest

from accelsim.package.compared import Point
from accelsim.package.pictures import speedup

POINTS = [
    Point("cores=1", 1, 800, 8.0, 1.0, 1.0, "layer by layer, most by critical path (0.0% above)"),
    Point("cores=2", 2, 400, 4.0, 2.0, 0.9, "layer by layer, most by hbm (3.1% above); idle: share"),
    Point(
        "cores=16", 16, 100, 1.0, 8.0, 0.5, "layer by layer, most by a_long_name_of_a_memory (0.4% above); idle: order"
    ),
]


def test_bars_are_points_and_marks_are_cores():
    axes = speedup(POINTS, "net on chip")
    assert [bar.get_width() for bar in axes.patches] == [1.0, 2.0, 8.0]
    marks = next(one for one in axes.collections if len(one.get_segments()) == 3)
    assert [segment[0][0] for segment in marks.get_segments()] == [1.0, 2.0, 16.0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["cores=1", "cores=2", "cores=16"]
    assert "16" not in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("points", [POINTS, [*POINTS] * 3, POINTS[:1]])
def test_no_words_overlap_or_leave_the_picture(points):
    axes = speedup(points, "net on chip")
    figure = axes.figure
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert all(not one.overlaps(other) for one, other in pairwise(boxes))
    assert all(box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)


def test_without_more_cores_nothing_is_marked():
    axes = speedup([point.__class__(**{**point.to_dict(), "cores": 4}) for point in POINTS], "net on chip")
    assert not axes.collections
