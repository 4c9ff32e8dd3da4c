"""What a declared part does, and what makes it do so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from accelsim import quantities
from accelsim.architecture.priced import Priced
from accelsim.specs import Spec, key, number, pick
from accelsim.workload.problem import Tensor
from accelsim.yamlfile import Document, Place, unknown

MOST_AMOUNT = 1e6
STANDING = ("clock", "leakage", "static")
"""Actions of what stands, which no trigger has."""


class Trigger(StrEnum):
    """What makes a part act."""

    MAC = "mac"
    FILL = "fill"
    READ = "read"
    UPDATE = "update"
    DRAIN = "drain"
    SENT = "sent"
    DELIVERED = "delivered"
    LEAVING = "leaving"
    STEP = "step"


MOVES = (Trigger.FILL, Trigger.READ, Trigger.UPDATE, Trigger.DRAIN)


def _amount(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"should be a number, got '{quantities.short(value)}'")
    if not 0 <= value <= MOST_AMOUNT:
        raise ValueError(f"must lie in 0 to {MOST_AMOUNT:g}, got {quantities.short(value)}")
    return Fraction(str(value))


Amount = Annotated[Fraction, PlainValidator(_amount), WithJsonSchema(number(0.5, kind="number", minimum=0))]
TriggerName = Annotated[Trigger, BeforeValidator(pick("trigger", Trigger))]
TensorName = Annotated[Tensor, BeforeValidator(pick("tensor", Tensor))]


class ActionSpec(Spec):
    """What a part does once for each MAC, or for each word that a level or the network below it moves."""

    energy: Amount | None = key(
        "What it takes, once.",
        None,
        "that of the part's `model`, by the action's name; without one an error",
        unit="pJ",
    )
    on: TriggerName = key(
        "`mac`: a MAC that is not gated; `fill`, `read`, `update`, `drain`: a word of the `level`; `sent`, "
        "`delivered`, `leaving`: a word sent down, delivered or sent up by the network below it; `step`: an iteration "
        "of the nest in which the array below it is at work, of each instance."
    )
    level: str | None = key("The level; of all but `mac`.", None, "`mac` needs none")
    tensor: TensorName | None = key("Words of this tensor only.", None, "those of all")


@dataclass(frozen=True)
class Action:
    """`ActionSpec` tells its fields. energy : pJ. level : empty for MACs. tensor : None: all."""

    energy: Fraction
    on: Trigger
    level: str = ""
    tensor: Tensor | None = None


def actions_of(
    document: Document,
    place: Place,
    specs: Mapping[str, ActionSpec],
    arrays: Mapping[str, int],
    model: Priced | None = None,
) -> dict[str, Action]:
    """The values by name; notes an error for a level that is missing, not there or has no array to send words to, and
    for an energy that neither the file nor the part's model gives.
    """
    found = {}
    for name, spec in specs.items():
        at = (*place, name)
        if name in STANDING or not name.isidentifier():
            why = "is what something else is called" if name.isidentifier() else "is no name: letters, digits and _"
            document.refuse(at, f"'{quantities.short(name)}' {why}", key=True)
        if spec.on is Trigger.MAC and (spec.level or spec.tensor):
            document.refuse((*at, "on"), "a mac is of no level and no tensor; leave them out")
        elif spec.on is Trigger.STEP and spec.tensor:
            document.refuse((*at, "tensor"), "a step is of no tensor; leave it out")
        elif spec.on is not Trigger.MAC and spec.level is None:
            document.refuse((*at, "on"), f"'{spec.on}' is of a level; say which: {', '.join(arrays)}")
        elif spec.level is not None and spec.level not in arrays:
            document.refuse((*at, "level"), unknown("level", spec.level, list(arrays)))
        elif spec.level is not None and spec.on not in (*MOVES, Trigger.STEP) and arrays[spec.level] == 1:
            document.refuse((*at, "level"), f"'{spec.level}' has one child, so no network below it")
        energy = spec.energy
        if energy is None:
            try:
                energy = model.energy(name) if model else None
            except ValueError as error:
                document.refuse(at, str(error))
            else:
                if energy is None:
                    document.refuse((*at, "energy"), "missing")
        found[name] = Action(energy or Fraction(0), spec.on, spec.level or "", spec.tensor)
    return found


def written(action: Action) -> dict[str, Any]:
    """As a file has it."""
    found: dict[str, Any] = {"energy": float(action.energy), "on": action.on.value}
    if action.level:
        found["level"] = action.level
    if action.tensor:
        found["tensor"] = action.tensor.value
    return found
