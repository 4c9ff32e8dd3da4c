"""Running a sweep: the same bytes whatever runs it, each layer once, errors kept beside results."""

from __future__ import annotations

import csv
import subprocess
import sys
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import accelsim
from accelsim.errors import AccelsimError
from accelsim.jobs import jobs, run_job
from accelsim.outcome import Outcome
from accelsim.report.designs import front
from accelsim.simulate import prepare, simulate
from accelsim.sweep import work
from accelsim.sweep.again import record_of
from accelsim.sweep.record import METRICS, Record, metrics_of, point_of
from accelsim.sweep.store import Store
from accelsim.sweep.swept import opened

QUICK = {"arch": "eyeriss_isca16_rs", "workload": "ds_cnn", "evaluator": "analytical", "layers": "conv1,block0.*"}
GRID = {
    **QUICK,
    "dataflow": ["row_stationary", "weight_stationary"],
    "set": {"rows": [8, 16], "levels.GLB.capacity": ["32 KiB", "1 KiB", "2 B"]},
}


class Counting(Executor):
    """Runs at once, and counts the layers it was asked for."""

    def __init__(self):
        self.keys: list[str] = []

    def submit(self, fn, /, *args, **kwargs):
        self.keys += [key for key, _ in args[0].jobs]
        done: Future = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def exported(swept: accelsim.Sweep, folder: Path) -> bytes:
    swept.export(folder / "points.csv")
    swept.export(folder / "layers.csv", layers=True)
    return (folder / "points.csv").read_bytes() + (folder / "layers.csv").read_bytes()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    return accelsim.sweep(GRID, store=folder / "s.sweep", workers=1)


def test_a_row_is_what_simulate_gives(alone):
    rows = list(alone.rows())
    assert [row["point"] for row in rows] == list(range(12))
    for row in rows:
        settings = {name: row[name] for name in ("rows", "levels.GLB.capacity")}
        options = {"evaluator": "analytical", "layers": QUICK["layers"], "parameters": settings, "tolerant": True}
        result = simulate(row["arch"], row["workload"], row["dataflow"], **options)
        if row["error"]:
            assert result.failures and row["cycles"] is None
            continue
        total = result.total
        for name in ("macs", "cycles", "processing_cycles", "compute_cycles", "ms", "utilization", "energy"):
            assert row[name] == getattr(total, name), name
        assert row["edp"] == total.energy * total.ms and row["ed2p"] == pytest.approx(row["edp"] * total.ms)
        counts = result.to_dict()["total"]["counts"]
        assert row["outermost_words"] == sum(cell["words"] for cell in counts if cell["level"] == "DRAM")
        assert (row["vector_cycles"], row["vector_energy"]) == (result.vector.cycles, result.vector.energy)
        assert row["pes"] == row["rows"] * 16 and row["energy_unit"] == "MAC"
        assert row["buffer_bytes"] == row["pes"] * 512 + {"3": 32768, "1": 1024}[row["levels.GLB.capacity"][0]]


def test_layers_add_up_to_their_point(alone):
    points = {row["point"]: row for row in alone.rows()}
    layers = [row for row in alone.layer_rows() if not points[row["point"]]["error"]]
    for name in ("macs", "cycles", "energy", "outermost_words"):
        for number, point in points.items():
            if not point["error"]:
                assert sum(row[name] for row in layers if row["point"] == number) == pytest.approx(point[name])


def test_what_does_not_fit_is_kept_with_its_reason(alone):
    failed = [row for row in alone.rows() if row["error"]]
    assert {row["levels.GLB.capacity"] for row in failed} >= {"2 B"}
    assert all("conv1" in row["error"] or "block0" in row["error"] for row in failed)
    assert alone.state.failed == len(failed) > 0


def test_each_layer_once(tmp_path):
    counting = Counting()
    accelsim.sweep(GRID, store=tmp_path / "s.sweep", executor=counting)
    assert len(counting.keys) == len(set(counting.keys)) > 0
    # a network that shares layers, in a sweep of its own, asks for none of them
    before = len(counting.keys)
    accelsim.sweep({**GRID, "layers": "block0.*"}, store=tmp_path / "s.sweep", executor=counting)
    assert len(counting.keys) == before


def test_another_run_of_the_same_finds_all(tmp_path, alone):
    counting = Counting()
    again = accelsim.sweep(GRID, store=alone.path, executor=counting)
    assert not counting.keys and again.state.found == 12
    assert exported(again, tmp_path) == exported(alone, tmp_path)


@pytest.mark.slow
def test_processes_threads_and_this_one_give_the_same_bytes(alone, tmp_path):
    wanted = exported(alone, tmp_path)
    two = accelsim.sweep(GRID, store=tmp_path / "two.sweep", workers=2)
    assert two.state.evaluated == 12 and exported(two, tmp_path) == wanted
    with ThreadPoolExecutor(3) as executor:
        threads = accelsim.sweep(GRID, store=tmp_path / "threads.sweep", executor=executor)
        assert executor.submit(int).result() == 0
    assert exported(threads, tmp_path) == wanted


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes(alone, tmp_path):
    distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "processes": False}
    with distributed.LocalCluster(**options) as cluster:
        found = accelsim.sweep(GRID, store=tmp_path / "dask.sweep", scheduler=cluster.scheduler_address)
    assert found.state.evaluated == 12 and exported(found, tmp_path) == exported(alone, tmp_path)


def test_a_scheduler_that_does_not_answer(tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    monkeypatch.setattr(sys.modules["accelsim.sweep.pools"], "START", 0.5)
    with pytest.raises(AccelsimError, match=r"scheduler 'tcp://127\.0\.0\.1:9' does not answer: "):
        accelsim.sweep(GRID, store=tmp_path / "s.sweep", scheduler="tcp://127.0.0.1:9")


def test_an_error_of_the_code_is_tried_again(tmp_path, monkeypatch):
    whole = run_job

    def breaks(job, plan):
        if job.layer.name == "conv1" and plan.dataflow == "weight_stationary":
            raise ZeroDivisionError("once")
        return whole(job, plan)

    monkeypatch.setattr(sys.modules["accelsim.jobs"], "run_job", breaks)
    found = accelsim.sweep(GRID, store=tmp_path / "s.sweep", workers=1)
    assert found.state.crashed == 6 and found.state.evaluated == 6
    with Store(found.path) as store:
        crashes = store.crashes(found.plan.id)
    assert {error for _, _, error in crashes} == {"conv1: ZeroDivisionError: once"}
    monkeypatch.undo()
    again = accelsim.sweep(GRID, store=tmp_path / "s.sweep", workers=1)
    assert (again.state.crashed, again.state.found, again.state.evaluated) == (0, 6, 6)
    with Store(found.path) as store:
        assert not store.crashes(found.plan.id)


def test_constraints_leave_points_out(tmp_path):
    found = accelsim.sweep({**GRID, "where": "pes == 128"}, store=tmp_path / "s.sweep", workers=1)
    assert found.state.forbidden == 6 and {row["pes"] for row in found.rows()} <= {128, None}
    with pytest.raises(AccelsimError, match="'pes == 3': none of 12 points meets it"):
        accelsim.sweep({**GRID, "where": "pes == 3"}, store=tmp_path / "s.sweep", workers=1)


def test_progress_counts_every_point(tmp_path):
    told = []
    found = accelsim.sweep(GRID, store=tmp_path / "s.sweep", workers=1, progress=told.append)
    assert told[-1] == found.state and found.state.points == found.state.of == 12
    assert [state.points for state in told] == sorted(state.points for state in told)
    assert found.state.points_per_second > 0 and found.state.seconds_left == 0
    with Store(found.path) as store:
        assert found.state.layers == store.counts(found.plan.id)["layers"]


@pytest.mark.parametrize("machine", ["eyeriss", "gemmini16", "eyeriss_v1_rtl"])
def test_a_point_of_records_is_the_outcome_of_layers(machine):
    """Overlap, zeros, shipped mappings: the sums of what a store keeps are those of a result."""
    plan = prepare(machine, "ds_cnn", evaluator="analytical", layers="conv1,block0.*,fc")
    multiplying = jobs(plan)
    records = [Record.of(run_job(job, plan)) for job in multiplying]
    result = simulate(machine, "ds_cnn", evaluator="analytical", layers="conv1,block0.*,fc", tolerant=True)
    assert [Record.from_json(record.to_json()) for record in records] == records
    point = point_of(plan, multiplying, records)
    assert bool(point.error) == bool(result.failures)
    if not point.error:
        assert isinstance(result, Outcome)
        assert point.row["cycles"] == result.total.cycles and point.row["energy"] == result.total.energy
        assert point.row["utilization"] == result.total.utilization
        assert set(point.row) <= {*METRICS, "energy_unit"}
        assert metrics_of(result, [record_of(layer) for layer in result.layers]) == point.row


def test_the_front():
    rows = [
        {"point": i, "a": a, "b": b} for i, (a, b) in enumerate([(3, 1), (1, 3), (2, 2), (3, 3), (2, 2), (None, 0)])
    ]
    assert [row["point"] for row in front(rows, ("a", "b"))] == [1, 2, 0]
    assert [row["point"] for row in front(rows, ("a",))] == [1]


def test_the_best(alone):
    energies = [row["energy"] for row in alone.rows() if row["energy"]]
    assert alone.best()["energy"] == min(energies)
    assert alone.best("cycles")["cycles"] <= alone.best()["cycles"]
    assert opened(alone.path).best() == alone.best()


def test_a_frame_and_parquet(alone, tmp_path):
    pandas = pytest.importorskip("pandas", reason="the extra 'sweep' is not installed")
    frame = alone.to_pandas()
    assert len(frame) == 12 and frame["cycles"].max() > 0
    alone.export(tmp_path / "points.csv")
    with (tmp_path / "points.csv").open() as opened_file:
        assert [int(row["point"]) for row in csv.DictReader(opened_file)] == list(range(12))
    pytest.importorskip("pyarrow", reason="the extra 'sweep' is not installed")
    alone.export(tmp_path / "points.parquet")
    pandas.testing.assert_frame_equal(pandas.read_parquet(tmp_path / "points.parquet"), frame, check_dtype=False)
    first = (tmp_path / "points.parquet").read_bytes()
    alone.export(tmp_path / "points.parquet")
    assert (tmp_path / "points.parquet").read_bytes() == first


def test_no_such_format(alone, tmp_path):
    with pytest.raises(AccelsimError, match="unknown format 'xlsx'"):
        alone.export(tmp_path / "points.xlsx")


def test_one_way_to_run(tmp_path):
    with pytest.raises(AccelsimError, match="give one of them"):
        accelsim.sweep(GRID, store=tmp_path / "s.sweep", workers=2, scheduler="tcp://localhost:1")
    with pytest.raises(AccelsimError, match="workers is 0; it must be at least 1"):
        accelsim.sweep(GRID, store=tmp_path / "s.sweep", workers=0)


def test_a_worker_is_light():
    assert work.Here().submit(int, "7").result() == 7


class Fragile(Executor):
    """Workers that one layer ends every time, and another one once."""

    def __init__(self):
        self.ended, self.alone = [], []

    def submit(self, fn, /, *args, **kwargs):
        done: Future = Future()
        names = (
            {(job.layer.name, args[0].plan.dataflow) for _, job in args[0].jobs} if hasattr(args[0], "jobs") else set()
        )
        if ("conv1", "weight_stationary") in names or (names and not self.ended):
            self.ended.append(names)
            done.set_exception(BrokenExecutor("a worker has ended"))
        else:
            done.set_result(fn(*args, **kwargs))
        return done


def test_who_ends_its_worker_every_time_is_given_up_and_the_others_go_on(tmp_path):
    fragile = Fragile()
    found = accelsim.sweep(GRID, store=tmp_path / "s.sweep", executor=fragile)
    assert found.state.crashed == 6 and found.state.evaluated == 6
    with Store(found.path) as store:
        crashes = store.crashes(found.plan.id)
    assert {fields["dataflow"] for _, fields, _ in crashes} == {"weight_stationary"}
    assert all("its worker ended 2 times" in error for _, _, error in crashes)
    # once with whatever ran beside it, and twice alone
    assert len(fragile.ended) == 1 + 3 * 6


def test_a_script_without_a_guard_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"import accelsim\naccelsim.sweep({QUICK!r}, batch=[1, 2], store='s.sweep', workers=2)\n")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode and "a script that sweeps needs 'if __name__" in done.stderr.splitlines()[-1]
