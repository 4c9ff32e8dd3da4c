"""Layers without MACs, pooling above all: what a machine takes for their words and operations.

Nothing is mapped for them (docs/model.md, "Vector operations"), so their time and energy are sums of few terms: a
constant, words read, words written, operations. Least squares of the relative error find the prices; where ports or
lanes take turns in binding, the error on held-out layers says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from accelsim.codesign.predict.polynomial import Polynomial
from accelsim.codesign.predict.reading import floats
from accelsim.codesign.predict.terms import ONE, Floats, Terms
from accelsim.workload.network import Layer, Network, Shape

if TYPE_CHECKING:
    from accelsim.jobs import Plan

NUMBERS = ("reads", "writes", "operations")
"""Of one run of a layer on the whole batch."""
TERMS = Terms((ONE, *NUMBERS), NUMBERS)


@dataclass(frozen=True)
class Pooling:
    """Prices of layers without MACs. runtime : None where the machine takes no time for them.

    ranges : (least, most) of each number that was drawn. errors : RMSPE on held-out layers.
    """

    runtime: Polynomial | None
    energy: Polynomial
    ranges: Mapping[str, tuple[float, float]]
    errors: Mapping[str, float]

    def costs(self, numbers: Floats) -> tuple[Floats, Floats]:
        """(ms, energy) of each layer, none below 0: float64[layer] from float64[layer, reads writes operations]."""
        ms = self.runtime.values(numbers) if self.runtime else np.zeros(len(numbers))
        return np.maximum(ms, 0.0), np.maximum(self.energy.values(numbers), 0.0)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "errors": dict(self.errors),
            "ranges": {name: list(pair) for name, pair in self.ranges.items()},
            "runtime": self.runtime.to_dict() if self.runtime else None,
            "energy": self.energy.to_dict(),
        }

    @staticmethod
    def of(data: Mapping[str, Any]) -> Pooling:
        """The inverse of `to_dict`. KeyError, TypeError, ValueError or AccelsimError if it is none."""
        pairs = {name: floats(data["ranges"][name], 2) for name in NUMBERS}
        ranges = {name: (float(low), float(high)) for name, (low, high) in pairs.items()}
        runtime = None if data["runtime"] is None else Polynomial.of(data["runtime"], NUMBERS)
        return Pooling(runtime, Polynomial.of(data["energy"], NUMBERS), ranges, dict(data["errors"]))


def numbers_of(network: Network, layers: Sequence[Layer]) -> tuple[list[Layer], Floats]:
    """The layers of a network that move or compute words beside MACs, and their numbers."""
    found, numbers = [], []
    for layer in layers:
        reads, writes = network.traffic(layer)
        beside = layer.problem is None or layer.vector_ops
        if beside and (reads or writes or layer.vector_ops):
            found.append(layer)
            numbers.append([network.batch * one for one in (reads, writes, layer.vector_ops)])
    return found, np.array(numbers, np.float64).reshape(len(found), len(NUMBERS))


def drawn(count: int, seed: int) -> Network:
    """Pools of windows of 2 or 3 (two of three) and layers that go word by word, of one input or two."""
    rng = np.random.default_rng([seed, len(NUMBERS)])
    layers = []
    for at in range(count):
        side, channels = (round(float(np.exp(rng.uniform(log(low), log(high))))) for low, high in ((4, 256), (8, 2048)))
        batch = 1 if rng.random() < 0.5 else int(rng.integers(2, 17))
        kernel, step = int(rng.integers(2, 4)), int(rng.integers(1, 3))
        arriving = batch * channels * side * side
        if rng.random() < 2 / 3:
            leaving = batch * channels * ((side - kernel) // step + 1) ** 2
            moves, operations = (arriving, leaving), leaving * (kernel * kernel - 1)
        else:
            inputs = int(rng.integers(1, 3))
            moves, operations = (inputs * arriving, arriving), arriving
        layers.append(Layer(f"{at}", "maxpool", (), Shape(1), vector_ops=operations, moves=moves))
    return Network("drawn", tuple(layers))


def fit_pooling(plan: Plan, count: int, seed: int, held_out: float) -> Pooling:
    """The prices on the machine of a plan, at its table and widths, from layers drawn and carried out."""
    from accelsim.vector import vector_layers
    from accelsim.workload.precision import checked

    network = drawn(count, seed)
    _, numbers = numbers_of(network, network.layers)
    carried = vector_layers(plan.machine, network, network.layers, plan.table, checked(plan.ran.bits))
    ms = np.array([1e3 * layer.cycles / float(plan.machine.clock_hz) for layer in carried])
    energy = np.array([layer.energy for layer in carried])
    last = round(count * (1 - held_out))
    pairs = zip(NUMBERS, numbers[:last].T, strict=True)
    ranges = {name: (float(column.min()), float(column.max())) for name, column in pairs}
    models, errors = {}, {}
    for name, target in (("runtime", ms), ("energy", energy)):
        if (target > 0).all():
            models[name] = _prices(numbers[:last], target[:last])
            off = models[name].values(numbers[last:]) / target[last:] - 1
            errors[name] = round(float(np.sqrt((off**2).mean())), 6)
    free = Polynomial(TERMS, np.zeros(len(TERMS.texts)))
    return Pooling(models.get("runtime"), models.get("energy", free), ranges, errors)


def _prices(numbers: Floats, target: Floats) -> Polynomial:
    columns = TERMS.values(numbers) / target[:, None]
    scale = np.abs(columns).max(0)
    weights = np.linalg.lstsq(columns / scale, np.ones(len(target)), rcond=1e-12)[0] / scale
    return Polynomial(TERMS, np.asarray(weights, np.float64))
