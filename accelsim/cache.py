"""Where what is made once is kept between runs, and what a person is told of it (docs/install.md).

Nothing here may stop a run: a place that cannot be written is replaced by a temporary one, with one line on stderr.
"""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import sys
import tempfile
from functools import cache
from pathlib import Path

CHOSEN = "ACCELSIM_CACHE_DIR"
QUIET = "ACCELSIM_QUIET"


def tell(line: str) -> None:
    """One plain line on stderr, unless ``ACCELSIM_QUIET`` is set to something other than 0."""
    if os.environ.get(QUIET, "0") in ("", "0"):
        try:
            sys.stderr.write(f"accelsim: {line}\n")
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            return  # closed, full or absent: there is nobody to tell


@cache
def tell_once(line: str) -> None:
    """The same, but a line that was told already is not told again."""
    tell(line)


def wanted() -> Path | None:
    """The directory of all that is kept; None where neither it nor a home is known. It need not exist."""
    chosen = os.environ.get(CHOSEN)
    if not chosen:
        # the XDG base directory specification: a relative path there is to be ignored
        given = os.environ.get("XDG_CACHE_HOME", "")
        chosen = given if Path(given).is_absolute() else "~/.cache"
    try:
        return Path(chosen).expanduser().absolute() / "accelsim"
    except (RuntimeError, OSError):  # no home; no working directory
        return None


@cache
def writable() -> Path | None:
    """The directory to write to: `wanted` if that can be, else a temporary one; None if there is none either."""
    place = wanted()
    reason = refusal(place) if place else "no home directory"
    if not reason:
        return place
    instead = _temporary()
    where = f"{shown(instead)} is used instead" if instead else "nothing is kept"
    tell(f"{f'cannot write to {shown(place)}' if place else 'no cache'}: {reason}; {where} (set {CHOSEN} to keep it)")
    return instead


def refusal(folder: Path) -> str:
    """Why a directory cannot be made or written to; empty if it can (it is then there)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


@cache
def _temporary() -> Path | None:
    """A directory that is this user's alone, for what is read from it is run: of all runs if that can be."""
    try:
        if hasattr(os, "geteuid"):
            place = Path(tempfile.gettempdir()) / f"accelsim-{os.geteuid()}"
            if _is_mine(place):
                return place
        place = Path(tempfile.mkdtemp(prefix="accelsim-"))
    except OSError:
        return None
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def _is_mine(place: Path) -> bool:
    """Whether a directory is there, after making it if it was not, that nobody else can write to or put there."""
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
    except OSError:
        return False
    alone = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077 and found.st_uid == os.geteuid()
    return alone and not refusal(place)


def shown(path: Path | None) -> str:
    """A path as a person writes it, with ~ for the home directory."""
    try:
        home = Path.home()
        if path and home != Path(home.anchor):
            return f"~/{path.relative_to(home).as_posix()}"
    except (RuntimeError, ValueError):
        pass
    return str(path or "")


def prepare_matplotlib() -> None:
    """Give matplotlib a place for its fonts and settings where it would find none (call before importing it)."""
    name = "MPLCONFIGDIR"
    if os.environ.get(name) or not sys.platform.startswith("linux"):
        return
    try:
        folders = [
            Path(os.environ.get(variable) or Path.home() / default) / "matplotlib"
            for variable, default in (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache"))
        ]
        fine = not any(map(refusal, folders))
    except RuntimeError:
        fine = False
    place = None if fine else writable()
    if place and not refusal(place / "matplotlib"):
        os.environ[name] = str(place / "matplotlib")
