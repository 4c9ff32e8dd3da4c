"""What the optimum of all mappings saves, layer by layer, against dataflows; and how long its proof takes.

    python benchmarks/optimum.py [--machines eyeriss_isca16_rs,eyeriss,systolic_ws] [--networks alexnet,...]
        [--budget SECONDS] [--table FILE.csv]
    python benchmarks/optimum.py --table FILE.csv --plot FILE.svg
    python benchmarks/optimum.py --flow row_stationary [--machines eyeriss_isca16_rs] [--networks alexnet] [--batch 16]
    python benchmarks/optimum.py --imperfect [--machines ...] [--networks ...] [--batch 1] [--budget SECONDS]

With --flow, a dataflow's thinned search beside the certified optimum of its space, layer by layer in one run; with
--imperfect, the optimum with factors that divide beside that with others too.

Energy by the closed form, dense, batch 1; seconds are CPU seconds of this process, kernels compiled.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.load import table_for
from accelsim.errors import AccelsimError
from accelsim.mapping.dataflows import NAMES
from accelsim.networks import network_from
from accelsim.search import find
from accelsim.search.optimum.optimum import optimum
from accelsim.search.optimum.scope import Scope
from accelsim.search.proof import Proof
from accelsim.workload.problem import Problem

FIELDS = (
    "machine", "network", "layer", "times", "macs", "optimum", "gap", "row_stationary", "best_dataflow", "which",
    "seconds", "nodes", "mapping",
)  # fmt: skip


def layers(network: str, batch: int = 1) -> Iterator[tuple[str, int, Problem]]:
    """(name, how often it occurs, problem) of the distinct layers of a network."""
    found: dict[Problem, list[str]] = {}
    times: dict[Problem, int] = {}
    for layer in network_from(network, batch, {}).layers:
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


def side_by_side(machine: Architecture, network: str, batch: int, runs: dict[str, Callable[[Problem], Any]]) -> None:
    """Print seconds and energy per MAC of two searches of every distinct layer, the second over the first, and gaps."""
    names, total = list(runs), dict.fromkeys(runs, 0.0)
    smallest = Problem((1, 1, 4, 4, 4, 4, 3, 3))
    for run in runs.values():
        run(machine.lower(smallest))  # compile
    sys.stdout.write(f"{machine.name}, {network}, batch {batch}: {' | '.join(names)}\n")
    for name, _, layer in layers(network, batch):
        problem, said, energy = machine.lower(layer), [], []
        for which, run in runs.items():
            start = time.process_time()
            try:
                value, gap = run(problem)
            except AccelsimError as error:
                value, gap = float("nan"), str(error)
            seconds = time.process_time() - start
            total[which] += seconds
            energy.append(value)
            said.append(f"{seconds:6.2f} s {value / problem.macs:9.4f} {gap}")
        sys.stdout.write(f"  {name:12s} {' | '.join(said)} | {energy[1] / energy[0]:.4f}\n")
        sys.stdout.flush()
    first, second = total.values()
    sys.stdout.write(f"  all: {first:.2f} s | {second:.2f} s, {second / first:.1f} times\n")


def of_flow(machine: Architecture, flow: str, proof: Proof, problem: Problem) -> tuple[float, str]:
    """Energy, and how far it is proved."""
    found = find(machine, problem, flow, proof=proof)
    return found.bound, f"gap {found.certificate.gap:.1%}" if found.certificate else "thinned"


def of_all(machine: Architecture, imperfect: bool, budget: float, problem: Problem) -> tuple[float, str]:
    """The same of the optimum of all mappings."""
    found = optimum(machine, problem, budget=budget, scope=Scope(imperfect))
    return found.energy, f"gap {found.gap:.1%}"


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
    parser.add_argument("--flow", help="a dataflow: its thinned search beside the optimum of its space")
    parser.add_argument("--imperfect", action="store_true", help="factors that divide beside others too")
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    if options.flow or options.imperfect:
        for name in options.machines.split(","):
            machine = load_architecture(name)
            runs: dict[str, Callable[[Problem], Any]] = {
                "perfect": partial(of_all, machine, False, options.budget),
                "imperfect": partial(of_all, machine, True, options.budget),
            }
            if options.flow:
                exact = Proof(options.budget, exact=True)
                runs = {
                    "thinned": partial(of_flow, machine, options.flow, Proof()),
                    "exact": partial(of_flow, machine, options.flow, exact),
                }
            for network in options.networks.split(","):
                side_by_side(machine, network, options.batch, runs)
        return
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
