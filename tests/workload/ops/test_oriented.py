"""Histograms of oriented gradients: operations counted while they are made number by number; words; windows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import SpecError
from accelsim.sparsity.convolution import convolution
from accelsim.workload.network import Network
from accelsim.workload.yaml import load_network

EPSILON = 1e-3


class Unit:
    """Does one operation at a time, and counts."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        self.step = ""

    def __call__(self, value: float) -> float:
        self.done[self.step] = self.done.get(self.step, 0) + 1
        return value

    def begin(self, step: str) -> None:
        self.step = step
        self.done.setdefault(step, 0)


def orientation(unit: Unit, gx: float, gy: float, bins: int) -> int:
    """The bin of an angle of 0 to 180 degrees, without an arctangent."""
    limits = (bins - 1) // 2
    below = 0
    for k in range(1, limits + 1):
        below += unit(abs(gy) >= unit(math.tan(math.pi * k / bins) * abs(gx)))
    # from 90 degrees on they are met backwards; both signs are known
    return int(below if gx * gy >= 0 else bins - 1 - below)


def votes(unit: Unit, magnitude: float, angle: tuple[int, float], at: tuple[int, int], cell: int, many: int):
    """(row, column of cells, bin, what is added)."""
    first, share = angle
    for b, part in ((first, 1 - share), (first + 1, share)):
        if many == 2:
            yield at[0] // cell, at[1] // cell, b, unit(magnitude * part)
            continue
        (row, down), (column, right) = (divmod((i + 0.5) / cell - 0.5, 1) for i in at)
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            place = (down if i else 1 - down) * (right if j else 1 - right)  # of a pixel in its cell: a table
            yield int(row) + i, int(column) + j, b, unit(unit(magnitude * part) * place)


def gradients(unit: Unit, pixels: np.ndarray, bins: int, many: int):
    """Of each pixel its magnitude, and its bin, or bin and share of the next."""
    plane = np.pad(pixels, 1, mode="edge")
    magnitude, angle = {}, {}
    for y, x in np.ndindex(pixels.shape):
        unit.begin("gradient")
        gx, gy = unit(plane[y + 1, x + 2] - plane[y + 1, x]), unit(plane[y + 2, x + 1] - plane[y, x + 1])
        unit.begin("magnitude")
        magnitude[y, x] = unit(math.sqrt(unit(unit(gx * gx) + unit(gy * gy))))
        unit.begin("bin")
        if many == 1:
            angle[y, x] = orientation(unit, gx, gy, bins), 0.0
        else:
            wide = unit(unit(math.atan(unit(gy / gx if gx else math.copysign(math.inf, gy)))) * (bins / math.pi))
            least = unit(math.floor(wide))
            rest = unit(wide - least)
            unit(1 - rest)
            angle[y, x] = int(least), rest
    return magnitude, angle


def features(unit: Unit, pixels: np.ndarray, cell: int, bins: int, block: int, many: int, clip: bool) -> np.ndarray:
    """[block x block x bins, blocks down, blocks across], number by number."""
    rows, columns = pixels.shape[0] // cell, pixels.shape[1] // cell
    magnitude, angle = gradients(unit, pixels, bins, many)
    unit.begin("histogram")
    histogram = np.zeros((rows + 2, columns + 2, bins))  # votes for cells beyond the edge fall off
    for at, size in magnitude.items():
        given_ = (
            [(at[0] // cell, at[1] // cell, angle[at][0], size)]
            if many == 1
            else votes(unit, size, angle[at], at, cell, many)
        )
        for y, x, b, part in given_:
            histogram[y, x, b % bins] = unit(histogram[y, x, b % bins] + part)
    unit.begin("energy")
    energy = np.array(
        [[total(unit, [unit(v * v) for v in histogram[y, x]]) for x in range(columns)] for y in range(rows)]
    )
    found = np.zeros((block * block * bins, rows - block + 1, columns - block + 1))
    for y, x in np.ndindex(found.shape[1:]):
        unit.begin("norm")
        norm = unit(1 / unit(math.sqrt(unit(total(unit, energy[y : y + block, x : x + block].ravel()) + EPSILON))))
        unit.begin("normalise")
        numbers = [unit(v * norm) for v in histogram[y : y + block, x : x + block].ravel()]
        if clip:
            numbers = [min(v, 0.2) for v in map(unit, numbers)]
            again = unit(1 / unit(math.sqrt(unit(total(unit, [unit(v * v) for v in numbers]) + EPSILON))))
            numbers = [unit(v * again) for v in numbers]
        found[:, y, x] = numbers
    return found


def total(unit: Unit, values: Sequence[float]) -> float:
    """Their sum, one less than there are."""
    first, *rest = values
    for value in rest:
        first = unit(first + value)
    return first


def network(shape: tuple[int, int, int], **keys: object) -> Network:
    return Network.of("n", {"HOG": {"op": "hog", **keys}}, shape)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(2, 5), st.integers(2, 10), st.integers(1, 3),
    st.sampled_from((1, 2, 8)), st.booleans(), st.integers(0, 9),
)  # fmt: skip
def test_operations_are_those_of_making_it(high, wide, cell, bins, block, many, clip, seed):
    sides = ((high + block - 1) * cell, (wide + block - 1) * cell)
    unit, rng = Unit(), np.random.default_rng(seed)
    made = features(unit, rng.random(sides), cell, bins, block, many, clip)
    # what is left of the plane is not read
    rest = seed % cell
    keys = {"cell": cell, "bins": bins, "block": block, "votes": many, "clip": clip}
    of = network((1, sides[0] + rest, sides[1]), **keys)
    (layer,) = of.layers
    assert made.shape == (layer.shape.C, layer.shape.H, layer.shape.W)
    assert of.traffic(layer) == (sides[0] * sides[1], made.size)
    assert layer.vector_ops == sum(unit.done.values())
    apart = network((1, *sides), **keys, apart=1)
    assert {one.name: one.vector_ops for one in apart.layers if one.moves} == {
        f"HOG.{step}": done for step, done in unit.done.items()
    }


def test_each_step_reads_what_those_before_it_wrote():
    of = network((1, 32, 40), apart=1)
    wrote = {"input": 32 * 40}
    for layer in of.layers[:-1]:
        reads, wrote[layer.name] = of.traffic(layer)
        assert reads == sum(wrote[name] for name in layer.inputs), layer.name
    assert of.layers[-1].shape == of.layers[-2].shape == network((1, 32, 40)).layers[0].shape


def test_bins_are_those_of_the_arctangent():
    rng = np.random.default_rng(0)
    for gx, gy in rng.normal(size=(500, 2)):
        for bins in (8, 9):
            degrees = math.degrees(math.atan2(gy, gx)) % 180
            assert orientation(Unit(), gx, gy, bins) == int(degrees // (180 / bins))


@pytest.mark.parametrize(("clip", "per_pixel"), [(False, 15.922), (True, 18.203)])
def test_operations_of_a_pixel(clip, per_pixel):
    """As counted by hand from the definitions, a block for each cell, nine bins, each pixel one vote."""
    large = network((1, 8 * 2000, 8 * 2000), votes=1, clip=clip)
    assert large.layers[0].vector_ops / (64 * 2000 * 2000) == pytest.approx(per_pixel, abs=0.003)


def test_the_detector():
    of = load_network("hog_svm")
    features_, svm = of.layers
    # 3,780 numbers of a window (Dalal and Triggs, section 4), a window at every cell
    assert of.weights == 3780
    assert (features_.shape.C, features_.shape.H, features_.shape.W) == (36, 134, 239)
    assert of.macs == 3780 * (135 - 15) * (240 - 7)
    assert (svm.shape.C, svm.shape.H, svm.shape.W) == (1, 120, 233)


def test_the_detector_scores_each_window():
    """What the convolution makes of the features of a plane is the dot product of those of each window with weights."""
    rng = np.random.default_rng(1)
    pixels, weights = rng.random((24, 20)), rng.integers(-9, 9, (1, 1, 8, 3, 2))
    of = Network.of(
        "n", {"A": {"op": "hog", "cell": 4, "bins": 2}, "B": {"op": "conv", "M": 1, "kernel": [3, 2]}}, (1, 24, 20)
    )
    made = np.rint(1000 * features(Unit(), pixels, 4, 2, 2, 1, False)).astype(np.int64)
    problem = of.layers[-1].problem
    assert problem is not None
    scores = convolution(problem, made[None, None], weights)
    # a window of 16 x 12 pixels: its cells, and so its blocks, are those of the plane
    for y, x in np.ndindex(*scores.shape[3:]):
        window = made[:, y : y + 3, x : x + 2]
        assert scores[0, 0, 0, y, x] == (window * weights[0, 0]).sum()


@pytest.mark.parametrize(
    ("shape", "keys", "says"),
    [
        ((3, 32, 32), {}, "shape mismatch: hog reads the one channel of a grey image, but its input is 3x32x32"),
        ((1, 15, 32), {}, "shape mismatch: a block of 16x16 pixels does not fit an input of 1x15x32"),
        ((1, 32, 32), {"votes": 3}, "votes"),
        ((1, 32, 32), {"apart": 2}, "should be 1 or 0, got '2'"),
        ((1, 32, 32), {"bin": 9}, "did you mean 'bins'"),
    ],
)
def test_what_is_refused(shape, keys, says):
    with pytest.raises(SpecError, match="HOG") as error:
        network(shape, **keys)
    assert says in str(error.value)


def test_it_has_no_gradient_but_needs_none_where_it_reads_the_image():
    of = load_network("hog_svm")
    assert "SVM.filter_grad" in {layer.name for layer in of.training_step("sgd").layers}
