"""What the optimum of all mappings saves, layer by layer, against dataflows; and how long its proof takes.

    python benchmarks/optimum.py [--machines eyeriss_isca16_rs,eyeriss,systolic_ws] [--networks alexnet,...]
        [--budget SECONDS] [--table FILE.csv]
    python benchmarks/optimum.py --table FILE.csv --plot FILE.svg

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


def draw(table: Path, to: Path) -> None:
    """Energy of row-stationary and of the best dataflow over the optimum, a row of bars for each machine."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    with table.open(newline="") as file:
        found = list(csv.DictReader(file))
    machines = list(dict.fromkeys(row["machine"] for row in found))
    figure, axes = plt.subplots(len(machines), 1, figsize=(14, 3 * len(machines)), squeeze=False, layout="constrained")
    for axis, machine in zip(axes[:, 0], machines, strict=True):
        some = [row for row in found if row["machine"] == machine]
        edges = [i for i, row in enumerate(some) if i and row["network"] != some[i - 1]["network"]]
        for shift, name, label in ((-0.2, "row_stationary", "row stationary"), (0.2, "best_dataflow", "best dataflow")):
            ratios = [float(row[name]) / float(row["optimum"]) for row in some]
            axis.bar([i + shift for i in range(len(some))], ratios, 0.4, label=label)
        for edge in edges:
            axis.axvline(edge - 0.5, color="0.6", linewidth=0.8)
        for first in [0, *edges]:
            axis.text(first, 1.0, some[first]["network"], transform=axis.get_xaxis_transform(), fontsize=8, va="bottom")
        names = [row["layer"] + ("*" if float(row["gap"]) else "") for row in some]
        axis.set_xticks(range(len(some)), names, rotation=90, fontsize=6, parse_math=False)
        axis.axhline(1, color="0.2", linewidth=0.8)
        axis.set_ylim(bottom=0.9)
        axis.set_xlim(-0.7, len(some) - 0.3)
        axis.set_ylabel(f"energy over the optimum's\n{machine}", fontsize=8)
    axes[0, 0].legend(loc="upper left", fontsize=8)
    figure.savefig(to)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", default="eyeriss_isca16_rs,eyeriss,systolic_ws")
    parser.add_argument("--networks", default="alexnet,resnet50,mobilenet_v1,bert_base")
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--plot", type=Path, help="draw a table that was written before, and nothing else")
    options = parser.parse_args()
    if options.plot:
        draw(options.table, options.plot)
        return
    out = options.table.open("w", newline="") if options.table else sys.stdout
    with out:
        writer = csv.DictWriter(out, FIELDS)
        writer.writeheader()
        for row in rows(options.machines.split(","), options.networks.split(","), options.budget):
            writer.writerow(row)
            out.flush()


if __name__ == "__main__":
    main()
