"""Stripes against DaDianNao: time in proportion to the bits of the ifmap (Judd et al., MICRO 2016)."""

from __future__ import annotations

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.reproduce.stripes import LEAST, MEAN, MOST, bits, cycles, ideal, layers, speedup
from accelsim.simulate import simulate

FILLED = {
    "CONV1": 3025 / (28 * 7 * 16),
    "CONV2": 729 / (7 * 7 * 16),
    "CONV3": 13 / 16,
    "CONV4": 13 / 16,
    "CONV5": 13 / 16,
}
"""Windows over those of all blocks of 16: 4 x 4 and 2 x 8 on planes of 55 and 27, rows of 13 on 13."""


@pytest.mark.parametrize("one", layers(), ids=lambda one: one.name)
def test_the_speedup_is_16_over_the_bits_but_for_windows_that_are_not_there(one) -> None:
    assert one.speedup == pytest.approx(16 / one.bits * FILLED[one.name], rel=1e-12)


@pytest.mark.parametrize("width", [1, 3, 8, 16])
def test_time_is_proportional_to_bits(width: int) -> None:
    assert cycles("CONV3", width) == width * cycles("CONV3", 1)


def test_all_layers_lie_in_the_range_of_the_paper() -> None:
    """5 % around the mean of all its networks, of which this is one; within 10 % of the law of its bits."""
    assert LEAST < speedup() < MOST
    assert speedup() == pytest.approx(MEAN, rel=0.05)
    assert speedup() == pytest.approx(ideal(), rel=0.1)


def test_parallel_is_dadiannao() -> None:
    """16 channels by 256 filters a cycle, window after window."""
    for layer, windows, channels, taps, filters, groups in (
        ("CONV1", 55 * 55, 1, 121, 1, 1),
        ("CONV2", 27 * 27, 3, 25, 1, 2),
        ("CONV3", 13 * 13, 16, 9, 2, 1),
        ("CONV5", 13 * 13, 12, 9, 1, 2),
    ):
        assert cycles(layer, parallel=True) == windows * channels * taps * filters * groups
    assert set(bits()) == {"CONV1", "CONV2", "CONV3", "CONV4", "CONV5"}


@pytest.mark.parametrize(("ifmap", "filters"), [(8, 8), (5, 3), (1, 4)])
def test_both_serial_takes_the_product_of_the_bits(ifmap: int, filters: int) -> None:
    """Loom's PEs: a bit of each operand a cycle."""
    loom = load_architecture("stripes", {"pe.slices.filter": "1 b"})
    found = simulate(loom, "alexnet", layers="CONV3", objective="cycles", bits={"ifmap": ifmap, "filter": filters})
    assert found.layer("CONV3").cycles == ifmap * filters * cycles("CONV3", 1)
