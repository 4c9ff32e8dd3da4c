"""What a layer takes in time and power, told in microseconds from layers that were simulated once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accelsim.codesign.predict.model import Model, load
from accelsim.codesign.predict.predicted import Prediction, predict

if TYPE_CHECKING:
    from accelsim.codesign.predict.fitting import fit

__all__ = ["Model", "Prediction", "fit", "load", "predict"]


def __getattr__(name: str) -> Any:
    """`fit`, which alone needs what simulates: a model predicts without it."""
    if name == "fit":
        from accelsim.codesign.predict.fitting import fit

        return fit
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
