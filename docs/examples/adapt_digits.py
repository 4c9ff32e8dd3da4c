"""Does NetAdapt beat narrowing all layers alike? A trained network of digits, its energy simulated at every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from accelsim import Network
from accelsim.codesign.adapt import Simulated, Widths, adapt, strongest
from accelsim.sparsity import training
from accelsim.sparsity.digits import PIXEL, pictures

MACHINE, WIDTHS, MOMENT = "eyeriss", (16, 32), 2
SHARES = (0.8, 0.65, 0.5, 0.4, 0.3)


def network(widths: Widths) -> Network:
    """Two convolutions and a classifier."""
    layers = {
        "CONV1": {"op": "conv", "M": widths["CONV1"], "kernel": 3, "pad": 1},
        "POOL1": {"op": "maxpool", "kernel": 2},
        "CONV2": {"op": "conv", "M": widths["CONV2"], "kernel": 3, "pad": 1},
        "POOL2": {"op": "maxpool", "kernel": 2},
        "FC3": {"op": "fc", "M": 10},
    }
    return Network.of("digits", layers, (1, 8, 8))


@dataclass(frozen=True, eq=False)
class Net:
    """Trained on three quarters of the training pictures, told how good it is by the last one, tested on the others."""

    seed: int
    epochs: int
    images: training.Floats
    labels: training.Labels
    held: int
    weights: training.Weights

    @staticmethod
    def of(seed: int, epochs: int, widths: Sequence[int]) -> Net:
        """A new one."""
        pixels, labels, held = pictures(seed)
        rng = np.random.default_rng(seed)
        shapes = ((widths[0], 1, 3, 3), (widths[1], widths[0], 3, 3), (10, 4 * widths[1]))
        start = tuple(rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape) for shape in shapes)
        return Net(seed, epochs, pixels * np.float64(PIXEL), labels, held, start).descended(epochs)

    @property
    def widths(self) -> Mapping[str, int]:
        """Filters of the convolutions."""
        return {"CONV1": len(self.weights[0]), "CONV2": len(self.weights[1])}

    def narrowed(self, name: str, filters: int) -> Net:
        """Without the filters of least norm, and without what the next layer made of them."""
        first, second, last = self.weights
        if name == "CONV1":
            at = strongest(first, filters)
            return replace(self, weights=(first[at], second[:, at], last))
        at = strongest(second, filters)
        return replace(self, weights=(first, second[at], last.reshape(10, -1, 4)[:, at].reshape(10, -1)))

    def descended(self, epochs: int) -> Net:
        """Trained on."""
        images, labels = self.images[: self.held * 3 // 4], self.labels[: self.held * 3 // 4]
        kept = tuple(np.ones_like(w) for w in self.weights)
        rng = np.random.default_rng(self.seed)
        return replace(self, weights=training.descend(rng, images, labels, self.weights, kept, epochs))

    def tuned(self, long: bool) -> Net:
        """For a moment, or as long as a new one is."""
        return self.descended(self.epochs if long else MOMENT)

    def known(self, first: int, end: int) -> float:
        """Share of some pictures."""
        scores = training.activations(self.images[first:end], self.weights)[2]
        return float((scores.argmax(axis=1) == self.labels[first:end]).mean())

    def accuracy(self) -> float:
        """Of the pictures that neither train nor test."""
        return self.known(self.held * 3 // 4, self.held)

    def test(self) -> float:
        """Of the pictures that are left."""
        return self.known(self.held, len(self.labels))


class Point(NamedTuple):
    """One network, in the mean over splits: energy over that of the whole, accuracy."""

    way: str
    energy: float
    accuracy: float


def main(
    picture: str = "adapt_digits.png", splits: int = 3, epochs: int = 20, shares: Sequence[float] = SHARES
) -> list[Point]:
    """Adapt, narrow alike, draw."""
    from matplotlib.figure import Figure

    energy = Simulated(MACHINE, network, "energy")
    whole = energy({"CONV1": WIDTHS[0], "CONV2": WIDTHS[1]})
    found: dict[tuple[str, float], list[tuple[float, float]]] = {}
    for seed in range(splits):
        start = Net.of(seed, epochs, WIDTHS)
        for share in shares:
            one = adapt(start, energy, share * whole, first=0.1, multiple=2)
            found.setdefault(("NetAdapt", share), []).append((one.resource / whole, one.model.test()))  # type: ignore[attr-defined]
            alike = next(
                (a, b) for a, b in ((n, 2 * n) for n in range(WIDTHS[0], 0, -1))
                if energy({"CONV1": a, "CONV2": b}) <= share * whole
            )  # fmt: skip
            takes = energy({"CONV1": alike[0], "CONV2": alike[1]}) / whole
            found.setdefault(("all layers alike", share), []).append((takes, Net.of(seed, epochs, alike).test()))
    points = [Point(way, *np.mean(values, axis=0).tolist()) for (way, _), values in found.items()]
    figure = Figure(figsize=(3.5, 2.8), layout="constrained")
    axes = figure.subplots()
    for way, mark in (("NetAdapt", "o-"), ("all layers alike", "s--")):
        own = sorted((one.energy, 100 * one.accuracy) for one in points if one.way == way)
        axes.plot(*np.transpose(own), mark, label=way, markersize=4)
        print(way, ", ".join(f"{share:.2f}: {accuracy:.1f} %" for share, accuracy in own))
    axes.set(xlabel="energy / whole network", ylabel="accuracy [%]", title=MACHINE)
    axes.legend(loc="lower right")
    figure.savefig(picture, dpi=150)
    return points


if __name__ == "__main__":
    main()
