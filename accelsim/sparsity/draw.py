"""Masks drawn from densities: seeded, the same on every platform."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from math import prod

import numpy as np
import numpy.typing as npt

from accelsim.sparsity.masks import Mask, Packed
from accelsim.workload.density import Density
from accelsim.workload.problem import TENSORS, Tensor

CHANNELS = 2
"""The axis of the channels in each tensor's array: C, or M of the ofmap."""

PIECE = 1 << 18
"""Words drawn at a time; four share a draw of the generator."""

BLOCKED = {Tensor.IFMAP: (3, 4), Tensor.FILTER: (1, 2), Tensor.PSUM: (3, 4)}
"""The two axes a block extends over."""


def generator(seed: int, layer: str, tensor: Tensor) -> np.random.Generator:
    """PCG64 for one tensor of one layer: no layer's draw depends on which others are drawn."""
    entropy = [seed, zlib.crc32(layer.encode()), TENSORS.index(tensor)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def draw(density: Density, shape: tuple[int, ...], tensor: Tensor, seed: int = 0, layer: str = "") -> Mask:
    """uint8[shape], 1 where a word is not zero; axes as `masks.shape_of` has them.

    Without `bernoulli` exactly round(fraction * words) words are not zero (with blocks: so many blocks),
    every choice of them equally likely.
    """
    return draw_bits(density, shape, tensor, seed, layer).words()


def draw_bits(density: Density, shape: tuple[int, ...], tensor: Tensor, seed: int = 0, layer: str = "") -> Packed:
    """The same, packed; but for patterns and blocks it never takes a byte for a word."""
    rng = generator(seed, layer, tensor)
    if density.pattern:
        return Packed.of(_structured(rng, density.pattern, shape))
    if density.block is None:
        return _spread(rng, density, shape)
    rows, columns = BLOCKED[tensor]
    # a filter's taps R, S go with their block
    grid = list(shape[: columns + 1])
    for axis, size in zip((rows, columns), density.block, strict=True):
        grid[axis] = -(-shape[axis] // size)
    mask = _spread(rng, density, tuple(grid)).words()
    for axis, size in zip((rows, columns), density.block, strict=True):
        whole = mask.repeat(min(size, shape[axis]), axis=axis)
        mask = whole[(slice(None),) * axis + (slice(shape[axis]),)]
    mask = mask.reshape(mask.shape + (1,) * (len(shape) - mask.ndim))
    return Packed.of(np.broadcast_to(mask, shape))


def _spread(rng: np.random.Generator, density: Density, shape: tuple[int, ...]) -> Packed:
    words = prod(shape)
    if density.bernoulli:
        return Packed(_coins(words, lambda count: rng.random(count, np.float32) < density.fraction)[0], shape)
    return Packed(_exactly(rng, round(density.fraction * words), words), shape)


def _coins(words: int, toss: Callable[[int], npt.NDArray[np.bool_]]) -> tuple[Mask, int]:
    """(packed words, ones among them) of coins; toss : gives so many, the same in pieces as at once."""
    packed, ones = np.empty(-(-words // 8), np.uint8), 0
    for first in range(0, words, PIECE):
        coins = toss(min(PIECE, words - first))
        packed[first // 8 : -(-(first + len(coins)) // 8)] = np.packbits(coins, bitorder="little")
        ones += int(np.count_nonzero(coins))
    return packed, ones


def _exactly(rng: np.random.Generator, count: int, words: int) -> Mask:
    """`count` ones among `words`, packed, every choice equally likely.

    Coins of a probability near the wanted one, then as many ones set or cleared, picked at random, as are still
    wrong: given how many ones the coins gave, each choice of so many is equally likely, and stays so.
    """
    share = 256 * count / max(words, 1)
    # what is still wrong is then picked from the more frequent value, where few picks miss
    threshold = np.floor(share) if 2 * count <= words else np.ceil(share)
    packed, ones = _coins(words, lambda number: rng.integers(0, 256, number, np.uint8) < threshold)
    missing = abs(count - ones)
    old = 0 if ones < count else 1
    there = ones if old else words - ones
    while missing:
        picks = 2 * missing * words // there + 16
        for first in range(0, picks, PIECE):
            at = rng.integers(0, words, min(PIECE, picks - first), np.int64)
            at = at[(packed[at >> 3] >> (at & 7) & 1) == old]
            # first come, first served: the order of the draws decides, not that of the words
            at = at[np.sort(np.unique(at, return_index=True)[1])][:missing]
            np.bitwise_xor.at(packed, at >> 3, np.left_shift(1, at & 7).astype(np.uint8))
            missing -= len(at)
            there -= len(at)
            if not missing:
                break
    return packed


def _structured(rng: np.random.Generator, pattern: tuple[int, int], shape: tuple[int, ...]) -> Mask:
    """Word by word through all groups at once: a word is chosen with what is still wanted over what is left."""
    n, m = pattern
    mask: Mask = np.zeros(shape, np.uint8)
    channels = np.moveaxis(mask, CHANNELS, 0)
    whole = len(channels) // m * m
    for part, length in ((channels[:whole], m), (channels[whole:], len(channels) - whole)):
        if not len(part):
            continue
        wanted = np.full((len(part) // length, *part.shape[1:]), min(n, length), np.uint32)
        for word in range(length):
            chosen = rng.integers(0, length - word, wanted.shape, np.uint32) < wanted
            part[word::length] = chosen
            wanted -= chosen
    return mask
