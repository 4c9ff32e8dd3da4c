"""From the fields of a point to the run they ask for: names and files become objects, each read once."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from accelsim import arguments
from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.canonical import canonical, sha256
from accelsim.declared import split_parameters
from accelsim.energy.document import document_of as table_document
from accelsim.energy.load import load_table, table_for
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError
from accelsim.jobs import Plan
from accelsim.networks import network_from
from accelsim.onnx.graph.read import is_onnx
from accelsim.search.bound import bounds_of
from accelsim.search.identity import dataflow_hash
from accelsim.search.optimum.wanted import Wanted
from accelsim.simulate import EVALUATORS, OBJECTIVES, prepare
from accelsim.sweep.yaml import FIELDS
from accelsim.workload.edit import with_density
from accelsim.workload.network import Network
from accelsim.workload.training.optimizers import Optimizer, Training
from accelsim.yamlfile import Document, read, resolve

Found = TypeVar("Found")
Fields = Mapping[str, Any]
_RUN = ("evaluator", "objective", "accounting", "bits", "seed", "budget", "exact", "imperfect", "bound")


@dataclass
class _Kept:
    """What was made last, by what it was made of."""

    most: int
    found: OrderedDict[Any, Any] = field(default_factory=OrderedDict)

    def get(self, key: Any, make: Callable[[], Found]) -> Found:
        """What `make` gives, or gave before."""
        if key in self.found:
            self.found.move_to_end(key)
            found: Found = self.found[key]
            return found
        found = self.found[key] = make()
        if len(self.found) > self.most:
            self.found.popitem(last=False)
        return found


@dataclass
class Resolver:
    """Points to runs; keeps the machines and networks it made last, which neighbours share.

    options : what all points have: `layers` and `data`.
    """

    options: Mapping[str, Any]
    _bases: _Kept = field(default_factory=lambda: _Kept(64))
    _documents: _Kept = field(default_factory=lambda: _Kept(64))
    _machines: _Kept = field(default_factory=lambda: _Kept(64))
    _networks: _Kept = field(default_factory=lambda: _Kept(64))
    _plans: _Kept = field(default_factory=lambda: _Kept(64))
    _wanted: _Kept = field(default_factory=lambda: _Kept(64))
    _splits: _Kept = field(default_factory=lambda: _Kept(256))

    def plan(self, fields: Fields) -> Plan:
        """The run of a point. Raises AccelsimError, as `simulate` would, for one that cannot be built."""
        return self._plans.get(_key(fields), lambda: self._plan(fields))

    def _plan(self, fields: Fields) -> Plan:
        settings = arguments.settings("set", {n: v for n, v in fields.items() if n not in FIELDS})
        machine, network = self.machine(fields, settings), self.network(fields, settings)
        run = {name: fields[name] for name in _RUN if fields.get(name) is not None}
        run["constraints"] = self.constraints(fields)
        table = self.table({**fields, "arch": machine})
        found = prepare(
            machine, network, fields.get("dataflow"), batch=network.batch, energy=table, **run, **self.options
        )
        return replace(found, ran=replace(found.ran, parameters=settings))

    def machine(self, fields: Fields, settings: Mapping[str, Any] | None = None) -> Architecture:
        """The machine of a point."""
        settings = _settings(fields) if settings is None else settings
        own = self.split(fields, settings)[1]
        arch = fields["arch"]

        def make() -> Architecture:
            if isinstance(arch, str) and own:
                # the file is read once: a machine is made anew of what it says
                document: Document = self._documents.get(arch, lambda: read(resolve("arch", arch)))
                return architecture_of(deepcopy(document), own)
            base: Architecture = self._bases.get(_key(arch), lambda: load(arch))
            return base.with_(**own) if own else base

        return self._machines.get((_key(arch), _key(own)), make)

    def network(self, fields: Fields, settings: Mapping[str, Any] | None = None) -> Network:
        """The network of a point."""
        settings = _settings(fields) if settings is None else settings
        own, workload, batch = self.split(fields, settings)[0], fields["workload"], fields.get("batch", 1)
        density, training = fields.get("density"), fields.get("training")

        def make() -> Network:
            found = network_from(workload, arguments.whole("batch", batch, 1), own)
            found = found if density is None else with_density(found, density)
            return found.training_step(training) if training else found

        return self._networks.get((_key(workload), _key([batch, own, density, training])), make)

    def table(self, fields: Fields) -> EnergyTable:
        """The energy table of a point."""
        arch = fields["arch"]
        machine: Architecture = self._bases.get(_key(arch), lambda: load(arch))
        return table_for(machine, fields.get("energy"), fields.get("node"), fields.get("supply"))

    def constraints(self, fields: Fields) -> Wanted | None:
        """What mappings a point leaves out; a file is read once."""
        value = fields.get("constraints")
        if value is None:
            return None
        read: Callable[[], Wanted | None] = lambda: arguments.proof(None, False, False, value).constraints  # noqa: E731
        return self._wanted.get(_key(value), read)

    def split(self, fields: Fields, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings of the network and those of the machine."""
        arch, workload = fields["arch"], fields["workload"]
        key = (_key(arch), _key(workload), tuple(settings))
        ours, theirs = self._splits.get(key, lambda: split_parameters(arch, workload, dict.fromkeys(settings)))
        return {name: settings[name] for name in ours}, {name: settings[name] for name in theirs}

    def known(self, name: str, fields: Fields) -> None:
        """Refuse a name that is none, or a machine or network that lacks a field that is set."""
        value, settings = fields[name], _settings(fields)
        if name in ("arch", "workload"):
            if name == "arch":
                self._bases.get(_key(value), lambda: load(value))
            elif "arch" not in fields:
                network_from(value)
            if "arch" in fields and "workload" in fields:
                self.split(fields, settings)
                self.network(fields, settings)
        elif name == "dataflow" and value:
            dataflow_hash(value)
        elif name in ("energy", "node", "supply") and value is not None:
            self.table(fields)
        elif name in ("evaluator", "objective"):
            arguments.known(name, value, EVALUATORS if name == "evaluator" else OBJECTIVES)
        elif name in ("exact", "imperfect"):
            arguments.flag(name, value)
        elif name == "budget":
            arguments.seconds(name, value)
        elif name == "constraints":
            self.constraints(fields)
        elif name == "training":
            try:
                Training.of(value)
            except AccelsimError as error:
                raise AccelsimError(str(error).removeprefix("training: ")) from None
        elif name == "bound":
            bounds_of(value)

    def fingerprint(self, name: str, value: Any) -> str:
        """The sha256 of what a name stands for."""
        if isinstance(value, Architecture | Network | EnergyTable):
            return sha256(table_document(value) if isinstance(value, EnergyTable) else canonical(value))
        if not value:
            return ""
        if name == "constraints":
            wanted = self.constraints({name: value})
            return sha256(wanted.data) if wanted else ""
        if name == "dataflow":
            return dataflow_hash(value)
        if name == "energy":
            return sha256(table_document(load_table(value)))
        if name == "workload" and is_onnx(value):
            with Path(value).open("rb") as opened:
                return hashlib.file_digest(opened, "sha256").hexdigest()
        return sha256(read(resolve(name, value)).data)


def load(value: Any) -> Architecture:
    """A machine by name, by file, or itself."""
    arguments.one_of("arch", value, (Architecture,))
    return value if isinstance(value, Architecture) else load_architecture(value)


def _settings(fields: Fields) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in FIELDS}


def shown(value: Any) -> Any:
    """A value as an export has it: objects by their name."""
    if isinstance(value, Architecture | Network | EnergyTable):
        return value.name
    if isinstance(value, Training | Optimizer):
        return value.optimizer if isinstance(value, Training) else value.name
    return value


def _key(value: Any) -> Any:
    """Something to look up by: equal for equal values."""
    if isinstance(value, Mapping):
        return tuple((name, _key(one)) for name, one in value.items())
    if isinstance(value, Architecture | Network):
        return id(value), value.name
    return json.dumps(value, default=str, sort_keys=True)
