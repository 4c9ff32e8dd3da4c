"""How far a command is, on a terminal: layers, and kernels while they are compiled."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from accelsim import compiling

AFTER = 1.0  # seconds


@contextmanager
def progress() -> Iterator[Callable[[int, int, str], None]]:
    """Bars on stderr once a command takes longer than a second, on a terminal only.

    Gives a function to be called with (done, of, name of the next).
    """
    if not sys.stderr.isatty():
        yield lambda done, of, name: None
        return
    from threading import Timer

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    # no time remaining: neither layers nor kernels take alike
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("", total=None)
    kernels = bar.add_task("", total=None, visible=False)

    def tell(step: compiling.Step | None) -> None:
        if step is None:
            bar.update(kernels, visible=False)
            return
        text = f"compiling {step.name}, {step.done} done of at most {step.most}"
        bar.update(kernels, completed=step.done, total=step.most, description=text, visible=True)

    def show(done: int, of: int, name: str) -> None:
        bar.update(task, completed=done, total=of, description=f"{name} ({done + 1} of {of})")

    timer = Timer(AFTER, bar.start)
    timer.daemon = True
    timer.start()
    try:
        with compiling.told_by(tell):
            yield show
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
