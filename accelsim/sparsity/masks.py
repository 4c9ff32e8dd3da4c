"""Which words of one layer's operands are not zero: all that counts and cycles depend on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelsim.errors import AccelsimError
from accelsim.workload.problem import TENSORS, Problem, Tensor

Mask = npt.NDArray[np.uint8]


def shape_of(problem: Problem, tensor: Tensor) -> tuple[int, ...]:
    """Axes of a tensor's array: ifmap [N, G, C, height, width] (no padding), filter [G, M, C, R, S],
    psum (ofmap) [N, G, M, P, Q].
    """
    n, g, m, c, p, q, r, s = problem.sizes
    return {
        Tensor.IFMAP: (n, g, c, problem.height, problem.width),
        Tensor.FILTER: (g, m, c, r, s),
        Tensor.PSUM: (n, g, m, p, q),
    }[tensor]


@dataclass(frozen=True, eq=False)
class Masks:
    """1 where a word is not zero, shaped as `shape_of` says; None: no word is zero.

    ofmap : after the activation function, as it is stored.
    raw_ifmap : the ifmap is the network's own input: what the host wrote, never encoded in the outermost level.
    """

    ifmap: Mask | None = None
    filter: Mask | None = None
    ofmap: Mask | None = None
    raw_ifmap: bool = False

    def of(self, tensor: Tensor) -> Mask | None:
        """The mask of a tensor (psum: the ofmap's)."""
        return (self.ifmap, self.filter, self.ofmap)[TENSORS.index(tensor)]

    def check(self, problem: Problem) -> None:
        """Raise AccelsimError if a mask does not have the problem's shape."""
        for tensor in TENSORS:
            mask, wanted = self.of(tensor), shape_of(problem, tensor)
            if mask is not None and (mask.shape != wanted or mask.dtype != np.uint8):
                raise AccelsimError(f"{tensor} mask: {mask.dtype} {mask.shape}; wanted uint8 {wanted}")


def masks_of(
    ifmap: npt.NDArray[np.generic] | None = None,
    filter: npt.NDArray[np.generic] | None = None,  # noqa: A002
    ofmap: npt.NDArray[np.generic] | None = None,
) -> Masks:
    """The masks of arrays of values."""
    found: list[Mask | None] = [None if a is None else (a != 0).astype(np.uint8) for a in (ifmap, filter, ofmap)]
    return Masks(found[0], found[1], found[2])
