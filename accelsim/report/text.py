"""Numbers, units and names as people read them, the same in tables, pictures and lines."""

from __future__ import annotations

import math
import unicodedata

from accelsim.energy.rows import MAC
from accelsim.energy.table import energy_unit

MAC_UNIT = "MAC unit"  # the component that multiplies; 'MACs' are a count, 'MAC energies' a unit
LONGEST_NAME = 32  # letters
# what moves the cursor, reorders text or ends a line: controls, formats, surrogates, line and paragraph separators
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
"""Digits of an exponent."""


def number(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits at least, thousands grouped; whole numbers stay whole."""
    if value == int(value) and abs(value) < 1e12:
        return f"{int(value):,}"
    if not 1e-3 <= abs(value) < 1e12:
        return f"{value:.{digits - 1}e}"
    whole = math.floor(math.log10(abs(value))) + 1  # digits before the point; below 0: zeros behind it
    return f"{value:,.{max(0, digits - whole)}f}"


def milliseconds(value: float) -> str:
    """A time: three places, more where it is short."""
    return f"{value:,.3f}" if value >= 1 else number(value)


def percent(share: float) -> str:
    """A share of 1 as a percentage, without its sign."""
    return f"{100 * share:.1f}"


def ten_to(power: int) -> str:
    """A power of ten: ``10⁹``."""
    return "10" + str(power).translate(RAISED)


def times(unit: str) -> str:
    """A unit as it stands behind a number: ``× 10⁹ MAC energies``, ``mJ``."""
    return f"× {unit}" if unit.startswith("10") else unit


def energy_scale(unit: str, value: float) -> tuple[float, str]:
    """A divisor and its unit that bring an energy to a readable size."""
    named = energy_unit(unit)
    steps = [(1e9, f"{ten_to(9)} {named}"), (1e6, f"{ten_to(6)} {named}")]
    if unit == "pJ":
        steps = [(1e9, "mJ"), (1e6, "uJ"), (1e3, "nJ")]
    return next(((scale, name) for scale, name in steps if value >= scale), (1.0, named))


def energy_text(value: float, unit: str) -> str:
    """An energy in a table's unit, at a readable size: ``2.69 × 10⁹ MAC energies``, ``3.40 mJ``."""
    scale, name = energy_scale(unit, value)
    return f"{number(value / scale)} {times(name)}"


def component(name: str) -> str:
    """A component of an energy account as it is shown."""
    return MAC_UNIT if name == MAC else visible(name)


def visible(text: str) -> str:
    """Text without control characters: each becomes its escape."""
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode("ascii") if unicodedata.category(letter) in HIDDEN else letter
        for letter in text
    )


def shown(name: str, longest: int = LONGEST_NAME) -> str:
    """A name of the user's, fit for one line: no control characters, its middle left out where it is too long."""
    text = visible(name[: 4 * longest] + name[-4 * longest :] if len(name) > 8 * longest else name)
    if len(text) <= longest:
        return text
    ahead = (longest - 1) // 2
    return f"{text[:ahead]}…{text[-(longest - 1 - ahead) :]}"


def arrows(cause: str) -> str:
    """A cause of stalls as a page has it, which breaks no line within an arrow: ``DRAM→GLB ifmap``."""
    return visible(cause).replace("->", "→").replace("<-", "←")


def many(count: int, noun: str) -> str:
    """``1 layer``, ``3 layers``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
