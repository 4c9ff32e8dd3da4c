"""Layer times of a machine: every layer of a model simulated at sizes of a grid, attention as a fused pair."""

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
from accelsim.serving.bundle import Bundle, Table
from accelsim.serving.models import Model, model_of
from accelsim.simulate import simulate
from accelsim.vector import VectorLayer
from accelsim.workload.problem import Tensor, Width

Progress = Callable[[int, int, str], None]
SOFTMAX = 5
"""Vector operations of a score (docs/layers.md)."""
US, PJ = 1e6, 1e-6
"""us in a s; uJ in a pJ."""
VARIANTS = {8: "int8", 16: "bf16", 32: "fp32"}
TOKENS, SEQUENCES, CONTEXT = 2048, 256, 16384


@dataclass(frozen=True)
class Grid:
    """Sizes that layers are simulated at. A past of 0 stands for a prompt's beginning; 0 decodes for none."""

    tokens: tuple[int, ...]
    sequences: tuple[int, ...]
    chunks: tuple[int, ...]
    pasts: tuple[int, ...]
    decodes: tuple[int, ...]
    contexts: tuple[int, ...]

    @classmethod
    def up_to(cls, tokens: int = TOKENS, sequences: int = SEQUENCES, context: int = CONTEXT) -> Grid:
        """Sizes that double, and contexts four times each other, up to a limit each, which is in."""
        for what, value, least, most in (
            ("tokens", tokens, 2, 2**20), ("sequences", sequences, 1, 2**16), ("context", context, 16, 2**22),
        ):  # fmt: skip
            if not least <= value <= most:
                raise AccelsimError(f"{what} of a table must be from {least:,} to {most:,}, got {value:,}")
        contexts = _steps(16, context, 4)
        decodes = _steps(1, sequences, 4)
        return cls(
            _steps(1, tokens, 2), _steps(1, sequences, 2), _steps(min(16, tokens), tokens, 2), (0, *contexts[1:]),
            (0, *decodes), contexts,
        )  # fmt: skip


def _steps(least: int, most: int, factor: int) -> tuple[int, ...]:
    found = [least]
    while found[-1] * factor < most:
        found.append(found[-1] * factor)
    return tuple(found) if found[-1] == most else (*found, most)


@dataclass(frozen=True)
class Spent:
    """Of attention. busy : cycles of array and vector unit; moved : of level 0. energy : in the unit of its table."""

    busy: int = 0
    moved: int = 0
    energy: Fraction = Fraction(0)

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.busy + other.busy, self.moved + other.moved, self.energy + other.energy)

    def __mul__(self, times: int) -> Spent:
        return Spent(self.busy * times, self.moved * times, self.energy * times)

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

    def costs(self, result: Outcome, name: str) -> tuple[float, float]:
        """(us, uJ) of a layer, what stands while it runs left out of its energy."""
        layers: tuple[LayerResult | VectorLayer, ...] = (*result.layers, *result.vector_layers)
        layer = next(one for one in layers if one.name == name)
        cycles = layer.timing.cycles if isinstance(layer, LayerResult) else layer.cycles
        return self.us(cycles), _moving(layer) * PJ

    def us(self, cycles: int) -> float:
        """Core cycles in time."""
        return cycles * US / float(self.machine.clock_hz)

    def _pair(self, rows: int, keys: int) -> tuple[int, Fraction]:
        """(cycles, energy) of both products with their scores on chip, level 0 left out."""
        result = simulate(self.running, shapes.scores(self.model, rows, keys, self.devices), **self.options)
        outer = self.machine.levels[0].name
        energy = sum(
            (row.energy for layer in result.layers for row in layer.energy_rows if row.component != outer), Fraction(0)
        )
        energy -= sum((standing_of(layer.energy_rows) for layer in result.layers), Fraction(0))
        return sum(layer.timing.processing for layer in result.layers), max(energy, Fraction(0))

    def attention(self, new: int, past: int) -> Spent:
        """A request's: `new` positions after `past` others; what starting the kernel takes is left out."""
        model, heads = self.model, self.model.heads // self.model.kv_heads
        found = fused(new, past, heads, model.head, self.room)
        if found is None:
            raise AccelsimError(
                f"{self.machine.name}: its buffer of {self.room:,} words holds no row and key of heads of {model.head}"
            )
        rows = heads * new
        busy, energy = self.pair(rows, -(-found.scores // rows))
        own = model.kv_heads // self.devices
        operations = own * (SOFTMAX * found.scores + found.rescalings)
        busy += latency(self.machine, Moved(0, 0), operations)[1]
        price = self.table.operation(self.machine.word_bits)
        energy += operations * price if price is not None else 0
        return Spent(busy, self._moved(found, own), energy + self._priced(found, own))

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


def _moving(layer: LayerResult | VectorLayer) -> float:
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


def simulated(
    machine: str | Path | Architecture,
    model: str,
    devices: int = 1,
    parameters: Mapping[str, Any] | None = None,
    grid: Grid | None = None,
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
) -> Bundle:
    """A model's layers on a machine, as a table.

    devices : that share each layer (tensor parallel). grid : of sizes; default: up to 2,048 tokens, 256 requests,
    contexts of 16,384. progress : called with (done, of, what is next). options : of `simulate`, such as `dataflow`.

    Raises
    ------
    AccelsimError : an unknown name, a layer that the machine cannot run.
    """
    grid, options = grid or Grid.up_to(), {"evaluator": "cycle", "objective": "cycles", **(options or {})}
    own = Machine(machine, model_of(model), devices, parameters, options)
    steps = len(grid.tokens) + len(grid.sequences) + len(grid.chunks) * len(grid.pasts) + len(grid.contexts)
    done = 0

    def step(what: str) -> None:
        nonlocal done
        if progress:
            progress(done, steps, what)
        done += 1

    dense: dict[str, dict[int, tuple[float, float]]] = {name: {} for name in own.model.times()}
    for tokens in grid.tokens:
        step(f"{tokens} tokens")
        result = own.run(shapes.dense(own.model, tokens, devices))
        for name, points in dense.items():
            points[tokens] = own.costs(result, name)
    sequences: dict[str, dict[int, tuple[float, float]]] = {"lm_head": {}, "sampler": {}}
    for requests in grid.sequences:
        step(f"{requests} requests")
        result = own.run(shapes.sequences(own.model, requests, devices))
        for name, points in sequences.items():
            points[requests] = own.costs(result, name)
    attention = _attention(own, grid, step)
    times, energies = (
        Table(_column(dense, i), _column(sequences, i), {key: pair[i] for key, pair in attention.items()})
        for i in (0, 1)
    )  # fmt: skip
    return Bundle(
        Path(), own.model, devices, times, energies if own.joules else None, own.standing, grid.tokens[-1],
        grid.sequences[-1], 0.0, own.machine.name, variant_of(own.machine),
    )  # fmt: skip


def _attention(
    own: Machine, grid: Grid, step: Callable[[str], None]
) -> dict[tuple[int, int, int, int], tuple[float, float]]:
    """Prompts and decodes of one iteration are a kernel: it is started once, they run one after the other and share
    level 0.
    """
    prompts: dict[tuple[int, int], Spent] = {(0, 0): Spent()}
    for chunk in grid.chunks:
        for past in grid.pasts:
            step(f"attention of {chunk} tokens after {past}")
            prompts[chunk, past] = own.attention(chunk, past)
    decodes: dict[tuple[int, int], Spent] = {}
    for context in grid.contexts:
        step(f"attention of a token after {context}")
        one = own.attention(1, context)
        for count in grid.decodes:
            decodes[(count, context) if count else (0, 0)] = one * count
    found = {}
    for (chunk, past), prompt in prompts.items():
        for (count, context), decode in decodes.items():
            if chunk or count:
                both = prompt + decode
                time = own.us(own.machine.launch + both.cycles)
                found[chunk, past, count, context] = time, float(both.energy) * PJ
    return found


def _column(layers: Mapping[str, Mapping[int, tuple[float, float]]], i: int) -> dict[str, dict[int, float]]:
    return {name: {at: pair[i] for at, pair in points.items()} for name, points in layers.items()}
