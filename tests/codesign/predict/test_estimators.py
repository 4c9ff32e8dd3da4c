"""Polynomials and tables on functions that are known, and beside scikit-learn's own evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from accelsim.codesign.predict import draw
from accelsim.codesign.predict.kinds import FEATURES, PHYSICAL, describe
from accelsim.codesign.predict.polynomial import Polynomial, fit_polynomial, power_terms, runtime_terms
from accelsim.codesign.predict.table import Table, covariances, fit_table
from accelsim.codesign.predict.terms import Terms
from accelsim.codesign.predict.tiles import NUMBERS


def numbers(kind, count, seed=0):
    told = [describe(problem) for problem in draw.layers(kind, count, seed)]
    return np.array([(*one.features, *one.physical) for one in told])


def test_terms_of_the_recipe():
    assert len(runtime_terms("convolution")) == 120 + len(PHYSICAL)  # all products of up to 3 of 7 sizes
    assert len(power_terms("convolution")) == 120 + 2 * len(PHYSICAL)  # up to 2 of 14
    assert "kernel^2*input_channels" not in runtime_terms("fully_connected")
    assert "batch*inputs" in runtime_terms("fully_connected") and "batch^2*inputs" not in runtime_terms(
        "fully_connected"
    )


def test_a_sparse_polynomial_is_found():
    rows = numbers("fully_connected", 300)
    truth = Terms(("inputs*outputs", "batch*outputs", "operations"), (*FEATURES["fully_connected"], *PHYSICAL))
    target = truth.values(rows) @ np.array([3e-6, 2e-5, 1e-7]) + 0.01
    found = fit_polynomial("fully_connected", rows[:250], target[:250], seed=0)
    off = found.values(rows[250:]) / target[250:] - 1
    assert np.sqrt((off**2).mean()) < 0.02
    again = Polynomial.of(found.to_dict(), found.terms.names)
    assert (again.values(rows) == found.values(rows)).all()


def test_of_a_step_a_polynomial_is_off_and_a_table_is_not():
    rng = np.random.default_rng(0)
    told = [describe(problem) for problem in draw.layers("fully_connected", 400, 0)]
    rows = np.array([(*one.features, *one.physical) for one in told])
    steps = np.ceil(rows[:, 1] / 1024) * np.ceil(rows[:, 2] / 1024)
    at = np.log2(np.column_stack([steps] + [rows[:, 1 + i % 2] for i in range(len(NUMBERS) - 1)]))
    polynomial = fit_polynomial("fully_connected", rows[:340], steps[:340], seed=0)
    table = fit_table(at[:340], steps[:340], rng)
    errors = [
        np.sqrt(((got / steps[340:] - 1) ** 2).mean())
        for got in (polynomial.values(rows[340:]), table.values(at[340:]))
    ]
    assert errors[1] < 0.01 < errors[0] / 5


def test_a_table_goes_through_its_points_and_is_what_scikit_learn_computes():
    rng = np.random.default_rng(1)
    at = rng.uniform(0, 10, (120, len(NUMBERS)))
    target = np.exp2(1 + 0.5 * at[:, 0] + np.sin(at[:, 1]))
    table = fit_table(at, target, rng)
    assert table.values(at) == pytest.approx(target, rel=0.05)
    again = Table.of(table.to_dict(), at)
    new = rng.uniform(0, 10, (30, len(NUMBERS)))
    assert again.values(new) == pytest.approx(table.values(new), rel=1e-9)
    kernel = ConstantKernel(table.variance) * Matern(table.lengths, nu=1.5)
    assert covariances(new / table.lengths, table.points, table.variance) == pytest.approx(kernel(new, at), rel=1e-6)
    rest = np.log2(target) - table.plane[0] - at @ table.plane[1:]
    plain = GaussianProcessRegressor(kernel, alpha=1e-9, optimizer=None).fit(at, rest)
    ours = np.log2(table.values(new)) - table.plane[0] - new @ table.plane[1:]
    assert ours == pytest.approx(plain.predict(new), abs=0.05)
