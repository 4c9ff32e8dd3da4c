"""What a worker does: evaluate layers, and give back what a store keeps of them. Imported in every worker, so light."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelsim.jobs import Job, Plan
    from accelsim.sweep.record import Record


class Task(NamedTuple):
    """Layers of one point that no other has asked for yet, by their keys."""

    plan: Plan
    jobs: tuple[tuple[str, Job], ...]


class Broke(NamedTuple):
    """A layer that ended in an error that is no answer: one of the code, or of the machine it ran on."""

    error: str


Answers = list[tuple[str, "Record | Broke"]]


def evaluate(task: Task) -> Answers:
    """The record of each layer of a task; one that breaks does not keep the others."""
    from accelsim.errors import AccelsimError
    from accelsim.jobs import run_job
    from accelsim.sweep.record import Record

    found: Answers = []
    for key, job in task.jobs:
        try:
            found.append((key, Record.of(run_job(job, task.plan))))
        except AccelsimError as error:
            found.append((key, Record.failed(str(error))))
        except Exception as error:
            found.append((key, Broke(f"{job.layer.name}: {type(error).__name__}: {error}".split("\n")[0])))
    return found


def begin() -> None:
    """Of a process: one thread, Ctrl-C left to the process that asked, and no life without that one."""
    import multiprocessing
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["NUMBA_NUM_THREADS"] = "1"
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()


class Here(Executor):
    """Runs what it is given at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Done by the time it returns."""
        found: Future[Any] = Future()
        try:
            found.set_result(fn(*args, **kwargs))
        except Exception as error:
            found.set_exception(error)
        return found
