"""What makes two points, or two layers of different points, the same: hashes of resolved inputs and of the sources."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from accelsim.architecture.document import document_of as machine_document
from accelsim.architecture.model import Architecture
from accelsim.document import sha256
from accelsim.energy.document import document_of as table_document
from accelsim.energy.table import EnergyTable
from accelsim.jobs import Job, Plan
from accelsim.mapping.dataflows.dataflow import BEST, NAMES
from accelsim.mapping.dataflows.dataflow import load as load_dataflow
from accelsim.search.proof import Proof
from accelsim.workload.document import document_of as network_document
from accelsim.workload.network import Network
from accelsim.workload.problem import Problem

Of = TypeVar("Of")
Found = TypeVar("Found")

_SHOW = frozenset({"report", "reproduce", "onnx", "sweep", "reference", "codesign"})
"""Rooms that show results or make inputs, which the keys have resolved: no number depends on them."""
_DOORS = frozenset(
    {"cli", "options", "tools", "warm", "checks", "cache", "compiling", "folders", "version", "__main__"}
)


@cache
def sources() -> str:
    """The sha256 of the code that numbers depend on."""
    root = Path(__file__).parents[1]
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        if place.parts[0] not in _SHOW and not (len(place.parts) == 1 and place.stem in _DOORS):
            found.update(f"{place.as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def canonical(value: Any) -> Any:
    """Plain data that is equal exactly for equal values: of objects, the fields that count when they are compared."""
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Mapping):
        return sorted(([canonical(key), canonical(one)] for key, one in value.items()), key=json.dumps)
    if isinstance(value, frozenset | set):
        return sorted((canonical(one) for one in value), key=json.dumps)
    if isinstance(value, list | tuple):
        return [canonical(one) for one in value]
    if is_dataclass(value):
        # a field that is left at its class's default today may be new tomorrow: then the sources have changed too
        return [type(value).__name__, *(canonical(getattr(value, f.name)) for f in fields(value) if f.compare)]
    raise TypeError(f"{type(value).__name__} has no canonical form")


class _Memo(Generic[Of, Found]):
    """What was made of the objects seen last; by identity, as comparing machines or networks takes long."""

    def __init__(self, make: Callable[[Of], Found], most: int) -> None:
        self.make, self.most = make, most
        self.found: OrderedDict[int, tuple[Of, Found]] = OrderedDict()

    def __call__(self, of: Of) -> Found:
        """What `make` gives."""
        known = self.found.get(id(of))
        if known is None:
            known = self.found[id(of)] = of, self.make(of)
            if len(self.found) > self.most:
                self.found.popitem(last=False)
        return known[1]


def _hashed(document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return sha256(document), document


_sized: _Memo[Architecture, str] = _Memo(lambda machine: sha256(canonical(machine)), 256)
_machine: _Memo[Architecture, tuple[str, dict[str, Any]]] = _Memo(lambda of: _hashed(machine_document(of)), 64)
_network: _Memo[Network, tuple[str, dict[str, Any]]] = _Memo(lambda of: _hashed(network_document(of)), 64)
_table: _Memo[EnergyTable, tuple[str, dict[str, Any]]] = _Memo(lambda of: _hashed(table_document(of)), 64)
_problem: _Memo[Problem, Any] = _Memo(canonical, 4096)


def sized_hash(machine: Architecture) -> str:
    """Of all that numbers depend on in a machine; its prose left out."""
    return _sized(machine)


@cache
def dataflow_hash(name: str) -> str:
    """Of what a dataflow's file says, its prose left out; read once for a sweep (`forget`). 'best' takes from all."""
    if not name:
        return ""
    if name == BEST:
        return sha256([dataflow_hash(one) for one in NAMES])
    flow = load_dataflow(name)
    return sha256([canonical(getattr(flow, f.name)) for f in fields(flow) if f.name not in ("source", "about")])


def forget() -> None:
    """Read files again, which may have changed since the last sweep of this process."""
    dataflow_hash.cache_clear()


def layer_keys(multiplying: list[Job], plan: Plan) -> list[str]:
    """Of all that the result of each layer depends on; equal layers of different points, even networks, share one.

    Zeros are drawn for a network and a layer of it, so a layer that has some is its network's own. What is to be proved
    counts where a mapping is searched for, as far as it changes that search.
    """
    ran = plan.ran
    shared = [
        sources(), dataflow_hash(plan.dataflow), ran.objective, plan.evaluator, _table(plan.table)[0],
    ]  # fmt: skip
    proof, found = _proved(ran.proof.of(plan.dataflow)), []
    for job in multiplying:
        zeros: Any = ""
        if plan.zeros and plan.zeros.of(job.layer):
            drawn = (_network(ran.network)[0], job.layer.name) if job.zeros else ()
            zeros = [*drawn, job.raw, ran.data or "", ran.seed, dict(sorted(ran.operand_files.items()))]
        own = [_sized(job.machine), _problem(job.problem), canonical(job.nest), zeros, "" if job.nest else proof]
        found.append(sha256([shared, own]))
    return found


def _proved(proof: Proof) -> Any:
    """Of constraints, what they say, however it is written."""
    spec = proof.constraints and proof.constraints.spec
    rules = spec and {name: getattr(spec, name) for name in type(spec).model_fields}
    # what is not asked for is no part of the key of layers that were kept before it could be
    bounds = [sorted(str(one) for one in proof.bounds)] if proof.bounds else []
    return [proof.budget, proof.exact, proof.imperfect, canonical(rules), *bounds]


def inputs_of(plan: Plan) -> tuple[dict[str, Any], dict[str, tuple[str, dict[str, Any]]]]:
    """What made a point, and by hash the (kind, document) that it names."""
    ran = plan.ran
    machine, network, table = _machine(plan.machine), _network(ran.network), _table(plan.table)
    made = {
        "machine": machine[0],
        "network": network[0],
        "energy_table": table[0],
        "dataflow": plan.dataflow,
        "dataflow_sha256": dataflow_hash(plan.dataflow),
        "mapping": sha256({name: canonical(nest) for name, nest in plan.given.items()}) if plan.given else "",
        "layers": ran.layers,
        "evaluator": plan.evaluator,
        "objective": ran.objective,
        "bits": dict(ran.bits),
        "data": ran.data,
        "seed": ran.seed,
        "operands": dict(ran.operand_files),
        "proof": ran.proof.to_dict(),
    }
    documents = {machine[0]: ("machine", machine[1]), network[0]: ("network", network[1])}
    return made, {**documents, table[0]: ("energy_table", table[1])}


def point_key(made: Mapping[str, Any]) -> str:
    """Of what `inputs_of` gives, and of the sources."""
    return sha256([sources(), made])
