"""A table of measured layers, and what lies between them: kriging (Gaussian process regression) over tiles and folds.

The logarithm of runtime, or of energy, is a plane over the numbers of `tiles`, plus what the nearest measured layers
say: a Matérn covariance of order 3/2, which has a length for each number. C. E. Rasmussen and C. K. I. Williams,
Gaussian Processes for Machine Learning, MIT Press 2006, sections 2.2 and 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.codesign.predict.reading import floats
from accelsim.codesign.predict.terms import Floats
from accelsim.codesign.predict.tiles import NUMBERS

MOST_FOR_LENGTHS = 600
"""Layers that lengths are chosen on; all of them are interpolated between."""
SHORTEST, LONGEST = 0.1, 100.0
"""Bounds of a length, in deviations of its number; a longer one leaves the number out."""
ROOT = 3**0.5


@dataclass(frozen=True)
class Table:
    """An interpolated table of one quantity.

    points : float64[layer, number], of the measured layers, divided by `lengths`. plane : float64[1 + number].
    weights : float64[layer], of the covariances with these layers. variance : of what is not in the plane.
    """

    points: Floats
    lengths: Floats
    plane: Floats
    weights: Floats
    variance: float

    def values(self, numbers: Floats) -> Floats:
        """The quantity of each layer: float64[layer] from `tiles.points`."""
        near = covariances(numbers / self.lengths, self.points, self.variance) @ self.weights
        found: Floats = np.exp2(self.plane[0] + numbers @ self.plane[1:] + near)
        return found

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, but for the points, which all tables of a type share."""
        return {
            "plane": dict(zip(("1", *NUMBERS), self.plane.tolist(), strict=True)),
            "lengths": dict(zip(NUMBERS, self.lengths.tolist(), strict=True)),
            "variance": self.variance,
            "weights": self.weights.tolist(),
        }

    @staticmethod
    def of(data: Mapping[str, Any], numbers: Floats) -> Table:
        """The inverse of `to_dict`; numbers : of the measured layers. KeyError, TypeError or ValueError."""
        lengths = floats([data["lengths"][name] for name in NUMBERS], len(NUMBERS))
        plane = floats([data["plane"][name] for name in ("1", *NUMBERS)], 1 + len(NUMBERS))
        if (lengths <= 0).any():
            raise ValueError("a length is not above 0")
        weights = floats(data["weights"], len(numbers))
        return Table(numbers / lengths, lengths, plane, weights, float(data["variance"]))


def covariances(first: Floats, second: Floats, variance: float) -> Floats:
    """Matérn 3/2 of every pair of points whose numbers are divided by their lengths: float64[first, second]."""
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
    far = ROOT * np.sqrt(np.maximum(squares, 0.0))
    found: Floats = variance * (1 + far) * np.exp(-far)
    return found


def fit_table(numbers: Floats, target: Floats, rng: np.random.Generator) -> Table:
    """The table of measured layers: lengths by greatest likelihood on some of them (scikit-learn), weights on all.

    numbers : float64[layer, number], `tiles.points`. target : float64[layer], above 0.
    """
    wanted = np.log2(target)
    planes = np.column_stack([np.ones(len(numbers)), numbers])
    plane = np.linalg.lstsq(planes, wanted, rcond=1e-8)[0]
    rest = wanted - planes @ plane
    spread = numbers.std(0)
    varied = spread > 1e-9
    some = rng.permutation(len(numbers))[:MOST_FOR_LENGTHS]
    scaled = numbers[:, varied] / spread[varied]
    found, variance, noise = _lengths(scaled[some], rest[some])
    lengths = np.full(len(NUMBERS), LONGEST * 1e6)
    lengths[varied] = found * spread[varied]
    points = numbers / lengths
    square = covariances(points, points, variance) + noise * np.eye(len(points))
    weights: Floats = np.linalg.solve(square, rest).astype(np.float64)
    return Table(points, lengths, plane, weights, variance)


def _lengths(points: Floats, rest: Floats) -> tuple[NDArray[np.float64], float, float]:
    """(length of each number, variance, noise) of greatest likelihood."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    start = Matern([2.0] * points.shape[1], (SHORTEST, LONGEST), nu=1.5)
    kernel = ConstantKernel(max(float(rest.var()), 1e-6), (1e-8, 1e3)) * start + WhiteKernel(1e-3, (1e-8, 1.0))
    with warnings.catch_warnings():
        # a length at its bound says that its number makes no difference
        warnings.simplefilter("ignore", ConvergenceWarning)
        chosen = GaussianProcessRegressor(kernel).fit(points, rest).kernel_
    return np.atleast_1d(chosen.k1.k2.length_scale), float(chosen.k1.k1.constant_value), float(chosen.k2.noise_level)
