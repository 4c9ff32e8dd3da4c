"""ENVISION's energy and throughput against the bits of its words (Moons et al., ISSCC 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from accelsim.architecture.model import Architecture
from accelsim.architecture.precision import with_bits
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import load_table
from accelsim.energy.rows import grouped
from accelsim.engine import evaluate
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce.markdown import error, table
from accelsim.workload.density import Densities, Density
from accelsim.workload.problem import Problem, Width

MACHINE, ACCUMULATOR = "envision", 48
MODES = {16: 1, 8: 2, 4: 4}
"""Bits of a word, and words that a multiplier takes at a time."""
THEIRS = {16: 0.26, 4: 10.0}
"""TOPS/W: the ends of the range in the paper's title, taken to be those of its longest and shortest words."""
LAYER = Problem.of({"M": 64, "C": 32, "P": 8, "Q": 32, "R": 5, "S": 5})
"""A convolution that fills all PEs in every mode and fits on the chip."""


@dataclass(frozen=True)
class Point:
    """One precision. milliwatts : of the chip, by part. busy : share of the cycles in which the multipliers work."""

    mode: str
    megahertz: float
    volts: float
    gops: float
    busy: float
    milliwatts: Mapping[str, float]

    @property
    def power(self) -> float:
        """MW of all parts."""
        return sum(self.milliwatts.values())

    @property
    def efficiency(self) -> float:
        """TOPS/W of the chip, its DRAM left out."""
        return self.gops / self.power


def sized(bits: int) -> Architecture:
    """The machine with words of so many bits, and accumulators that split as multipliers do."""
    word = {Width.IFMAP: bits, Width.FILTER: bits, Width.PSUM: ACCUMULATOR // MODES[bits], Width.OFMAP: bits}
    return with_bits(load_architecture(MACHINE), word)


def mapping(bits: int) -> LoopNest:
    """16 pixels by 16 PEs of output channels, a channel for each sub-word; sums stay until they are final."""
    macs = MODES[bits]
    return LoopNest.parse(f"DRAM: M{4 // macs} | SRAM: P8 Q2 C32 R5 | FIFO: S5 y M16 x Q16 | RF: M{macs}")


@cache
def point(bits: int, density: float = 1.0) -> Point:
    """What the layer takes; density : of words that are not zero, of ifmap and filter, in closed form."""
    machine = sized(bits)
    if density == 1:
        counts, timing = evaluate(machine, mapping(bits), LAYER)
    else:
        zeros = Densities(Density(density), Density(density))
        counts, timing = evaluate(machine, mapping(bits), LAYER, "analytical", densities=zeros)
    seconds = timing.cycles / float(machine.clock_hz)
    rows = account(machine, counts, load_table(machine.energy), timing.cycles, nest=mapping(bits))
    spent, outside = grouped(rows, "component"), machine.levels[0].name
    parts = {part: float(energy) * 1e-9 / seconds for part, energy in spent.items() if part != outside}
    mode = machine.mode
    return Point(
        str(mode),
        float(machine.clock_hz) / 1e6 / mode.divider,
        float(mode.supply or 0),
        2e-9 * LAYER.macs / seconds,
        timing.compute / timing.cycles,
        parts,
    )


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Everything about ENVISION as Markdown."""
    return "\n".join([_HEAD, efficiency(), _WHY, _parts()])


def efficiency() -> str:
    """What each mode does for a watt."""
    lines = []
    for bits in MODES:
        one, zeros, theirs = point(bits), point(bits, 0.5), THEIRS.get(bits)
        lines.append(
            [one.mode, f"{one.megahertz:.0f}", f"{one.volts:.2f}", f"{one.gops:.1f}", f"{one.power:.1f}",
             f"{theirs:.2f}" if theirs else "", f"{one.efficiency:.2f}",
             error(one.efficiency, theirs) if theirs else "", f"{zeros.efficiency:.2f}"]
        )  # fmt: skip
    header = ["mode", "MHz", "V", "GOPS", "mW", "TOPS/W: theirs", "ours", "error", "ours, half of all words zero"]
    return table(header, lines)


def _parts() -> str:
    names = list(point(16).milliwatts)
    lines = [[point(bits).mode, *(f"{point(bits).milliwatts[name]:.2f}" for name in names)] for bits in MODES]
    return table(["mW", *names], lines)


_HEAD = """\
## ENVISION

Sub-words: Moons et al., ISSCC 2017. Ours is a 5 x 5 convolution that fills `envision`, priced by `cmos_28nm` alone. Of
the paper its title is at hand: 0.26 to 10 TOPS/W, taken here to be those of 16-b and of 4-b words. Clocks and supplies
are recalled, not checked, and parameters of the machine (docs/envision.md).
"""

_WHY = """\
From components alone a chip takes too little, mostly by a factor of up to 2, as Eyeriss and TPU v1 do: control,
instructions, input and output are missing. At 16 b that is what is seen. From 16 b to 4 b theirs falls to a 38th, ours
to a 14th. Of ours 2.5 is the square of the supply; words of a quarter of the bits do most of the rest, in registers and
networks as in multipliers, but a cycle reads and writes as many bits of sums in every mode. How many zeros the chip
guarded when it was measured is not among our sources; with half of all words zero ours comes near theirs at 4 b.
"""
