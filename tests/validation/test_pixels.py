"""Energy of a pixel of features beside two chips of 65 nm."""

from __future__ import annotations

import pytest

from accelsim.reproduce import pixels


def test_theirs_is_what_the_ratios_say():
    """Power and rate of JSSC 2017 give the ratios of ISCAS 2017, both rounded: VGG-16's rate to one digit."""
    hog, alexnet, vgg16 = (pixels.measured(row) for row in pixels.rows().values())
    assert hog == pytest.approx(0.5, rel=0.005)
    assert alexnet / hog == pytest.approx(311)
    assert vgg16 / hog == pytest.approx(13486, rel=0.005)


@pytest.mark.parametrize(
    ("features", "least", "most"),
    [
        # the clock of an array that is idle: a chip for HOG has none
        ("HOG", 1.5, 3),
        # control and the clock's tree are in no row; DRAM, which the chip's power leaves out, is a tenth of ours
        ("AlexNet", 0.6, 1),
        # the same, and a mapping that is twice as fast
        ("VGG-16", 0.35, 0.6),
    ],
)
def test_ours_over_theirs(features, least, most):
    assert least < pixels.ours(features) / pixels.measured(pixels.rows()[features]) < most


def test_learned_features_are_dearer_by_decades():
    hog, alexnet, vgg16 = map(pixels.ours, pixels.rows())
    assert 50 < alexnet / hog < 311
    assert 1000 < vgg16 / hog < 13486
