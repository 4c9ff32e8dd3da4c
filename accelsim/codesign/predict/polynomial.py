"""Sparse polynomials: the recipe of E. Cai et al., "NeuralPower", ACML 2017, sections 3.1 and 3.2.

Runtime: all products of at most three sizes of a layer (two of a fully connected one), and physical terms. Power: of at
most two of the sizes and their logarithms, and physical terms with their logarithms. Lasso chooses which of them stay.

Two things differ. Errors are relative, as the published measure is (RMSPE): each layer counts by its own runtime. And
as power differs by decades among the layers of an accelerator, it is power's logarithm that is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from accelsim.codesign.predict.kinds import FEATURES, PHYSICAL
from accelsim.codesign.predict.reading import floats
from accelsim.codesign.predict.terms import Floats, Terms, logs, monomials

FOLDS = 10
"""Of the cross-validation."""
PENALTIES = 40
"""Weights of the penalty that it chooses from, over four decades."""


def runtime_terms(kind: str) -> tuple[str, ...]:
    """Every term that the runtime of a type may have."""
    degree = 2 if kind == "fully_connected" else 3
    return (*monomials(FEATURES[kind], degree), *PHYSICAL)


def power_terms(kind: str) -> tuple[str, ...]:
    """Every term that the logarithm of a type's power may have."""
    names = FEATURES[kind]
    return (*monomials((*names, *logs(names)), 2), *PHYSICAL, *logs(PHYSICAL))


@dataclass(frozen=True)
class Polynomial:
    """Terms with a weight each; `log`: they add up to the quantity's binary logarithm."""

    terms: Terms
    weights: Floats
    log: bool = False

    def values(self, numbers: Floats) -> Floats:
        """The quantity of each layer, from its features and physical numbers: float64[layer]."""
        found: Floats = self.terms.values(numbers) @ self.weights
        return np.exp2(found) if self.log else found

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        terms = dict(zip(self.terms.texts, self.weights.tolist(), strict=True))
        return {"log2": self.log, "terms": terms}

    @staticmethod
    def of(data: Mapping[str, Any], names: tuple[str, ...]) -> Polynomial:
        """The inverse of `to_dict`. KeyError, TypeError, ValueError or AccelsimError if it is none."""
        terms = data["terms"]
        if not isinstance(terms, dict) or not terms:
            raise ValueError("terms: expected each term with its weight")
        return Polynomial(Terms(tuple(terms), names), floats(list(terms.values()), len(terms)), bool(data["log2"]))


def fit_polynomial(kind: str, numbers: Floats, target: Floats, seed: int, log: bool = False) -> Polynomial:
    """The sparse polynomial of least relative error; with `log` of least error of the logarithm.

    numbers : float64[layer, feature and physical number]. target : float64[layer], above 0.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LassoCV
    from sklearn.model_selection import KFold

    names = (*FEATURES[kind], *PHYSICAL)
    terms = Terms(power_terms(kind) if log else runtime_terms(kind), names)
    columns = terms.values(numbers)
    if log:
        wanted = np.log2(target)
    else:
        columns, wanted = columns / target[:, None], np.ones(len(target))
    scale = np.sqrt((columns**2).mean(0))
    used = scale > 0  # logarithms of what is 1 throughout
    columns = columns[:, used] / scale[used]
    folds = KFold(min(FOLDS, len(target)), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # terms that say nearly the same share their weight in more than one way
        warnings.simplefilter("ignore", ConvergenceWarning)
        lasso = LassoCV(eps=1e-4, alphas=PENALTIES, fit_intercept=False, max_iter=2000, precompute=True, cv=folds)
        weights = lasso.fit(columns, wanted).coef_ / scale[used]
    kept = [index for index, weight in zip(np.flatnonzero(used), weights, strict=True) if weight]
    texts = tuple(terms.texts[index] for index in kept)
    return Polynomial(Terms(texts, names), weights[weights != 0], log)
