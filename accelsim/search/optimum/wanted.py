"""Constraints as a YAML file has them, and what they are on a machine (docs/optimum.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from accelsim.architecture.choices import Dim
from accelsim.architecture.model import Architecture
from accelsim.errors import Issue
from accelsim.search.optimum.constraints import ARRAY, FREE, PE, Bound, Constraints
from accelsim.specs import Spec, key, listed, pick, validate
from accelsim.workload.problem import Tensor
from accelsim.yamlfile import Document, Place, bare, read, unknown

_NUMBER = r"\d+(?:\.\d+)?\s*%?"
_RANGE = re.compile(rf"\s*(?P<least>{_NUMBER})?\s*(?P<dots>\.\.)?\s*(?P<most>{_NUMBER})?\s*")


def _bound(value: object) -> Bound:
    """``16``, ``4..16``, ``4..``, ``..16``; of shares also ``50%..``."""
    found = None if isinstance(value, bool) else _RANGE.fullmatch(str(value))
    least, most = (found["least"], found["most"]) if found else (None, None)
    if not found or not (least or most) or (least and most and not found["dots"]):
        raise ValueError(f"'{value}' is no bound; write a number, or least and most: 4..16, 4.., ..16")
    low, high = _number(least, 0.0), _number(most, inf)
    if not found["dots"]:
        return low, low
    if low > high:
        raise ValueError(f"'{value}': no number is at least {least} and at most {most}")
    return low, high


def _number(text: str | None, missing: float) -> float:
    if text is None:
        return missing
    return float(text.rstrip("% ")) / 100 if "%" in text else float(text)


def _whole(value: object) -> Bound:
    least, most = _bound(value)
    if "%" in str(value) or most < 1 or any(end != inf and end % 1 for end in (least, most)):
        raise ValueError(f"'{value}' is no bound of whole numbers from 1 on; write 16, 4..16, 4.. or ..16")
    return least, most


def _share(value: object) -> Bound:
    least, most = _bound(value)
    if least > 1 or (most > 1 and most != inf):
        raise ValueError(f"'{value}' is no bound of shares; write 50%.., ..80% or 50%..80%")
    return least, min(most, 1.0)


_SCHEMA = WithJsonSchema({"type": ["integer", "number", "string"], "examples": [16, "4..16", "4..", "..16"]})
Whole = Annotated[Bound, PlainValidator(_whole), _SCHEMA]
Share = Annotated[Bound, PlainValidator(_share), _SCHEMA]
DimName = Annotated[Dim, BeforeValidator(pick("dim", Dim))]
TensorName = Annotated[Tensor, BeforeValidator(pick("tensor", Tensor))]
Tensors = Annotated[tuple[TensorName, ...], BeforeValidator(listed)]
Dims = Annotated[tuple[DimName, ...], BeforeValidator(listed)]


def _table(text: str) -> Any:
    return key(text, {}, "nothing is bound")


class ConstraintsSpec(Spec):
    """What a search of all mappings, or of a dataflow's, is bound to. A place is a level, `array` or `PE`."""

    loops: dict[DimName, dict[str, Whole]] = _table("By dim and place, iterations of its loop there; 1 forbids it.")
    tiles: dict[DimName, dict[str, Whole]] = _table(
        "By dim and place, how much of it the loops there and inside cover."
    )
    keep: dict[str, Tensors] = _table("By level, tensors that it keeps.")
    bypass: dict[str, Tensors] = _table("By level, tensors that pass it by.")
    innermost: dict[str, Dims] = _table("By level, dims whose loops are its innermost, outer to inner.")
    pes: Whole | None = key("PEs that have work.", None, "any number has")
    utilization: dict[str, Share] = _table("By place, the share of the PEs, or of every memory of a level, in use.")


@dataclass(frozen=True)
class Wanted:
    """A file of constraints, read; what it means on a machine is for `on`."""

    document: Document = field(compare=False)
    spec: ConstraintsSpec

    @property
    def data(self) -> dict[str, Any]:
        """What the file says, as plain data."""
        found: dict[str, Any] = bare(self.document.data)
        return found

    @property
    def items(self) -> tuple[Place, ...]:
        """Where each constraint stands."""
        out: list[Place] = []
        for name in ConstraintsSpec.model_fields:
            value = self.document.data.get(name)
            if not isinstance(value, dict):
                out += [(name,)] if value is not None else []
                continue
            for inner, own in value.items():
                out += [(name, inner, place) for place in own] if isinstance(own, dict) else [(name, inner)]
        return tuple(out)

    def said(self, item: Place) -> str:
        """One constraint as an error line names it: where it stands, and what it is."""
        value = self.document.data
        for step in item:
            value = value[step]
        mark = self.document.values.get(item)
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        return str(Issue(self.document.file, ".".join(map(str, item)), text, *(mark or (None, None))))

    def only(self, items: tuple[Place, ...]) -> Wanted:
        """With some of the constraints alone."""
        data: dict[str, Any] = {}
        for item in items:
            source, to = self.document.data, data
            for step in item[:-1]:
                source, to = source[step], to.setdefault(str(step), {})
            to[str(item[-1])] = source[item[-1]]
        return Wanted(replace(self.document, data=data), ConstraintsSpec.model_validate(data))

    def on(self, machine: Architecture) -> Constraints:
        """As bounds of a machine's mapspace.

        Raises SpecError for a level it has not, a tensor that a level cannot keep or must, each with its line.
        """
        document, spec = replace(self.document, issues=[]), self.spec
        loops, tiles = (
            {
                str(dim): {_place(machine, document, (name, str(dim), place)): bound for place, bound in own.items()}
                for dim, own in table.items()
            }
            for name, table in (("loops", spec.loops), ("tiles", spec.tiles))
        )
        keeps, passes = (
            {_level(machine, document, (name, level)): frozenset(own) for level, own in table.items()}
            for name, table in (("keep", spec.keep), ("bypass", spec.bypass))
        )
        self._check_placements(machine, document)
        array = max(machine.pe_level - 1, 0)
        innermost = {}
        for level, dims in spec.innermost.items():
            index = _level(machine, document, ("innermost", level))
            if index > array:
                document.refuse(("innermost", level), "orders in the PE change nothing", key=True)
            innermost[index] = tuple(str(dim) for dim in dims)
        pes, room = spec.pes or FREE.pes, {}
        fan = machine.levels[array].fanout
        for place, (least, most) in spec.utilization.items():
            if place == ARRAY:
                size = fan.y * fan.x
                pes = max(pes[0], least * size), min(pes[1], most * size)
            else:
                room[_level(machine, document, ("utilization", place), (ARRAY,))] = (least, most)
        document.check()
        return Constraints(
            loops=loops, tiles=tiles, keeps=keeps, passes=passes, innermost=innermost, pes=pes, room=room
        )

    def _check_placements(self, machine: Architecture, document: Document) -> None:
        for name, table in (("keep", self.spec.keep), ("bypass", self.spec.bypass)):
            for level, tensors in table.items():
                spec = next((one for one in machine.levels if one.name == level), None)
                if spec is None:
                    continue
                if spec is machine.levels[0] and name == "bypass":
                    document.refuse((name, level), f"'{level}' is the outermost level and keeps every tensor", key=True)
                for tensor in tensors if spec is not machine.levels[0] else ():
                    if tensor not in spec.keeps and name == "keep":
                        kept = ", ".join(sorted(spec.keeps))
                        document.refuse((name, level), f"'{level}' cannot keep {tensor} ({kept})")
                if level in self.spec.keep and level in self.spec.bypass:
                    both = set(self.spec.keep[level]) & set(self.spec.bypass[level])
                    for tensor in sorted(both) if name == "bypass" else ():
                        document.refuse((name, level), f"{tensor} is to be kept there too (keep.{level})")


def load_constraints(path: str | Path) -> Wanted:
    """Read a file of constraints; SpecError with every error in it."""
    return constraints_of(read(path))


def constraints_of(document: Document) -> Wanted:
    """The same of a document."""
    return Wanted(document, validate(document, ConstraintsSpec))


def _level(machine: Architecture, document: Document, place: Place, others: tuple[str, ...] = ()) -> int:
    names = [level.name for level in machine.levels]
    if place[-1] not in names:
        document.refuse(place, unknown("level", place[-1], (*names, *others)), key=True)
        return 0
    return names.index(str(place[-1]))


def _place(machine: Architecture, document: Document, place: Place) -> int | str:
    if place[-1] in (ARRAY, PE):
        return str(place[-1])
    index = _level(machine, document, place, (ARRAY, PE))
    return index if index <= max(machine.pe_level - 1, 0) else PE
