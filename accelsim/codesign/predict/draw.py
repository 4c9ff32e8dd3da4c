"""Synthetic layers that predictors are fitted on: drawn from a seed, over the sizes that published networks have.

Sizes are drawn log-uniform, channels half of the time as multiples of 8, as networks have them. Nothing is read from a
network. What would be larger than `MOST_WORDS`, `MOST_WEIGHTS` or `MOST_MACS` is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import log

import numpy as np

from accelsim.workload.problem import Problem, Tensor

MOST_WORDS = 2**23
"""Words of an ifmap or ofmap of one image."""
MOST_WEIGHTS = 2**24 * 10
MOST_MACS = 2 * 10**10
"""MACs of the whole batch."""
KERNELS, KERNEL_SHARES = (1, 3, 5, 7, 11), (0.4, 0.38, 0.1, 0.07, 0.05)
FEW = 16
"""Channels at most that a window wider than 5 reads, where they are added up."""
STRIDES, STRIDE_SHARES = (1, 2, 4), (0.66, 0.27, 0.07)
Draw = Callable[[np.random.Generator], Problem]


def layers(kind: str, count: int, seed: int) -> Iterator[Problem]:
    """So many different layers of a type (`kinds.FEATURES`); equal arguments give equal layers."""
    draw, rng = DRAWS[kind], np.random.default_rng([seed, list(DRAWS).index(kind)])
    seen: set[Problem] = set()
    while len(seen) < count:
        problem = draw(rng)
        if problem not in seen and _fits(problem):
            seen.add(problem)
            yield problem


def _fits(problem: Problem) -> bool:
    batch = problem.sizes[0]
    words = max(problem.words(Tensor.IFMAP), problem.words(Tensor.PSUM)) // batch
    large = words > MOST_WORDS or problem.words(Tensor.FILTER) > MOST_WEIGHTS
    return not large and problem.macs <= MOST_MACS


def _log(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from low to high, its logarithm uniform."""
    return round(float(np.exp(rng.uniform(log(low), log(high)))))


def _channels(rng: np.random.Generator, low: int, high: int) -> int:
    """The same, half of the time a multiple of 8."""
    found = _log(rng, low, high)
    return max(8, 8 * round(found / 8)) if rng.random() < 0.5 and high >= 8 else found


def _batch(rng: np.random.Generator) -> int:
    """One image half of the time, else up to 16."""
    return 1 if rng.random() < 0.5 else _log(rng, 1, 16)


def _plane(rng: np.random.Generator, batch: int, groups: int, m: int, c: int) -> Problem:
    """A square plane with a square window, padded half way round it most of the time."""
    kernel = int(rng.choice(KERNELS, p=KERNEL_SHARES))
    stride = int(rng.choice(STRIDES, p=STRIDE_SHARES))
    while stride > max(kernel, 2):
        stride //= 2
    pad = kernel // 2 if rng.random() < 0.75 else 0
    c = min(c, FEW) if kernel > 5 else c
    size = max(_log(rng, 4, 256), kernel - 2 * pad)
    outputs = (size + 2 * pad - kernel) // stride + 1
    sizes = (batch, groups, m, c, outputs, outputs, kernel, kernel)
    return Problem(sizes, (stride, stride), (1, 1), (pad, pad), size, size)


def _convolution(rng: np.random.Generator) -> Problem:
    """One in eight reads an image's one to four channels."""
    c = int(rng.integers(1, 5)) if rng.random() < 0.125 else _channels(rng, 8, 2048)
    return _plane(rng, _batch(rng), 1, _channels(rng, 8, 2048), c)


def _grouped(rng: np.random.Generator) -> Problem:
    """Half of them depthwise: a channel a group."""
    if rng.random() < 0.5:
        return _plane(rng, _batch(rng), _channels(rng, 8, 1536), 1, 1)
    groups = 2 ** int(rng.integers(1, 7))
    return _plane(rng, _batch(rng), groups, _channels(rng, 4, 512), _channels(rng, 4, 512))


def _fully_connected(rng: np.random.Generator) -> Problem:
    batch = 1 if rng.random() < 0.4 else _log(rng, 1, 64)
    return Problem((batch, 1, _channels(rng, 8, 16384), _channels(rng, 16, 32768), 1, 1, 1, 1))


def _product(rng: np.random.Generator) -> Problem:
    """Half of them by weights, half of several heads, each by a matrix of its own."""
    heads = 1 if rng.random() < 0.5 else _log(rng, 2, 64)
    most = 4096 if heads == 1 else 512
    batch = 1 if rng.random() < 0.7 or heads > 1 else _log(rng, 1, 16)
    sizes = (batch, heads, _channels(rng, 8, most), _channels(rng, 8, most), 1, _log(rng, 2, 1024), 1, 1)
    return Problem(sizes)


DRAWS: dict[str, Draw] = {
    "convolution": _convolution,
    "grouped": _grouped,
    "fully_connected": _fully_connected,
    "product": _product,
}
