"""What reading and writing a model's file takes."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBERS = re.compile(r"\[\n\s+([^\[\]{}\"]+?)\n\s*\]")


def text(data: object) -> str:
    """JSON as a person reads it: a line for each entry, and one for a list of numbers."""
    return _NUMBERS.sub(lambda found: "[" + " ".join(found[1].split()) + "]", json.dumps(data, indent=1)) + "\n"


def floats(data: Any, length: int) -> NDArray[np.float64]:
    """A list of so many finite numbers. TypeError or ValueError if it is none."""
    if not isinstance(data, list) or any(isinstance(one, bool) or not isinstance(one, int | float) for one in data):
        raise TypeError("expected a list of numbers")
    found = np.array(data, np.float64)
    if len(found) != length:
        raise ValueError(f"expected {length} numbers, got {len(found)}")
    if not np.isfinite(found).all():
        raise ValueError("a number is not finite")
    return found
