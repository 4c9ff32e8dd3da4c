"""Slices of rows on a few threads: every row once, and the same whatever the number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.engine import pool
from accelsim.search import best
from accelsim.workload.problem import Problem


@pytest.fixture
def threads(monkeypatch):
    def use(number: str) -> None:
        monkeypatch.setenv("NUMBA_NUM_THREADS", number)
        pool._pool.cache_clear()

    yield use
    pool._pool.cache_clear()


@pytest.mark.parametrize("number", ["1", "2", "3"])
@pytest.mark.parametrize(("size", "least"), [(0, 1), (1, 1), (7, 1), (100, 1), (100, 64)])
def test_every_row_is_done_once(threads, number, size, least):
    threads(number)
    done = np.zeros(size, int)

    def kernel(first: int, end: int) -> None:
        done[first:end] += 1

    pool.in_slices(size, least, kernel)
    assert (done == 1).all()


def test_what_goes_wrong_in_a_slice_is_raised(threads):
    threads("2")
    with pytest.raises(ZeroDivisionError):
        pool.in_slices(100, 1, lambda first, end: 1 // first)


@pytest.mark.parametrize(("given", "number"), [("2", 2), ("0", None), ("many", None)])
def test_how_many(threads, given, number):
    threads(given)
    assert pool.threads() == (number or pool.os.cpu_count())


def test_a_search_finds_the_same_with_any_number(threads):
    problem = Problem.of({"M": 32, "C": 16, "P": 14, "Q": 14, "R": 3, "S": 3}, pad=(1, 1))
    found = []
    for number in ("1", "3"):
        threads(number)
        found.append(best(load_architecture("eyeriss"), problem, "row_stationary"))
    assert found[0] == found[1]
