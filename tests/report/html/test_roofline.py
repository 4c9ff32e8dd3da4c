"""A roofline on a page: a dot for each layer and level, and units on both axes."""

from __future__ import annotations

from accelsim.report.html.roofline import draw
from accelsim.report.rooflines import roofline
from accelsim.simulate import simulate


def test_a_dot_for_each_point_and_units_on_both_axes():
    result = simulate("eyeriss", "alexnet", layers="CONV3,CONV5")
    found = roofline(result)
    svg = draw(found, {"DRAM": ("#0072B2", ""), "FILTER_BANK": ("#E69F00", "")})
    assert svg.count("<circle") == len(found.points) == 4
    assert "MACs per byte" in svg and "MACs per cycle" in svg
