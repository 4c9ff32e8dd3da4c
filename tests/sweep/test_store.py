"""What a store keeps through whatever happens to those who write to it."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import accelsim
from accelsim.errors import AccelsimError
from accelsim.sweep.again import again
from accelsim.sweep.plan import read_plan
from accelsim.sweep.record import Record
from accelsim.sweep.store import MARK, Store, StoreFullError
from accelsim.sweep.swept import opened

GRID = {
    "arch": "eyeriss_isca16_rs",
    "workload": "ds_cnn",
    "evaluator": "analytical",
    "layers": "conv1,block0.*",
    "dataflow": ["row_stationary", "weight_stationary"],
    "set": {"rows": [8, 16], "cols": [8, 16], "levels.GLB.capacity": ["16 KiB", "32 KiB", "64 KiB", "2 B"]},
}
SIZE = 32
# it takes its time, so that it can be interrupted on any machine, and by a signal that this process may ignore
DRIVER = """
import sys, json, signal, time, accelsim
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    slow = lambda state: time.sleep(0.1)
    accelsim.sweep(json.loads(sys.argv[1]), store=sys.argv[2], workers=int(sys.argv[3]), progress=slow)
"""


def begun(store: Path, workers: int) -> subprocess.Popen[bytes]:
    """A sweep in a process of its own."""
    script = store.parent / "driver.py"
    script.write_text(DRIVER)
    command = [sys.executable, str(script), json.dumps(GRID), str(store), str(workers)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)


def count(store: Path) -> int:
    """Points that are done, as another process sees it."""
    if not store.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10) as db:
            found: int = db.execute("SELECT count(*) FROM points").fetchone()[0]
            return found
    except sqlite3.OperationalError:
        return 0


def some(store: Path, driver: subprocess.Popen[bytes], least: int) -> int:
    """Wait until a few points are done."""
    end = time.monotonic() + 300
    while (found := count(store)) < least:
        assert driver.poll() is None and time.monotonic() < end, driver.stderr.read()
        time.sleep(0.01)
    return found


def exported(swept: accelsim.Sweep, folder: Path) -> bytes:
    swept.export(folder / "points.csv")
    return (folder / "points.csv").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a sweep that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    return exported(accelsim.sweep(GRID, store=folder / "s.sweep", workers=1), folder)


def sound(path: Path, swept: accelsim.Sweep) -> None:
    """Nothing doubled, nothing half there."""
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        entries = db.execute("SELECT ordinal FROM entries WHERE plan=? ORDER BY ordinal", (swept.plan.id,)).fetchall()
        assert [row[0] for row in entries] == list(range(SIZE))
        layers = [number for (text,) in db.execute("SELECT layers FROM points") for number in json.loads(text)]
        known = {row[0] for row in db.execute("SELECT id FROM layers")}
        assert set(layers) <= known
        assert db.execute("SELECT count(*), count(DISTINCT key) FROM layers").fetchone() == (len(known), len(known))


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_driver(tmp_path, whole):
    store = tmp_path / "s.sweep"
    driver = begun(store, 2)
    try:
        some(store, driver, 3)
        workers = children(driver.pid)
        assert len(workers) >= 2
        os.kill(workers[-1], signal.SIGKILL)
        before = some(store, driver, count(store) + 3)
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    finally:
        driver.kill()
    kept = count(store)
    assert before <= kept < SIZE
    found = accelsim.sweep(GRID, store=store, workers=1)
    assert found.state.found == kept and found.state.evaluated == SIZE - kept and not found.state.crashed
    assert exported(found, tmp_path) == whole
    sound(store, found)
    # the workers of the driver that was killed have ended too
    end = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() and not zombie(worker) for worker in workers):
        assert time.monotonic() < end
        time.sleep(0.1)


def children(pid: int) -> list[int]:
    """The workers of a process, which are those of its children that do its work."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in found if "spawn_main" in Path(f"/proc/{one}/cmdline").read_text()]


def zombie(pid: int) -> bool:
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()


@pytest.mark.slow
def test_two_at_once(tmp_path, whole):
    store = tmp_path / "s.sweep"
    drivers = [begun(store, 1), begun(store, 1)]
    for driver in drivers:
        assert driver.wait(300) == 0, driver.stderr.read()
    found = accelsim.sweep(GRID, store=store, workers=1)
    assert found.state.found == SIZE
    assert exported(found, tmp_path) == whole
    sound(store, found)


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(tmp_path, whole):
    store = tmp_path / "s.sweep"
    driver = begun(store, 2)
    some(store, driver, 3)
    os.killpg(driver.pid, signal.SIGINT)
    assert driver.wait(60) != 0
    kept = count(store)
    assert 3 <= kept < SIZE
    found = accelsim.sweep(GRID, store=store, workers=1)
    assert found.state.found == kept and exported(found, tmp_path) == whole
    sound(store, found)


def test_a_full_disk_is_said_and_gone_on_from(tmp_path, whole):
    store = tmp_path / "s.sweep"
    code = f"""
import resource, signal, accelsim
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (110_000, {resource.RLIM_INFINITY}))
accelsim.sweep({GRID!r}, store={str(store)!r}, workers=1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode and "StoreFullError" in done.stderr, done.stderr
    assert "what is finished is kept; make room, and the same command goes on from there" in done.stderr
    kept = count(store)
    assert 0 < kept < SIZE
    found = accelsim.sweep(GRID, store=store, workers=1)
    assert found.state.found == kept and exported(found, tmp_path) == whole
    sound(store, found)


def test_no_room_within_a_batch_leaves_none_of_it(tmp_path):
    with Store(tmp_path / "s.sweep") as store:
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count={pages + 4}")
        with pytest.raises(StoreFullError, match="database or disk is full: what is finished is kept"), store.writing():
            store.add_layers((f"{number}", Record.failed("x" * 100)) for number in range(1000))
        assert store._db.execute("SELECT count(*) FROM layers").fetchone() == (0,)


def test_a_store_of_another_schema(tmp_path):
    path = tmp_path / "s.sweep"
    Store(path).close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA application_id").fetchone()[0] == MARK
        db.execute("PRAGMA user_version=7")
    with pytest.raises(
        AccelsimError, match=r"a store of schema 7, written by version .* reads schemas 1, 2: export it there"
    ):
        Store(path)


def test_a_store_of_the_schema_before_is_read_and_gone_on_with(tmp_path):
    grid = {**GRID, "dataflow": "row_stationary", "layers": "block0.pw", "set": {"rows": [8, 16]}}
    path = tmp_path / "s.sweep"
    before = exported(accelsim.sweep({**grid, "set": {"rows": 8}}, store=path, workers=1), tmp_path)
    with sqlite3.connect(path) as db:
        # what that schema had of a point
        (key, made) = db.execute("SELECT key, made FROM points").fetchone()
        old = {name: value for name, value in json.loads(made).items() if name != "proof"}
        db.execute("UPDATE points SET made=? WHERE key=?", (json.dumps(old), key))
        db.execute("PRAGMA user_version=1")
    assert exported(opened(path), tmp_path) == before
    assert len(again(path, key).layers) == 1

    def schema():
        with sqlite3.connect(path) as db:
            return db.execute("PRAGMA user_version").fetchone()[0]

    assert schema() == 1  # nothing was written
    assert accelsim.sweep(grid, store=path, workers=1).state.evaluated == 1
    assert schema() == 2


def test_what_is_no_store(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n" * 1000)
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE t (x)")
    for name in ("a.csv", "other.db"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(AccelsimError, match="is no store of sweeps"):
            Store(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    with pytest.raises(AccelsimError, match="no such store"):
        Store(tmp_path / "none.sweep", read_only=True)
    with pytest.raises(AccelsimError, match=r"nothing can be written into|is a directory|Is a directory"):
        Store(tmp_path)


FLAT = """
import json, resource, sys
from concurrent.futures import Executor, Future
import accelsim
from importlib import import_module

import_module("accelsim.sweep.run").RECORDS = 64  # what is remembered of layers is full early
EARLY, LATE = 300, int(sys.argv[2])


class Same(Executor):
    # every layer gives what the first one gave: points cost what the sweep itself takes
    known = None

    def submit(self, fn, task):
        self.known = self.known or fn(task)[0][1]
        done = Future()
        done.set_result([(key, self.known) for key, _ in task.jobs])
        return done


def told(state):
    if state.points == EARLY and not seen:
        seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


seen = []
grid = {"arch": "eyeriss_isca16_rs", "workload": "ds_cnn", "layers": "fc", "evaluator": "analytical",
        "set": {"clock": {"from": "100 MHz", "to": f"{99 + LATE} MHz", "step": "1 MHz"}}}
found = accelsim.sweep(grid, store=sys.argv[1], executor=Same(), progress=told)
late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert found.state.evaluated == found.state.layers == LATE
print(json.dumps([seen[0], late]))
"""


@pytest.mark.slow
def test_memory_is_flat_in_the_number_of_points_through_the_store(tmp_path):
    points, store = 1200, tmp_path / "s.sweep"
    command = [sys.executable, "-c", FLAT, str(store), str(points)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    early, late = json.loads(done.stdout)
    # KiB: pages that SQLite and Python keep; a machine, a network and a plan of each point would be ten times as much
    assert late - early < 6 * 1024, (early, late)
    assert store.stat().st_size > points * 2000


def test_memory_is_flat_in_the_number_of_points():
    """A plan of 10^12 points takes what one of a thousand does."""
    import tracemalloc

    plan = read_plan(
        {**GRID, "seed": {"from": 1, "to": 10**6, "step": 1}, "batch": {"from": 1, "to": 10**4, "step": 1}}
    )
    assert plan.size > 10**11
    points = plan.points()
    next(points)
    tracemalloc.start()
    for _ in range(20_000):
        next(points)
    assert tracemalloc.get_traced_memory()[1] < 200_000
    tracemalloc.stop()
