"""The benchmark's helper that makes an environment for each peer; nothing is installed here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "environments.py"
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
ABSENT = "2.999"


@pytest.fixture
def environments():
    spec = importlib.util.spec_from_file_location("environments", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """No Python but this one, and a folder on PATH to put others in."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    return tmp_path


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_this_python_is_found(environments, alone):
    assert environments.interpreter((ABSENT, THIS)) == sys.executable


def test_one_that_does_not_start_is_passed_over(environments, alone, monkeypatch):
    script(alone / f"python{ABSENT}", "exit 127")
    assert environments.interpreter((ABSENT,)) is None
    good = alone / "pyenv" / "versions" / f"{ABSENT}.1" / "bin" / f"python{ABSENT}"
    script(good, f"echo {ABSENT}")
    monkeypatch.setenv("PYENV_ROOT", str(alone / "pyenv"))
    assert environments.interpreter((ABSENT,)) == str(good)


def test_one_of_another_version_is_passed_over(environments, alone):
    script(alone / f"python{ABSENT}", "echo 3.0")
    assert environments.interpreter((ABSENT,)) is None


def test_pyenv_says_where_it_is(environments, alone):
    good = alone / "root" / "versions" / f"{ABSENT}.0" / "bin" / f"python{ABSENT}"
    script(good, f"echo {ABSENT}")
    script(alone / "pyenv", f"echo {alone / 'root'}")
    assert environments.interpreter((ABSENT,)) == str(good)


@pytest.fixture
def peer(environments, monkeypatch, tmp_path):
    """One that is there already, and a place for its script."""
    found = environments.Peer("one", ("one==1",), (ABSENT,))
    python = tmp_path / "venvs" / "one" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (tmp_path / "venvs" / "one" / "ready").write_text("one==1")
    (tmp_path / "peers").mkdir()
    monkeypatch.setattr(environments, "HERE", tmp_path)
    return found


def test_a_task_is_answered(peer, tmp_path):
    code = "import json, sys\nprint(json.dumps({'twice': 2 * json.loads(sys.argv[1])['number']}))\n"
    (tmp_path / "peers" / "one_run.py").write_text(code)
    assert peer.run(tmp_path / "venvs", {"number": 4}) == {"twice": 8}


def test_the_reason_is_the_last_line(environments, peer, tmp_path):
    (tmp_path / "peers" / "one_run.py").write_text("raise ValueError('no such layer')\n")
    with pytest.raises(environments.UnavailableError, match=r"^one==1 does not run: ValueError: no such layer$"):
        peer.run(tmp_path / "venvs", {})


def test_other_packages_ask_for_another_environment(environments, peer, alone):
    newer = environments.Peer("one", ("one==2",), (ABSENT,))
    with pytest.raises(environments.UnavailableError, match=f"^one==2 needs Python {ABSENT}; none found$"):
        newer.run(alone / "venvs", {})
    assert (alone / "venvs" / "one" / "ready").read_text() == "one==1"
