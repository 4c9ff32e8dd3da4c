"""Bars on a terminal, nothing elsewhere."""

from __future__ import annotations

import io
import time

from accelsim import compiling
from accelsim.report import progress as module


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_kernels_are_shown_while_they_are_compiled(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(module, "AFTER", 0.01)
    monkeypatch.setattr(compiling, "_state", compiling._State())
    with module.progress() as step:
        step(1, 8, "CONV2")
        compiling.begin("sweep.advance", 40, None)
        time.sleep(0.4)
        shown = terminal.getvalue()
        compiling.end()
    assert "CONV2 (2 of 8)" in shown
    assert "compiling sweep.advance, 0 done of at most 40" in shown


def test_nothing_in_a_pipe(capsys):
    with module.progress() as step:
        step(1, 8, "CONV2")
    assert capsys.readouterr().err == ""
