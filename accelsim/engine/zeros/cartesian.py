"""SCNN's machine: cycles and words of a layer whose zeros are known; docs/scnn.md has the rules."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from accelsim.architecture.model import Architecture, Port
from accelsim.engine.counts import ACTIONS, DIRECTIONS, TRAFFIC, Counts, Timing
from accelsim.engine.limits import MOST_BYTES, announce, duration, refuse_overflow, size
from accelsim.engine.zeros.cartesian_walk import (
    Ints,
    Pair,
    Plan,
    Roles,
    Walk,
    axes,
    parts,
    plan,
    roles,
    space,
    stored_bits,
    walk,
)
from accelsim.engine.zeros.kernels import cartesian as kernel
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest, capacity_overflows
from accelsim.sparsity.masks import Mask, Masks, refuse_words
from accelsim.workload.problem import TENSORS, Problem, Tensor

MOST_PRODUCTS, PRODUCTS_A_SECOND = 10_000_000_000, 250_000_000
"""Products of two non-zero words walked at most, and in a second."""


def evaluate(architecture: Architecture, problem: Problem, masks: Masks) -> tuple[Counts, Timing]:
    """Exact counts and cycles of one layer; a mask that is None has no zeros.

    Raises
    ------
    AccelsimError : not such a machine, or masks of another shape. MappingError : see `plan`.
    """
    _refuse_numbers(architecture, problem)
    refuse_words(problem, TENSORS)
    masks.check(problem)
    ifmap, weights, ofmap = (masks.words(problem, tensor) for tensor in TENSORS)
    _refuse_products(problem, ifmap, weights)
    _refuse_phases(problem, architecture.pes)
    layout, done = plan(architecture, problem), walk(architecture, problem, ifmap, weights)
    counts, bits = _count(architecture, problem, layout, done, landed(problem, ifmap, weights), ofmap)
    return counts, _time(architecture, done.cycles, bits)


def _refuse_numbers(architecture: Architecture, problem: Problem) -> None:
    """Raise MappingError if words or cycles could pass 2^63: at most each ifmap word meets each weight of its group."""
    n, g, m, c, _, _, r, s = problem.sizes
    refuse_overflow((n, g, m, c, problem.height, problem.width, r, s), problem, architecture)


def _refuse_products(problem: Problem, ifmap: Mask, weights: Mask) -> None:
    """Raise MappingError if there are too many products to walk; by channel each ifmap word meets each weight."""
    found = np.count_nonzero(ifmap, axis=(0, 3, 4)).astype(float) * np.count_nonzero(weights, axis=(1, 3, 4))
    products = float(found.sum()) / prod(problem.stride)
    if products > MOST_PRODUCTS:
        raise MappingError(
            f"about {products:.1e} products to walk, {duration(products / PRODUCTS_A_SECOND)}; at most "
            f"{MOST_PRODUCTS:.0e} are taken on, and there is no closed form: take sparser data or a smaller layer"
        )
    announce(products / PRODUCTS_A_SECOND, f"about {products:.1e} products to walk")


def _refuse_phases(problem: Problem, pes: int) -> None:
    """Raise MappingError if there is too much to list: each channel by the phases of its strides, on every PE."""
    phases = problem["C"] * prod(problem.stride)
    if 16 * phases * pes > MOST_BYTES:
        raise MappingError(
            f"{phases:.1e} channels and phases of strides on {pes} PEs take {size(16 * phases * pes)}, at most "
            f"{size(MOST_BYTES)} are taken on, and there is no closed form: take smaller strides or a smaller layer"
        )


def landed(problem: Problem, ifmap: Mask, weights: Mask) -> int:
    """Products of two non-zero words that belong to an output."""
    total = 0
    columns = [_under(problem, 1, s) for s in range(problem["S"])]
    for r in range(problem["R"]):
        rows = ifmap[:, :, :, _under(problem, 0, r)]
        for s, under in enumerate(columns):
            # by group and input channel: words under this tap, times the filters that have it
            seen = rows[..., under].sum(axis=(0, 3, 4), dtype=np.int64)
            total += int((seen * weights[:, :, :, r, s].sum(axis=1, dtype=np.int64)).sum())
    return total


def _under(problem: Problem, axis: int, tap: int) -> slice:
    """The rows (columns) of the plane that a tap meets, one for each output that is not over padding there."""
    size, step = (problem.height, problem.width)[axis], problem.stride[axis]
    offset = tap * problem.dilation[axis] - problem.pad[axis]
    first = max(0, -(offset // step))
    last = min(problem.sizes[4 + axis], (size - 1 - offset) // step + 1)
    return slice(first * step + offset, max(first, last) * step + offset, step) if last > first else slice(0)


# ---- words -----------------------------------------------------------------------------------------------------------


def _count(
    architecture: Architecture, problem: Problem, layout: Plan, done: Walk, products: int, ofmap: Mask
) -> tuple[Counts, Mapping[Tensor, int]]:
    """Counts, and the bits that cross the link to DRAM."""
    role, names = roles(architecture), tuple(level.name for level in architecture.levels)
    drained, exchanged = _drained(problem, layout)
    bits = {
        Tensor.IFMAP: done.ifmap_sent,
        Tensor.FILTER: done.filter_sent,
        Tensor.PSUM: _ofmap_bits(architecture, layout, ofmap),
    }
    sent = {tensor: parts(found, architecture.word_bits[tensor]) for tensor, found in bits.items()}
    words = np.zeros((len(names), len(TENSORS), len(ACTIONS)), np.int64)
    network = np.zeros((len(names), len(TENSORS), len(DIRECTIONS), len(TRAFFIC)), np.int64)
    received = {**sent, Tensor.FILTER: sent[Tensor.FILTER] * layout.active_pes}
    read = {Tensor.IFMAP: done.ifmap_read, Tensor.FILTER: done.filter_read}
    for index, (tensor, level) in enumerate(((Tensor.IFMAP, role.inputs), (Tensor.FILTER, role.weights))):
        words[role.dram, index, ACTIONS.index("read")] = sent[tensor]
        words[level, index, ACTIONS.index("fill")] = received[tensor]
        words[level, index, ACTIONS.index("read")] = parts(read[tensor], architecture.word_bits[tensor])
        network[role.dram, index, DIRECTIONS.index("down")] = sent[tensor], received[tensor], sent[tensor]
    psum, ofmaps = TENSORS.index(Tensor.PSUM), sent[Tensor.PSUM]
    words[role.accumulators, psum] = _actions(read=products, update=products + drained, drain=drained)
    words[role.outputs, psum] = _actions(update=ofmaps, drain=ofmaps)
    words[role.dram, psum] = _actions(update=ofmaps)
    network[role.dram, psum, DIRECTIONS.index("up")] = ofmaps, ofmaps, ofmaps + exchanged
    return Counts(
        names, words, network, problem.macs, done.cycles, layout.active_pes,
        visited=products, effectual=products, busy=int(done.busy.sum()),
    ), bits  # fmt: skip


def _actions(**words: int) -> list[int]:
    return [words.get(action, 0) for action in ACTIONS]


def _drained(problem: Problem, layout: Plan) -> Pair:
    """Psums that leave accumulators, and those of them that belong to another PE's part of the ofmap."""
    sizes = []
    for axis, pes, cuts in zip(axes(problem, layout), layout.grid, layout.cuts, strict=True):
        own = parts(int(axis[kernel.OUTPUTS]), pes)
        spans = [(*_touched(axis, pe, cut), pe * own) for pe in range(pes) for cut in range(cuts)]
        every = sum(high - low for low, high, _ in spans)
        sizes.append((every, sum(max(0, min(high, start + own) - max(low, start)) for low, high, start in spans)))
    planes = problem["N"] * problem["G"] * problem["M"]
    drained, kept = (planes * rows * columns for rows, columns in zip(*sizes, strict=True))
    return drained, drained - kept


def _touched(axis: Ints, pe: int, cut: int) -> Pair:
    """First and past the last ofmap row that a PE's sub-tile adds to; alike if it has no row."""
    step, gap, pad, outputs, taps = (
        int(axis[i]) for i in (kernel.STRIDE, kernel.DILATION, kernel.PAD, kernel.OUTPUTS, kernel.TAPS)
    )
    first, last = (int(end) for end in kernel.span(axis, pe, cut))
    if last <= first:
        return 0, 0
    low = max(0, parts(first + pad - (taps - 1) * gap, step))
    return low, max(low, min(outputs, (last - 1 + pad) // step + 1))


def _ofmap_bits(architecture: Architecture, layout: Plan, ofmap: Mask) -> int:
    """Bits of the ofmap as it is stored: by channel and by the part of the plane a PE will own, as an ifmap is."""
    rows, columns = ofmap.shape[3:]
    tile = parts(rows, layout.grid[0]), parts(columns, layout.grid[1])
    both = np.array([[1, 1, 0, size, part, part, size, 0] for size, part in zip((rows, columns), tile, strict=True)])
    grid, total = np.array(layout.grid), 0
    for plane in ofmap.reshape(-1, 1, rows, columns):
        words, ends, stored = space(plane, layout.grid[0] * layout.grid[1])
        kernel.gather_ifmap(plane, both, grid, np.zeros(2, np.int64), 1, 1, words, ends, stored)
        # an ofmap is the next layer's ifmap, and stored with its width
        total += int(stored_bits(stored, architecture.final_bits).sum())
    return total


def _time(architecture: Architecture, cycles: int, bits: Mapping[Tensor, int]) -> Timing:
    """Compute and DRAM overlap: the longer one counts, and what DRAM takes more is a stall."""
    top = architecture.levels[0]
    ports: dict[str, list[Tensor]] = {}
    found: dict[str, Port] = {}
    for tensor in TENSORS:
        network = top.fanout.network(tensor)
        port = network.up if tensor is Tensor.PSUM else network.down
        if port:
            ports.setdefault(port.name, []).append(tensor)
            if found.setdefault(port.name, port).rate != port.rate:
                raise AccelsimError(f"port '{port.name}': a Cartesian PE takes one width of all tensors on a port")
    busiest, slowest = 0, ""
    for name, tensors in ports.items():
        port = found[name]
        units = sum(parts(bits[t], architecture.word_bits[t]) if port.in_words else bits[t] for t in tensors)
        needed = port.cycles(units, 1)
        if needed > busiest:
            most = max(tensors, key=lambda tensor: bits[tensor])
            busiest, slowest = needed, f"{top.name}{'<-' if most is Tensor.PSUM else '->'}PE {most}"
    stalls = {slowest: busiest - cycles} if busiest > cycles else {}
    return Timing(max(cycles, busiest), cycles, cycles, stalls, {})


# ---- the nest --------------------------------------------------------------------------------------------------------


def nest(architecture: Architecture, problem: Problem) -> LoopNest:
    """The loops of the machine with dense operands: groups and channels above the array, a tile of outputs in a PE.

    The ofmap, not the ifmap, is cut here (a loop nest has no output halos); sub-tiles are strips of what a PE owns.
    """
    layout, role = plan(architecture, problem), roles(architecture)
    p, q = (parts(problem[dim], pes) for dim, pes in zip("PQ", layout.grid, strict=True))
    cuts = [1, 1]
    while True:
        found = _nest(architecture, problem, layout, role, (parts(p, cuts[0]), parts(q, cuts[1])))
        sides = parts(p, cuts[0]), parts(q, cuts[1])
        if sides == (1, 1) or not capacity_overflows(architecture, found, problem):
            return found
        cuts[sides[0] < sides[1]] *= 2


def _nest(architecture: Architecture, problem: Problem, layout: Plan, role: Roles, tile: Pair) -> LoopNest:
    loops: dict[int, LevelMapping] = {}
    outer = {"N": problem["N"], "G": problem["G"], "M": layout.groups}
    spatial = [min(pes, parts(problem[dim], side)) for dim, pes, side in zip("PQ", layout.grid, tile, strict=True)]
    for dim, pes, side in zip("PQ", spatial, tile, strict=True):
        outer[dim] = parts(problem[dim], pes * side)
    outer["C"] = problem["C"]
    loops[role.dram] = LevelMapping(_loops(outer), _loops({"P": spatial[0]}), _loops({"Q": spatial[1]}))
    loops[role.inputs] = LevelMapping(_loops({"R": problem["R"], "S": problem["S"]}))
    loops[role.accumulators] = LevelMapping(_loops({"P": tile[0], "Q": tile[1], "M": layout.group}))
    return LoopNest(tuple((architecture.levels[i].name, loops[i]) for i in sorted(loops)))


def _loops(factors: Mapping[str, int]) -> tuple[Loop, ...]:
    return tuple(Loop(dim, factor) for dim, factor in factors.items() if factor > 1)
