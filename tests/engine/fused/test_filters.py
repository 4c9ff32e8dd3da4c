"""Which filters stay: every set that no other beats, against all sets there are."""

from dataclasses import replace
from itertools import chain, combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.fused import filters
from accelsim.engine.fused.filters import best, choices, fetched, room, slice_words
from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.engine.fused.storage import MODES, Tiling, Widths, measure
from accelsim.mapping.mapping import LoopNest
from accelsim.workload.problem import Problem, Tensor
from drawn_groups import drawn_cut, drawn_group, drawn_tiling

RANDOM = st.randoms(use_true_random=False)


def every(found, slices):
    """[(room, words)] of all sets, by the rule: a resident one has room throughout and is fetched once."""
    ops = [op for op in found.group.ops if op.filters]
    slots = 2 if found.tiling.double else 1
    cut = found.tiling.cut
    may = [op for op in ops if op.name not in cut]
    part = {op.name: op.filters // op.outer * cut.get(op.name, op.outer) for op in ops}
    for stay in chain.from_iterable(combinations(may, n) for n in range(len(may) + 1)):
        during = []
        for op in found.group.ops:
            streamed = 0 if op in stay or not op.filters else slices.get(op.name, part[op.name]) * slots
            during.append(found.held[op.name] + streamed * found.widths.of_filter(op.name))
        held = sum(op.filters * found.widths.of_filter(op.name) for op in stay)
        words = sum(op.filters * (1 if op in stay else found.filter_runs[op.name]) for op in ops)
        yield frozenset(op.name for op in stay), max(during) + held, words


@settings(max_examples=150)
@given(RANDOM)
def test_no_set_beats_those_found(rng):
    group = drawn_group(rng, 6, rng.choice([1, 3]))
    widths = Widths(filters={op.name: rng.randint(1, 3) for op in group.ops})
    cut = drawn_cut(rng, group) if rng.random() < 0.5 else {}
    found = measure(group, replace(drawn_tiling(rng, group), cut=cut), widths)
    slices = {op.name: rng.randint(1, op.filters) for op in group.ops if op.filters and rng.random() < 0.6}
    sets = list(every(found, slices))
    for stay, needs, _ in sets:
        assert room(found, stay, slices) == needs
    front = {
        (needs, words)
        for _, needs, words in sets
        if not any(a <= needs and b <= words and (a, b) != (needs, words) for _, a, b in sets)
    }
    listed = choices(found, slices)
    assert {(one.room, one.reads) for one in listed} == front
    assert list(listed) == sorted(listed, key=lambda one: one.room)
    for one in listed:
        assert (one.resident, one.room, one.reads) in sets
    capacity = rng.randint(0, 2 * max(needs for _, needs, _ in sets))
    fits = [words for _, needs, words in sets if needs <= capacity]
    chosen = best(found, capacity, slices)
    assert (chosen.reads if chosen else None) == (min(fits) if fits else None)


@settings(max_examples=60)
@given(RANDOM)
def test_sets_of_few_filters_are_those_built_filter_by_filter(rng):
    group = drawn_group(rng, 6, rng.choice([1, 3]))
    widths = Widths(filters={op.name: rng.randint(1, 3) for op in group.ops})
    cut = drawn_cut(rng, group) if rng.random() < 0.5 else {}
    found = measure(group, replace(drawn_tiling(rng, group), cut=cut), widths)
    capacity = rng.choice([None, rng.randint(0, 2 * max(found.held.values()))])
    with pytest.MonkeyPatch.context() as patch:
        listed = choices(found, capacity=capacity)
        patch.setattr(filters, "FEW", -1)
        built = choices(found, capacity=capacity)
    assert [(one.room, one.reads) for one in listed] == [(one.room, one.reads) for one in built]


def pair(images=1, dynamic=""):
    first = Op("a", "conv", (Read("x", range(2)),), 4, (4, 4))
    second = Op("b", "matmul", (Read("a", range(4)),), 4, (4, 4), dynamic=dynamic)
    return Group((Source("x", 2, (4, 4)),), (first, second), images)


def test_a_streamed_filter_comes_once_a_pass_and_a_resident_one_once_a_group():
    found = measure(pair(images=3), Tiling((2, 4), MODES["both"]))
    assert found.filter_runs == {"a": 6, "b": 6}
    reads = {one.resident: one.reads for one in choices(found)}
    assert reads == {frozenset("ab"): 8 + 16, frozenset("b"): 6 * 8 + 16}
    assert [fetched(found, op, False) for op in found.group.ops] == [6 * 8, 6 * 16]
    # tile: 16 of x and 32 made, then 32 and 32
    assert found.held == {"a": 48, "b": 64}
    assert room(found, "ab") == 64 + 24
    assert room(found, "a") == 64 + 16 + 8
    assert room(found, (), {"b": 4}) == 68


def test_two_slices_under_double_buffers():
    found = measure(pair(), Tiling((2, 4), double=True))
    assert room(found, (), {"a": 2, "b": 4}) == max(found.held["a"] + 4, found.held["b"] + 8)


def test_a_dynamic_filter_is_of_one_image():
    found = measure(pair(images=3, dynamic="k"), Tiling((2, 4)))
    reads = {one.resident: one.reads for one in choices(found)}
    assert reads[frozenset("ab")] == 8 + 3 * 16


@pytest.mark.parametrize("capacity", [0, 71])
def test_none_where_not_even_slices_fit(capacity):
    assert best(measure(pair(), Tiling((2, 4))), capacity) is None


@pytest.mark.parametrize(
    ("nest", "words"),
    [
        ("GLB: M4 C2 P5 Q5 | RF: C3 M2 R3 S3", 2 * 6 * 9),  # a quarter of the output channels at a time
        ("GLB: C2 M4 P5 Q5 | RF: C3 M2 R3 S3", 8 * 3 * 9),
        ("GLB: P5 M4 C2 Q5 | RF: C3 M2 R3 S3", 8 * 6 * 9),  # rows outside: it would come again for each
        ("GLB: M3 P5 Q5 C2 | RF: M3 C3 R3 S3", 3 * 6 * 9),  # 3, 3 and 2 of 8
        ("GLB: P5 Q5 y M8 x C6 | RF: R3 S3", 8 * 6 * 9),
        ("GLB: R3 P5 Q5 | RF: M8 C6 S3", 8 * 6 * 3),
        ("DRAM: Q5 | GLB: M4 C2 P5 | RF: C3 M2 R3 S3", 2 * 6 * 9),
        ("GLB: M1 P5 Q5 M8 C6 R3 S3", 8 * 6 * 9),
    ],
)
def test_a_slice_is_what_lies_inside_the_outermost_loop(nest, words):
    problem = Problem((1, 1, 8, 6, 5, 5, 3, 3))
    assert slice_words(problem, LoopNest.parse(nest), "GLB") == words


@settings(max_examples=100)
@given(RANDOM)
def test_slices_make_the_filter(rng):
    """Walked step by step: the filter comes once, in as many slices as the outermost loop has iterations."""
    sizes = {"M": rng.randint(1, 9), "C": rng.randint(1, 5), "R": rng.randint(1, 3), "P": rng.randint(1, 3)}
    problem = Problem.of(sizes)
    first, cut = rng.choice("MCR"), {}
    for dim in "MCR":
        inner = rng.randint(1, sizes[dim])
        cut[dim] = (-(-sizes[dim] // inner), inner)
    outer = [first, *rng.sample([dim for dim in "MCRP" if dim != first], 3)]
    text = " ".join(f"{dim}{cut[dim][0] if dim in cut else sizes['P']}" for dim in outer)
    nest = LoopNest.parse(f"GLB: {text} | RF: " + " ".join(f"{dim}{cut[dim][1]}" for dim in "MCR"))
    loops = [loop for loop in nest.level("GLB").temporal if loop.factor > 1]
    if not loops or loops[0].dim == "P":
        assert slice_words(problem, nest, "GLB") == problem.words(Tensor.FILTER)
        return
    lead = loops[0]
    seen, most = set(), 0
    for at in range(lead.factor):
        mine = set()
        for index in product(*(range(sizes[dim]) for dim in "MCR")):
            if index["MCR".index(lead.dim)] // cut[lead.dim][1] == at:
                mine.add(index)
        assert not mine & seen
        seen |= mine
        most = max(most, len(mine))
    assert len(seen) == problem.words(Tensor.FILTER)
    assert slice_words(problem, nest, "GLB") == most
