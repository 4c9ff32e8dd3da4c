"""Numbers with the units of energy and carbon, read exactly: "85.7 MWh", "3 years", "331 mm2", "0.954 lb/kWh"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from accelsim.quantities import Measure, Quantity, read, short

POUND = Fraction("453.59237")
"""Grams."""
JOULES = 3_600_000
"""Of a kWh."""
DAY, YEAR = 24, 24 * 365
"""Hours."""
CARBON = re.compile(r"[\s_-]*CO[2₂](?:[\s_-]?eq?)?(?![a-z])|(?<=[gtb])\s*eq\b", re.IGNORECASE)
"""What is emitted, within a unit: ``gCO₂eq/kWh``, ``lbs_co2_per_mwh``."""


def _units(base: str, scales: Mapping[str, Fraction | int]) -> dict[str, tuple[Fraction, str]]:
    return {name: (Fraction(scale), base) for name, scale in scales.items()}


_PREFIXES = {"p": -12, "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12}
_TENS: dict[str, Fraction] = {prefix: Fraction(f"1e{power}") for prefix, power in _PREFIXES.items()}
_KILO_UP = ("", "k", "M", "G", "T")
_HOURS: dict[str, Fraction | int] = {
    **dict.fromkeys(("us",), Fraction(1, 3_600_000_000)),
    **dict.fromkeys(("ms",), Fraction(1, 3_600_000)),
    **dict.fromkeys(("s", "second", "seconds"), Fraction(1, 3600)),
    **dict.fromkeys(("min", "minute", "minutes"), Fraction(1, 60)),
    **dict.fromkeys(("h", "hour", "hours"), 1),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("week", "weeks"), 7 * DAY),
    **dict.fromkeys(("year", "years"), YEAR),
}
_GRAMS: dict[str, Fraction] = {
    **{"mg": Fraction(1, 1000), "g": Fraction(1), "kg": Fraction(1000), "t": Fraction(10**6)},
    **{"lb": POUND, "lbs": POUND},
}

ENERGY = Measure(
    "an energy",
    "85.7 MWh",
    "pJ to TJ, Wh, kWh, MWh, GWh",
    _units("kWh", {f"{prefix}J": scale / JOULES for prefix, scale in _TENS.items()})
    | _units("kWh", {f"{prefix}Wh": _TENS[prefix] / 1000 for prefix in _KILO_UP}),
)
POWER = Measure(
    "a power", "310 W", "mW, W, kW, MW", _units("W", {f"{prefix}W": _TENS[prefix] for prefix in ("u", "m", *_KILO_UP)})
)
SPAN = Measure("a time", "3 years", "us, ms, s, min, h, days, weeks, years of 365 days", _units("h", _HOURS))
AREA = Measure(
    "an area", "331 mm2", "um2, mm2, cm2", _units("cm2", {"um2": Fraction(1, 10**8), "mm2": Fraction(1, 100), "cm2": 1})
)
INTENSITY = Measure(
    "a carbon intensity",
    "432.7 g/kWh",
    "g, kg, t or lb of CO2e per kWh or MWh",
    _units(
        "g/kWh",
        {
            f"{mass}/{energy}": grams / kwh
            for mass, grams in _GRAMS.items()
            for energy, kwh in (("kWh", 1), ("MWh", 1000))
        },
    ),
)
FAB_ENERGY = Measure(
    "a fab's energy", "2.15 kWh/cm2", "kWh/cm2, MJ/cm2", _units("kWh/cm2", {"kWh/cm2": 1, "MJ/cm2": Fraction(5, 18)})
)
PER_AREA = Measure("a mass for an area", "275 g/cm2", "g/cm2, kg/cm2", _units("g/cm2", {"g/cm2": 1, "kg/cm2": 1000}))

PER_GB = Measure("a mass for a GB", "65 g/GB", "g/GB, kg/GB", _units("g/GB", {"g/GB": 1, "kg/GB": 1000}))


def reader(measure: Measure, *, zero: bool = False) -> Callable[[object], Fraction]:
    """A function from text to the base unit of a measure; it raises ValueError, one line, for what is no such thing."""

    def found(text: object) -> Fraction:
        return read(text, measure, zero=zero).value

    return found


energy, power, span, area = (reader(measure) for measure in (ENERGY, POWER, SPAN, AREA))
fab_energy = reader(FAB_ENERGY)
per_area = reader(PER_AREA, zero=True)
per_gb = reader(PER_GB)


def intensity(text: object) -> Fraction:
    """Read g CO2e/kWh from ``"432.7 g/kWh"``, ``"0.954 lb/kWh"``, ``"545 gCO2e/kWh"``; zero is allowed."""
    return read(CARBON.sub("", text) if isinstance(text, str) else text, INTENSITY, zero=True).value


def intensity_unit(text: str) -> Fraction | None:
    """How many g CO2e/kWh are one of a unit as the header of a file names it; None: no unit of an intensity."""
    plain = CARBON.sub("", text).replace("_per_", "/").replace(" per ", "/").replace("_", "").replace(" ", "").lower()
    known = {name.lower(): scale for name, (scale, _) in INTENSITY.units.items()}
    return known.get(plain)


def gigabytes(size: Quantity) -> Fraction:
    """10^9 bytes of a size. Raises ValueError for one in words, which may be of any width."""
    if size.unit != "b":
        raise ValueError(f"a memory's size is in bytes, such as '8 GB', got {short(size.value)} {size.unit}")
    return size.value / (8 * 10**9)


def mass(grams: Fraction | float) -> str:
    """Grams of CO2e at a readable size: ``46.5 t``, ``1.23 kg``, ``4.5 ug``."""
    return _scaled(float(grams), (("t", 1e6), ("kg", 1e3), ("g", 1.0), ("mg", 1e-3), ("ug", 1e-6), ("ng", 1e-9)))


def energy_text(kwh: Fraction | float) -> str:
    """Energy of so many kWh at a readable size: ``85.3 MWh``, ``3.4 mJ``."""
    value = float(kwh)
    if value >= 1e-3:
        return _scaled(value, (("GWh", 1e6), ("MWh", 1e3), ("kWh", 1.0), ("Wh", 1e-3)))
    return _scaled(value * JOULES, (("J", 1.0), ("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9), ("pJ", 1e-12)))


def time_text(hours: Fraction | float) -> str:
    """Hours at a readable size: ``3 years``, ``79.2 h``, ``1.5 ms``."""
    units = (("years", YEAR), ("h", 1.0), ("s", 1 / 3600), ("ms", 1 / 3.6e6), ("us", 1 / 3.6e9))
    return _scaled(float(hours), units)


def _scaled(value: float, units: tuple[tuple[str, float], ...]) -> str:
    from accelsim.report.text import number

    name, scale = next(((name, scale) for name, scale in units if abs(value) >= scale), units[-1])
    return f"{number(value / scale, 4)} {name}" if value else "0"
