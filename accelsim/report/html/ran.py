"""What was run: options, versions, hashes, and every default that was taken."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from accelsim.document import document_of
from accelsim.outcome import Outcome
from accelsim.report.html.defaults import Default, defaults, of_network
from accelsim.report.summary import KINDS, how_mapped
from accelsim.report.text import shown, visible

Data = Mapping[str, Any]
MOST = 60
"""Letters of a value."""
SAID = ("name", "source", "note")
"""Of an energy table, what stands elsewhere on the page."""


@dataclass(frozen=True)
class Option:
    """What was asked for. default : whether it is what holds where nothing is asked for."""

    name: str
    value: str
    default: bool


@dataclass(frozen=True)
class RanFacts:
    """options : of the run. versions, hashes : by name. sources : where machine, network and energies are from.

    defaults : keys that the machine's file leaves out. of_network : keys at which the network's are, and where.
    prices : (key, number) of all of the energy table.
    """

    options: tuple[Option, ...]
    versions: tuple[tuple[str, str], ...]
    hashes: tuple[tuple[str, str], ...]
    defaults: tuple[tuple[str, str], ...]
    of_network: tuple[Default, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    prices: tuple[tuple[str, str], ...] = ()


def facts(result: Outcome) -> RanFacts:
    """Of a result; with nothing but its options, if it does not say what it ran."""
    document = document_of(result).get("ran")
    options = tuple(_options(result))
    if document is None:
        return RanFacts(options, (("accelsim", result.version),), (), (), (), tuple(sources(result)))
    told = document["sha256"]
    hashes = {name.replace("_", " "): found for name, found in told.items() if isinstance(found, str)}
    hashes |= {f"file of the {what}": found for what, found in told.get("files", {}).items()}
    hashes |= {f"operands {visible(path)}": found for path, found in told["operands"].items()}
    machine = document["machine"]
    taken = tuple(defaults("arch", machine)) if machine else ()
    ours = tuple(of_network(document["network"]))
    versions, prices = tuple(document["versions"].items()), tuple(flat(document["energy_table"]))
    return RanFacts(options, versions, tuple(hashes.items()), taken, ours, tuple(sources(result)), prices)


def sources(result: Outcome) -> Iterator[tuple[str, str]]:
    """Who says so, of the machine, the network and the energy table, where it is known."""
    table = result.energy_table
    told = f"{table.source}; {table.note}" if table.note else table.source
    network = result.ran.network.source if result.ran else ""
    for what, source in (("machine", result.architecture.source), ("network", network), ("energy table", told)):
        if source:
            yield what, visible(source)


def flat(data: Data, place: str = "") -> Iterator[tuple[str, str]]:
    """(path, value) of everything in a document that is a number or a text, what is empty left out."""
    for name, value in data.items():
        path = f"{place}.{name}".removeprefix(".")
        if isinstance(value, Mapping):
            yield from flat(value, path)
        elif isinstance(value, list):
            yield from flat({str(at): one for at, one in enumerate(value)}, path)
        elif value not in (None, "") and path not in SAID:
            yield visible(path), shown(str(value), MOST)


def _options(result: Outcome) -> Iterator[Option]:
    machine, table, ran = result.architecture, result.energy_table, result.ran
    yield Option("machine", machine.name, False)
    yield Option("network", result.workload, False)
    yield Option("batch", str(result.batch), result.batch == 1)
    yield Option("dataflow", result.dataflow or "none", result.dataflow == machine.dataflow)
    source = f": {ran.mapping}" if ran and ran.mapping else ""
    yield Option("mappings", how_mapped(result) + source, not source)
    yield Option("evaluator", KINDS.get(result.evaluator, result.evaluator), result.evaluator == "cycle")
    yield Option("energy table", table.name, table.name == machine.energy)
    yield Option("accounting", table.accounting or "counts", not table.accounting)
    if ran:
        yield Option("objective", ran.objective, ran.objective == "energy")
        yield Option("layers", ran.layers, ran.layers == "*")
        yield Option("operands", result.operands or "dense", ran.data is None)
        yield Option("seed", str(ran.seed), ran.seed == 0)
        for name, given in (("parameters", ran.parameters), ("bits", ran.bits), ("dims", ran.dims)):
            told = ", ".join(f"{key}={value}" for key, value in given.items())
            yield Option(name, shown(told, 200) or "as the files say", not told)
        proof = ran.proof.to_dict()
        told = ", ".join(f"{key}={json.dumps(value)}" for key, value in proof.items())
        yield Option("proof of mappings", shown(told, 200) or "as the dataflow has it", not proof)
