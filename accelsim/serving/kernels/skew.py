"""Where an iteration's attention lies between that of its mean and that of its longest context, by kind of batch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.jit import njit, part

AXES = 6
"""Tokens of prompts, decodes, rate (where the mean lies between shortest and longest), longest context, tokens before
the prompts' (or their mean key), lever (how much longer the longest context's attention takes)."""


class Skews(NamedTuple):
    """Shares by bucket. A value is in the first bucket whose edge it does not exceed; an axis' last one is endless.

    edges : float64[buckets of all axes]. start : int64[axes + 1], where an axis begins. alpha : float64[buckets of the
    first axis x ... of the last], or empty: there are none.
    """

    edges: np.ndarray
    start: np.ndarray
    alpha: np.ndarray


@part
def bucket(skews, axis, value):
    """Which bucket of an axis a value is in."""
    at, last = skews.start[axis], skews.start[axis + 1] - 1
    while at < last and value > skews.edges[at]:
        at += 1
    return at - skews.start[axis]


@njit(_nrt=False)
def share(skews, chunk, count, rate, longest, past, lever):
    """The share of a batch."""
    at = 0
    for axis in range(AXES):
        if axis == 0:
            value = chunk
        elif axis == 1:
            value = count
        elif axis == 2:
            value = rate
        elif axis == 3:
            value = longest
        elif axis == 4:
            value = past
        else:
            value = lever
        at = at * (skews.start[axis + 1] - skews.start[axis]) + bucket(skews, axis, value)
    return skews.alpha[at]
