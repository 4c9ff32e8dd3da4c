"""How much faster this tree is than an older one: `python benchmarks/ratio.py OLD`, the folder of the older checkout.

Both evaluate the same mappings, those that the older one finds, in processes of their own that take turns on one core.
A ratio above 1 is faster. `git worktree add ../old COMMIT` makes such a folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from timeit import repeat
from typing import Any

CASES = (
    ("eyeriss", "alexnet", "row_stationary"),
    ("eyeriss", "vgg16", "row_stationary"),
    ("systolic_ws", "alexnet", "weight_stationary"),
    ("tpu_v1", "resnet50", "weight_stationary"),
    ("nvdla_full", "resnet50", None),
)
LAYERS, ROUNDS = 12, 3


def main(old: str) -> None:
    """Print a line for each thing that is timed."""
    here = Path(__file__).resolve().parent.parent
    trees = {"old": Path(old).resolve(), "new": here}
    with tempfile.TemporaryDirectory() as folder:
        nests = f"{folder}/nests.json"
        run("find", trees["old"], nests)
        times: dict[str, dict[str, list[float]]] = {}
        for _ in range(ROUNDS):
            for name, tree in trees.items():
                for what, seconds in json.loads(run("time", tree, nests)).items():
                    times.setdefault(what, {}).setdefault(name, []).append(seconds)
    for what, of in times.items():
        before, now = min(of["old"]), min(of["new"])
        print(f"{what:30} {before * 1e3:8.2f} ms {now * 1e3:8.2f} ms {before / now:6.2f}")


def run(job: str, tree: Path, nests: str) -> str:
    """Do a job in a process that imports accelsim from a tree."""
    environment = os.environ | {"PYTHONPATH": str(tree), "NUMBA_NUM_THREADS": "1", "ACCELSIM_QUIET": "1"}
    command = [sys.executable, __file__, job, nests]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def find(nests: str) -> None:
    """Write down a mapping for each different layer."""
    from accelsim.energy.load import table_for
    from accelsim.search import best

    found = []
    for case in CASES:
        machine, problems = layers(case[0], case[1])
        table = table_for(machine, None)
        found += [(*case[:2], str(best(machine, each, case[2] or machine.dataflow, table=table))) for each in problems]
    Path(nests).write_text(json.dumps(found), encoding="utf-8")


def layers(machine: str, network: str) -> tuple[Any, list[Any]]:
    """A machine, and some different problems of a network."""
    from accelsim.simulate import load

    loaded, layers = load(machine, network)
    return loaded, list({layer.problem: None for layer in layers.layers if layer.problem is not None})[:LAYERS]


def measure(nests: str) -> None:
    """Print the seconds of each thing as JSON."""
    from accelsim.engine import analytical, cycle
    from accelsim.engine.program import build
    from accelsim.mapping.mapping import LoopNest

    texts = json.loads(Path(nests).read_text(encoding="utf-8"))
    seconds = {}
    for name, network, _ in CASES:
        machine, problems = layers(name, network)
        mine = [text for *of, text in texts if of == [name, network]]
        programs = [build(machine, LoopNest.parse(text), each) for text, each in zip(mine, problems, strict=True)]
        what = f"{name} {network}"
        seconds[f"cycles, {what}"] = sum(shortest(lambda p=p: cycle.evaluate(p), 8) for p in programs)
        seconds[f"closed form, {what}"] = sum(shortest(lambda p=p: analytical.evaluate(p), 30) for p in programs)
        if name == "eyeriss":
            long = [shortest(lambda p=p: cycle.evaluate(p, repeats=False), 4) for p in programs]
            seconds[f"every step, {what}"] = sum(long)
    print(json.dumps(seconds))


def shortest(work: Callable[[], Any], times: int) -> float:
    """Seconds of the shortest of some runs, after one that does not count."""
    return min(repeat(work, repeat=1 + times, number=1)[1:])


if __name__ == "__main__":
    {"find": find, "time": measure}[sys.argv[1]](sys.argv[2]) if len(sys.argv) > 2 else main(sys.argv[1])
