"""Where layers are evaluated: in this process, in others of this machine, or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from accelsim.errors import AccelsimError
from accelsim.sweep import work

START = 60.0
"""Seconds that a scheduler has to answer."""


@dataclass
class Pool:
    """An executor, and how to have another one when its workers are lost. workers : how many evaluate at a time."""

    make: Callable[[], Executor]
    workers: int
    shut: Callable[[], None] = lambda: None
    owned: bool = True
    _executor: Executor | None = None

    def submit(self, task: work.Task) -> Future[Any]:
        """Begin a task; where the workers are gone, with new ones."""
        if self._executor is None:
            self._executor = self.make()
        try:
            return self._executor.submit(work.evaluate, task)
        except BrokenProcessPool:
            self.again()
            return self.submit(task)

    def begins(self) -> bool:
        """Whether workers begin at all."""
        try:
            if self._executor is None:
                self._executor = self.make()
            return bool(self._executor.submit(abs, -1).result() == 1)
        except BrokenExecutor:
            self.again()
            return False

    def again(self) -> None:
        """Forget an executor that broke."""
        if self._executor is not None and self.owned:
            _end(self._executor)
        self._executor = None

    def close(self) -> None:
        """End what was begun, at once."""
        self.again()
        self.shut()


def _end(executor: Executor) -> None:
    """Shut down without waiting for what runs: a layer may take minutes, and nobody will ask for it."""
    running = list((getattr(executor, "_processes", None) or {}).values())
    executor.shutdown(wait=False, cancel_futures=True)
    for process in running:
        with suppress(OSError, ValueError, AttributeError):
            process.terminate()


def here() -> Pool:
    """One worker: the process that asks."""
    return Pool(work.Here, 1)


def processes(count: int | None = None) -> Pool:
    """Processes of this machine, by default as many as it has cores; one is this one."""
    wanted = count or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count or os.cpu_count() or 1
    if wanted == 1:
        return here()

    def make() -> Executor:
        from multiprocessing import get_context

        # not forked: threads of numba and of BLAS do not survive that
        return ProcessPoolExecutor(wanted, mp_context=get_context("spawn"), initializer=work.begin)

    return Pool(make, wanted)


def given(executor: Executor) -> Pool:
    """An executor of the caller's, which stays the caller's."""
    workers = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
    return Pool(lambda: executor, int(workers), owned=False)


def scheduler(address: str) -> Pool:
    """The workers of a Dask cluster. Raises AccelsimError, one line, without Dask or where nobody answers."""
    try:
        from distributed import Client
    except ImportError:
        raise AccelsimError("--scheduler needs Dask: pip install 'accelsim[dask]'") from None
    try:
        client = Client(address, timeout=START, set_as_default=False)
        workers = sum(client.nthreads().values())
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise AccelsimError(f"scheduler '{address}' does not answer: {reason}") from None
    if not workers:
        client.close()
        raise AccelsimError(f"scheduler '{address}' has no workers")
    return Pool(client.get_executor, workers, client.close, owned=False)
