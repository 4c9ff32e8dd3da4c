"""One point of a store, run again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from accelsim.architecture.yaml import architecture_of
from accelsim.energy.yaml import build
from accelsim.errors import AccelsimError
from accelsim.outcome import LayerResult
from accelsim.result import Result
from accelsim.simulate import simulate
from accelsim.sweep.identity import dataflow_hash, forget
from accelsim.sweep.record import Record, metrics_of
from accelsim.sweep.store import Store
from accelsim.workload.document import network_of
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
    )  # fmt: skip
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


def record_of(layer: LayerResult) -> Record:
    """A layer of a result, named and with its repeats."""
    return replace(Record.of(layer), name=layer.name, op=layer.op, repeat=layer.repeat)
