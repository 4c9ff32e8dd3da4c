"""Albireo in its three settings: power, peak and converters of a full chip (Shiflett et al., ISCA 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.load import load_table
from accelsim.energy.rows import grouped
from accelsim.engine import evaluate
from accelsim.engine.counts import Counts, Timing
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce import source
from accelsim.reproduce.markdown import table, triple
from accelsim.workload.problem import Problem

MACHINE = "albireo"
SETTINGS = ("conservative", "moderate", "aggressive")
GIGAHERTZ = {"conservative": 5, "moderate": 5, "aggressive": 8}
TABLE_GIGAHERTZ = 5
"""Of the power table, but for what it gives at the aggressive setting's 8."""


@cache
def reference() -> Mapping[str, Mapping[str, str]]:
    """The rows of the power table by part."""
    return {row["part"]: row for row in source.rows("albireo_isca21")}


def parameters(setting: str) -> dict[str, object]:
    """What the machine's parameters are in a setting, and its clock.

    Its DACs, ADCs and lasers run at the clock: a convert costs what it does, a laser shines as much more as it is
    faster. What the table gives in mW at 5 GHz stays so: a cycle of an amplifier takes that over the clock.
    """
    clock, found = GIGAHERTZ[setting], dict[str, object]()
    for row in reference().values():
        if not row["parameter"]:
            continue
        value, at = float(row[setting]), TABLE_GIGAHERTZ
        if setting == "aggressive" and row["aggressive_GHz"]:
            at = int(row["aggressive_GHz"])
        if row["part"] == "laser":
            value *= at / TABLE_GIGAHERTZ
        elif row["unit"] == "pJ":
            value *= at / clock
        found[row["parameter"]] = round(value, 9)
    return found if clock == TABLE_GIGAHERTZ else {**found, "clock": f"{clock} GHz"}


@cache
def machine(setting: str) -> Architecture:
    """The machine in a setting."""
    return load_architecture(MACHINE, parameters(setting))


def filling() -> tuple[Problem, LoopNest]:
    """A layer that has every part of the chip at work, and its mapping: 9 groups, 5 columns, 9 couplers, 3 words of a
    row; rows of filters one after another.
    """
    problem = Problem.of({"M": 9, "C": 9, "P": 40, "Q": 5, "R": 3, "S": 3})
    return problem, LoopNest.parse("CACHE: P40 R3 y Q5 x M9 | COLUMN: y C9 x S3")


@cache
def ran(setting: str, evaluator: str = "analytical") -> tuple[Counts, Timing]:
    """Counts and cycles of that layer."""
    problem, nest = filling()
    return evaluate(machine(setting), nest, problem, evaluator)


@dataclass(frozen=True)
class Chip:
    """A full chip. watts : by part."""

    watts: Mapping[str, float]
    tops: float

    @property
    def power(self) -> float:
        """W in all."""
        return sum(self.watts.values())


@cache
def chip(setting: str) -> Chip:
    """What that layer's counts come to while its MACs are at work."""
    counts, timing = ran(setting)
    seconds = timing.compute / float(machine(setting).clock_hz)
    rows = account(machine(setting), counts, load_table(machine(setting).energy), timing.compute)
    watts = {part: float(energy) * 1e-12 / seconds for part, energy in grouped(rows, "component").items()}
    return Chip(watts, 2e-12 * counts.macs / seconds)


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """The three settings as Markdown."""
    return "\n".join([_HEAD, _totals(), _PARTS, _parts()])


def _totals() -> str:
    lines = []
    for setting in SETTINGS:
        ours = chip(setting)
        theirs = reference()["total"][setting]
        cells = triple(ours.power, float(theirs), ".2f") if theirs else ("", f"{ours.power:.2f}", "")
        per_watt = f"{ours.tops / ours.power:.2f}"
        lines.append([setting, f"{GIGAHERTZ[setting]} GHz", *cells, f"{ours.tops:.1f}", per_watt])
    return table(["a chip, W", "clock", "theirs", "ours", "error", "peak TOPS", "TOPS/W"], lines)


def _parts() -> str:
    found = {setting: chip(setting) for setting in SETTINGS}
    return table(
        ["W", *SETTINGS],
        [[name, *(f"{found[s].watts[name]:.3f}" for s in SETTINGS)] for name in found[SETTINGS[0]].watts],
    )


_HEAD = """\
## Albireo

Products in light: Shiflett et al., ISCA 2021, in its three settings. Ours counts a layer that has every part at work on
`albireo`: 63 words of inputs, 243 of weights and 45 sums a cycle are counted from the nest, and are what DACs, ADCs and
amplifiers are paid for; rings, modulators, lasers and the cache are always on. Prices are the power table's, so the sum
checks counts. The conservative total is second hand; the other two are not at hand.
"""

_PARTS = """\
By part. In the aggressive setting DACs, ADCs and lasers run at 8 GHz; the others have the power that the table gives at
5. Ours are above in the conservative setting: the printed parts are rounded.
"""
