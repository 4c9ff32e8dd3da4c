"""A process as data: what memories, flip-flops, wires and clock edges of it cost, and how that follows its supply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

from accelsim.architecture.physical import Memory, MemoryKind
from accelsim.energy.curve import Curve
from accelsim.errors import AccelsimError

REGISTER_FILE = 512
"""Most words of a register file."""
MOST_SPLIT = 4096
"""Most memories that stand side by side for one that is wider or larger than any in the data."""
LEAST_SUPPLY, MOST_SUPPLY = Fraction(7, 10), Fraction(13, 10)
"""Volts for which energies are known: below the first the polynomials of scaling bend up again."""
HOT_LEAKAGE, HOT_READ = 3000, Fraction(83, 100)
"""Leakage and reads of memories of high-performance devices over those of low standby power."""
DEVICES = ("LSTP", "HP")


@dataclass(frozen=True)
class Macro:
    """A memory of the data: bits, port in bits, V; pJ an access, mW, mm2."""

    bits: int
    port: int
    banks: int
    supply: Fraction
    read: Fraction
    write: Fraction
    leakage: Fraction
    area: Fraction
    rule: str = ""


@dataclass(frozen=True)
class Price:
    """One memory as it is used: pJ of a read and a write of `port` bits, mW that it leaks (None: not known), mm2."""

    read: Fraction
    write: Fraction
    port: int
    leakage: Fraction | None
    area: Fraction

    def access(self, write: bool, word_bits: int, whole: bool) -> Fraction:
        """Energy of one word: its share of the port, or all of every port it takes."""
        ports = Fraction(-(-word_bits // self.port)) if whole else Fraction(word_bits, self.port)
        return ports * (self.write if write else self.read)


@dataclass(frozen=True)
class FlipFlop:
    """One bit: pJ of a write or read, pJ of the clock in each cycle, mm2."""

    access: Fraction
    clock: Fraction
    area: Fraction


@dataclass(frozen=True)
class Technology:
    """A process: node in nm, supply in V, temperature in K, devices (`DEVICES`).

    sram : memories. files : register files of 16 b a word, `bits` their words times 16. flip_flop : at `supply`.
    wire : pJ per bit and mm at `supply`. router : pJ per bit and link of a mesh. multiply, add : mm2 against bits, as
    the energies of a MAC. floats : (pJ, mm2) of a MAC of other numbers. tag_area : mm2 of a comparator.
    """

    node: int
    supply: Fraction
    temperature: int
    device: str
    sram: tuple[Macro, ...]
    files: tuple[Macro, ...]
    flip_flop: FlipFlop
    wire: Fraction
    router: Fraction
    multiply: Curve
    add: Curve
    floats: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    tag_area: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise AccelsimError(f"technology: unknown device '{self.device}' ({', '.join(DEVICES)})")
        checked(self.supply)
        if not self.sram:
            raise AccelsimError("technology: it has no memories")

    def __hash__(self) -> int:
        return hash((self.node, self.supply, self.device))

    def at(self, supply: Fraction) -> Technology:
        """The same process at another supply: dynamic energy goes with its square, leakage and area stay."""
        by = squared(supply, self.supply)
        flip_flop = replace(self.flip_flop, access=self.flip_flop.access * by, clock=self.flip_flop.clock * by)
        floats = {name: (energy * by, area) for name, (energy, area) in self.floats.items()}
        return replace(
            self, supply=supply, flip_flop=flip_flop, wire=self.wire * by, router=self.router * by, floats=floats
        )

    def memory(self, what: Memory, bits: int, word_bits: int, where: str) -> Price:
        """A memory of so many bits, one of the `count` that share a level's capacity.

        bits : of all of them. word_bits : of the widest word. where : begins what is said of a size that is refused.
        Raises AccelsimError for a size the data does not cover, and for a small memory of which nobody said what it is.
        """
        own = -(-bits // what.count)
        words = -(-own // word_bits)
        if what.kind is MemoryKind.FLIP_FLOP:
            if words > REGISTER_FILE:
                raise AccelsimError(f"{where}: {words} words are no register file; up to {REGISTER_FILE} words are")
            energy = self.flip_flop.access * word_bits
            return Price(energy, energy, word_bits, None, own * self.flip_flop.area)
        if words <= REGISTER_FILE and not what.port:
            if what.kind is None:
                raise AccelsimError(
                    f"{where}: a memory of {words} words is flip-flops or an SRAM, and the machine does not say which; "
                    "give it a 'kind' under physical: memories:"
                )
            return self._file(words, word_bits, where)
        return self._macro(own, what.port or word_bits, what, where)

    def _file(self, words: int, word_bits: int, where: str) -> Price:
        """A register file: a power law in words, in proportion to the bits of a word."""
        share = Fraction(word_bits, 16)
        found = self._between(self.files, words * 16, where, lambda size: f"{size // 16} words")
        return Price(found[0] * share, found[1] * share, word_bits, found[2] * share, found[3] * share)

    def _macro(self, bits: int, port: int, what: Memory, where: str) -> Price:
        """The rows of the next wider port that have the size; wider and larger ones are several, all accessed."""
        grid = self._grid
        banks, split = what.banks, what.slices
        while split <= MOST_SPLIT * what.slices:
            each, width = -(-bits // split), -(-port // split)
            for (wide, several), rows in grid.items():
                if several == banks and wide >= width and rows[0].bits <= each <= rows[-1].bits:
                    read, write, leakage, area = self._between(rows, each, where, str)
                    return Price(split * read, split * write, port, split * leakage, split * area)
            split *= 2
        sizes = [row.bits for (_, several), rows in grid.items() for row in rows if several == banks]
        known = f"{min(sizes) // 8} B to {max(sizes) // 8} B at ports of 32 b and more" if sizes else "none at all"
        raise AccelsimError(
            f"{where}: no row of the {self.node} nm data covers {Fraction(bits, 8)} B at a port of {port} b "
            f"with {banks} bank{'s' * (banks > 1)} ({known}); use another port, or a register file"
        )

    @cached_property
    def _grid(self) -> dict[tuple[int, int], list[Macro]]:
        """Rows by port and banks, ports ascending, sizes ascending."""
        found: dict[tuple[int, int], list[Macro]] = {}
        for row in sorted(self.sram, key=lambda row: (row.port, row.banks, row.bits)):
            found.setdefault((row.port, row.banks), []).append(row)
        return found

    def _between(
        self, rows: Iterable[Macro], bits: int, where: str, show: Callable[[int], str]
    ) -> tuple[Fraction, Fraction, Fraction, Fraction]:
        """Energy in pJ of a read and of a write, mW and mm2 at a size: a power law between rows."""
        rows = list(rows)
        by = squared(self.supply, rows[0].supply)
        hot = self.device == "HP"
        found = []
        for name in ("read", "write", "leakage", "area"):
            found.append(Curve(tuple((row.bits, getattr(row, name)) for row in rows)).at(bits, where, show))
        read, write, leakage, area = found
        return (
            read * by * (HOT_READ if hot else 1),
            write * by,
            leakage * (HOT_LEAKAGE if hot else 1),
            area,
        )


def squared(supply: Fraction, before: Fraction) -> Fraction:
    """How dynamic energy changes with the supply inside a node."""
    return (supply / before) ** 2


def checked(supply: Fraction) -> Fraction:
    """A supply in V that energies are known for. Raises AccelsimError."""
    if not LEAST_SUPPLY <= supply <= MOST_SUPPLY:
        raise AccelsimError(
            f"a supply of {float(supply):g} V: energies are known from {float(LEAST_SUPPLY):g} to "
            f"{float(MOST_SUPPLY):g} V"
        )
    return supply
