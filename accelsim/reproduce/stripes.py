"""Stripes, serial in the bits of its inputs, beside DaDianNao, which is parallel (Judd et al., MICRO 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from accelsim.reproduce.markdown import error, paragraph, table
from accelsim.reproduce.source import rows
from accelsim.simulate import simulate

MACHINE, NETWORK, WORD = "stripes", "alexnet", 16
PARALLEL = {"windows": 1, "serial": f"{WORD} b"}
"""Parameters that make DaDianNao of the machine: whole words, one window at a time."""
LEAST, MEAN, MOST = 1.30, 1.92, 4.51
"""Times as fast as DaDianNao over all networks of the paper: its abstract."""


@dataclass(frozen=True)
class Layer:
    """Cycles of a layer, and the bits of its ifmaps on the serial machine."""

    name: str
    bits: int
    parallel: int
    serial: int

    @property
    def speedup(self) -> float:
        """Times as fast as DaDianNao."""
        return self.parallel / self.serial

    @property
    def ideal(self) -> float:
        """The same where time is proportional to bits."""
        return WORD / self.bits


def bits() -> dict[str, int]:
    """Bits of the ifmaps of each layer."""
    return {row["layer"]: int(row["bits"]) for row in rows("stripes_micro16")}


@cache
def cycles(layer: str, width: int = WORD, parallel: bool = False) -> int:
    """Core cycles of one layer with ifmaps of so many bits, in the mapping that takes the fewest."""
    found = simulate(
        MACHINE, NETWORK, layers=layer, objective="cycles", bits={"ifmap": width},
        parameters=PARALLEL if parallel else {},
    )  # fmt: skip
    return found.layer(layer).cycles


@cache
def layers() -> tuple[Layer, ...]:
    """AlexNet's convolutions."""
    return tuple(Layer(name, width, cycles(name, parallel=True), cycles(name, width)) for name, width in bits().items())


def speedup() -> float:
    """Of all convolutions together."""
    return sum(one.parallel for one in layers()) / sum(one.serial for one in layers())


def ideal() -> float:
    """The same where each layer takes time in proportion to its bits."""
    return sum(one.parallel for one in layers()) / sum(one.parallel / one.ideal for one in layers())


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Everything about Stripes as Markdown."""
    lines = [
        [one.name, str(one.bits), f"{one.parallel:,}", f"{one.serial:,}", f"{one.ideal:.2f}", f"{one.speedup:.2f}",
         error(one.speedup, one.ideal)]
        for one in layers()
    ]  # fmt: skip
    sums = [f"{sum(getattr(one, name) for one in layers()):,}" for name in ("parallel", "serial")]
    lines.append(["all", "", *sums, f"{ideal():.2f}", f"{speedup():.2f}", error(speedup(), ideal())])
    header = ["AlexNet", "ifmap bits", "DaDianNao: cycles", "Stripes: cycles", "16 / bits", "speedup", "error"]
    return "\n".join([_HEAD, table(header, lines), _WHY])


_HEAD = """\
## Stripes

Inputs bit by bit: Judd et al., MICRO 2016. `stripes` has 16 tiles of 16 filters by 16 windows of 16 lanes, each of 1 b
by 16 b; with `windows: 1` and `serial: 16 b` it is DaDianNao. The paper's claim is that time goes almost in proportion
to the bits of the ifmap: 16 / bits against DaDianNao. Bits of each layer are recalled, not checked.
"""

_WHY = paragraph(
    "What is missing is windows. Sixteen go at a time, here a block of rows and columns that the mapping chooses, and "
    "blocks do not cover all planes: 13 x 13 outputs take 13 rows of 13 windows where 10.6 times 16 would do, a factor "
    "of 0.81. How the paper's windows lie in a plane is not among our sources. Over its networks it has "
    f"{LEAST:.2f} to {MOST:.2f}, {MEAN:.2f} in the mean (its abstract). DRAM and eDRAM take no time in either machine."
)
