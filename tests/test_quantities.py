"""Numbers with units: exact, and refused with a reason."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim import quantities
from accelsim.quantities import Quantity


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("108 KiB", 108 * 1024 * 8, "b"),
        ("64 b", 64, "b"),
        ("64b", 64, "b"),
        ("0.5 kB", 4000, "b"),
        ("1 byte", 8, "b"),
        ("4 words", 4, "words"),
        ("1 word", 1, "words"),
        ("1_000 B", 8000, "b"),
        ("1e3 b", 1000, "b"),
        ("100 KiB", 819200, "b"),
    ],
)
def test_sizes(text, value, unit):
    assert quantities.size(text) == Quantity(Fraction(value), unit)


def test_rates_are_per_cycle_or_per_second():
    assert quantities.rate("64 b") == quantities.rate("64 b/cycle") == Quantity(Fraction(64), "b")
    assert quantities.rate("25.6 GB/s") == Quantity(Fraction(256 * 10**8 * 8), "b/s")
    assert quantities.rate("4 words") == Quantity(Fraction(4), "words")
    assert quantities.rate("0.5 words").value == Fraction(1, 2)


def test_frequencies_and_times():
    assert quantities.frequency("200 MHz") == 200_000_000
    assert quantities.frequency("1.2 GHz") == 1_200_000_000
    assert quantities.duration(5) == quantities.duration("5 cycles") == Quantity(Fraction(5), "cycles")
    assert quantities.duration(0).value == 0
    assert quantities.duration("20 ns") == Quantity(Fraction(20, 10**9), "s")


def test_words():
    assert quantities.word("16 b") == quantities.word("2 B") == 16


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (quantities.size, "64 MHz", "'64 MHz' is not a size: unknown unit 'MHz' (b, B, kB"),
        (quantities.size, "64", "'64' has no unit; a size is written like '108 KiB'"),
        (quantities.size, 64, "has no unit"),
        (quantities.size, "100 KB", "write 'kB' (1000) or 'KiB' (1024)"),
        (quantities.size, "100 kib", "did you mean 'Kib'?"),
        (quantities.size, "0 B", "a size must be positive, got '0 B'"),
        (quantities.size, "-3 B", "a size must be positive"),
        (quantities.size, "0.3 b", "not a whole number of bits"),
        (quantities.size, "1.5 words", "not a whole number of words"),
        (quantities.size, "many", "is not a size; write a number and a unit"),
        (quantities.size, True, "is not a size"),
        (quantities.size, None, "is not a size"),
        (quantities.size, "1e999999999 b", "is not a size"),
        (quantities.rate, "34 GB", "did you mean '34 GB/s'?"),
        (quantities.rate, "1 kb", "did you mean '1 kb/s'?"),
        (quantities.rate, "2MiB", "did you mean '2MiB/s'?"),
        (quantities.rate, "1e60 GB/s", "a width per second must be at most 10^18 b/s"),
        (quantities.capacity, "1e30 B", "a size must be at most 2^60 b, got 8"),
        (quantities.frequency, "1e30 Hz", "a frequency must be at most 10^12 Hz"),
        (quantities.rate, "5/0 words", "is not a width"),
        (quantities.rate, "64 Hz", "is not a width: unknown unit 'Hz'"),
        (quantities.word, "2 words", "is not a word width: unknown unit 'words'"),
        (quantities.frequency, "200 mhz", "did you mean 'MHz'?"),
        (quantities.frequency, "64 b", "is not a frequency"),
        (quantities.duration, "0.5 cycles", "not a whole number of cycles"),
        (quantities.duration, -1, "must be at least 0"),
        (quantities.duration, "3 s", "unknown unit 's'"),
    ],
)
def test_refused(read, text, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 the text is what is tested
        read(text)
    assert message in str(error.value)


def test_times_keeps_the_unit():
    assert quantities.times("512 B", 256) == "131072 B"
    assert quantities.times("0.5 KiB", 3) == "1.5 KiB"
    assert quantities.times(2, 8) == 16
    assert quantities.times("2.5 words", 2) == "5 words"


@given(st.integers(1, 10**12), st.integers(1, 10**4), st.sampled_from(["b", "B", "KiB", "MiB", "words"]))
def test_times_is_multiplication(number, factor, unit):
    product = quantities.size(quantities.times(f"{number} {unit}", factor))
    assert product.value == quantities.size(f"{number} {unit}").value * factor


def test_widths_per_cycle_and_fractions():
    assert quantities.rate("3 B") == quantities.Quantity(Fraction(24), "b")
    assert quantities.rate("1 kb/cycle") == quantities.Quantity(Fraction(1000), "b")
    assert quantities.rate("5/7 words") == quantities.Quantity(Fraction(5, 7), "words")
    assert quantities.rate("7 words/s") == quantities.Quantity(Fraction(7), "words/s")


@given(st.fractions(min_value=0, max_value=10**12))
def test_what_is_written_is_read_back(value):
    assert Fraction(quantities.exact(value)) == value
    if value:
        for unit in ("b/s", "words/s"):
            assert quantities.rate(quantities.written(value, unit)) == quantities.Quantity(value, unit)


def test_a_value_in_an_error_is_short():
    assert quantities.short(10**30) == "1" + "0" * 30
    assert quantities.short("x" * 100) == "x" * 20 + "... (100 letters)"
    assert quantities.short(10**5000) == "a number of about 5,001 digits"
