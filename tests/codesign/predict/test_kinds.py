"""Types and numbers of layers: of the networks that ship, and beside counts made another way."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accelsim.codesign.predict.kinds import FEATURES, PHYSICAL, describe, kind_of
from accelsim.workload.problem import Problem, Tensor
from accelsim.workload.yaml import load_network

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
PROBLEMS = st.builds(
    Problem, st.tuples(*[st.integers(1, 6)] * 8), stride=PAIRS, dilation=PAIRS, pad=st.just((0, 0)) | PAIRS
)


@pytest.mark.parametrize(
    ("network", "layer", "kind", "features"),
    [
        ("alexnet", "CONV1", "convolution", (1, 227, 3, 11, 4, 0, 96)),
        ("alexnet", "CONV2", "grouped", (1, 2, 27, 48, 5, 1, 2, 128)),
        ("alexnet", "FC6", "fully_connected", (1, 9216, 4096)),
        ("vgg16", "CONV1-2", "convolution", (1, 224, 64, 3, 1, 1, 64)),
    ],
)
def test_layers_of_networks(network, layer, kind, features):
    problem = next(one.problem for one in load_network(network).layers if one.name == layer)
    told = describe(problem)
    assert (told.kind, told.features, told.odd) == (kind, features, "")


def test_tokens_are_a_product_and_heads_its_groups():
    found = {describe(one.problem).features for one in load_network("bert_base").layers if one.problem}
    assert {kind_of(one.problem) for one in load_network("bert_base").layers if one.problem} == {"product"}
    assert (1, 12, 128, 64, 128) in found and (1, 1, 128, 768, 3072) in found


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(PROBLEMS)
def test_numbers_are_those_of_the_problem(problem):
    told = describe(problem)
    assert len(told.features) == len(FEATURES[told.kind]) and len(told.physical) == len(PHYSICAL)
    numbers = dict(zip(PHYSICAL, told.physical, strict=True))
    n, g, m, c, p, q, r, s = told.sizes
    assert numbers["operations"] == n * g * m * c * p * q * r * s == problem.macs
    assert numbers["operations_per_image"] * n == problem.macs
    assert numbers["filter_words"] == problem.words(Tensor.FILTER)
    assert numbers["input_words_inside"] <= numbers["input_words"]
    assert (told.kind in ("grouped", "product")) or g == 1


def test_what_no_number_tells_is_told():
    wide = Problem((1, 1, 8, 8, 6, 4, 1, 3), pad=(0, 1))
    assert "kernel 1x3 is not square" in describe(wide).odd and "plane 6x4 is not square" in describe(wide).odd
    assert describe(Problem((1, 1, 8, 8, 4, 4, 3, 3), dilation=(2, 2))).odd == "dilation 2x2"
