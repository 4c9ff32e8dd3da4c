"""What layers of a language model cost on one machine: time and energy, attention as a fused pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.floor import access
from accelsim.energy.load import table_for
from accelsim.energy.standing import standing_rows
from accelsim.energy.table import EnergyTable
from accelsim.engine.vector import Moved, latency
from accelsim.errors import AccelsimError
from accelsim.outcome import LayerResult, Outcome, standing_of
from accelsim.serving import shapes
from accelsim.serving.attention import Fused, fused
from accelsim.serving.models import Model
from accelsim.simulate import simulate
from accelsim.vector import VectorLayer
from accelsim.workload.network import Network
from accelsim.workload.problem import Tensor, Width

Shape = Callable[[Model, int, int], Network]
"""Layers of a model at a number of tokens (or requests), on one of some devices."""
SOFTMAX = 5
"""Vector operations of a score (docs/layers.md)."""
US, PJ = 1e6, 1e-6
"""us in a s; uJ in a pJ."""
VARIANTS = {8: "int8", 16: "bf16", 32: "fp32"}


@dataclass(frozen=True)
class Spent:
    """Of attention. busy : cycles of array and vector unit; moved : of level 0. energy : in the unit of its table.

    reads, writes : bits of level 0.
    """

    busy: int = 0
    moved: int = 0
    energy: Fraction = Fraction(0)
    reads: int = 0
    writes: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.busy + other.busy, self.moved + other.moved, self.energy + other.energy, self.reads + other.reads,
            self.writes + other.writes,
        )  # fmt: skip

    def __mul__(self, times: int) -> Spent:
        return Spent(
            self.busy * times, self.moved * times, self.energy * times, self.reads * times, self.writes * times
        )

    @property
    def cycles(self) -> int:
        """What moves does so beside what computes; the longer one counts."""
        return max(self.busy, self.moved)


class Machine:
    """A machine and what a model's layers cost on it. Layers are simulated with `options` of `simulate`.

    running : the machine once a kernel has started: what takes part in one is not started by itself.
    """

    def __init__(
        self, name: str | Path | Architecture, model: Model, devices: int, parameters: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.model, self.devices, self.options = model, devices, dict(options)
        self.machine = name if isinstance(name, Architecture) else load_architecture(name, dict(parameters or {}))
        self.table: EnergyTable = table_for(self.machine, options.get("energy"), options.get("node"))
        shapes.shared(model, devices)
        self.running = replace(self.machine, before=self.machine.before - self.machine.launch, launch=0)
        self.room = _room(self.machine)
        self.pair = cache(self._pair)

    def run(self, network: Any) -> Outcome:
        """Simulate all layers of a network, each started by itself."""
        return simulate(self.machine, network, **self.options)

    @property
    def name(self) -> str:
        """Of the machine."""
        return self.machine.name

    @property
    def variant(self) -> str:
        """How tables call words of its width."""
        return variant_of(self.machine)

    def layers(self, shape: Shape, size: int) -> dict[str, tuple[float, float]]:
        """(us, uJ) of all layers of a shape, by name."""
        network = shape(self.model, size, self.devices)
        result = self.run(network)
        return {layer.name: self.costs(result, layer.name) for layer in network.layers}

    def costs(self, result: Outcome, name: str) -> tuple[float, float]:
        """(us, uJ) of a layer, what stands while it runs left out of its energy."""
        layers: tuple[LayerResult | VectorLayer, ...] = (*result.layers, *result.vector_layers)
        layer = next(one for one in layers if one.name == name)
        cycles = layer.timing.cycles if isinstance(layer, LayerResult) else layer.cycles
        return self.us(cycles), moving(layer) * PJ

    def us(self, cycles: int) -> float:
        """Core cycles in time."""
        return cycles * US / float(self.machine.clock_hz)

    def _pair(self, rows: int, keys: int, own: int) -> tuple[int, Fraction]:
        """(cycles, energy) of both products with their scores on chip, level 0 left out."""
        result = simulate(self.running, shapes.scores(self.model, rows, keys, own), **self.options)
        outer = self.machine.levels[0].name
        energy = sum(
            (row.energy for layer in result.layers for row in layer.energy_rows if row.component != outer), Fraction(0)
        )
        energy -= sum((standing_of(layer.energy_rows) for layer in result.layers), Fraction(0))
        return sum(layer.timing.processing for layer in result.layers), max(energy, Fraction(0))

    @property
    def kv_heads(self) -> int:
        """Of keys and values, that are this device's."""
        return self.model.kv_heads // self.devices

    count = 1
    """Cores that share a layer."""

    def shares(self, new: int, past: int) -> tuple[Spent, ...]:
        """Attention of a request, on each core."""
        return (self.attention(new, past),)

    def took(self, spent: tuple[Spent, ...]) -> tuple[float, float]:
        """(us, uJ) of attention, a kernel that is started once."""
        return self.us(self.machine.launch + spent[0].cycles), float(spent[0].energy) * PJ

    def attention(self, new: int, past: int, own: int = 0) -> Spent:
        """A request's: `new` positions after `past` others; what starting the kernel takes is left out.

        own : heads of keys and values; 0: all of the device's.
        """
        model, heads, own = self.model, self.model.heads // self.model.kv_heads, own or self.kv_heads
        found = fused(new, past, heads, model.head, self.room)
        if found is None:
            raise AccelsimError(
                f"{self.machine.name}: its buffer of {self.room:,} words holds no row and key of heads of {model.head}"
            )
        rows = heads * new
        busy, energy = self.pair(rows, -(-found.scores // rows), own)
        operations = own * (SOFTMAX * found.scores + found.rescalings)
        busy += latency(self.machine, Moved(0, 0), operations)[1]
        price = self.table.operation(self.machine.word_bits)
        energy += operations * price if price is not None else 0
        widths = self.machine.widths
        reads = own * (found.queries * widths[Width.IFMAP] + found.keys * widths[Width.FILTER])
        writes = own * found.outputs * widths[Width.OFMAP]
        return Spent(busy, self._moved(found, own), energy + self._priced(found, own), reads, writes)

    def _moved(self, found: Fused, groups: int) -> int:
        """Cycles of level 0's ports: queries come as ifmaps, keys and values as filters, outputs leave as ofmaps."""
        rows = latency(self.machine, Moved(groups * found.queries, groups * found.outputs), 0)[0]
        keys = latency(self.machine, Moved(groups * found.keys, 0), 0, weights=True)[0]
        return rows + keys if self.machine.levels[0].shared_port else max(rows, keys)

    def _priced(self, found: Fused, groups: int) -> Fraction:
        outer, widths = self.machine.levels[0], self.machine.widths
        return sum(
            (
                groups * words * access(self.machine, self.table, outer, action, widths[width], tensor)
                for words, action, width, tensor in (
                    (found.queries, "read", Width.IFMAP, Tensor.IFMAP),
                    (found.keys, "read", Width.FILTER, Tensor.FILTER),
                    (found.outputs, "update", Width.OFMAP, Tensor.PSUM),
                )
            ),
            Fraction(0),
        )  # fmt: skip

    @property
    def joules(self) -> bool:
        """Whether energies are pJ, and not in those of a MAC."""
        return self.table.unit == "pJ"

    @property
    def standing(self) -> float:
        """W that the machine takes while it is on."""
        if not self.joules:
            return 0.0
        cycles = 10**6
        energy = sum((row.energy for row in standing_rows(self.machine, self.table, cycles)), Fraction(0))
        return float(energy) * 1e-12 / (cycles / float(self.machine.clock_hz))


def moving(layer: LayerResult | VectorLayer) -> float:
    """Energy of a layer without what stands while it runs."""
    return float(layer.energy_exact - standing_of(layer.energy_rows))


def variant_of(machine: Architecture) -> str:
    """How tables call words of its width."""
    bits = machine.widths[Width.IFMAP]
    return VARIANTS.get(bits, f"int{bits}")


def _room(machine: Architecture) -> int | None:
    """Words of the buffer below level 0, of an ifmap's width; None: unbounded, or there is none."""
    if len(machine.levels) < 2 or not machine.levels[1].capacity:
        return None
    bits = sum(part.bits for part in machine.levels[1].capacity)
    return bits // machine.widths[Width.IFMAP]
