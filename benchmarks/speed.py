"""How fast the simulator is, warm, on one core: `python benchmarks/speed.py`."""

from __future__ import annotations

import os

os.environ["NUMBA_NUM_THREADS"] = "1"

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from random import Random
from typing import Any

from rich.console import Console
from rich.table import Table

from accelsim.energy.load import table_for
from accelsim.engine import analytical, cycle, evaluate_many
from accelsim.engine.program import Program, build
from accelsim.mapping.mapping import Loop, LoopNest, capacity_overflows
from accelsim.mapping.yaml import load_mappings
from accelsim.search import best
from accelsim.simulate import load

REPEATS = 5


def main() -> None:
    """Measure everything and print one table."""
    table = Table("what", "measured", "asked for", title="accelsim, one core, warm, best of 5")
    for name, programs in (
        ("AlexNet CONV, batch 4", list(alexnet())),
        ("VGG-16 CONV, searched", list(vgg16())),
    ):
        for label, repeats, goal in (("equal bodies once", True, 1e11), ("the long way", False, 2e10)):
            seconds = sum(best_of(lambda p=program, r=repeats: cycle.evaluate(p, repeats=r)) for program in programs)
            rate = sum(program.problem.macs for program in programs) / seconds
            table.add_row(
                f"cycle evaluator, {name}, {label}", f"{rate:.1e} MAC/s, {seconds:.3f} s", f"{goal:.0e} MAC/s"
            )
        for program in programs:
            short, long = (cycle.evaluate(program, repeats=repeats) for repeats in (True, False))
            assert short[1] == long[1], f"cycles differ: {program.problem}"
            assert (short[0].words == long[0].words).all(), f"counts differ: {program.problem}"
    programs = list(alexnet())
    seconds = sum(best_of(lambda p=program: analytical.evaluate(p)) for program in programs)
    table.add_row("closed form, AlexNet CONV", f"{len(programs) / seconds:,.0f} mappings/s", "")
    nests = [(program, sweep(program)) for program in programs]
    seconds = sum(best_of(lambda p=p, many=many: evaluate_many(p.architecture, many, p.problem)) for p, many in nests)
    number = sum(len(many) for _, many in nests)
    table.add_row(
        f"closed form, {number:,} different mappings in batches", f"{seconds / number * 1e6:.1f} us each", "20 us"
    )
    for command, goal in (
        (("--help",), "0.5 s"),
        (("run", "eyeriss", "alexnet", "--mapping", "eyeriss_alexnet_jssc17", "--batch", "4", "--layers", "CONV*"), ""),
        (("run", "eyeriss", "alexnet"), "5 s"),
    ):
        seconds = best_of(lambda c=command: process(*c), 3)
        table.add_row(f"accelsim {' '.join(command)}", f"{seconds:.2f} s", goal)
    Console(width=140).print(table)


def alexnet() -> Iterator[Program]:
    """AlexNet's CONV layers, batch 4, on the chip under its own mapping."""
    machine, network = load("eyeriss", "alexnet", 4)
    mappings = load_mappings("eyeriss_alexnet_jssc17")
    for layer in network.select("CONV*"):
        if layer.problem is not None:
            yield build(machine, mappings[layer.name], layer.problem)


def sweep(program: Program, tries: int = 3000) -> list[LoopNest]:
    """Different mappings around one: M, C and N cut anew above the array, the loops there in any order."""
    rng, machine, nest = Random(0), program.architecture, program.nest
    found: dict[str, LoopNest] = {}
    for _ in range(tries):
        levels = dict(nest.levels)
        outer, inner = (list(levels[name].temporal) for name in ("DRAM", "GLB"))
        for dim in "MCN":
            rest = prod(loop.factor for loop in (*outer, *inner) if loop.dim == dim)
            outer, inner = ([loop for loop in loops if loop.dim != dim] for loops in (outer, inner))
            cut = rng.randint(1, rest)
            outer.append(Loop(dim, -(-rest // cut)))
            inner.append(Loop(dim, cut))
        for name, loops in (("DRAM", outer), ("GLB", inner)):
            rng.shuffle(loops)
            levels[name] = replace(levels[name], temporal=tuple(loops))
        drawn = LoopNest(tuple(levels.items()))
        if not capacity_overflows(machine, drawn, program.problem):
            found[str(drawn)] = drawn
    return list(found.values())


def vgg16() -> Iterator[Program]:
    """VGG-16's different CONV layers on the chip, each under the best row-stationary mapping."""
    machine, network = load("eyeriss", "vgg16")
    table = table_for(machine, None)
    for problem in {layer.problem: None for layer in network.select("CONV*") if layer.problem is not None}:
        yield build(machine, best(machine, problem, "row_stationary", table=table), problem)


def best_of(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The shortest of some runs in seconds, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def process(*arguments: str) -> None:
    """A whole `accelsim` in a process of its own."""
    subprocess.run([sys.executable, "-m", "accelsim", *arguments], stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
