"""Peers from the package index, each in a virtual environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROBE = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
LIMIT = 900
"""Seconds a peer may take for one task, or to be installed."""
ONE_CORE = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class UnavailableError(Exception):
    """A peer cannot be installed or run here."""


@dataclass(frozen=True)
class Peer:
    """What to install, and the Pythons it runs on, the first choice first.

    Its folder is called `name`, and `peers/<name>_run.py` runs in it: a JSON object as its argument, one as its output.
    """

    name: str
    packages: tuple[str, ...]
    pythons: tuple[str, ...]

    def run(self, venvs: Path, task: dict[str, Any]) -> dict[str, Any]:
        """The answer to a task."""
        python = self.environment(venvs)
        # isolated: neither PYTHONPATH nor packages of the user
        done = _call(python, "-I", HERE / "peers" / f"{self.name}_run.py", json.dumps(task))
        if done.returncode:
            raise UnavailableError(f"{self.packages[0]} does not run: {_last(done.stderr)}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def environment(self, venvs: Path) -> Path:
        """The Python of the environment; made where it is missing or has other packages."""
        folder = venvs / self.name
        made = " ".join(self.packages)
        ready = folder / "ready"
        if not ready.exists() or ready.read_text() != made:
            self._make(folder, made)
        return folder / "bin" / "python"

    def _make(self, folder: Path, made: str) -> None:
        """Made beside, then moved: nobody meets half an environment."""
        base = interpreter(self.pythons)
        if base is None:
            raise UnavailableError(f"{self.packages[0]} needs Python {' or '.join(self.pythons)}; none found")
        print(f"installing {made} into {folder}", file=sys.stderr)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{self.name}-", dir=folder.parent) as beside:
            new = Path(beside) / "new"
            quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
            for command in (
                (base, "-I", "-m", "venv", new),
                (new / "bin" / "python", "-I", "-m", "pip", "install", *quiet, *self.packages),
            ):
                done = _call(*command)
                if done.returncode:
                    raise UnavailableError(f"{self.packages[0]} cannot be installed: {_last(done.stderr)}")
            (new / "ready").write_text(made)
            if folder.exists():
                folder.rename(Path(beside) / "old")
            new.rename(folder)


def interpreter(versions: tuple[str, ...]) -> str | None:
    """A Python of one of these versions that starts and can make environments."""
    for version in versions:
        for path in candidates(version):
            if probe(path) == version:
                return path
    return None


def candidates(version: str) -> Iterator[str]:
    """This Python, those on PATH, those of pyenv."""
    yield sys.executable
    for folder in os.get_exec_path():
        if found := shutil.which(f"python{version}", path=folder):
            yield found
    if root := _pyenv():
        for path in sorted(root.glob(f"versions/{version}*/bin/python{version}")):
            yield str(path)


def probe(path: str) -> str:
    """The version a Python says it has; nothing where it does not start, as a shim of pyenv may not."""
    try:
        done = subprocess.run([path, "-I", "-c", PROBE], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()


def _pyenv() -> Path | None:
    if root := os.environ.get("PYENV_ROOT"):
        return Path(root)
    if pyenv := shutil.which("pyenv"):
        done = subprocess.run([pyenv, "root"], capture_output=True, text=True, timeout=30, check=False)
        if not done.returncode:
            return Path(done.stdout.strip())
    return None


def _call(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run on one core for a limited time; one that takes longer has failed."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT, env={**os.environ, **ONE_CORE}, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"more than {LIMIT} s")


def _last(text: str) -> str:
    """The last line that says something; pip marks its own."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason given"]
    return next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
