"""What is told while kernels are compiled: the first run after an installation spends a minute on nothing else.

`accelsim.jit` says what begins and ends. That kernels are compiled, where they are kept and how many they were is
a plain line on stderr each; how far it is comes as a line every now and then, or from a *teller* that shows it better.
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from accelsim import cache

EVERY = 15.0  # seconds between two plain lines

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Step:
    """What is known while a kernel is compiled.

    done : kernels compiled since the last summary. most : how many there are in all that is loaded; a run needs fewer.
    """

    name: str
    done: int
    most: int


Teller = Callable[[Step | None], None]
"""Called with each step, and with None when a kernel that was called is there with all that it calls."""


class _State:
    """What this process has compiled and has not summed up yet."""

    done = 0
    depth = 0
    began = 0.0
    seconds = 0.0
    told = 0.0
    place: Path | None = None
    runs = 0
    teller: Teller | None = None


_state = _State()


def begin(name: str, most: int, place: Path | None) -> None:
    """A kernel is about to be compiled, perhaps for another one that is being compiled already."""
    now = time.monotonic()
    if _state.depth == 0:
        _state.began = now
    _state.depth += 1
    _state.place = place
    if not _state.told:
        cache.tell(f"compiling kernels, once after an installation or for a new kind of run; {_kept(place)}")
        _state.told = now
    if _state.teller:
        _state.teller(Step(name, _state.done, most))
    elif now - _state.told >= EVERY:
        cache.tell(f"{_state.done} of at most {most} kernels compiled, now {name}")
        _state.told = now


def end() -> None:
    """It has been compiled."""
    _state.depth = max(_state.depth - 1, 0)
    _state.done += 1
    if _state.depth == 0:
        _state.seconds += time.monotonic() - _state.began
        if _state.teller:
            _state.teller(None)


def summarize() -> None:
    """Tell how many were compiled and how long that took, if any were, and count anew."""
    done, seconds = _state.done, _state.seconds
    _state.done = _state.depth = 0
    _state.seconds = _state.told = 0.0
    if done:
        cache.tell(f"compiled {done} kernel{'s' if done > 1 else ''} in {seconds:.0f} s; {_kept(_state.place)}")


def _kept(place: Path | None) -> str:
    return f"kept in {cache.shown(place)}" if place else "kept nowhere"


atexit.register(summarize)


@contextmanager
def told_by(teller: Teller) -> Iterator[None]:
    """Let another teller say it, within this context."""
    before, _state.teller = _state.teller, teller
    try:
        yield
    finally:
        _state.teller = before


def summed_up(function: Callable[P, R]) -> Callable[P, R]:
    """Tell at the end of a call, of the outermost where such functions call each other, what it has compiled."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        _state.runs += 1
        try:
            return function(*args, **kwargs)
        finally:
            _state.runs -= 1
            if _state.runs == 0:
                summarize()

    return wrapper
