"""Figures that belong to no window, are saved whole and show themselves in a notebook."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from accelsim.report.letters import letters_missing

METADATA: dict[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
DPI = 150


class ShownFigure(Figure):
    """A figure that a notebook shows. exact : it is saved as wide as it is, not as what is drawn on it."""

    exact = False

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        write(self, picture, "png")
        return picture.getvalue()


class ShownAxes(Axes):
    """Axes that a notebook shows as their figure."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        assert self.figure is not None
        write(self.figure, picture, "png")
        return picture.getvalue()


def new_axes(width: float, height: float) -> Axes:
    """Axes of a figure of its own, in inches; its layout makes room for names and legends, however it is saved."""
    figure = ShownFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot(axes_class=ShownAxes)


def save(axes: Axes, path: str) -> None:
    """Write a picture; the ending says the format (png, svg or pdf). Whole or not at all, the same bytes each time."""
    from accelsim.report.files import replacing

    with replacing(path) as temporary:
        write(axes.figure, temporary, path.rpartition(".")[2])


def write(figure: Any, where: Any, kind: str) -> None:
    """Write a figure into a file or a stream."""
    from matplotlib import rc_context

    exact = getattr(figure, "exact", False)
    size: dict[str, Any] = {"dpi": figure.dpi} if exact else {"dpi": DPI, "bbox_inches": "tight"}
    # names inside an SVG are random unless salted; its letters stay letters, which can be searched and edited
    with rc_context({"svg.hashsalt": "accelsim", "svg.fonttype": "none"}), letters_missing():
        figure.savefig(where, format=kind, metadata=METADATA[kind], **size)
