"""accelsim and its peers on the same work, in one run: `python benchmarks/peers.py`.

Each peer comes from the package index into a virtual environment of its own, made by the first run; one that cannot be
installed or run here is a line that says why. Where results that must agree differ, the benchmark stops.
"""

from __future__ import annotations

import os

os.environ["NUMBA_NUM_THREADS"] = "1"

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import mapper
from environments import Peer, UnavailableError
from rich.console import Console
from rich.table import Table
from speed import best_of

from accelsim.architecture.model import Architecture
from accelsim.energy.load import table_for
from accelsim.engine import evaluate, evaluate_many
from accelsim.engine.counts import Counts
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce import accelforge_timeloop, nn_dataflow, zigzag
from accelsim.reproduce.scalesim import Row, run
from accelsim.search import best
from accelsim.search.kernels import bounds
from accelsim.simulate import load
from accelsim.workload.problem import Problem

# it does not run with numpy 2
SCALESIM = Peer("scalesim", ("scalesim==3.0.0", "numpy==1.26.4", "setuptools<81"), ("3.11", "3.12", "3.10"))
# it imports six and does not say so
ZIGZAG = Peer("zigzag", ("zigzag-dse==3.9.1", "six"), ("3.11", "3.12", "3.13"))
ACCELFORGE = Peer("accelforge", ("accelforge==1.0.467",), ("3.12", "3.13"))
# it does not run with a newer sympy, and that sympy not with Python 3.10
NN_DATAFLOW = Peer("nn_dataflow", ("nn-dataflow==2.1", "sympy==1.4"), ("3.8", "3.9", "3.7"))
Layer = tuple[int, int, int, int, int, int, int]
"""Rows and columns of the ifmap (padded) and of the filter, channels, filters, stride."""
SMALL: Layer = (16, 16, 3, 3, 64, 64, 1)
MEDIUM: Layer = (16, 16, 3, 3, 128, 128, 1)
LARGE: Layer = (30, 30, 3, 3, 128, 128, 1)
"""ResNet's conv3_x, 3 x 3. On 8 x 8 PEs SCALE-Sim takes minutes for it."""
LARGEST: Layer = (16, 16, 3, 3, 512, 512, 1)
"""VGG-16's CONV5."""
LAYERS = {8: (SMALL, MEDIUM), 32: (SMALL, LARGE), 128: (SMALL, LARGE, LARGEST)}
CLASSIFIER: Layer = (1, 1, 1, 1, 4096, 4096, 1)
"""AlexNet's FC7."""
NETWORKS = (("vgg16", 64, "dense"), ("vgg16", 64, None), ("gpt2", 1, None))
RESNET_ON = ("eyeriss", "tpu_v1", "nvdla_full")


def main() -> None:
    """Measure the sections asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", type=Path, default=Path.home() / ".cache" / "accelsim-peers", help="kept there")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="default: all")
    options = parser.parse_args()
    only = options.only or SECTIONS
    for name in [name for name in SECTIONS if name in only or name.partition(" ")[0] in only]:
        try:
            table = SECTIONS[name](options.venvs)
        except UnavailableError as reason:
            table = Table("not measured", title=name)
            table.add_row(str(reason))
        Console(width=140).print(table)


# ---- sections --------------------------------------------------------------------------------------------------------


def systolic(venvs: Path) -> Table:
    """Cycle evaluators on one convolution; it stops where cycles differ."""
    table = Table(
        "PEs", "dataflow", "MMAC", "SCALE-Sim [MMAC/s]", "accelsim [MMAC/s]", "ratio", title="systolic arrays"
    )
    for size, layers in LAYERS.items():
        mmacs, theirs_s, ours_s = 0.0, 0.0, 0.0
        for layer in layers:
            for dataflow in ("os", "ws", "is"):
                theirs = scalesim(venvs, layer, size, dataflow)
                problem, seconds, cycles = ours(layer, size, dataflow)
                assert cycles == theirs["cycles"], f"{size} {layer} {dataflow}: {cycles} and {theirs['cycles']} cycles"
                run = problem.macs / 1e6, min(theirs["seconds"]), seconds
                table.add_row(f"{size} x {size}", dataflow, *_rates(*run))
                mmacs, theirs_s, ours_s = mmacs + run[0], theirs_s + run[1], ours_s + run[2]
        table.add_row(f"{size} x {size}", "all", *_rates(mmacs, theirs_s, ours_s), end_section=True)
    return table


def _rates(mmacs: float, theirs: float, ours: float) -> tuple[str, str, str, str]:
    """MMAC, both tools' MMAC/s and their ratio, from seconds."""
    return f"{mmacs:.1f}", f"{mmacs / theirs:.2f}", f"{mmacs / ours:,.0f}", f"{theirs / ours:,.0f}"


def fixed_zigzag(venvs: Path, most: int = 100) -> Table:
    """Fixed mappings evaluated: nine cases, their outer loops in any order; it stops where counts differ."""
    found = []
    for name, case in zigzag.cases().items():
        # the innermost loop stays: ZigZag reads an operand it does not index again where a port is narrow
        innermost, *others = case["order"].split()
        orders = drawn(lambda rng, i=innermost, o=others: " ".join([i, *rng.sample(o, len(o))]), case["order"], most)
        theirs = ZIGZAG.run(venvs, {"case": case, "orders": orders, "repeats": 3})
        own = zigzag.setup(name)
        nests = [zigzag.set_up(name, {**case, "order": order}).nest for order in orders]
        counts = [
            {(memory, operand): dict(zip(zigzag.DIRECTIONS, moves, strict=True)) for memory, operand, *moves in rows}
            for rows in theirs["moves"]
        ]
        mine = evaluated(own.machine, nests, own.layer.problem, counts, partial(zigzag.convert, name))
        found.append((f"{name} {case['name']}", len(nests), min(theirs["seconds"]) / len(nests), *mine))
    return evaluations(f"one mapping evaluated, ms, beside ZigZag {theirs['version']}", "ZigZag", found)


def fixed_accelforge(venvs: Path, most: int = 8) -> Table:
    """Fixed mappings evaluated: 17 cases, each level's loops in any order; it stops where counts differ."""
    tool = accelforge_timeloop.ACCELFORGE
    cases = {}
    for name, case in accelforge_timeloop.cases().items():
        cases[name] = {**case, "nests": drawn(partial(shuffled, case["nest"]), case["nest"], most)}
    theirs = ACCELFORGE.run(venvs, {"cases": cases, "prices": accelforge_timeloop.PRICES, "repeats": 2})
    found = []
    for name, case in cases.items():
        layer, answer = accelforge_timeloop.einsum(name), theirs["cases"][name]
        nests = [LoopNest.parse(layer.loops(text)) for text in case["nests"]]
        counts = [{(level, tensor): tuple(words) for level, tensor, *words in rows} for rows in answer["counts"]]
        convert = partial(accelforge_timeloop.convert, name, tool)
        mine = evaluated(accelforge_timeloop.machine(name, tool), nests, layer.problem, counts, convert)
        found.append((name, len(nests), min(answer["seconds"]) / len(nests), *mine))
    return evaluations(f"one mapping evaluated, ms, beside AccelForge {theirs['version']}", "AccelForge", found)


def search(venvs: Path) -> Table:
    """Exhaustive searches of AlexNet's layers; it stops where their best blockings move other DRAM words than here."""
    machine, network = load("eyeriss_isca16_rs", "alexnet_two_tower", 16, nn_dataflow.PARAMETERS)
    layers = {layer.name: layer for layer in network.select("CONV*,FC*")}
    task = {name: blocked(layer.problem) | AS_LISTED.get(name, {}) for name, layer in layers.items()}
    theirs = NN_DATAFLOW.run(venvs, {"layers": task, **RS})
    table = Table(
        "layer", "nn-dataflow, s", "schemes", "a second", "accelsim, s", "combinations", "a second", "ratio",
        "DRAM words, theirs", "ours", title=f"mappings searched, beside nn-dataflow {theirs['version']}, batch 16",
    )  # fmt: skip
    total = [0.0] * 6
    for name, layer in layers.items():
        answer = theirs["layers"][name]
        words = {tensor: layer.repeat * number for tensor, number in answer["words"].items()}
        agree(name, nn_dataflow.words()[name], words)
        seconds, combinations = searched(machine, layer.problem)
        mine = sum(nn_dataflow.words(searched=True)[name].values())
        row = (answer["seconds"], answer["schemes"], seconds, combinations, sum(words.values()), mine)
        total = [a + b for a, b in zip(total, row, strict=True)]
        table.add_row(name, *compared(*row))
    table.add_row("all", *compared(*total))
    return table


def networks(venvs: Path) -> Table:
    """ResNet-50 from file to energy, mappings searched; the first run does not count."""
    table = Table("ResNet-50 on", "seconds, warm, best of 5", title="a whole network, mappings searched, all cores")
    call = "from accelsim import simulate; from timeit import repeat"
    all_cores = {name: value for name, value in os.environ.items() if name != "NUMBA_NUM_THREADS"}
    for machine in RESNET_ON:
        runs = f"repeat(lambda: simulate({machine!r}, 'resnet50', data='dense'), number=1, repeat=6)"
        table.add_row(machine, f"{printed(f'{call}; print(min({runs}[1:]))', all_cores):.2f}")
    return table


def memory(venvs: Path) -> Table:
    """Most memory resident, each in a process of its own."""
    table = Table("what", "MB", title="peak memory of the process")
    for name, batch, data in NETWORKS:
        peak(name, 1, data)
        what = f"accelsim, {name}, batch {batch}, on eyeriss, {data or 'zeros as declared'}"
        table.add_row(what, f"{peak(name, batch, data):.0f}")
    try:
        theirs = f"{scalesim(venvs, CLASSIFIER, 32, 'os', repeats=0)['rss_kib'] / 1024:.0f}"
    except UnavailableError as reason:
        theirs = f"not measured: {reason}"
    table.add_row("SCALE-Sim, AlexNet FC7 on 32 x 32", theirs)
    return table


SECTIONS: dict[str, Callable[[Path], Table]] = {
    "systolic": systolic,
    "zigzag": fixed_zigzag,
    "accelforge": fixed_accelforge,
    "accelforge mapper": partial(mapper.accelforge, ACCELFORGE),
    "nn_dataflow": search,
    "networks": networks,
    "memory": memory,
}


# ---- one measurement -------------------------------------------------------------------------------------------------


def ours(layer: Layer, size: int, dataflow: str) -> tuple[Problem, float, int]:
    """The layer, seconds and cycles: mapped and simulated, warm."""
    rows, columns, filter_rows, filter_columns, channels, filters, stride = layer
    problem = Problem.of(
        {
            "M": filters, "C": channels, "R": filter_rows, "S": filter_columns,
            "P": (rows - filter_rows) // stride + 1, "Q": (columns - filter_columns) // stride + 1,
        },
        stride=(stride, stride),
    )  # fmt: skip
    row = Row("layer", "conv", dataflow, (size, size), problem, theirs=(0, 0, 0, 0))
    machine = row.machine
    cycles = run(machine, row.nest, row.matmul)[0]
    return problem, best_of(lambda: run(machine, row.nest, row.matmul)), cycles


def scalesim(venvs: Path, layer: Layer, size: int, dataflow: str, repeats: int = 1) -> dict[str, Any]:
    """SCALE-Sim's version, seconds of its runs, cycles and memory."""
    task = {"layer": layer, "rows": size, "columns": size, "dataflow": dataflow, "repeats": repeats}
    return SCALESIM.run(venvs, task)


def peak(name: str, batch: int, data: str | None) -> float:
    """MB resident at most while a network runs, kernels compiled before."""
    call = f"from accelsim import simulate; simulate('eyeriss', {name!r}, batch={batch}, data={data!r})"
    return printed(f"{call}; import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)") / 1024


def printed(program: str, environment: dict[str, str] | None = None) -> float:
    """The number that a program prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout)


# ---- fixed mappings --------------------------------------------------------------------------------------------------


def drawn(draw: Callable[[Random], str], first: str, most: int) -> list[str]:
    """Different mappings as text, the given one first."""
    rng = Random(0)
    return list(dict.fromkeys([first, *(draw(rng) for _ in range(20 * most))]))[:most]


def shuffled(nest: str, rng: Random) -> str:
    """`DRAM: M16 N16 x K8 | RF: K16` with the temporal loops of every level in any order."""
    levels = []
    for level in nest.split("|"):
        name, *loops = level.split()
        temporal = next((index for index, word in enumerate(loops) if word in ("y", "x")), len(loops))
        levels.append(" ".join([name, *rng.sample(loops[:temporal], temporal), *loops[temporal:]]))
    return " | ".join(levels)


def evaluated(
    machine: Architecture,
    nests: Sequence[LoopNest],
    problem: Problem,
    theirs: Sequence[object],
    convert: Callable[[Counts], object],
) -> tuple[float, float, float]:
    """Seconds a mapping, warm, checks included: closed form one by one, in a batch; cycle evaluator, the first one."""
    batch = evaluate_many(machine, nests, problem)
    for nest, counts, (mine, _) in zip(nests, theirs, batch, strict=True):
        agree(f"{machine.name}, {nest}", convert(mine), counts)
    agree(f"{machine.name}, cycle evaluator", convert(evaluate(machine, nests[0], problem)[0]), theirs[0])
    return (
        best_of(lambda: [evaluate(machine, nest, problem, "analytical") for nest in nests], 3) / len(nests),
        best_of(lambda: evaluate_many(machine, nests, problem)) / len(nests),
        best_of(lambda: evaluate(machine, nests[0], problem)),
    )


def evaluations(title: str, peer: str, rows: Sequence[tuple[str, int, float, float, float, float]]) -> Table:
    """Times of one mapping, in ms, and how many times as long the peer takes; at the end the mean of the cases."""
    table = Table(
        "case", "mappings", peer, "closed form", "ratio", "in a batch", "ratio", "cycle evaluator", "ratio",
        title=title,
    )  # fmt: skip
    means = [sum(row[column] for row in rows) / len(rows) for column in range(2, 6)]
    for name, mappings, theirs, *ours in (*rows, ("mean", sum(row[1] for row in rows), *means)):
        cells = (cell for mine in ours for cell in (f"{mine * 1e3:.3f}", f"{theirs / mine:,.3g}"))
        table.add_row(name, f"{mappings}", f"{theirs * 1e3:.2f}", *cells)
    return table


def agree(what: str, ours: object, theirs: object) -> None:
    """Stop where results differ."""
    if ours != theirs:
        raise SystemExit(f"{what}: results differ\n  ours   {ours}\n  theirs {theirs}")


# ---- search ----------------------------------------------------------------------------------------------------------


RS = {
    "batch": 16,
    "array": (16, 16),
    "buffer": 65_536,
    "registers": 256,
    "prices": {"DRAM": 200, "GLB": 6, "array": 2, "RF": 1, "MAC": 1},
}
"""`nn_dataflow.run`'s machine: PEs, words of the buffer and of a PE, and what an access costs (ISCA 2016)."""

AS_LISTED = {"FC6": {"channels": 256, "taps": (6, 6)}}
"""nn-dataflow's AlexNet does not flatten the last feature map."""


def blocked(problem: Problem) -> dict[str, Any]:
    """A layer for nn-dataflow."""
    return {
        "channels": problem["C"], "filters": problem["M"], "ofmap": (problem["P"], problem["Q"]),
        "taps": (problem["R"], problem["S"]), "stride": problem.stride[0],
    }  # fmt: skip


def searched(machine: Architecture, problem: Problem) -> tuple[float, int]:
    """Seconds of a search, warm, and the combinations of splits it bounds."""
    find = partial(best, machine, problem, "row_stationary", table=table_for(machine, None))
    with counting() as bounded:
        find()
    return best_of(find, 3), sum(bounded)


@contextmanager
def counting() -> Iterator[list[int]]:
    """How many combinations each call of the bounding kernel is given."""
    kernel, sizes = bounds.bound_all, []

    def counted(*arguments: Any) -> None:
        sizes.append(arguments[-1].size)
        kernel(*arguments)

    bounds.bound_all = counted
    try:
        yield sizes
    finally:
        bounds.bound_all = kernel


def compared(theirs: float, schemes: float, ours: float, combinations: float, *words: float) -> list[str]:
    """The cells of one row."""
    return [
        f"{theirs:.2f}", f"{schemes:,.0f}", f"{schemes / theirs:,.0f}",
        f"{ours:.3f}", f"{combinations:,.0f}", f"{combinations / ours:,.0f}", f"{theirs / ours:,.0f}",
        *(f"{number:,.0f}" for number in words),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
