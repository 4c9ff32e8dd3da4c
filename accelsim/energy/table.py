"""An energy table: what one action costs, in which unit, and who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from accelsim.architecture.model import Level
from accelsim.energy.curve import Curve
from accelsim.energy.technology import Technology, checked, squared
from accelsim.errors import AccelsimError, nearest
from accelsim.workload.problem import Tensor

RELATIVE = "MAC"  # the unit of tables whose energies are multiples of one MAC's
UNITS = ("pJ", RELATIVE)
ACCOUNTINGS = ("", "isca16")
WRITES = ("fill", "update")


@dataclass(frozen=True)
class Component:
    """What one access of a memory costs.

    read, write : energy of one access against the capacity of one instance in bits.
    bits : width of that access; a word of b bits costs b/bits of it.
    leakage : energy per instance and core cycle. activate : energy of opening a row of a DRAM (of a channel).
    """

    read: Curve
    write: Curve
    bits: int
    leakage: Fraction = Fraction(0)
    activate: Fraction = Fraction(0)

    def access(self, action: str, capacity: int, word_bits: int, what: str) -> Fraction:
        """Energy of one word; fill and update write, read and drain read."""
        curve = self.write if action in WRITES else self.read
        return Fraction(word_bits, self.bits) * curve.at(capacity, what, show_bytes)


@dataclass(frozen=True, repr=False)
class EnergyTable:
    """Energy per action, as data.

    unit : 'pJ', or 'MAC' for a table relative to one MAC.
    multiply, add : energy against bits, of a multiplier of two operands of this width and of an adder; other widths
        and operands of two widths: `mac`.
    gated : share of a MAC's energy that a gated one still takes, 0 to 1.
    vector_op : energy of one vector operation against the psum's bits; None: the table has no price for it.
    hop : energy of one delivery of `hop_bits` below an array, on a mesh of one link; a word of b bits costs b/hop_bits
        of it.
    tag : energy of comparing one tag on a tagged bus; 0: not priced.
    technology : prices memories that have no component, wires, clock, leakage and area, or None.
    own_parts : the machine's own parts are all that costs, or takes room.
    accounting : '' (counts times energies) or 'isca16' (see `accelsim.energy.isca16`).
    """

    name: str
    unit: str
    source: str
    multiply: Curve
    add: Curve
    components: Mapping[str, Component]
    hop: Fraction
    hop_bits: int
    gated: Fraction = Fraction(0)
    note: str = ""
    accounting: str = field(default="")
    vector_op: Curve | None = None
    tag: Fraction = Fraction(0)
    technology: Technology | None = None
    own_parts: bool = False

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise AccelsimError(f"energy table '{self.name}': unknown unit '{self.unit}'{nearest(self.unit, UNITS)}")
        if self.accounting not in ACCOUNTINGS:
            known = nearest(self.accounting, filter(None, ACCOUNTINGS))
            raise AccelsimError(f"energy table '{self.name}': unknown accounting '{self.accounting}'{known}")
        if not self.source:
            raise AccelsimError(f"energy table '{self.name}': say where its numbers are from (source)")
        if self.hop < 0:
            raise AccelsimError(f"energy table '{self.name}': network.hop cannot be negative")
        if self.own_parts and (self.technology or self.components or self.accounting):
            raise AccelsimError(
                f"energy table '{self.name}': own_parts goes with no technology, components, accounting"
            )
        if not 0 <= self.gated <= 1:
            raise AccelsimError(f"energy table '{self.name}': gated_mac is {float(self.gated)}; it must lie in 0 to 1")

    def __repr__(self) -> str:
        return f"EnergyTable({self.name}, in {self.unit}: {', '.join(self.components)})"

    def __hash__(self) -> int:
        return hash((self.name, self.unit))

    @property
    def prices_parts(self) -> bool:
        """Whether what a machine declares of its own is paid for, and has an area."""
        return self.own_parts or self.technology is not None

    def component(self, level: Level) -> Component:
        """The entry of a level: the one its `component` names, else the one of its own name."""
        wanted = level.component or level.name
        if wanted not in self.components:
            raise AccelsimError(self.lacks(wanted, level.name))
        return self.components[wanted]

    def lacks(self, component: str, level: str) -> str:
        """What to say of a component that is not there."""
        return (
            f"energy table '{self.name}' has no component '{component}' for level '{level}'"
            f"{nearest(component, self.components)}; name one with 'component:' on the level"
        )

    def access(self, level: Level, action: str, word_bits: int, tensor: Tensor | None = None) -> Fraction:
        """Energy of moving one word of `word_bits` by fill, read, update or drain at a level.

        Each part of a level's capacity is a memory of its own, and an access costs what one of the part's size does;
        a tensor without a part is in a memory of no stated size. tensor : may be left out where there is one memory.
        """
        parts = [part for part in level.capacity if tensor is None or tensor in part.tensors]
        if len(parts) > 1:
            raise AccelsimError(f"level '{level.name}' has {len(parts)} memories: which tensor is moved?")
        memory = f"{level.component or level.name}{f', {tensor}' if tensor and len(level.capacity) > 1 else ''}"
        what = f"energy table '{self.name}': level '{level.name}' ({memory}) capacity"
        capacity = parts[0].bits if parts else 0
        return self.component(level).access(action, capacity, word_bits, what)

    def mac(self, word_bits: Mapping[Tensor, int]) -> Fraction:
        """Energy of one multiply-accumulate of the given operand and psum widths.

        A multiplier of a by b bits is an array of a b cells, an adder of n bits a chain of n: its energy follows that
        number. Between the widths the source gives it is a power law through them, outside it is proportional (Sze et
        al., "Efficient Processing of Deep Neural Networks: A Tutorial and Survey", Proc. IEEE 105(12), 2017, section
        VII-A).
        """
        cells = word_bits[Tensor.IFMAP] * word_bits[Tensor.FILTER]
        return self.multiply.squared().proportional(cells) + self.add.proportional(word_bits[Tensor.PSUM])

    def operation(self, word_bits: Mapping[Tensor, int]) -> Fraction | None:
        """Energy of one vector operation; None where the table has no price for it."""
        return self.vector_op.proportional(word_bits[Tensor.PSUM]) if self.vector_op else None

    def at(self, supply: Fraction) -> EnergyTable:
        """The same table at another supply in V: dynamic energy on chip goes with its square.

        Raises AccelsimError for a table without a technology, and for a supply nothing is known of.
        """
        if self.technology is None:
            raise AccelsimError(f"energy table '{self.name}' has no technology, so no supply to change")
        by = squared(checked(supply), self.technology.supply)
        return replace(
            self,
            multiply=self.multiply.times(by),
            add=self.add.times(by),
            vector_op=self.vector_op.times(by) if self.vector_op else None,
            tag=self.tag * by,
            technology=self.technology.at(supply),
        )

    def link(self, word_bits: int) -> Fraction:
        """Energy of one delivery of a word, on a mesh of one link it crosses."""
        return self.hop * Fraction(word_bits, self.hop_bits)


def show_bytes(bits: int) -> str:
    """A capacity as a person writes it."""
    if not bits:
        return "no capacity"
    for unit, size in (("MiB", 2**23), ("KiB", 2**13)):
        if bits >= size:
            return f"{bits / size:g} {unit}"
    return f"{bits / 8:g} B"


def energy_unit(unit: str) -> str:
    """A table's unit in words: that of a relative table is the energy of one MAC, which is no count of MACs."""
    return "MAC energies" if unit == RELATIVE else unit
