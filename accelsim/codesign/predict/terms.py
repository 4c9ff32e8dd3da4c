"""Terms of a polynomial model: products of powers of a layer's numbers, each written as a text that a person reads.

`operations`, `batch*kernel^2`, `log2(stride)*outputs`: what a JSON file holds is what is computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError, nearest

ONE = "1"
Floats = NDArray[np.float64]
_FACTOR = re.compile(r"(?P<log>log2\()?(?P<name>[a-z_]+)(?(log)\))(?:\^(?P<power>[1-9]))?")


def monomials(names: Sequence[str], degree: int) -> tuple[str, ...]:
    """Every product of at most `degree` of the names, the empty one first."""
    found = [ONE]
    for factors in range(1, degree + 1):
        for chosen in combinations_with_replacement(names, factors):
            powers = {name: chosen.count(name) for name in chosen}
            found.append("*".join(name if power == 1 else f"{name}^{power}" for name, power in powers.items()))
    return tuple(found)


def logs(names: Iterable[str]) -> tuple[str, ...]:
    """The binary logarithm of each; of a number that may be 0, such as padding, of 1 more (`values`)."""
    return tuple(f"log2({name})" for name in names)


class Terms:
    """Terms over named numbers, ready to be evaluated for many layers at once.

    Raises AccelsimError for a term that is none, or a name that is not among them.
    """

    def __init__(self, texts: Sequence[str], names: Sequence[str]) -> None:
        self.texts, self.names = tuple(texts), tuple(names)
        parsed = [_parsed(text, self.names) for text in self.texts]
        self.logs = any(index >= len(self.names) for term in parsed for index in term)
        # each row lists the columns that are multiplied; the last column holds ones
        width = max((len(term) for term in parsed), default=1) or 1
        blank = len(self.names) * (2 if self.logs else 1)
        self.columns = np.array([term + [blank] * (width - len(term)) for term in parsed], dtype=np.intp)

    def values(self, numbers: Floats) -> Floats:
        """The terms of each layer: float64[layer, term] from float64[layer, name]."""
        rows = len(numbers)
        parts = [numbers, np.log2(np.maximum(numbers, 1.0))] if self.logs else [numbers]
        table = np.concatenate([*parts, np.ones((rows, 1))], axis=1)
        found: Floats = table[:, self.columns].prod(axis=2)
        return found


def _parsed(text: str, names: Sequence[str]) -> list[int]:
    """Columns that a term multiplies: of the names, then of their logarithms."""
    found: list[int] = []
    for factor in () if text == ONE else text.split("*"):
        match = _FACTOR.fullmatch(factor)
        if match is None:
            raise AccelsimError(f"'{text}' is no term: products of {', '.join(names)}, their powers and log2(...)")
        name = match["name"]
        if name not in names:
            raise AccelsimError(f"'{text}' has an unknown number '{name}'{nearest(name, names)}")
        found += [names.index(name) + (len(names) if match["log"] else 0)] * int(match["power"] or 1)
    return found
