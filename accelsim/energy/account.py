"""Energy = counts times energy per action, as rows that add up exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from accelsim.architecture.model import Architecture, NetworkKind
from accelsim.architecture.modes import widest
from accelsim.energy import isca16
from accelsim.energy.actions import action_rows
from accelsim.energy.floor import access, mac
from accelsim.energy.rows import MAC, NO_TENSOR, EnergyRow, network_name
from accelsim.energy.standing import LEAKAGE, STATIC, standing_rows
from accelsim.energy.table import EnergyTable
from accelsim.energy.technology import squared
from accelsim.energy.wires import wire_rows
from accelsim.engine.counts import DIRECTIONS, NARROWED, Counts
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.problem import TENSORS, Tensor


def account(
    architecture: Architecture,
    counts: Counts,
    table: EnergyTable,
    cycles: int = 0,
    dataflow: str = "",
    nest: LoopNest | None = None,
) -> tuple[EnergyRow, ...]:
    """Price every count of one layer.

    Networks are priced below declared arrays only: between two single memories the access is all there is.

    Of MACs whose zeros are gated the table's share is charged; those that are skipped, and encoded words that are
    not moved, cost nothing.

    cycles : core cycles that leakage and clock are paid for. dataflow : read by ``accounting: isca16`` alone.
    nest : tells the lengths of trees, of a table with a technology; None: the least they can be.
    Raises AccelsimError for isca16 of counts that saw zeros: its equations know none.
    """
    if table.accounting == "isca16":
        if counts.slots > counts.macs:
            raise AccelsimError("accounting isca16 knows no slices of words; leave it out")
        if counts.effectual < counts.macs or counts.encoded:
            raise AccelsimError("accounting isca16 knows no zeros; leave it out, or run dense: data 'dense'")
        if counts.narrow is not None:
            raise AccelsimError("accounting isca16 knows one width of sums; give ofmap words the bits of psums")
        if counts.bias is not None:
            raise AccelsimError("accounting isca16 knows no bias; leave it out")
        if architecture.modes:
            raise AccelsimError("accounting isca16 knows no modes of a multiplier; leave it out")
        if table.technology:
            raise AccelsimError("accounting isca16 knows no technology; use a table that is relative to a MAC")
        return isca16.account(architecture, counts, table, isca16.hops_filters(dataflow))
    if table.own_parts:
        return (*standing_rows(architecture, table, cycles, counts), *action_rows(architecture, counts))
    rows = (
        *_mac_rows(architecture, counts, table),
        *_level_rows(architecture, counts, table),
        *(
            wire_rows(architecture, counts, table, nest)
            if table.technology
            else _network_rows(architecture, counts, table)
        ),
        *_tag_rows(architecture, counts, table),
        *standing_rows(architecture, table, cycles, counts),
        *_bias_rows(architecture, counts, table, nest),
    )
    return (
        *_at_supply(architecture, table, rows),
        *_activate_rows(architecture, counts, table),
        *(action_rows(architecture, counts) if table.technology else ()),
    )


def _at_supply(architecture: Architecture, table: EnergyTable, rows: tuple[EnergyRow, ...]) -> tuple[EnergyRow, ...]:
    """The same at the supply of the machine's mode. What the outermost level moves, leakage and declared parts have
    supplies of their own.
    """
    by, outside = by_supply(architecture, table), architecture.levels[0].name
    if by == 1:
        return rows
    return tuple(
        row if row.component == outside or row.action in (LEAKAGE, STATIC) else replace(row, energy=row.energy * by)
        for row in rows
    )


def by_supply(architecture: Architecture, table: EnergyTable) -> Fraction:
    """What switching on the chip takes at the supply of the machine's mode, over what the table says.

    It goes with the square of the supply, inside a node. A table without a technology is taken to be at the supply of
    the widest mode.
    """
    supply = architecture.mode.supply
    if supply is None:
        return Fraction(1)
    nominal = table.technology.supply if table.technology else widest(architecture.modes).supply
    assert nominal is not None
    return squared(supply, nominal)


def _mac_rows(architecture: Architecture, counts: Counts, table: EnergyTable) -> Iterable[EnergyRow]:
    price = mac(architecture, table)
    yield EnergyRow(MAC, NO_TENSOR, "mac", counts.effectual, counts.effectual * price)
    gated = counts.visited - counts.effectual
    if gated:
        yield EnergyRow(MAC, NO_TENSOR, "gated", gated, gated * price * table.gated)


def _level_rows(architecture: Architecture, counts: Counts, table: EnergyTable) -> Iterable[EnergyRow]:
    levels = {level.name: level for level in architecture.levels}
    for name, tensor, action, words in counts.rows():
        what = Tensor(tensor)
        energy = words * access(architecture, table, levels[name], action, architecture.moved_bits[what], what)
        narrow = counts.narrowed(name, action) if what is Tensor.PSUM and action in NARROWED else 0
        if narrow:
            wide, narrower = (
                access(architecture, table, levels[name], action, bits, what) for bits in _sums(architecture)
            )
            energy += narrow * (narrower - wide)
        yield EnergyRow(name, tensor, action, words, energy)


def _sums(architecture: Architecture) -> tuple[int, int]:
    """Bits of sums before and after they are narrowed."""
    return architecture.moved_bits[Tensor.PSUM], architecture.final_bits


def _network_rows(architecture: Architecture, counts: Counts, table: EnergyTable) -> Iterable[EnergyRow]:
    """A hop for each delivery, whatever the kind of network, and on a mesh for each link crossed.

    So a word that all PEs want costs a hop for each of them, on a bus as from neighbour to neighbour: what one access
    of the array is in Chen, Emer and Sze, ISCA 2016, section VI. A level with one child has no array to cross.
    """
    for level in architecture.levels:
        for tensor in TENSORS if level.fanout.declared and level.fanout.y * level.fanout.x > 1 else ():
            mesh = level.fanout.network(tensor).kind is NetworkKind.MESH
            kind = "hops" if mesh else "deliveries"
            words = sum(counts.sent(level.name, tensor, direction, kind) for direction in DIRECTIONS)
            if words:
                energy = words * table.link(architecture.moved_bits[tensor])
                if tensor is Tensor.PSUM:
                    wide, narrower = (table.link(bits) for bits in _sums(architecture))
                    energy += counts.narrowed(level.name, kind) * (narrower - wide)
                yield EnergyRow(network_name(architecture, level.name), tensor.value, "hop", words, energy)


def _bias_rows(
    architecture: Architecture, counts: Counts, table: EnergyTable, nest: LoopNest | None
) -> Iterable[EnergyRow]:
    """The words of a bias, as psums of its own width."""
    if counts.bias is None:
        return
    bits, what = architecture.bias_bits, Tensor.PSUM
    alone = counts.bias_alone()
    for level in architecture.levels:
        for action in ("read", "fill"):
            if words := counts.of_bias(level.name, action):
                energy = words * access(architecture, table, level, action, bits, what)
                yield EnergyRow(level.name, what.value, f"bias_{action}", words, energy)
    rows = (
        wire_rows(architecture, alone, table, nest) if table.technology else _network_rows(architecture, alone, table)
    )
    for row in rows:
        # links and wires are priced by the bit
        energy = row.energy * Fraction(bits, architecture.word_bits[what])
        yield replace(row, action=f"bias_{row.action}", energy=energy)


def _tag_rows(architecture: Architecture, counts: Counts, table: EnergyTable) -> Iterable[EnergyRow]:
    arrays = {level.name for level in architecture.levels if level.fanout.declared}
    for name, what, compared in counts.tag_matches if table.tag else ():
        if name in arrays:
            yield EnergyRow(network_name(architecture, name), what, "tag", compared, compared * table.tag)


def _activate_rows(architecture: Architecture, counts: Counts, table: EnergyTable) -> Iterable[EnergyRow]:
    price = table.component(architecture.levels[0]).activate if counts.dram else Fraction(0)
    if counts.dram and price:
        opened = counts.dram.activates
        yield EnergyRow(architecture.levels[0].name, NO_TENSOR, "dram_activate", opened, opened * price)
