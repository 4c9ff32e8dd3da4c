"""What was run: options, versions, hashes, and every default that was taken."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from accelsim.document import document_of
from accelsim.outcome import Outcome
from accelsim.report.summary import KINDS, how_mapped
from accelsim.report.text import shown, visible
from accelsim.specs import REFUSED, json_schema

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

    defaults : (key of the machine's file, what holds without it). prices : (key, number) of all of the energy table.
    """

    options: tuple[Option, ...]
    versions: tuple[tuple[str, str], ...]
    hashes: tuple[tuple[str, str], ...]
    defaults: tuple[tuple[str, str], ...]
    sources: tuple[tuple[str, str], ...] = ()
    prices: tuple[tuple[str, str], ...] = ()


def facts(result: Outcome) -> RanFacts:
    """Of a result; with nothing but its options, if it does not say what it ran."""
    document = document_of(result).get("ran")
    options = tuple(_options(result))
    if document is None:
        return RanFacts(options, (("accelsim", result.version),), (), (), tuple(sources(result)))
    hashes = {name: found for name, found in document["sha256"].items() if isinstance(found, str)}
    files = {f"operands {visible(path)}": found for path, found in document["sha256"]["operands"].items()}
    machine = document["machine"]
    taken = tuple(defaults("arch", machine)) if machine else ()
    versions, prices = tuple(document["versions"].items()), tuple(flat(document["energy_table"]))
    return RanFacts(options, versions, tuple((hashes | files).items()), taken, tuple(sources(result)), prices)


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


def defaults(kind: str, data: Data) -> Iterator[tuple[str, str]]:
    """(key, what holds) of all that a file of this kind may say and does not, as its JSON Schema has it."""
    schema = json_schema(kind)
    yield from _missing(schema, schema["$defs"], data, "")


def _missing(schema: Data, models: Data, data: Any, place: str) -> Iterator[tuple[str, str]]:
    for form in _forms(schema, models):
        keys = form.get("properties")
        if isinstance(data, Mapping) and keys and set(data) <= set(keys):
            for key, below in keys.items():
                path = f"{place}.{key}".removeprefix(".")
                if key in data:
                    yield from _missing(below, models, data[key], path)
                elif below.get("if_left_out") not in (None, "", REFUSED):
                    yield path, below["if_left_out"].replace("`", "")
            return
        if isinstance(data, Mapping) and isinstance(form.get("additionalProperties"), Mapping):
            for key, value in data.items():
                yield from _missing(form["additionalProperties"], models, value, f"{place}.{key}")
            return
        if isinstance(data, list) and isinstance(form.get("items"), Mapping):
            for index, value in enumerate(data):
                name = value.get("name", index) if isinstance(value, Mapping) else index
                yield from _missing(form["items"], models, value, f"{place}.{name}")
            return


def _forms(schema: Data, models: Data) -> Iterator[Data]:
    """All that a value may be, names looked up."""
    if "$ref" in schema:
        yield from _forms(models[schema["$ref"].rpartition("/")[2]], models)
    else:
        yield schema
        for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from _forms(one, models)
