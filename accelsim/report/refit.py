"""A picture that has a width of its own, such as one of a sweep, made as wide as a column, a page or a slide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from accelsim.report.framing import Size, furnish
from accelsim.report.letters import letters_missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN = 8.0
"""Points of a letter for which such a picture is drawn."""


@letters_missing()
def refit(axes: Axes, size: Size) -> Axes:
    """Put its title and legend above it, what stands beside it below, in letters of the size.

    What is written on the data and would lie on something else is left out: numbers in the cells of a map all
    together, for their colours say the same, of other words those that come later.
    """
    figure: Any = axes.figure
    high = figure.get_size_inches()[1] * size.text / DRAWN
    figure.exact = True
    figure.set_dpi(size.dots)
    title = axes.get_title("left").split("\n")
    axes.set_title("", loc="left")
    handles = _handles(axes)
    notes = _beside(axes)
    for text in (*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label):
        text.set_fontsize(size.text)
    axes.tick_params(which="both", labelsize=size.text)
    for label in axes.get_xticklabels():
        if label.get_rotation():  # slanted ones would need more room than there is
            label.set(rotation=90, ha="center", rotation_mode="default")
    if axes.images:
        most = math.exp(float(axes.images[0].get_clim()[1] or 0.0))  # colours are logarithms of ratios
        notes.append(f"lightest: the best; darkest: {most:.3g} times that, or more")
    furnish(axes, size, title, handles, "; ".join(notes), min(max(high, 1.4), 1.3 * size.height))
    if _thinned(axes) and axes.images:
        for text in axes.texts:
            text.set_visible(False)
    return axes


def _handles(axes: Axes) -> list[Any]:
    """What the legend explains; it goes."""
    legend = axes.get_legend()
    if legend is None:
        return []
    found = list(zip(legend.legend_handles, (text.get_text() for text in legend.get_texts()), strict=True))
    legend.remove()
    return found


def _beside(axes: Axes) -> list[str]:
    """Lines of what stands at the right of the axes; it goes."""
    lines: list[str] = []
    for text in list(axes.texts):
        if text.get_transform() == axes.transAxes and text.get_position()[0] > 1:
            lines += [line for line in text.get_text().split("\n") if line]
            text.remove()
    return lines


def _thinned(axes: Axes) -> bool:
    """Hide words on the data that lie on earlier ones; gives whether there were such."""
    figure: Any = axes.figure
    figure.draw_without_rendering()
    kept: list[Any] = []
    hidden = False
    for text in axes.texts:
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in kept):
            text.set_visible(False)
            hidden = True
        else:
            kept.append(box)
    return hidden
