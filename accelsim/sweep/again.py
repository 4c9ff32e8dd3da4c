"""One point of a store, run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from accelsim.architecture.yaml import architecture_of
from accelsim.energy.yaml import build
from accelsim.errors import AccelsimError
from accelsim.outcome import LayerResult
from accelsim.result import Result
from accelsim.search.found import Found
from accelsim.search.identity import dataflow_hash, forget
from accelsim.search.optimum.wanted import constraints_of
from accelsim.simulate import simulate
from accelsim.sweep.record import Record, metrics_of
from accelsim.sweep.store import Store
from accelsim.workload.document import network_of
from accelsim.workload.network import Network
from accelsim.yamlfile import Document


def again(path: str | Path, key: str, progress: Callable[[int, int, str], None] | None = None) -> Result:
    """The whole result of a point: the machine, network and table that the store has, under the same dataflow.

    key : the point's, or the beginning of it that no other has. Raises AccelsimError for a point that failed, and where
    what comes of it now is not what the store has.
    """
    with Store(path, read_only=True) as store:
        found, made, parameters, point = store.find(key)
        if not made:
            raise AccelsimError(f"{path}: point {found[:12]} cannot be run: {point.error}")
        proof = made.get("proof", {})
        # what was found in a time is found again in no other way
        kept = store.layers_of(found) if "budget" in proof else []
        documents = {
            kind: Document(f"{path}: {kind}", store.document(made[kind]))
            for kind in ("machine", "network", "energy_table")
        }
    flow = made["dataflow"]
    forget()
    if dataflow_hash(flow) != made["dataflow_sha256"]:
        raise AccelsimError(f"{path}: dataflow '{flow}' has changed since point {found[:12]} was run")
    network = network_of(documents["network"])
    result = simulate(
        architecture_of(documents["machine"]), network, flow or None, batch=network.batch, layers=made["layers"],
        evaluator=made["evaluator"], objective=made["objective"], energy=build(documents["energy_table"]),
        data=made["data"], seed=made["seed"], bits=made["bits"], progress=progress, tolerant=True,
        **_asked(path, proof), mapping=_nests(network, made["layers"], kept) or None,
    )  # fmt: skip
    result = replace(result, layers=tuple(_searched(result, network, made["layers"], kept)))
    assert result.ran is not None
    for file, digest in made["operands"].items():
        if result.ran.operand_files.get(file, digest) != digest:
            raise AccelsimError(f"{file}: has changed since point {found[:12]} was run (its sha256 is another)")
    result = replace(result, ran=replace(result.ran, parameters=parameters))
    now = {} if result.failures else metrics_of(result, [record_of(layer) for layer in result.layers])
    for name, value in point.row.items():
        if not result.failures and now.get(name) != value:
            raise AccelsimError(
                f"{path}: point {found[:12]} gives {name} {now.get(name)} now, and gave {value}: the store was written "
                "by other sources"
            )
    return result


def _asked(path: str | Path, proof: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `simulate` that say what is to be proved."""
    rules = proof.get("constraints")
    return {**proof, "constraints": rules and constraints_of(Document(f"{path}: constraints", rules))}


def _named(network: Network, globs: str, kept: list[Record]) -> dict[str, Record]:
    """The layers of a point that were mapped, by their names."""
    names = [layer.name for layer in network.select(globs) if layer.problem]
    return {name: one for name, one in zip(names, kept, strict=True) if not one.error} if kept else {}


def _nests(network: Network, globs: str, kept: list[Record]) -> dict[str, str]:
    return {name: one.mapping for name, one in _named(network, globs, kept).items()}


def _searched(result: Result, network: Network, globs: str, kept: list[Record]) -> Iterator[LayerResult]:
    """The layers of a result, how those of a store were found with them."""
    known = _named(network, globs, kept)
    for layer in result.layers:
        one = known.get(layer.name)
        if one is None:
            yield layer
        else:
            search = Found.from_dict(one.search, layer.nest) if one.search else None
            yield replace(layer, mapping_source=one.mapping_source, search=search)


def record_of(layer: LayerResult) -> Record:
    """A layer of a result, named and with its repeats."""
    return replace(Record.of(layer), name=layer.name, op=layer.op, repeat=layer.repeat)
