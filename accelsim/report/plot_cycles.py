"""Where cycles go: those with MACs, and those without by cause; of each layer, or of several results side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from accelsim.outcome import Outcome
from accelsim.report.framing import size_of
from accelsim.report.groups import MOST, blocks
from accelsim.report.palette import COMPUTE, UNIT_COLOUR, Paint, of_causes
from accelsim.report.plot_bars import SHORT, Bars, draw, free
from accelsim.report.plot_result import headline, require_cycles
from accelsim.report.text import arrows, many, milliseconds, number, percent, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CAUSES = 8
"""Most causes that are told apart; the others, which take least, are one."""
REST = "other stalls"
SCALES = ((1e9, "10⁹ "), (1e6, "10⁶ "), (1e3, "10³ "))
Cycles = dict[str, float]


def cycles(result: Outcome, ax: Axes | None = None, width: str | None = None) -> Axes:
    """Core cycles of each layer, every run of it, by cause; of a deep network of each block."""
    return draw(cycles_bars(result), ax, size_of(width))


def compare(
    results: Mapping[str, Outcome], ax: Axes | None = None, missing: Sequence[str] = (), width: str | None = None
) -> Axes:
    """Core cycles of several results side by side, by cause. missing : labels of what could not be run at all."""
    return draw(compare_bars(results, missing), ax, size_of(width))


def cycles_bars(result: Outcome, most: int = MOST) -> Bars:
    """Data of `cycles`: of at most so many groups of neighbours. They add up to the total but for cycles that layers
    have in common, of which the caption tells.
    """
    require_cycles(result)
    stacks: dict[str, Cycles] = {}
    every = result.in_order
    groups = blocks([shown(layer.name, SHORT) for layer in every], most)
    for label, members in groups:
        times = every[members[0]].repeat if len(members) == 1 else 1
        own: Cycles = {}
        for layer in (every[at] for at in members):
            _add(own, layer.compute_cycles, layer.stall_cycles, layer.repeat)
        stacks[free(f"{label} x{times}" if times > 1 else label, stacks)] = own
    sums = result.total
    stalled = percent(1 - sums.compute_cycles / sums.cycles)
    told = f"{number(sums.cycles)} core cycles, {milliseconds(sums.ms)} ms, {stalled} % of them without a MAC"
    caption = [f"layers have {number(result.overlapped)} cycles in common"] if result.architecture.overlap else []
    caption += [f"{many(len(result.failures), 'layer')} did not run"] if result.failures else []
    what = "layer" if len(groups) == len(every) else "block"
    return _bars((headline(result), told), f"core cycles per {what}", stacks, [result], caption)


def compare_bars(results: Mapping[str, Outcome], missing: Sequence[str] = ()) -> Bars:
    """Data of `compare`: the sums of all layers."""
    stacks: dict[str, Cycles] = {}
    for label, result in results.items():
        require_cycles(result)
        own: Cycles = {}
        _add(own, result.total.compute_cycles, result.total.stall_cycles, 1)
        stacks[free(shown(label, SHORT) + (" *" if result.failures else ""), stacks)] = own
    networks = {
        (result.workload, result.batch, len(result.multiplied) + len(result.failures)) for result in results.values()
    }
    machines = dict.fromkeys(shown(result.architecture.name) for result in results.values())
    network, batch, layers = next(iter(networks))
    what = f"{shown(network)}, batch {batch}, {many(layers, 'layer')}"
    title = what if len(networks) == 1 else f"{len(networks)} workloads"
    title += f" on {next(iter(machines))}" if len(machines) == 1 else ""
    caption = ["* some layers did not run"] if any(result.failures for result in results.values()) else []
    found = _bars((title,), "core cycles", stacks, list(results.values()), caption)
    return replace(found, missing=tuple(shown(label, SHORT) for label in missing))


def _add(sums: Cycles, compute: int, stalls: Mapping[str, int], times: int) -> None:
    for cause, spent in ((COMPUTE, compute), *stalls.items()):
        if spent > 0:  # what layers have in common is below 0, and no part of a bar
            sums[cause] = sums.get(cause, 0.0) + spent * times


def _bars(
    title: tuple[str, ...], axis: str, stacks: Mapping[str, Cycles], results: Sequence[Outcome], caption: list[str]
) -> Bars:
    order, paint = _order(stacks.values())
    names = {cause: arrows(cause) for cause in order}
    rest = {cause for own in stacks.values() for cause in own} - set(order)
    highest = max((sum(own.values()) for own in stacks.values()), default=0.0)
    scale, unit = next(((scale, name) for scale, name in SCALES if highest >= scale), (1.0, ""))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for group, own in stacks.items():
        shares = {cause: spent / scale for cause, spent in own.items() if cause not in rest}
        if left := sum(own.get(cause, 0.0) for cause in sorted(rest)):
            shares[REST] = left / scale
        found[group] = {"": shares}
    caption = [f"{REST}: {many(len(rest), 'cause')} that take least", *caption] if rest else caption
    if any(layer.repeat > 1 for result in results for layer in result.multiplied):
        caption = [*caption, "bars count every run of a layer (x2, x3...)"]
    if any(not layer.timing.exact for result in results for layer in result.multiplied):
        caption = [*caption, "closed form: a lower bound"]
    parts = [(cause, names[cause], paint[cause]) for cause in order]
    parts += [(REST, REST, (UNIT_COLOUR, ""))] if rest else []
    return Bars(title, axis, f"{unit}cycles", found, (("", ""),), tuple(parts), "cycles", caption=tuple(caption))


def _order(all_of: Iterable[Cycles]) -> tuple[list[str], dict[str, Paint]]:
    """What is told apart, compute first, then those that take most; and the paint of each, the same as on a page."""
    sums: Cycles = {}
    for own in all_of:
        for cause, spent in own.items():
            sums[cause] = sums.get(cause, 0.0) + spent
    causes = sorted((cause for cause in sums if cause != COMPUTE), key=lambda cause: (-sums[cause], cause))
    paint = of_causes(causes)
    kept = causes if len(causes) <= CAUSES else causes[: CAUSES - 1]
    return [COMPUTE, *kept], paint
