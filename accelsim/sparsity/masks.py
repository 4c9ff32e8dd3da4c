"""Which words of one layer's operands are not zero: all that counts and cycles depend on."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

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
class Bits:
    """A mask of a word a bit.

    packed : uint8, words in tensor order, eight a byte, the first in the lowest bit. shape : as `shape_of` says.
    """

    packed: Mask
    shape: tuple[int, ...]

    @staticmethod
    def of(mask: Mask) -> Bits:
        """A mask of a word a byte, packed."""
        return Bits(np.packbits(np.ascontiguousarray(mask).reshape(-1), bitorder="little"), mask.shape)

    @staticmethod
    def ones(shape: tuple[int, ...]) -> Bits:
        """No word is zero."""
        return Bits(np.full(-(-prod(shape) // 8), 255, np.uint8), shape)

    def words(self, first: int = 0, last: int | None = None) -> Mask:
        """uint8[last - first, ..], the mask from index `first` to before `last` of its first axis."""
        last = self.shape[0] if last is None else last
        each = prod(self.shape[1:])
        begin, end = first * each, last * each
        found = np.unpackbits(self.packed[begin // 8 : -(-end // 8)], bitorder="little")
        return found[begin % 8 :][: end - begin].reshape(last - first, *self.shape[1:])


def words_of(mask: Mask | Bits) -> Mask:
    """A mask of a word a byte, packed or not."""
    return mask.words() if isinstance(mask, Bits) else mask


@dataclass(frozen=True, eq=False)
class Masks:
    """1 where a word is not zero, shaped as `shape_of` says; None: no word is zero.

    ofmap : after the activation function, as it is stored.
    raw_ifmap : the ifmap is the network's own input: what the host wrote, never encoded in the outermost level.
    """

    ifmap: Mask | Bits | None = None
    filter: Mask | Bits | None = None
    ofmap: Mask | Bits | None = None
    raw_ifmap: bool = False

    def of(self, tensor: Tensor) -> Mask | Bits | None:
        """The mask of a tensor (psum: the ofmap's)."""
        return (self.ifmap, self.filter, self.ofmap)[TENSORS.index(tensor)]

    def check(self, problem: Problem) -> None:
        """Raise AccelsimError if a mask does not have the problem's shape."""
        for tensor in TENSORS:
            mask, wanted = self.of(tensor), shape_of(problem, tensor)
            kind = mask.packed.dtype if isinstance(mask, Bits) else None if mask is None else mask.dtype
            if mask is not None and (mask.shape != wanted or kind != np.uint8):
                raise AccelsimError(f"{tensor} mask: {kind} {mask.shape}; wanted uint8 {wanted}")


def masks_of(
    ifmap: npt.NDArray[np.generic] | None = None,
    filter: npt.NDArray[np.generic] | None = None,  # noqa: A002
    ofmap: npt.NDArray[np.generic] | None = None,
) -> Masks:
    """The masks of arrays of values."""
    found: list[Mask | None] = [None if a is None else (a != 0).astype(np.uint8) for a in (ifmap, filter, ofmap)]
    return Masks(found[0], found[1], found[2])
