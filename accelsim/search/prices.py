"""What an objective charges for each word of each edge: the linear form the search kernels minimise."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from accelsim.energy.account import account
from accelsim.energy.table import EnergyTable
from accelsim.engine.program import PSUM, Ints, Program, accumulates, ports_of
from accelsim.engine.words.assemble import assemble, operand_reads
from accelsim.workload.problem import DIMS, TENSORS, Problem

Floats = npt.NDArray[np.float64]

ONE = Problem((1,) * len(DIMS))
"""Where unit prices are read: no layer changes them, nor may it change their last digit."""
_known: deque[tuple[tuple[object, ...], Floats]] = deque(maxlen=16)


@dataclass(frozen=True)
class Prices:
    """terms : int64[term, 2], (edge, column). energy : per word of a term; constant : what no mapping changes.

    ports : int64[port + 1], where each port's loads lie; load_terms : int64[load]; loads : float64[load], cycles per
    word of that term; stationary : float64[term], of fills that passes wait for.
    """

    terms: Ints
    energy: Floats
    constant: float
    ports: Ints
    load_terms: Ints
    loads: Floats
    stationary: Floats

    @property
    def charges(self) -> tuple[Floats, float, Ints, Ints, Floats, Floats]:
        """What `kernels.scores.price` takes."""
        return self.energy, self.constant, self.ports, self.load_terms, self.loads, self.stationary


def prices(program: Program, table: EnergyTable, dataflow: str) -> Prices:
    """Read the linear form off the energy account itself, one unit word at a time."""
    machine = program.architecture
    edges = program.edges
    wide = 3 * program.levels + 3
    timed = [not (e[3] and e[1] >= machine.pe_level) for e in edges]
    energy, constant = _energy(program, table, dataflow, timed, wide)
    ports, loads, stationary = _loads(program, timed, wide)
    used = np.abs(energy) + loads.sum(axis=0) + stationary
    cells = [(e, c) for e in range(len(edges)) for c in range(wide) if used[e, c] > 0]
    terms = np.array(cells, np.int64).reshape(-1, 2)
    at = terms[:, 0], terms[:, 1]
    here = loads[:, at[0], at[1]]
    port, term = np.nonzero(here)
    first = np.searchsorted(port, np.arange(len(ports) + 1))
    return Prices(terms, energy[at], constant, first, term, here[port, term], stationary[at])


def _energy(program: Program, table: EnergyTable, dataflow: str, timed: list[bool], wide: int) -> tuple[Floats, float]:
    """Unit prices, and what is left of the account of this layer without them."""
    key = (program.architecture, table, dataflow, program.edges.tolist())
    out = next((units for known, units in _known if known == key), None)
    if out is None:
        out = _units(replace(program, problem=ONE), table, dataflow, timed, wide)
        _known.append((key, out))
    here = _generic(program, timed, wide)
    return out, _total(program, here, table, dataflow) - float((out * here).sum())


def _units(program: Program, table: EnergyTable, dataflow: str, timed: list[bool], wide: int) -> Floats:
    """By difference from a generic point: no two counts are equal there, so no rule about equals fires."""
    edges, here = program.edges, _generic(program, timed, wide)
    base = _total(program, here, table, dataflow)
    out = np.zeros(here.shape)
    for e, is_timed in enumerate(timed):
        for c in range(3 * int(edges[e, 2] - edges[e, 1]) + 2 if is_timed else 0):
            if c % 3 == 1:
                continue  # the busiest instance's words cost nothing by themselves
            here[e, c] += 1000
            out[e, c] = (_total(program, here, table, dataflow) - base) / 1000
            here[e, c] -= 1000
    return out


def _generic(program: Program, timed: list[bool], wide: int) -> Ints:
    edges = program.edges
    here = np.zeros((len(edges), wide), np.int64)
    for e, is_timed in enumerate(timed):
        columns = 3 * int(edges[e, 2] - edges[e, 1]) + 3
        if is_timed:
            here[e, :columns] = [10**9 + 7919 * (31 * e + c) for c in range(columns)]
        else:
            here[e, : columns - 3] = operand_reads(program, int(edges[e, 0]), int(edges[e, 1]))
    return here


def _total(program: Program, columns: Ints, table: EnergyTable, dataflow: str) -> float:
    rows = account(program.architecture, assemble(program, columns, 0), table, 0, dataflow)
    return float(sum(row.energy for row in rows))


def _loads(program: Program, timed: list[bool], wide: int) -> tuple[list[str], Floats, Floats]:
    machine, edges = program.architecture, program.edges
    names: list[str] = []
    rows: list[Floats] = []
    stationary = np.zeros((len(edges), wide))
    for e, (t, parent, child, _, _) in enumerate(edges):
        if not timed[e]:
            continue
        tensor = TENSORS[t]
        old = bool(t == PSUM and accumulates(machine, int(parent), int(child)))
        for up in (False, True) if t == PSUM else (False,):
            for use in ports_of(program, tensor, int(parent), int(child), up, old):
                if use.root >= 0:
                    continue  # what each port of a mesh's edge carries, the search does not know
                scale = 1 if use.port.in_words else machine.word_bits[tensor]
                cycles = float(scale / use.port.rate)
                apart = child >= machine.pe_level and not use.port.peak
                if tensor is machine.serial and apart and not up and t != PSUM:
                    stationary[e, use.column] = max(stationary[e, use.column], cycles)
                    continue
                if use.port.name not in names:
                    names.append(use.port.name)
                    rows.append(np.zeros((len(edges), wide)))
                rows[names.index(use.port.name)][e, use.column] += cycles
    return names, np.array(rows).reshape(len(names), len(edges), wide), stationary
