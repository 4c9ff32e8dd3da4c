"""What the optimum of all mappings saves, layer by layer, against dataflows; and how long its proof takes.

    python benchmarks/optimum.py [--machines eyeriss_isca16_rs,eyeriss,systolic_ws] [--networks alexnet,...]
        [--budget SECONDS] [--table FILE.csv] [--plot FILE.svg]

Energy by the closed form, dense, batch 1; seconds are CPU seconds of this process, kernels compiled.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.load import table_for
from accelsim.errors import AccelsimError
from accelsim.mapping.dataflows import NAMES
from accelsim.networks import network_from
from accelsim.search import find
from accelsim.search.optimum.optimum import optimum
from accelsim.workload.problem import Problem

FIELDS = (
    "machine", "network", "layer", "times", "macs", "optimum", "gap", "row_stationary", "best_dataflow", "which",
    "seconds", "nodes", "mapping",
)  # fmt: skip


def layers(network: str) -> Iterator[tuple[str, int, Problem]]:
    """(name, how often it occurs, problem) of the distinct layers of a network."""
    found: dict[Problem, list[str]] = {}
    times: dict[Problem, int] = {}
    for layer in network_from(network, 1, {}).layers:
        if layer.problem:
            found.setdefault(layer.problem, []).append(layer.name)
            times[layer.problem] = times.get(layer.problem, 0) + layer.repeat
    for problem, names in found.items():
        yield names[0], times[problem], problem


def energies(machine: Architecture, problem: Problem) -> dict[str, float]:
    """Least energy of every dataflow that this machine can run."""
    table, out = table_for(machine, None), {}
    for name in NAMES:
        try:
            out[name] = float(find(machine, problem, name, "energy", table).bound)
        except AccelsimError:
            continue
    return out


def rows(machines: list[str], networks: list[str], budget: float) -> Iterator[dict[str, object]]:
    """One row for each distinct layer."""
    for machine_name in machines:
        machine = load_architecture(machine_name)
        optimum(machine, Problem((1, 1, 4, 4, 4, 4, 3, 3)))  # compile
        for network in networks:
            for name, times, layer in layers(network):
                problem = machine.lower(layer)
                start = time.process_time()
                found = optimum(machine, problem, budget=budget)
                seconds = time.process_time() - start
                others = energies(machine, problem)
                which = min(others, key=others.__getitem__) if others else ""
                yield {
                    "machine": machine_name, "network": network, "layer": name, "times": times, "macs": problem.macs,
                    "optimum": found.energy / problem.macs, "gap": found.gap,
                    "row_stationary": others.get("row_stationary", float("nan")) / problem.macs,
                    "best_dataflow": others.get(which, float("nan")) / problem.macs, "which": which,
                    "seconds": round(seconds, 2), "nodes": found.nodes, "mapping": str(found.nest),
                }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", default="eyeriss_isca16_rs,eyeriss,systolic_ws")
    parser.add_argument("--networks", default="alexnet,resnet50,mobilenet_v1,bert_base")
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    out = options.table.open("w", newline="") if options.table else sys.stdout
    with out:
        writer = csv.DictWriter(out, FIELDS)
        writer.writeheader()
        for row in rows(options.machines.split(","), options.networks.split(","), options.budget):
            writer.writerow(row)
            out.flush()


if __name__ == "__main__":
    main()
