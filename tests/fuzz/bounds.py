"""What every input must keep to: time, memory, one line for an error, and numbers that can be."""

from __future__ import annotations

import math
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from accelsim.errors import AccelsimError

SECONDS = 20  # of this process, so that a busy machine makes nothing a hang
BYTES = 2**30


class HangError(BaseException):
    """More time than an input may take; no Exception, so that nothing swallows it."""


@contextmanager
def bounded() -> Iterator[None]:
    """Stop a block that takes too long or, where the system tells what a process has, a gigabyte more than that."""

    def stop(_, frame):
        if _compiles(frame):
            # once for each kernel and kind of argument; to stop it there leaves numba in pieces
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
        else:
            raise HangError(f"over {SECONDS} s")

    before, (soft, hard) = signal.signal(signal.SIGPROF, stop), resource.getrlimit(resource.RLIMIT_AS)
    pages = Path("/proc/self/statm")
    if pages.exists():
        size = int(pages.read_text().split()[0]) * resource.getpagesize() + BYTES
        resource.setrlimit(resource.RLIMIT_AS, (size if hard < 0 else min(size, hard), hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _compiles(frame: FrameType | None) -> bool:
    while frame:
        if "numba" in Path(frame.f_code.co_filename).parts:
            return True
        frame = frame.f_back
    return False


def kept(work: Callable[[], object]) -> object | None:
    """What `work` gives, or None where it refuses its input in good lines; everything else is an error."""
    try:
        with bounded():
            return work()
    except AccelsimError as error:
        good_lines(str(error))
        return None


def good_lines(text: str) -> None:
    """An error is lines that a terminal can show; no traceback, no Python."""
    assert text.strip(), "an error that says nothing"
    assert len(text) < 500_000
    for line in text.split("\n"):
        assert line.strip() and len(line) < 8_200, line[:300]
        assert line.isprintable(), ascii(line)[:300]
    for word in ("Traceback", "object at 0x", "Errno"):
        assert word not in text, text[:300]


def possible(document: object, place: str = "") -> None:
    """No number of a document is negative or no number, no share above one."""
    if isinstance(document, dict):
        for key, value in document.items():
            possible(value, f"{place}.{key}")
    elif isinstance(document, list):
        for index, value in enumerate(document):
            possible(value, f"{place}[{index}]")
    elif isinstance(document, int | float) and not isinstance(document, bool):
        assert math.isfinite(document) and document >= 0, f"{place} is {document}"
