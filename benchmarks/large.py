"""Seconds and bytes against the size of a layer, per machine: `python benchmarks/large.py [MACHINE ...]`.

Every layer runs in a process of its own, kernels compiled before: loaded, mapped and evaluated, by the closed form and
by the cycle evaluator. What is refused says so; what takes longer than `PATIENCE` or more than `MOST_BYTES` of
addresses is a fault.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import product

from rich.console import Console
from rich.table import Table

PATIENCE = 90
MOST_BYTES = 6 << 30
LAYERS: dict[int, tuple[dict[str, int], ...]] = {
    power: ({"C": wide, "M": wide}, {"C": c, "M": c, "P": p, "Q": p}, {"C": k, "M": k, "P": h, "Q": h, "R": 3, "S": 3})
    for power, wide, c, p, k, h in (
        (8, 10**4, 100, 100, 64, 52),
        (10, 10**5, 100, 1000, 128, 260),
        (12, 10**6, 1000, 1000, 256, 1300),
        (14, 10**7, 1000, 10**4, 512, 6500),
    )
}
"""By the power of ten of their MACs: a fully connected layer, a 1 x 1 convolution, a 3 x 3 one."""
KINDS = ("FC", "1x1", "3x3")
DATAFLOWS = {"eyeriss_v2": "row_stationary"}
"""Of machines that name none."""
EVALUATORS = ("analytical", "cycle")


def main(machines: Sequence[str]) -> None:
    """Measure everything and print a table: the layer of each size that takes longest, and the one that takes most."""
    from accelsim.yamlfile import builtin

    table = Table("machine", "evaluator", *(f"1e{power}" for power in LAYERS), title="seconds, MB of each layer")
    for machine in machines or builtin("arch"):
        found = {}
        for power, kind in product(LAYERS, range(len(KINDS))):
            found[power, kind] = measured(machine, power, kind)
        for evaluator in EVALUATORS:
            cells = ["\n".join(cell(found[p, k].get(evaluator, {})) for k in range(len(KINDS))) for p in LAYERS]
            table.add_row(machine, evaluator, *cells)
    Console(width=140).print(table)


def cell(measure: dict[str, object]) -> str:
    """One measurement in words."""
    if "seconds" not in measure:
        return str(measure.get("fault", "no time left"))
    told = f"{measure['seconds']:.1f} s, {measure['megabytes']:.0f} MB"
    return f"refused in {told}" if measure.get("refused") else told


def measured(machine: str, power: int, kind: int) -> dict[str, dict[str, object]]:
    """Run one layer in a process of its own: {evaluator: what it took}."""
    command = [sys.executable, __file__, "--one", machine, str(power), str(kind)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, errors = process.communicate(timeout=PATIENCE * len(EVALUATORS))
        fault = errors.strip().splitlines()[-1] if errors.strip() else "died"
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        fault = "no end"
    found = {line["evaluator"]: line for line in map(json.loads, out.splitlines())}
    for evaluator in EVALUATORS:
        if evaluator not in found:
            found[evaluator] = {"fault": fault}
            print(machine, power, KINDS[kind], evaluator, fault, file=sys.stderr)
            break
        print(machine, power, KINDS[kind], found[evaluator], file=sys.stderr)
    return found


def one(machine: str, power: int, kind: int) -> None:
    """Map and evaluate one layer, printing a line of JSON for each evaluator."""
    os.environ["NUMBA_NUM_THREADS"] = "1"
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    from accelsim import simulate
    from accelsim.errors import AccelsimError
    from accelsim.workload.network import Layer, Network, Shape
    from accelsim.workload.problem import Problem

    problem = Problem.of(LAYERS[power][kind])
    shape = Shape(problem["M"], problem["P"], problem["Q"])
    layer = Layer("large", "conv", ("input",), shape, problem)
    network = Network("large", (layer,), Shape(problem["C"], problem.height, problem.width))
    for evaluator in EVALUATORS:
        begun, refused = time.perf_counter(), ""
        try:
            simulate(machine, network, DATAFLOWS.get(machine), evaluator=evaluator)
        except AccelsimError as error:
            refused = str(error)
        line = {
            "evaluator": evaluator,
            "seconds": time.perf_counter() - begun,
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(line | ({"refused": refused} if refused else {})), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main(sys.argv[1:])
