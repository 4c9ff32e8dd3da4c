"""A fitted model: what it predicts, for what machine, within which ranges, and how far off it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from accelsim.codesign.predict.folds import Arrays, arrays_from
from accelsim.codesign.predict.kinds import FEATURES, PHYSICAL, Described, describe
from accelsim.codesign.predict.polynomial import Polynomial
from accelsim.codesign.predict.pooling import Pooling
from accelsim.codesign.predict.reading import floats
from accelsim.codesign.predict.table import Table
from accelsim.codesign.predict.terms import Floats
from accelsim.codesign.predict.tiles import NUMBERS, points
from accelsim.errors import AccelsimError, nearest
from accelsim.workload.problem import Problem

FORMAT, SCHEMA = "accelsim predictor", 1
KINDS = ("polynomial", "table")


class Estimator(Protocol):
    """What gives a quantity of layers from their numbers."""

    def values(self, numbers: Floats) -> Floats:
        """float64[layer] from float64[layer, number]."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""


@dataclass(frozen=True)
class TypeModel:
    """Of one type of layer.

    quantity : what `other` gives, 'power' of a polynomial, 'energy' of a table; each follows from the other.
    ranges : (least, most) of each feature and physical number of the layers it was fitted on.
    errors : of held-out layers, as JSON has them: RMSPE of runtime, power and energy, beside MACs alone.
    measured : float64[layer, number], of a table the points that were measured.
    """

    runtime: Estimator
    quantity: str
    other: Estimator
    ranges: Mapping[str, tuple[float, float]]
    errors: Mapping[str, Any]
    measured: Floats | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Costs:
    """Predicted, of so many layers: float64[layer] each. Energy in the table's unit; energy is runtime x power."""

    ms: Floats
    energy: Floats

    @property
    def power(self) -> Floats:
        """Energy per ms."""
        found: Floats = self.energy / self.ms
        return found


@dataclass(frozen=True, repr=False)
class Model:
    """Predicts layers and networks of one machine, without simulating any.

    kind : of `KINDS`. machine : name, digest, clock and what it was run with. arrays : how a layer folds.
    types : by the names of `kinds.FEATURES`. pooling : of layers without MACs. fitted : samples, seed, how many were
    held out. networks : errors on whole networks that were not fitted.
    """

    kind: str
    machine: Mapping[str, Any]
    arrays: Arrays
    types: Mapping[str, TypeModel]
    pooling: Pooling
    fitted: Mapping[str, Any]
    networks: tuple[Mapping[str, Any], ...] = ()

    def __repr__(self) -> str:
        return f"<{self.kind} predictor of {self.machine['name']}: {', '.join(self.types)}>"

    @property
    def unit(self) -> str:
        """Of energy."""
        return str(self.machine["energy_unit"])

    @property
    def least_ms_per_mac(self) -> float:
        """What a MAC takes at the machine's peak; nothing is predicted to be faster."""
        return 1e3 / (self.arrays.places * float(self.machine["clock_hz"]))

    def costs(self, layers: Sequence[Problem | Described]) -> Costs:
        """Of layers, whatever their types, in their order. Raises AccelsimError for a type that was not fitted."""
        told = [one if isinstance(one, Described) else describe(one) for one in layers]
        ms, energy = np.zeros(len(told)), np.zeros(len(told))
        for kind in dict.fromkeys(one.kind for one in told):
            at = [index for index, one in enumerate(told) if one.kind == kind]
            own = [told[index] for index in at]
            model = self._of(kind)
            numbers = self._numbers(own)
            peak = np.array([one.physical[0] for one in own]) * self.least_ms_per_mac
            ms[at] = np.maximum(model.runtime.values(numbers), peak)
            other = model.other.values(numbers)
            energy[at] = other if model.quantity == "energy" else ms[at] * other
        return Costs(ms, energy)

    def _of(self, kind: str) -> TypeModel:
        if kind not in self.types:
            raise AccelsimError(f"no model of a {kind.replace('_', ' ')} layer; there is of {', '.join(self.types)}")
        return self.types[kind]

    def _numbers(self, layers: Sequence[Described]) -> Floats:
        if self.kind == "table":
            return points(layers, self.arrays)
        return np.array([(*layer.features, *layer.physical) for layer in layers])

    def outside(self, layer: Described) -> list[str]:
        """What of a layer lies outside of what the model was fitted on, a text for each; empty if nothing does."""
        names = (*FEATURES[layer.kind], *PHYSICAL)
        ranges = self._of(layer.kind).ranges
        found = []
        for name, value in zip(names, (*layer.features, *layer.physical), strict=True):
            low, high = ranges[name]
            # a hair's breadth: sides of what is not square are roots
            if not low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
                found.append(f"{name} {value:,.6g} is outside {low:,.6g} to {high:,.6g}")
        return found + ([layer.odd] if layer.odd else [])

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        types = {}
        for name, model in self.types.items():
            own: dict[str, Any] = {
                "errors": dict(model.errors),
                "ranges": {number: list(pair) for number, pair in model.ranges.items()},
                "runtime": model.runtime.to_dict(),
                model.quantity: model.other.to_dict(),
            }
            if model.measured is not None:
                own["measured"] = {"numbers": list(NUMBERS), "layers": model.measured.tolist()}
            types[name] = own
        return {
            "format": FORMAT, "schema": SCHEMA, "kind": self.kind, "machine": dict(self.machine),
            "fitted": dict(self.fitted), "arrays": self.arrays.to_dict(),
            "networks": [dict(one) for one in self.networks], "pooling": self.pooling.to_dict(), "types": types,
        }  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write it as JSON, whole or not at all."""
        from accelsim.codesign.predict.reading import text
        from accelsim.report.files import write_text

        write_text(path, text(self.to_dict()))

    def require(self, digest: str, name: str) -> None:
        """Raise AccelsimError unless the model was fitted on the machine of this digest, called `name`."""
        if digest != self.machine["digest"]:
            raise AccelsimError(
                f"this model is of another machine: '{self.machine['name']}', digest {self.machine['digest'][:12]}; "
                f"'{name}' as given has {digest[:12]}"
            )


def load(path: str | Path) -> Model:
    """The model in a file that `Model.save` wrote. Raises AccelsimError, one line, for one that is none."""
    from accelsim.jsonfile import read_json
    from accelsim.yamlfile import shown

    data, where = read_json(path), shown(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise AccelsimError(f"{where}: no model of a machine, as 'accelsim fit' writes it (format: {FORMAT})")
    if data.get("schema") != SCHEMA:
        raise AccelsimError(f"{where}: schema: {data.get('schema')!r} is not known here; this version reads {SCHEMA}")
    if data.get("kind") not in KINDS:
        raise AccelsimError(f"{where}: kind: unknown kind '{data.get('kind')}'{nearest(str(data.get('kind')), KINDS)}")
    return _model(data, where)


def _model(data: Mapping[str, Any], where: str) -> Model:
    field_ = "machine"
    try:
        machine = dict(data["machine"])
        for key, kind in (("name", str), ("digest", str), ("energy_unit", str), ("clock_hz", float)):
            if not isinstance(machine[key], kind):
                raise TypeError(f"{key}: expected {'a number' if kind is float else 'text'}")
        field_ = "arrays"
        arrays = arrays_from(data["arrays"])
        types = {}
        for name, own in dict(data["types"]).items():
            field_ = f"types.{name}"
            if name not in FEATURES:
                raise ValueError(f"unknown type{nearest(name, FEATURES)}")
            types[name] = _type_model(data["kind"], name, own)
        field_ = "pooling"
        pooling = Pooling.of(data["pooling"])
        field_ = "fitted"
        networks = tuple(map(dict, data["networks"]))
        return Model(data["kind"], machine, arrays, types, pooling, dict(data["fitted"]), networks)
    except KeyError as error:
        raise AccelsimError(f"{where}: {field_}: {error.args[0]!r} is missing") from None
    except (TypeError, ValueError, AccelsimError) as error:
        raise AccelsimError(f"{where}: {field_}: {str(error).split(chr(10))[0]}") from None


def _type_model(kind: str, name: str, data: Mapping[str, Any]) -> TypeModel:
    names = (*FEATURES[name], *PHYSICAL)
    ranges = {}
    for number in names:
        low, high = floats(data["ranges"][number], 2)
        ranges[number] = float(low), float(high)
    errors = dict(data["errors"])
    if kind == "polynomial":
        runtime, power = (Polynomial.of(data[what], names) for what in ("runtime", "power"))
        return TypeModel(runtime, "power", power, ranges, errors)
    measured = np.array([floats(row, len(NUMBERS)) for row in data["measured"]["layers"]])
    if not len(measured):
        raise ValueError("measured: no layers")
    runtime_table, energy = (Table.of(data[what], measured) for what in ("runtime", "energy"))
    return TypeModel(runtime_table, "energy", energy, ranges, errors, measured)
