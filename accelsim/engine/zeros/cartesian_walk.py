"""What SCNN's PEs do between barriers: how a layer lies on them, and every step of each; docs/scnn.md has the rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Cartesian
from accelsim.engine.zeros.kernels import cartesian as kernel
from accelsim.errors import AccelsimError, MappingError
from accelsim.sparsity.masks import Mask
from accelsim.workload.problem import TENSORS, Problem, Tensor

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.int32]
Pair = tuple[int, int]
RUN_BITS = 4
"""A stored word's run of zeros: at most 15 lie between two words (section IV)."""


class Roles(NamedTuple):
    """Levels of a cartesian machine by what they are for."""

    dram: int
    inputs: int
    weights: int
    outputs: int
    accumulators: int


@dataclass(frozen=True)
class Plan:
    """How a layer lies on the PEs; pairs are rows and columns.

    grid : PEs. owners : those that own a word. tile : of the unpadded ifmap plane, what a PE owns.
    cut : a sub-tile. cuts : sub-tiles each way. halo : accumulators of a sub-tile, for each output channel.
    group : output channels at a time. groups : how many such in a convolution group.
    """

    grid: Pair
    owners: Pair
    tile: Pair
    cut: Pair
    cuts: Pair
    halo: Pair
    group: int
    groups: int

    @property
    def active_pes(self) -> int:
        """PEs that own a word of the plane."""
        return self.owners[0] * self.owners[1]


@dataclass
class Walk:
    """What the PEs did.

    cycles : from barrier to barrier, added up. steps : of all PEs; in each two vectors meet.
    products : of two non-zero words, with or without an output.
    busy : int64[PE], cycles with a step, a stall or, before a barrier, products left in queues.
    ifmap_sent, filter_sent : bits from DRAM. ifmap_read, filter_read : bits read from the RAMs and FIFOs of all PEs.
    """

    cycles: int = 0
    steps: int = 0
    products: int = 0
    busy: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    ifmap_sent: int = 0
    ifmap_read: int = 0
    filter_sent: int = 0
    filter_read: int = 0


def plan(architecture: Architecture, problem: Problem) -> Plan:
    """Tiles, sub-tiles and groups of a layer.

    Raises
    ------
    AccelsimError : not such a machine. MappingError : the accumulators cannot hold the products of one ifmap word.
    """
    if problem.added:
        raise MappingError("sums that begin in memory: not on Cartesian PEs; leave it out")
    machine, fanout = machine_of(architecture), architecture.levels[0].fanout
    group, grid = min(machine.group, problem["M"]), (fanout.y, fanout.x)
    tile = parts(problem.height, grid[0]), parts(problem.width, grid[1])
    cut, room = tile, machine.banks * machine.entries
    while group * (halo := _halo(problem, cut))[0] * halo[1] > room:
        if cut == (1, 1):
            raise MappingError(
                f"one ifmap word needs {group * halo[0] * halo[1]} accumulators ({group} output channels of "
                f"{halo[0]}x{halo[1]}), a PE has {room}; lower "
                "pe.cartesian.group, or raise pe.cartesian.banks or .entries"
            )
        # the larger side is halved, rows if they are alike
        cut = (parts(cut[0], 2), cut[1]) if cut[0] >= cut[1] else (cut[0], parts(cut[1], 2))
    return Plan(
        grid=grid,
        owners=(parts(problem.height, tile[0]), parts(problem.width, tile[1])),
        tile=tile,
        cut=cut,
        cuts=(parts(tile[0], cut[0]), parts(tile[1], cut[1])),
        halo=halo,
        group=group,
        groups=parts(problem["M"], group),
    )


def parts(size: int, part: int) -> int:
    """So many parts cover a size."""
    return -(-size // part)


def _halo(problem: Problem, cut: Pair) -> Pair:
    rows, columns = (
        parts(size + (taps - 1) * gap, step)
        for size, taps, gap, step in zip(cut, problem.sizes[6:], problem.dilation, problem.stride, strict=True)
    )
    return rows, columns


# ---- the machine -----------------------------------------------------------------------------------------------------


def machine_of(architecture: Architecture) -> Cartesian:
    """A PE of SCNN's kind. Raises AccelsimError where there is none, or its FIFO is too long."""
    found = architecture.cartesian
    if found is None:
        raise AccelsimError(f"architecture '{architecture.name}' has no 'pe: {{cartesian: ...}}'")
    longest = kernel.LONGEST - found.ifmaps * found.filters
    if found.fifo > longest:
        raise AccelsimError(
            f"architecture '{architecture.name}': a fifo of {found.fifo} products is not modelled; "
            f"at most {longest}, or 0 for any number"
        )
    return found


def roles(architecture: Architecture) -> Roles:
    """Which level is which. Raises AccelsimError unless the array lies below the first and the rest are SCNN's."""
    levels = architecture.levels
    keepers = {tensor: [i for i, level in enumerate(levels) if i and tensor in level.keeps] for tensor in TENSORS}
    if architecture.pe_level != 1 or [len(keepers[tensor]) for tensor in TENSORS] != [1, 1, 2]:
        raise AccelsimError(
            f"architecture '{architecture.name}': a cartesian PE lies below the first level's array and has one level "
            "that keeps the ifmap, one the filter, and two psums: the output RAM, then the accumulators"
        )
    return Roles(0, keepers[Tensor.IFMAP][0], keepers[Tensor.FILTER][0], *keepers[Tensor.PSUM])


def spread(machine: Cartesian) -> int:
    """Banks from one output channel to the next: 4 for 32 banks and 8 channels."""
    return max(1, machine.banks // machine.group)


def axes(problem: Problem, layout: Plan) -> Ints:
    """int64[2, 8], see `kernels.cartesian`."""
    planes, outputs, taps = (problem.height, problem.width), problem.sizes[4:6], problem.sizes[6:]
    return np.array(
        [
            [problem.stride[a], problem.dilation[a], problem.pad[a], planes[a], layout.tile[a], layout.cut[a],
             outputs[a], taps[a]]
            for a in range(2)
        ],
        np.int64,
    )  # fmt: skip


# ---- what lies between barriers ----------------------------------------------------------------------------------


class SubTile(NamedTuple):
    """The ifmap words of one sub-tile of every PE, for one image and convolution group.

    words, ends, stored : see `kernels.cartesian.gather_ifmap`. working : int64[], PEs with any word.
    """

    cut: Pair
    words: Words
    ends: Ints
    stored: Ints
    working: Ints


class Group(NamedTuple):
    """The weights of a group of output channels, from `first` on; see `kernels.cartesian.gather_filter`."""

    first: int
    taps: Words
    ends: Ints
    stored: Ints


def sub_tiles(architecture: Architecture, problem: Problem, layout: Plan, planes: Mask) -> Iterator[SubTile]:
    """Every sub-tile of one image's convolution group, in order. planes : uint8[C, height, width]."""
    axes_, pes = axes(problem, layout), layout.grid[0] * layout.grid[1]
    blocks, banks = len(planes) * problem.stride[0] * problem.stride[1], machine_of(architecture).banks
    for cut in np.ndindex(*layout.cuts):
        words, ends, stored = space(planes, blocks * pes)
        there = np.array(layout.grid), np.array(cut)
        kernel.gather_ifmap(planes, axes_, *there, layout.halo[1], banks, words, ends, stored)
        working = np.flatnonzero(np.diff(ends).reshape(blocks, pes).any(axis=0))
        yield SubTile((cut[0], cut[1]), words, ends, stored, working)


def channel_groups(architecture: Architecture, problem: Problem, layout: Plan, filters: Mask) -> Iterator[Group]:
    """Every group of output channels, in order. filters : uint8[M, C, R, S], of one convolution group."""
    machine, axes_ = machine_of(architecture), axes(problem, layout)
    blocks = filters.shape[1] * problem.stride[0] * problem.stride[1]
    for first in range(0, problem["M"], layout.group):
        some = filters[first : first + layout.group]
        taps, ends, stored = space(some, blocks)
        kernel.gather_filter(some, axes_, layout.halo[1], machine.banks, spread(machine), taps, ends, stored)
        yield Group(first, taps, ends, stored)


def pe_row(machine: Cartesian) -> Ints:
    """A PE as `kernels.cartesian.run` takes it, int64[6]."""
    return np.array(
        [machine.ifmaps, machine.filters, machine.banks, machine.fifo, machine.weights, spread(machine)], np.int64
    )


# ---- cycles ----------------------------------------------------------------------------------------------------------


def walk(architecture: Architecture, problem: Problem, ifmap: Mask, weights: Mask) -> Walk:
    """Every step of every PE. ifmap, weights : uint8, shaped as `shape_of` says."""
    layout, done = plan(architecture, problem), Walk()
    pes = layout.grid[0] * layout.grid[1]
    done.busy = np.zeros(pes, np.int64)
    capacity = sum(part.bits for part in architecture.levels[roles(architecture).inputs].capacity)
    for image in ifmap:
        for planes, filters in zip(image, weights, strict=True):
            owned = np.zeros(pes, np.int64)
            for tile in sub_tiles(architecture, problem, layout, planes):
                owned += _sub_tile(architecture, problem, layout, tile, filters, done)
            passes = layout.groups if capacity and owned.max() > capacity else 1
            done.ifmap_sent += int(owned.sum()) * passes
            done.ifmap_read += int(owned.sum()) * layout.groups
    return done


def _sub_tile(
    architecture: Architecture, problem: Problem, layout: Plan, tile: SubTile, filters: Mask, done: Walk
) -> Ints:
    """All groups of output channels of a sub-tile; returns the bits of its ifmap words by PE, int64[PE]."""
    machine, pes = machine_of(architecture), len(done.busy)
    pe, outputs = pe_row(machine), axes(problem, layout)[:, kernel.OUTPUTS].copy()
    vectors = _vectors(tile.ends, machine.ifmaps).reshape(-1, pes).sum(axis=1)
    found = np.diff(tile.ends[::pes])
    for group in channel_groups(architecture, problem, layout, filters):
        told = tile.words, tile.ends, group.taps, group.ends
        done.cycles += int(kernel.run(*told, pe, outputs, tile.working, done.busy))
        done.steps += int(vectors @ _vectors(group.ends, machine.filters))
        done.products += int(found @ np.diff(group.ends))
        bits = stored_bits(group.stored, architecture.word_bits[Tensor.FILTER])
        done.filter_sent += int(bits.sum())
        done.filter_read += int(vectors @ bits)
    bits = stored_bits(tile.stored, architecture.word_bits[Tensor.IFMAP])
    total: Ints = bits.reshape(-1, pes).sum(axis=0)
    return total


def space(mask: Mask, blocks: int) -> tuple[Words, Ints, Ints]:
    """Room for what `gather_ifmap` and `gather_filter` write."""
    return np.empty((np.count_nonzero(mask), 4), np.int32), np.empty(blocks + 1, np.int64), np.empty(blocks, np.int64)


def _vectors(ends: Ints, lanes: int) -> Ints:
    found: Ints = -(-np.diff(ends) // lanes)
    return found


def stored_bits(stored: Ints, word: int) -> Ints:
    """Bits of blocks: a word that says how many are stored, and each with its run of zeros; an empty one has none."""
    found: Ints = np.where(stored > 0, word + stored * (word + RUN_BITS), 0)
    return found
