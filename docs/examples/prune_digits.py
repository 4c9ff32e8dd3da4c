"""Does pruning by energy save more than by magnitude? A trained network of digits, its zeros simulated exactly."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from accelsim import simulate
from accelsim.codesign import prune
from accelsim.outcome import Outcome
from accelsim.sparsity import training
from accelsim.sparsity.digits import LAYERS, PIXEL, pictures, quantized

MACHINES = ("eyeriss", "eyeriss_v2", "scnn")
DATAFLOWS = {"eyeriss_v2": "row_stationary"}
SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8)
LOSSES = (0.0, 0.002, 0.005, 0.01, 0.02, 0.04)
LOST = 0.01


class Net:
    """The digits network: trained on three quarters of the training pictures, told how good it is by the last one."""

    def __init__(self, seed: int, epochs: int) -> None:
        self.seed, self.epochs = seed, epochs
        self.pixels, self.labels, self.held = pictures(seed)
        self.images, self.learned = self.pixels * np.float64(PIXEL), self.held * 3 // 4
        own = training.train(self.images[: self.learned], self.labels[: self.learned], seed, epochs)
        self.weights = {name: w.reshape(len(w), -1) for name, w in zip(LAYERS, own, strict=True)}

    def shaped(self, weights: prune.Weights) -> training.Weights:
        """As the network has them."""
        return tuple(weights[name].reshape(shape) for name, shape in zip(LAYERS, training.SHAPES, strict=True))

    def samples(self, weights: prune.Weights, name: str) -> prune.Floats:
        """What the filters of a layer see of the pictures it was trained on."""
        images = self.images[: self.learned]
        first, second, _ = training.activations(images, self.shaped(weights))
        seen = {"CONV1": images, "CONV2": training.pool(first), "FC3": training.pool(second)}[name]
        if name == "FC3":
            return seen.reshape(len(seen), -1)
        return training.taps(seen).transpose(0, 2, 3, 1, 4, 5).reshape(-1, self.weights[name].shape[1])

    def known(self, weights: prune.Weights, first: int, end: int) -> float:
        """Share of some pictures."""
        scores = training.activations(self.images[first:end], self.shaped(weights))[2]
        return float((scores.argmax(axis=1) == self.labels[first:end]).mean())

    def accuracy(self, weights: prune.Weights) -> float:
        """Of the pictures that neither train nor test."""
        return self.known(weights, self.learned, self.held)

    def test(self, weights: prune.Weights) -> float:
        """Of the pictures that are left."""
        return self.known(weights, self.held, len(self.labels))

    def tuned(self, weights: prune.Weights, kept: Mapping[str, prune.Kept]) -> prune.Weights:
        """Trained on for as long as it was trained."""
        rng, masks = np.random.default_rng(self.seed), {name: one.astype(float) for name, one in kept.items()}
        images, labels = self.images[: self.learned], self.labels[: self.learned]
        start, masked = self.shaped(weights), self.shaped(masks)
        found = training.descend(rng, images, labels, start, masked, self.epochs)
        return {name: w.reshape(len(w), -1) for name, w in zip(LAYERS, found, strict=True)}

    def run(self, machine: str, weights: prune.Weights, batch: int = 4) -> Outcome:
        """Real zeros of weights and activations, in 8 bits, on a machine."""
        digits = quantized(self.shaped(weights), self.pixels, self.labels, self.held)
        with tempfile.TemporaryDirectory() as folder:
            for name, arrays in digits.run().items():
                own = {key: (a if key == "filter" else a[:batch]).astype(np.int8) for key, a in arrays.items()}
                np.savez(Path(folder) / f"{name}.npz", **own)
            network = type(digits)(
                digits.pixels[:batch], digits.labels[:batch], digits.filters, digits.scales, 0.0
            ).network
            return simulate(machine, network, DATAFLOWS.get(machine), data=folder)


class Point(NamedTuple):
    """One way to prune, in the mean over splits: energy over that of the whole network, points of accuracy lost."""

    machine: str
    way: str
    knob: float
    energy: float
    lost: float
    density: float


def candidates(
    net: Net, energies: Mapping[str, float], losses: Sequence[float]
) -> Iterator[tuple[str, float, prune.Pruned]]:
    """(way, knob, what is left)."""
    for loss in losses:
        yield "energy-aware", loss, prune.energy_aware(net, energies, SHARES, loss)
    for share in SHARES:
        yield "magnitude", share, prune.by_magnitude(net, share)


def measure(machine: str, splits: int, epochs: int, losses: Sequence[float]) -> list[Point]:
    """Every way on one machine."""
    found: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    for seed in range(splits):
        net = Net(seed, epochs)
        whole = net.run(machine, net.weights)
        energies = {layer.name: layer.energy for layer in whole.layers}
        for way, knob, left in candidates(net, energies, losses):
            energy = net.run(machine, left.weights).total.energy / whole.total.energy
            found.setdefault((way, knob), []).append(
                (energy, net.test(net.weights) - net.test(left.weights), left.density)
            )
    return [Point(machine, *key, *np.mean(values, axis=0).tolist()) for key, values in found.items()]


def best(points: Sequence[Point], machine: str, way: str) -> Point | None:
    """The least energy with less than a point of accuracy lost."""
    able = [one for one in points if one.machine == machine and one.way == way and one.lost < LOST]
    return min(able, key=lambda one: one.energy, default=None)


def main(picture: str = "prune_digits.png", machines: Sequence[str] = MACHINES, splits: int = 3, epochs: int = 20,
         losses: Sequence[float] = LOSSES) -> list[Point]:  # fmt: skip
    """Prune, simulate, draw, and say what each way saves."""
    from matplotlib.figure import Figure

    points = [one for machine in machines for one in measure(machine, splits, epochs, losses)]
    figure = Figure(figsize=(3.5 * len(machines), 3), layout="constrained")
    for axes, machine in zip(np.ravel(figure.subplots(1, len(machines), sharey=True)), machines, strict=True):
        for way, mark in (("energy-aware", "o-"), ("magnitude", "s--")):
            own = sorted((one.energy, 100 * one.lost) for one in points if (one.machine, one.way) == (machine, way))
            axes.plot(*np.transpose(own), mark, label=way, markersize=4)
            found = best(points, machine, way)
            said = f"{1 / found.energy:.2f} times less energy, {found.density:.0%} of weights" if found else "nothing"
            print(f"{machine}, {way}: {said} at under 1 % of accuracy lost")
        axes.set(title=machine, xlabel="energy / whole network", ylim=(-1, 6))
        axes.axhline(100 * LOST, color="0.6", linewidth=0.8)
    figure.axes[0].set_ylabel("accuracy lost (points)")
    figure.axes[0].legend()
    figure.savefig(picture, dpi=150)
    return points


if __name__ == "__main__":
    main()
