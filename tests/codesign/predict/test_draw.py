"""Drawn layers: the same from the same seed, within what is documented, none of a network that ships."""

from __future__ import annotations

import pytest

from accelsim.codesign.predict import draw
from accelsim.codesign.predict.kinds import FEATURES, describe, kind_of
from accelsim.workload.problem import Tensor
from accelsim.workload.yaml import load_network


@pytest.mark.parametrize("kind", FEATURES)
def test_what_is_drawn(kind):
    found = list(draw.layers(kind, 200, seed=3))
    assert found[:20] == list(draw.layers(kind, 20, seed=3)) != list(draw.layers(kind, 20, seed=4))
    assert len(set(found)) == 200 and {kind_of(problem) for problem in found} == {kind}
    assert all(describe(problem).odd == "" for problem in found)
    for problem in found:
        assert problem.macs <= draw.MOST_MACS and problem.words(Tensor.FILTER) <= draw.MOST_WEIGHTS
        assert problem.words(Tensor.PSUM) <= draw.MOST_WORDS * problem.sizes[0]


@pytest.mark.parametrize("network", ["alexnet", "vgg16", "resnet50", "mobilenet_v1", "bert_base"])
def test_none_is_a_layer_of_a_network(network):
    own = {layer.problem.sizes for layer in load_network(network).layers if layer.problem}
    assert not own & {problem.sizes for kind in FEATURES for problem in draw.layers(kind, 500, seed=0)}
