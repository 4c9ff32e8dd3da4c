"""Words of a transfer laid out from the packed mask: the product of five lists, as numpy has it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.nest.kernels.records import FILTER, IFMAP
from accelsim.engine.zeros.kernels.encoded import Mask, _gather
from accelsim.engine.zeros.kernels.lists import Lists, Tiles


@st.composite
def cases(draw):
    """(tensor, extent, what is padded above and to the left, five rising lists)."""
    tensor = draw(st.sampled_from((IFMAP, FILTER)))
    extent = draw(st.lists(st.integers(1, 6), min_size=5, max_size=5))
    pads = draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) if tensor == IFMAP else (0, 0)
    lists = []
    for axis, size in enumerate(extent):
        last = size + (2 * pads[axis - 3] if axis > 2 else 0)
        whole = draw(st.booleans())
        first = pads[axis - 3] if axis > 2 else 0
        some = st.sets(st.integers(0, last - 1), min_size=1).map(sorted)
        lists.append(list(range(first, first + size)) if whole else draw(some))
    return tensor, extent, pads, lists, draw(st.integers(0, 2**32 - 1))


@settings(deadline=None)
@given(cases())
def test_it_is_the_product_of_the_lists(case):
    tensor, extent, pads, lists, seed = case
    dense = np.random.default_rng(seed).integers(0, 2, extent, dtype=np.uint8)
    # rows and columns count from the corner of the padded plane
    padded = np.pad(dense, [(0, 0)] * 3 + [(pads[0], pads[0]), (pads[1], pads[1])])
    rows = np.zeros((6, 16), np.int64)
    for axis, own in enumerate(lists):
        rows[axis, : len(own)] = own
    counts = np.array([*map(len, lists), 0])
    none = np.zeros(10, np.int64)
    axes = np.zeros((2, 3), np.int64)
    axes[:, 2] = pads
    one = Tiles(tensor, none, np.zeros((6, 1, 2), np.int64), np.zeros(6, np.int64), none, axes, False)
    room = Lists(rows, counts, none, none, np.zeros(1, np.uint8))
    mask = Mask(np.packbits(dense.reshape(-1), bitorder="little"), np.array(extent))
    out = np.full(int(np.prod(counts[:5])) + 1, 7, np.uint8)
    _gather(one, mask, room, out)
    assert out[:-1].tolist() == padded[np.ix_(*lists)].reshape(-1).tolist() and out[-1] == 7
