"""What lives on the chip, as data: tensors from who makes them to their last reader, tiles of groups, the room."""

from __future__ import annotations

import pytest

from accelsim.errors import AccelsimError
from accelsim.report.plot_between import KIB, living, living_data
from accelsim.simulate import simulate

LAYERS = "conv1,pool1,conv2_0*"


def test_tensors_and_tiles_over_the_run_order() -> None:
    plan = {"resident": {"conv2_0b": "UB"}, "groups": [{"layers": ["conv1", "pool1"], "tile": {"P": 4}}]}
    result = simulate("tpu_v1", "resnet50", layers=LAYERS, evaluator="analytical", plan=plan)
    data = living_data(result)
    assert [(row["layer"], row["tensor"]) for row in data] == [
        ("conv1", "tiles"),
        ("pool1", "tiles"),
        ("conv2_0b", "conv2_0b"),
        ("conv2_0c", "conv2_0b"),
    ]
    assert data[0]["bits"] == result.groups[0].room
    assert data[2]["bits"] == 56 * 56 * 64 * 8
    axes = living(result)
    assert "24,576" in axes.figure.get_suptitle() + "".join(
        text.get_text() for text in axes.figure.findobj(type(axes.title))
    )
    assert max(bar.get_height() for bar in axes.patches) == pytest.approx(max(row["bits"] for row in data) / KIB)


def test_a_run_without_a_plan() -> None:
    with pytest.raises(AccelsimError, match="nothing happened between the layers of this run: it had no plan"):
        living(simulate("tpu_v1", "alexnet", layers="CONV1", evaluator="analytical"))
