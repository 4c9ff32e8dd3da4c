"""What narrowing final sums saves at most, of which a search knows nothing."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import numpy as np

from accelsim.architecture.model import Architecture, NetworkKind
from accelsim.energy.account import account
from accelsim.energy.rows import total
from accelsim.energy.table import EnergyTable
from accelsim.engine.counts import ACTIONS, DIRECTIONS, NARROWED, TRAFFIC, Counts
from accelsim.workload.problem import TENSORS, Problem, Tensor


def is_bounded(machine: Architecture) -> bool:
    """Whether what narrowing saves is: not on a mesh, where how far sums go depends on the mapping."""
    return all(machine.levels[i].fanout.network(Tensor.PSUM).kind is not NetworkKind.MESH for i in _carriers(machine))


def _carriers(machine: Architecture) -> list[int]:
    """Levels whose networks carry final sums narrowed, or encoded as they lie above (`mapping.finals`)."""
    if not machine.narrows:
        return []
    stored = range(machine.narrow_level + 1)
    return [i for i in stored if i <= machine.narrow_fanout or Tensor.PSUM in machine.levels[i].compression]


def most_saved(
    machine: Architecture, problem: Problem, table: EnergyTable, bypass: Mapping[int, frozenset[Tensor]] | None = None
) -> float:
    """Energy of a layer under any mapping, or one where these pass by levels; infinite on a mesh (`is_bounded`).

    Every sum is final once: it arrives once at each level that stores it narrowed, leaves that once, and crosses each
    network that carries it so once.
    """
    if not machine.narrows:
        return 0.0
    if not is_bounded(machine):
        return inf
    stores, carriers = machine.narrow_level + 1, _carriers(machine)
    levels, psum, sums = len(machine.levels), TENSORS.index(Tensor.PSUM), problem.words(Tensor.PSUM)
    words = np.zeros((levels, len(TENSORS), len(ACTIONS)), np.int64)
    network = np.zeros((levels, len(TENSORS), len(DIRECTIONS), len(TRAFFIC)), np.int64)
    narrow = np.zeros((levels, len(NARROWED)), np.int64)
    # where sums stay in a buffer, that is the outermost level they come to
    home = machine.home(Tensor.PSUM)
    for level in range(home, stores):
        if Tensor.PSUM in machine.levels[level].keeps - (bypass or {}).get(level, frozenset()):
            words[level, psum] = sums
            narrow[level, : 2 if level > home else 1] = sums
    carriers = [i for i in carriers if i >= home]
    network[carriers, psum, 1] = sums
    narrow[carriers, 2:] = sums
    names = tuple(spec.name for spec in machine.levels)
    wide, narrower = (Counts(names, words, network, 0, 0, 0, narrow=found) for found in (None, narrow))
    return float(total(account(machine, wide, table)) - total(account(machine, narrower, table)))
