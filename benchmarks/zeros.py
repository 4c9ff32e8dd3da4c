"""How fast zeros are counted on real masks, warm, on one core: `python benchmarks/zeros.py`."""

from __future__ import annotations

import os

os.environ["NUMBA_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from accelsim.architecture.model import Architecture, Fanout, Format, Level, Network, NetworkKind, Pairing, Sparsity
from accelsim.engine import cycle
from accelsim.engine.program import Program, build
from accelsim.engine.timing.windows import outline
from accelsim.engine.zeros.slots import Lengths, Slots
from accelsim.mapping.mapping import LoopNest
from accelsim.sparsity.masks import Masks
from accelsim.sparsity.operands import Operands
from accelsim.workload.problem import REDUCTION_DIMS, TENSORS, Problem, Tensor
from accelsim.workload.yaml import load_network

ROWS, COLUMNS = 12, 16
REPEATS = 5
INPUTS = (Tensor.IFMAP, Tensor.FILTER)
DEEP = 48
"""Input channels from which on words of the ifmap fill words of the machine."""


@dataclass(frozen=True)
class Case:
    """One layer on one machine, and its zeros."""

    program: Program
    masks: Masks
    steps: int


def main() -> None:
    """Measure AlexNet and VGG-16, CONV layers, at the densities of the pruned networks."""
    table = Table("what", "AlexNet", "VGG-16", "asked for", title="accelsim, zeros, one core, warm, best of 5; slots/s")
    columns = {name: cases(name, by_column(), column_nest) for name in ("alexnet", "vgg16")}
    outputs = {name: [c for c in cases(name, by_output(), output_nest) if deep(c)] for name in ("alexnet", "vgg16")}
    for what, measured, work, goal in (
        ("slots, reads and updates (separable)", columns, slots, "2e+11"),
        ("cycles of every PE in every step, 2 lanes (separable)", columns, lengths, ""),
        ("the same, everything counted and timed", columns, everything, ""),
        (f"AND and popcount, 4 lanes with queues, C >= {DEEP}", outputs, lengths, "5e+10"),
        ("the same, everything counted and timed", outputs, everything, ""),
    ):
        table.add_row(what, *(f"{rate(found, work):.1e}" for found in measured.values()), goal)
    table.add_row("most memory, bytes per word of the operands", *(f"{memory(c):.2f}" for c in columns.values()), "")
    Console(width=140).print(table)


def cases(network: str, machine: Architecture, nest: Callable[[Problem], LoopNest]) -> list[Case]:
    """The CONV layers of a network."""
    layers, found = load_network(network), []
    operands = Operands(layers)
    for layer in layers.select("CONV*"):
        assert layer.problem
        program = build(machine, nest(layer.problem), layer.problem)
        masks = operands.masks(layer, INPUTS)
        found.append(Case(program, masks, outline(program).steps))
    return found


def machine(macs: int, sparsity: Sparsity, **formats: Format) -> Architecture:
    """192 PEs below a memory, psums added along the columns."""
    psum = Network(NetworkKind.CHAIN, reduce=frozenset(REDUCTION_DIMS), accumulate_on_drain=True)
    return Architecture(
        "zeros",
        (
            Level("DRAM", fanout=Fanout(ROWS, COLUMNS, {Tensor.PSUM: psum}, declared=True)),
            Level("PE", compression={Tensor(name): form for name, form in formats.items()}),
        ),
        word_bits=dict(zip(TENSORS, (8, 8, 20), strict=True)),
        macs_per_cycle=macs,
        sparsity=sparsity,
    )


def by_column() -> Architecture:
    """Two lanes that share an ifmap word, as in Eyeriss v2."""
    return machine(2, Sparsity(skip=frozenset(INPUTS)), filter=Format.CSC)


def by_output() -> Architecture:
    """Four lanes, each on an output of its own."""
    return machine(4, Sparsity(skip=frozenset(INPUTS), pairing=Pairing.OUTPUT, queue=2))


def column_nest(problem: Problem) -> LoopNest:
    """32 channels and 16 taps in a PE, rows of the filter on y, rows of the ofmap on x."""
    n, g, m, c, p, q, r, s = problem.sizes
    inside, taps = min(32, m), max(1, min(c, 16 // s))
    deep, wide = min(max(1, ROWS // r), -(-c // taps)), min(COLUMNS, p)
    return LoopNest.parse(
        f"DRAM: N{n} G{g} M{-(-m // inside)} C{-(-c // (taps * deep))} P{-(-p // wide)} Q{q} y C{deep} R{r} x P{wide} "
        f"| PE: C{taps} S{s} M{inside}"
    )


def output_nest(problem: Problem) -> LoopNest:
    """Whole dot products in a PE, 16 channels of them."""
    n, g, m, c, p, q, r, s = problem.sizes
    inside, wide = min(16, m), min(COLUMNS, p)
    deep = min(ROWS, -(-m // inside))
    return LoopNest.parse(
        f"DRAM: N{n} G{g} M{-(-m // (inside * deep))} P{-(-p // wide)} Q{q} y M{deep} x P{wide} "
        f"| PE: M{inside} C{c} R{r} S{s}"
    )


def deep(case: Case) -> bool:
    """Whether the layer has enough input channels."""
    return case.program.problem["C"] >= DEEP


def slots(case: Case) -> None:
    """Which slots are visited, effectual and read."""
    found = Slots(case.program, case.masks)
    assert found.effectual <= found.visited
    assert found.reads(Tensor.IFMAP) == found.reads(Tensor.FILTER)


def lengths(case: Case) -> None:
    """How long every step takes the slowest PE, and all of them together."""
    found = Lengths(case.program, case.masks, Slots(case.program, case.masks))
    cycles = found.of_steps(case.steps, np.zeros(1, np.int64))
    assert cycles.sum() <= found.busy


def everything(case: Case) -> None:
    """The cycle evaluator."""
    cycle.evaluate(case.program, masks=case.masks)


def rate(found: list[Case], work: Callable[[Case], None]) -> float:
    """MAC slots a second over all layers."""
    seconds = sum(best_of(lambda c=case: work(c)) for case in found)
    return sum(case.program.problem.macs for case in found) / seconds


def best_of(work: Callable[[], None]) -> float:
    """Seconds of the fastest of several runs, after one that does not count."""
    work()
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def memory(found: list[Case]) -> float:
    """The most bytes allocated while a layer is evaluated, per word of ifmap and filter (a mask takes one each)."""
    most = 0.0
    for case in found:
        tracemalloc.start()
        everything(case)
        most = max(most, tracemalloc.get_traced_memory()[1] / sum(case.program.problem.words(t) for t in INPUTS))
        tracemalloc.stop()
    return most


if __name__ == "__main__":
    main()
