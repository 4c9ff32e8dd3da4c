"""Multipliers that split: a MAC of long words that does several of short ones at a time (docs/precision.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from accelsim import quantities
from accelsim.architecture.choices import DataDim
from accelsim.architecture.network import within
from accelsim.errors import AccelsimError
from accelsim.quantities import MOST_BITS
from accelsim.specs import REFUSED, Macs, Spec, key, number, pick, quantity, whole
from accelsim.workload.problem import DIMS, Tensor

if TYPE_CHECKING:
    from accelsim.architecture.model import Architecture

OPERANDS = (Tensor.IFMAP, Tensor.FILTER)
MOST_SUPPLY = Fraction(2)
"""Volts beyond which a supply is a slip: no process of the tables has as much."""


@dataclass(frozen=True)
class Mode:
    """One way in which a multiplier works.

    ifmap, filter : most bits of the operands that it takes. macs : MACs that it does at a time, one for each of its
    sub-words. along : the dim of the nest that sub-words lie along; '': they are any MACs of a step.
    share : energy of a MAC over that of a MAC in the widest mode, at one supply; None: by the law for short words.
    divider : core clock over the clock of this mode. supply : V, or None: the table's.
    """

    ifmap: int = MOST_BITS
    filter: int = MOST_BITS
    macs: int = 1
    along: str = ""
    share: Fraction | None = None
    divider: int = 1
    supply: Fraction | None = None

    def __post_init__(self) -> None:
        bounds = (("a word", self.ifmap), ("a word", self.filter), ("MACs per cycle", self.macs))
        for what, value in (*bounds, ("pipeline", self.divider)):
            within("modes", what, value)
        if self.divider < 1:
            raise AccelsimError(f"modes: a divider is at least 1, not {self.divider}")
        if self.share is not None and self.share <= 0:
            raise AccelsimError(f"modes: an energy is above 0, not {float(self.share):g}")
        if self.supply is not None and not 0 < self.supply <= MOST_SUPPLY:
            raise AccelsimError(f"modes: a supply is above 0 and at most {MOST_SUPPLY} V, not {float(self.supply):g}")

    @property
    def cells(self) -> int:
        """Bits of one operand times bits of the other: cells of the part of the multiplier that a MAC takes."""
        return self.ifmap * self.filter

    @property
    def bits(self) -> dict[Tensor, int]:
        """Most bits of each operand."""
        return {Tensor.IFMAP: self.ifmap, Tensor.FILTER: self.filter}

    def takes(self, bits: Mapping[Tensor, int]) -> bool:
        """Whether operands of so many bits fit."""
        return all(bits[tensor] <= most for tensor, most in self.bits.items())

    def __str__(self) -> str:
        return f"{self.macs} x {self.ifmap} b" + ("" if self.ifmap == self.filter else f" by {self.filter} b")


WHOLE = Mode()
"""A multiplier that does not split."""


def mode_of(modes: Sequence[Mode], bits: Mapping[Tensor, int]) -> Mode:
    """The mode that operands of these bits run in: of those that take them the one of the fewest cells.

    modes : none, of a multiplier that does not split. Raises AccelsimError where no mode takes them.
    """
    if not modes:
        return WHOLE
    fit = [mode for mode in modes if mode.takes(bits)]
    if not fit:
        words = " and ".join(f"{tensor} words of {bits[tensor]} b" for tensor in OPERANDS)
        raise AccelsimError(f"modes: none takes {words} (there are {', '.join(map(str, modes))})")
    return min(fit, key=lambda mode: mode.cells)


def widest(modes: Sequence[Mode]) -> Mode:
    """The mode of the most cells: the whole multiplier, which the others are parts of."""
    return max(modes, key=lambda mode: mode.cells, default=WHOLE)


def refuse_modes(machine: Architecture) -> None:
    """Raise AccelsimError for modes that contradict each other, or that go with nothing else of the machine."""
    modes, where = machine.modes, f"architecture '{machine.name}': modes"
    if not modes:
        return
    most, seen = widest(modes), set[int]()
    for mode in modes:
        if mode.cells in seen:
            raise AccelsimError(f"{where}: two modes of {mode.cells} cells: which of them runs is not said")
        seen.add(mode.cells)
        if mode.macs * mode.cells > most.macs * most.cells:
            raise AccelsimError(f"{where}: {mode} takes more cells than {most}, the whole multiplier")
        if mode.along not in ("", *DIMS):
            raise AccelsimError(f"{where}: sub-words along {mode.along}: allowed are {', '.join(DIMS)}")
        if machine.runs and mode.along in ("P", "Q"):
            raise AccelsimError(f"{where}: sub-words along {mode.along}, of which runs of pixels have no loop")
    if 0 < sum(mode.supply is not None for mode in modes) < len(modes):
        raise AccelsimError(f"{where}: some have a supply and some have none; give all of them one, or none")
    if most.share not in (None, 1):
        raise AccelsimError(f"{where}: energies are over that of {most}, so its own is 1")
    if machine.cartesian or machine.sparsity.skip:
        what = "Cartesian PEs" if machine.cartesian else "PEs that skip zeros"
        raise AccelsimError(f"{where}: {what} pair words by themselves; gate zeros, or leave modes out")
    if machine.physical and machine.physical.arithmetic.value != "int":
        raise AccelsimError(f"{where}: multipliers of {machine.physical.arithmetic} numbers do not split")
    if machine.multiplier > 1:
        raise AccelsimError(f"{where}: a multiplier has the widths of its modes; leave multiplier out")
    try:
        mode_of(modes, machine.moved_bits)
    except AccelsimError as error:
        raise AccelsimError(f"architecture '{machine.name}': {error}") from None


# ---- as a file says it -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """Bits of an ifmap word and of a filter word."""

    ifmap: int
    filter: int


def _pair(value: object) -> Pair:
    """``8 b`` of both operands, or each: ``{ifmap: 8 b, filter: 2 b}``."""
    if not isinstance(value, dict):
        return Pair(*[quantities.word(value)] * 2)
    if set(value) != {"ifmap", "filter"}:
        raise ValueError("should be one width, or {ifmap: WIDTH, filter: WIDTH}, both of them")
    return Pair(quantities.word(value["ifmap"]), quantities.word(value["filter"]))


def _positive(value: object, most: Fraction | None = None) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"should be a number, got '{quantities.short(value)}'")
    if not 0 < value < float("inf"):
        raise ValueError(f"must be finite and above 0, got {quantities.short(value)}")
    found = Fraction(str(value))
    if most is not None and found > most:
        raise ValueError(f"must be at most {float(most):g}, got {quantities.short(value)}")
    return found


_WIDTH = quantity(quantities.WORD.shown, "8 b")
_EACH = {
    "type": "object",
    "description": "A width for each operand.",
    "properties": {
        name: {**_WIDTH, "description": f"Of {name} words.", "if_left_out": REFUSED} for name in ("ifmap", "filter")
    },
    "required": ["ifmap", "filter"],
    "additionalProperties": False,
}
Bits = Annotated[Pair, PlainValidator(_pair), WithJsonSchema({"anyOf": [_WIDTH, _EACH]})]
Share = Annotated[Fraction, PlainValidator(_positive), WithJsonSchema(number(0.25, kind="number", minimum=0))]
Supply = Annotated[
    Fraction,
    PlainValidator(lambda value: _positive(value, MOST_SUPPLY)),
    WithJsonSchema(number(0.8, kind="number", minimum=0, maximum=int(MOST_SUPPLY))),
]
Divider = Annotated[int, PlainValidator(whole(1, "pipeline")), WithJsonSchema(number(2, minimum=1))]
AlongName = Annotated[DataDim, BeforeValidator(pick("dim", DataDim))]


class ModeSpec(Spec):
    """One way in which a multiplier works; the bits of a layer's words choose it."""

    bits: Bits = key("Most bits of the operands that it takes: of both, or of each.")
    macs: Macs = key("MACs that one multiplier does at a time, one for each sub-word.", 1, unit="MACs per core cycle")
    along: AlongName | None = key(
        "The dim that sub-words lie along: MACs of one step that differ in it alone go together.",
        None,
        "any MACs of a step go together",
    )
    energy: Share | None = key(
        "Energy of a MAC over that of a MAC in the mode of the most bits, at one supply.",
        None,
        "by the law for short words (docs/precision.md), of the bits of this mode",
        unit="none",
    )
    divider: Divider = key("The core clock over the clock in this mode.", 1, unit="none")
    supply: Supply | None = key("Supply in this mode.", None, "the energy table's", unit="V")

    @property
    def mode(self) -> Mode:
        """As a value."""
        along = self.along.value if self.along else ""
        return Mode(self.bits.ifmap, self.bits.filter, self.macs, along, self.energy, self.divider, self.supply)


def data_of(modes: Sequence[Mode]) -> list[dict[str, Any]]:
    """Modes as a file says them."""
    found = []
    for mode in modes:
        same = mode.ifmap == mode.filter
        one: dict[str, Any] = {
            "bits": f"{mode.ifmap} b" if same else {"ifmap": f"{mode.ifmap} b", "filter": f"{mode.filter} b"},
            "macs": mode.macs,
        }
        optional = {"along": mode.along, "energy": mode.share, "supply": mode.supply}
        one |= {name: value for name, value in optional.items() if value}
        one |= {"divider": mode.divider} if mode.divider > 1 else {}
        found.append({name: _plain(value) for name, value in one.items()})
    return found


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Fraction) else value
