"""Which shipped mapping runs by itself."""

from __future__ import annotations

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.mapping.shipped import mappings_for, shipped
from accelsim.workload.yaml import load_network

NETWORK = "mobilenet_v1_0.5_128"


def chosen(machine, batch=1, zeros=False, network=NETWORK, layers="*"):
    found = [layer for layer in load_network(network, batch).select(layers) if layer.problem]
    return shipped(load_architecture(machine), found, {}, zeros)


def test_a_mapping_is_that_of_the_longest_machine_name_it_begins_with():
    assert mappings_for(load_architecture("eyeriss_v2")) == ["eyeriss_v2_mobilenet", "eyeriss_v2_mobilenet_sparse"]
    assert mappings_for(load_architecture("eyeriss_v2_bus")) == ["eyeriss_v2_bus_mobilenet"]
    assert mappings_for(load_architecture("eyeriss")) == ["eyeriss_alexnet_jssc17"]
    assert mappings_for(load_architecture("tpu_v1")) == []


def test_the_one_for_zeros_goes_first_where_there_are_some():
    name, nests = chosen("eyeriss_v2")
    assert name == "eyeriss_v2_mobilenet"
    assert {"conv1", "FC"} <= set(nests)
    assert chosen("eyeriss_v2", zeros=True)[0] == "eyeriss_v2_mobilenet_sparse"
    assert chosen("eyeriss_v2", layers="conv1")[0] == "eyeriss_v2_mobilenet"


@pytest.mark.parametrize(
    "options", [{"batch": 2}, {"network": "alexnet"}, {"network": "mobilenet_v1"}, {"machine": "tpu_v1"}]
)
def test_one_that_cannot_run_every_layer_is_not_taken(options):
    assert chosen(**{"machine": "eyeriss_v2", **options}) == (None, {})
