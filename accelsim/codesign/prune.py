"""Energy-aware pruning (T.-J. Yang, Y.-H. Chen, V. Sze, CVPR 2017): the layers that cost most first, fitted to outputs.

Within a layer the smallest weights leave, those that matter most for the layer's output come back, and the rest are
fitted to what the layer gave before, in closed form. Weights are float[M, K]: filters, each over the words it sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from accelsim.errors import AccelsimError

Floats = npt.NDArray[np.float64]
Kept = npt.NDArray[np.bool_]
Weights = Mapping[str, Floats]

PUT_BACK = 0.2
"""Share of the weights kept that are chosen by the output they restore, not by their magnitude."""
AT_ONCE = 8
"""Steps in which they come back: after each, what is still missing of the output is worked out anew."""


class Model(Protocol):
    """A trained network, as what prunes it needs it."""

    weights: Weights

    def samples(self, weights: Weights, name: str) -> Floats:
        """float[sample, K]: what the filters of a layer see, with these weights in all layers."""

    def accuracy(self, weights: Weights) -> float:
        """Share that is known, 0 to 1."""

    def tuned(self, weights: Weights, kept: Mapping[str, Kept]) -> Weights:
        """The weights trained on for a while; those not kept stay zero."""


@dataclass(frozen=True)
class Pruned:
    """What is left. kept : by layer, bool[M, K]. accuracy : with it; order : layers as they were pruned."""

    weights: Weights
    kept: Mapping[str, Kept]
    accuracy: float
    order: tuple[str, ...]

    @property
    def density(self) -> float:
        """Weights that are left, as a share."""
        return sum(int(one.sum()) for one in self.kept.values()) / sum(one.size for one in self.kept.values())


def largest(weights: Floats, keep: int) -> Kept:
    """The weights of largest magnitude; of equal ones the first."""
    if not 0 <= keep <= weights.size:
        raise AccelsimError(f"keep is {keep}; a layer of {weights.size} weights keeps 0 to {weights.size}")
    kept = np.zeros(weights.size, np.bool_)
    kept[np.argsort(-np.abs(weights), axis=None, kind="stable")[:keep]] = True
    return kept.reshape(weights.shape)


def restored(weights: Floats, kept: Kept, samples: Floats, count: int) -> Kept:
    """Put back as many weights as are asked for, those that bring the output nearest to what it was.

    The output misses ``e = samples @ (weights left out)``; putting back weight w over inputs x takes
    ``2 w x.e - w^2 x.x`` from its square. samples : float[sample, K].
    """
    kept, products = kept.copy(), samples.T @ samples
    own = np.diag(products)
    for step in range(AT_ONCE):
        number = count * (step + 1) // AT_ONCE - count * step // AT_ONCE
        if not number:
            continue
        missing = np.where(kept, 0.0, weights)
        gain = np.where(kept, -np.inf, 2 * weights * (missing @ products) - weights**2 * own)
        kept.reshape(-1)[np.argsort(-gain, axis=None, kind="stable")[:number]] = True
    return kept


def fitted(kept: Kept, samples: Floats, outputs: Floats) -> Floats:
    """The weights that give outputs nearest to some, by least squares of each filter over the inputs it keeps.

    outputs : float[sample, M]. Inputs that depend on each other share the smallest weights that do it.
    """
    found = np.zeros(kept.shape)
    products, targets = samples.T @ samples, samples.T @ outputs
    for m, own in enumerate(kept):
        at = np.flatnonzero(own)
        if len(at):
            found[m, at] = np.linalg.lstsq(products[np.ix_(at, at)], targets[at, m], rcond=None)[0]
    return found


def thinned(weights: Floats, samples: Floats, outputs: Floats, keep: int) -> tuple[Floats, Kept]:
    """One layer with so many weights kept, by magnitude, restored and fitted."""
    back = round(PUT_BACK * keep)
    kept = restored(weights, largest(weights, keep - back), samples, back)
    return fitted(kept, samples, outputs), kept


def energy_aware(model: Model, energies: Mapping[str, float], shares: Sequence[float], most_loss: float) -> Pruned:
    """Prune layer by layer, the one with most energy first, then train all of them on.

    Parameters
    ----------
    energies : of each layer, as simulated. shares : of a layer's weights that may be kept; the least is taken with
        which the network, before it is trained on, loses no more than `most_loss` (of accuracy, 0 to 1) against before
        the layer was pruned.

    Raises
    ------
    AccelsimError : layers without an energy, a share outside 0 to 1.
    """
    _check(model, energies, shares)
    order = tuple(sorted(model.weights, key=lambda name: -energies[name]))
    now, kept = dict(model.weights), {name: np.ones(own.shape, np.bool_) for name, own in model.weights.items()}
    for name in order:
        samples, before = model.samples(now, name), model.accuracy(now)
        outputs = model.samples(model.weights, name) @ model.weights[name].T
        for share in sorted(shares):
            keep = max(1, round(share * now[name].size))
            own, left = thinned(model.weights[name], samples, outputs, keep)
            if model.accuracy({**now, name: own}) >= before - most_loss:
                now[name], kept[name] = own, left
                break
    tuned = model.tuned(now, kept)
    return Pruned(tuned, kept, model.accuracy(tuned), order)


def by_magnitude(model: Model, share: float) -> Pruned:
    """The same share of every layer, its largest weights, trained on (Han et al., NIPS 2015)."""
    _check(model, dict.fromkeys(model.weights, 0.0), [share])
    kept = {name: largest(own, max(1, round(share * own.size))) for name, own in model.weights.items()}
    start = {name: np.where(kept[name], own, 0.0) for name, own in model.weights.items()}
    tuned = model.tuned(start, kept)
    return Pruned(tuned, kept, model.accuracy(tuned), tuple(model.weights))


def _check(model: Model, energies: Mapping[str, float], shares: Sequence[float]) -> None:
    missing = [name for name in model.weights if name not in energies]
    if missing:
        raise AccelsimError(f"no energy of layer '{missing[0]}' ({', '.join(energies)})")
    for share in shares:
        if not 0 < share <= 1:
            raise AccelsimError(f"share is {share}; it must lie in 0 to 1, and some weights must stay")
