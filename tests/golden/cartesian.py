"""SCNN's PEs cycle by cycle, in plain Python, which multiply real words: every queue holds its products."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from accelsim.architecture.model import Architecture, Cartesian
from accelsim.engine.zeros import cartesian
from accelsim.sparsity.masks import shape_of
from accelsim.workload.problem import Problem, Tensor


@dataclass
class Told:
    """What the walk saw."""

    outputs: np.ndarray
    cycles: int = 0
    steps: int = 0
    products: int = 0
    landed: int = 0
    busy: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    did: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    """What each PE did in each cycle: a step or a full queue in a block, or what it waited for."""


@dataclass
class Pe:
    """One PE between two barriers: steps[block] is a list of lists of (bank, output, product)."""

    steps: list
    words: int
    products: int
    queues: list
    block: int = 0
    step: int = 0
    sums: dict = field(default_factory=lambda: defaultdict(int))


def chunks(words: list, size: int) -> list:
    return [words[i : i + size] for i in range(0, len(words), size)]


def tick_by_tick(architecture: Architecture, problem: Problem, ifmap: np.ndarray, weights: np.ndarray) -> Told:
    """The whole layer. ifmap [N, G, C, height, width], weights [G, M, C, R, S], integers."""
    machine, layout = architecture.cartesian, cartesian.plan(architecture, problem)
    told = Told(np.zeros(shape_of(problem, Tensor.PSUM), np.int64))
    for n, g in product(range(problem["N"]), range(problem["G"])):
        for cut in product(range(layout.cuts[0]), range(layout.cuts[1])):
            for first in range(0, problem["M"], layout.group):
                group = range(first, min(first + layout.group, problem["M"]))
                blocks, pes = program(machine, layout, problem, ifmap[n, g], weights[g], group, cut)
                for pe in pes:
                    told.steps += sum(map(len, pe.steps))
                    told.products += pe.products
                    told.landed += sum(len(step) for steps in pe.steps for step in steps)
                told.cycles += barrier(machine, blocks, pes, told)
                for pe in pes:
                    assert len(pe.sums) <= machine.banks * machine.entries
                    for (m, oy, ox), total in pe.sums.items():
                        told.outputs[n, g, m, oy, ox] += total
    return told


def program(machine, layout, problem, planes, filters, group, cut):
    """(vectors of each block, PEs): what is to be done between two barriers."""
    (uy, ux), (dy, dx), (top, left) = problem.stride, problem.dilation, problem.pad
    pitch, spread = layout.halo[1], max(1, machine.banks // machine.group)
    grid = list(product(range(layout.grid[0]), range(layout.grid[1])))
    blocks, steps, products, owned = [], {pe: [] for pe in grid}, dict.fromkeys(grid, 0), dict.fromkeys(grid, 0)
    for c, fy, fx in product(range(problem["C"]), range(uy), range(ux)):
        taps = [
            (k, r, s, int(filters[m, c, r, s]))
            for r, s in product(range(problem["R"]), range(problem["S"]))
            for k, m in enumerate(group)
            if filters[m, c, r, s] and (r * dy) % uy == fy and (s * dx) % ux == fx
        ]
        blocks.append(len(chunks(taps, machine.filters)))
        for pe in grid:
            rows, columns = (
                range(
                    min(size, pe[a] * layout.tile[a] + cut[a] * layout.cut[a]),
                    min(size, pe[a] * layout.tile[a] + min(layout.tile[a], (cut[a] + 1) * layout.cut[a])),
                )
                for a, size in enumerate((problem.height, problem.width))
            )
            words = [
                (y, x, int(planes[c, y, x]))
                for y, x in product(rows, columns)
                if planes[c, y, x] and (y + top) % uy == fy and (x + left) % ux == fx
            ]
            owned[pe] += len(words)
            products[pe] += len(words) * len(taps)
            mine = []
            for some, others in product(chunks(words, machine.ifmaps), chunks(taps, machine.filters)):
                step = []
                for (y, x, a), (k, r, s, b) in product(some, others):
                    oy, ox = (y + top - r * dy) // uy, (x + left - s * dx) // ux
                    if 0 <= oy < problem["P"] and 0 <= ox < problem["Q"]:
                        bank = (spread * k + ox + pitch * oy) % machine.banks
                        step.append((bank, (group[k], oy, ox), a * b))
                mine.append(step)
            steps[pe].append(mine)
    return blocks, [Pe(steps[pe], owned[pe], products[pe], [deque() for _ in range(machine.banks)]) for pe in grid]


def barrier(machine: Cartesian, blocks: list[int], pes: list[Pe], told: Told) -> int:
    """Cycles until the last product of the last PE is in its accumulator."""
    cycles = 0
    while True:
        admit(machine, blocks, pes)
        left = any(pe.block < len(blocks) or any(pe.queues) for pe in pes)
        if not left:
            return cycles
        oldest = min(pe.block for pe in pes)
        for number, pe in enumerate(pes):
            full = machine.fifo and any(len(queue) > machine.fifo for queue in pe.queues)
            told.did[number].append(doing(machine, blocks, oldest, pe, full))
            if pe.block < len(blocks) and fits(machine, blocks, oldest, pe.block):
                told.busy[number] += 1
                if not full:
                    for bank, output, value in pe.steps[pe.block][pe.step]:
                        if machine.fifo:
                            pe.queues[bank].append((output, value))
                        else:
                            pe.sums[output] += value
                    pe.step += 1
            elif pe.block == len(blocks) and any(pe.queues):
                told.busy[number] += 1
            for queue in pe.queues:
                if queue:
                    output, value = queue.popleft()
                    pe.sums[output] += value
        cycles += 1


def doing(machine: Cartesian, blocks: list[int], oldest: int, pe: Pe, full: bool) -> str:
    """What a PE does in a cycle, in a word."""
    if not pe.words:
        return "no words"
    if pe.block < len(blocks):
        return ("full" if full else "step") if fits(machine, blocks, oldest, pe.block) else "weights"
    return "queues" if any(pe.queues) else "slowest PE"


def admit(machine: Cartesian, blocks: list[int], pes: list[Pe]) -> None:
    """Move every PE on past blocks it has done, as far as the weight FIFO lets it."""
    moved = True
    while moved:
        moved = False
        oldest = min(pe.block for pe in pes)
        for pe in pes:
            if (
                pe.block < len(blocks)
                and pe.step == len(pe.steps[pe.block])
                and fits(machine, blocks, oldest, pe.block)
            ):
                pe.block, pe.step, moved = pe.block + 1, 0, True


def fits(machine: Cartesian, blocks: list[int], oldest: int, block: int) -> bool:
    return oldest == block or sum(blocks[oldest : block + 1]) <= machine.weights
