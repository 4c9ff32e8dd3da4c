"""Tracks of a window on Cartesian PEs: what lies between barriers, then what each PE does (docs/scnn.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from accelsim.engine.zeros.cartesian_seen import Barrier, PeTimeline
from accelsim.engine.zeros.cartesian_walk import Ints
from accelsim.engine.zeros.kernels import cartesian_seen as seen
from accelsim.report.slices import COMPUTE, MACS, STALL, Slice, Track, clipped

WAITS = {seen.WAIT: "weights", seen.QUEUES: "queues", seen.REST: "slowest PE"}
"""What PEs stand still for."""
RULES = {seen.WAIT: "scnn.md, Weight FIFO", seen.QUEUES: "scnn.md, Banks", seen.REST: "scnn.md, Barrier"}
"""Paragraphs of docs/scnn.md."""
NO_WORDS = "no words"


def tracks(found: PeTimeline) -> Iterator[Track]:
    """The MAC array, a slice from barrier to barrier; then each PE that owns a word of the plane.

    The slices of each follow each other without a gap: those of the array add up to the layer's cycles, its stall being
    what DRAM takes longer; those of a PE to the cycles that all PEs compute.
    """
    macs = list(_array(found))
    yield Track(MACS, len(macs), macs)
    # lines of each PE, one after another, and where each begins
    pes = np.arange(found.plan.grid[0] * found.plan.grid[1])
    sorted_ = [each.lines[np.argsort(each.lines[:, seen.PE], kind="stable")] for each in found.barriers]
    firsts = [np.searchsorted(lines[:, seen.PE], [*pes, len(pes)]).tolist() for lines in sorted_]
    for y, x in np.ndindex(*found.plan.owners):
        pe = y * found.plan.grid[1] + x
        mine = [lines[first[pe] : first[pe + 1]] for lines, first in zip(sorted_, firsts, strict=True)]
        many = sum(max(1, len(rows)) for rows in mine)
        yield Track(f"PE {y},{x}", many, _pe(found, mine, pe))


def _array(found: PeTimeline) -> Iterator[Slice]:
    for each in found.barriers:
        name = f"channels {each.channels[0]} to {each.channels[1] - 1}"
        yield clipped(found.span, Slice(name, COMPUTE, *each.span, _about(found, each)))
    if found.stall is not None and found.stall[1] < found.span[1] and found.stall[2] > found.span[0]:
        cause, begin, end = found.stall
        told = {"waited for": "all words of the layer on their port", "rule": "scnn.md, Barrier"}
        yield clipped(found.span, Slice(cause, STALL, begin, end, told))


def _about(found: PeTimeline, each: Barrier) -> dict[str, Any]:
    """Which work lies between two barriers, and what came of it, of all cycles and PEs."""
    steps, full, waits, queues, ends = each.totals.sum(axis=0).tolist()
    slowest = int(each.working[each.totals[each.working, seen.T_END].argmax()])
    y, x = divmod(slowest, found.plan.grid[1])
    told: dict[str, Any] = {"tile": _tile(each)}
    if found.plan.cuts != (1, 1):
        told["sub-tile"] = f"{each.cut[0]},{each.cut[1]} of {found.plan.cuts[0]} x {found.plan.cuts[1]}"
    cycles = (each.span[1] - each.span[0]) * len(each.working)
    return {
        **told,
        "PEs with words": len(each.working),
        "slowest PE": f"{y},{x}",
        "steps of all PEs": steps,
        "PE cycles with a full queue": full,
        "PE cycles waiting for weights": waits,
        "PE cycles until queues are empty": queues,
        "PE cycles waiting for the slowest": cycles - ends,
    }


def _tile(each: Barrier) -> str:
    """Where it begins, as tiles of other machines say it: 'N1 M8'."""
    at = {"N": each.image, "G": each.part, "M": each.channels[0]}
    return " ".join(f"{dim}{first}" for dim, first in at.items() if first) or "first"


def _pe(found: PeTimeline, lines: Sequence[Ints], pe: int) -> Iterator[Slice]:
    """What a PE does, from barrier to barrier."""
    names: dict[int, str] = {}
    for each, mine in zip(found.barriers, lines, strict=True):
        tile = _tile(each)
        if pe not in each.working:
            yield clipped(found.span, Slice(NO_WORDS, STALL, *each.span, {"tile": tile}))
        for row in mine.tolist():
            kind, many, begin, end = (row[column] for column in (seen.KIND, seen.MANY, seen.BEGIN, seen.END))
            if kind == seen.WORK:
                told: dict[str, Any] = {"tile": tile, "steps": row[seen.STEPS]}
                if row[seen.FULL]:
                    told["cycles with a full queue"] = row[seen.FULL]
                name = names.get(row[seen.BLOCK]) or names.setdefault(row[seen.BLOCK], _block(found, row[seen.BLOCK]))
                name += f" and {many - 1:,} more" if many > 1 else ""
                yield clipped(found.span, Slice(name, COMPUTE, begin, end, told))
                continue
            told = {"rule": RULES[kind]}
            if kind == seen.WAIT and many == 1:
                told = {"waited for": f"all PEs, {_block(found, row[seen.BEHIND])}", **told}
            yield clipped(found.span, Slice(WAITS[kind], STALL, begin, end, told))


def _block(found: PeTimeline, block: int) -> str:
    """A block by its input channel, and by its phase where there are several."""
    phases = found.problem.stride[0] * found.problem.stride[1]
    channel, phase = divmod(block, phases)
    y, x = divmod(phase, found.problem.stride[1])
    return f"block C{channel}" + (f" phase {y},{x}" if phases > 1 else "")
