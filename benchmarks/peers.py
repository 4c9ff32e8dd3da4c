"""accelsim and SCALE-Sim on the same work, in one run: `python benchmarks/peers.py`.

The peer comes from the package index into a virtual environment of its own, made by the first run.
"""

from __future__ import annotations

import os

os.environ["NUMBA_NUM_THREADS"] = "1"

import argparse
import json
import subprocess
import sys
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from speed import best_of

from accelsim.reproduce.scalesim import Row, run
from accelsim.simulate import simulate
from accelsim.workload.problem import Problem

HERE = Path(__file__).parent
SCALESIM = ("scalesim==3.0.0", "numpy==1.26.4", "setuptools<81")
"""SCALE-Sim 3.0.0 does not run with numpy 2."""
Layer = tuple[int, int, int, int, int, int, int]
"""Rows and columns of the ifmap (padded) and of the filter, channels, filters, stride."""
SMALL: Layer = (16, 16, 3, 3, 64, 64, 1)
LARGE: Layer = (30, 30, 3, 3, 128, 128, 1)
"""ResNet's conv3_x, 3 x 3. On 8 x 8 PEs SCALE-Sim takes minutes for it."""
LAYERS = {8: (SMALL,), 32: (SMALL, LARGE), 128: (SMALL, LARGE)}
CLASSIFIER: Layer = (1, 1, 1, 1, 4096, 4096, 1)
"""AlexNet's FC7."""
NETWORKS = (("vgg16", 64), ("gpt2", 1))
RESNET_ON = ("eyeriss", "tpu_v1", "nvdla_full")


def main() -> None:
    """Measure the sections asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", type=Path, default=Path.home() / ".cache" / "accelsim-peers", help="kept there")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="default: all")
    options = parser.parse_args()
    for name in options.only or SECTIONS:
        Console(width=140).print(SECTIONS[name](options.venvs))


# ---- sections --------------------------------------------------------------------------------------------------------


def systolic(venvs: Path) -> Table:
    """Cycle evaluators on one convolution; it stops where cycles differ."""
    table = Table(
        "PEs", "dataflow", "MMAC", "SCALE-Sim [MMAC/s]", "accelsim [MMAC/s]", "ratio", title="systolic arrays"
    )
    for size, layers in LAYERS.items():
        for layer in layers:
            for dataflow in ("os", "ws", "is"):
                theirs = scalesim(venvs, layer, size, dataflow)
                problem, seconds, cycles = ours(layer, size, dataflow)
                assert cycles == theirs["cycles"], f"{size} {layer} {dataflow}: {cycles} and {theirs['cycles']} cycles"
                rates = [problem.macs / 1e6 / t for t in (min(theirs["seconds"]), seconds)]
                table.add_row(
                    f"{size} x {size}", dataflow, f"{problem.macs / 1e6:.1f}", f"{rates[0]:.2f}", f"{rates[1]:,.0f}",
                    f"{rates[1] / rates[0]:,.0f}",
                )  # fmt: skip
    return table


def networks(venvs: Path) -> Table:
    """ResNet-50 from file to energy, mappings searched; the first run does not count."""
    table = Table("ResNet-50 on", "seconds, warm, best of 3", title="a whole network, mappings searched")
    for machine in RESNET_ON:
        table.add_row(machine, f"{best_of(partial(simulate, machine, 'resnet50', data='dense'), 3):.2f}")
    return table


def memory(venvs: Path) -> Table:
    """Most memory resident, each in a process of its own."""
    table = Table("what", "MB", title="peak memory of the process")
    for name, batch in NETWORKS:
        table.add_row(f"accelsim, {name}, batch {batch}, on eyeriss", f"{peak(name, batch):.0f}")
    theirs = scalesim(venvs, CLASSIFIER, 32, "os", repeats=0)
    table.add_row("SCALE-Sim, AlexNet FC7 on 32 x 32", f"{theirs['rss_kib'] / 1024:.0f}")
    return table


SECTIONS: dict[str, Callable[[Path], Table]] = {"systolic": systolic, "networks": networks, "memory": memory}


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
    command = [
        str(environment(venvs / "scalesim", SCALESIM)),
        str(HERE / "peers" / "scalesim_run.py"),
        json.dumps(task),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"SCALE-Sim failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def environment(folder: Path, packages: tuple[str, ...]) -> Path:
    """The Python of a virtual environment with these packages; made where it is missing."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"installing {packages[0]} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (folder / "ready").touch()
    return python


def peak(name: str, batch: int) -> float:
    """MB resident at most while a network runs."""
    call = f"from accelsim import simulate; simulate('eyeriss', {name!r}, batch={batch}, data='dense')"
    report = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", f"{call}; {report}"], capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


if __name__ == "__main__":
    main()
