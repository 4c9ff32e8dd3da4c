"""Pictures of serving: batch and memory over time, and waits against load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from accelsim.errors import AccelsimError
from accelsim.report.framing import PAGE, Size, furnish, sized_axes
from accelsim.report.palette import COLOURS, GREY
from accelsim.serving.kernels import state

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from accelsim.serving.served import Served


def over_time(served: Served, ax: Axes | None = None, size: Size = PAGE) -> Axes:
    """Requests in an iteration and in the system, and the share of the KV cache that is taken, over time."""
    run = served.run
    axes = ax or sized_axes(size)
    rows = run.kept.rows
    start = int(run.asked.arrival[0])
    handles = []
    sides = ("",) if len(run.busy) == 1 else (", prefill", ", decode")
    shares = axes.twinx()
    for side, label in enumerate(sides):
        own = rows[rows[:, state.ROW_SIDE] == side]
        if not len(own):
            continue
        at = (own[:, state.ROW_START] - start) / 1e9
        blocks = run.policy.split.blocks if side and run.policy.split else run.policy.kv_blocks
        (batch,) = axes.step(at, own[:, state.ROW_SEQUENCES], where="post", color=COLOURS[side], linewidth=1.0)
        taken = 100 * own[:, state.ROW_BLOCKS] / blocks
        (kv,) = shares.step(at, taken, where="post", color=COLOURS[5 - side], linewidth=0.8)
        handles += [(batch, f"requests in an iteration{label}"), (kv, f"KV cache{label} [%], right")]
    at = (rows[:, state.ROW_START] - start) / 1e9
    # beneath the batch, which is often as large
    (present,) = axes.step(at, rows[:, state.ROW_PRESENT], where="post", color=GREY, linewidth=1.4, alpha=0.6, zorder=1)
    axes.set_ylim(bottom=0)
    shares.set_ylim(0, 105)
    shares.tick_params(labelsize=size.text)
    shares.spines["top"].set_visible(False)
    axes.set_xlabel("time [s]", fontsize=size.text)
    axes.set_ylabel("requests", fontsize=size.text)
    shares.set_ylabel("KV cache [%]", fontsize=size.text)
    if ax is None:
        title = [
            f"{served.what}: batch and KV cache over time",
            f"{served.requests:,} requests in {served.seconds:,.4g} s, {int(run.puts.sum()):,} put back",
        ]
        every = f"One of {run.kept.stride} iterations is drawn. " if run.kept.stride > 1 else ""
        furnish(axes, size, title, [*handles, (present, "requests in the system")], every.strip())
    return axes


def against_load(runs: Sequence[Served], ax: Axes | None = None, size: Size = PAGE) -> Axes:
    """TTFT and time between tokens, median and 99th percentile, against requests a second (log scale of waits)."""
    if any(one.rate is None for one in runs) or len(runs) < 2:
        raise AccelsimError("latency against load is drawn of two or more rates")
    axes = ax or sized_axes(size)
    runs = sorted(runs, key=lambda one: one.rate or 0.0)
    rates = [one.rate or 0.0 for one in runs]
    handles = []
    for index, (name, waits) in enumerate((("TTFT", "ttft"), ("between tokens", "itl"))):
        spreads = [getattr(one, waits) for one in runs]
        for which, style in (("p50", "-"), ("p99", "--")):
            values = [np.nan if one is None else getattr(one, which) for one in spreads]
            (line,) = axes.plot(rates, values, style, marker="o", markersize=3, color=COLOURS[index], linewidth=1.2)
            handles.append((line, f"{name}, {which}"))
    axes.set_yscale("log")
    axes.set_xlabel("requests asked for [1/s]", fontsize=size.text)
    axes.set_ylabel("wait [ms]", fontsize=size.text)
    if ax is None:
        title = [
            f"{runs[0].what}: waits against load",
            f"policy {runs[0].run.policy.name}, {runs[0].requests:,} requests",
        ]
        furnish(axes, size, title, handles)
    return axes
