"""The named option ``accounting: isca16``: energy as Chen, Emer and Sze's ISCA 2016 analysis charges it.

Their equations (inputs ``a DRAM + ab GLB + abc array + abcd RF``; psums ``(2a-1) DRAM + 2a(b-1) GLB +
ab(c-1) array + 2abc(d-1) RF``) restated on plain counts, V = MACs:

- inputs: DRAM.read at the DRAM, GLB.read at the buffer, one hop per delivery to a PE whatever the distance,
  and one RF read per MAC where an RF keeps the tensor. Fills cost nothing.
- a level that gives a tensor no reuse (it is read as often as the level above it) is bypassed: free.
- filters pay no hop under weight-stationary and no-local-reuse.
- psums: DRAM.update + DRAM.read at the DRAM; a write and a read at the buffer for each of GLB.update - DRAM.update;
  a hop for each of RF.drain - GLB.update; a write and a read at the RF for each of V - RF.drain. That is, the
  last sum of each stay goes straight up.

The filter rule and the bypass were read off a re-computation of the paper's results, not off the paper:
they are an option, never the default.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from accelsim.architecture.model import Architecture, Level
from accelsim.energy.rows import MAC, NO_TENSOR, EnergyRow, grouped, network_name
from accelsim.energy.table import EnergyTable
from accelsim.engine.counts import Counts
from accelsim.workload.problem import Tensor

WITHOUT_FILTER_HOPS = frozenset({"weight_stationary", "weight_stationary_window", "no_local_reuse"})
ROLES = ("alu", "rf", "noc", "buffer", "dram")


def hops_filters(dataflow: str) -> bool:
    """Whether filters pay the array hop under this dataflow."""
    return Path(dataflow).stem not in WITHOUT_FILTER_HOPS


def account(
    architecture: Architecture, counts: Counts, table: EnergyTable, hop_filters: bool = True
) -> tuple[EnergyRow, ...]:
    """The rows of one layer. The components are those of `accelsim.energy.account`; zero rows are left out."""
    rows = [EnergyRow(MAC, NO_TENSOR, "mac", counts.macs, counts.macs * table.mac(architecture.mac_bits))]
    for tensor in (Tensor.IFMAP, Tensor.FILTER):
        rows += _input(architecture, counts, table, tensor, hop_filters or tensor is not Tensor.FILTER)
    rows += _psum(architecture, counts, table)
    return tuple(row for row in rows if row.count)


def _input(
    architecture: Architecture, counts: Counts, table: EnergyTable, tensor: Tensor, hop: bool
) -> Iterable[EnergyRow]:
    bits, name = architecture.word_bits[tensor], tensor.value
    array = architecture.levels[max(0, architecture.pe_level - 1)]
    above = 0
    for level in (architecture.levels[0], _buffer(architecture, counts, tensor)):
        reads = counts(level.name, tensor, "read") if level else 0
        if level and reads != above:
            yield EnergyRow(level.name, name, "read", reads, reads * table.access(level, "read", bits, tensor))
            above = reads
    deliveries = counts.sent(array.name, tensor, kind="deliveries")
    if hop:
        yield EnergyRow(network_name(architecture, array.name), name, "hop", deliveries, deliveries * table.link(bits))
    keeper = _in_pe(architecture, counts, tensor, "read")
    if keeper and counts.macs != deliveries:
        yield EnergyRow(
            keeper.name, name, "read", counts.macs, counts.macs * table.access(keeper, "read", bits, tensor)
        )


def _psum(architecture: Architecture, counts: Counts, table: EnergyTable) -> Iterable[EnergyRow]:
    psum, bits = Tensor.PSUM, architecture.word_bits[Tensor.PSUM]
    array = architecture.levels[max(0, architecture.pe_level - 1)]
    dram, buffer = architecture.levels[0], _buffer(architecture, counts, psum)
    keeper = _in_pe(architecture, counts, psum, "drain")
    for action in ("update", "read"):
        words = counts(dram.name, psum, action)
        yield EnergyRow(dram.name, psum.value, action, words, words * table.access(dram, action, bits, psum))
    to_dram = counts(dram.name, psum, "update")
    to_buffer = counts(buffer.name, psum, "update") if buffer else to_dram
    to_array = counts(keeper.name, psum, "drain") if keeper else counts.macs
    for level, words in ((buffer, to_buffer - to_dram), (keeper, counts.macs - to_array)):
        if level:
            price = table.access(level, "update", bits, psum) + table.access(level, "read", bits, psum)
            yield EnergyRow(level.name, psum.value, "accumulate", words, words * price)
    hops = to_array - to_buffer
    yield EnergyRow(network_name(architecture, array.name), psum.value, "hop", hops, hops * table.link(bits))


def _buffer(architecture: Architecture, counts: Counts, tensor: Tensor) -> Level | None:
    """The outermost memory between the DRAM and the array that serves a tensor.

    What is priced like a memory of the PEs (an array-wide window or row of FIFOs) is part of the array.
    """
    action = "update" if tensor is Tensor.PSUM else "read"
    in_pe = {_entry(level) for level in architecture.levels[architecture.pe_level :]}
    for level in architecture.levels[1 : architecture.pe_level]:
        if _entry(level) not in in_pe and counts(level.name, tensor, action):
            return level
    return None


def _entry(level: Level) -> str:
    return level.component or level.name


def _in_pe(architecture: Architecture, counts: Counts, tensor: Tensor, action: str) -> Level | None:
    """The memory inside the PE that keeps a tensor."""
    for level in architecture.levels[architecture.pe_level :]:
        if counts(level.name, tensor, action):
            return level
    return None


def by_role(architecture: Architecture, rows: Iterable[EnergyRow]) -> dict[str, Fraction]:
    """Energy by alu, rf, noc, buffer and dram; exact sums that add up to the total."""
    sums = dict.fromkeys(ROLES, Fraction(0))
    for component, energy in grouped(rows, "component").items():
        sums[role(architecture, component)] += energy
    return sums


def role(architecture: Architecture, component: str) -> str:
    """Which of `ROLES` a component of this architecture plays."""
    index = architecture.level_index(component)
    if index < 0:
        return "alu" if component == MAC else "noc"
    if index == 0:
        return "dram"
    return "rf" if index >= architecture.pe_level else "buffer"
