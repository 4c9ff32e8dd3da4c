"""Layers that do not need one another: how much of their time is the same."""

from __future__ import annotations

from accelsim.architecture.model import Architecture
from accelsim.engine.counts import Timing
from accelsim.workload.problem import Tensor


def shared(machine: Architecture, one: Timing, following: Timing) -> int:
    """Cycles that two layers have in common, the following of which does not need the outputs of the other.

    Loads take the ports one after the other, and so do MACs the array: with m cycles from the first MAC to the last
    and l of loads, the following adds m' + max(macs, l' + load - m); each of equal layers max(m + macs, l + load).
    """
    rule = machine.overlap
    if rule is None:
        return 0
    gap = max(rule.macs, _load(machine, following) + rule.load - _macs(machine, one))
    added = _macs(machine, following) + gap
    return max(following.cycles - added, 0)


def _macs(machine: Architecture, timing: Timing) -> int:
    """From the first MAC to the last: MACs, and what holds them up in between, loads left out."""
    around = machine.before + machine.after + timing.processing_stalls.get("drain", 0)
    return timing.processing - around


def _load(machine: Architecture, timing: Timing) -> int:
    """What transfers out of the outermost level add to a layer's time, the way of the last word left out."""
    networks = machine.levels[0].fanout.network
    return timing.cycles - timing.processing - max(networks(t).latency for t in (Tensor.IFMAP, Tensor.FILTER))
