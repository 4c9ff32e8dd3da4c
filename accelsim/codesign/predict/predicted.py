"""What a model says of a network: its layers, their sum, and what of it should not be relied on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelsim.codesign.predict.kinds import describe
from accelsim.codesign.predict.model import Model
from accelsim.codesign.predict.pooling import numbers_of
from accelsim.codesign.predict.tiles import filled
from accelsim.errors import AccelsimError
from accelsim.workload.network import Layer, Network

HALF = 0.5
"""Multipliers that have work in the mean step, below which a polynomial may meet an edge."""


@dataclass(frozen=True)
class LayerPrediction:
    """One layer, run once; totals multiply by `repeat`.

    energy : in the unit `Model.unit`. filled : share of the multipliers that have work in the mean step.
    outside : what of it the model was not fitted on.
    """

    name: str
    kind: str
    macs: int
    ms: float
    energy: float
    filled: float
    repeat: int = 1
    outside: tuple[str, ...] = ()

    @property
    def power(self) -> float:
        """Energy per ms."""
        return self.energy / self.ms if self.ms else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        found: dict[str, Any] = {
            "name": self.name, "type": self.kind, "repeat": self.repeat, "macs": self.macs, "ms": self.ms,
            "power": self.power, "energy": self.energy, "filled": self.filled,
        }  # fmt: skip
        return {**found, "outside": list(self.outside)} if self.outside else found


@dataclass(frozen=True, repr=False)
class Prediction:
    """A network on the model's machine.

    beside : layers without MACs, and what others do beside MACs; as of a run they are in no total but `beside_ms` and
    `beside_energy`.
    """

    model: Model
    network: str
    batch: int
    layers: tuple[LayerPrediction, ...]
    beside: tuple[LayerPrediction, ...] = ()

    def __repr__(self) -> str:
        return f"<{self.network} on {self.model.machine['name']}, predicted: {self.ms:.6g} ms>"

    @property
    def ms(self) -> float:
        """Sum over layers."""
        return sum(layer.ms * layer.repeat for layer in self.layers)

    @property
    def energy(self) -> float:
        """Sum over layers, in the unit `Model.unit`."""
        return sum(layer.energy * layer.repeat for layer in self.layers)

    @property
    def power(self) -> float:
        """Energy over time, per ms."""
        return self.energy / self.ms

    @property
    def beside_ms(self) -> float:
        """Sum over what is done beside MACs; 0 where the machine takes no time for it."""
        return sum(layer.ms * layer.repeat for layer in self.beside)

    @property
    def beside_energy(self) -> float:
        """Sum over the same."""
        return sum(layer.energy * layer.repeat for layer in self.beside)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line for each layer outside of what the model was fitted on."""
        return tuple(
            f"layer '{layer.name}' ({layer.kind.replace('_', ' ')}): {', '.join(layer.outside)}"
            for layer in (*self.layers, *self.beside)
            if layer.outside
        )

    @property
    def on_edges(self) -> tuple[LayerPrediction, ...]:
        """Layers that leave most of the arrays idle, where a polynomial cannot follow the machine's steps."""
        if self.model.kind != "polynomial":
            return ()
        return tuple(layer for layer in self.layers if layer.filled < HALF)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "machine": dict(self.model.machine),
            "kind": self.model.kind,
            "workload": self.network,
            "batch": self.batch,
            "energy_unit": self.model.unit,
            "layers": [layer.to_dict() for layer in self.layers],
            "total": {"ms": self.ms, "power": self.power, "energy": self.energy},
            "layers_without_macs": [layer.to_dict() for layer in self.beside],
            "total_without_macs": {"ms": self.beside_ms, "energy": self.beside_energy},
            "warnings": list(self.warnings),
            "on_edges": [layer.name for layer in self.on_edges],
        }


def predict(
    model: Model,
    workload: str | Path | Network,
    batch: int = 1,
    layers: str = "*",
    strict: bool = False,
    parameters: dict[str, Any] | None = None,
    dims: dict[str, Any] | None = None,
) -> Prediction:
    """What a network takes on the model's machine.

    layers : globs, with commas between them. strict : refuse what lies outside of what the model was fitted on.

    Raises AccelsimError for a network that cannot be read or has a type of layers that was not fitted; `strict`: with a
    line for each layer outside.
    """
    from accelsim.networks import network_from

    network = network_from(workload, batch, parameters, dims)
    chosen = network.select(layers)
    multiplying = [layer for layer in chosen if layer.problem]
    found = Prediction(model, network.name, network.batch, _layers(model, multiplying), _beside(model, network, chosen))
    if not found.layers:
        raise AccelsimError(f"network '{network.name}': no layer that fits '{layers}' has MACs to predict")
    if strict and found.warnings:
        raise AccelsimError("\n".join(f"{line}; --strict refuses it" for line in found.warnings))
    return found


def _layers(model: Model, layers: list[Layer]) -> tuple[LayerPrediction, ...]:
    told = [describe(layer.problem) for layer in layers if layer.problem]
    costs = model.costs(told)
    found = []
    for at, (layer, one) in enumerate(zip(layers, told, strict=True)):
        outside = model.outside(one)
        widths = {str(name): bits for name, bits in layer.bits.items()}
        if widths:
            outside.append(f"bits of its own ({', '.join(f'{name} {bits}' for name, bits in widths.items())})")
        numbers = float(costs.ms[at]), float(costs.energy[at]), filled(one, model.arrays)
        found.append(
            LayerPrediction(layer.name, one.kind, int(one.physical[0]), *numbers, layer.repeat, tuple(outside))
        )
    return tuple(found)


def _beside(model: Model, network: Network, layers: Sequence[Layer]) -> tuple[LayerPrediction, ...]:
    own, numbers = numbers_of(network, layers)
    costs = model.pooling.costs(numbers)
    found = []
    for layer, row, ms, energy in zip(own, numbers.tolist(), *(cost.tolist() for cost in costs), strict=True):
        outside = tuple(
            f"{name} {value:,.6g} is outside {low:,.6g} to {high:,.6g}"
            for (name, (low, high)), value in zip(model.pooling.ranges.items(), row, strict=True)
            if not low <= value <= high and value
        )
        found.append(LayerPrediction(layer.name, layer.op, 0, ms, energy, 0.0, layer.repeat, outside))
    return tuple(found)
