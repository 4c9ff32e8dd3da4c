"""Masks drawn from densities: seeded, the same on every platform."""

from __future__ import annotations

import zlib

import numpy as np

from accelsim.sparsity.masks import Mask
from accelsim.workload.density import Density
from accelsim.workload.problem import TENSORS, Tensor

CHANNELS = 2
"""The axis of the channels in each tensor's array: C, or M of the ofmap."""

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
    rng = generator(seed, layer, tensor)
    if density.pattern:
        return _structured(rng, density.pattern, shape)
    if density.block is None:
        return _spread(rng, density, shape)
    rows, columns = BLOCKED[tensor]
    # a filter's taps R, S go with their block
    grid = list(shape[: columns + 1])
    for axis, size in zip((rows, columns), density.block, strict=True):
        grid[axis] = -(-shape[axis] // size)
    mask = _spread(rng, density, tuple(grid))
    for axis, size in zip((rows, columns), density.block, strict=True):
        whole = mask.repeat(min(size, shape[axis]), axis=axis)
        mask = whole[(slice(None),) * axis + (slice(shape[axis]),)]
    mask = mask.reshape(mask.shape + (1,) * (len(shape) - mask.ndim))
    return np.ascontiguousarray(np.broadcast_to(mask, shape))


def _spread(rng: np.random.Generator, density: Density, shape: tuple[int, ...]) -> Mask:
    if density.bernoulli:
        return (rng.random(shape, np.float32) < density.fraction).view(np.uint8)
    words = int(np.prod(shape, dtype=np.int64))
    return _exactly(rng, round(density.fraction * words), words).reshape(shape)


def _exactly(rng: np.random.Generator, count: int, words: int) -> Mask:
    """`count` ones among `words`, every choice equally likely.

    Coins of a probability near the wanted one, then as many ones set or cleared, picked at random, as are still
    wrong: given how many ones the coins gave, each choice of so many is equally likely, and stays so.
    """
    share = 256 * count / max(words, 1)
    # what is still wrong is then picked from the more frequent value, where few picks miss
    threshold = np.floor(share) if 2 * count <= words else np.ceil(share)
    mask: Mask = (rng.integers(0, 256, words, np.uint8) < threshold).view(np.uint8)
    ones = int(np.count_nonzero(mask))
    missing = abs(count - ones)
    old = 0 if ones < count else 1
    there = ones if old else words - ones
    while missing:
        at = rng.integers(0, words, 2 * missing * words // there + 16, np.int64)
        at = at[mask[at] == old]
        # first come, first served: the order of the draws decides, not that of the words
        at = at[np.sort(np.unique(at, return_index=True)[1])][:missing]
        mask[at] = 1 - old
        missing -= len(at)
        there -= len(at)
    return mask


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
