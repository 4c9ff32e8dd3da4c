"""Numba kernels: free functions over arrays; no object, string or exception of ours crosses this line.

numba keys its on-disk cache by one file at a time and serves stale machine code when a jitted callee in another file
changed (numba issue 1833). So the cache lies in a directory named after a hash of all kernel sources.
"""

from __future__ import annotations

import hashlib
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numba

MODULES = (
    "tiles",
    "steps",
    "formats",
    "closed",
    "versions",
    "sweep",
    "bodies",
    "state",
    "window",
    "replay",
    "search",
    "functional",
    "cartesian",
    "zeros",
    "moved",
    "dram",
    "links",
)


def cache_directory() -> Path:
    """Where the compiled kernels of exactly these sources are kept (``ACCELSIM_CACHE_DIR`` moves it)."""
    here = Path(__file__).parent
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(here.glob("*.py")):
        digest.update(source.read_bytes())
    home = os.environ.get("ACCELSIM_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "accelsim" / "kernels" / digest.hexdigest()[:16]


def _load() -> None:
    config: Any = numba.config
    before = config.CACHE_DIR
    directory = cache_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        config.CACHE_DIR = str(directory)
    except OSError:
        pass  # nowhere to write: numba falls back to its own place, or compiles anew
    try:
        for module in MODULES:
            import_module(f"{__name__}.{module}")
    finally:
        config.CACHE_DIR = before


_load()
