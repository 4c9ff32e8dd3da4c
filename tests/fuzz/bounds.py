"""What every input must keep to: time, memory, one line for an error, and numbers that can be."""

from __future__ import annotations

import math
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from accelsim.errors import AccelsimError

SECONDS = 20
BYTES = 2**30
WARM = 400  # seconds for what compiles first


class HangError(BaseException):
    """More time than an input may take; no Exception, so that nothing swallows it."""


@contextmanager
def bounded(seconds: int) -> Iterator[None]:
    """Stop a block that takes too long or, where the system tells what a process has, a gigabyte more than that."""

    def stop(*_):
        raise HangError(f"over {seconds} s")

    before, (soft, hard) = signal.signal(signal.SIGALRM, stop), resource.getrlimit(resource.RLIMIT_AS)
    pages = Path("/proc/self/statm")
    if pages.exists():
        size = int(pages.read_text().split()[0]) * resource.getpagesize() + BYTES
        resource.setrlimit(resource.RLIMIT_AS, (size if hard < 0 else min(size, hard), hard))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def kept(work: Callable[[], object]) -> object | None:
    """What `work` gives, or None where it refuses its input in good lines; everything else is an error.

    An input that takes too long is given once more: the first time a kernel may have been compiled.
    """
    for seconds in (SECONDS, WARM, SECONDS):
        try:
            with bounded(seconds):
                return work()
        except AccelsimError as error:
            good_lines(str(error))
            return None
        except HangError:
            if seconds == WARM:
                raise
    raise HangError(f"over {SECONDS} s, and nothing to compile")


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
