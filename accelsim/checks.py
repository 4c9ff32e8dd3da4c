"""Checking files: what each is, everything that is wrong in it and in what it names, and what is free in a machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import architecture_of, beside
from accelsim.energy.floor import access
from accelsim.energy.free import what_is_free
from accelsim.energy.load import load_table, names
from accelsim.energy.table import EnergyTable
from accelsim.energy.yaml import read_table
from accelsim.errors import AccelsimError, Issue, SpecError
from accelsim.mapping.dataflows import dataflow
from accelsim.mapping.yaml import mappings_of
from accelsim.onnx.graph.read import Dims, checked, is_onnx
from accelsim.onnx.network import load as load_onnx
from accelsim.workload.problem import TENSORS
from accelsim.workload.yaml import load_network
from accelsim.yamlfile import Document, read

Loaded = TypeVar("Loaded")


def check_file(path: str | Path, dims: Dims | None = None) -> list[str]:
    """Read a file as what its keys say it is; the lines to tell of one that is fine.

    dims : sizes that an ONNX graph leaves open.

    Raises SpecError with every error of the file, and of the files it names.
    """
    if is_onnx(path):
        return _graph(path, dims)
    document = read(path)
    keys = document.data.keys() if isinstance(document.data, dict) else set()
    if "levels" in keys:
        machine, table = _machine(document)
        return [
            f"architecture '{machine.name}' is fine",
            *(f"  free: {line}" for line in what_is_free(machine, table)),
            *([] if table else [f"  names no energy table; a run needs one ({', '.join(names())})"]),
        ]
    if "cores" in keys:
        from accelsim.package.yaml import package_of

        package = package_of(document)
        return [f"package '{package.name}' is fine: {len(package.cores)} cores"]
    if "components" in keys:
        return [f"energy table '{read_table(path).name}' is fine"]
    if ("layers" in keys and "arch" not in keys) or "input" in keys:
        return [f"workload '{load_network(path).name}' is fine"]
    if {"arch", "workload"} <= keys:
        from accelsim.sweep.plan import plan_of

        plan = plan_of(document)
        most = " before constraints" if plan.constraints else ""
        return [f"sweep '{plan.name}' is fine: {plan.size:,} points{most}"]
    if any(isinstance(document.data[name], str | list) for name in keys & {"grid", "fab_grid"}):
        return _factors(path)
    if dataflow.looks_like(document.data):
        return [f"dataflow '{dataflow.load(path).name}' is fine"]
    return [f"mapping of {len(mappings_of(document))} layers is fine"]


def _graph(path: str | Path, dims: Dims | None) -> list[str]:
    """An ONNX graph: how much of it the layers cover."""
    network = load_onnx(path, dims=checked(dims))
    assert network.coverage is not None
    return [f"network '{network.name}' is fine", *(f"  {line}" for line in network.coverage.lines())]


def _factors(path: str | Path) -> list[str]:
    """What a footprint is made of."""
    from accelsim.codesign.carbon.footprint import check_grids
    from accelsim.codesign.carbon.spec import load_spec

    spec = load_spec(path)
    check_grids(spec)
    return [f"factors of a footprint are fine: {', '.join(sorted(spec.model_fields_set))}"]


def _machine(document: Document) -> tuple[Architecture, EnergyTable | None]:
    """The machine, with the dataflow, the energy table and the components it names; raises SpecError for all errors."""
    machine: Architecture | None = None
    try:
        machine = architecture_of(document)
    except SpecError as error:
        known = set(document.issues)
        document.issues += [issue for issue in error.issues if issue not in known]
    others: list[Issue] = []

    def named(key: str, load: Callable[[str], Loaded]) -> Loaded | None:
        name = document.data.get(key)
        if not isinstance(name, str) or not name:
            return None
        try:
            return load(beside(document.file, name))
        except SpecError as error:
            # what is wrong in another file stands there, what is wrong with its name here
            own = [issue for issue in error.issues if issue.line is not None]
            others.extend(own)
            if not own:
                document.refuse((key,), error.issues[0].message)
        except AccelsimError as error:
            document.refuse((key,), str(error))
        return None

    if document.data.get("dataflow") != dataflow.BEST:
        named("dataflow", dataflow.load)
    table = named("energy", load_table)
    if table:
        _components(document, table, machine)
    try:
        document.check()
    except SpecError as error:
        raise SpecError([*error.issues, *others]) from None
    if others or machine is None:
        raise SpecError(others)
    return machine, table


def _components(document: Document, table: EnergyTable, machine: Architecture | None) -> None:
    """Note an error for every level the table has no component for, or none of its size."""
    levels: Any = document.data["levels"]
    for index, level in enumerate(levels if isinstance(levels, list) else ()):
        name = level.get("name") if isinstance(level, dict) else None
        wanted = (level.get("component") or name) if name else None
        if not isinstance(wanted, str):
            continue
        place = ("levels", index, "component" if level.get("component") else "name")
        if wanted not in table.components and not table.prices_parts:
            document.refuse(place, table.lacks(wanted, str(name)))
        elif machine and not table.accounting:
            found = machine.levels[index]
            for tensor in (tensor for tensor in TENSORS if tensor in found.keeps):
                try:
                    access(machine, table, found, "read", 8, tensor)
                    access(machine, table, found, "update", 8, tensor)
                except AccelsimError as error:
                    document.refuse(("levels", index, "capacity"), str(error).partition(" capacity: ")[2], key=True)
                    break
