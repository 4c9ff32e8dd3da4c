"""DRAM words of nn-dataflow's blocking of AlexNet, batch 16, 16 x 16 PEs."""

from __future__ import annotations

import pytest

from accelsim.reproduce import nn_dataflow
from accelsim.reproduce.source import rows

LAYERS = ("CONV1", "CONV2", "CONV3", "CONV4", "CONV5", "FC6", "FC7", "FC8")


def test_both_towers_are_there():
    assert [row["layer"] for row in rows("nn_dataflow_alexnet_b16")].count("conv3_b") == 1
    assert set(nn_dataflow.reference()) == set(nn_dataflow.words()) == set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_their_blocking_moves_their_words(layer):
    assert nn_dataflow.words()[layer] == nn_dataflow.reference()[layer]


@pytest.mark.parametrize("layer", LAYERS)
def test_their_blocking_is_what_the_mapping_says(layer):
    """Ifmap, ofmap and batch loops at DRAM: the product of ours is theirs."""
    names = {name: tower for tower, name in nn_dataflow.FC_NAMES.items()}
    row = next(row for row in rows("nn_dataflow_alexnet_b16") if row["layer"] == names.get(layer, f"{layer.lower()}_a"))
    dram = nn_dataflow.run().layer(layer).nest.level("DRAM").temporal
    for dims, column in (("C", "t_ifm"), ("M", "t_ofm"), ("NP", "t_bat")):
        product = 1
        for loop in dram:
            product *= loop.factor if loop.dim in dims else 1
        assert product == int(row[column].strip("[]").split(",")[0]), column


@pytest.mark.slow
def test_our_search_moves_no_more_words():
    ours = {layer: sum(words.values()) for layer, words in nn_dataflow.words(searched=True).items()}
    theirs = {layer: sum(words.values()) for layer, words in nn_dataflow.reference().items()}
    assert sum(ours.values()) <= sum(theirs.values())
    for layer in LAYERS[:5]:
        assert ours[layer] <= theirs[layer], layer
