"""How fast SCNN's machine is walked through, warm, on one core: `python benchmarks/scnn.py`."""

from __future__ import annotations

import os

os.environ["NUMBA_NUM_THREADS"] = "1"

import time
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from accelsim.engine.zeros import cartesian
from accelsim.reproduce import scnn
from accelsim.sparsity.draw import draw
from accelsim.sparsity.masks import shape_of
from accelsim.workload.density import Density
from accelsim.workload.problem import Tensor

GOALS = {"alexnet": "5 s", "vgg16": "30 s"}


def main() -> None:
    """Measure AlexNet and VGG-16 as pruned, and AlexNet at falling densities."""
    table = Table("CONV layers", "seconds", "ns per step", "asked for", title="accelsim, SCNN, one core, warm")
    names = scnn.problems("alexnet")
    measure("alexnet", dict.fromkeys(names, (0.5, 0.5)))
    for network, goal in GOALS.items():
        table.add_row(network, *measure(network, scnn.densities(network)), goal)
    for density in (1.0, 0.8, 0.6, 0.4, 0.2, 0.1):
        table.add_row(f"alexnet, all at {density:g}", *measure("alexnet", dict.fromkeys(names, (density, density))))
    Console(width=140).print(table)


def measure(network: str, densities: Mapping[str, tuple[float, float]]) -> tuple[str, str]:
    """Seconds of the walk without drawing the masks, and nanoseconds of each step."""
    seconds, steps = 0.0, 0
    for name, (filters, inputs) in densities.items():
        problem = scnn.problems(network)[name]
        ifmap = draw(Density(inputs), shape_of(problem, Tensor.IFMAP), Tensor.IFMAP)
        weights = draw(Density(filters), shape_of(problem, Tensor.FILTER), Tensor.FILTER)
        start = time.perf_counter()
        steps += cartesian.walk(scnn.machine(), problem, ifmap, weights).steps
        seconds += time.perf_counter() - start
    return f"{seconds:.2f}", f"{1e9 * seconds / steps:.0f}"


if __name__ == "__main__":
    main()
