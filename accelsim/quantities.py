"""Numbers with units, read exactly: "108 KiB", "64 b", "4 words", "200 MHz", "25.6 GB/s", "20 ns"."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

_FORM = re.compile(r"([+-]?(?:\d[\d_]{0,39}(?:\.\d{0,39})?|\.\d{1,39})(?:[eE][+-]?\d{1,2})?)\s*([^\d\s].*)?")

_DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SPELLED = {"bit": "b", "bits": "b", "byte": "B", "bytes": "B", "word": "words", "cycle": "cycles"}

_BITS = {
    prefix + unit: (Fraction(scale * bits), "b")
    for unit, bits in (("b", 1), ("B", 8))
    for prefix, scale in (_DECIMAL | _BINARY).items()
}
_WORDS = {"words": (Fraction(1), "words")}
_PER_SECOND = {f"{unit}/s": (scale, "b/s") for unit, (scale, _) in _BITS.items()}
_HERTZ = {f"{prefix}Hz": (Fraction(scale), "Hz") for prefix, scale in _DECIMAL.items()}
_CYCLES = {unit: (Fraction(1), "cycles") for unit in ("", "cycles")}
_SECONDS = {unit: (Fraction(1, scale), "s") for unit, scale in (("ps", 10**12), ("ns", 10**9), ("us", 10**6))}


class Measure(NamedTuple):
    """One sort of quantity: what to call it, an example, its units in short, and all of them with their scale."""

    what: str
    example: str
    shown: str
    units: Mapping[str, tuple[Fraction, str]]


SIZE = Measure("a size", "108 KiB", "b, B, kB, MB, GB, KiB, MiB, GiB, words", _BITS | _WORDS)
WORD = Measure("a word width", "16 b", "b, B", _BITS)
RATE = Measure("a width", "64 b", "b, B, words per cycle; GB/s, Gb/s", _BITS | _WORDS | _PER_SECOND)
FREQUENCY = Measure("a frequency", "200 MHz", "Hz, kHz, MHz, GHz", _HERTZ)
DURATION = Measure("a time", "20 ns", "cycles, ps, ns, us", _CYCLES | _SECONDS)


MOST_BITS = 64
"""Of one word."""


@dataclass(frozen=True)
class Quantity:
    """An exact number in one of the base units ``b``, ``words``, ``b/s``, ``Hz``, ``cycles``, ``s``."""

    value: Fraction
    unit: str


def size(text: object) -> Quantity:
    """A whole positive number of bits or words: ``"108 KiB"``, ``"64 b"``, ``"4 words"``."""
    found = _read(text, SIZE)
    if found.value.denominator != 1:
        raise ValueError(f"'{text}' is not a whole number of {'bits' if found.unit == 'b' else 'words'}")
    return found


def word(text: object) -> int:
    """Bits of one word, 1 to 64: ``"16 b"``, ``"2 B"``."""
    found = _read(text, WORD)
    if found.value.denominator != 1:
        raise ValueError(f"'{text}' is not a whole number of bits")
    if found.value > MOST_BITS:
        raise ValueError(f"a word has at most {MOST_BITS} b, got '{text}'")
    return int(found.value)


def rate(text: object) -> Quantity:
    """What a port moves: bits or words per cycle of its clock (``"64 b"``), or bits per second (``"25.6 GB/s"``)."""
    bare = text.removesuffix("/cycle") if isinstance(text, str) else text
    return _read(bare, RATE)


def frequency(text: object) -> Fraction:
    """Cycles per second: ``"200 MHz"``."""
    return _read(text, FREQUENCY).value


def duration(text: object) -> Quantity:
    """Cycles (``5``, ``"5 cycles"``) or seconds (``"20 ns"``); zero is allowed."""
    found = _read(text, DURATION, zero=True)
    if found.unit == "cycles" and found.value.denominator != 1:
        raise ValueError(f"'{text}' is not a whole number of cycles")
    return found


def times(text: object, factor: int) -> int | str:
    """A quantity or plain number, multiplied; the unit is kept: ``times("512 B", 256) == "131072 B"``."""
    match = _FORM.fullmatch(str(text).strip())
    if not match or isinstance(text, bool):
        raise ValueError(f"'{text}' is not a number, with or without a unit")
    product = Decimal(match[1].replace("_", "")) * factor
    whole = product == product.to_integral_value()
    if match[2]:
        return f"{int(product) if whole else format(product, 'f')} {match[2]}"
    return int(product) if whole else format(product, "f")


def _read(text: object, measure: Measure, *, zero: bool = False) -> Quantity:
    match = None if isinstance(text, bool) or text is None else _FORM.fullmatch(str(text).strip())
    if not match:
        raise ValueError(f"'{text}' is not {measure.what}; write a number and a unit, such as '{measure.example}'")
    number, unit = Fraction(match[1]), (match[2] or "").strip()
    unit = _SPELLED.get(unit, unit)
    if unit not in measure.units:
        raise ValueError(_wrong_unit(text, unit, measure))
    if number < 0 or (number == 0 and not zero):
        raise ValueError(f"{measure.what} must be {'at least 0' if zero else 'positive'}, got '{text}'")
    scale, base = measure.units[unit]
    return Quantity(number * scale, base)


def _wrong_unit(text: object, unit: str, measure: Measure) -> str:
    if not unit:
        return f"'{text}' has no unit; {measure.what} is written like '{measure.example}' ({measure.shown})"
    known = [name for name in measure.units if name]
    if unit.startswith("K") and {"k" + unit[1:], "Ki" + unit[1:]} <= set(known):
        return f"'{text}': 'K' could be 1000 or 1024; write 'k{unit[1:]}' (1000) or 'Ki{unit[1:]}' (1024)"
    same = [name for name in known if name.lower() == unit.lower()]
    close = same or difflib.get_close_matches(unit, known, n=1, cutoff=0.6)
    meant = f"; did you mean '{close[0]}'?" if close else ""
    return f"'{text}' is not {measure.what}: unknown unit '{unit}'{meant} ({measure.shown})"
