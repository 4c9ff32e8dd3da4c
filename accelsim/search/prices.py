"""What an objective charges for each word of each edge: the linear form the search kernels minimise."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Port
from accelsim.energy.account import account
from accelsim.energy.table import EnergyTable
from accelsim.engine.nest.kernels.groups import columns_of
from accelsim.engine.program import PSUM, Ints, Program, accumulates, ports_of
from accelsim.engine.words.assemble import READ, assemble, operand_reads, tally
from accelsim.engine.words.passes import per_pass
from accelsim.search.kernels.records import BUSY, LOADING, MOVING, TAIL, Charges
from accelsim.workload.problem import DIMS, TENSORS, Problem, Tensor

Floats = npt.NDArray[np.float64]
Fractions = npt.NDArray[np.object_]

ONE = Problem((1,) * len(DIMS))
"""Where unit prices are read: no layer changes them, nor may it change their last digit."""
_known: deque[tuple[tuple[object, ...], Fractions]] = deque(maxlen=256)
_known_loads: deque[tuple[tuple[object, ...], list[Load]]] = deque(maxlen=256)


@dataclass(frozen=True)
class Prices:
    """terms : int64[term, 2], (edge, column), the column after an edge's last being versions of its tile.

    energy : float64[term], per word; constant : what no mapping changes. loads : what takes time, and how (see
    `kernels.records.Charges`).
    """

    terms: Ints
    energy: Floats
    constant: float
    loads: tuple[Load, ...]
    macs_per_cycle: int

    def charges(self, objective: int) -> Charges:
        """As the kernels read them; objective : its index in `found.OBJECTIVES`."""
        at = self.terms[:, 0], self.terms[:, 1]
        shares = np.array([load.share[at] for load in self.loads]).reshape(len(self.loads), len(self.terms))
        load, term = np.nonzero(shares)
        return Charges(
            self.energy, self.constant, np.array([one.kind for one in self.loads], np.int64),
            np.array([one.fixed for one in self.loads], np.float64),
            np.searchsorted(load, np.arange(len(self.loads) + 1)).astype(np.int64), term.astype(np.int64),
            shares[load, term], (self.energy < 0) | (shares < 0).any(axis=0), self.macs_per_cycle, objective,
        )  # fmt: skip


@dataclass
class Load:
    """What takes time: cycles are `fixed` and share[edge, column] for each word; kind : see `kernels.records`.

    name : of the port.
    """

    kind: int
    share: Floats
    fixed: float = 0.0
    name: str = ""


def prices(program: Program, table: EnergyTable, dataflow: str) -> Prices:
    """Read the linear form off the energy account itself, one unit word at a time, and off the closed form's bound."""
    machine = program.architecture
    energy, constant = _energy(program, table, dataflow)
    loads = _loads_of(program)
    used = np.abs(energy) + sum(np.abs(load.share) for load in loads)
    terms = np.argwhere(used > 0).astype(np.int64).reshape(-1, 2)
    return Prices(terms, energy[terms[:, 0], terms[:, 1]], constant, tuple(loads), machine.macs_together)


def _energy(program: Program, table: EnergyTable, dataflow: str) -> tuple[Floats, float]:
    """Unit prices, and what is left of the account of this layer without them."""
    key = (program.architecture, table, dataflow, program.edges.tolist())
    out = next((units for known, units in _known if known == key), None)
    if out is None:
        out = _units(replace(program, problem=ONE), table, dataflow)
        _known.append((key, out))
    here = _generic(program)
    # in fractions: of the energies of such counts floats lose more than a small layer takes
    constant = _total(program, here, table, dataflow) - sum(
        price * int(here[at]) for at, price in np.ndenumerate(out) if price
    )
    return out.astype(np.float64), float(constant)


def _units(program: Program, table: EnergyTable, dataflow: str) -> Fractions:
    """By difference from a generic point: no two counts are equal there, so no rule about equals fires."""
    edges, here = program.edges, _generic(program)
    base = _total(program, here, table, dataflow)
    out = np.zeros(here.shape, np.object_)
    for e, is_timed in enumerate(program.timed):
        last = 3 * int(edges[e, 2] - edges[e, 1])
        for c in range(last + 2 if is_timed else 0):
            if c % 3 == 1 and c < last:
                continue  # the busiest instance's words cost nothing by themselves
            here[e, c] += 1000
            out[e, c] = (_total(program, here, table, dataflow) - base) / 1000
            here[e, c] -= 1000
    return out


def _generic(program: Program) -> Ints:
    edges = program.edges
    here = np.zeros((len(edges), program.columns), np.int64)
    for e, is_timed in enumerate(program.timed):
        columns = 3 * int(edges[e, 2] - edges[e, 1]) + 3
        if is_timed:
            here[e, :columns] = [10**9 + 7919 * (31 * e + c) for c in range(columns)]
        else:
            here[e, : columns - 3] = operand_reads(program, int(edges[e, 0]), int(edges[e, 1]))
    return here


def _total(program: Program, columns: Ints, table: EnergyTable, dataflow: str) -> Fraction:
    rows = account(program.architecture, assemble(program, columns, 0), table, 0, dataflow)
    return sum((row.energy for row in rows), Fraction())


def outermost(program: Program) -> tuple[Floats, float]:
    """Words that the outermost level reads and writes, of all tensors: (share[edge, column] of each word, fixed)."""
    edges, wide = program.edges, program.columns
    units = np.eye(len(edges) * wide, dtype=np.int64).reshape(-1, len(edges), wide)
    fixed = int(tally(program, np.zeros_like(units[:1]))[0][0, 0].sum())
    moved = tally(program, units)[0][:, 0].sum(axis=(1, 2)) - fixed
    return moved.reshape(len(edges), wide).astype(np.float64), float(fixed)


def _loads_of(program: Program) -> list[Load]:
    """The same for all layers that are as new to the outermost level, and whose passes are as many."""
    key = (program.architecture, program.nest, program.fresh_words, per_pass(program, processing=False))
    out = next((loads for known, loads in _known_loads if known == key), None)
    if out is None:
        out = _loads(program)
        _known_loads.append((key, out))
    return out


def _loads(program: Program) -> list[Load]:
    """What `analytical.lower_bound` takes the most of, but for what each port of a mesh's edge carries."""
    machine, edges = program.architecture, program.edges
    found: dict[tuple[int, str], Load] = {}

    def load(kind: int, name: str) -> Load:
        return found.setdefault((kind, name), Load(kind, np.zeros((len(edges), program.columns)), name=name))

    moved = [(e, *edge[:3]) for e, edge in enumerate(edges.tolist()) if program.timed[e]]
    feeding = {t: e for e, t, _, _ in moved}
    for e, t, parent, child in moved:
        tensor = TENSORS[t]
        if t == PSUM and not accumulates(machine, parent, child):
            _add_refills(program, parent, child, load)
        for use in ports_of(program, tensor, parent, child, t == PSUM, False):
            if use.root >= 0:
                continue
            cycles = _cycles(machine, use.port, tensor)
            load(BUSY, use.port.name).share[e, use.column] += cycles
            if e == feeding[t] and not use.port.peak:
                if tensor is machine.serial and t != PSUM:
                    load(LOADING, use.port.name).share[e, use.column] += cycles
                elif machine.lead or t == PSUM:
                    load(MOVING, use.port.name).share[e, use.column] += cycles
    _add_passes(program, load)
    return [one for one in found.values() if one.fixed or one.share.any()]


def _cycles(machine: Architecture, port: Port, tensor: Tensor) -> float:
    """Of one word."""
    return float((1 if port.in_words else machine.moved_bits[tensor]) / port.rate)


def _add_refills(program: Program, parent: int, child: int, load: Callable[[int, str], Load]) -> None:
    """Psums read back: what `tally` says of the parent's reads, one unit word at a time; the mean instance's share."""
    edges, wide = program.edges, program.columns
    units = np.eye(len(edges) * wide, dtype=np.int64).reshape(-1, len(edges), wide)
    fixed = int(tally(program, np.zeros_like(units[:1]))[0][0, parent, PSUM, READ])
    read = tally(program, units)[0][:, parent, PSUM, READ].reshape(len(edges), wide) - fixed
    instances = [1]
    for spec in program.architecture.levels:
        instances.append(instances[-1] * spec.fanout.y * spec.fanout.x)
    for use in ports_of(program, Tensor.PSUM, parent, child, False, False):
        share = _cycles(program.architecture, use.port, Tensor.PSUM) / instances[parent + use.column // 3]
        one = load(BUSY, use.port.name)
        one.share += share * read
        one.fixed += share * fixed


def _add_passes(program: Program, load: Callable[[int, str], Load]) -> None:
    """What each serial pass adds, as of `passes.separation`."""
    found = per_pass(program, processing=False)
    for kind, cycles in ((LOADING, found.preload), (TAIL, found.tail)):
        one = load(kind, "passes")
        if found.edge is None:
            one.fixed = cycles
        else:
            _, parent, child = (int(v) for v in program.edges[found.edge, :3])
            one.share[found.edge, columns_of(parent, child)] = cycles
