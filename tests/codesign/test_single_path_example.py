"""The super-kernel example of docs/nas.md, shortened; its derivatives against differences."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelsim.codesign.costs import cost_table
from accelsim.codesign.lookup import Choices, choices_of
from accelsim.codesign.spaces.space import load_space

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "single_path_digits.py"
pytestmark = pytest.mark.skipif(not EXAMPLE.is_file(), reason="the examples are beside a checkout")


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLE))


@pytest.fixture(scope="module")
def costs() -> Choices:
    space = load_space(EXAMPLE.with_suffix(".yaml"))
    return choices_of(cost_table("eyeriss", space, workers=1, evaluator="analytical"), space)


def test_the_space_has_the_kernels_of_the_network(example, costs):
    for (c, m, stride), kernel in zip(example["PLACES"], example["KERNELS"], strict=True):
        names = ["skip" if one is None else f"k{one[0]}_e{one[1] // c}" for one in kernel.choices]
        assert list(costs.space.operations[: len(names)]) == names
        assert ("skip" in names) == ((c, stride) == (m, 1))
    assert [place.name for place in costs.space.positions] == [f"b{i}" for i in range(len(example["PLACES"]))]


@pytest.mark.parametrize("way", range(5))
def test_derivatives_are_differences(example, costs, way):
    """Of cross entropy, where what is chosen stands fast; in words of 64 b, for differences to be told."""
    kernels = example["KERNELS"]
    net = example["Net"](0, costs, [kernel.choices[min(way, len(kernel.choices) - 1)] for kernel in kernels])
    net.w = [w.astype(np.float64) for w in net.w]
    rng = np.random.default_rng(way)
    x, labels = rng.random((6, 8, 8, 1)), rng.integers(10, size=6)

    def loss() -> float:
        scores = net.forward(x, net.passing())[0]
        scores = scores - scores.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(6), labels]))

    for w, slopes in zip(net.w, net.slopes(x, labels, 0.5), strict=True):
        if w.ndim == 1:  # thresholds have no say
            assert not slopes.any()
            continue
        for place in (tuple(rng.integers(size) for size in w.shape) for _ in range(4)):
            kept, found = w[place], []
            for step in (1e-4, -1e-4):
                w[place] = kept + step
                found.append(loss())
            w[place] = kept
            # the way forward has products of 32 b
            assert slopes[place] == pytest.approx((found[0] - found[1]) / 2e-4, abs=2e-3)


@pytest.mark.slow
def test_the_example_runs(example, tmp_path, capsys):
    pytest.importorskip("sklearn")
    points = example["main"](str(tmp_path / "p.png"), splits=1, epochs=3, prices=(0.0, 3.0))
    assert (tmp_path / "p.png").stat().st_size > 10_000
    assert "alike: ((3, 12), (3, 12), (3, 24)): " in capsys.readouterr().out
    alike = {one.chosen: one for one in points if one.way == "alike"}
    assert len(alike) == 4
    smallest, largest = (pick(one.cycles for one in alike.values()) for pick in (min, max))
    # cycles at no price buy all that there is; at a high one less than any choice that is made alike
    (cheap,) = (one for one in points if one.way == "searched")
    assert cheap.cycles < smallest < largest
    assert min(one.accuracy for one in alike.values()) > 0.8
