"""accelsim: a cycle-level simulator of DNN accelerators."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["__version__", "compare", "simulate"]

if TYPE_CHECKING:
    from accelsim.simulate import compare, simulate


def __getattr__(name: str) -> Any:
    # numba and the models load only when they are asked for: `accelsim --help` must answer at once
    if name in ("compare", "simulate"):
        return getattr(import_module("accelsim.simulate"), name)
    raise AttributeError(f"module 'accelsim' has no attribute '{name}'")


class _Package(ModuleType):
    """`accelsim.simulate` stays the function when the module of that name is loaded."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep what an import binds here, but for the module `simulate`: its function."""
        if name == "simulate" and isinstance(value, ModuleType):
            value = value.simulate
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
