"""Numbers with units, read exactly: "108 KiB", "64 b", "4 words", "200 MHz", "25.6 GB/s", "20 ns"."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

_FORM = re.compile(
    r"([+-]?(?:\d{1,40}/0*[1-9]\d{0,39}|(?:\d[\d_]{0,39}(?:\.\d{0,39})?|\.\d{1,39})(?:[eE][+-]?\d{1,2})?))"
    r"\s*([^\d\s].*)?"
)

_DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SPELLED = {"bit": "b", "bits": "b", "byte": "B", "bytes": "B", "word": "words", "cycle": "cycles"}

_BITS = {
    prefix + unit: (Fraction(scale * bits), "b")
    for unit, bits in (("b", 1), ("B", 8))
    for prefix, scale in (_DECIMAL | _BINARY).items()
}
_WORDS = {"words": (Fraction(1), "words")}
# nobody builds a bus of 34 GB a cycle: with a larger unit the "/s" was left out
_PER_CYCLE = {"b": _BITS["b"], "B": _BITS["B"], **_WORDS}
_PER_SECOND = {f"{unit}/s": (scale, "b/s") for unit, (scale, _) in _BITS.items()} | {
    "words/s": (Fraction(1), "words/s")
}
_HERTZ = {f"{prefix}Hz": (Fraction(scale), "Hz") for prefix, scale in _DECIMAL.items()}
_CYCLES = {unit: (Fraction(1), "cycles") for unit in ("", "cycles")}
_SECONDS = {unit: (Fraction(1, scale), "s") for unit, scale in (("ps", 10**12), ("ns", 10**9), ("us", 10**6))}


class Bound(NamedTuple):
    """What a quantity is called, and the least and the most it may be."""

    what: str
    least: int
    most: int
    unit: str = ""

    def check(self, value: Fraction | int | float) -> None:
        """Raise ValueError, one line, for a value that is out of bounds."""
        if not self.least <= value <= self.most:
            far, limit = ("most", self.most) if value > self.least else ("least", self.least)
            unit = f" {self.unit}" if self.unit else ""
            raise ValueError(f"{self.what} must be at {far} {_round(limit)}{unit}, got {short(value)}{unit}")


BOUNDS = {
    bound.what: bound
    for bound in (
        # sizes: counts of words and their bits stay within 64-bit integers
        Bound("a size", 1, 2**60, "b"),
        Bound("a width of a port", 0, 2**40, "b per cycle"),
        Bound("a width per second", 0, 10**18, "b/s"),
        Bound("a frequency", 1, 10**12, "Hz"),
        Bound("a latency", 0, 2**40, "cycles"),
        Bound("a time", 0, 1, "s"),
        Bound("a whole number", 0, 2**60),
        Bound("rows or columns of an array", 1, 2**24),
        Bound("PEs", 1, 2**32),
        Bound("MACs per cycle", 1, 2**20),
        Bound("pipeline", 0, 2**16),
        # what is kept for each of these while a layer runs takes memory
        Bound("drift", 1, 2**16),
        Bound("queue", 1, 2**16),
        Bound("vector lanes", 0, 2**32),
        Bound("a part of a Cartesian PE", 0, 2**16),
        Bound("a value of a DRAM", 0, 2**32),
        Bound("channels times banks of a DRAM", 1, 2**16),
        Bound("burst or queue of a DRAM", 1, 2**16),
        Bound("a word", 1, 64, "b"),
        Bound("a batch", 1, 2**60),
        Bound("a seed", 0, 2**63 - 1),
        Bound("an energy", 0, 10**15),
    )
}
"""Every quantity's bounds, wide of all that is built: what one is called, and how much of it is still meant."""
MOST_PART = 2**50
"""Numerator and denominator of a rate, in its core's cycles: products with counts of words stay exact."""
MOST_SHOWN = 40
"""Letters of a value that an error repeats."""


def bounded(what: str, value: Fraction | int | float) -> None:
    """Raise ValueError, one line, for a quantity that is out of its bounds."""
    BOUNDS[what].check(value)


def short(value: object) -> str:
    """A value as an error repeats it: whole up to 40 letters, else its beginning and how long it is."""
    if isinstance(value, int) and value.bit_length() > 400:
        return f"a number of about {int(value.bit_length() * math.log10(2)) + 1:,} digits"
    if isinstance(value, Fraction):
        value = exact(value)
    text = str(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN // 2]}... ({len(text):,} letters)"


def _round(number: int) -> str:
    """A bound as a person says it: ``2^60``, ``10^12``, ``1``."""
    if number < 10**6:
        return f"{number:,}"
    for base in (2, 10):
        power = round(math.log(number, base))
        if base**power == number:
            return f"{base}^{power}"
    return f"{number:,}"


class Measure(NamedTuple):
    """One sort of quantity: what to call it, an example, its units in short, and all of them with their scale."""

    what: str
    example: str
    shown: str
    units: Mapping[str, tuple[Fraction, str]]


SIZE = Measure("a size", "108 KiB", "b, B, kB, MB, GB, KiB, MiB, GiB, words", _BITS | _WORDS)
WORD = Measure("a word width", "16 b", "b, B", _BITS)
RATE = Measure("a width", "64 b", "b, B, words per cycle; GB/s, Gb/s", _PER_CYCLE | _PER_SECOND)
FREQUENCY = Measure("a frequency", "200 MHz", "Hz, kHz, MHz, GHz", _HERTZ)
CLOCK = Measure(
    "a clock", "1200 MHz", f"{FREQUENCY.shown}; per cycle", {**_HERTZ, "per cycle": (Fraction(1), "per cycle")}
)
DURATION = Measure("a time", "20 ns", "cycles, ps, ns, us", _CYCLES | _SECONDS)


MOST_BITS = 64
"""Of one word."""
MOST_PLACES = 18
"""Decimal places of a number that is written as one; others are written as fractions."""
_LARGER = {
    "b": (("MiB", 2**23), ("KiB", 2**13), ("B", 8)),
    "b/s": (("GB/s", 8 * 10**9), ("MB/s", 8 * 10**6), ("Gb/s", 10**9), ("Mb/s", 10**6)),
    "Hz": (("GHz", 10**9), ("MHz", 10**6), ("kHz", 10**3)),
}


@dataclass(frozen=True)
class Quantity:
    """An exact number in one of the base units ``b``, ``words``, ``b/s``, ``Hz``, ``per cycle``, ``cycles``, ``s``."""

    value: Fraction
    unit: str


def size(text: object) -> Quantity:
    """A whole positive number of bits or words: ``"108 KiB"``, ``"64 b"``, ``"4 words"``."""
    found = read(text, SIZE)
    if found.value.denominator != 1:
        raise ValueError(f"'{text}' is not a whole number of {'bits' if found.unit == 'b' else 'words'}")
    return found


def capacity(text: object) -> Quantity:
    """A size within the bounds of a memory."""
    found = size(text)
    bounded("a size", found.value if found.unit == "b" else found.value * MOST_BITS)
    return found


def word(text: object) -> int:
    """Bits of one word, 1 to 64: ``"16 b"``, ``"2 B"``."""
    found = read(text, WORD)
    if found.value.denominator != 1:
        raise ValueError(f"'{text}' is not a whole number of bits")
    if found.value > MOST_BITS:
        raise ValueError(f"a word has at most {MOST_BITS} b, got '{short(text)}'")
    return int(found.value)


def rate(text: object) -> Quantity:
    """What a port moves: bits or words per cycle of its clock (``"64 b"``), or bits per second (``"25.6 GB/s"``)."""
    if isinstance(text, str) and text.endswith("/cycle"):
        found = read(text.removesuffix("/cycle"), RATE._replace(units=_BITS | _WORDS))
    else:
        found = read(text, RATE)
    bounded("a width per second" if found.unit.endswith("/s") else "a width of a port", found.value)
    return found


def frequency(text: object) -> Fraction:
    """Cycles per second: ``"200 MHz"``."""
    found = read(text, FREQUENCY).value
    bounded("a frequency", found)
    return found


def clock(text: object) -> Quantity:
    """A clock of its own (``"1200 MHz"``), or so many for each cycle of the core (``"3/2 per cycle"``)."""
    found = read(text, CLOCK)
    if found.unit == "Hz":
        bounded("a frequency", found.value)
    return found


def duration(text: object) -> Quantity:
    """Cycles (``5``, ``"5 cycles"``) or seconds (``"20 ns"``); zero is allowed."""
    found = read(text, DURATION, zero=True)
    if found.unit == "cycles" and found.value.denominator != 1:
        raise ValueError(f"'{text}' is not a whole number of cycles")
    bounded("a latency" if found.unit == "cycles" else "a time", found.value)
    return found


def times(text: object, factor: int) -> int | str:
    """A quantity or plain number, multiplied; the unit is kept: ``times("512 B", 256) == "131072 B"``."""
    match = None if isinstance(text, bool) else _FORM.fullmatch(_plain(text))
    if not match:
        raise ValueError(f"'{short(text)}' is not a number, with or without a unit")
    product = Fraction(match[1]) * factor
    if match[2]:
        return f"{exact(product)} {match[2]}"
    return int(product) if product.denominator == 1 else exact(product)


def exact(value: Fraction) -> str:
    """A number as text that reads back the same: ``"200"``, ``"1.5"``, or ``"5/7"`` where decimals have no end."""
    rest, places = value.denominator, 0
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest, power = rest // prime, power + 1
        places = max(places, power)
    if rest > 1 or places > MOST_PLACES:
        return f"{value.numerator}/{value.denominator}"
    whole, part = divmod(abs(value.numerator) * 10**places // value.denominator, 10**places)
    return f"{'-' if value < 0 else ''}{whole}" + (f".{part:0{places}}" if places else "")


def written(value: Fraction, unit: str) -> str:
    """A quantity in one of the base units as a person writes it: ``"200 MHz"``, ``"34 GB/s"``, ``"108 KiB"``."""
    for name, scale in _LARGER.get(unit, ()):
        if value >= scale and (value / scale).denominator == 1:
            return f"{exact(value / scale)} {name}"
    return f"{exact(value)} {unit}"


def read(text: object, measure: Measure, *, zero: bool = False) -> Quantity:
    """A number and one of the units of a measure, in its base unit. Raises ValueError, one line."""
    match = None if isinstance(text, bool) or text is None else _FORM.fullmatch(_plain(text))
    if not match:
        raise ValueError(
            f"'{short(text)}' is not {measure.what}; write a number and a unit, such as '{measure.example}'"
        )
    number, unit = Fraction(match[1]), (match[2] or "").strip()
    unit = _SPELLED.get(unit, unit)
    if unit not in measure.units:
        raise ValueError(_wrong_unit(short(text), short(unit), measure))
    if number < 0 or (number == 0 and not zero):
        raise ValueError(f"{measure.what} must be {'at least 0' if zero else 'positive'}, got '{short(text)}'")
    scale, base = measure.units[unit]
    return Quantity(number * scale, base)


def _plain(value: object) -> str:
    """A value as text; of a number that no quantity comes near, how large it is."""
    return short(value) if isinstance(value, int) else str(value).strip()


def _wrong_unit(text: object, unit: str, measure: Measure) -> str:
    if not unit:
        return f"'{text}' has no unit; {measure.what} is written like '{measure.example}' ({measure.shown})"
    known = [name for name in measure.units if name]
    if unit.startswith("K") and {"k" + unit[1:], "Ki" + unit[1:]} <= set(known):
        return f"'{text}': 'K' could be 1000 or 1024; write 'k{unit[1:]}' (1000) or 'Ki{unit[1:]}' (1024)"
    if f"{unit}/s" in known:
        return (
            f"'{text}': a width is bits, bytes or words each cycle, or so much per second; did you mean "
            f"'{str(text).strip()}/s'? ({measure.shown})"
        )
    same = [name for name in known if name.lower() == unit.lower()]
    close = same or difflib.get_close_matches(unit, known, n=1, cutoff=0.6)
    meant = f"; did you mean '{close[0]}'?" if close else ""
    return f"'{text}' is not {measure.what}: unknown unit '{unit}'{meant} ({measure.shown})"
