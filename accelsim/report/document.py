"""A result's document read back from its file: shape, names and sums are checked before anything is drawn of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from accelsim.energy.rows import NO_TENSOR
from accelsim.energy.table import UNITS
from accelsim.errors import AccelsimError
from accelsim.jsonfile import read_json
from accelsim.mapping.plan.rounds import bare
from accelsim.specs import Count, Name, explain, name
from accelsim.workload.problem import TENSORS
from accelsim.yamlfile import Place, shown, unknown

MOST_ENERGY = 1e100
TOLERANCE = 1e-9
"""Of sums of energies, each rounded to a float when it was written."""


def _energy(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"should be a number, got {value if isinstance(value, str) else type(value).__name__}")
    if not 0 <= value <= MOST_ENERGY:
        raise ValueError(f"an energy must lie in 0 to {MOST_ENERGY:g}, got {value}")
    return float(value)


def _unit(value: object) -> str:
    if value not in UNITS:
        raise ValueError(unknown("unit", value, UNITS))
    return str(value)


def _tensor(value: object) -> str:
    if value not in (*TENSORS, NO_TENSOR):
        raise ValueError(unknown("tensor", value, (*TENSORS, NO_TENSOR)))
    return str(value)


def _maybe(value: object) -> str:
    return "" if value == "" else name(value)


def _macs(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"should be a whole number, got {value if isinstance(value, str) else type(value).__name__}")
    if value < 0:
        raise ValueError(f"must be at least 0, got {value}")
    return value


Energy = Annotated[float, PlainValidator(_energy)]
Macs = Annotated[int, PlainValidator(_macs)]


class Read(BaseModel):
    """Base of what is read of a document; it may say more."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class RowRead(Read):
    """One line of an energy account."""

    component: Name
    tensor: Annotated[str, PlainValidator(_tensor)]
    energy: Energy


class TotalRead(Read):
    """The sums of all layers."""

    macs: Macs
    energy: Energy
    energy_breakdown: list[RowRead]


class LayerRead(Read):
    """One layer, run once."""

    name: Name
    macs: Macs
    repeat: Count = 1
    energy: Energy
    energy_breakdown: list[RowRead]


class ShareRead(Read):
    """A layer of a group."""

    name: Name


class GroupRead(LayerRead):
    """Layers that ran together."""

    layers: list[ShareRead] = Field(min_length=1)


class DocumentRead(Read):
    """What pictures show of a result."""

    architecture: Name
    workload: Name
    dataflow: Annotated[str, PlainValidator(_maybe)]
    energy_unit: Annotated[str, PlainValidator(_unit)]
    energy_table: Name
    energy_accounting: Name = "counts"
    operands: Annotated[str, Field(max_length=5_000)] = "dense"
    batch: Count = 1
    levels: list[Name] = Field(min_length=1)
    layers: list[LayerRead]
    groups: list[GroupRead] = []
    total: TotalRead


def read_document(file: str | Path) -> dict[str, Any]:
    """A ``result.json``. Raises AccelsimError, a line for each field that is missing, of another type or impossible."""
    path, document = shown(file), read_json(file)
    if not isinstance(document, dict) or "layers" not in document or "energy_unit" not in document:
        raise AccelsimError(f"{path}: not a result; write one with 'accelsim run ... --out DIR'")
    try:
        found = DocumentRead.model_validate(document)
    except ValidationError as error:
        raise _refusal(
            path, ((place, message) for place, message, _ in explain(error, DocumentRead, document))
        ) from None
    wrong = list(_sums(found))
    if wrong:
        raise _refusal(path, wrong)
    return document


def _refusal(file: str, wrong: Iterable[tuple[Place, str]]) -> AccelsimError:
    lines = [f"{file}: {'.'.join(map(str, place))}: {message}" for place, message in wrong]
    more = [f"{file}: and {len(lines) - 20} more"] if len(lines) > 20 else []
    return AccelsimError("\n".join(lines[:20] + more))


def _sums(found: DocumentRead) -> Iterator[tuple[Place, str]]:
    """Every sum that is not that of its parts."""
    if len(set(found.levels)) < len(found.levels):
        yield ("levels",), "names a level twice"
    every = [*found.layers, *found.groups]
    places = [(kind, index) for kind in ("layers", "groups") for index in range(len(getattr(found, kind)))]
    for place, layer in zip(places, every, strict=True):
        spent = math.fsum(row.energy for row in layer.energy_breakdown)
        if not _same(spent, layer.energy):
            yield (*place, "energy"), f"is {layer.energy:g}, but its energy_breakdown adds up to {spent:g}"
    parts: Counter[tuple[str, str]] = Counter()
    for layer in every:
        for row in layer.energy_breakdown:
            parts[row.component, row.tensor] += layer.repeat * row.energy  # type: ignore[assignment]
    for row in found.total.energy_breakdown:
        parts[row.component, row.tensor] -= row.energy  # type: ignore[assignment]
    macs = sum(layer.repeat * layer.macs for layer in every)
    if macs != found.total.macs:
        yield ("total", "macs"), f"is {found.total.macs}, but the layers' add up to {macs}"
    energy = math.fsum(layer.repeat * layer.energy for layer in every)
    if not _same(energy, found.total.energy):
        yield ("total", "energy"), f"is {found.total.energy:g}, but the layers' adds up to {energy:g}"
    for (component, tensor), left in parts.items():
        if abs(left) > TOLERANCE * max(energy, found.total.energy):
            yield (
                ("total", "energy_breakdown"),
                f"{component}, {tensor}: differs by {abs(left):g} from the sum of the layers'",
            )


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE)


def multiplied(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Entries of all that has MACs, layers and groups; in the order in which they ran, where the document knows it."""
    every = [*document["layers"], *document.get("groups", ())]
    network = document.get("ran", {}).get("network")
    if len(every) == len(document["layers"]) or not network:
        return every
    order = {layer["name"]: at for at, layer in enumerate(network["layers"])}

    def place(one: Mapping[str, Any]) -> int:
        return order.get(one["layers"][0]["name"] if "layers" in one else bare(one["name"]), len(order))

    return sorted(every, key=place)
