"""What zeros make of counts on average, under a density instead of masks: for the closed form.

A tensor of T words has its non-zeros placed evenly: K of them, every placement as likely (the non-zeros in w of its
words are then hypergeometric), or each word by itself non-zero with probability p (binomial). Everything here is an
expectation over such placements and is exact unless its docstring states an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd, prod

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Format
from accelsim.sparsity.formats import CSC_RUN, RLC_PAIRS, RLC_RUN, lg
from accelsim.workload.problem import Problem

Floats = npt.NDArray[np.float64]

WORK = 1 << 22
"""Numbers the walk of `_residues` over the words of a tile may touch: some hundredths of a second, 200 words for rlc,
the 32 of an Eyeriss v2 column many times over. A choice of speed, checked against drawn masks on either side."""


@dataclass(frozen=True)
class Law:
    """How the non-zeros of a tensor of `words` are placed: `nonzeros` of them evenly, or (None) word by word.

    probability : of any one word to be non-zero; nonzeros / words where they are given.
    """

    words: int
    nonzeros: int | None
    probability: float

    @staticmethod
    def of(fraction: float, words: int, bernoulli: bool = False) -> Law:
        """The law of a density: exactly round(fraction * words) non-zeros, or each with probability `fraction`."""
        if bernoulli:
            return Law(words, None, fraction)
        count = round(fraction * words)
        return Law(words, count, count / words if words else 0.0)

    def empty(self, words: int) -> Floats:
        """P0(L), the probability that L given words are all zero, L = 0 .. words (at most T).

        C(T-L, K) / C(T, K) = product over i < L of (T-K-i) / (T-i); (1-p)^L word by word. float64[words + 1].
        """
        i = np.arange(words, dtype=np.float64)
        if self.nonzeros is None:
            factors = np.full(words, 1 - self.probability)
        else:
            factors = np.maximum(self.words - self.nonzeros - i, 0) / (self.words - i)
        return np.concatenate([[1.0], np.cumprod(factors)])

    def first(self, words: int) -> Floats:
        """P1(L), the probability that L given words are zero and the one after them is not, L = 0 .. words - 1.

        P0(L) K / (T-L), or P0(L) p; not P0(L) - P0(L+1), which would cancel. float64[words].
        """
        chance: float | Floats = self.probability
        if self.nonzeros is not None:
            chance = self.nonzeros / (self.words - np.arange(words, dtype=np.float64))
        result: Floats = self.empty(words)[:-1] * np.minimum(chance, 1.0)
        return result


@lru_cache(maxsize=4096)
def distribution(law: Law, words: int) -> Floats:
    """P(z non-zeros among `words` given words), float64[words + 1]; not to be written to.

    Hypergeometric C(w,z) C(T-w, K-z) / C(T, K) or binomial C(w,z) p^z (1-p)^(w-z), from the ratios of neighbours:
    lgamma of a large T would cancel seven digits.
    """
    result = np.zeros(words + 1)
    if law.nonzeros is None:
        low, high = (0, words) if law.probability < 1 else (words, words)
        high = high if law.probability > 0 else 0
    else:
        low, high = max(0, law.nonzeros - (law.words - words)), min(words, law.nonzeros)
    z = np.arange(low, high, dtype=np.float64)
    if law.nonzeros is None:
        odds = (words - z) / (z + 1) * (law.probability / (1 - law.probability) if z.size else 1.0)
    else:
        odds = (words - z) / (z + 1) * (law.nonzeros - z) / (law.words - words - law.nonzeros + z + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(odds))])
    chances = np.exp(logs - logs.max())
    result[low : high + 1] = chances / chances.sum()
    result.flags.writeable = False
    return result


def nonzeros(law: Law, words: int) -> float:
    """E[e], e the non-zeros among `words` words of the tensor: w K / T = w p, by linearity."""
    return words * law.probability


@lru_cache(maxsize=4096)
def ceil_mean(law: Law, words: int, lanes: int) -> float:
    """E[ceil(e / L)], e the non-zeros among `words` words: cycles of a column of `words` filter words on L lanes.

    The sum over z of P(e = z) ceil(z / L).
    """
    z = np.arange(words + 1)
    return float(distribution(law, words) @ -(-z // lanes))


@lru_cache(maxsize=4096)
def ceil_mean_csc(law: Law, words: int, lanes: int) -> float:
    """E[ceil((e + placeholders) / L)] of a segment of `words` words stored as csc (4-bit counts).

    (E[X] + E[-X mod L]) / L with X = e + placeholders, E[X] by `_pairs_mean`, X mod L by `_residues` (its error, where
    it has one, is at most that of X mod L: below (L-1)/L, and mostly far below).
    """
    mean = _pairs_mean(law, words, CSC_RUN, ends=False)
    return (mean + _short(_residues(law, words, words, CSC_RUN, False, lanes), 1, 0, lanes)) / lanes


def encoded_bits(
    format: Format,  # noqa: A002
    shape: Sequence[int],
    word_bits: int,
    channel_axis: int,
    law: Law,
) -> float:
    """E[bits] of a tile of `shape` (axes in tensor order) taken from a tensor under `law`; 0 if it is empty.

    docs/model.md, "Compression", gives bits as a line in a count; so the mean needs the mean of the count only:
    non-zeros v p (`bitmask`, `csr`, `coordinate`), words and placeholders of all vectors (`csc`: `_pairs_mean` of
    one vector times vectors), groups of three pairs (`rlc`: E[ceil(X/3)] = (E[X] + E[-X mod 3]) / 3 with X the pairs).
    Exact but for the X mod 3 of a large tile (`_residues`): there at most 2/3 of one group of three pairs off.
    """
    if not prod(shape):
        return 0.0
    slope, constant, count = _line(format, tuple(shape), word_bits, channel_axis, law)
    return slope * count + constant


@lru_cache(maxsize=4096)
def encoded_words(
    format: Format,  # noqa: A002
    shape: tuple[int, ...],
    word_bits: int,
    channel_axis: int,
    law: Law,
) -> float:
    """E[ceil(bits / word bits)] of a tile: the words a transfer of it counts.

    (E[bits] + E[-bits mod b]) / b. What is missing to a whole word depends on the count modulo m = b / gcd(slope, b)
    (for `rlc` on the pairs modulo 3 m), for which there is `distribution` or `_residues`. Exact as `encoded_bits` is;
    where `_residues` is not, less than one word more.
    """
    words = prod(shape)
    if not words:
        return 0.0
    slope, constant, count = _line(format, shape, word_bits, channel_axis, law)
    period = word_bits // gcd(slope, word_bits)
    if format is Format.RLC:
        pairs = _residues(law, words, words, RLC_RUN, True, RLC_PAIRS * period)
        groups = -(-np.arange(RLC_PAIRS * period) // RLC_PAIRS)
        short = float(pairs @ (-slope * groups % word_bits))
    elif format is Format.CSC:
        entries = _residues(law, words, shape[channel_axis], CSC_RUN, False, period)
        short = _short(entries, slope, constant, word_bits)
    else:
        short = _short(distribution(law, words), slope, constant, word_bits)
    return (slope * count + constant + short) / word_bits


def effectual(problem: Problem, ifmap: Law | None = None, filter: Law | None = None) -> float:  # noqa: A002
    """Expected slots of a layer in which no operand looked at is zero; None: the tensor's zeros are not looked at.

    With both: the slots whose ifmap word is no padding, times p of the ifmap, times p of the filter, for the two are
    placed independently. Slots that are no padding: N G M C times those of (p, r), times those of (q, s).
    """
    slots = (problem.macs if ifmap is None else problem.macs_over_plane) * prod(problem.slices)
    return slots * (ifmap.probability if ifmap else 1.0) * (filter.probability if filter else 1.0)


@lru_cache(maxsize=4096)
def _line(
    format: Format,  # noqa: A002
    shape: tuple[int, ...],
    b: int,
    channel_axis: int,
    law: Law,
) -> tuple[int, int, float]:
    """(slope, constant, E[count]): bits = slope * count + constant."""
    words = prod(shape)
    if format is Format.RLC:
        third = _residues(law, words, words, RLC_RUN, True, RLC_PAIRS)
        pairs = _pairs_mean(law, words, RLC_RUN, ends=True)
        return RLC_PAIRS * (RLC_RUN + b) + 1, 0, (pairs + _short(third, 1, 0, RLC_PAIRS)) / RLC_PAIRS
    if format is Format.CSC:
        vectors = words // shape[channel_axis]
        entries = vectors * _pairs_mean(law, shape[channel_axis], CSC_RUN, ends=False)
        return CSC_RUN + b, (vectors + 1) * lg(words + 1), entries
    z = nonzeros(law, words)
    if format is Format.BITMASK:
        return b, words, z
    if format is Format.CSR:
        return b + lg(shape[-1]), (words // shape[-1] + 1) * lg(words + 1), z
    return b + sum(lg(size) for size in shape), 0, z


def _short(chances: Floats, slope: int, constant: int, whole: int) -> float:
    """E[-(slope X + constant) mod whole], X = 0, 1, .. with these chances."""
    return float(chances @ (-(slope * np.arange(chances.size) + constant) % whole))


@lru_cache(maxsize=4096)
def _pairs_mean(law: Law, words: int, run_bits: int, ends: bool) -> float:
    """E[non-zeros + fillers] of `words` words in a row, one filler per l = 2^run_bits zeros before a non-zero.

    A j-th filler goes with each non-zero in front of which at least j l words of the row are zero; there are w - j l
    places for it: sum over j >= 1 of (w - j l) P1(j l). With `ends`, zeros left at the end take ceil(t / l) pairs
    more: sum over j >= 0 of P0(j l + 1).
    """
    limit = 1 << run_bits
    runs = np.arange(limit, words, limit)
    total = nonzeros(law, words) + float((words - runs) @ law.first(words)[runs])
    if ends:
        total += float(law.empty(words)[1::limit].sum())
    return total


@lru_cache(maxsize=4096)
def _residues(law: Law, words: int, vector: int, run_bits: int, ends: bool, modulus: int) -> Floats:
    """P(X mod modulus), X the pairs of `words` words in vectors of `vector`; float64[modulus].

    A walk over the words from the last to the first (placements are as likely backwards): the state is X mod modulus
    and the zeros since the last pair, or that no non-zero has come yet (zeros that csc leaves out at the end).
    Exact: word by word by a power of the walk's matrix; for K non-zeros with their number so far in the state. Where
    that passes `WORK` the words of the tile are taken as independent with p = K / T: at most (w-1) / (T-1) off in
    total variation (Ehm, Statistics & Probability Letters 11, 1991), little where X spreads over all residues anyway.
    """
    limit = 1 << run_bits
    start = np.zeros((modulus, limit + 1))
    start[0, 0 if ends else limit] = 1
    result: Floats = start.sum(axis=1)
    if modulus == 1 or not words:
        return result
    most = min(words, law.nonzeros) if law.nonzeros is not None else 0
    if law.nonzeros is not None and words * (most + 1) * start.size <= WORK:
        state = np.zeros((most + 1, *start.shape))
        state[0] = start
        z = np.arange(most + 1)[:, None, None]
        for i in range(words):
            if not ends and i % vector == 0:
                state = _anew(state)
            chance = np.clip((law.nonzeros - z) / (law.words - i), 0.0, 1.0)
            zero, one = _advance(state)
            state = zero * (1 - chance)
            state[1:] += (one * chance)[:-1]
        last: Floats = state.sum(axis=0)
    else:
        unit = np.zeros((limit + 1, *start.shape))
        unit[:, 0] = np.eye(limit + 1)
        zero, one = _advance(unit)
        # sums of residues turn into products at the roots of unity: a small matrix [from, to] for each of them
        step, fresh = (
            np.fft.fft(matrix, axis=1).swapaxes(0, 1)
            for matrix in (zero * (1 - law.probability) + one * law.probability, _anew(unit))
        )
        walk = np.linalg.matrix_power(step, vector)
        if not ends:
            walk = np.linalg.matrix_power(fresh @ walk, words // vector)
        last = np.fft.ifft(walk[:, int(start[0].argmax())], axis=0).real
    # what is left of a run: rlc adds a pair for it; for csc it stands before the vector's first word, read backwards
    result = last.sum(axis=1)
    if ends:
        result = last[:, 0] + np.roll(last[:, 1:].sum(axis=1), 1)
    return result


def _advance(state: Floats) -> tuple[Floats, Floats]:
    """The chances [.., residue, zeros so far] after one more zero and after one more non-zero."""
    limit = state.shape[-1] - 1
    zero, one = np.empty_like(state), np.zeros_like(state)
    zero[..., 1:limit] = state[..., : limit - 1]
    zero[..., 0] = np.roll(state[..., limit - 1], 1, axis=-1)
    zero[..., limit] = state[..., limit]
    one[..., 0] = np.roll(state.sum(axis=-1), 1, axis=-1)
    return zero, one


def _anew(state: Floats) -> Floats:
    """A vector begins: no non-zero of it has come yet."""
    fresh: Floats = np.zeros_like(state)
    fresh[..., -1] = state.sum(axis=-1)
    return fresh
