"""Which machine turns fewer MACs into less time: compact networks and those they replace, on every machine that ships.

    python benchmarks/compact.py --table docs/figures/compact.csv [--machine NAME ...] [--network NAME ...]
    python benchmarks/compact.py --table docs/figures/compact.csv --plot docs/figures/compact.svg

A row for each machine and network: what one image or sequence takes, dense, and its stalled cycles by cause. Rows that
the table has stay as they are, so a run that was cut short goes on; all take an hour of two cores. docs/macs.md tells
what comes of it.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from math import log
from pathlib import Path
from typing import NamedTuple

from accelsim.errors import AccelsimError
from accelsim.simulate import simulate
from accelsim.workload.yaml import load_network
from accelsim.yamlfile import builtin

NETWORKS = (
    "alexnet", "squeezenet_v1_1", "mobilenet_v1", "efficientnet_b0", "squeezebert", "vgg16", "bert_base",
)  # fmt: skip
FIELDS = (
    "machine", "network", "macs", "weights", "cycles", "compute_cycles", "vector_cycles", "ms", "energy",
    "vector_energy", "unit", "pes", "active_pes", "macs_at_once", "stalls", "refused",
)  # fmt: skip

PAIRS = (
    ("bert_base", "squeezebert"), ("alexnet", "squeezenet_v1_1"), ("vgg16", "mobilenet_v1"),
    ("vgg16", "efficientnet_b0"),
)  # fmt: skip
Row = dict[str, str]


class Ratio(NamedTuple):
    """One network over a more compact one, on a machine.

    time is macs x pes x busy: fewer MACs, of which the PEs do so many at once (over the other's), in such a part of the
    cycles (over the other's).
    """

    machine: str
    macs: float
    weights: float
    time: float
    energy: float
    pes: float
    busy: float


def cycles(row: Row) -> int:
    """Of all layers."""
    return int(row["cycles"]) + int(row["vector_cycles"])


def ratios(rows: Sequence[Row], many: str, few: str) -> list[Ratio]:
    """Of every machine that runs both, the one that turns fewer MACs into least time last."""
    run = {(row["machine"], row["network"]): row for row in rows if not row["refused"]}
    found = []
    for machine in dict.fromkeys(machine for machine, _ in run):
        if (machine, many) not in run or (machine, few) not in run:
            continue
        a, b = run[machine, many], run[machine, few]
        macs, computes = (int(a[key]) / int(b[key]) for key in ("macs", "compute_cycles"))
        time = cycles(a) / cycles(b)
        energy = (float(a["energy"]) + float(a["vector_energy"])) / (float(b["energy"]) + float(b["vector_energy"]))
        found.append(
            Ratio(machine, macs, int(a["weights"]) / int(b["weights"]), time, energy, computes / macs, time / computes)
        )
    return sorted(found, key=lambda one: (-one.time, one.machine))


def draw(rows: Sequence[Row], file: Path) -> None:
    """MACs, weights, latency and energy of each pair, a line for each machine."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from accelsim.report.palette import COLOURS, GREY

    mpl.rcParams["svg.hashsalt"] = "compact"
    by_pair = [{one.machine: one for one in ratios(rows, *pair)} for pair in PAIRS]
    gains = {
        machine: [log(found[machine].time / found[machine].macs) for found in by_pair if machine in found]
        for machine in {machine for found in by_pair for machine in found}
    }
    machines = sorted(gains, key=lambda machine: (sum(gains[machine]) / len(gains[machine]), machine))
    figure = Figure(figsize=(7.16, 0.16 * len(machines) + 1.1), layout="constrained")
    for axes, (many, few), found in zip(figure.subplots(1, len(PAIRS), sharey=True), PAIRS, by_pair, strict=True):
        one = next(iter(found.values()))
        for value, style, label in ((one.macs, "-", "MACs"), (one.weights, ":", "weights")):
            axes.axvline(value, linestyle=style, color=GREY, linewidth=1, label=label)
        axes.axvline(1, color=COLOURS[7], linewidth=0.5)
        for place, machine in enumerate(machines):
            if machine in found:
                axes.plot([found[machine].time, found[machine].energy], [place] * 2, color=GREY, linewidth=0.4)
        there = [(place, found[machine]) for place, machine in enumerate(machines) if machine in found]
        places = [place for place, _ in there]
        axes.plot([r.time for _, r in there], places, "o", color=COLOURS[0], markersize=3.5, label="latency")
        axes.plot([r.energy for _, r in there], places, "s", color=COLOURS[5], markersize=3, label="energy")
        axes.set_xscale("log")
        axes.set_title(f"{many} /\n{few}", fontsize=8)
        axes.set_yticks(range(len(machines)), machines, fontsize=7)
        axes.tick_params(axis="x", labelsize=7)
        axes.grid(axis="y", linewidth=0.2)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def measured(machine: str, name: str) -> dict[str, object]:
    """A row; of a network that the machine cannot run, why, in its first line."""
    network = load_network(name)
    row: dict[str, object] = {"machine": machine, "network": name, "macs": network.macs, "weights": network.weights}
    try:
        result = simulate(machine, network, data="dense")
    except AccelsimError as error:
        return row | {"refused": str(error).strip().splitlines()[0].partition(" (")[0]}
    sums, vector = result.total, result.vector
    stalls = sorted(sums.stall_cycles.items(), key=lambda item: (-item[1], item[0]))
    return row | {
        "cycles": sums.cycles,
        "compute_cycles": sums.compute_cycles,
        "vector_cycles": vector.cycles,
        "ms": f"{result.milliseconds(sums.cycles + vector.cycles):.6g}",
        "energy": f"{sums.energy:.6g}",
        "vector_energy": f"{float(vector.energy):.6g}",
        "unit": sums.energy_unit,
        "pes": result.architecture.pes,
        "active_pes": f"{sums.active_pes:.6g}",
        "macs_at_once": f"{result.architecture.macs_at_once:.6g}",
        "stalls": "; ".join(f"{cause} {cycles}" for cause, cycles in stalls if cycles),
        "refused": "",
    }


def read(path: Path) -> list[Row]:
    """The rows of a table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main(arguments: list[str]) -> None:
    """Add the rows that are missing, or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--machine", nargs="*", default=sorted(builtin("arch")))
    parser.add_argument("--network", nargs="*", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--plot", type=Path, help="draw the table, and run nothing")
    asked = parser.parse_args(arguments)
    if asked.plot:
        draw(read(asked.table), asked.plot)
        return
    there = {(row["machine"], row["network"]) for row in read(asked.table)} if asked.table.is_file() else set()
    with asked.table.open("a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if not file.tell():
            table.writeheader()
        for machine in asked.machine:
            for network in asked.network:
                if (machine, network) not in there:
                    table.writerow(measured(machine, network))
                    file.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
