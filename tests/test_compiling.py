"""What is said while kernels are compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim import cache, compiling

PLACE = Path("/somewhere/kernels/0123")


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(compiling, "_state", compiling._State())
    monkeypatch.setenv(cache.QUIET, "0")


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(compiling.time, "monotonic", lambda: Clock.now)
    return Clock


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def test_a_line_at_first_one_now_and_then_and_one_at_the_end(clock, capsys):
    compiling.begin("sweep.advance", 40, PLACE)
    assert lines(capsys) == [
        "accelsim: compiling kernels, once after an installation or for a new kind of run; "
        "kept in /somewhere/kernels/0123"
    ]
    compiling.begin("tiles.reach", 40, PLACE)
    compiling.end()
    clock.now += 16
    compiling.begin("tiles.rows", 40, PLACE)
    assert lines(capsys) == ["accelsim: 1 of at most 40 kernels compiled, now tiles.rows"]
    compiling.end()
    compiling.end()
    clock.now += 1000  # something else
    compiling.begin("moved.bases", 60, PLACE)
    clock.now += 3
    compiling.end()
    lines(capsys)
    compiling.summarize()
    compiling.summarize()
    assert lines(capsys) == ["accelsim: compiled 4 kernels in 19 s; kept in /somewhere/kernels/0123"]


def test_another_teller_is_told_each_step(capsys):
    steps = []
    with compiling.told_by(steps.append):
        compiling.begin("one", 7, None)
        compiling.begin("two", 7, None)
        compiling.end()
        compiling.end()
    assert steps == [compiling.Step("one", 0, 7), compiling.Step("two", 0, 7), None]
    assert len(lines(capsys)) == 1


def test_the_outermost_call_sums_up(capsys):
    @compiling.summed_up
    def inner(x):
        """Doubles."""
        compiling.begin("one", 7, None)
        compiling.end()
        return 2 * x

    @compiling.summed_up
    def outer(x):
        return inner(x) + inner(x)

    assert inner.__doc__ == "Doubles."
    assert outer(3) == 12
    assert lines(capsys)[-1] == "accelsim: compiled 2 kernels in 0 s; kept nowhere"
