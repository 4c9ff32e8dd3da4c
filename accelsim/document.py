"""A result as one JSON document, which holds all it takes to read it back and to run it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from platform import python_version

from accelsim.architecture.document import document_of as machine_document
from accelsim.canonical import sha256
from accelsim.engine.counts import BEGUN, DIRECTIONS, NARROWED, TRAFFIC, Counts, DramCounts, dram_dict
from accelsim.errors import AccelsimError
from accelsim.mapping.plan.yaml import data_of
from accelsim.outcome import LayerResult, Outcome, Ran, Row, mean_imbalance
from accelsim.shares import training_document
from accelsim.vector import spent
from accelsim.version import __version__
from accelsim.workload.problem import TENSORS, Width


def versions() -> dict[str, str]:
    """Of what a result depends on."""
    return {
        "accelsim": __version__,
        **{name: _version(name) for name in ("numba", "numpy")},
        "python": python_version(),
    }


@cache
def _version(name: str) -> str:
    """Of a package; looked up once, as it is read from a file."""
    return version(name)


def document_of(result: Outcome) -> Row:
    """Plain lists, dicts, strings and numbers; the same result gives the same document, wherever and whenever."""
    table, machine = result.energy_table, result.architecture
    return {
        "architecture": machine.name,
        "workload": result.workload,
        "dataflow": result.dataflow,
        "evaluator": result.evaluator,
        "version": result.version,
        "energy_unit": table.unit,
        "energy_table": table.name,
        "energy_accounting": table.accounting or "counts",
        "batch": result.batch,
        "operands": result.operands or "dense",
        "lowering": machine.lowering.value,
        "clock_hz": float(machine.clock_hz),
        "pes": machine.pes,
        "free": list(result.free),
        "levels": [level.name for level in machine.levels],
        "layers": [_layer(result, layer) for layer in result.layers],
        **({"groups": [group.to_dict() for group in result.groups]} if result.groups else {}),
        **({"saved": [row.to_dict() for row in result.saved]} if result.saved else {}),
        "vector_layers": [layer.to_dict() for layer in result.vector_layers],
        **({"coverage": result.coverage.to_dict()} if result.coverage else {}),
        **training_document(result),
        "failures": [{"layer": layer, "reason": reason} for layer, reason in result.failures],
        "total": _total(result),
        **({"ran": _ran(result, result.ran)} if result.ran else {}),
    }


def _ran(result: Outcome, ran: Ran) -> Row:
    # what models of networks and tables take to make is not for runs that only print
    from accelsim.energy.document import document_of as table_document
    from accelsim.workload.document import document_of as network_document

    missing: Row = {}
    try:
        machine = machine_document(result.architecture)
    except AccelsimError as error:
        machine, missing = None, {"machine_is_missing": str(error)}
    documents = {
        "machine": machine,
        "network": network_document(ran.network),
        "energy_table": table_document(result.energy_table),
    }
    nests = {layer.name: layer.nest.to_dict() for layer in result.layers}
    return {
        "layers": ran.layers,
        "objective": ran.objective,
        "mapping": ran.mapping,
        "parameters": dict(ran.parameters),
        "bits": dict(ran.bits),
        "data": ran.data,
        **({"dims": dict(ran.dims)} if ran.dims else {}),
        **({"plan": data_of(ran.plan)} if ran.plan else {}),
        **({"proof": proof} if (proof := ran.proof.to_dict()) else {}),
        "seed": ran.seed,
        "versions": dict(ran.versions),
        "sha256": {
            **{name: sha256(document) for name, document in documents.items()},
            "mapping": sha256(nests),
            "operands": dict(ran.operand_files),
            **({"files": dict(ran.files)} if ran.files else {}),
        },
        **documents,
        **missing,
    }


def _layer(result: Outcome, layer: LayerResult) -> Row:
    counts, timing = layer.counts, layer.timing
    return {
        "name": layer.name,
        "op": layer.op,
        "repeat": layer.repeat,
        **({"homes": {tensor.value: level for tensor, level in layer.homes.items()}} if layer.homes else {}),
        "bits": {width.value: layer.bits[width] for width in Width},
        **({"mode": str(result.mode(layer))} if result.architecture.modes else {}),
        "macs": counts.macs,
        **({} if counts.slots == counts.macs else {"slots": counts.slots}),
        "cycles": timing.cycles,
        "processing_cycles": timing.processing,
        "ms": result.milliseconds(timing.cycles),
        "processing_ms": result.milliseconds(timing.processing),
        "utilization": result.utilization(counts.visited, timing.cycles, layer),
        **_dense_equivalent(result, counts.slots, timing.cycles, layer),
        "exact": timing.exact,
        "compute_cycles": counts.compute_cycles,
        "stall_cycles": dict(sorted(timing.stalls.items())),
        "processing_stall_cycles": dict(sorted(timing.processing_stalls.items())),
        "active_pes": counts.active_pes,
        **(_zeros(counts) if result.operands else {}),
        **({"dram": _dram(counts.dram)} if counts.dram else {}),
        "counts": [_count(*row) for row in counts.rows()],
        **({} if counts.narrow is None else {"ofmap_counts": list(_narrowed(counts))}),
        **({} if counts.bias is None else {"bias_counts": list(_bias(counts))}),
        **({"steps": dict(counts.steps)} if counts.steps else {}),
        "network": list(_network(counts)),
        "energy": layer.energy,
        "energy_breakdown": [row.to_dict() for row in layer.energy_rows],
        **_power(result, layer),
        "mapping": layer.nest.to_dict(),
        "mapping_source": layer.mapping_source,
        **({"search": layer.search.to_dict()} if layer.search else {}),
    }


def _total(result: Outcome) -> Row:
    totals, vector = result.total, result.vector
    words: Counter[tuple[str, str, str]] = Counter()
    for layer in result.layers:
        for level, tensor, action, number in layer.counts.rows():
            words[level, tensor, action] += number * layer.repeat
    runs = [(layer.counts, layer.repeat) for layer in result.layers]
    banks = [(counts.dram, repeat) for counts, repeat in runs if counts.dram]
    zeros = {
        "effectual_macs": sum(counts.effectual * repeat for counts, repeat in runs),
        "visited_macs": sum(counts.visited * repeat for counts, repeat in runs),
        "imbalance": mean_imbalance(runs),
    }
    return {
        "macs": totals.macs,
        **({} if result.slots == totals.macs else {"slots": result.slots}),
        "cycles": totals.cycles,
        "processing_cycles": totals.processing_cycles,
        "ms": totals.ms,
        "processing_ms": totals.processing_ms,
        "utilization": totals.utilization,
        **_dense_equivalent(result, result.slots, totals.cycles),
        "compute_cycles": totals.compute_cycles,
        "stall_cycles": totals.stall_cycles,
        "active_pes": totals.active_pes,
        **(zeros if result.operands else {}),
        **({"dram": dram_dict(banks)} if banks else {}),
        "counts": [_count(*key, number) for key, number in words.items()],
        "energy": totals.energy,
        "energy_breakdown": [row.to_dict() for row in result.energy_rows()],
        **_efficiency(result),
        "vector": {
            **vector.to_dict(result.architecture.clock_hz),
            "vector_ops_priced": result.energy_table.vector_op is not None,
        },
        "with_vector": spent(
            totals.cycles + vector.cycles,
            totals.processing_cycles + vector.processing_cycles,
            totals.energy_exact + vector.energy_exact,
            result.architecture.clock_hz,
        ),
    }


def _power(result: Outcome, layer: LayerResult) -> Row:
    return {"power_mw": result.milliwatts(layer.energy_exact, layer.cycles)} if result.energy_unit == "pJ" else {}


def _efficiency(result: Outcome) -> Row:
    """Power and what is divided by it, of energies in pJ; areas, of a table that knows them."""
    if result.efficiency is None:
        return {}
    found: Row = asdict(result.efficiency)
    if result.energy_table.prices_parts:
        floor = result.floor
        found["area"] = {
            "cells_mm2": float(floor.cells),
            "floor_mm2": float(floor.area),
            "missing": list(floor.missing),
            "parts": [
                {
                    "component": part.component,
                    "instances": part.instances,
                    "cells_mm2": float(part.instances * part.cells),
                    "floor_mm2": float(part.floor),
                }
                for part in floor.parts
            ],
        }
    return found


def _dense_equivalent(result: Outcome, macs: int, cycles: int, layer: LayerResult | None = None) -> Row:
    return {"dense_equivalent": result.dense_equivalent(macs, cycles, layer)} if result.operands else {}


def _count(level: str, tensor: str, action: str, words: int) -> Row:
    return {"level": level, "tensor": tensor, "action": action, "words": words}


def _zeros(counts: Counts) -> Row:
    return {
        "effectual_macs": counts.effectual,
        "visited_macs": counts.visited,
        "imbalance": counts.imbalance,
        **({"busy_cycles": counts.busy} if counts.busy >= 0 else {}),
        "compression": [{**asdict(part), "metadata": part.metadata, "ratio": part.ratio} for part in counts.encoded],
    }


def _narrowed(counts: Counts) -> Iterator[Row]:
    """Of the psum words of `counts` and `network`, those that move as ofmap words."""
    for level in counts.levels:
        for what in NARROWED:
            if words := counts.narrowed(level, what):
                yield {"level": level, "action": what, "words": words}


def _bias(counts: Counts) -> Iterator[Row]:
    """Words of the bias, which are in no other count."""
    for level in counts.levels:
        for what in BEGUN:
            if words := counts.of_bias(level, what):
                yield {"level": level, "action": what, "words": words}


def _dram(dram: DramCounts) -> Row:
    return {**dram.to_dict(), "clocks": dram.clocks, "slots": dram.slots}


def _network(counts: Counts) -> Iterator[Row]:
    for level in counts.levels:
        for tensor in TENSORS:
            for direction in DIRECTIONS:
                numbers = {kind: counts.sent(level, tensor, direction, kind) for kind in TRAFFIC}
                if any(numbers.values()):
                    more = _links(counts, level, tensor.value, direction)
                    yield {"level": level, "tensor": tensor.value, "direction": direction, **numbers, **more}


def _links(counts: Counts, level: str, tensor: str, direction: str) -> Row:
    """What only networks with links have: words on each, on the busiest and on the mean link; tags compared."""
    at, out = (level, tensor, direction), Row()
    for row in counts.links:
        if at == (row.level, row.tensor, row.direction):
            out |= {"links": len(row.words), "link_load": {"max": max(row.words), "mean": row.mean, "on": row.busiest}}
            out["link_words"] = dict(zip(row.names, row.words, strict=True))
    for where, what, number in counts.tag_matches if direction == "down" else ():
        if (level, tensor) == (where, what):
            out["tag_matches"] = number
    return out
