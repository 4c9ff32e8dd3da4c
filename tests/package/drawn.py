"""Random schedules: entries on cores, words between them, resources that they share."""

from fractions import Fraction

from hypothesis import strategies as st

from accelsim.package.flow import Edge, Entry, Flow, Schedule
from golden.package import Machine


@st.composite
def flows(draw, resources):
    """A transfer that may hold nothing, hold several resources, some in part, and may be empty."""
    bits = draw(st.sampled_from([0, 1, 3, 10, 64, 1000]))
    route = draw(st.sets(st.integers(0, resources - 1), max_size=3))
    part = st.sampled_from([Fraction(1), Fraction(1), Fraction(1, 3), Fraction(2, 5)])
    shares = tuple((resource, draw(part)) for resource in sorted(route))
    return Flow(Fraction(bits), shares, Fraction(draw(st.sampled_from([0, 0, 1, 7]))))


@st.composite
def schedules(draw, most=14):
    cores, count = draw(st.integers(1, 4)), draw(st.integers(1, most))
    resources = draw(st.integers(1, 4))
    capacities = tuple(Fraction(*draw(st.sampled_from([(1, 1), (2, 1), (3, 7), (10, 1)]))) for _ in range(resources))
    entries, lists = [], [[] for _ in range(cores)]
    for entry in range(count):
        reads = draw(st.lists(st.integers(-1, entry - 1), max_size=3))
        inputs = tuple(Edge(producer, draw(flows(resources))) for producer in reads)
        fill, body, drain = (draw(flows(resources)) for _ in range(3))
        work = Fraction(draw(st.sampled_from([0, 1, 5, 20, 300])), draw(st.sampled_from([1, 1, 3])))
        entries.append(Entry(work, inputs, fill, body, drain))
        lists[draw(st.integers(0, cores - 1))].append(entry)
    return Schedule(tuple(entries), tuple(map(tuple, lists)), capacities, draw(st.integers(1, 3)))


def golden(schedule):
    """The same schedule through the golden machine."""

    def plain(flow):
        return flow.bits, dict(flow.shares), flow.latency

    entries = [
        {
            "work": entry.work,
            "inputs": [(edge.producer, plain(edge.flow)) for edge in entry.inputs],
            "fill": plain(entry.fill),
            "body": plain(entry.body),
            "drain": plain(entry.drain),
        }
        for entry in schedule.entries
    ]
    return Machine(entries, schedule.lists, schedule.capacities, schedule.slots).run()
