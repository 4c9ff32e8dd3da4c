"""What a caller bounds beside the objective, ``cycles <= 1.2e6, DRAM words <= 2e6``, and what that is on a machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from accelsim.errors import AccelsimError, nearest
from accelsim.quantities import Measure, exact, read, short

if TYPE_CHECKING:
    from accelsim.architecture.model import Architecture
    from accelsim.energy.table import EnergyTable
    from accelsim.search.optimum.ceilings import Ceilings

_JOULES = {f"{prefix}J": (Fraction(10) ** power, "J") for prefix, power in zip("pnum", (-12, -9, -6, -3), strict=True)}
_PLAIN = {"": (Fraction(1), "")}
_SECONDS = {f"{prefix}s": (Fraction(10) ** power, "s") for prefix, power in zip("num", (-9, -6, -3), strict=True)}
MEASURES = {
    "energy": Measure("an energy", "3 mJ", "pJ, nJ, uJ, mJ, J, MAC", {
        **_PLAIN, **_JOULES, "J": (Fraction(1), "J"), "MAC": (Fraction(1), "MAC")}),
    "cycles": Measure("a number of cycles", "1.2e6", "cycles", {**_PLAIN, "cycles": (Fraction(1), "")}),
    "latency": Measure("a latency", "2 ms", "ns, us, ms, s", {**_SECONDS, "s": (Fraction(1), "s")}),
    "edp": Measure("an energy-delay product", "4e12", "none: the table's unit times cycles", _PLAIN),
    "ed2p": Measure("an energy-delay-square product", "4e18", "none: the table's unit times cycles twice", _PLAIN),
}  # fmt: skip
"""What may be bounded, in which units."""
WORDS = "words"
"""What a level reads and writes: an objective like the others, of the outermost level."""
MOVED = Measure("a number of words", "2e6", "words", {**_PLAIN, "words": (Fraction(1), "")})
"""Of the outermost level: ``DRAM words``, by its name."""
_FORM = re.compile(r"\s*([^\s<>=≤][^<>=≤]*)(<=|≤)\s*(\S.*?)\s*")


@dataclass(frozen=True)
class Bound:
    """One bound: what has at most so much, in `J`, `s`, `MAC` or no unit (of the table; cycles; words).

    what : one of `MEASURES`, or a level and `words`.
    """

    what: str
    most: Fraction
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.what} <= {exact(self.most)} {self.unit}".rstrip()

    @property
    def objective(self) -> str:
        """The objective that is bounded, or 'words'."""
        return "cycles" if self.what == "latency" else WORDS if self.level else self.what

    @property
    def level(self) -> str:
        """The level whose words are bounded; empty: something else is."""
        return self.what.removesuffix(WORDS).strip() if self.what.endswith(f" {WORDS}") else ""


def bounds_of(value: object) -> tuple[Bound, ...]:
    """Bounds out of text, with commas between them, out of a list of these, or out of a table.

    Raises AccelsimError, one line, for what is none, and for an objective that is bounded twice.
    """
    found: list[Bound] = []
    for text in _texts(value):
        match = _FORM.fullmatch(text)
        if not match:
            raise AccelsimError(f"bound '{short(text)}': write NAME<=VALUE, such as 'cycles<=1.2e6' or 'energy<=3 mJ'")
        name = " ".join(match[1].split())
        moved = name.endswith(f" {WORDS}")
        if name not in MEASURES and not moved:
            known = nearest(name, [*MEASURES, f"DRAM {WORDS}"])
            raise AccelsimError(f"bound '{short(text)}': unknown quantity '{short(name)}'{known}")
        try:
            quantity = read(match[3], MOVED if moved else MEASURES[name])
        except ValueError as error:
            raise AccelsimError(f"bound '{short(text)}': {error}") from None
        one = Bound(name, quantity.value, quantity.unit)
        other = next((other for other in found if other.objective == one.objective), None)
        if other is not None:
            raise AccelsimError(f"bound '{one}': {one.objective} has a bound already, '{other}'; give one")
        found.append(one)
    return tuple(found)


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, Bound):
        return [str(value)]
    if isinstance(value, str):
        return [part for part in value.split(",") if part.strip()] or [value]
    if isinstance(value, Mapping):
        return [f"{name} <= {most}" for name, most in value.items()]
    if isinstance(value, Iterable):
        return [text for one in value for text in _texts(one)]
    raise AccelsimError(f"bound is {short(value)}; write NAME<=VALUE, such as 'cycles<=1.2e6'")


def ceilings_of(bounds: tuple[Bound, ...], machine: Architecture, table: EnergyTable, objective: str) -> Ceilings:
    """Bounds in the table's unit and the machine's cycles. AccelsimError for what table or objective cannot say."""
    from accelsim.search.optimum.ceilings import Ceilings

    found = {}
    for one in bounds:
        if one.objective == objective:
            raise AccelsimError(f"bound '{one}': {objective} is what the search makes small; bound another one")
        most = float(one.most)
        if one.level and one.level != machine.levels[0].name:
            own = [spec.name for spec in machine.levels]
            if one.level not in own:
                raise AccelsimError(f"bound '{one}': unknown level '{short(one.level)}'{nearest(one.level, own)}")
            raise AccelsimError(
                f"bound '{one}': of '{machine.name}' words of its outermost level are bounded, '{own[0]} {WORDS}'"
            )
        if one.what == "latency":
            most *= float(machine.clock_hz)
        elif one.unit == "J" and table.unit == "pJ":
            most *= 1e12
        elif one.unit and one.unit != table.unit and one.what == "energy":
            raise AccelsimError(
                f"bound '{one}': energy table '{table.name}' has energies in {table.unit}, not in {one.unit}"
            )
        found[one.objective] = most
    return Ceilings(**found)
