"""A network of digits that learns its windows and widths, a machine's cycles in its loss, beside those chosen alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from accelsim.codesign.costs import cost_table
from accelsim.codesign.lookup import Choices, choices_of
from accelsim.codesign.spaces.space import load_space
from accelsim.codesign.superkernel import Choice, Floats, Passing, SuperKernel
from accelsim.sparsity.digits import PIXEL, pictures
from accelsim.sparsity.training import Labels

MACHINE, SPACE = "eyeriss", Path(__file__).with_suffix(".yaml")
PLACES = ((4, 4, 1), (4, 8, 2), (8, 8, 1))  # of each position of the space: channels in and out, stride
KERNELS = tuple(SuperKernel((3, 5), (3 * c, 6 * c), (c, stride) == (m, 1)) for c, m, stride in PLACES)
PRICES = (0.1, 0.2, 0.4, 0.8)  # of the logarithm of cycles, in the loss
ALL = ([0, 1, 2],) * 2


def windows(plane: Floats, size: int, stride: int) -> Floats:
    """[n, rows, columns, channels, size, size] of [n, rows, columns, channels] with zeros around it; a view."""
    edge = (size // 2, size // 2)
    padded = np.pad(plane, ((0, 0), edge, edge, (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]


def back(slopes: Floats, kernel: Floats, shape: Sequence[int], stride: int) -> Floats:
    """The way back through windows of 5 x 5: of each word of a plane the sum over all that saw it."""
    n, rows, columns, channels = shape
    found = np.zeros((n, rows + 4, columns + 4, channels), slopes.dtype)
    for i, j in np.argwhere(kernel.any(axis=2)):
        found[:, i : i + rows : stride, j : j + columns : stride] += slopes * kernel[i, j]
    return found[:, 2:-2, 2:-2]


class Net:
    """Weights: stem; of each position expansion, depthwise kernel, projection, thresholds; classifier."""

    def __init__(self, seed: int, costs: Choices, chosen: Sequence[Choice] = ()) -> None:
        rng, self.costs, self.chosen = np.random.default_rng(seed), costs, chosen
        self.w = [rng.normal(0, 9**-0.5, (9, PLACES[0][0]))]
        for kernel, (c, m, _) in zip(KERNELS, PLACES, strict=True):
            self.w += [rng.normal(0, (2 / c) ** 0.5, (c, 6 * c)), rng.normal(0, 1 / 3, kernel.shape)]
            self.w += [rng.normal(0, (1 / (3 * c)) ** 0.5, (6 * c, m)), np.zeros(len(kernel.parts))]
        self.w.append(rng.normal(0, 0.05, (16 * PLACES[-1][1], 10)))
        self.w = [w.astype(np.float32) for w in self.w]

    def passing(self) -> list[Passing]:
        """What each position lets through: what was chosen, or what the weights say."""
        found = [k.passing(self.w[4 * i + 2], self.w[4 * i + 4]) for i, k in enumerate(KERNELS)]
        chosen = zip(found, KERNELS, self.chosen or found, strict=True)
        return [one._replace(open=k.opened(choice)) for one, k, choice in chosen] if self.chosen else found

    def alpha(self) -> Floats:
        """[position, operation]: what is chosen."""
        found = [k.alpha(one.open) for k, one in zip(KERNELS, self.passing(), strict=True)]
        return np.array([np.pad(one, (0, self.costs.costs.shape[1] - len(one))) for one in found])

    def forward(self, x: Floats, passing: Sequence[Passing]) -> tuple[Floats, list[tuple[Floats, ...]]]:
        """Scores [n, digit]; of the stem and each position what the way back needs."""
        taps = windows(x, 3, 1).reshape(*x.shape[:3], 9)
        z = np.maximum(taps @ self.w[0], 0)
        kept: list[tuple[Floats, ...]] = [(taps, z)]
        for i, (kernel, (_, _, stride)) in enumerate(zip(KERNELS, PLACES, strict=True)):
            wide = np.maximum(z @ self.w[4 * i + 1], 0)
            gated = (self.w[4 * i + 2] * kernel.gate(passing[i].open)).astype(np.float32)
            deep = np.maximum(np.einsum("nyxcij,ijc->nyxc", windows(wide, 5, stride), gated), 0)
            kept.append((z, wide, gated, deep))
            z = deep @ self.w[4 * i + 3] + (z if kernel.skip else 0)
        return z.reshape(len(x), -1) @ self.w[-1], [*kept, (z,)]

    def slopes(self, x: Floats, labels: Labels, price: float) -> list[Floats]:
        """Derivatives of cross entropy + price x log(cycles) by all weights."""
        passing, learns = self.passing(), not self.chosen
        scores, kept = self.forward(x, passing)
        g = np.exp(scores - scores.max(axis=1, keepdims=True))
        g = (g / g.sum(axis=1, keepdims=True) - np.eye(10, dtype=np.float32)[labels]) / len(x)
        by_alpha = price * self.costs.costs / self.costs.latency(self.alpha())
        found, g = [kept[-1][0].reshape(len(x), -1).T @ g], (g @ self.w[-1].T).reshape(kept[-1][0].shape)
        for i, (kernel, (_, _, stride)) in reversed(list(enumerate(zip(KERNELS, PLACES, strict=True)))):
            (z, wide, gated, deep), w = kept[i + 1], self.w[4 * i + 1 : 4 * i + 5]
            by_deep = (g @ w[2].T) * (deep > 0)
            by_gated = np.einsum("nyxcij,nyxc->ijc", windows(wide, 5, stride), by_deep)
            by_wide = back(by_deep, gated, wide.shape, stride) * (wide > 0)
            norms, thresholds = kernel.back(passing[i], w[1], by_gated * w[1], by_alpha[i, : len(kernel.choices)])
            by_kernel = by_gated * kernel.gate(passing[i].open) + learns * norms
            found = [np.tensordot(z, by_wide, ALL), by_kernel, np.tensordot(deep, g, ALL), learns * thresholds, *found]
            g = by_wide @ w[0].T + (g if kernel.skip else 0)
        return [np.tensordot(kept[0][0], g * (kept[0][1] > 0), ALL), *found]

    def trained(self, x: Floats, labels: Labels, epochs: int, price: float = 0.0) -> Net:
        """By Adam, its step falling to zero."""
        rng, means, steps = np.random.default_rng(0), [[0 * w, 0 * w] for w in self.w], epochs * (len(x) // 32)
        for step in range(steps):
            at = rng.integers(len(x), size=32)
            for w, mean, g in zip(self.w, means, self.slopes(x[at], labels[at], price), strict=True):
                mean[0] += 0.1 * (g - mean[0])
                mean[1] += 0.01 * (g * g - mean[1])
                w -= 0.005 * (1 - step / steps) * mean[0] / (np.sqrt(mean[1]) + 1e-8)
        return self


class Point(NamedTuple):
    """How choices came to be, them, cycles, and accuracy on digits that did not train, in the mean over splits."""

    way: str
    chosen: tuple[Choice, ...]
    cycles: float
    accuracy: float


def main(
    picture: str = "single_path_digits.png", splits: int = 3, epochs: int = 10, prices: Sequence[float] = PRICES
) -> list[Point]:
    """Search at each price, train what was found anew, as those chosen alike; tell, draw."""
    from matplotlib.figure import Figure

    space, points, data = load_space(SPACE), [], [pictures(seed) for seed in range(splits)]
    costs = choices_of(cost_table(MACHINE, space, workers=1), space)
    train = [(np.moveaxis(x[:held] * np.float32(PIXEL), 1, 3), labels[:held]) for x, labels, held in data]
    test = [(np.moveaxis(x[held:] * np.float32(PIXEL), 1, 3), labels[held:]) for x, labels, held in data]
    ways = {tuple(k.choices[at] for k in KERNELS): "alike" for at in range(4)}
    for seed, price in product(range(splits), prices):
        found = Net(seed, costs).trained(*train[seed], epochs, price).alpha().argmax(axis=1)
        ways.setdefault(tuple(k.choices[at] for k, at in zip(KERNELS, found, strict=True)), "searched")
    for chosen, way in ways.items():
        nets = [Net(seed, costs, chosen).trained(*train[seed], epochs) for seed in range(splits)]
        known = [(n.forward(x, n.passing())[0].argmax(1) == y).mean() for n, (x, y) in zip(nets, test, strict=True)]
        points.append(Point(way, chosen, float(costs.latency(nets[0].alpha())), float(np.mean(known))))
        print(f"{way}: {chosen}: {points[-1].cycles:,.0f} cycles, {points[-1].accuracy:.1%}")
    figure = Figure(figsize=(3.5, 2.8), layout="constrained")
    axes = figure.subplots()
    for way, mark in (("searched", "o-"), ("alike", "s--")):
        own = sorted((one.cycles, 100 * one.accuracy) for one in points if one.way == way)
        axes.plot(*np.transpose(own), mark, label=way, markersize=4)
    axes.set(xlabel=f"cycles on {MACHINE}", ylabel="accuracy [%]")
    axes.legend()
    figure.savefig(picture, dpi=150)
    return points


if __name__ == "__main__":
    main()
