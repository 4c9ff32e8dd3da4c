"""accelsim: a cycle-level simulator of DNN accelerators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["__version__", "compare", "simulate"]

if TYPE_CHECKING:
    from accelsim.simulate import compare, simulate


def __getattr__(name: str) -> Any:
    # numba and the models load only when they are asked for: `accelsim --help` must answer at once
    if name in ("compare", "simulate"):
        from accelsim import simulate as module

        return getattr(module, name)
    raise AttributeError(f"module 'accelsim' has no attribute '{name}'")
