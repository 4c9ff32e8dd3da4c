"""What a machine's parts take of the die: cells by component, floor, and the pitch of what is below each level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isqrt

from accelsim.architecture.model import Architecture, Level, NetworkKind
from accelsim.architecture.physical import Access, Arithmetic, Memory, MemoryKind, Physical
from accelsim.energy.table import EnergyTable
from accelsim.energy.technology import Price, Technology
from accelsim.errors import AccelsimError
from accelsim.workload.problem import TENSORS, Tensor

HANDS_ON = frozenset({NetworkKind.SYSTOLIC, NetworkKind.CHAIN})
PLAIN = Physical()
ARITHMETIC, REGISTERS, TAGS = "MAC", "registers", "tags"


@dataclass(frozen=True)
class Part:
    """Cells of one component: instances of so many mm2 each. floor : with what the floorplan adds, mm2 of all."""

    component: str
    instances: int
    cells: Fraction
    floor: Fraction


@dataclass(frozen=True)
class Floor:
    """Of a machine by a table.

    parts : on chip. pitch : mm between the children of each level; None: their area is not known. own : mm between
    the memories that stand side by side at a level, 0 where there is one. flip_flops : bits of all PEs, bits elsewhere.
    missing : what has no area, in words.
    """

    parts: tuple[Part, ...]
    pitch: tuple[Fraction | None, ...]
    own: tuple[Fraction, ...]
    flip_flops: tuple[int, int]
    missing: tuple[str, ...]

    @property
    def cells(self) -> Fraction:
        """All cells, mm2."""
        return sum((part.instances * part.cells for part in self.parts), Fraction(0))

    @property
    def area(self) -> Fraction:
        """The floor they take, mm2."""
        return sum((part.floor for part in self.parts), Fraction(0))


def physical(machine: Architecture) -> Physical:
    """What the machine says of area and wires, else the defaults."""
    return machine.physical or PLAIN


def technology_of(table: EnergyTable) -> Technology:
    """The table's process. Raises AccelsimError for a table without one."""
    if table.technology is None:
        raise AccelsimError(f"energy table '{table.name}' has no technology, so no area, wires or clock")
    return table.technology


def memories(machine: Architecture, table: EnergyTable, level: Level) -> Iterator[tuple[Memory, Price]]:
    """What a level is made of and its price, part by part of its capacity."""
    for part in level.capacity:
        tensor = next(tensor for tensor in TENSORS if tensor in part.tensors)
        yield memory_of(machine, table, level, tensor)


def memory_of(machine: Architecture, table: EnergyTable, level: Level, tensor: Tensor) -> tuple[Memory, Price]:
    """The memory that holds a tensor, and its price. Raises AccelsimError for one of no capacity or an unknown size."""
    parts = [part for part in level.capacity if tensor in part.tensors]
    where = f"energy table '{table.name}': level '{level.name}'"
    if not parts:
        raise AccelsimError(f"{where}: has no capacity for {tensor}, so no price; give it one, or a component")
    what = physical(machine).memory(level.name, tensor.value)
    where += f" ({tensor})" if len(level.capacity) > 1 else ""
    widest = max(machine.word_bits[one] for one in parts[0].tensors)
    return what, technology_of(table).memory(what, parts[0].bits, widest, where)


def access(
    machine: Architecture, table: EnergyTable, level: Level, action: str, word_bits: int, tensor: Tensor
) -> Fraction:
    """Energy of moving one word by fill, read, update or drain at a level: by its component, else by its technology."""
    if table.own_parts:
        return Fraction(0)
    if table.technology is None or (level.component or level.name) in table.components:
        return table.access(level, action, word_bits, tensor)
    what, price = memory_of(machine, table, level, tensor)
    return price.access(action in ("fill", "update"), word_bits, what.access is Access.WORD)


def mac(machine: Architecture, table: EnergyTable) -> Fraction:
    """Energy of one multiply-accumulate, of a multiplier that splits at the supply of the table."""
    kind, mode = physical(machine).arithmetic, machine.mode
    if kind is Arithmetic.INT or table.technology is None:
        if mode.share is None:
            return table.mac(machine.mac_bits)
        return mode.share * table.mac(machine.whole_mac_bits)
    return _float(machine, table, kind)[0]


def _float(machine: Architecture, table: EnergyTable, kind: Arithmetic) -> tuple[Fraction, Fraction]:
    floats = technology_of(table).floats
    bits = int(kind.value[2:])
    if kind.value not in floats or machine.mac_bits[Tensor.IFMAP] != bits:
        raise AccelsimError(
            f"energy table '{table.name}' has no {kind} MAC of {machine.mac_bits[Tensor.IFMAP]} b "
            f"({', '.join(floats) or 'none'}, each of its own width)"
        )
    return floats[kind.value]


@lru_cache(maxsize=16)
def floor_of(machine: Architecture, table: EnergyTable) -> Floor:
    """Area of everything on chip, that is below the outermost level."""
    own_parts = tuple(_own_parts(machine))
    if table.own_parts:
        count = len(machine.levels)
        return Floor(own_parts, (None,) * count, (Fraction(0),) * count, (0, 0), ())
    technology, factor = technology_of(table), physical(machine).floorplan
    mac_cells, registers = _mac_cells(machine, table), register_bits(machine)
    inside = {ARITHMETIC: machine.macs_per_cycle * mac_cells, REGISTERS: registers * technology.flip_flop.area}
    levels, missing, parts = machine.levels, list[str](), list[Part]()
    below: Fraction | None = sum(inside.values(), Fraction(0))
    pitch: list[Fraction | None] = []
    own: list[Fraction] = []
    flops = [0, 0]
    instances = _instances(machine)
    parts += [Part(name, machine.pes, cells, machine.pes * cells * factor) for name, cells in inside.items()]
    flops[0] += registers * machine.pes
    parts += own_parts
    for index in range(len(levels) - 1, -1, -1):
        level = levels[index]
        pitch.append(None if below is None else root(factor * below))
        tags = _tags(level) * technology.tag_area
        cells: Fraction | None = tags
        if tags:
            name = f"{level.name} {TAGS}"
            parts.append(Part(name, instances[index], tags, instances[index] * tags * factor))
        apart = Fraction(0)
        if index:
            found = _level(machine, table, level)
            if found is None:
                missing.append(f"{level.name} (no capacity)")
                cells = None
            else:
                memory, bits, apart = found
                cells = tags + memory
                flops[index < machine.pe_level] += bits * instances[index]
                parts.append(Part(level.name, instances[index], memory, instances[index] * memory * factor))
        own.append(root(factor * apart))
        fan = level.fanout.y * level.fanout.x
        below = None if below is None or cells is None else cells + fan * below
    return Floor(
        tuple(reversed(parts)), tuple(reversed(pitch)), tuple(reversed(own)), (flops[0], flops[1]), tuple(missing)
    )


def _own_parts(machine: Architecture) -> Iterator[Part]:
    factor = physical(machine).floorplan
    for name, one in physical(machine).parts.items():
        yield Part(name, one.count, one.area, one.count * one.area * factor)


def _level(machine: Architecture, table: EnergyTable, level: Level) -> tuple[Fraction, int, Fraction] | None:
    """(mm2, bits of flip-flops, mm2 of memories that stand side by side) of one instance; None: not all is bounded."""
    bounded = frozenset[Tensor]().union(*(part.tensors for part in level.capacity))
    if level.keeps - bounded:
        return None
    area, bits, apart = Fraction(0), 0, Fraction(0)
    for part, (what, price) in zip(level.capacity, memories(machine, table, level), strict=True):
        area += what.count * price.area
        bits += part.bits if what.kind is MemoryKind.FLIP_FLOP else 0
        apart += what.count * price.area if what.count > 1 else 0
    return area, bits, apart


def _mac_cells(machine: Architecture, table: EnergyTable) -> Fraction:
    technology, kind = technology_of(table), physical(machine).arithmetic
    if kind is not Arithmetic.INT:
        return _float(machine, table, kind)[1]
    bits = _unit_bits(machine)
    cells = technology.multiply.squared().proportional(bits[Tensor.IFMAP] * bits[Tensor.FILTER])
    return cells + technology.add.proportional(bits[Tensor.PSUM])


def _unit_bits(machine: Architecture) -> dict[Tensor, int]:
    """Bits of a MAC unit: of operands those of the whole multiplier, of sums those of all its sub-words together."""
    bits = machine.whole_mac_bits
    return {**bits, Tensor.PSUM: bits[Tensor.PSUM] * machine.mode.macs}


def register_bits(machine: Architecture) -> int:
    """Flip-flops of a PE beside its register files: of its MACs, and a word that each network hands on."""
    words = machine.word_bits
    said = physical(machine).registers
    stage = sum((_unit_bits(machine) if machine.modes else words).values()) if said is None else said
    handed = (
        words[tensor]
        for tensor in TENSORS
        if any(level.fanout.network(tensor).kind in HANDS_ON for level in machine.levels if level.fanout.declared)
    )
    return machine.macs_per_cycle * stage + sum(handed)


def _tags(level: Level) -> int:
    """Comparators of its tagged buses: one for each row and each child."""
    fan = level.fanout
    return sum(network.tags for network in fan.networks.values()) * (fan.y + fan.y * fan.x)


def _instances(machine: Architecture) -> list[int]:
    found = [1]
    for level in machine.levels:
        found.append(found[-1] * level.fanout.y * level.fanout.x)
    return found


def root(area: Fraction) -> Fraction:
    """A square root to nine digits after the point, the same on every machine."""
    return Fraction(isqrt(area.numerator * 10**18 // area.denominator), 10**9)
