"""The event engine against a machine that goes instant by instant, and against what pencils say."""

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.package.events import carried_out
from accelsim.package.flow import Edge, Entry, Flow, Schedule
from accelsim.package.rates import fair_rates
from package.drawn import flows, golden, schedules

F = Fraction


def equal(schedule):
    ours, theirs = carried_out(schedule), golden(schedule)
    count = len(schedule.entries)
    assert ours.begins == [theirs.begins[i] for i in range(count)]
    assert ours.ends == [theirs.ends[i] for i in range(count)]
    spans = {key: (span.begin, span.end, span.landed) for key, span in (ours.inputs | ours.phases).items()}
    assert spans == {key: tuple(span) for key, span in theirs.spans.items()}


@given(schedules())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_events_equal_the_golden_machine(schedule):
    equal(schedule)


@pytest.mark.nightly
@given(schedules(24))
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
def test_events_equal_the_golden_machine_at_length(schedule):
    equal(schedule)


@given(st.integers(1, 4).flatmap(lambda n: st.tuples(st.just(n), st.lists(flows(n), min_size=1, max_size=12))))
@settings(max_examples=200, deadline=None)
def test_rates_fit_and_each_is_held_by_a_full_resource_where_none_is_faster(drawn):
    resources, found = drawn
    capacities = tuple(F(n + 1, 2) for n in range(resources))
    kinds = {}
    for flow in found:
        if flow.shares:
            kinds[flow.shares] = kinds.get(flow.shares, 0) + 1
    if not kinds:
        return
    rates = fair_rates(kinds, capacities)
    load = [sum(rates[s] * n * dict(s).get(r, 0) for s, n in kinds.items()) for r in range(resources)]
    assert all(one <= capacity for one, capacity in zip(load, capacities, strict=True))
    for shares in kinds:
        held = [r for r, _ in shares if load[r] == capacities[r]]
        assert any(all(rates[other] <= rates[shares] for other in kinds if r in dict(other)) for r in held)


def one_link(*entries, lists=None, slots=2):
    return Schedule(entries, lists or tuple((i,) for i in range(len(entries))), (F(1),), slots)


def test_flows_of_10_and_30_words_on_one_link_end_at_20_and_40():
    run = carried_out(one_link(*(Entry(F(0), body=Flow.over(words, (0,))) for words in (10, 30))))
    assert run.ends == [20, 40]


@pytest.mark.parametrize("readers", [1, 2, 5])
def test_readers_of_one_memory_wait_for_each_other(readers):
    entry = Entry(F(70), fill=Flow.over(30, (0,)))
    run = carried_out(Schedule((entry,) * readers, tuple((i,) for i in range(readers)), (F(3, 2),)))
    assert run.ends == [readers * F(30) / F(3, 2) + 70] * readers


@pytest.mark.parametrize(("stages", "items"), [((5, 9, 2), 7), ((4,), 3), ((3, 3), 5)])
def test_items_through_stages_take_all_stages_once_and_the_slowest_for_each_item_more(stages, items):
    entries, lists = [], [[] for _ in stages]
    for item in range(items):
        for stage, cycles in enumerate(stages):
            before = (Edge(len(entries) - 1),) if stage else ()
            lists[stage].append(len(entries))
            entries.append(Entry(F(cycles), before, name=f"{item}.{stage}"))
    run = carried_out(Schedule(tuple(entries), tuple(map(tuple, lists))))
    assert run.makespan == sum(stages) + (items - 1) * max(stages)


def test_a_slot_is_freed_when_its_entry_ends():
    # the third entry's words exist from the start; with two slots they come when the first ends, at 10
    words = Edge(-1, Flow.over(4, (0,)))
    entries = (Entry(F(10)), Entry(F(1)), Entry(F(1), (words,)))
    assert carried_out(one_link(*entries, lists=((0, 1, 2),))).inputs[2, 0].begin == 10
    assert carried_out(one_link(*entries, lists=((0, 1, 2),), slots=3)).inputs[2, 0].begin == 0


def test_latency_comes_after_the_last_word_and_holds_nothing():
    late = Entry(F(0), (Edge(-1, Flow.over(10, (0,), 100)),))
    second = Entry(F(0), (Edge(-1, Flow.over(30, (0,))),))
    assert carried_out(one_link(late, second)).ends == [120, 40]


def test_a_circle_of_lists_and_edges_is_refused():
    entries = (Entry(F(1), (Edge(1),), name="a"), Entry(F(1), name="b"))
    with pytest.raises(AccelsimError, match="wait for each other in a circle, among a, b"):
        one_link(*entries, lists=((0, 1),))
