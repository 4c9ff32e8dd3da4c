"""What narrowing final sums saves at most, of which a search knows nothing."""

from __future__ import annotations

from math import inf

import numpy as np

from accelsim.architecture.model import Architecture, NetworkKind
from accelsim.energy.account import account
from accelsim.energy.rows import total
from accelsim.energy.table import EnergyTable
from accelsim.engine.counts import ACTIONS, DIRECTIONS, NARROWED, TRAFFIC, Counts
from accelsim.workload.problem import TENSORS, Problem, Tensor


def most_saved(machine: Architecture, problem: Problem, table: EnergyTable) -> float:
    """Energy of a layer under any mapping; infinite on a mesh, where how far sums go depends on the mapping.

    Every sum is final once: it arrives once at each level that stores it narrowed, leaves that once, and crosses each
    network that carries it so once.
    """
    if not machine.narrows:
        return 0.0
    stores, carries = machine.narrow_level + 1, max(machine.narrow_fanout, machine.narrow_level) + 1
    if any(spec.fanout.network(Tensor.PSUM).kind is NetworkKind.MESH for spec in machine.levels[:carries]):
        return inf
    levels, psum, sums = len(machine.levels), TENSORS.index(Tensor.PSUM), problem.words(Tensor.PSUM)
    words = np.zeros((levels, len(TENSORS), len(ACTIONS)), np.int64)
    network = np.zeros((levels, len(TENSORS), len(DIRECTIONS), len(TRAFFIC)), np.int64)
    narrow = np.zeros((levels, len(NARROWED)), np.int64)
    # where sums stay in a buffer, that is the outermost level they come to
    home = machine.home(Tensor.PSUM)
    for level in range(home, stores):
        if Tensor.PSUM in machine.levels[level].keeps:
            words[level, psum] = sums
            narrow[level, : 2 if level > home else 1] = sums
    network[home:carries, psum, 1] = sums
    narrow[home:carries, 2:] = sums
    names = tuple(spec.name for spec in machine.levels)
    wide, narrower = (Counts(names, words, network, 0, 0, 0, narrow=found) for found in (None, narrow))
    return float(total(account(machine, wide, table)) - total(account(machine, narrower, table)))
