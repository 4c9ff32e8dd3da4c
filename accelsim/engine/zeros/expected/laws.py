"""How the non-zero words of a layer's operands are placed, as the closed form needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from accelsim.sparsity.draw import BLOCKED, CHANNELS
from accelsim.sparsity.expected import Law
from accelsim.sparsity.masks import Mask, Masks, Packed, shape_of, words_of
from accelsim.workload.density import Densities, Density
from accelsim.workload.problem import TENSORS, Problem, Tensor
from accelsim.workload.slices import Cut


@dataclass(frozen=True)
class Laws:
    """A law for each tensor's stored words, padding not among them.

    blocks : the filter's zeros come in blocks. raw_ifmap : as in `Masks`.
    """

    ifmap: Law
    filter: Law
    ofmap: Law
    blocks: bool = False
    raw_ifmap: bool = False

    @staticmethod
    def of(
        problem: Problem, densities: Densities, raw_ifmap: bool = False, cuts: Mapping[Tensor, Cut] | None = None
    ) -> Laws:
        """The laws of a layer's densities; a tensor without one has no zeros, nor have its slices.

        cuts : how words are cut into slices, of which some are zero in words that are not. Those of a word are taken as
        independent, which is exact for slots and reads.

        Exact for a fraction, `bernoulli` or not. Of patterns and blocks the mean probability is taken, and words as
        independent. That is exact for slots, reads and updates; of a pattern also for cycles of a filter column, whose
        words differ in M and so lie in different groups. What is rounded or counts runs (encoded words) is near only.
        Where a pattern's last group is cut short its words are more often non-zero than others: a share of at most
        (m - 1) / channels of them is then some way off in first slots, and in slots of two patterned operands.
        """
        words = replace(problem, slices=(1, 1))
        ifmap, weights, ofmap = (
            _of_slices(_law(densities.of(t), shape_of(words, t), t), (cuts or {}).get(t)) for t in TENSORS
        )
        blocks = bool(densities.filter and densities.filter.block)
        return Laws(ifmap, weights, ofmap, blocks, raw_ifmap)

    @staticmethod
    def of_masks(problem: Problem, masks: Masks) -> Laws:
        """What masks come down to if only their numbers of non-zeros are known, however they are placed."""
        ifmap, weights, ofmap = (_counted(masks.of(t), prod(shape_of(problem, t))) for t in TENSORS)
        return Laws(ifmap, weights, ofmap, raw_ifmap=masks.raw_ifmap)

    def law(self, tensor: Tensor) -> Law:
        """The law of a tensor (psum: the ofmap's)."""
        return (self.ifmap, self.filter, self.ofmap)[TENSORS.index(tensor)]


def _of_slices(law: Law, cut: Cut | None) -> Law:
    if cut is None:
        return law
    chance = law.probability * (cut.chance if law.probability < 1 else 1)
    return Law.of(chance, law.words * cut.count, law.probability < 1)


def _counted(mask: Mask | Packed | None, words: int) -> Law:
    count = words if mask is None else int(np.count_nonzero(words_of(mask)))
    return Law(words, count, count / words)


def _law(density: Density | None, shape: tuple[int, ...], tensor: Tensor) -> Law:
    words = prod(shape)
    if density is None:
        return Law.of(1.0, words)
    if density.pattern:
        (n, m), channels = density.pattern, shape[CHANNELS]
        # a last group cut short keeps min(n, its length)
        kept = channels // m * n + min(n, channels % m)
        return Law(words, None, kept / channels)
    if density.block:
        sizes = dict(zip(BLOCKED[tensor], density.block, strict=True))
        blocks = prod(-(-size // sizes.get(axis, 1)) for axis, size in enumerate(shape[: max(sizes) + 1]))
        # `draw` places whole blocks, so many of them
        share = density.fraction if density.bernoulli else round(density.fraction * blocks) / blocks
        return Law(words, None, share)
    return Law.of(density.fraction, words, density.bernoulli)
