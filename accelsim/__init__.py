"""accelsim: a cycle-level simulator of DNN accelerators."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from accelsim.version import __version__

if TYPE_CHECKING:
    from accelsim.architecture.model import Architecture
    from accelsim.architecture.yaml import load_architecture
    from accelsim.energy.load import load_table
    from accelsim.energy.table import EnergyTable
    from accelsim.errors import AccelsimError
    from accelsim.mapping.mapping import LoopNest
    from accelsim.mapping.yaml import load_mappings
    from accelsim.onnx.torch import from_torch
    from accelsim.outcome import LayerResult
    from accelsim.outputs import check_outputs
    from accelsim.result import Comparison, Result
    from accelsim.serving.door import serve
    from accelsim.serving.served import Served
    from accelsim.simulate import compare, rerun, simulate
    from accelsim.sweep import sweep
    from accelsim.sweep.swept import Sweep
    from accelsim.workload.network import Network
    from accelsim.workload.yaml import load_network

__all__ = [
    "AccelsimError",
    "Architecture",
    "Comparison",
    "EnergyTable",
    "LayerResult",
    "LoopNest",
    "Network",
    "Result",
    "Served",
    "Sweep",
    "__version__",
    "check_outputs",
    "compare",
    "from_torch",
    "load_architecture",
    "load_mappings",
    "load_network",
    "load_table",
    "rerun",
    "serve",
    "simulate",
    "sweep",
]

_HOMES = {
    "AccelsimError": "errors",
    "Architecture": "architecture.model",
    "Comparison": "result",
    "EnergyTable": "energy.table",
    "LayerResult": "outcome",
    "LoopNest": "mapping.mapping",
    "Network": "workload.network",
    "Result": "result",
    "check_outputs": "outputs",
    "compare": "simulate",
    "from_torch": "onnx.torch",
    "load_architecture": "architecture.yaml",
    "load_mappings": "mapping.yaml",
    "load_network": "workload.yaml",
    "load_table": "energy.load",
    "rerun": "simulate",
    "Served": "serving.served",
    "serve": "serving.door",
    "Sweep": "sweep.swept",
    "simulate": "simulate",
    "sweep": "sweep",
}


def __getattr__(name: str) -> Any:
    # numba and the models load only when they are asked for: `accelsim --help` must answer at once
    if name in _HOMES:
        return getattr(import_module(f"accelsim.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'accelsim' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """`accelsim.simulate` and `accelsim.sweep` stay functions when the modules of those names are loaded."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep what an import binds here, but for the modules `simulate` and `sweep`: their functions."""
        if name in ("simulate", "sweep") and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
