"""A sweep before it runs: the points it asks for, in a fixed order, made one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import beside
from accelsim.canonical import canonical, sha256
from accelsim.errors import AccelsimError, SpecError
from accelsim.jobs import Plan
from accelsim.search.identity import forget
from accelsim.specs import validate
from accelsim.sweep.axes import MOST_POINTS, Axis, Grid, values_of
from accelsim.sweep.identity import sources
from accelsim.sweep.record import OBJECTIVES, fixed, level_bytes, no_area, no_power
from accelsim.sweep.resolve import Resolver, shown
from accelsim.sweep.where import Constraint
from accelsim.sweep.yaml import FIELDS, Kind, SearchSpec, SweepSpec
from accelsim.workload.network import Network
from accelsim.workload.training.optimizers import Optimizer, Training
from accelsim.yamlfile import Document, Place, bare, hint, read, resolve, unknown

Fields = dict[str, Any]
NAMES = ("arch", "workload", "dataflow", "energy", "constraints")
"""Fields whose values may be files."""
MOST_LOOKED = 10_000
NAMED = (
    *NAMES, "node", "supply", "accounting", "evaluator", "objective", "budget", "exact", "imperfect", "training",
    "bound",
)  # fmt: skip
"""Fields whose every value is looked at before anything runs, and which come first then."""
MOST_TRIED = 64


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep file asks for.

    ordinals : of the grid's combinations, those that a sample has; None: all of them.
    fields : names of what varies, in the order of the file. data : the file, for the store.
    """

    name: str
    grid: Grid
    resolver: Resolver
    constraints: tuple[Constraint, ...] = ()
    ordinals: tuple[int, ...] | None = None
    objectives: tuple[str, ...] = ()
    search: SearchSpec | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    identity: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of all that is varied or set, in the order of the file."""
        return tuple(name for axis in self.grid.axes for name in axis.names)

    @property
    def size(self) -> int:
        """Points before any constraint."""
        return self.grid.size if self.ordinals is None else len(self.ordinals)

    def points(self) -> Iterator[tuple[int, Fields]]:
        """(ordinal, fields) of every point, constraints not looked at yet; nothing is kept."""
        for ordinal in range(self.grid.size) if self.ordinals is None else self.ordinals:
            yield ordinal, self.grid.at(ordinal)

    def unmet(self, fields: Fields) -> Constraint | None:
        """The first constraint that a point does not meet. Raises AccelsimError for a point that is none."""
        if not self.constraints:
            return None
        values = known(fields, self.resolver)
        return next((one for one in self.constraints if not one.holds(values)), None)

    def nothing_left(self) -> AccelsimError:
        """What to raise when no point meets the constraints: which of them none meets, as far as a look tells."""
        looked, met = 0, dict.fromkeys((one.text for one in self.constraints), False)
        for _, fields in islice(self.points(), MOST_LOOKED):
            looked += 1
            values = known(fields, self.resolver)
            met |= {one.text: True for one in self.constraints if one.holds(values)}
        some = f"the first {looked:,} of {self.size:,} points" if looked < self.size else f"{self.size:,} points"
        never = [text for text, ever in met.items() if not ever]
        told = [f"where: '{text}': none of {some} meets it" for text in never]
        every = ", ".join(f"'{text}'" for text in met)
        return AccelsimError("\n".join(told) or f"where: none of {some} meets all of {every}")


def known(fields: Fields, resolver: Resolver) -> dict[str, Any]:
    """What a constraint may speak of: the fields, and what a machine and a table are before they run."""
    found = {name: shown(value) for name, value in fields.items()}
    plan = resolver.plan(fields)
    levels = {f"bytes.{name}": value for name, value in level_bytes(plan.machine).items()}
    return {**found, **fixed(plan), **levels, "macs_at_once": plan.machine.macs_at_once}


def read_plan(source: str | Path | Mapping[str, Any]) -> SweepPlan:
    """The plan that a file, a built-in name, or a mapping with the keys of a file, asks for.

    Raises SpecError with everything that is wrong in it, a line for each.
    """
    if isinstance(source, Mapping):
        return plan_of(Document("sweep", bare(source)))
    return plan_of(read(resolve("sweep", source)))


def plan_of(document: Document) -> SweepPlan:
    """Build a plan from a document already read."""
    forget()
    spec = validate(document, SweepSpec)
    grid = Grid(tuple(_axes(document, spec)))
    document.check()
    if grid.size > MOST_POINTS:
        document.refuse((), f"{grid.size:,} points: more than anybody runs")
    options = {"layers": spec.layers, "data": spec.data and beside(document.file, spec.data)}
    resolver = Resolver(options)
    ordinals = _sample(document, spec, grid)
    document.check()
    _try_layers(document, grid, resolver)
    _try_values(document, grid, resolver)
    constraints = _constraints(document, spec, grid, resolver)
    _try_objectives(document, spec, grid, resolver)
    document.check()
    data = json.loads(json.dumps(document.data, default=shown))
    name = spec.name if "name" in spec.model_fields_set else Path(document.file).stem
    return SweepPlan(
        name, grid, resolver, constraints, ordinals, tuple(spec.objectives), spec.search, data,
        _identity(document, grid, resolver),
    )  # fmt: skip


def _axes(document: Document, spec: SweepSpec) -> Iterator[Axis]:
    """The fields in the order of the file; what moves together is one axis, where its table stands."""
    given: dict[str, Place] = {}

    def axis(name: str, place: Place, raw: Any) -> tuple[Any, ...]:
        if place[0] == "set" and name in FIELDS:
            document.refuse(place, f"'{name}' is a key of its own; write it at the top", key=True)
        elif name in given:
            document.refuse(place, f"{name} is swept twice: here and at {'.'.join(map(str, given[name]))}", key=True)
        given[name] = place
        try:
            values = values_of(raw)
        except ValueError as error:
            document.refuse(place, str(error))
            return ()
        if name in NAMES:
            return tuple(beside(document.file, one) if isinstance(one, str) else one for one in values)
        return values

    for key in document.data:
        if key in FIELDS and getattr(spec, key) is not None:
            yield Axis((key,), tuple((one,) for one in axis(key, (key,), getattr(spec, key))))
        elif key == "set":
            for name, raw in spec.set.items():
                yield Axis((name,), tuple((one,) for one in axis(name, ("set", name), raw)))
        elif key == "zip":
            listed = isinstance(document.data[key], list)
            for index, table in enumerate(spec.zip):
                at: Place = ("zip", index) if listed else ("zip",)
                columns = [axis(name, (*at, name), raw) for name, raw in table.items()]
                lengths = {len(column) for column in columns}
                if len(lengths) > 1 and 0 not in lengths:
                    told = ", ".join(f"{name} {len(column)}" for name, column in zip(table, columns, strict=True))
                    document.refuse(at, f"what moves together is equally long: {told}")
                elif columns:
                    yield Axis(tuple(table), tuple(zip(*columns, strict=True)))


def _sample(document: Document, spec: SweepSpec, grid: Grid) -> tuple[int, ...] | None:
    if spec.sample is None:
        return None
    wanted, seed = spec.sample.points, spec.sample.seed
    if spec.search:
        document.refuse(("sample",), "a search draws its points itself; leave one of sample and search out", key=True)
    elif spec.sample.kind is Kind.LATIN_HYPERCUBE and wanted <= 1_000_000:
        return tuple(grid.latin_hypercube(wanted, seed))
    elif wanted > min(grid.size, 1_000_000):
        most = f"the grid has {grid.size:,}" if grid.size < 1_000_000 else "a sample has at most 1,000,000"
        document.refuse(("sample", "points"), f"{wanted:,} points, but {most}")
    else:
        return tuple(grid.random(wanted, seed))
    return None


def _try_layers(document: Document, grid: Grid, resolver: Resolver) -> None:
    """Refuse globs that fit a layer of none of the networks."""
    wrong = []
    for axis in grid.axes:
        for step in range(min(len(axis), MOST_TRIED) if "workload" in axis.names else 0):
            try:
                network = resolver.network({**grid.at(0), **axis.at(step)})
            except AccelsimError:
                return  # the network itself is refused, with all that is wrong in it
            try:
                network.select(resolver.options["layers"])
                return
            except AccelsimError as error:
                wrong.append(_blamed(error, ())[1])
    if wrong:
        document.refuse(("layers",), wrong[0])
    document.check()


def _try_values(document: Document, grid: Grid, resolver: Resolver) -> None:
    """Refuse fields that no machine or network has, and those of which every value is wrong.

    Fields are tried one after the other, those that names are of first, with those before at a value that works; a
    combination that is wrong is for the run.
    """
    places = _places(document)
    fields: Fields = {}
    for axis in sorted(grid.axes, key=_rank):
        wrong: list[tuple[str, str]] = []
        named = _rank(axis) < len(NAMED)
        if not named:
            document.check()
        for step in range(min(len(axis), MOST_TRIED)):
            try:
                # a machine may need a dataflow and a table that come after it
                if not named:
                    resolver.plan({**fields, **axis.at(step)})
                break
            except AccelsimError as error:
                wrong.append(_blamed(error, tuple(places)))
        else:
            name, message = wrong[0]
            document.refuse(places[name or axis.names[0]], message)
            document.check()
        fields |= axis.at(len(wrong))
        for name in axis.names if named else ():
            _try_names(
                document, places[name], name, [{**fields, **axis.at(step)} for step in range(len(axis))], resolver
            )
    document.check()
    for axis in grid.axes:
        for name in set(axis.names) & {"arch", "workload"}:
            points = [{**grid.at(0), **axis.at(step)} for step in range(len(axis))]
            _try_names(document, places[name], name, points, resolver)
    document.check()
    _try_constraints(document, places, grid, resolver)


def _try_constraints(document: Document, places: dict[str, Place], grid: Grid, resolver: Resolver) -> None:
    """Refuse constraints that speak of what none of the machines has."""
    machines = [axis.at(step) for axis in grid.axes if "arch" in axis.names for step in range(len(axis))]
    for axis in grid.axes:
        for step in range(len(axis) if "constraints" in axis.names else 0):
            wrong = []
            for machine in machines[:MOST_TRIED]:
                fields = {**grid.at(0), **machine, **axis.at(step)}
                wanted = resolver.constraints(fields)
                try:
                    if wanted:
                        wanted.on(resolver.machine(fields))
                    break
                except AccelsimError as error:
                    wrong.append(error)
            else:
                at = places["constraints"]
                place = (*at, step) if (*at, step) in document.values else at
                document.refuse(place, _blamed(wrong[0], ())[1])


def _rank(axis: Axis) -> int:
    """Fields that others are looked at with come before them."""
    return min(NAMED.index(name) if name in NAMED else len(NAMED) for name in axis.names)


def _try_names(document: Document, at: Place, name: str, points: list[Fields], resolver: Resolver) -> None:
    """Refuse a name that is none, or a machine or network that does not have all the fields that are set."""
    for step, fields in enumerate(points if name in NAMED else ()):
        try:
            resolver.known(name, fields)
        except AccelsimError as error:
            place = (*at, step) if (*at, step) in document.values else at
            document.refuse(place, _blamed(error, ())[1])


def _blamed(error: AccelsimError, names: tuple[str, ...]) -> tuple[str, str]:
    """The field that an error is about, as far as it says so, and its text."""
    if isinstance(error, SpecError):
        issue = error.issues[0]
        if issue.file == "set" and issue.line is None:
            inside = next((name for name in names if issue.field == name or issue.field.startswith(f"{name}.")), "")
            return inside, f"{issue.field}: {issue.message}" if issue.field != inside else issue.message
        return "", str(issue)
    return "", str(error).split("\n")[0]


def _places(document: Document) -> dict[str, Place]:
    data = document.data
    found: dict[str, Place] = {name: (name,) for name in data if name in FIELDS}
    found |= {name: ("set", name) for name in data.get("set") or ()}
    tables = data.get("zip") or ()
    for index, table in enumerate([tables] if isinstance(tables, dict) else tables):
        at: Place = ("zip",) if isinstance(tables, dict) else ("zip", index)
        found |= {name: (*at, name) for name in table}
    return found


def _constraints(document: Document, spec: SweepSpec, grid: Grid, resolver: Resolver) -> tuple[Constraint, ...]:
    if not spec.where:
        return ()
    found, listed = [], isinstance(document.data["where"], list)
    values: dict[str, Any] | None = None
    for index, text in enumerate(spec.where):
        at: Place = ("where", index) if listed else ("where",)
        try:
            one = Constraint.of(text)
        except ValueError as error:
            document.refuse(at, str(error))
            continue
        values = values if values is not None else _first_values(grid, resolver)
        for name in one.names:
            if name not in values:
                why = no_area(resolver.plan(grid.at(0))) if name == "area_mm2" else ""
                more = f": {why}" if why else hint(name, sorted(values))
                document.refuse(at, f"unknown field '{name}'{more}")
        found.append(one)
    return tuple(found)


def _first_values(grid: Grid, resolver: Resolver) -> dict[str, Any]:
    """What constraints may speak of, at the first point that is one."""
    error: AccelsimError | None = None
    for ordinal in range(min(grid.size, 64)):
        try:
            return known(grid.at(ordinal), resolver)
        except AccelsimError as wrong:
            error = error or wrong
    raise error or AccelsimError("no point can be built")


def _try_objectives(document: Document, spec: SweepSpec, grid: Grid, resolver: Resolver) -> None:
    """Refuse what is no column, and what a table of the sweep cannot price."""
    raw = document.data.get("objectives")
    for index, name in enumerate(spec.objectives):
        at: Place = ("objectives", index) if isinstance(raw, list) else ("objectives",)
        if name not in OBJECTIVES:
            document.refuse(at, unknown("objective", name, OBJECTIVES))
        for plan in _priced(grid, resolver) if name in ("area_mm2", "power_mw") else ():
            why = no_area(plan) if name == "area_mm2" else no_power(plan)
            if why:
                document.refuse(at, f"{name}: {why}")
                break


def _priced(grid: Grid, resolver: Resolver) -> Iterator[Plan]:
    """A run with each energy table of a sweep."""
    for axis in grid.axes:
        if set(axis.names) & {"arch", "energy", "node"}:
            for step in range(len(axis)):
                with suppress(AccelsimError):
                    yield resolver.plan({**grid.at(0), **axis.at(step)})


def _identity(document: Document, grid: Grid, resolver: Resolver) -> str:
    """Of what is asked for and of all files it names, so that what changed in one of them is not taken as done."""
    named = {}
    for axis in grid.axes:
        for index, name in enumerate(axis.names):
            if name in NAMES:
                for values in axis.values:
                    named[f"{name} {shown(values[index])}"] = resolver.fingerprint(name, values[index])
    what = {key: deepcopy(value) for key, value in document.data.items() if key not in ("name", "objectives")}
    return sha256([sources(), json.loads(json.dumps(what, default=_object)), named])


def _object(value: Any) -> Any:
    if isinstance(value, Architecture | Network | Training | Optimizer):
        return canonical(value)
    return shown(value)
