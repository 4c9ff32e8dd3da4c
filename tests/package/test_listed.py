"""List schedules: exclusive and in order, by hand, beside the optimum; bounds below all of them."""

import sys
from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings

from accelsim.package.bounds import placement_bounds, spread
from accelsim.package.events import carried_out
from accelsim.package.flow import Edge, Entry, Flow, Schedule
from accelsim.package.idle import idle
from accelsim.package.listed import Tasks, exact_schedule, list_schedule, ranks
from package.drawn import schedules

F = Fraction


def drawn(seed, least=6, most=12):
    """A random graph of tasks on unlike cores, with moves between them."""
    random = Random(seed)
    count, cores = random.randint(least, most), random.randint(2, 4)
    times = [[F(random.randint(1, 20)) for _ in range(cores)] for _ in range(count)]
    reads = [sorted(random.sample(range(task), min(task, random.randint(0, 2)))) for task in range(count)]
    words = {(producer, task): random.randint(0, 8) for task in range(count) for producer in reads[task]}
    return Tasks(times, reads, lambda a, b, here, there: F(words[a, b] if here != there else 0))


def check(tasks, found):
    """Each task runs once, where it can, for its time, after what it reads; no core does two things at once."""
    for task, core in enumerate(found.cores):
        assert found.ends[task] - found.begins[task] == tasks.times[task][core]
        for producer in tasks.reads[task]:
            assert found.begins[task] >= found.ends[producer] + tasks.moves(producer, task, found.cores[producer], core)
    for core, order in enumerate(found.order):
        assert all(found.cores[task] == core for task in order)
        for first, second in pairwise(order):
            assert found.ends[first] <= found.begins[second]
    assert sorted(task for order in found.order for task in order) == list(range(len(tasks.times)))


@pytest.mark.parametrize("seed", range(60))
def test_list_schedules_are_schedules_and_no_bound_is_above_them(seed):
    tasks = drawn(seed)
    found = list_schedule(tasks)
    check(tasks, found)
    assert spread(tasks.times, [1] * tasks.cores) <= found.makespan


def test_ranks_by_hand():
    # two cores that are alike; a -> b, a -> c, words take 4 between cores: a quarter of pairs... half of them differ
    tasks = Tasks([[F(3)] * 2, [F(5)] * 2, [F(1)] * 2], [[], [0], [0]], lambda a, b, i, j: F(4 if i != j else 0))
    assert ranks(tasks) == [3 + 2 + 5, 5, 1]
    found = list_schedule(tasks)
    assert found.cores == [0, 0, 1]
    assert found.makespan == 8


def test_a_hole_is_filled():
    # c waits for words, d fits in before it
    tasks = Tasks([[F(2), None], [None, F(6)], [F(5), None], [F(3), None]], [[], [0], [1], []], lambda *_: F(1))
    found = list_schedule(tasks)
    check(tasks, found)
    assert found.begins[3] == 2
    assert found.makespan == 2 + 1 + 6 + 1 + 5


@pytest.mark.parametrize("seed", range(12))
def test_the_spread_of_work_is_the_linear_programme(seed):
    scipy = pytest.importorskip("scipy.optimize")
    random = Random(seed)
    kinds, count = random.randint(1, 4), random.randint(1, 12)
    counts = [random.randint(1, 3) for _ in range(kinds)]
    times = [[F(random.randint(1, 30)) for _ in range(kinds)] for _ in range(count)]
    # variables x[task, kind], T: least T with all tasks done and counts * T cycles on each kind
    width = count * kinds + 1
    upper = [[0.0] * width for _ in range(kinds)]
    equal = [[0.0] * width for _ in range(count)]
    for task in range(count):
        for kind in range(kinds):
            upper[kind][task * kinds + kind] = float(times[task][kind])
            equal[task][task * kinds + kind] = 1.0
    for kind in range(kinds):
        upper[kind][-1] = -float(counts[kind])
    best = scipy.linprog([0.0] * (width - 1) + [1.0], upper, [0.0] * kinds, equal, [1.0] * count).fun
    ours = float(spread(times, counts))
    assert ours <= best * (1 + 1e-9)
    assert ours >= best * ((1 - 1e-9) if kinds <= 2 else 0.97)


@pytest.mark.parametrize("seed", range(10))
def test_beside_the_optimum_by_constraint_programming(seed):
    pytest.importorskip("ortools")
    tasks = drawn(seed)
    best, proved = exact_schedule(tasks)
    check(tasks, best)
    assert proved
    assert spread(tasks.times, [1] * tasks.cores) <= best.makespan <= list_schedule(tasks).makespan


@pytest.mark.nightly
def test_how_far_the_list_schedule_is_from_the_optimum(capsys):
    pytest.importorskip("ortools")
    over = []
    for seed in range(120):
        tasks = drawn(1000 + seed)
        over.append(float(list_schedule(tasks).makespan / exact_schedule(tasks)[0].makespan - 1))
    best = sum(one == 0 for one in over)
    mean, worst = sum(over) / len(over), max(over)
    with capsys.disabled():
        sys.stdout.write(f"\nlist schedule: optimal in {best} of {len(over)}, mean +{mean:.1%}, worst +{worst:.1%}\n")
    assert mean < 0.10
    assert worst < 0.60


@given(schedules())
@settings(max_examples=60, deadline=None)
def test_no_run_beats_its_bounds_and_idle_time_adds_up(schedule):
    names = [f"c{core}" for core in range(len(schedule.lists))]
    run = carried_out(schedule)
    bounds = placement_bounds(schedule, names, [str(index) for index in range(len(schedule.capacities))])
    assert max(one.cycles for one in bounds) <= run.makespan
    work, causes = idle(run, names)
    for busy, why in zip(work, causes, strict=True):
        assert busy + sum(why.values()) == run.makespan
        assert all(cycles > 0 for cycles in why.values())


def test_idle_time_has_the_cause_that_made_it():
    words = Edge(0, Flow.over(6, (0,)))
    entries = (Entry(F(10)), Entry(F(4), (words,)), Entry(F(3)), Entry(F(0), (Edge(-1, Flow.over(6, (0,))),)))
    run = carried_out(Schedule(entries, ((0, 2), (1,), (3,)), (F(1),)))
    work, causes = idle(run, ["a", "b", "c"])
    assert work == [13, 4, 0]
    assert causes == [
        {"nothing left": 7},
        {"words from a": 16},
        {"words from memory": 6, "nothing left": 14},
    ]


def test_what_a_transfer_takes_longer_than_alone_is_its_share():
    both = tuple(Entry(F(1), fill=Flow.over(5, (0,))) for _ in range(2))
    run = carried_out(Schedule(both, ((0,), (1,)), (F(1),)))
    assert idle(run, ["a", "b"]) == ([6, 6], [{"share": 5}, {"share": 5}])


def test_waiting_for_a_slot_and_for_the_order_of_another_core():
    # b's second entry reads a's second: with one slot its words come when b's first has ended
    entries = (Entry(F(2)), Entry(F(1)), Entry(F(9)), Entry(F(1), (Edge(1, Flow.over(3, (0,))),)))
    run = carried_out(Schedule(entries, ((0, 1), (2, 3)), (F(1),), 1))
    assert idle(run, ["a", "b"])[1][1] == {"words from a": 3}
    late = (Entry(F(5)), Entry(F(1)), Entry(F(1), (Edge(1),)))
    run = carried_out(Schedule(late, ((0, 1), (2,)), ()))
    assert idle(run, ["a", "b"])[1][1] == {"words from a": 1, "order": 5}
