"""Bits of the words of each tensor, where a run or a layer chooses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from accelsim.errors import AccelsimError, nearest
from accelsim.quantities import MOST_BITS
from accelsim.specs import PARAMETER, pick, whole
from accelsim.workload.problem import ADDED_DIMS, Problem, Tensor, Width

SMALL = 8
"""Drawn operands lie in -8 .. 7, or what fewer bits hold."""


def width(value: object) -> int:
    """A validator for bits of a word: 1 to 64, a plain number."""
    found = whole(1)(value)
    if found > MOST_BITS:
        raise ValueError(f"must be at most {MOST_BITS}, got {found}")
    return found


_BITS = WithJsonSchema(
    {"type": ["integer", "string"], "minimum": 1, "maximum": MOST_BITS, "pattern": PARAMETER, "examples": [8]}
)
BitsTable = dict[
    Annotated[Width, BeforeValidator(pick("tensor", Width))],
    Annotated[int, PlainValidator(width), _BITS],
]


def checked(bits: Mapping[str, object]) -> dict[Width, int]:
    """Bits by tensor (and of the ofmap) as a caller gives them.

    AccelsimError, one line, for an unknown tensor or a width out of range.
    """
    found = {}
    for name, value in bits.items():
        if name not in tuple(Width):
            raise AccelsimError(f"bits: unknown tensor '{name}'{nearest(str(name), Width)}")
        try:
            found[Width(name)] = width(value)
        except ValueError as error:
            raise AccelsimError(f"bits: {name}: {error}") from None
    return found


def span(bits: int) -> tuple[int, int]:
    """Lowest and highest value of drawn operands: small, two's complement; of one bit 0 and 1."""
    far = min(SMALL, 2 ** (bits - 1))
    return (-far, far - 1) if bits > 1 else (0, 1)


def sum_bits(lowest: int, highest: int) -> int:
    """Bits that hold every whole number from `lowest` to `highest`: two's complement, unsigned if none is negative."""
    if lowest >= 0:
        return max(1, highest.bit_length())
    return max(max(highest, 0).bit_length(), (~lowest).bit_length()) + 1


def accumulator_bits(problem: Problem, bits: Mapping[Tensor, int]) -> int:
    """Bits a psum needs so that no operands of these widths, two's complement, make it overflow.

    The largest sum is that of C R S products of the two most negative operands.
    """
    terms = 1
    for dim in ADDED_DIMS:
        terms *= problem[dim]
    largest = terms << (bits[Tensor.IFMAP] + bits[Tensor.FILTER] - 2)
    return sum_bits(-1, largest)
