"""What a store keeps of a layer and of a point: the numbers, as JSON, from which totals and pictures are made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

from accelsim.energy.floor import floor_of
from accelsim.energy.rows import EnergyRow
from accelsim.engine.counts import Timing
from accelsim.errors import AccelsimError, MappingError
from accelsim.jobs import Job, Plan
from accelsim.outcome import LayerResult, Measured, Outcome, Row, reasons
from accelsim.vector import vector_layers
from accelsim.workload.precision import checked

METRICS: dict[str, tuple[str, str]] = {
    "macs": ("MACs", "multiply-accumulates of the whole batch"),
    "cycles": ("core cycles", "of the layers that have MACs, everything included"),
    "processing_cycles": ("core cycles", "if the outermost level's transfers took no time"),
    "compute_cycles": ("core cycles", "the MAC array works"),
    "ms": ("ms", "the cycles as time"),
    "utilization": ("1", "MACs not skipped / (PEs x MACs per PE and cycle x cycles)"),
    "energy": ("energy_unit", "of the layers that have MACs"),
    "gap": ("1", "how far above its optimum the mapping of a layer may lie at most; if all have a certificate"),
    "edp": ("energy_unit x ms", "energy times time"),
    "ed2p": ("energy_unit x ms2", "energy times time squared"),
    "outermost_words": ("words", "read and written at the outermost level, which is mostly the DRAM"),
    "vector_cycles": ("core cycles", "of the layers without MACs, and of gates"),
    "vector_energy": ("energy_unit", "of the same"),
    "power_mw": ("mW", "energy over time; of tables in pJ"),
    "area_mm2": ("mm2", "the floor that what is on chip takes; of tables with a technology"),
    "pes": ("PEs", "of the machine"),
    "buffer_bytes": ("B", "capacity of all that is on chip, every instance counted"),
}
"""Columns of a point: unit, and what each is."""
OBJECTIVES = (
    "energy", "cycles", "processing_cycles", "ms", "edp", "ed2p", "outermost_words", "power_mw", "area_mm2",
    "buffer_bytes", "pes",
)  # fmt: skip
"""What a sweep may minimise."""


@dataclass(frozen=True)
class Record(Measured):
    """The numbers of one layer, run once; where sums are taken it stands for the `LayerResult` that it is of.

    visited : MACs that took a slot. words : (level, tensor, action, words). mapping : the nest, as text.
    error : why it could not be mapped; then there are no numbers. search : as a result's document has it, if it came
    with a certificate.
    """

    macs: int
    visited: int
    active_pes: int
    timing: Timing
    energy_rows: tuple[EnergyRow, ...]
    words: tuple[tuple[str, str, str, int], ...]
    mapping: str
    mapping_source: str
    name: str = ""
    op: str = ""
    repeat: int = 1
    error: str = ""
    search: Mapping[str, Any] | None = None

    @staticmethod
    def of(found: LayerResult | MappingError) -> Record:
        """The record of what came of a job."""
        if isinstance(found, MappingError):
            return Record.failed(str(found))
        counts = found.counts
        return Record(
            found.macs, counts.visited, found.active_pes, found.timing, found.energy_rows, tuple(counts.rows()),
            str(found.nest), found.mapping_source,
            search=found.search.to_dict() if found.search and found.search.certificate else None,
        )  # fmt: skip

    @staticmethod
    def failed(error: str) -> Record:
        """The record of a layer that cannot be run."""
        return Record(0, 0, 0, Timing(0, 0, 0, {}, {}), (), (), "", "", error=error)

    def to_json(self) -> str:
        """One line; equal records give equal lines."""
        if self.error:
            return _line({"error": self.error})
        timing = self.timing
        return _line(
            {
                "macs": self.macs,
                "visited": self.visited,
                "active_pes": self.active_pes,
                "cycles": [timing.cycles, timing.processing, timing.compute],
                "stalls": [timing.stalls, timing.processing_stalls],
                "exact": timing.exact,
                "energy": [[*_place(row), row.count, str(row.energy)] for row in self.energy_rows],
                "words": self.words,
                "mapping": self.mapping,
                "mapping_source": self.mapping_source,
                **({"search": self.search} if self.search else {}),
            }
        )

    @staticmethod
    def from_json(text: str) -> Record:
        """The record of such a line."""
        data = json.loads(text)
        if "error" in data:
            return Record.failed(data["error"])
        rows = tuple(
            EnergyRow(level, tensor, action, number, Fraction(energy))
            for level, tensor, action, number, energy in data["energy"]
        )
        (cycles, processing, compute), (stalls, others) = data["cycles"], data["stalls"]
        timing = Timing(cycles, processing, compute, stalls, others, data["exact"])
        words = tuple((level, tensor, action, number) for level, tensor, action, number in data["words"])
        return Record(
            data["macs"], data["visited"], data["active_pes"], timing, rows, words, data["mapping"],
            data["mapping_source"], search=data.get("search"),
        )  # fmt: skip

    @property
    def gap(self) -> float | None:
        """How far above the optimum the mapping may lie, as a share; None without a certificate."""
        return self.search["certificate"]["gap"] if self.search else None

    @property
    def counts(self) -> Record:
        """Where MACs that took a slot are asked for."""
        return self

    @property
    def compute_cycles(self) -> int:
        """Core cycles the MAC array works."""
        return self.timing.compute


def _place(row: EnergyRow) -> tuple[str, str, str]:
    return row.component, row.tensor, row.action


def _line(data: object) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class Point:
    """What came of one point: `METRICS` that could be told, or why not.

    row : metrics. error : a line for each reason, with the layers it holds for.
    """

    row: Row
    error: str = ""


def point_of(plan: Plan, multiplying: list[Job], records: list[Record]) -> Point:
    """The metrics of a plan whose jobs gave these records, in their order.

    A point of which a layer could not be mapped has no metrics: a sum over the others would compare with nothing.
    """
    named = [
        replace(record, name=job.layer.name, op=job.layer.op, repeat=job.layer.repeat)
        for job, record in zip(multiplying, records, strict=True)
    ]
    machine, ran, table = plan.machine, plan.ran, plan.table
    failures = [(one.name, one.error) for one in named if one.error]
    if failures or not named:
        why = "\n".join(reasons(failures)) or "none of the layers has MACs"
        return Point({}, why)
    others = vector_layers(machine, ran.network, plan.layers, table, checked(ran.bits))
    outcome = Outcome(
        machine, ran.network.name, plan.dataflow, plan.evaluator, table, cast("tuple[LayerResult, ...]", tuple(named)),
        ran.network.batch, others, ran=ran,
    )  # fmt: skip
    return Point(metrics_of(outcome, named))


def metrics_of(outcome: Outcome, layers: list[Record]) -> Row:
    """`METRICS` of an outcome; those that its table cannot give are left out."""
    sums, vector, outermost = outcome.total, outcome.vector, outcome.architecture.levels[0].name
    words = sum(
        number * layer.repeat for layer in layers for level, _, _, number in layer.words if level == outermost
    )  # fmt: skip
    found: Row = {
        "macs": sums.macs,
        "cycles": sums.cycles,
        "processing_cycles": sums.processing_cycles,
        "compute_cycles": sums.compute_cycles,
        "ms": sums.ms,
        "utilization": sums.utilization,
        "energy": sums.energy,
        "energy_unit": sums.energy_unit,
        "edp": sums.energy * sums.ms,
        "ed2p": sums.energy * sums.ms**2,
        "outermost_words": words,
        "vector_cycles": vector.cycles,
        "vector_energy": vector.energy,
    }
    gaps = [layer.gap for layer in layers if layer.gap is not None]
    if gaps and len(gaps) == len(layers):
        found["gap"] = max(gaps)
    if sums.energy_unit == "pJ":
        found["power_mw"] = outcome.milliwatts(sums.energy_exact, sums.cycles)
    return found | fixed(outcome)


def fixed(of: Outcome | Plan) -> Row:
    """The metrics that a machine and a table have before anything is run."""
    machine, table = (of.machine, of.table) if isinstance(of, Plan) else (of.architecture, of.energy_table)
    found: Row = {"pes": machine.pes, "buffer_bytes": sum(level_bytes(machine).values())}
    if not no_area(of):
        found["area_mm2"] = float(floor_of(machine, table).area)
    return found


def no_area(of: Outcome | Plan) -> str:
    """Why a machine has no area by its table; empty if it has one."""
    machine, table = (of.machine, of.table) if isinstance(of, Plan) else (of.architecture, of.energy_table)
    try:
        missing = floor_of(machine, table).missing
    except AccelsimError as error:
        return str(error)
    return f"on machine '{machine.name}' nothing says the area of {', '.join(missing)}" if missing else ""


def no_power(plan: Plan) -> str:
    """Why a run has no power; empty if it has."""
    table = plan.table
    return "" if table.unit == "pJ" else f"energy table '{table.name}' is in {table.unit}, so it gives no power"


def level_bytes(machine: Any) -> dict[str, float]:
    """Bytes of each level on chip that says its capacity, every instance counted."""
    instances, found = 1, {}
    for index, level in enumerate(machine.levels):
        if index and level.capacity:
            found[level.name] = instances * sum(part.bits for part in level.capacity) / 8
        instances *= level.fanout.y * level.fanout.x
    return found
