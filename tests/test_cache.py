"""Where things are kept: what the environment says, and what is done when that cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from accelsim import cache


@pytest.fixture(autouse=True)
def forget():
    for function in (cache.writable, cache._temporary, cache.tell_once):
        function.cache_clear()
    yield
    for function in (cache.writable, cache._temporary, cache.tell_once):
        function.cache_clear()


@pytest.fixture
def said(monkeypatch, capsys):
    monkeypatch.setenv(cache.QUIET, "0")
    return lambda: capsys.readouterr().err.splitlines()


def test_the_environment_says_where(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv(cache.CHOSEN, raising=False)
    assert cache.wanted() == tmp_path / "home" / ".cache" / "accelsim"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.wanted() == tmp_path / "home" / ".cache" / "accelsim"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.wanted() == tmp_path / "xdg" / "accelsim"
    monkeypatch.setenv(cache.CHOSEN, str(tmp_path / "chosen"))
    assert cache.wanted() == tmp_path / "chosen" / "accelsim"
    monkeypatch.setenv(cache.CHOSEN, "~/mine")
    assert cache.wanted() == tmp_path / "home" / "mine" / "accelsim"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(cache.CHOSEN, "here")
    assert cache.wanted() == tmp_path / "here" / "accelsim"
    assert not (tmp_path / "here").exists()


def test_a_user_without_a_home(monkeypatch, tmp_path, said):
    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv(cache.CHOSEN, raising=False)
    monkeypatch.setattr(Path, "home", none)
    monkeypatch.setattr(Path, "expanduser", lambda path: none())
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    assert cache.wanted() is None
    place = cache.writable()
    assert place == tmp_path / f"accelsim-{os.geteuid()}"
    assert said() == [
        f"accelsim: no cache: no home directory; {place} is used instead (set ACCELSIM_CACHE_DIR to keep it)"
    ]
    assert cache.writable() == place
    assert said() == []


@pytest.mark.parametrize("trap", ["open to others", "link", "file"])
def test_a_temporary_place_of_others_is_not_trusted(monkeypatch, tmp_path, said, trap):
    (tmp_path / "file").touch()
    monkeypatch.setenv(cache.CHOSEN, str(tmp_path / "file"))
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path))
    place = tmp_path / f"accelsim-{os.geteuid()}"
    if trap == "file":
        place.touch()
    elif trap == "link":
        (tmp_path / "theirs").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "theirs")
    else:
        place.mkdir()
        place.chmod(0o777)
    found = cache.writable()
    assert found != place
    assert found.parent == tmp_path
    assert found.stat().st_mode & 0o777 == 0o700
    assert len(said()) == 1


def test_paths_are_shown_with_the_home_as_a_tilde(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert cache.shown(Path("/home/me/.cache/accelsim")) == "~/.cache/accelsim"
    assert cache.shown(Path("/elsewhere")) == "/elsewhere"
    monkeypatch.setenv("HOME", "/")
    assert cache.shown(Path("/tmp/place")) == "/tmp/place"


def test_quiet_says_nothing(monkeypatch, capsys):
    monkeypatch.setenv(cache.QUIET, "1")
    cache.tell("a line")
    assert capsys.readouterr().err == ""
    monkeypatch.setenv(cache.QUIET, "0")
    cache.tell_once("a line")
    cache.tell_once("a line")
    assert capsys.readouterr().err == "accelsim: a line\n"


def test_nobody_to_tell(monkeypatch):
    monkeypatch.setenv(cache.QUIET, "")
    monkeypatch.setattr(sys, "stderr", None)
    cache.tell("a line")


def test_matplotlib_has_a_place_too(tmp_path):
    """Without a home it would say so in two lines and look for the system's fonts again each time."""
    (tmp_path / "file").touch()
    code = "from accelsim.report import plot; plot.new_axes(2); import matplotlib; print(matplotlib.get_configdir())"
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH")}
    environment = kept | {"HOME": str(tmp_path / "file"), "ACCELSIM_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == str(tmp_path / "cache" / "accelsim" / "matplotlib")
    assert "writable" not in done.stderr


def test_matplotlib_keeps_the_place_it_has(monkeypatch, tmp_path):
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache.prepare_matplotlib()
    assert "MPLCONFIGDIR" not in os.environ
