"""Words that each level moves of each tensor: filled, read, updated and drained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from accelsim.engine.counts import ACTIONS
from accelsim.outcome import Outcome
from accelsim.report.framing import PLAIN, Size, beside, furnish, patches, size_of, sized_axes, thin_hatches
from accelsim.report.palette import PAINT, look
from accelsim.report.plot_bars import LINE_OF_BAR, THIN, Row, broken
from accelsim.report.plot_result import headline, require_layers
from accelsim.report.text import many, number, shown
from accelsim.workload.problem import TENSORS, Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP = 0.45
"""Between levels, in bars."""
AXIS = "words (logarithmic)"
WIDE = 14
"""Letters of a level's name."""


@dataclass(frozen=True)
class Traffic:
    """What is drawn. words : (level, tensor) -> action -> words of all layers, every run; outermost level first.

    title, caption : what stands above and below.
    """

    title: tuple[str, ...]
    caption: str
    levels: tuple[str, ...]
    words: Mapping[tuple[str, Tensor], Mapping[str, int]]

    def rows(self) -> list[Row]:
        """Tidy rows for any tool: level, tensor, action, words."""
        return [
            {"level": level, "tensor": tensor.value, "action": action, "words": words}
            for (level, tensor), actions in self.words.items()
            for action, words in actions.items()
        ]


def traffic(result: Outcome, ax: Axes | None = None, width: str | None = None) -> Axes:
    """A bar for each level and tensor, on a logarithmic axis, its words at its end."""
    data = traffic_data(result)
    size = size_of(width)
    axes = sized_axes(size) if ax is None else ax
    (_lying if size.flat else _standing)(data, axes, size)
    entries = patches([(tensor.value, (PAINT[tensor], "")) for tensor in TENSORS])
    if ax is None:
        lines = LINE_OF_BAR * len(data.levels) * (len(TENSORS) + GAP) + 3.6
        furnish(axes, size, data.title, entries, data.caption, lines * size.text / 72 if size.flat else None)
    else:
        beside(axes, size, data.title, entries)
    return axes


def traffic_data(result: Outcome) -> Traffic:
    """Data of `traffic`. Raises AccelsimError for a result of which no layer has MACs."""
    require_layers(result)
    words: dict[tuple[str, Tensor], dict[str, int]] = {}
    levels = tuple(level.name for level in result.architecture.levels)
    for level in levels:
        for tensor in TENSORS:
            for action in ACTIONS:
                moved = sum(int(layer.counts(level, tensor, action)) * layer.repeat for layer in result.multiplied)
                words.setdefault((level, tensor), {})[action] = moved
    where = headline(result)
    what = "layer or group" if result.groups else "layer"
    counted = "filled, read, updated and drained"
    told = f"words {counted}, {many(len(result.multiplied), what)}, every run"
    caption = "- : keeps none of it; each word counts at every level, whatever its bits"
    return Traffic((where, told), caption, levels, words)


def _lying(data: Traffic, axes: Axes, size: Size) -> None:
    """Levels from the top down, a line for each tensor."""
    low, high = _span(data)
    for place, tensor, words in _places(data):
        if words:
            with thin_hatches():
                axes.barh(place, words - low, THIN, low, **look((PAINT[tensor], "")))
        axes.annotate(
            number(words) if words else "-", (max(words, low), place), (0.4 * size.text, 0),
            textcoords="offset points", va="center", fontsize=size.text, annotation_clip=False,
        )  # fmt: skip
    letters = max(len(number(words)) for _, _, words in _places(data)) + 1
    axes.set_xscale("log")
    axes.set_xlim(low, _room(low, high, letters * 0.62 * size.text / (0.75 * size.inner)))
    axes.set_ylim(_end(data) - 0.4, -0.6)
    axes.set_yticks(_middles(data), [shown(name, WIDE) for name in data.levels], fontsize=size.text, **PLAIN)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(AXIS, fontsize=size.text, x=1.0, ha="right")
    _finish(axes, "x", size)


def _standing(data: Traffic, axes: Axes, size: Size) -> None:
    """Levels from left to right, a column for each tensor."""
    low, high = _span(data)
    for place, tensor, words in _places(data):
        if words:
            with thin_hatches():
                axes.bar(place, words - low, THIN, low, **look((PAINT[tensor], "")))
        axes.annotate(
            short(words) if words else "-", (place, max(words, low)), (0, 0.4 * size.text), rotation=90 if words else 0,
            textcoords="offset points", ha="center", va="bottom", fontsize=size.text, annotation_clip=False,
        )  # fmt: skip
    letters = max(len(short(words)) for _, _, words in _places(data)) + 1
    axes.set_yscale("log")
    axes.set_ylim(low, _room(low, high, letters * 0.62 * size.text / (0.75 * 72 * size.height)))
    axes.set_xlim(-0.6, _end(data) - 0.4)
    each = 0.95 * size.inner / len(data.levels) - size.text
    axes.set_xticks(
        _middles(data), ["\n".join(broken(name, each, size.text, 2)) for name in data.levels],
        fontsize=size.text, **PLAIN,
    )  # fmt: skip
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(AXIS, fontsize=size.text)
    _finish(axes, "y", size)


def short(words: int) -> str:
    """Three digits and a power of a thousand: ``742 M``."""
    for scale, name in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if words >= scale:
            return f"{words / scale:.3g}{name}"
    return str(words)


def _places(data: Traffic) -> Iterator[tuple[float, Tensor, int]]:
    """(place, tensor, words) of every bar, levels with a gap between."""
    for index, level in enumerate(data.levels):
        for at, tensor in enumerate(TENSORS):
            yield index * (len(TENSORS) + GAP) + at, tensor, sum(data.words[level, tensor].values())


def _middles(data: Traffic) -> list[float]:
    return [index * (len(TENSORS) + GAP) + (len(TENSORS) - 1) / 2 for index in range(len(data.levels))]


def _end(data: Traffic) -> float:
    return (len(data.levels) - 1) * (len(TENSORS) + GAP) + len(TENSORS)


def _span(data: Traffic) -> tuple[float, float]:
    """Where bars begin, half a power of ten below the shortest or less, and the end of the longest."""
    known = [words for _, _, words in _places(data) if words]
    return 10.0 ** (len(str(min(known, default=1))) - 1) / 2, float(max(known, default=1))


def _room(low: float, high: float, share: float) -> float:
    """The end of an axis of which a share is free behind the longest bar."""
    return float(low * max(high / low, 10.0) ** (1 / max(1 - share, 0.2)))


def _finish(axes: Axes, axis: Literal["x", "y"], size: Size) -> None:
    axes.minorticks_off()
    axes.tick_params(axis=axis, labelsize=size.text)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=axis, color="#dddddd", lw=0.5)
    axes.set_axisbelow(True)
