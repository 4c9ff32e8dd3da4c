"""What no mapping of a layer is below, known without any table: for a search that had no time to make them."""

from __future__ import annotations

from accelsim.architecture.model import Architecture
from accelsim.energy.account import account
from accelsim.energy.rows import MAC
from accelsim.energy.table import EnergyTable
from accelsim.engine import evaluate
from accelsim.mapping.mapping import LoopNest
from accelsim.search.kernels.scores import weighed
from accelsim.search.narrowed import most_saved
from accelsim.workload.problem import Problem, Tensor

DISTINCT = ((Tensor.FILTER, "read", "GMCRS"), (Tensor.PSUM, "update", "NGMPQ"))
"""What every mapping moves at the outermost level: each filter word is read, each sum is written, once at the least."""


def floor_of(
    machine: Architecture, problem: Problem, table: EnergyTable, nest: LoopNest, objective: int, standing: float = 0.0
) -> float:
    """An objective that no mapping has less of; nest : any mapping, which tells what a MAC and a word cost.

    standing : what each cycle costs by itself.

    Energy: of the MACs, and of words that the outermost level moves whatever the mapping is. Cycles: all PEs at work.
    """
    counts, timing = evaluate(machine, nest, problem, "analytical")
    outermost, energy = machine.levels[0].name, 0.0
    for row in account(machine, counts, table, timing.cycles, "", nest):
        if row.component == MAC:
            energy += float(row.energy)
        for tensor, action, dims in DISTINCT:
            if (row.component, row.tensor, row.action) == (outermost, tensor.value, action) and row.count:
                words = 1
                for dim in dims:
                    words *= problem[dim]
                energy += float(row.energy) * min(words / row.count, 1.0)
    # of sums that are narrowed at last it is the narrow ones that every mapping writes
    energy -= most_saved(machine, problem, table)
    fewest = fewest_cycles(machine, problem)
    return float(weighed(energy + standing * fewest, fewest, objective))


def fewest_cycles(machine: Architecture, problem: Problem) -> float:
    """Cycles of the MACs where every PE has its share."""
    fan = machine.levels[max(machine.pe_level - 1, 0)].fanout
    return problem.macs * machine.mac_cycles / (fan.y * fan.x) / machine.macs_together
