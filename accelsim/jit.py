"""The `njit` of every kernel: numba's, with a cache that follows from the sources of all kernels and nothing else.

numba's own cache looks at one file at a time, and so serves stale machine code when a callee in another file changed
(numba issue 1833); it also asks for the path of the file, and keeps one index for all types of a function, which two
processes spoil for each other. Here a directory is named by a hash of all sources of this package and of the versions
that compile them, and each compiled kernel is a file of its own, with a checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import shutil
import sys
import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba import types
from numba.core.compiler import CompileResult
from numba.core.environment import Environment, _rebuild_env, lookup_environment
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps

import accelsim.cache as places
from accelsim import compiling, linking
from accelsim.linking import is_linked_only, link

UNUSED_AFTER = 30 * 24 * 3600
"""Seconds after which kernels of other sources are removed."""
DIGEST = hashlib.sha256().digest_size

_known: set[str] = set()


def njit(function: Callable[..., Any] | None = None, *, cache: bool = True, **options: Any) -> Any:
    """`numba.njit`, used as it is; what is compiled is kept in the cache of all kernels."""

    def wrap(function: Callable[..., Any]) -> Any:
        kernel = numba.njit(**options)(function)
        name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"
        if hasattr(kernel, "get_call_template"):
            link(kernel)
            _take_constants_as_numbers(kernel)
        # a closure holds values that no source tells; with NUMBA_DISABLE_JIT there is nothing to keep
        if cache and hasattr(kernel, "_cache") and not function.__closure__:
            kernel._cache = Kept(name)
            if options.get("inline", "never") == "never":
                _known.add(name)
        return kernel

    return wrap if function is None else wrap(function)


def part(function: Callable[..., Any]) -> Any:
    """A part of a kernel under a name of its own: inlined where it is called, so a record costs nothing to pass.

    It allocates nothing and returns no array: without reference counts there is nothing to count for every record.
    """
    return njit(function, forceinline=True, _nrt=False)


def _take_constants_as_numbers(kernel: Any) -> None:
    """Let `f(x, 1)` and `f(x, y)` in another kernel be the same `f`: numba compiles one more for each constant."""
    resolve = kernel.get_call_template

    def get_call_template(arguments: Any, named: Any) -> Any:
        plain = tuple(map(types.unliteral, arguments))
        return resolve(plain, {name: types.unliteral(argument) for name, argument in named.items()})

    kernel.get_call_template = get_call_template


@cache
def digest() -> str:
    """Names everything that compiled code depends on but the types of the arguments and the CPU."""
    here = Path(__file__).parent
    versions = (sys.implementation.cache_tag, numba.__version__, llvmlite.__version__, np.__version__)
    found = hashlib.sha256(repr(versions).encode())
    for source in sorted({Path(__file__), Path(linking.__file__), *here.glob("**/kernels/*.py")}):
        text = source.read_bytes()
        found.update(f"{source.relative_to(here).as_posix()} {len(text)}\n".encode() + text)
    return found.hexdigest()[:16]


def folder(place: Path | None) -> Path | None:
    """Where kernels of these sources lie in a place for all that is kept."""
    return place / "kernels" / digest() if place else None


class _Unpickler(pickle.Unpickler):
    """Reads a compiled kernel back without the modules of numba that it was compiled with."""

    def find_class(self, module: str, name: str) -> Any:
        """As it is, but for what makes environments."""
        found = super().find_class(module, name)
        return _environment if found is _rebuild_env else found


def _environment(module: str, constants: list[Any], name: str) -> Any:
    """What compiled code keeps beside it, as numba makes it, but of modules of numba with no more than their names.

    Only code that handles Python objects looks for globals there; modules that compile code are slow to import.
    """
    if module in sys.modules or not module.startswith("numba."):
        return _rebuild_env(module, constants, name)
    found = lookup_environment(name)
    if found is None:
        found = Environment({"__name__": module})
        found.consts[:] = constants
        found.env_name = name
        Environment._memo[name] = found
    return found


class Kept:
    """Compiled code of one kernel, one file for each combination of argument types and CPU.

    Takes the place of numba's `FunctionCache`, of which it has all methods. Whatever goes wrong here is told in one
    line and the kernel is compiled: a cache never stops a run.
    """

    saving = True
    """Whether writing has worked so far, for all kernels of this process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.enabled = True

    @property
    def cache_path(self) -> str:
        """What numba shows as ``kernel.stats.cache_path``."""
        return str(folder(places.wanted()))

    def enable(self) -> None:
        """Read and write from now on."""
        self.enabled = True

    def disable(self) -> None:
        """Neither read nor write."""
        self.enabled = False

    def flush(self) -> None:
        """Nothing to do: what is kept cannot be out of date."""

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The compiled kernel for these argument types; None: it is not kept, and numba compiles it next."""
        key = (str(signature), *target.codegen().magic_tuple())
        rtsys.initialize(target)  # all that compiled code needs of numba
        if self.enabled:
            for find in (
                places.wanted,
                places.writable,
            ):  # kernels of an image can be read where they cannot be written
                place = folder(find())
                found = self._read(place / self._file(key), key, target) if place else None
                if found:
                    _mark_used(place)
                    return found
        target.refresh()  # what numba knows to compile: a third of a second to import
        compiling.begin(self.name, len(_known), folder(places.writable()) if self.enabled else None)
        return None

    def _read(self, file: Path, key: tuple[Any, ...], target: Any) -> Any:
        try:
            content = file.read_bytes()
        except OSError:
            return None
        try:
            checksum, data = content[:DIGEST], content[DIGEST:]
            if hashlib.sha256(data).digest() != checksum:
                raise ValueError("checksum")
            same, *reduced = _Unpickler(io.BytesIO(data)).load()
            return CompileResult._rebuild(target, *reduced) if same == key else None
        except Exception:  # what a damaged file makes unpickling and linking raise cannot be listed
            places.tell_once(f"damaged kernels in {places.shown(file.parent)} are compiled again")
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep what numba has just compiled."""
        compiling.end()
        if is_linked_only(compiled):  # its callers are kept
            return
        lifted = any(not loop.can_cache for loop in compiled.lifted)
        if not self.enabled or not Kept.saving or lifted or compiled.library.has_dynamic_globals:
            return
        place = folder(places.writable())
        if not place:
            return
        key = (str(signature), *compiled.codegen.magic_tuple())
        data = dumps((key, *compiled._reduce()))
        try:
            if not place.exists():
                place.mkdir(parents=True, exist_ok=True)
                _prune(place)
            _write(place / self._file(key), hashlib.sha256(data).digest() + data)
        except OSError as error:
            Kept.saving = False
            places.tell(f"kernels cannot be kept in {places.shown(place)}: {(error.strerror or str(error)).lower()}")

    def _file(self, key: tuple[Any, ...]) -> str:
        return f"{self.name.replace('<', '').replace('>', '')}.{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}"


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all, also beside other processes that write the same."""
    temporary = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


@cache
def _mark_used(place: Path) -> None:
    with contextlib.suppress(OSError):
        os.utime(place)


def _prune(place: Path) -> None:
    """Remove kernels of other sources that nothing has used for long."""
    for other in place.parent.iterdir():
        with contextlib.suppress(OSError):
            if other != place and other.stat().st_mtime < time.time() - UNUSED_AFTER:
                shutil.rmtree(other, ignore_errors=True)
