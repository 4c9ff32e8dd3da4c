"""List schedules: tasks by upward rank, each where it ends first, in a hole where there is one.

H. Topcuoglu, S. Hariri, M.-Y. Wu, "Performance-effective and low-complexity task scheduling for heterogeneous
computing" (HEFT), IEEE TPDS 13(3), 2002, section 4. Times are those of cores and links that nobody else uses: what
sharing makes of the lists is for the event engine to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Times = Sequence[Sequence[Fraction | None]]
"""Of each task on each core; None where it cannot run."""
Moves = Callable[[int, int, int, int], Fraction]
"""Cycles of the words from a task to another one, from core to core: `moves(first, second, from, to)`."""


@dataclass(frozen=True)
class Tasks:
    """Tasks in an order they can run in. times : of each on each core. reads : tasks before it. moves : see `Moves`."""

    times: Times
    reads: Sequence[Sequence[int]]
    moves: Moves

    @property
    def cores(self) -> int:
        """How many."""
        return len(self.times[0]) if self.times else 0

    def mean(self, task: int) -> Fraction:
        """Of a task over the cores it can run on."""
        known = [time for time in self.times[task] if time is not None]
        return sum(known, Fraction(0)) / len(known)


@dataclass
class Placement:
    """cores, begins, ends : of each task. order : of each core, its tasks."""

    cores: list[int]
    begins: list[Fraction]
    ends: list[Fraction]
    order: list[list[int]] = field(default_factory=list)

    @property
    def makespan(self) -> Fraction:
        """The last end."""
        return max(self.ends, default=Fraction(0))


def ranks(tasks: Tasks) -> list[Fraction]:
    """Upward ranks: mean cycles of a task and of the longest chain behind it, mean moves on the way."""
    readers: list[list[int]] = [[] for _ in tasks.times]
    for task, reads in enumerate(tasks.reads):
        for producer in reads:
            readers[producer].append(task)
    pairs = [(a, b) for a in range(tasks.cores) for b in range(tasks.cores)]
    found = [Fraction(0)] * len(tasks.times)
    for task in reversed(range(len(tasks.times))):
        behind = Fraction(0)
        for reader in readers[task]:
            move = sum((tasks.moves(task, reader, a, b) for a, b in pairs), Fraction(0)) / len(pairs)
            behind = max(behind, move + found[reader])
        found[task] = tasks.mean(task) + behind
    return found


def list_schedule(tasks: Tasks) -> Placement:
    """Place every task, the highest rank first; of equal ranks the one written first, of equal ends the first core."""
    rank = ranks(tasks)
    count = len(tasks.times)
    found = Placement([-1] * count, [Fraction(0)] * count, [Fraction(0)] * count)
    busy: list[list[tuple[Fraction, Fraction, int]]] = [[] for _ in range(tasks.cores)]
    for task in sorted(range(count), key=lambda task: (-rank[task], task)):
        best: tuple[Fraction, int, Fraction] | None = None
        for core in range(tasks.cores):
            time = tasks.times[task][core]
            if time is None:
                continue
            ready = Fraction(0)
            for producer in tasks.reads[task]:
                arrival = found.ends[producer] + tasks.moves(producer, task, found.cores[producer], core)
                ready = max(ready, arrival)
            begin = hole(busy[core], ready, time)
            if best is None or begin + time < best[0]:
                best = (begin + time, core, begin)
        assert best is not None
        end, core, begin = best
        found.cores[task], found.begins[task], found.ends[task] = core, begin, end
        busy[core].append((begin, end, task))
        busy[core].sort()
    found.order = [[task for _, _, task in one] for one in busy]
    return found


def hole(busy: Sequence[tuple[Fraction, Fraction, int]], ready: Fraction, time: Fraction) -> Fraction:
    """The first instant from `ready` on at which a core is free for so long."""
    now = ready
    for begin, end, _ in busy:
        if begin - now >= time and (time or begin > now):
            break
        now = max(now, end)
    return now


def exact_schedule(tasks: Tasks, seconds: float = 60.0) -> tuple[Placement, bool]:
    """The placement of the least makespan by constraint programming, and whether that is proved.

    Cores serve one task at a time; words move as in `Tasks`, and links serve any number at once. Needs the extra
    `cores` (ortools). Times are rounded up to whole cycles.

    Raises AccelsimError where ortools is not installed.
    """
    model, library = _model()
    begins: list[Any] = []
    ends: list[Any] = []
    chosen: list[dict[int, Any]] = []
    whole = [[None if time is None else -(-time // 1) for time in row] for row in tasks.times]
    horizon = int(sum(max(time for time in row if time is not None) for row in whole)) + _moves(tasks)
    lines: list[list[Any]] = [[] for _ in range(tasks.cores)]
    for task, row in enumerate(whole):
        begin, end = model.new_int_var(0, horizon, f"b{task}"), model.new_int_var(0, horizon, f"e{task}")
        here = {}
        for core, time in enumerate(row):
            if time is not None:
                here[core] = model.new_bool_var(f"x{task}_{core}")
                lines[core].append(
                    model.new_optional_interval_var(begin, int(time), end, here[core], f"i{task}_{core}")
                )
        model.add_exactly_one(here.values())
        begins.append(begin)
        ends.append(end)
        chosen.append(here)
    for line in lines:
        model.add_no_overlap(line)
    for task, reads in enumerate(tasks.reads):
        for producer in reads:
            for a, first in chosen[producer].items():
                for b, second in chosen[task].items():
                    wait = int(-(-tasks.moves(producer, task, a, b) // 1))
                    model.add(begins[task] >= ends[producer] + wait).only_enforce_if([first, second])
    last = model.new_int_var(0, horizon, "makespan")
    model.add_max_equality(last, ends)
    model.minimize(last)
    return _solved(tasks, library, model, (begins, ends, chosen), seconds)


def _moves(tasks: Tasks) -> int:
    """Cycles of all words by the longest way."""
    pairs = [(a, b) for a in range(tasks.cores) for b in range(tasks.cores)]
    return sum(
        int(-(-max(tasks.moves(producer, task, a, b) for a, b in pairs) // 1))
        for task, reads in enumerate(tasks.reads)
        for producer in reads
    )


def _model() -> tuple[Any, Any]:
    from accelsim.errors import AccelsimError

    try:
        from ortools.sat.python import cp_model
    except ImportError:
        raise AccelsimError("--exact of a package needs ortools: pip install 'accelsim[cores]'") from None
    return cp_model.CpModel(), cp_model


def _solved(
    tasks: Tasks, library: Any, model: Any, variables: tuple[list[Any], list[Any], list[Any]], seconds: float
) -> tuple[Placement, bool]:
    begins, ends, chosen = variables
    solver = library.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    if status not in (library.OPTIMAL, library.FEASIBLE):
        # out of time without any: the list schedule is one
        return list_schedule(tasks), False
    cores = [next(core for core, here in one.items() if solver.value(here)) for one in chosen]
    found = Placement(
        cores, [Fraction(solver.value(one)) for one in begins], [Fraction(solver.value(one)) for one in ends]
    )
    order: Mapping[int, list[int]] = {core: [] for core in range(tasks.cores)}
    for task in sorted(range(len(cores)), key=lambda task: (found.begins[task], found.ends[task], task)):
        order[cores[task]].append(task)
    found.order = [order[core] for core in range(tasks.cores)]
    return found, status == library.OPTIMAL
