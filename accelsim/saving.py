"""What a plan saves, tensor by tensor: the words of the outermost level of two runs, one of them without a plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from accelsim.errors import AccelsimError
from accelsim.jobs import Plan, wanted_of
from accelsim.mapping.plan.living import Between
from accelsim.mapping.plan.plan import NO_PLAN
from accelsim.mapping.plan.rounds import bare
from accelsim.outcome import LayerResult, Outcome, reasons
from accelsim.saved import Saved
from accelsim.vector import VectorLayer
from accelsim.workload.network import VIEWS, Layer
from accelsim.workload.problem import TENSORS, Tensor

IFMAP, FILTER, PSUM = (TENSORS.index(tensor) for tensor in (Tensor.IFMAP, Tensor.FILTER, Tensor.PSUM))


def without_plan(plan: Plan) -> Plan:
    """The same run of the same layers, each by itself: of groups all layers. AccelsimError where there is no plan."""
    if plan.between is None:
        raise AccelsimError("nothing is saved: this run has no plan; give one, or a way to look for one")
    chosen = {layer.name for layer in plan.layers}
    more = [name for group in plan.between.plan.groups if chosen & set(group.layers) for name in group.layers]
    globs = ",".join((plan.ran.layers, *more))
    return replace(plan, between=None, nests={}, ran=replace(plan.ran, plan=NO_PLAN, layers=globs))


def saved_of(plan: Plan, result: Outcome, alone: Outcome) -> tuple[Saved, ...]:
    """A row for each tensor that moves in either run, filters by layer, in run order; sums are those of the runs.

    plan : of the result. Raises AccelsimError where layers cannot run by themselves, one line for each reason.
    """
    between = plan.between
    assert between is not None
    if alone.failures:
        raise AccelsimError("\n".join(f"nothing to compare with: {reason}" for reason in reasons(alone.failures)))
    owners = {name: group.name for group in between.plan.groups for name in group.layers}
    before, after = _Words(between, owners, None), _Words(between, owners, plan)
    before.run(alone)
    after.run(result)
    order = [
        name for layer in between.network.layers for name in (*layer.inputs, filters_of(layer.name, owners), layer.name)
    ]
    names = dict.fromkeys([*order, *before.found, *after.found])
    rows = (Saved(name, _lives(between, name), before.found[name], after.found[name]) for name in names)
    return tuple(row for row in rows if row.without or row.planned)


def filters_of(layer: str, owners: dict[str, str]) -> str:
    """What the filters of a layer are called: those of a group are told together."""
    return f"filters of {owners.get(layer, layer)}"


def _lives(between: Between, name: str) -> str:
    home, group = between.plan.resident.get(name), between.plan.group_of(name)
    if home is not None:
        return f"{home.level} until {home.until}" if home.until else home.level
    return group.name if group is not None and name != group.layers[-1] else ""


class _Words:
    """Words of the outermost level by tensor. plan : what groups are run by; None: every layer is by itself."""

    def __init__(self, between: Between, owners: dict[str, str], plan: Plan | None) -> None:
        self.between, self.owners, self.plan = between, owners, plan
        self.layers = {layer.name: layer for layer in between.network.layers}
        self.found: Counter[str] = Counter()

    def run(self, result: Outcome) -> None:
        """Add all of a run."""
        for layer in result.layers:
            self.multiplied(layer)
        for vector in result.vector_layers:
            self.vector(vector)
        for group in result.groups:
            from accelsim.epilogues import crossing_epilogue
            from accelsim.grouping import crossing

            assert self.plan is not None
            if group.group.epilogue:
                words = crossing_epilogue(group, self.between)
            else:
                words = crossing(group, self.between, wanted_of(self.plan, self.between))
            self.found.update(words)
            # what is left came for passes: filters
            self.found[filters_of(group.group.layers[0], self.owners)] += int(group.counts.words[0].sum()) - sum(
                words.values()
            )

    def named(self, layer: Layer, place: int) -> str:
        """What a layer reads: the tensor, or the view of several."""
        name = layer.inputs[place]
        parts = self.between.parts[name]
        return parts[0] if len(parts) == 1 else name

    def multiplied(self, one: LayerResult) -> None:
        """A layer by itself."""
        layer, words = self.layers[bare(one.name)], one.counts.words[0].sum(axis=1) * one.repeat
        dynamic = one.problem.dynamic_filter and len(layer.inputs) > 1
        self.found[self.named(layer, 0)] += int(words[IFMAP])
        self.found[self.named(layer, 1) if dynamic else filters_of(layer.name, self.owners)] += int(words[FILTER])
        self.found[layer.name] += int(words[PSUM])

    def vector(self, one: VectorLayer) -> None:
        """A layer without MACs: what it reads by tensor, if it reads each once; else all under its own name."""
        layer = self.layers.get(one.name)
        reads, writes = one.reads * one.repeat, one.writes * one.repeat
        if layer is None or layer.problem or layer.moves is not None or layer.op in VIEWS:
            self.found[one.name] += reads + writes
            return
        images = self.between.network.images(layer) * one.repeat
        for place, name in enumerate(layer.inputs):
            if self.plan is None or not self.between.reads_at_home(layer, place):
                words = self.between.network.shape(name).words * images
                self.found[self.named(layer, place)] += words
                reads -= words
        self.found[one.name] += writes + reads
