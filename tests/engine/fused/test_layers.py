"""Groups out of networks: views looked through, and one clear line for what is not legal."""

import pytest

from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.engine.fused.layers import Wiring, group_of
from accelsim.engine.fused.storage import MODES, Measure, Tiling, measure
from accelsim.errors import MappingError
from accelsim.workload.network import Network
from accelsim.workload.problem import Tensor
from accelsim.workload.yaml import load_network

LAYERS = {
    "c1": {"op": "conv", "M": 8, "kernel": 3, "pad": 1},
    "p1": {"op": "maxpool", "kernel": 3, "stride": 2, "pad": 1},
    "l": {"op": "split", "parts": 2, "part": 0, "inputs": "p1"},
    "r": {"op": "split", "parts": 2, "part": 1, "inputs": "p1"},
    "dw": {"op": "depthwise", "kernel": 3, "pad": 1, "stride": 1, "inputs": "r"},
    "cat": {"op": "concat", "inputs": ["l", "dw"]},
    "mix": {"op": "channel_shuffle", "groups": 2},
    "part": {"op": "slice", "start": 1, "count": 4},
    "c2": {"op": "conv", "M": 6, "kernel": 1, "inputs": "part"},
    "sum": {"op": "elementwise", "function": "relu"},
    "up": {"op": "conv", "M": 4, "kernel": 2, "stride": 2, "transposed": "insert"},
    "wide": {"op": "fc", "M": 5},
    "tail": {"op": "fc", "M": 5},
    "side": {"op": "fc", "M": 5, "inputs": "wide"},
}


def net(**others):
    return Network.of("n", {**LAYERS, **others}, (3, 16, 12))


def test_a_chain_with_views():
    """Split, concat, shuffle and slice are ranges of channels; what they name is read of its makers."""
    group = group_of(net(), ["c1", "p1", "dw", "c2", "sum"])
    assert group.sources == (Source("input", 3, (16, 12)),)
    c1, p1, dw, c2, relu = group.ops
    assert (c1.kind, c1.kernel, c1.pad, c1.plane) == ("conv", (3, 3), (1, 1), (16, 12))
    assert (p1.kind, p1.kernel, p1.stride, p1.pad, p1.plane) == ("pool", (3, 3), (2, 2), (1, 1), (8, 6))
    assert p1.operations == 8 * 8
    assert dw.reads == (Read("p1", range(4, 8)),) and dw.groups == 4 and dw.inner == 1
    # shuffled: l0 dw0 l1 dw1 ...; channels 1 to 4 of it
    assert c2.reads == (Read("dw", range(0, 2)), Read("p1", range(1, 3)))
    assert relu.kind == "elementwise" and relu.operations == 6


def test_views_may_be_named():
    assert group_of(net(), ["p1", "l", "r", "dw", "cat", "mix", "part", "c2"]) == group_of(net(), ["p1", "dw", "c2"])


def test_a_source_has_the_channels_that_are_read_of_it():
    group = group_of(net(), ["dw", "c2"])
    assert group.sources == (Source("p1", 6, (8, 6)),)


def test_what_is_joined_with_itself_is_read_as_often():
    """A concatenation that names a tensor twice, once in part: words are multiplied as often."""
    layers = {
        "a": {"op": "conv", "M": 4, "kernel": 1},
        "half": {"op": "slice", "start": 1, "count": 2},
        "cat": {"op": "concat", "inputs": ["a", "half", "a"]},
        "b": {"op": "conv", "M": 3, "kernel": 1},
    }
    network = Network.of("n", layers, (2, 5, 5))
    group = group_of(network, ["a", "b"])
    assert group.ops[1].reads == (Read("a", range(0, 4)), Read("a", range(0, 4)), Read("a", range(1, 3)))
    found = measure(group, Tiling((2, 5)))
    assert found.macs == {layer.name: layer.macs for layer in network.layers if layer.problem}
    assert found.held == {"a": 4 * 10 + 2 * 10, "b": 4 * 10 + 3 * 10}


def test_images_are_the_batch():
    network = Network.of("n", LAYERS, (3, 16, 12), batch=4)
    assert group_of(network, ["c1", "p1"]).images == 4


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["c1", "tall"], "'n' has no layer 'tall'; did you mean 'tail'?"),
        (["c1", "dw"], "a fused group's layers follow one another; 'p1' runs between 'c1' and 'dw'"),
        (["p1", "dw"], "'p1' is read by 'c2', which is not in the fused group: only its sink may be read outside"),
        (["tail", "side"], "a fused group has one sink, here 'tail' and 'side'"),
        (["sum", "up"], "'up' is carried out in parts or with zeros inserted (transposed, 3-D): it cannot be fused"),
        (["wide"], "'wide' (fc) reads a whole plane of 4x16x12 at once: it cannot be fused"),
        (["l", "cat"], "a fused group of l, cat: none of them computes"),
        ([], "a fused group of no layers: none of them computes"),
    ],
)
def test_refused(names, message):
    with pytest.raises(MappingError) as error:
        group_of(net(), names)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"a": {"op": "conv", "M": 8, "kernel": 1}, "b": {"op": "resize", "scale": 2}}, "'b' (resize) cannot be in a"),
        ({"a": {"op": "matmul", "M": 4}, "f": {"op": "flatten"}, "b": {"op": "fc", "M": 3}}, "'b' (fc) reads a whole"),
        ({"a": {"op": "conv", "M": 8, "kernel": 1}, "t": {"op": "transpose"}, "b": {"op": "elementwise"}},
         "'b' reads 'a' through 't', a view that names more than channels"),
        ({"a": {"op": "conv", "M": 8, "kernel": 1, "repeat": 2}, "b": {"op": "elementwise"}}, "'a' runs 2 times"),
        ({"q": {"op": "matmul", "M": 4}, "k": {"op": "matmul", "M": 4, "inputs": "input"},
          "s": {"op": "matmul", "inputs": ["q", "k"]}}, "'s' multiplies by 'k', which is made inside the fused group"),
        ({"a": {"op": "conv", "M": 8, "kernel": 1}, "b": {"op": "matmul", "M": 3, "added": True}},
         "'b' begins its sums with words of the outermost level"),
        ({"a": {"op": "conv", "M": 8, "kernel": 1}, "s": {"op": "elementwise"}, "c": {"op": "concat",
          "inputs": ["a", "s"]}}, "'a' is an output of 'n': only a group's sink may be"),
    ],
)  # fmt: skip
def test_refused_elsewhere(layers, message):
    with pytest.raises(MappingError) as error:
        group_of(Network.of("n", layers, (3, 6, 6)), list(layers))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_sink_may_be_joined_of_parts():
    """An inception block: four layers make channels of what is read outside; all leave together."""
    network = load_network("googlenet")
    group = group_of(network, Wiring(network).order[5:12], joined=True)
    assert [op.name for op in group.sinks] == ["3a_1x1", "3a_3x3", "3a_5x5", "3a_pool"] and group.joined
    with pytest.raises(MappingError, match="one sink, here '3a_1x1' and '3a_3x3' and '3a_5x5' and '3a_pool'"):
        group_of(network, Wiring(network).order[5:12])
    found = measure(group, Tiling((7, 28)))
    assert found.updates == 256 * 28 * 28
    assert found.macs == {layer.name: layer.macs for layer in network.layers if layer.name in found.macs}
    # the first part's tile waits for the others
    measuring = Measure(group)
    during = measuring.during(measuring(Tiling((28, 28))), 0, 0)
    assert during[:, group.number["3a_1x1"]].tolist() == [64 * 28 * 28] * 7


def test_two_layers_that_no_concatenation_joins_are_two_sinks():
    network = load_network("googlenet")
    names = ["3a_1x1", "3a_3x3r"]
    with pytest.raises(MappingError) as error:
        group_of(network, [name for name in Wiring(network).order if name in names], joined=True)
    assert "a fused group has one sink, here '3a_1x1' and '3a_3x3r'" in str(error.value)


def test_a_second_operand_from_outside_is_a_filter():
    """Q K^T of 2 heads: K waits outside, or in the buffer, as a filter does."""
    layers = {
        "k": {"op": "matmul", "M": 8, "inputs": "input"},
        "q": {"op": "matmul", "M": 8, "inputs": "input"},
        "s": {"op": "matmul", "inputs": ["q", "k"], "groups": 2},
        "e": {"op": "softmax"},
    }
    network = Network.of("n", layers, (4, 1, 10), batch=3)
    group = group_of(network, ["q", "s", "e"])
    s = group.ops[1]
    assert (s.dynamic, s.groups, s.inner, s.outer, s.filters) == ("k", 2, 4, 10, 80)
    assert measure(group, Tiling((1, 5))).macs["s"] == network.layers[2].problem.macs


def test_a_factor_for_each_channel_is_broadcast():
    """Squeeze and excite: the factor waits for the whole plane, so all of it is made in the first tile, and held."""
    layers = {
        "c": {"op": "conv", "M": 4, "kernel": 1},
        "mean": {"op": "avgpool"},
        "gate": {"op": "elementwise", "function": "sigmoid"},
        "scale": {"op": "elementwise", "function": "multiply", "inputs": ["c", "gate"]},
    }
    group = group_of(Network.of("n", layers, (2, 6, 6)), list(layers))
    found = measure(group, Tiling((2, 6)))
    assert found.runs.tolist() == [1, 1, 1, 1, 3]
    assert found.between == 4 * 36 + 4 - 4 * 12  # two thirds of c, and the factors


@pytest.mark.parametrize(
    "name", ["vgg16", "resnet50", "mobilenet_v2", "shufflenet_v2", "googlenet", "efficientnet_b0", "bert_base"]
)
def test_groups_of_shipped_networks(name):
    """Kept whole, a group does the MACs of its layers, reads its sources and writes its sink once."""
    network = load_network(name)
    wiring, layers = Wiring(network), {layer.name: layer for layer in network.layers}
    legal = 0
    for begin in range(len(wiring.order)):
        for length in (1, 2, 3, 6):
            names = tuple(wiring.order[begin : begin + length])
            try:
                group = wiring.group(names, joined=True)
            except MappingError:
                continue
            legal += 1
            assert isinstance(group, Group)
            found = measure(group, Tiling(tuple(min(7, size) for size in group.sink.plane), MODES["both"]))
            for op in group.ops:
                check_layer(layers[op.name], op, found)
            assert found.updates == sum(layers[op.name].shape.words for op in group.sinks)
    assert legal > len(wiring.order) // 2


def check_layer(layer, op: Op, found):
    # a stride that skips rows at the end of a plane leaves words unmade: none of these networks pools so much
    assert found.macs[op.name] <= layer.macs
    if op in found.group.sinks:
        assert found.macs[op.name] == layer.macs
    if layer.problem:
        assert op.filters == layer.problem.words(Tensor.FILTER)
        return
    assert op.operations * op.plane[0] * op.plane[1] == layer.vector_ops
