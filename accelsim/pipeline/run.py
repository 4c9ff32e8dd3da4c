"""A network as a pipeline: what share of a machine each layer has, and what comes out in a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.architecture.precision import with_bits
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.efficiency import Efficiency
from accelsim.energy.floor import floor_of
from accelsim.energy.load import table_for
from accelsim.energy.rows import EnergyRow
from accelsim.energy.standing import standing_rows
from accelsim.energy.table import EnergyTable, show_bytes
from accelsim.engine import evaluate
from accelsim.engine.counts import Counts
from accelsim.errors import MappingError
from accelsim.mapping.dataflows.dataflow import load
from accelsim.mapping.mapping import LoopNest
from accelsim.networks import network_from
from accelsim.pipeline.resident import Resident, arrays, held, nest, resident
from accelsim.pipeline.share import Choice, choices, shared
from accelsim.workload.network import RECURRENT, Layer
from accelsim.workload.problem import Problem


@dataclass(frozen=True)
class Stage:
    """One layer on its share.

    machine : with words of the layer's bits. units : arrays it has, copies included. copies : of its weights.
    cycles : of a batch. nest, counts : of one of its repeats. held : bits above the units, of each part there.
    """

    layer: Layer
    machine: Architecture
    units: int
    copies: int
    cycles: int
    nest: LoopNest
    counts: Counts
    held: tuple[int, ...]


@dataclass(frozen=True)
class Pipelined:
    """A machine with all layers of a network on it. units : arrays it has. batch : images of one interval."""

    machine: Architecture
    table: EnergyTable
    stages: tuple[Stage, ...]
    units: int
    batch: int

    @property
    def interval(self) -> int:
        """Core cycles between two batches: those of the slowest stage."""
        return max(stage.cycles for stage in self.stages)

    @property
    def used(self) -> int:
        """Units that some layer has."""
        return sum(stage.units for stage in self.stages)

    @property
    def seconds(self) -> float:
        """Between two batches."""
        return self.interval / float(self.machine.clock_hz)

    @property
    def images_per_second(self) -> float:
        """Once the pipeline is full."""
        return self.batch / self.seconds

    @cached_property
    def energy_rows(self) -> tuple[EnergyRow, ...]:
        """Of one batch: what each stage does, and what stands for one interval."""
        found: list[EnergyRow] = []
        for stage in self.stages:
            rows = account(stage.machine, stage.counts, self.table, 0, "", stage.nest)
            times = stage.layer.repeat
            found += (replace(row, count=times * row.count, energy=times * row.energy) for row in rows)
        return (*found, *standing_rows(self.machine, self.table, self.interval))

    @property
    def efficiency(self) -> Efficiency | None:
        """Power, operations over it and over area; None for relative energies."""
        if self.table.unit != "pJ":
            return None
        area: Fraction | None = None
        if self.table.prices_parts:
            floor = floor_of(self.machine, self.table)
            area = None if floor.missing else floor.area
        macs = sum(stage.layer.macs for stage in self.stages)
        return Efficiency.of(self.energy_rows, self.machine.levels[0].name, macs, self.seconds, area)


def pipelined(
    architecture: str | Path | Architecture,
    workload: object,
    batch: int = 1,
    layers: str = "*",
    parameters: Mapping[str, Any] | None = None,
    energy: str | Path | EnergyTable | None = None,
) -> Pipelined:
    """Give each layer a share of the arrays and copies of its weights, so that most images a second come out.

    Weights stay: a layer has as many arrays as its weights fill, or a multiple of them, each copy with a part of the
    outputs. A layer that repeats has its arrays once for each, but for the time steps of a recurrent one, which share
    them. Layers without MACs, and what lies between layers, take no time.

    parameters : of the machine. Raises MappingError where the weights do not fit on the machine.
    """
    machine = load_architecture(architecture, parameters) if isinstance(architecture, str | Path) else architecture
    network = network_from(workload, batch)
    chosen = [layer for layer in network.select(layers) if layer.problem is not None]
    table = table_for(machine, energy)
    above, _ = arrays(machine)
    most = above.fanout.x
    if not chosen:
        raise MappingError(f"no layer of '{network.name}' that is chosen multiplies, so nothing can be shared out")
    sized = [(layer, *_sized(machine, layer)) for layer in chosen]
    ways = []
    for layer, _, problem, how in sized:
        steps, apart = (layer.repeat, 1) if layer.op in RECURRENT else (1, layer.repeat)
        ways.append(choices(apart * how.size, problem["P"], problem["Q"], steps * problem["N"] * how.cycles, most))
    found = shared(ways, [layer.name for layer in chosen], most)
    stages = [
        _stage(own, layer, problem, nest(own, problem, how, choice.rows, choice.columns), choice)
        for (layer, own, problem, how), choice in zip(sized, found, strict=True)
    ]
    _refuse_crowded(stages)
    return Pipelined(machine, table, tuple(stages), most, batch)


def _refuse_crowded(stages: Sequence[Stage]) -> None:
    """Raise MappingError where what all layers hold above the units does not fit there together."""
    above = arrays(stages[0].machine)[0]
    demands = [[stage.layer.repeat * bits for bits in stage.held] for stage in stages]
    for index, part in enumerate(above.capacity):
        needed = sum(demand[index] for demand in demands)
        if needed > part.bits:
            most = max(range(len(stages)), key=lambda stage: demands[stage][index])
            raise MappingError(
                f"{above.name}: the layers together hold {show_bytes(needed)} there, it has {show_bytes(part.bits)}; "
                f"the most is that of '{stages[most].layer.name}'; take more of it, or fewer layers (layers)"
            )


def _sized(machine: Architecture, layer: Layer) -> tuple[Architecture, Problem, Resident]:
    if not layer.weights:
        raise MappingError(f"layer '{layer.name}' multiplies two feature maps: it has no weights that could stay")
    own = with_bits(machine, layer.bits)
    assert layer.problem is not None
    problem = own.lower(layer.problem)
    return own, problem, resident(own, problem, load(own.dataflow))


def _stage(machine: Architecture, layer: Layer, problem: Problem, how: LoopNest, choice: Choice) -> Stage:
    """Evaluated in closed form, for one of its repeats."""
    try:
        counts, timing = evaluate(machine, how, problem, "analytical")
    except MappingError as error:
        raise MappingError(f"layer '{layer.name}': {error}") from None
    steps = layer.repeat if layer.op in RECURRENT else 1
    return Stage(
        layer, machine, choice.units, choice.rows * choice.columns, steps * timing.cycles, how, counts,
        held(machine, how, problem),
    )  # fmt: skip
