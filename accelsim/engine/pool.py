"""Kernels on a few threads; they let go of the interpreter while they run."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")

SLICES = 4
"""Slices for each thread, so that none waits long for the others."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads(), "accelsim")


if hasattr(os, "register_at_fork"):  # a forked process has none of the threads; Windows forks none
    os.register_at_fork(after_in_child=_pool.cache_clear)


def threads() -> int:
    """How many run at a time: as many as there are cores, or NUMBA_NUM_THREADS."""
    wanted = os.environ.get("NUMBA_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else os.cpu_count() or 1


def beside(one: Callable[[], T], other: Callable[[], T], worth: bool) -> tuple[T, T]:
    """What both give, the first on another thread if that is worth it."""
    if not worth or threads() == 1:
        return one(), other()
    begun = _pool().submit(one)
    found = other()
    return begun.result(), found


def in_slices(size: int, least: int, kernel: Callable[[int, int], object]) -> None:
    """Call `kernel(first, end)` for slices of at least `least` of `size` rows; each fills its own rows alone.

    Where the slices end, and so what is computed, does not depend on the number of threads; nor does the order matter.
    """
    each = max(least, -(-size // (SLICES * threads())))
    if threads() == 1 or size <= each:
        kernel(0, size)
        return
    for done in [_pool().submit(kernel, at, min(at + each, size)) for at in range(0, size, each)]:
        done.result()
