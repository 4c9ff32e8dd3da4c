"""Which words of one layer's operands are not zero: all that counts and cycles depend on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from accelsim.errors import AccelsimError, MappingError
from accelsim.workload.problem import TENSORS, Problem, Tensor

Mask = npt.NDArray[np.uint8]
MOST_WORDS = 400_000_000
"""Of a tensor that is looked at word by word: a byte each."""


def shape_of(problem: Problem, tensor: Tensor) -> tuple[int, ...]:
    """Axes of a tensor's array: ifmap [N, G, C, height, width] (no padding), filter [G, M, C, R, S],
    psum (ofmap) [N, G, M, P, Q].

    Where words are sliced, the axis of C has all channels of the first slices, which hold the least bits, then all of
    the second ones.
    """
    (n, g, m, c, *_, r, s), (p, q), (ib, wb) = problem.sizes, problem.plane_outputs, problem.slices
    return {
        Tensor.IFMAP: (n, g, ib * c, problem.height, problem.width),
        Tensor.FILTER: (g, m, wb * c, r, s),
        Tensor.PSUM: (n, g, m, p, q),
    }[tensor]


@dataclass(frozen=True, eq=False)
class Packed:
    """A mask of a word a bit.

    bits : uint8, words in tensor order, eight a byte, the first in the lowest bit. shape : as `shape_of` says.
    """

    bits: Mask
    shape: tuple[int, ...]

    @staticmethod
    def of(mask: Mask) -> Packed:
        """A mask of a word a byte, packed."""
        return Packed(np.packbits(np.ascontiguousarray(mask).reshape(-1), bitorder="little"), mask.shape)

    @staticmethod
    def ones(shape: tuple[int, ...]) -> Packed:
        """No word is zero."""
        return Packed(np.full(-(-prod(shape) // 8), 255, np.uint8), shape)

    def words(self, first: int = 0, last: int | None = None) -> Mask:
        """uint8[last - first, ..], the mask from index `first` to before `last` of its first axis."""
        last = self.shape[0] if last is None else last
        each = prod(self.shape[1:])
        begin, end = first * each, last * each
        found = np.unpackbits(self.bits[begin // 8 : -(-end // 8)], bitorder="little")
        return found[begin % 8 :][: end - begin].reshape(last - first, *self.shape[1:])


def words_of(mask: Mask | Packed) -> Mask:
    """A mask of a word a byte, packed or not."""
    return mask.words() if isinstance(mask, Packed) else mask


@dataclass(frozen=True, eq=False)
class Masks:
    """1 where a word is not zero, shaped as `shape_of` says; None: no word is zero.

    ofmap : after the activation function, as it is stored.
    raw_ifmap : the ifmap is the network's own input: what the host wrote, never encoded in the outermost level.
    """

    ifmap: Mask | Packed | None = None
    filter: Mask | Packed | None = None
    ofmap: Mask | Packed | None = None
    raw_ifmap: bool = False

    def of(self, tensor: Tensor) -> Mask | Packed | None:
        """The mask of a tensor (psum: the ofmap's)."""
        return (self.ifmap, self.filter, self.ofmap)[TENSORS.index(tensor)]

    def words(self, problem: Problem, tensor: Tensor) -> Mask:
        """A tensor's mask, a word a byte; where none is given, nothing is zero."""
        mask = self.of(tensor)
        return np.ones(shape_of(problem, tensor), np.uint8) if mask is None else np.ascontiguousarray(words_of(mask))

    def packed(self, problem: Problem, tensor: Tensor) -> Packed:
        """The same, a word a bit."""
        mask = self.of(tensor)
        if mask is None:
            return Packed.ones(shape_of(problem, tensor))
        return mask if isinstance(mask, Packed) else Packed.of(mask)

    def check(self, problem: Problem) -> None:
        """Raise AccelsimError if a mask does not have the problem's shape."""
        for tensor in TENSORS:
            mask, wanted = self.of(tensor), shape_of(problem, tensor)
            kind = mask.bits.dtype if isinstance(mask, Packed) else None if mask is None else mask.dtype
            if mask is not None and (mask.shape != wanted or kind != np.uint8):
                raise AccelsimError(f"{tensor} mask: {kind} {mask.shape}; wanted uint8 {wanted}")


def refuse_words(problem: Problem, tensors: Iterable[Tensor]) -> None:
    """Raise MappingError if operands are too large to be looked at word by word."""
    for tensor in tensors:
        words = prod(shape_of(problem, tensor))
        if words > MOST_WORDS:
            raise MappingError(
                f"the {tensor} has {words:.1e} words; where values or zeros are looked at one by one, at most "
                f"{MOST_WORDS:.0e} are taken on: take the closed form (--evaluator analytical), dense data, or a "
                "smaller layer"
            )


def masks_of(
    ifmap: npt.NDArray[np.generic] | None = None,
    filter: npt.NDArray[np.generic] | None = None,  # noqa: A002
    ofmap: npt.NDArray[np.generic] | None = None,
) -> Masks:
    """The masks of arrays of values."""
    found: list[Mask | None] = [None if a is None else (a != 0).astype(np.uint8) for a in (ifmap, filter, ofmap)]
    return Masks(found[0], found[1], found[2])
