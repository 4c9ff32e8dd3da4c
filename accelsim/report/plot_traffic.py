"""Words that each level moves of each tensor: filled, read, updated and drained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelsim.engine.counts import ACTIONS
from accelsim.outcome import Outcome
from accelsim.report.framing import PLAIN, Size, furnish, patches, size_of, sized_axes, thin_hatches
from accelsim.report.palette import PAINT, look
from accelsim.report.plot_bars import LINE_OF_BAR, THIN, Row
from accelsim.report.plot_result import headline, require_layers
from accelsim.report.text import many, number, shown
from accelsim.workload.problem import TENSORS, Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP = 0.45
"""Between levels, in bars."""
WIDE = 12
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
    """A bar for each level and tensor, on a logarithmic axis, its words behind it."""
    data = traffic_data(result)
    size = size_of(width)
    axes = sized_axes(size) if ax is None else ax
    _draw(data, axes, size)
    entries = patches([(tensor.value, (PAINT[tensor], "")) for tensor in TENSORS])
    if ax is None:
        bars = len(data.levels) * (len(TENSORS) + GAP)
        furnish(axes, size, data.title, entries, data.caption, (LINE_OF_BAR * bars + 3.6) * size.text / 72)
    else:
        axes.set_title("\n".join(data.title), loc="left", fontsize=size.text, **PLAIN)
        handles, names = zip(*entries, strict=True)
        axes.legend(handles, names, loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=size.text)
    return axes


def traffic_data(result: Outcome) -> Traffic:
    """Data of `traffic`. Raises AccelsimError for a result of which no layer has MACs."""
    require_layers(result)
    words: dict[tuple[str, Tensor], dict[str, int]] = {}
    levels = tuple(level.name for level in result.architecture.levels)
    for level in levels:
        for tensor in TENSORS:
            for action in ACTIONS:
                moved = sum(int(layer.counts(level, tensor, action)) * layer.repeat for layer in result.layers)
                words.setdefault((level, tensor), {})[action] = moved
    where = headline(result)
    counted = "filled, read, updated and drained"
    told = f"words {counted}, {many(len(result.layers), 'layer')}, every run"
    caption = "- : keeps none of it; each word counts at every level, whatever its bits"
    return Traffic((where, told), caption, levels, words)


def _draw(data: Traffic, axes: Axes, size: Size) -> None:
    sums = {at: sum(actions.values()) for at, actions in data.words.items()}
    least = min((words for words in sums.values() if words), default=1)
    most = max((*sums.values(), 1))
    low, high = 10.0 ** (len(str(least)) - 1) / 2, float(most)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    pitch = len(TENSORS) + GAP
    for index, level in enumerate(data.levels):
        for at, tensor in enumerate(TENSORS):
            place, words = index * pitch + at, sums[level, tensor]
            if words:
                with thin_hatches():
                    axes.barh(place, words - low, THIN, low, **look((PAINT[tensor], "")))
            axes.annotate(
                number(words) if words else "-", (max(words, low), place), (0.4 * size.text, 0),
                textcoords="offset points", va="center", fontsize=size.text, annotation_clip=False,
            )  # fmt: skip
    # room behind the longest bar for its words
    letters = max(len(number(words)) for words in sums.values()) + 1
    share = letters * 0.62 * size.text / (0.75 * size.inner)
    axes.set_xlim(low, high * (high / low) ** (share / max(1 - share, 0.2)))
    axes.set_ylim((len(data.levels) - 1) * pitch + len(TENSORS) - 0.4, -0.6)
    places = [index * pitch + (len(TENSORS) - 1) / 2 for index in range(len(data.levels))]
    axes.set_yticks(places, [shown(name, WIDE) for name in data.levels], fontsize=size.text, **PLAIN)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", which="both", labelsize=size.text)
    axes.minorticks_off()
    axes.set_xlabel("words (logarithmic)", fontsize=size.text, x=1.0, ha="right")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", lw=0.5)
    axes.set_axisbelow(True)
