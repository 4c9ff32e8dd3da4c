"""What layers of a language model cost on the cores of a package, each layer split over them (docs/cores.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from math import ceil
from typing import Any

from accelsim.errors import AccelsimError, nearest
from accelsim.outcome import standing_of
from accelsim.package.costs import Costs
from accelsim.package.events import carried_out
from accelsim.package.flow import ZERO, Entry, Schedule
from accelsim.package.layerwise import Group
from accelsim.package.model import Core, Package
from accelsim.package.phases import Phases, at_memory, entry
from accelsim.package.running import check_splits, groups_of
from accelsim.package.split import blocks
from accelsim.serving import shapes
from accelsim.serving.machine import PJ, US, Machine, Shape, Spent, moving, variant_of
from accelsim.serving.models import Model
from accelsim.vector import VectorLayer, vector_layers
from accelsim.workload.problem import Tensor, Width

ATTENTION = "attention"
MANY = 2**20
"""Tokens of the largest iteration that a table may hold."""


class Cores:
    """A package and what a model's layers cost on it, one layer after another on all of its cores.

    Products with weights are split as `accelsim run PACKAGE` splits them, by the file's `split` or by the best one.
    What moves words beside them is split by tokens (or requests), attention by heads of keys and values, one block for
    each core (rule C2). Ways to memory are shared (C7); `sync` comes after each layer that several cores have.
    """

    def __init__(self, package: Package, model: Model, devices: int, options: Mapping[str, Any]) -> None:
        self.package, self.model, self.devices, self.options = package, model, devices, dict(options)
        shapes.shared(model, devices)
        self.machines: dict[str, Machine] = {}
        for core in package.cores:
            if core.group not in self.machines:
                self.machines[core.group] = Machine(at_memory(package, core), model, devices, None, options)
        variants = sorted({variant_of(core.machine) for core in package.cores})
        if len(variants) > 1:
            raise AccelsimError(
                f"package '{package.name}': cores: a table is of words of one width, these have {', '.join(variants)}"
            )
        if len({own.table.unit for own in self.machines.values()}) > 1:
            raise AccelsimError(f"package '{package.name}': cores: their tables of energies have different units")
        self._check_splits()

    def _check_splits(self) -> None:
        """Refuse what no layer is split by, more parts than cores, and parts that are empty at any size."""
        known, package = list(self.model.products()), self.package
        for glob in package.split:
            if not any(fnmatchcase(name, glob) for name in known):
                raise AccelsimError(
                    f"package '{package.name}': split: {glob}: no layer of {self.model.name} is split so"
                    f"{nearest(glob, known)}"
                )
        networks = (shape(self.model, MANY, self.devices) for shape in (shapes.dense, shapes.sequences))
        check_splits(package, tuple(layer for network in networks for layer in network.layers))

    @property
    def name(self) -> str:
        """Of the package."""
        return self.package.name

    @property
    def variant(self) -> str:
        """How tables call words of its cores' width."""
        return variant_of(self.package.cores[0].machine)

    @property
    def count(self) -> int:
        """Cores that share a layer."""
        return len(self.package.cores)

    @property
    def joules(self) -> bool:
        """Whether energies are pJ, and not in those of a MAC."""
        return all(own.joules for own in self.machines.values())

    @property
    def standing(self) -> float:
        """W that all cores take while they are on (C13)."""
        return sum(self.machines[core.group].standing for core in self.package.cores)

    def layers(self, shape: Shape, size: int) -> dict[str, tuple[float, float]]:
        """(us, uJ) of all layers of a shape at so many tokens (or requests), by name."""
        network = shape(self.model, size, self.devices)
        groups = groups_of(Costs(self.package, network, self.options), tuple(range(self.count)))
        found = {group.layer.name: self._product(group) for group in groups}
        spans = [last - first for first, last in blocks(size, self.count)]
        parts = [self._vectors(core, shape, own) for core, own in zip(self.package.cores, spans, strict=False)]
        for name in parts[0]:
            found[name] = self._vector([own[name] for own in parts])
        return found

    def _us(self, cycles: Fraction, several: bool) -> float:
        """Cycles of the package in time: with the hand-over between cores, rounded up once."""
        return ceil(cycles + (self.package.sync if several else ZERO)) * US / float(self.package.clock)

    def _product(self, group: Group) -> tuple[float, float]:
        energy = group.link_energy
        for one in group.placed:
            if one.costed:
                rows = one.costed.layer.energy_rows
                energy += one.costed.layer.energy_exact - standing_of(rows)
        return self._us(group.cycles, len({one.core for one in group.placed}) > 1), float(energy) * PJ

    def _vectors(self, core: Core, shape: Shape, size: int) -> dict[str, VectorLayer]:
        """What a core does of the layers without MACs, at its own number of tokens."""
        own = self.machines[core.group]
        network = shape(self.model, size, self.devices)
        return {one.name: one for one in vector_layers(own.machine, network, network.layers, own.table, {})}

    def _vector(self, parts: Sequence[VectorLayer]) -> tuple[float, float]:
        """Of one layer without MACs, its parts on the first cores."""
        entries, energy = [], ZERO
        for core, one in zip(self.package.cores, parts, strict=False):
            machine = self.machines[core.group].machine
            bits = one.reads * machine.widths[Width.IFMAP], one.writes * machine.widths[Width.OFMAP]
            networks = machine.levels[0].fanout.network
            late = (
                Fraction(networks(Tensor.IFMAP).latency if one.reads else 0),
                Fraction(networks(Tensor.PSUM).latency if one.writes else 0),
            )
            found = Phases(one.cycles, ZERO, ZERO, Fraction(bits[0]), Fraction(bits[1]), late)
            entries.append(entry(self.package, core, found, one.name))
            energy += sum(bits) * self.package.path(core).energy
        return self._us(self._together(entries), len(entries) > 1), (float(energy) + sum(map(moving, parts))) * PJ

    def shares(self, new: int, past: int) -> tuple[Spent, ...]:
        """Attention of a request on each core, those without heads idle."""
        heads = [last - first for first, last in blocks(self.model.kv_heads // self.devices, self.count)]
        heads += [0] * (self.count - len(heads))
        return tuple(
            self.machines[core.group].attention(new, past, own) if own else Spent()
            for core, own in zip(self.package.cores, heads, strict=True)
        )

    def took(self, spent: tuple[Spent, ...]) -> tuple[float, float]:
        """(us, uJ) of attention, started once on each core: its words cross its own way to memory while it computes."""
        entries, energy, ways = [], ZERO, ZERO
        for core, one in zip(self.package.cores, spent, strict=True):
            if one.cycles:
                cycles = one.cycles + self.machines[core.group].machine.launch
                found = Phases(cycles, ZERO, ZERO, Fraction(one.reads), Fraction(one.writes), (ZERO, ZERO))
                entries.append(entry(self.package, core, found, ATTENTION))
                energy += one.energy
                ways += (one.reads + one.writes) * self.package.path(core).energy
        return self._us(self._together(entries), len(entries) > 1), float(energy + ways) * PJ

    def _together(self, entries: Sequence[Entry]) -> Fraction:
        """Cycles of one entry for each of some cores, all begun at once."""
        lists, slots = tuple((index,) for index in range(len(entries))), max(self.package.slots, 2)
        return carried_out(Schedule(tuple(entries), lists, self.package.capacities, slots)).makespan
