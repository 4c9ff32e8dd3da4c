"""Why a core does nothing: every cycle of every core that is no work has a cause (rule C11).

A core's *work* is what its entries take alone. What an entry takes longer is its `share` of a memory or link. The gap
before an entry belongs to the input that lands last (of equal ones the first): backwards from its landing, what its
transfer takes longer than alone is `share`, the transfer itself `words from` the producer's core (`memory`: there was
no producer), what its words waited for a slot is `slot`, the time in which the producer was working `words from` its
core, and before that `order`: the producer had not begun. After the last entry `nothing left`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from accelsim.package.events import Run
from accelsim.package.flow import ZERO

SHARE, SLOT, ORDER, NOTHING_LEFT = "share", "slot", "order", "nothing left"


def idle(
    run: Run, names: Sequence[str], until: Fraction | None = None
) -> tuple[list[Fraction], list[dict[str, Fraction]]]:
    """(work, idle cycles by cause) of each core; they add up to `until`, by default the makespan. names : of cores."""
    schedule = run.schedule
    owner = schedule.core_of()
    end = run.makespan if until is None else until
    work: list[Fraction] = []
    found: list[dict[str, Fraction]] = []
    for one in schedule.lists:
        causes: dict[str, Fraction] = {}
        busy = now = ZERO
        for entry in one:
            for cause, cycles in _gap(run, entry, now, owner, names):
                causes[cause] = causes.get(cause, ZERO) + cycles
            private = schedule.entries[entry].private(schedule.capacities)
            longer = run.ends[entry] - run.begins[entry] - private
            if longer:
                causes[SHARE] = causes.get(SHARE, ZERO) + longer
            busy += private
            now = run.ends[entry]
        if end > now:
            causes[NOTHING_LEFT] = end - now
        work.append(busy)
        found.append(causes)
    return work, found


def _gap(
    run: Run, entry: int, since: Fraction, owner: Sequence[int], names: Sequence[str]
) -> list[tuple[str, Fraction]]:
    """The gap before an entry, cut into pieces with a cause each, from its end backwards."""
    left = run.begins[entry] - since
    if left <= 0:
        return []
    edges = run.schedule.entries[entry].inputs
    index = max(range(len(edges)), key=lambda index: (run.inputs[entry, index].landed, -index))
    edge, span = edges[index], run.inputs[entry, index]
    core = owner[edge.producer] if edge.producer >= 0 else edge.origin
    source = f"words from {names[core] if core >= 0 else 'memory'}"
    alone = edge.flow.private(run.schedule.capacities)
    made, began = (run.ends[edge.producer], run.begins[edge.producer]) if edge.producer >= 0 else (ZERO, ZERO)
    pieces = [
        (SHARE, span.landed - span.begin - alone),
        (source, alone),
        (SLOT, span.begin - made),
        (source, made - began),
        (ORDER, began),
    ]
    found = []
    for cause, cycles in pieces:
        taken = min(left, cycles)
        if taken > 0:
            found.append((cause, taken))
            left -= taken
    return found
