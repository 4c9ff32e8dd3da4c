"""ONNX graphs: how long it takes to read one, and to run it on machines, each in a process of its own.

    python benchmarks/graphs.py FOLDER [GRAPH...]

FOLDER holds graphs, and truth.json with the sizes of each. The better of two runs counts. Prints, for each graph, the
seconds and MB to read it, and the seconds of `accelsim run` on each machine, import included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

MACHINES = ("eyeriss", "tpu_v1", "nvdla_full", "systolic_ws")
READ = """
import resource, sys, time
begun = time.perf_counter()
from accelsim.onnx.network import load
network = load(sys.argv[1], dims=dict(one.split("=") for one in sys.argv[2:]))
print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, network.coverage.nodes)
print(len(network.mac_layers))
"""


def sizes(right: dict) -> list[str]:
    """NAME=SIZE of everything a graph leaves open."""
    found = {name: size for name, size in right["symbols"].items() if name != "?"} | right["values"]
    for tensor, of in right["inputs"].items():
        for axis, (declared, run) in enumerate(zip(of["declared"], of["run"], strict=True)):
            if declared in (None, -1, "?"):
                found[f"{tensor}.{axis}"] = run
    return [f"{name}={size}" for name, size in found.items()]


def main(folder: str, *names: str) -> None:
    """Every graph on every machine."""
    truth = json.loads((Path(folder) / "truth.json").read_text(encoding="utf-8"))
    print(f"{'graph':28} nodes layers  read    MB  " + "  ".join(f"{machine:>11}" for machine in MACHINES))
    for name in names or truth:
        file, given = f"{folder}/{name}.onnx", sizes(truth[name])
        done = subprocess.run([sys.executable, "-c", READ, file, *given], capture_output=True, text=True, check=True)
        seconds, size, nodes, layers = done.stdout.split()
        told = f"{name:28} {nodes:>5} {layers:>6} {float(seconds):5.2f} {float(size):5.0f}  "
        options = [word for one in given for word in ("--dim", one)]
        for machine in MACHINES:
            command = [sys.executable, "-m", "accelsim", "run", machine, file, *options]
            best = None
            for _ in range(2):
                begun = time.perf_counter()
                ran = subprocess.run(command, capture_output=True, text=True, check=False)
                took = time.perf_counter() - begun
                best = took if best is None else min(best, took)
            told += f"{best:11.2f}  " if ran.returncode == 0 else f"{'exit ' + str(ran.returncode):>11}  "
        print(told, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
