"""What residency and fusion save: six networks on four machines, the last with buffers of three sizes.

    python benchmarks/between.py --table docs/figures/between.csv [--machine NAME ...] [--network NAME ...]
        [--way WAY ...] [--budget SECONDS] [--plans DIR]
    python benchmarks/between.py --table docs/figures/between.csv --plans DIR --simulate
    python benchmarks/between.py --table docs/figures/between.csv --check
    python benchmarks/between.py --table docs/figures/between.csv --plot docs/figures/between.svg

A row for each machine, network and way: energy, cycles and words of the outermost level of the cheapest plan by energy,
closed form, dense, batch 1; what no plan costs less than; how long the search took. Rows that the table has stay as
they are, so a run that was cut short goes on. --plans keeps the plans as files; --simulate runs these by the cycle
engine, and stops where energy is not what the search said. --check tells where more room or more ways cost more.
docs/savings.md shows what comes of it.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from accelsim.architecture.precision import with_bits
from accelsim.errors import AccelsimError
from accelsim.mapping.plan.living import home_of, partition_of
from accelsim.mapping.plan.plan import WAYS
from accelsim.mapping.plan.yaml import dump_plan
from accelsim.result import Result
from accelsim.search.plan.best import find_plan
from accelsim.search.plan.costs import Wanted
from accelsim.simulate import prepare, simulate

NETWORKS: Mapping[str, Mapping[str, object]] = {
    "resnet50": {}, "mobilenet_v2": {}, "efficientnet_b0": {}, "vgg16": {}, "bert_base": {"seq": 512},
    "gpt2": {"seq": 1024},
}  # fmt: skip
"""With what is set of them: tokens."""
MACHINES: Mapping[str, Mapping[str, object]] = {
    "eyeriss": {}, "tpu_v1": {}, "nvdla_full": {},
    "nvdla_full+sums": {"levels.CBUF.keeps": ["ifmap", "filter", "psum"]},
    **{f"eyeriss_isca16_rs@{kib} KiB": {"glb": f"{kib} KiB"} for kib in (108, 512, 2048)},
}  # fmt: skip
"""By what a table calls them, what is set of the file whose name comes first. +sums : a path that NVDLA does not have,
from its accumulators into its convolution buffer. eyeriss_isca16_rs : 16 x 16 PEs, row stationary, of this buffer."""
FIELDS = (
    "machine", "kib", "network", "way", "energy", "cycles", "words", "floor", "simulated", "tensors", "groups",
    "searched", "seconds", "budget", "refused",
)  # fmt: skip
SURE = 1e-9
"""How far sums of floating-point numbers may be apart, as a share."""
Row = dict[str, str]
Key = tuple[str, str, str]


class Wrong(NamedTuple):
    """One row that costs more than another that can do no more. excused : the search ended before it could know."""

    more: Key
    less: Key
    share: float
    excused: bool

    def __str__(self) -> str:
        why = "its search ended by the clock" if self.excused else "WRONG"
        return f"{', '.join(self.more)} costs {self.share:.2%} more than {', '.join(self.less)}: {why}"


def key(row: Row) -> Key:
    """What a row is of."""
    return row["machine"], row["network"], row["way"]


def wrong(rows: Sequence[Row]) -> list[Wrong]:
    """Every pair that is the wrong way round: more ways, or more room in one machine, and more energy."""
    run = [row for row in rows if not row["refused"]]
    found = []
    for more in run:
        for less in run:
            energy, other = float(more["energy"]), float(less["energy"])
            if no_less(more, less) and energy > other * (1 + SURE):
                excused = float(more["floor"]) <= other * (1 + SURE)
                found.append(Wrong(key(more), key(less), energy / other - 1, excused))
    return found


def pairs(rows: Sequence[Row]) -> int:
    """How many pairs `wrong` looks at."""
    run = [row for row in rows if not row["refused"]]
    return sum(no_less(more, less) for more in run for less in run)


def no_less(more: Row, less: Row) -> bool:
    """Whether whatever the second row did the first could do too."""
    if more is less or more["network"] != less["network"]:
        return False
    same = more["machine"].partition("@")[0] == less["machine"].partition("@")[0]
    if not same:
        return False
    wider = more["way"] in (less["way"], "best") or less["way"] == "none"
    return wider and float(more["kib"] or 0) >= float(less["kib"] or 0)


def file_of(machine: str) -> str:
    """The name of a machine's file."""
    return machine.partition("@")[0].partition("+")[0]


def settings(machine: str, network: str) -> dict[str, object] | None:
    """What is set of the machine and of the network."""
    return {**MACHINES[machine], **NETWORKS[network]} or None


def measured(machine: str, network: str, way: str, budget: float, plans: Path | None) -> dict[str, object]:
    """A row; where nothing can stay on the chip, why."""
    name, set_ = file_of(machine), settings(machine, network)
    ready = prepare(name, network, parameters=set_, data="dense")
    row: dict[str, object] = {"machine": machine, "network": network, "way": way}
    try:
        home = home_of(ready.machine)
    except AccelsimError as error:
        home, row["refused"] = "", str(error).partition(": ")[2]
    part = partition_of(ready.machine, home) if home else None
    row["kib"] = "" if part is None else f"{part.bits / 8192:g}"
    if way == "none":
        energy, cycles, words = total(simulate(name, network, parameters=set_, evaluator="analytical", data="dense"))
        return row | {
            "energy": energy, "cycles": cycles, "words": words, "floor": energy, "tensors": 0, "groups": 0,
            "refused": "",
        }  # fmt: skip
    if not home:
        return row
    wanted = Wanted(ready.machine, ready.table, home, ready.flow or "", ready.dataflow, "energy", ready.ran.proof)
    found = find_plan(wanted, ready.ran.network, lambda layer: with_bits(ready.machine, layer.bits), way, budget)
    if plans:
        plan_file(plans, machine, network, way).write_text(dump_plan(found.plan), encoding="utf-8")
    return row | {
        "energy": found.cost.energy, "cycles": round(found.cost.cycles), "words": round(found.cost.words),
        "floor": found.bound, "tensors": len(found.plan.resident), "groups": len(found.plan.groups),
        "searched": found.searched, "seconds": f"{found.seconds:.1f}", "budget": f"{budget:g}",
    }  # fmt: skip


def plan_file(plans: Path, machine: str, network: str, way: str) -> Path:
    """Where a plan is kept."""
    return plans / f"{machine.replace('@', '-').replace(' ', '')}-{network}-{way}.yaml"


def total(result: Result) -> tuple[float, int, int]:
    """Energy, cycles and words of the outermost level, of all layers."""
    sums, vector = result.total, result.vector
    words = sum(int(one.counts.words[0].sum()) * one.repeat for one in result.multiplied)
    return float(sums.energy + vector.energy), sums.cycles + vector.cycles, words + vector.reads + vector.writes


def simulated(row: Row, plans: Path) -> int:
    """Cycles of the cycle engine. Raises AccelsimError where a run is not what the search said."""
    name, network = file_of(row["machine"]), row["network"]
    plan = None if row["way"] == "none" else plan_file(plans, row["machine"], network, row["way"])
    result = simulate(name, network, parameters=settings(row["machine"], network), plan=plan, data="dense")
    energy, cycles, words = total(result)
    if abs(energy / float(row["energy"]) - 1) > SURE or words != int(row["words"]) or cycles < int(row["cycles"]):
        raise AccelsimError(f"{', '.join(key(row))}: a run has energy {energy}, {cycles} cycles, {words} words")
    return cycles


def draw(rows: Sequence[Row], file: Path) -> None:
    """Energy and words of each way over those of every layer alone, a row of bars for each machine."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from accelsim.report.palette import COLOURS

    mpl.rcParams["svg.hashsalt"] = "between"
    run = {key(row): row for row in rows if not row["refused"]}
    machines = [machine for machine in MACHINES if any(one[0] == machine and one[2] == "none" for one in run)]
    machines = [machine for machine in machines if any(one[0] == machine and one[2] != "none" for one in run)]
    figure = Figure(figsize=(7.16, 1.15 * len(machines) + 0.9), layout="constrained")
    grid = figure.subplots(len(machines), 2, sharex=True, sharey="col", squeeze=False)
    for (left, right), machine in zip(grid, machines, strict=True):
        for axes, what in ((left, "energy"), (right, "words")):
            for k, way in enumerate(WAYS[1:]):
                bars = [ratio(run, machine, network, way, what) for network in NETWORKS]
                places = [place + 0.27 * (k - 1) for place, bar in enumerate(bars) if bar is not None]
                found = [bar for bar in bars if bar is not None]
                axes.bar(places, found, 0.25, color=COLOURS[k])
            axes.axhline(1, color="0.4", linewidth=0.5)
            axes.set_xticks(range(len(NETWORKS)), list(NETWORKS), rotation=30, ha="right", fontsize=7)
            axes.tick_params(axis="y", labelsize=7)
            axes.grid(axis="y", linewidth=0.2)
        left.set_ylabel(called(machine).replace(", ", ",\n"), fontsize=7)
    grid[0][0].set_title("energy over every layer alone", fontsize=8)
    grid[0][1].set_title("DRAM words over every layer alone", fontsize=8)
    handles = [Patch(color=COLOURS[k], label=way) for k, way in enumerate(WAYS[1:])]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def ratio(run: Mapping[Key, Row], machine: str, network: str, way: str, what: str) -> float | None:
    """Of one way over every layer alone; None: it was not run."""
    one, alone = run.get((machine, network, way)), run.get((machine, network, "none"))
    return float(one[what]) / float(alone[what]) if one and alone else None


def called(machine: str) -> str:
    """A machine as a table and a picture name it."""
    name, _, size = machine.partition("@")
    return f"16 x 16 PEs, {size}" if size else name.replace("+sums", ", sums into CBUF")


def read(path: Path) -> list[Row]:
    """The rows of a table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def add(path: Path, row: Mapping[str, object]) -> None:
    """One row more."""
    with path.open("a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if not file.tell():
            table.writeheader()
        table.writerow(row)


def write(path: Path, rows: Sequence[Row]) -> None:
    """All rows anew."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, FIELDS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def main(arguments: list[str]) -> None:
    """Add the rows that are missing, run them, check them, or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--machine", nargs="*", default=list(MACHINES), choices=list(MACHINES))
    parser.add_argument("--network", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--way", nargs="*", default=WAYS, choices=WAYS)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--plans", type=Path, help="a folder for the plans")
    parser.add_argument("--simulate", action="store_true", help="run plans that were kept by the cycle engine")
    parser.add_argument("--plot", type=Path, help="draw the table, and run nothing")
    parser.add_argument("--check", action="store_true", help="tell what is the wrong way round")
    asked = parser.parse_args(arguments)
    there = read(asked.table) if asked.table.is_file() else []
    if asked.check:
        sys.stdout.writelines(f"{one}\n" for one in wrong(there))
    elif asked.plot:
        draw(there, asked.plot)
    elif asked.simulate:
        for row in there:
            plan = row["way"] == "none" or plan_file(asked.plans, *key(row)).is_file()
            if plan and not row["refused"] and not row["simulated"]:
                row["simulated"] = str(simulated(row, asked.plans))
                write(asked.table, there)
    else:
        if asked.plans:
            asked.plans.mkdir(parents=True, exist_ok=True)
        known = {key(row) for row in there}
        for way, machine, network in product(asked.way, asked.machine, asked.network):
            if (machine, network, way) not in known:
                add(asked.table, measured(machine, network, way, asked.budget, asked.plans))


if __name__ == "__main__":
    main(sys.argv[1:])
