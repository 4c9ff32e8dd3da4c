"""What declared parts take for what they do, by what makes them do it."""

from __future__ import annotations

from collections.abc import Iterable

from accelsim.architecture.actions import MOVES, Action, Trigger
from accelsim.architecture.model import Architecture
from accelsim.energy.floor import physical
from accelsim.energy.rows import NO_TENSOR, EnergyRow
from accelsim.engine.counts import DIRECTIONS, Counts
from accelsim.workload.problem import TENSORS, Tensor

DOWN, UP = DIRECTIONS
ON_NETWORKS = {Trigger.SENT: (DOWN, "sent"), Trigger.DELIVERED: (DOWN, "deliveries"), Trigger.LEAVING: (UP, "sent")}


def action_rows(architecture: Architecture, counts: Counts) -> Iterable[EnergyRow]:
    """A row for each part, action and tensor; energies in pJ, once for each trigger whatever the part's `count` is."""
    for part, own in physical(architecture).parts.items():
        for name, action in own.actions.items():
            for tensor, times in _times(counts, action):
                if times:
                    yield EnergyRow(part, tensor, name, times, times * action.energy)


def _times(counts: Counts, action: Action) -> Iterable[tuple[str, int]]:
    if action.on is Trigger.MAC:
        yield NO_TENSOR, counts.effectual
        return
    if action.on is Trigger.STEP:
        yield NO_TENSOR, dict(counts.steps).get(action.level, 0)
        return
    for tensor in TENSORS:
        if action.tensor in (None, tensor):
            yield tensor.value, _words(counts, action, tensor)


def _words(counts: Counts, action: Action, tensor: Tensor) -> int:
    if action.on in MOVES:
        return counts(action.level, tensor, action.on.value)
    return counts.sent(action.level, tensor, *ON_NETWORKS[action.on])
