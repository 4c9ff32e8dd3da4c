"""How many words of a layer's operands are not zero, and how they lie: the values, and what YAML may say of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema, model_validator

from accelsim.errors import WorkloadError
from accelsim.specs import Pair, Spec, key
from accelsim.workload.problem import Tensor
from accelsim.yamlfile import unknown

OPERANDS = ("ifmap", "filter", "ofmap")


@dataclass(frozen=True)
class Density:
    """The non-zero words of one tensor.

    Parameters
    ----------
    fraction : share of words that are not zero, 0 to 1; for a pattern n / m.
    bernoulli : each word (or block) by itself with this probability; else exactly this share of them, rounded.
    pattern : (n, m): of every m consecutive channels exactly n are not zero; a last group cut short keeps
        min(n, its length). Channels are C of an ifmap or a filter, M of an ofmap.
    block : whole blocks are zero or not. Filter: (M, C), all R and S with them; ifmap and ofmap: (rows, columns).

    Raises
    ------
    WorkloadError : a value out of range, or two that exclude each other.
    """

    fraction: float = 1.0
    bernoulli: bool = False
    pattern: tuple[int, int] | None = None
    block: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        # a NaN is in no range
        if not 0 <= self.fraction <= 1:
            raise WorkloadError(f"a density must lie in 0 to 1, got {self.fraction}")
        if self.block and min(self.block) < 1:
            raise WorkloadError(f"a block of {self.block[0]}x{self.block[1]} has no words")
        if self.pattern is None:
            return
        n, m = self.pattern
        if not 1 <= n <= m:
            raise WorkloadError(f"pattern {n}:{m}: of m words n are not zero, so 1 <= n <= m")
        if self.bernoulli or self.block:
            raise WorkloadError(f"a pattern stands alone, without {'bernoulli' if self.bernoulli else 'block'}")
        if self.fraction != n / m:
            raise WorkloadError(f"pattern {n}:{m} is a density of {n / m:g}; it takes no other")

    @staticmethod
    def structured(n: int, m: int) -> Density:
        """Exactly n words of every m along the channels."""
        return Density(n / m if m else 0.0, pattern=(n, m))

    @property
    def dense(self) -> bool:
        """Whether no word is zero."""
        return self.fraction == 1

    def __str__(self) -> str:
        if self.pattern:
            return f"{self.pattern[0]}:{self.pattern[1]}"
        blocks = f" in blocks of {self.block[0]}x{self.block[1]}" if self.block else ""
        return f"{self.fraction:g}{' bernoulli' if self.bernoulli else ''}{blocks}"


@dataclass(frozen=True)
class Densities:
    """The densities of one layer; None: no word is zero.

    ofmap : after the layer's activation function, before any pooling.
    """

    ifmap: Density | None = None
    filter: Density | None = None
    ofmap: Density | None = None

    def of(self, tensor: Tensor) -> Density | None:
        """The density of a tensor (psum: the ofmap's)."""
        return {Tensor.IFMAP: self.ifmap, Tensor.FILTER: self.filter, Tensor.PSUM: self.ofmap}[tensor]

    def __bool__(self) -> bool:
        return any((self.ifmap, self.filter, self.ofmap))


DENSE = Densities()


def _share(value: object) -> float:
    """0.38, also as text: a product with a parameter is one."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        found = float(value)
    except (ValueError, OverflowError):
        shown = {"dict": "a mapping", "list": "a list", "NoneType": "nothing"}.get(type(value).__name__)
        text = shown or f"'{str(value).lower() if isinstance(value, bool) else value}'"
        raise ValueError(f"should be a number from 0 to 1, got {text}") from None
    if not 0 <= found <= 1:
        raise ValueError(f"a density must lie in 0 to 1, got {value}")
    return found


def _pattern(value: object) -> tuple[int, int]:
    """2:4."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*:\s*(\d{1,9})\s*", str(value))
    if not match:
        raise ValueError(f"'{value}' is no pattern; write n:m, such as '2:4'")
    n, m = int(match[1]), int(match[2])
    if not 1 <= n <= m:
        raise ValueError(f"'{value}': of m words n are not zero, so 1 <= n <= m")
    return n, m


def _operand(name: object) -> str:
    if name in OPERANDS:
        return str(name)
    if name == "psum":
        raise ValueError("a psum is not final and has no density; write 'ofmap', after the activation function")
    raise ValueError(unknown("tensor", name, OPERANDS, shown=False))


_NUMBER = WithJsonSchema({"type": ["number", "string"], "minimum": 0, "maximum": 1, "examples": [0.38]})
_TEXT = WithJsonSchema({"type": "string", "examples": ["2:4"]})


class DensitySpec(Spec):
    """One tensor's density: a `fraction`, or a `pattern`."""

    fraction: Annotated[float | None, PlainValidator(_share), _NUMBER] = key(
        "Share of its words that are not zero: exactly so many, rounded, placed uniformly.",
        None,
        "what `pattern` says",
        "share of words, 0 to 1",
    )
    bernoulli: bool = key("Whether each word is drawn by itself, with the probability `fraction`.", False)
    pattern: Annotated[tuple[int, int] | None, PlainValidator(_pattern), _TEXT] = key(
        "n:m: of every m consecutive channels exactly n are not zero.", None, "words are placed anywhere"
    )
    block: Pair | None = key(
        "Whole blocks are zero or not: [M, C] of a filter, [rows, columns] of an ifmap or ofmap.",
        None,
        "each word by itself",
        "words",
    )

    @model_validator(mode="after")
    def _fits(self) -> DensitySpec:
        self.value()
        return self

    def value(self) -> Density:
        """As a value object; ValueError if its parts exclude each other."""
        if self.pattern is None and self.fraction is None:
            raise ValueError("needs a fraction, or a pattern")
        if self.pattern is not None and self.fraction is not None:
            raise ValueError(f"fraction and pattern: {self.pattern[0]}:{self.pattern[1]} says how many; leave one out")
        n, m = self.pattern or (0, 1)
        fraction = n / m if self.fraction is None else self.fraction
        try:
            return Density(fraction, self.bernoulli, self.pattern, self.block)
        except WorkloadError as error:
            raise ValueError(str(error)) from None


def _spread(value: object) -> object:
    """A number stands for a mapping that only says how many."""
    return value if isinstance(value, dict | DensitySpec) else {"fraction": value}


DensityTable = dict[
    Annotated[Literal["ifmap", "filter", "ofmap"], BeforeValidator(_operand)],
    Annotated[DensitySpec, BeforeValidator(_spread, json_schema_input_type=Annotated[float, _NUMBER] | DensitySpec)],
]


def densities(table: DensityTable) -> Densities:
    """What a layer's `density:` says, as a value object."""
    return Densities(**{str(name): spec.value() for name, spec in table.items()})
