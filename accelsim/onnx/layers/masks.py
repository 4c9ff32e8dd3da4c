"""Masks between the scores of an attention and their softmax: whether one hides from each position what comes later."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from accelsim.errors import WorkloadError
from accelsim.onnx.graph.records import BOOL, Program, Step, Value
from accelsim.onnx.graph.words import words_of
from accelsim.onnx.layers.groups import active

LOW = -1e3
"""What hides a score is this or less: its exponential is nothing beside those of others."""
MOST_WORDS = 1 << 26
"""Of a mask that is looked at."""
Words = np.ndarray[Any, Any]


def causal(program: Program, steps: Sequence[Step]) -> bool:
    """Whether one of some steps on the scores of an attention is a causal mask.

    A mask is what the file stores, or works out of it. A square one of booleans whose words are not at hand is taken to
    be causal: GPT-2's exports have it as a buffer, which goes with the weights where those are left out.
    """
    return any(_hides_later(program, step) for step in steps if not step.node.domain)


def _hides_later(program: Program, step: Step) -> bool:
    given = [value for value in step.inputs if value is not None]
    scores = [place for place, value in enumerate(given) if active(value)]
    if len(scores) != 1 or any(value.words > MOST_WORDS for value in given if not active(value)):
        return False
    if step.node.op == "Where" and len(given) == 3 and scores[0] > 0:
        low = _words(program, given[3 - scores[0]])
        if low is None or not (np.asarray(low, np.float64) <= LOW).all():
            return False
        seen = _words(program, given[0])
        if seen is None:
            return given[0].kind == BOOL and _square(given[0])
        seen = seen.astype(bool)
        return _lower(seen if scores[0] == 1 else ~seen)
    if step.node.op == "Add" and len(given) == 2:
        mask = _words(program, given[1 - scores[0]])
        return mask is not None and _lower(np.asarray(mask, np.float64) > LOW)
    return False


def _words(program: Program, value: Value) -> Words | None:
    try:
        return words_of(program, value)
    except WorkloadError:
        return None


def _square(value: Value) -> bool:
    shape = value.shape or ()
    return len(shape) >= 2 and shape[-1] == shape[-2] > 1 == prod(shape[:-2])


def _lower(seen: Words) -> bool:
    """Whether what is seen is the lower triangle: of more columns than rows, rows are the last positions."""
    if seen.ndim < 2 or prod(seen.shape[:-2]) != 1:
        return False
    rows, columns = seen.shape[-2:]
    plane = seen.reshape(rows, columns)
    return 1 < rows <= columns and bool((plane == np.tri(rows, columns, columns - rows, dtype=bool)).all())
