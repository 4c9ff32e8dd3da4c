"""What a fused group is made of, and what is refused."""

import pytest

from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.errors import MappingError

X = Source("x", 4, (6, 8))


def op(name="a", reads="x", kind="conv", plane=(6, 8), channels=4, **others):
    each = (reads,) if isinstance(reads, str) else reads
    return Op(name, kind, tuple(Read(one, range(4)) for one in each), channels, plane, **others)


def test_sizes_of_an_operation():
    """Grouped: 4 channels in 2 groups to 6, 3 x 1 taps."""
    one = op(channels=6, groups=2, kernel=(3, 1), pad=(1, 0))
    assert (one.arriving, one.inner, one.outer) == (4, 2, 3)
    assert one.macs_at == 6 * 2 * 3 and one.filters == 2 * 3 * 2 * 3
    assert op(kind="pool", kernel=(2, 2)).macs_at == 0 and op(kind="add", reads=("x", "y")).filters == 0
    # heads that share a second operand have one filter
    shared = op(kind="matmul", channels=20, shared=2, groups=2, dynamic="k")
    assert (shared.inner, shared.outer, shared.filters, shared.macs_at) == (1, 5, 10, 20)


def test_numbers_of_a_group():
    group = Group((X,), (op(), op("b", "a", "pool", (3, 4), kernel=(2, 2), stride=(2, 2)), op("c", "b", plane=(3, 4))))
    assert group.tensors == ("x", "a", "b", "c") and group.number["b"] == 2
    assert group.channels == (4, 4, 4, 4) and group.planes == ((6, 8), (6, 8), (3, 4), (3, 4))
    assert group.sink.name == "c" and group.sinks == group.ops[2:]
    rows, columns = group.chains
    assert rows.plane.tolist() == [6, 6, 3, 3] and columns.plane.tolist() == [8, 8, 4, 4]
    assert rows.edges.tolist() == [[1, 1, 1, 0], [2, 2, 2, 0], [3, 1, 1, 0]]


def test_what_is_broadcast_steps_nowhere():
    scale = Op("s", "elementwise", (Read("x", range(4)), Read("f", range(4))), 4, (6, 8), operations=4)
    group = Group((X, Source("f", 4, (1, 1))), (scale,))
    assert [(link.tensor, link.stride, link.reach) for link in group.links(0)] == [(0, 1, 1), (1, 0, 1)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: op(kind="cov"), "'a': no kind 'cov' of a fused layer; did you mean 'conv'? (add, conv, depthwise, "),
        (lambda: op(reads=()), "'a' reads nothing: it cannot be in a fused group"),
        (lambda: op(kernel=(0, 1)), "'a': a size is below 1, or a padding below 0"),
        (lambda: op(groups=3), "'a': 4 and 4 channels do not split into its groups"),
        (lambda: Group((X,), ()), "a fused group has one layer at least"),
        (lambda: Group((X, X), (op(),)), "a fused group reads 'x' twice under one name"),
        (lambda: Group((X,), (op(), op())), "a fused group has two tensors called 'a'"),
        (lambda: Group((X,), (op("b", "a"), op())), "'b' reads 'a', which is not made before it"),
        (lambda: Group((X,), (op(), op("b"))), "a fused group has one sink, here 'a' and 'b'"),
        (lambda: Group((X,), (op(), op("b", plane=(3, 8), stride=(2, 1))), 1, True),
         "a fused group has one sink, here 'a' and 'b'"),
        (lambda: Group((X, Source("y", 1, (1, 1))), (op(),)), "a fused group fetches 'y', which none of its layers"),
        (lambda: Group((X,), (op("k"), op("q"), op("s", "q", "matmul", dynamic="k"))),
         "'s' multiplies by 'k', which is made inside the group"),
        (lambda: Group((X,), (op(pad=(1, 0), plane=(7, 8)),)),
         "'a': the window of its first row lies in the padding, beside all 6 rows of 'x'"),
        (lambda: Group((X,), (op(plane=(6, 9)),)),
         "'a': the window of its last column lies in the padding, beside all 8 columns of 'x'"),
        (lambda: Group((X,), (op(kind="softmax", plane=(6, 4)),)),
         "'a' makes 4 columns of the 8 of 'x': it is not position by position"),
    ],
)  # fmt: skip
def test_refused_in_a_line(make, message):
    with pytest.raises(MappingError) as error:
        make()
    assert message in str(error.value) and "\n" not in str(error.value)
