"""A result read back from its document: the counts and times that are in it, priced anew from the table in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, RootModel

from accelsim.architecture.model import Architecture
from accelsim.architecture.precision import with_bits
from accelsim.architecture.yaml import architecture_of
from accelsim.document import document_of
from accelsim.energy.account import account
from accelsim.energy.table import EnergyTable
from accelsim.energy.yaml import build
from accelsim.engine.counts import (
    ACTIONS,
    BEGUN,
    DIRECTIONS,
    NARROWED,
    TRAFFIC,
    Counts,
    DramCounts,
    Encoded,
    LinkLoads,
    RowCounts,
    Timing,
)
from accelsim.errors import AccelsimError, Issue, SpecError
from accelsim.grouped import GroupResult
from accelsim.jsonfile import read_json
from accelsim.mapping.mapping import LoopNest
from accelsim.mapping.plan.living import Between, between_of
from accelsim.mapping.plan.plan import NO_PLAN
from accelsim.mapping.plan.yaml import plan_of
from accelsim.mapping.yaml import Levels
from accelsim.outcome import LayerResult, Outcome, Ran
from accelsim.saved import Saved
from accelsim.search.bound import bounds_of
from accelsim.search.proof import Proof
from accelsim.specs import validate
from accelsim.vector import vector_layers
from accelsim.workload.document import NetworkDocument
from accelsim.workload.precision import BitsTable, checked
from accelsim.workload.problem import COUNT_LIMIT, TENSORS, Tensor
from accelsim.yamlfile import Document

if TYPE_CHECKING:
    from accelsim.search import Found

Whole = Annotated[int, Field(ge=0, lt=COUNT_LIMIT)]
Cycles = dict[str, Whole]
Kind = TypeVar("Kind", bound=Outcome)


class _Words(BaseModel):
    level: str
    tensor: Tensor
    action: str
    words: Whole


class _Narrowed(BaseModel):
    level: str
    action: str
    words: Whole


class _Moved(BaseModel):
    level: str
    tensor: Tensor
    direction: str
    sent: Whole
    deliveries: Whole
    hops: Whole
    link_words: dict[str, Whole] = Field(default_factory=dict)
    tag_matches: Whole | None = None


class _Dram(BaseModel):
    refreshes: Whole
    dram_cycles: Whole
    clocks: Whole
    slots: float
    by_tensor: list[RowCounts]


class _Certificate(BaseModel):
    size: float
    nodes: Whole
    bound: float
    gap: float


class _Held(BaseModel):
    bound: str
    name: str
    has: float
    binds: bool | None = None
    costs: float | None = None
    step: float | None = None
    saves: float | None = None


class _Search(BaseModel):
    objective: str
    space: str
    splits: Whole
    cut: list[str]
    bound: float
    score: float | None
    simulated: Whole
    certificate: _Certificate | None = None
    held: list[_Held] = Field(default_factory=list)

    def found(self, nest: LoopNest) -> Found:
        from accelsim.search.found import Found

        return Found.from_dict(self.model_dump(), nest)


class _Layer(BaseModel):
    name: str
    bits: BitsTable
    macs: Whole
    slots: int = -1
    cycles: Whole
    processing_cycles: Whole
    exact: bool
    compute_cycles: Whole
    stall_cycles: Cycles
    processing_stall_cycles: Cycles
    active_pes: Whole
    visited_macs: int = -1
    effectual_macs: int = -1
    busy_cycles: int = -1
    compression: list[Encoded] = Field(default_factory=list)
    dram: _Dram | None = None
    counts: list[_Words]
    ofmap_counts: list[_Narrowed] | None = None
    bias_counts: list[_Narrowed] | None = None
    network: list[_Moved]
    steps: dict[str, Whole] = Field(default_factory=dict)
    mapping: Levels
    mapping_source: str
    search: _Search | None = None


class _Pass(BaseModel):
    mapping: Levels


class _Group(BaseModel):
    name: str
    home: str
    passes: list[_Pass]


class _Saved(BaseModel):
    tensor: str
    lives: str
    without: Whole
    planned: Whole


class _Failure(BaseModel):
    layer: str
    reason: str


class _Hashes(BaseModel):
    operands: dict[str, str]
    files: dict[str, str] = Field(default_factory=dict)


class _Proof(BaseModel):
    budget: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    exact: bool = False
    imperfect: bool = False
    constraints: dict[str, Any] | None = None
    bound: list[str] = Field(default_factory=list)

    def proof(self, file: str) -> Proof:
        try:
            bounds = bounds_of(self.bound)
        except AccelsimError as error:
            raise AccelsimError(f"{file}: ran.proof.bound: {error}") from None
        if self.constraints is None:
            return Proof(self.budget, self.exact, self.imperfect, None, bounds)
        from accelsim.search.optimum.wanted import constraints_of

        wanted = constraints_of(Document(f"{file}: ran.proof.constraints", self.constraints))
        return Proof(self.budget, self.exact, self.imperfect, wanted, bounds)


class _Ran(BaseModel):
    layers: str
    objective: str
    mapping: str
    parameters: dict[str, Any]
    bits: dict[str, int | str]
    data: str | None
    seed: int
    versions: dict[str, str]
    sha256: _Hashes
    machine: dict[str, Any]
    network: dict[str, Any]
    energy_table: dict[str, Any]
    dims: dict[str, int | str] = Field(default_factory=dict)
    proof: _Proof = Field(default_factory=lambda: _Proof())
    plan: dict[str, Any] = Field(default_factory=dict)


class _Result(BaseModel):
    dataflow: str
    evaluator: str
    operands: str
    layers: list[_Layer]
    failures: list[_Failure]
    groups: list[_Group] = Field(default_factory=list)
    saved: list[_Saved] = Field(default_factory=list)
    ran: _Ran


class ResultDocument(RootModel[_Result]):
    """What of a result's document cannot be worked out from the rest."""


def load(path: str | Path, kind: type[Kind]) -> Kind:
    """The result that a file holds, as a `kind`.

    Raises SpecError, a line for each thing wrong: not JSON, not a result, a number that contradicts the others.
    """
    file = str(path)
    data = read_json(path)
    if not isinstance(data, dict) or "energy_unit" not in data:
        _refuse(file, "", "not a result; write one with 'accelsim run ... --out DIR'")
    if not isinstance(data.get("ran"), dict):
        _refuse(file, "ran", "missing: this result does not say what it ran; run it again with this version")
    if data["ran"].get("machine") is None:
        _refuse(file, "ran.machine", f"missing: {data['ran'].get('machine_is_missing', 'it was not written')}")
    found = validate(Document(file, data), ResultDocument).root
    machine = architecture_of(Document(f"{file}: ran.machine", found.ran.machine))
    table = build(Document(f"{file}: ran.energy_table", found.ran.energy_table))
    result = _result(file, found, machine, table, kind)
    for place, theirs, ours in _differences(data, json.loads(json.dumps(document_of(result)))):
        text = f"is {_short(theirs)}, where the rest of the file gives {_short(ours)}"
        _refuse(file, place, f"{text}: edited, or written by another version ({result.version})")
    return result


def _refuse(file: str, field: str, message: str) -> NoReturn:
    raise SpecError([Issue(file, field, message)])


def _result(file: str, found: _Result, machine: Architecture, table: EnergyTable, kind: type[Kind]) -> Kind:
    asked = found.ran
    network = validate(Document(f"{file}: ran.network", asked.network), NetworkDocument).root
    plan = plan_of(Document(f"{file}: ran.plan", asked.plan)) if asked.plan else NO_PLAN
    between = between_of(plan, machine, network, checked(asked.bits))
    whole = network.mac_layers
    known = {run.name: run for layer in whole for run in (between.runs(layer) if between else (layer,))}
    layers = []
    for index, entry in enumerate(found.layers):
        if entry.name not in known:
            _refuse(file, f"layers.{index}.name", f"ran.network has no layer '{entry.name}' that multiplies")
        layer = known[entry.name]
        assert layer.problem is not None
        counts = _counts(file, index, entry, machine)
        timing = Timing(
            entry.cycles, entry.processing_cycles, entry.compute_cycles,
            entry.stall_cycles, entry.processing_stall_cycles, entry.exact,
        )  # fmt: skip
        sized = with_bits(machine, entry.bits)
        nest = LoopNest(tuple((name, level.mapping) for name, level in entry.mapping.items()))
        layers.append(
            LayerResult(
                layer.name,
                sized.lower(layer.problem),
                nest,
                entry.mapping_source,
                counts,
                timing,
                account(sized, counts, table, timing.cycles, found.dataflow, nest),
                layer.repeat,
                sized.widths,
                layer.op,
                entry.search.found(nest) if entry.search else None,
                sized.bias_bits,
                sized.moved_widths,
                between.stay(layer).homes if between else {},
            )
        )
    ran = Ran(
        network, asked.objective, asked.layers, asked.mapping, asked.parameters, asked.data, asked.seed, asked.bits,
        asked.sha256.operands, asked.versions, asked.dims, asked.proof.proof(file), asked.sha256.files, plan,
    )  # fmt: skip
    return kind(
        machine,
        network.name,
        found.dataflow,
        found.evaluator,
        table,
        tuple(layers),
        network.batch,
        vector_layers(machine, network, network.select(asked.layers), table, checked(asked.bits), between),
        tuple((failure.layer, failure.reason) for failure in found.failures),
        "" if found.operands == "dense" else found.operands,
        ran,
        _groups(file, found, between, table, ran),
        tuple(Saved(**row.model_dump()) for row in found.saved),
    )


def _groups(
    file: str, found: _Result, between: Between | None, table: EnergyTable, ran: Ran
) -> tuple[GroupResult, ...]:
    """Groups of layers, put together again from the mappings of their passes."""
    if not found.groups or between is None:
        return ()
    from accelsim.grouping import run_group
    from accelsim.search.plan.costs import Wanted

    out, known = [], {group.name: group for group in ran.plan.groups}
    for index, entry in enumerate(found.groups):
        if entry.name not in known:
            _refuse(file, f"groups.{index}.name", f"ran.plan has no group '{entry.name}'")
        nests = [LoopNest(tuple((name, level.mapping) for name, level in one.mapping.items())) for one in entry.passes]
        wanted = Wanted(
            between.machine, table, entry.home, found.dataflow, found.dataflow, ran.objective, ran.proof
        )  # fmt: skip
        out.append(run_group(known[entry.name], between, wanted, found.evaluator, nests))
    return tuple(out)


def _counts(file: str, index: int, entry: _Layer, machine: Architecture) -> Counts:
    names = tuple(level.name for level in machine.levels)
    words = np.zeros((len(names), len(TENSORS), len(ACTIONS)), np.int64)
    moved = np.zeros((len(names), len(TENSORS), len(DIRECTIONS), len(TRAFFIC)), np.int64)

    def at(place: str, name: str, allowed: tuple[str, ...]) -> int:
        if name not in allowed:
            _refuse(file, f"layers.{index}.{place}", f"unknown '{name}' ({', '.join(allowed)})")
        return allowed.index(name)

    for row in entry.counts:
        level, action = at("counts", row.level, names), at("counts", row.action, ACTIONS)
        words[level, TENSORS.index(row.tensor), action] = row.words
    links, tags = [], []
    for row_ in entry.network:
        level, direction = at("network", row_.level, names), at("network", row_.direction, DIRECTIONS)
        moved[level, TENSORS.index(row_.tensor), direction] = row_.sent, row_.deliveries, row_.hops
        if row_.link_words:
            loads = tuple(row_.link_words), tuple(row_.link_words.values())
            links.append(LinkLoads(row_.level, row_.tensor.value, row_.direction, *loads))
        if row_.tag_matches is not None:
            tags.append((row_.level, row_.tensor.value, row_.tag_matches))
    rare: dict[str, npt.NDArray[np.int64] | None] = {}
    for key, given, kinds in (
        ("ofmap_counts", entry.ofmap_counts, NARROWED),
        ("bias_counts", entry.bias_counts, BEGUN),
    ):
        found = None if given is None else np.zeros((len(names), len(kinds)), np.int64)
        for part in given or ():
            assert found is not None
            found[at(key, part.level, names), at(key, part.action, kinds)] = part.words
        rare[key] = found
    dram = None
    if bank := entry.dram:
        dram = DramCounts(tuple(bank.by_tensor), bank.refreshes, bank.dram_cycles, bank.clocks, bank.slots)
    return Counts(
        names, words, moved, entry.macs, entry.compute_cycles, entry.active_pes, entry.visited_macs,
        entry.effectual_macs, entry.busy_cycles, tuple(entry.compression), dram, tuple(links), tuple(tags),
        rare["ofmap_counts"], rare["bias_counts"], entry.slots, tuple(entry.steps.items()),
    )  # fmt: skip


def _differences(theirs: object, ours: object, place: str = "") -> Iterator[tuple[str, object, object]]:
    """(place, theirs, ours) of what differs in two documents, in order; keys that only one has are no difference."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for key in theirs:
            if key in ours:
                yield from _differences(theirs[key], ours[key], f"{place}.{key}".lstrip("."))
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from _differences(one, other, f"{place}.{index}")
    elif theirs != ours:
        yield place, theirs, ours


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
