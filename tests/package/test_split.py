"""Parts of a layer, and words exchanged, against sets of coordinates."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import MappingError
from accelsim.package.split import SPLIT_DIMS, Cut, blocks, exchanged, owned, partial_sums
from accelsim.workload.problem import Problem, Tensor

small = st.integers(1, 4)


@st.composite
def problems(draw, n=None, channels=None, plane=None):
    """A small layer; with `channels` and `plane`, one that reads a feature map of these."""
    g = draw(st.integers(1, 3))
    if channels:
        g = draw(st.sampled_from([d for d in range(1, channels + 1) if channels % d == 0]))
    sizes = {"N": n or draw(small), "G": g, "M": draw(small), "C": channels // g if channels else draw(small)}
    sizes |= {"R": draw(st.integers(1, 3)), "S": draw(st.integers(1, 3))}
    stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    pad = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    sizes |= {"P": draw(st.integers(1, 7)), "Q": draw(st.integers(1, 7))}
    height, width = plane or (draw(st.integers(0, 12)), draw(st.integers(0, 12)))
    return Problem.of(sizes, stride=stride, dilation=dilation, pad=pad, height=height, width=width)


@st.composite
def cuts(draw, problem, dims=SPLIT_DIMS):
    return Cut(problem, {dim: draw(st.integers(1, 4)) for dim in draw(st.sets(st.sampled_from(dims)))})


def reads(problem, spans=None):
    """Coordinates (n, channel, row, column) of the plane that a layer, or the part with these spans, multiplies."""
    spans = spans or {dim: (0, problem[dim]) for dim in SPLIT_DIMS}
    found = set()
    taps = product(*(range(*spans[d]) for d in "PQ"), range(problem["R"]), range(problem["S"]))
    positions = set()
    for p, q, r, s in taps:
        h = p * problem.stride[0] + r * problem.dilation[0] - problem.pad[0]
        w = q * problem.stride[1] + s * problem.dilation[1] - problem.pad[1]
        if 0 <= h < problem.height and 0 <= w < problem.width:
            positions.add((h, w))
    for n, g, c in product(*(range(*spans[d]) for d in "NGC")):
        found |= {(n, g * problem["C"] + c, h, w) for h, w in positions}
    return found


def writes(problem, spans):
    axes = product(*(range(*spans[d]) for d in "NGMPQ"))
    return {(n, g * problem["M"] + m, p, q) for n, g, m, p, q in axes}


@given(st.integers(1, 40), st.integers(1, 40))
def test_blocks_cover_a_dim_once(size, factor):
    found = blocks(size, factor)
    assert [at for first, last in found for at in range(first, last)] == list(range(size))
    assert len(found) <= factor


@given(problems().flatmap(cuts))
@settings(max_examples=150, deadline=None)
def test_parts_do_all_macs_once_and_each_is_a_layer_that_reads_what_it_should(cut):
    assert sum(part.problem.macs for part in cut.parts) == cut.problem.macs
    assert len(cut.parts) == cut.count
    for part in cut.parts:
        there, own = reads(cut.problem, part.spans), reads(part.problem)
        assert len(own) == len(there)
        if own:
            shift = [min(x[i] for x in there) - min(x[i] for x in own) for i in (2, 3)]
            moved = {(h + shift[0], w + shift[1]) for _, _, h, w in own}
            assert moved == {(h, w) for _, _, h, w in there}
        taps = [(part.problem.over_plane(axis)) for axis in (0, 1)]
        assert sum(taps[0]) * sum(taps[1]) == sum(
            1
            for p, q, r, s in product(
                *(range(*part.spans[d]) for d in "PQ"), range(cut.problem["R"]), range(cut.problem["S"])
            )
            if 0 <= p * cut.problem.stride[0] + r * cut.problem.dilation[0] - cut.problem.pad[0] < cut.problem.height
            and 0 <= q * cut.problem.stride[1] + s * cut.problem.dilation[1] - cut.problem.pad[1] < cut.problem.width
        )


@st.composite
def pairs(draw):
    first = draw(problems())
    plane = first["P"], first["Q"]
    second = draw(problems(first["N"], first["G"] * first["M"], plane))
    return draw(cuts(first)), draw(cuts(second))


def compare_with_sets(pair):
    first, second = pair
    try:
        found = exchanged(first, second)
    except MappingError as error:
        found, refused = None, str(error)
    if found is None:
        # channels that are no interval
        assert "several groups" in refused
        return
    for a, b in product(first.parts, second.parts):
        sets = writes(first.problem, a.spans) & reads(second.problem, b.spans) if a.owns else ()
        assert found.get((a.index, b.index), 0) == len(sets)


@given(pairs())
@settings(max_examples=150, deadline=None)
def test_words_exchanged_equal_sets(pair):
    compare_with_sets(pair)


@pytest.mark.nightly
@given(pairs())
@settings(max_examples=3000, deadline=None)
def test_words_exchanged_equal_sets_often(pair):
    compare_with_sets(pair)


@given(problems().flatmap(cuts))
@settings(max_examples=60, deadline=None)
def test_a_tensor_is_read_as_often_as_dims_foreign_to_it_are_split(cut):
    filters = sum(part.problem.words(Tensor.FILTER) for part in cut.parts)
    assert filters == cut.problem.words(Tensor.FILTER) * cut.replication(("G", "M", "C"))
    sums = sum(part.problem.words(Tensor.PSUM) for part in cut.parts)
    assert sums == cut.problem.words(Tensor.PSUM) + partial_sums(cut)
    assert sums - partial_sums(cut) == sum(part.problem.words(Tensor.PSUM) for part in cut.parts if part.owns)


def test_an_owner_is_the_part_with_the_first_block_of_channels():
    cut = Cut(Problem.of({"M": 4, "C": 6, "P": 2}), {"C": 3, "M": 2})
    assert [part.owner for part in cut.parts] == [0, 0, 0, 3, 3, 3]
    assert [owned(cut, part) is None for part in cut.parts] == [False, True, True, False, True, True]
    assert partial_sums(cut) == 2 * 8
    assert cut.text == "M2 C3"


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ({"R": 2}, "split: a layer is not split over 'R'; "),
        ({"N": 0}, "split: N: must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_split_is_told(factors, said):
    with pytest.raises(MappingError) as error:
        Cut(Problem.of({"N": 2}), factors)
    assert said.rstrip("; ") in str(error.value)
