"""A sweep of 2,160 points three ways: one worker, two, and two of a Dask cluster; and what it costs over a bare loop.

    python benchmarks/sweep.py [--points N] [--only loop|one|two|dask ...]

Seconds are of the processor, as other programs share it, and of the clock. The exports of all ways are compared byte by
byte. Run it once before to have the kernels compiled. NUMBA_NUM_THREADS=1 makes one worker one thread.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import tempfile
import time
from itertools import islice
from pathlib import Path

import accelsim
from accelsim.jobs import jobs, run_job
from accelsim.simulate import simulate
from accelsim.sweep.plan import read_plan

SIZES = [
    "8 KiB",
    "16 KiB",
    "24 KiB",
    "32 KiB",
    "48 KiB",
    "64 KiB",
    "96 KiB",
    "128 KiB",
    "160 KiB",
    "192 KiB",
    "224 KiB",
]
SWEEP = {
    "name": "benchmark",
    "arch": "eyeriss_isca16_rs",
    "evaluator": "analytical",
    "set": {"rows": [8, 12, 16, 24], "cols": [8, 16, 32], "levels.GLB.capacity": [*SIZES, "256 KiB"]},
    "workload": ["ds_cnn", "lstm", "gpt2_decode"],
    "dataflow": [
        "row_stationary", "weight_stationary", "output_stationary_soc_mop", "input_stationary", "no_local_reuse",
    ],
}  # fmt: skip


def clocks() -> tuple[float, float, float]:
    """Seconds of the clock, of this process, of those it began and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter(), time.process_time(), children.ru_utime + children.ru_stime


def loop(points: int) -> dict[str, float]:
    """What a user writes without a sweep: one point after the other, nothing kept."""
    plan = read_plan(SWEEP)
    wall, own, _ = clocks()
    layers = 0
    for _, fields in islice(plan.points(), points):
        settings = {name: value for name, value in fields.items() if name in SWEEP["set"]}
        options = {"evaluator": fields["evaluator"], "parameters": settings, "tolerant": True}
        result = simulate(fields["arch"], fields["workload"], fields["dataflow"], **options)
        layers += len({(layer.problem, layer.nest) for layer in result.layers})
    wall, own = time.perf_counter() - wall, time.process_time() - own
    return {"points": points, "layers": layers, "wall_s": wall, "cpu_s": own}


def engine(points: int) -> dict[str, float]:
    """Evaluating alone: machines and networks are there before the clock starts, nothing is read or kept after it."""
    plan = read_plan(SWEEP)
    runs = [plan.resolver.plan(fields) for _, fields in islice(plan.points(), points)]
    wanted = [(run, jobs(run)) for run in runs]
    wall, own, _ = clocks()
    for run, each in wanted:
        for job in dict.fromkeys(each):
            run_job(job, run)
    return {"points": points, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - own}


def swept(points: int, folder: Path, way: str) -> dict[str, object]:
    """The same as a sweep into a new store."""
    what = {**SWEEP, "sample": {"kind": "random", "points": points}} if points < read_plan(SWEEP).size else SWEEP
    before = clocks()
    options: dict[str, object] = {"workers": 1} if way == "one" else {"workers": 2}
    store = folder / f"{way}.sweep"
    if way == "dask":
        from distributed import LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            before = clocks()
            found = accelsim.sweep(what, store=store, scheduler=cluster.scheduler_address)
            wall = time.perf_counter() - before[0]
    else:
        found = accelsim.sweep(what, store=store, **options)
        wall = time.perf_counter() - before[0]
    after = clocks()
    found.export(folder / f"{way}.csv")
    found.export(folder / f"{way}.layers.csv", layers=True)
    data = (folder / f"{way}.csv").read_bytes() + (folder / f"{way}.layers.csv").read_bytes()
    state = found.state
    return {
        "points": state.evaluated, "failed": state.failed, "layers": state.layers, "wall_s": wall,
        "driver_cpu_s": after[1] - before[1], "workers_cpu_s": after[2] - before[2],
        "points_per_s": state.evaluated / wall, "layers_per_s": state.layers / wall,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "store_mb": store.stat().st_size / 1e6, "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip


def first(points: int, folder: Path) -> dict[str, object]:
    """The points of `loop` as a sweep in this process: those of the first machines."""
    plan = read_plan(SWEEP)
    machines = -(-points // 15)
    sizes = SWEEP["set"]["levels.GLB.capacity"][:machines]
    part = {**SWEEP, "set": {"rows": [8], "cols": [8], "levels.GLB.capacity": sizes}}
    assert [fields for _, fields in islice(plan.points(), points)] == [f for _, f in read_plan(part).points()]
    wall, own, _ = clocks()
    found = accelsim.sweep(part, store=folder / "first.sweep", workers=1)
    return {
        "points": found.state.evaluated, "layers": found.state.layers, "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - own,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=2160)
    parser.add_argument("--only", nargs="*", default=["loop", "one", "two", "dask"])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if "loop" in asked.only:
            count = min(asked.points, 180) // 15 * 15
            loop(15)
            bare, alone, ours = loop(count), engine(count), first(count, folder)
            print("loop", json.dumps(bare), "engine", json.dumps(alone), "sweep", json.dumps(ours))
            print("cpu, sweep over loop", ours["cpu_s"] / bare["cpu_s"], "over engine", ours["cpu_s"] / alone["cpu_s"])
        hashes = {}
        for way in ("one", "two", "dask"):
            if way in asked.only:
                found = swept(asked.points, folder, way)
                hashes[way] = found["sha256"]
                print(way, json.dumps(found), flush=True)
        assert len(set(hashes.values())) <= 1, hashes
        print("same bytes:", ", ".join(hashes))


if __name__ == "__main__":
    main()
