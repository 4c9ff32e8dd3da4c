"""What no schedule of a placement beats, and what no placement beats (rule C10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from accelsim.package.flow import ZERO, Schedule


@dataclass(frozen=True)
class Bound:
    """Cycles that nothing is faster than. what : of which kind, and of what."""

    what: str
    cycles: Fraction


def placement_bounds(
    schedule: Schedule, names: Sequence[str], resources: Sequence[str], repeats: Sequence[int] | None = None
) -> list[Bound]:
    """Of a schedule's placement: the longest chain with all links to itself, each core's work, each resource's words.

    names : of cores. resources : their names. repeats : runs of each entry one after the other.
    """
    capacities = schedule.capacities
    times = [entry.private(capacities) for entry in schedule.entries]
    runs = repeats or [1] * len(times)
    ends = [ZERO] * len(times)
    for index in schedule.order():
        entry = schedule.entries[index]
        first = max(
            (
                (ends[edge.producer] if edge.producer >= 0 else ZERO) + edge.flow.private(capacities)
                for edge in entry.inputs
            ),
            default=ZERO,
        )
        ends[index] = first + times[index] * runs[index]
    found = [Bound("critical path", max(ends, default=ZERO))]
    for name, one in zip(names, schedule.lists, strict=True):
        found.append(Bound(f"work of {name}", sum((times[entry] * runs[entry] for entry in one), ZERO)))
    bits = [ZERO] * len(capacities)
    for entry, run in zip(schedule.entries, runs, strict=True):
        for flow in entry.flows:
            for resource, share in flow.shares:
                bits[resource] += flow.bits * share * run
    found += [
        Bound(f"words of {name}", n / capacity) for name, n, capacity in zip(resources, bits, capacities, strict=True)
    ]
    return found


def spread(times: Sequence[Sequence[Fraction | None]], counts: Sequence[int]) -> Fraction:
    """Work spread over kinds of cores as a fraction: no placement is faster than the linear programme's value.

    times : of each task on each kind, None where it cannot run. counts : cores of each kind. What is returned is a
    feasible value of the dual, max sum_i min_k y_k t_ik over y >= 0 with sum_k counts_k y_k = 1, exact whatever y; of
    one or two kinds it is the optimum.
    """
    kinds = [kind for kind, count in enumerate(counts) if count]
    prices: list[tuple[Fraction, ...]] = []
    if len(kinds) == 1:
        prices = [(Fraction(1),)]
    elif len(kinds) == 2:
        # the sum is concave and bends where a task is as dear on one kind as on the other: y_1 / y_0 = t_0 / t_1
        ratios = {Fraction(0)}
        for task in times:
            first, second = task[kinds[0]], task[kinds[1]]
            if first is not None and second:
                ratios.add(first / second)
        prices = [*((Fraction(1), ratio) for ratio in ratios), (Fraction(0), Fraction(1))]
    else:
        prices = list(_climbed(times, kinds, counts))
    best = ZERO
    for price in prices:
        scale = sum(counts[kind] * y for kind, y in zip(kinds, price, strict=True))
        total = ZERO
        for task in times:
            known = [(y, task[kind]) for kind, y in zip(kinds, price, strict=True)]
            total += min((y * time for y, time in known if time is not None), default=ZERO)
        best = max(best, total / scale) if scale else best
    return best


def _climbed(
    times: Sequence[Sequence[Fraction | None]], kinds: Sequence[int], counts: Sequence[int], steps: int = 400
) -> list[tuple[Fraction, ...]]:
    """Prices of more than two kinds that are near the best: those of the kinds that are busiest rise."""
    from math import exp

    prices = [1.0] * len(kinds)
    found = []
    for step in range(steps):
        load = [0.0] * len(kinds)
        for task in times:
            at, least = -1, float("inf")
            for index, kind in enumerate(kinds):
                value = task[kind]
                if value is not None and prices[index] * float(value) < least:
                    at, least = index, prices[index] * float(value)
            if at >= 0:
                load[at] += float(task[kinds[at]] or 0)
        each = [one / counts[kind] for one, kind in zip(load, kinds, strict=True)]
        most = max(each) or 1.0
        prices = [y * exp(0.5 / (1 + step / 20) * one / most) for y, one in zip(prices, each, strict=True)]
        scale = sum(counts[kind] * y for y, kind in zip(prices, kinds, strict=True))
        prices = [y / scale for y in prices]
        found.append(tuple(Fraction(y).limit_denominator(10**6) for y in prices))
    return found
