"""One kernel that holds all choices of a position: the encoding of Single-Path NAS, with derivatives, in numpy alone.

D. Stamoulis et al., "Single-Path NAS: Designing Hardware-Efficient ConvNets in less than 4 Hours", ECML-PKDD 2019. A
depthwise kernel as large and as wide as the largest choice has smaller ones inside it. Each part of it, a ring of taps
or a share of the channels, is let through where its norm is above a threshold that is trained. So which choice a
network makes, and what that costs on a machine, follow from weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.errors import AccelsimError

Floats = npt.NDArray[np.float64]
Choice = tuple[int, int] | None
"""(kernel, width); None: to skip."""


class Passing(NamedTuple):
    """What is let through.

    open : float[part], 1 or 0. slope : of the sigmoid of norm - threshold, which stands for the step in derivatives.
    norms : of each part's weights, the root of their mean square, so that parts of all sizes are alike.
    """

    open: Floats
    slope: Floats
    norms: Floats


@dataclass(frozen=True)
class SuperKernel:
    """Kernels inside one another.

    kernels : sides of square windows, smallest first. widths : channels, fewest first; those of one are the first ones
    of the next. skip : whether nothing may be let through, where what arrives can pass unchanged.
    Raises AccelsimError for sizes that do not lie inside one another.

    Its parts are the rings between windows, of all channels, then the shares of channels that a width has over the one
    before it, told by the taps that all windows have. A part passes if those inside it do, too; the first share always
    does where nothing may be skipped. Choices are all windows of the first width, then of the next, then to skip.
    """

    kernels: tuple[int, ...]
    widths: tuple[int, ...]
    skip: bool = False

    def __post_init__(self) -> None:
        for what, sizes in (("kernels", self.kernels), ("widths", self.widths)):
            if not sizes or sizes[0] < 1 or any(a >= b for a, b in pairwise(sizes)):
                raise AccelsimError(f"{what} are {sizes}; they must rise from 1 or more, each inside the next")
        if len({size % 2 for size in self.kernels}) > 1:
            raise AccelsimError(f"kernels are {self.kernels}; for one centre all must be odd, or all even")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of the whole kernel."""
        return self.kernels[-1], self.kernels[-1], self.widths[-1]

    @property
    def choices(self) -> tuple[Choice, ...]:
        """In the order of `alpha`."""
        found = tuple((kernel, width) for width in self.widths for kernel in self.kernels)
        return (*found, None) if self.skip else found

    @cached_property
    def _rings(self) -> Floats:
        """float[window, row, column]: taps that a window has over the one inside it."""
        away = np.abs(np.arange(self.kernels[-1]) - (self.kernels[-1] - 1) / 2)
        reach = np.maximum(away[:, None], away[None, :])
        inside = np.array([reach <= (size - 1) / 2 for size in self.kernels], np.float64)
        return np.diff(inside, axis=0, prepend=0)

    @cached_property
    def _shares(self) -> Floats:
        """float[width, channel]: channels that a width has over the one before it."""
        inside = np.array([np.arange(self.widths[-1]) < width for width in self.widths], np.float64)
        return np.diff(inside, axis=0, prepend=0)

    @cached_property
    def parts(self) -> Floats:
        """float[part, row, column, channel]: 1 where a weight counts to the norm of a part."""
        rings = self._rings[1:, :, :, None] * np.ones(self.widths[-1])
        return np.concatenate((rings, self._rings[0, :, :, None] * self._shares[:, None, None, :]))

    @cached_property
    def _sizes(self) -> Floats:
        found: Floats = self.parts.sum(axis=(1, 2, 3))
        return found

    def passing(self, weights: Floats, thresholds: Floats) -> Passing:
        """What is let through of weights, float[row, column, channel], by thresholds, float[part]."""
        norms = np.sqrt((self.parts * weights**2).sum(axis=(1, 2, 3)) / self._sizes)
        over = 1 / (1 + np.exp(thresholds - norms))
        found = (norms > thresholds).astype(np.float64)
        if not self.skip:
            found[len(self.kernels) - 1] = 1
        return Passing(found, over * (1 - over), norms)

    def opened(self, choice: Choice) -> Floats:
        """float[part]: what is let through of a choice. Raises AccelsimError for one that is none."""
        if choice not in self.choices:
            raise AccelsimError(f"{choice} is no choice; there are {', '.join(map(str, self.choices))}")
        kernel, width = choice or (0, 0)
        passes = [size <= kernel for size in self.kernels[1:]] + [size <= width for size in self.widths]
        return np.array(passes, np.float64)

    def _levels(self, open_: Floats) -> tuple[Floats, Floats]:
        """How far windows and widths pass: float[window], float[width]."""
        rings = len(self.kernels) - 1
        windows = np.cumprod(np.append(1.0, open_[:rings]))
        return windows.astype(np.float64), np.cumprod(open_[rings:]).astype(np.float64)

    def gate(self, open_: Floats) -> Floats:
        """float[row, column, channel]: the factor of each weight."""
        windows, widths = self._levels(open_)
        found: Floats = np.tensordot(windows, self._rings, 1)[:, :, None] * (widths @ self._shares)
        return found

    def alpha(self, open_: Floats) -> Floats:
        """float[choice]: how much each is chosen, 1 in sum; what `lookup.Choices.latency` takes."""
        windows, widths = (level - np.append(level[1:], 0.0) for level in self._levels(open_))
        found = np.outer(widths, windows).ravel()
        return np.append(found, 1 - open_[len(self.kernels) - 1]) if self.skip else found

    def back(self, passing: Passing, weights: Floats, by_gate: Floats, by_alpha: Floats) -> tuple[Floats, Floats]:
        """Derivatives of a loss by (weights, thresholds), out of those by the gate's factors and by alpha.

        Gate and alpha are linear in each part that is open; the step of a part is taken for a sigmoid. By weights is
        what comes of their norms alone: a loss has its own share, times the gate, beside it.
        """
        gate, alpha = self._slopes(self.gate, passing.open), self._slopes(self.alpha, passing.open)
        by_norm = passing.slope * ((gate * by_gate).sum(axis=(1, 2, 3)) + alpha @ by_alpha)
        if not self.skip:
            by_norm[len(self.kernels) - 1] = 0
        along = by_norm / (np.maximum(passing.norms, np.finfo(np.float64).tiny) * self._sizes)
        return np.tensordot(along, self.parts, 1) * weights, -by_norm

    @staticmethod
    def _slopes(of: Callable[[Floats], Floats], open_: Floats) -> Floats:
        """float[part, ..]: what a function that is linear in each part gains by it."""
        found = []
        for part in range(len(open_)):
            with_, without = open_.copy(), open_.copy()
            with_[part], without[part] = 1, 0
            found.append(of(with_) - of(without))
        return np.array(found)
