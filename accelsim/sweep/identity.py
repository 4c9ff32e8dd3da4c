"""What makes two points, or two layers of different points, the same: hashes of resolved inputs and of the sources."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from accelsim.architecture.document import document_of as machine_document
from accelsim.architecture.model import Architecture
from accelsim.canonical import canonical, sha256
from accelsim.energy.document import document_of as table_document
from accelsim.energy.table import EnergyTable
from accelsim.jobs import Job, Plan
from accelsim.search.identity import dataflow_hash, proved
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


def layer_keys(multiplying: list[Job], plan: Plan) -> list[str]:
    """Of all that the result of each layer depends on; equal layers of different points, even networks, share one.

    Zeros are drawn for a network and a layer of it, so a layer that has some is its network's own. What is to be proved
    counts where a mapping is searched for, as far as it changes that search.
    """
    ran = plan.ran
    shared = [
        sources(), dataflow_hash(plan.dataflow), ran.objective, plan.evaluator, _table(plan.table)[0],
    ]  # fmt: skip
    proof, found = proved(ran.proof.of(plan.dataflow)), []
    for job in multiplying:
        zeros: Any = ""
        if plan.zeros and plan.zeros.of(job.layer):
            drawn = (_network(ran.network)[0], job.layer.name) if job.zeros else ()
            zeros = [*drawn, job.raw, ran.data or "", ran.seed, dict(sorted(ran.operand_files.items()))]
        own = [_sized(job.machine), _problem(job.problem), canonical(job.nest), zeros, "" if job.nest else proof]
        found.append(sha256([shared, own]))
    return found


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
