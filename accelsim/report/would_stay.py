"""What tensors that stay on the chip would save of a run without a plan: under the mappings that it ran (R2), at least.

Tensors are taken one after another, those that save most for their room first, where there is room beside all tiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.architecture.precision import with_bits
from accelsim.mapping.mapping import demands
from accelsim.mapping.plan.living import Between, homes_of, partition_of
from accelsim.mapping.plan.plan import Home, Plan
from accelsim.mapping.plan.tensors import Living, operand, why_not_at_home
from accelsim.outcome import LayerResult, Outcome
from accelsim.workload.network import Layer
from accelsim.workload.precision import checked
from accelsim.workload.problem import TENSORS, Tensor, Width

IFMAP, FILTER, PSUM = (TENSORS.index(tensor) for tensor in (Tensor.IFMAP, Tensor.FILTER, Tensor.PSUM))
MOST = 2000
"""Layers of a network at most: of more it would take longer than is worth it."""


@dataclass(frozen=True)
class WouldStay:
    """home : the level. resident : tensors that stay there. saved, words : of the outermost level, of all it moves."""

    home: str
    resident: Mapping[str, Home] = field(hash=False)
    saved: int
    words: int


class _Candidate(NamedTuple):
    name: str
    saved: int
    bits: int
    first: int
    last: int
    more: int  # bits while the layer that makes it runs: sums in progress are wider


def would_stay(result: Outcome) -> WouldStay | None:
    """Of a dense run without a plan, where tensors can stay; None where that cannot be said, or none can."""
    ran, machine = result.ran, result.architecture
    told = ran and not (ran.plan or result.failures or result.operands or result.energy_table.accounting)
    if not told or not result.layers or machine.cartesian or len(result.layers) > MOST:
        return None
    assert ran is not None
    homes = homes_of(machine)
    if not homes:
        return None
    given = checked(ran.bits)
    sized = (lambda layer: with_bits(machine, {**layer.bits, **given})) if given or any(
        layer.bits for layer in ran.network.layers
    ) else (lambda _: machine)  # fmt: skip
    looked = _Looked(result, Between(Plan(), machine, ran.network, sized), homes[0])
    return looked.found()


class _Looked:
    def __init__(self, result: Outcome, between: Between, home: str) -> None:
        self.result, self.between, self.home = result, between, home
        self.network, self.machine = between.network, between.machine
        self.ran = {layer.name: layer for layer in result.layers}
        self.moved = {layer.name: layer for layer in result.vector_layers}
        level = self.machine.levels[self.machine.level_index(home)]
        self.keeps = level.keeps

    def found(self) -> WouldStay | None:
        chosen: dict[str, Home] = {}
        saved, free = 0, self.free()
        every = sorted(self.candidates(), key=lambda one: (-one.saved / one.bits, one.first))
        for one in every:
            span = slice(one.first, one.last + 1)
            if free is not None:
                if free[span].min() < one.bits or free[one.first] < one.bits + one.more:
                    continue
                free[span] -= one.bits
                free[one.first] -= one.more
            chosen[one.name] = Home(self.home)
            saved += one.saved
        words = sum(int(layer.counts.words[0].sum()) * layer.repeat for layer in self.result.layers)
        words += self.result.vector.reads + self.result.vector.writes
        order = {layer.name: chosen[layer.name] for layer in self.network.layers if layer.name in chosen}
        return WouldStay(self.home, order, saved, words) if order else None

    def free(self) -> npt.NDArray[np.int64] | None:
        """Bits of the home that each layer's tiles leave; None: it has no bound."""
        part = partition_of(self.machine, self.home)
        if part is None:
            return None
        known: dict[tuple[int, int], int] = {}
        found = np.full(len(self.network.layers), part.bits, np.int64)
        for index, layer in enumerate(self.network.layers):
            one = self.ran.get(layer.name)
            if one is None:
                continue
            key = id(one.nest), id(one.problem)
            if key not in known:
                sized = self.between.sized(layer)
                of_level = (demand for spec, other, demand, _ in demands(sized, one.nest, one.problem)
                            if spec.name == self.home and other.tensors == part.tensors)  # fmt: skip
                known[key] = sum(of_level)
            found[index] -= known[key]
        return found

    def candidates(self) -> Iterator[_Candidate]:
        """Tensors that could stay until their last reader, and save any words."""
        tensors = self.between.tensors
        able = [name for name, tensor in tensors.items() if tensor.made >= 0 and self.can_stay(name, tensor)]
        stays = Plan({name: Home(self.home) for name in able})
        planned = Between(stays, self.machine, self.network, self.between.sized)
        for name in able:
            tensor = tensors[name]
            layer = self.network.layers[tensor.made]
            saved = self.written(layer) - (tensor.words if tensor.output else 0)
            saved += sum(self.read(self.network.layers[one.index], one.place) for one in tensor.readers)
            if saved > 0:
                more = 0
                if layer.problem is not None:
                    sized = self.between.sized(layer)
                    wider = max(0, sized.moved_bits[Tensor.PSUM] - sized.widths[Width.OFMAP])
                    more = tensor.words * wider
                yield _Candidate(name, saved, planned.bits(name), tensor.made, tensor.last(), more)

    def can_stay(self, name: str, tensor: Living) -> bool:
        """Whether who makes it and all that read it can do so on the chip, each of them all of what it reads."""
        layer = self.network.layers[tensor.made]
        if (
            not tensor.readers
            or why_not_at_home(layer, -1)
            or not self.did(layer)
            or (layer.problem and layer.problem.added)
        ):
            return False
        for one in tensor.readers:
            other = self.network.layers[one.index]
            what = operand(other, one.place)
            if self.between.parts[other.inputs[one.place]] != (name,) or not self.did(other):
                return False
            if why_not_at_home(other, one.place) or (what and what not in self.keeps):
                return False
            if what and other.problem is not None:
                lowered = self.between.sized(other).lower(other.problem)
                if lowered.words(what) != other.problem.words(what):
                    return False
        return True

    def did(self, layer: Layer) -> bool:
        """Whether it ran, and moves words as such layers do."""
        if layer.problem is not None:
            return layer.name in self.ran
        return layer.name in self.moved and layer.moves is None

    def written(self, layer: Layer) -> int:
        """Words of what a layer makes, at the outermost level: sums in progress, too."""
        if layer.problem is not None:
            return self._words(self.ran[layer.name], PSUM)
        return self.moved[layer.name].writes

    def read(self, layer: Layer, place: int) -> int:
        """Words of one of its inputs there."""
        what = operand(layer, place)
        if what is not None:
            return self._words(self.ran[layer.name], TENSORS.index(what))
        return self.network.shape(layer.inputs[place]).words * self.network.images(layer)

    @staticmethod
    def _words(layer: LayerResult, tensor: int) -> int:
        return int(layer.counts.words[0, tensor].sum())
