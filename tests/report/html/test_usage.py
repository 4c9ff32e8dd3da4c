"""Places of arrays that hold work, against the count of active PEs; full memories against what a mapping may take."""

from __future__ import annotations

import numpy as np

from accelsim.mapping.mapping import demands
from accelsim.report.arrays import Use
from accelsim.report.html import machine, usage
from accelsim.simulate import simulate


def test_large_arrays_are_drawn_in_few_boxes():
    share = np.zeros((256, 256))
    share[:200, :100] = 1
    assert usage.draw(Use("UB", share)).count("<rect") < 8


def test_full_is_what_the_mapping_takes_of_a_capacity():
    result = simulate("eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV*", batch=4)
    found = machine.fills(result)
    assert set(found) == {"GLB", "FILTER_BANK", "RF ifmap", "RF filter", "RF psum"}
    assert all(0 < fill.mean <= fill.most <= 1 for fill in found.values())
    (layer,) = (layer for layer in result.layers if layer.name == "CONV1")
    taken = [
        bits for level, _, bits, _ in demands(result.architecture, layer.nest, layer.problem) if level.name == "RF"
    ]
    # 11 words of a sliding window, 11 x 16 filters, 16 sums (Table III of the paper)
    assert taken == [11 * 16, 11 * 16 * 16, 16 * 16]


def test_full_is_of_the_words_that_ran():
    result = simulate("eyeriss", "alexnet", layers="CONV3", bits={"ifmap": 8, "filter": 8}, evaluator="analytical")
    assert all(0 < fill.most <= 1 for fill in machine.fills(result).values())


def test_memories_of_pes_that_map_by_themselves_are_not_filled():
    assert machine.fills(simulate("scnn", "alexnet", layers="CONV5")) == {}
