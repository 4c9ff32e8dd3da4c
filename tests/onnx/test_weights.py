"""The weights of a graph are the filters of its layers, zero by zero; what is not there is one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("onnx.helper")

import accelsim
import onnx
from accelsim.errors import AccelsimError
from accelsim.onnx.network import convert, load
from accelsim.onnx.weights import Weights, pattern
from accelsim.workload.problem import Tensor
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse
from graphs import GRAPHS, at_hand, truth
from onnx import numpy_helper
from onnx_small import SMALL, model, node, stored, tensor

DIGITS = "digits_cnn_pruned"


def saved(folder, made, **options):
    """A model in a file."""
    path = folder / "small.onnx"
    onnx.save_model(made, str(path), **options)
    return path


@at_hand
@pytest.mark.parametrize("name", [name for name in truth() if name.startswith("digits")])
def test_zeros_are_those_that_were_counted(name):
    """Of every form that integers take, too."""
    path, network = GRAPHS / f"{name}.onnx", load(GRAPHS / f"{name}.onnx")
    weights = Weights(path)
    for layer, right in zip(network.mac_layers, truth()[name]["nodes"], strict=True):
        words = weights.array(layer, Tensor.FILTER).words
        # a zero point stands for zero; what was counted are the words as they are stored
        if name in ("digits_cnn_pruned", "digits_cnn_qdq"):
            assert np.count_nonzero(words) == right["nonzero_weights"]
        assert words.size == layer.weights


@at_hand
def test_as_arrays_beside_it(tmp_path):
    """The graph's own weights, and the same as arrays in a directory, give the same run."""
    path = GRAPHS / f"{DIGITS}.onnx"
    words = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(str(path)).graph.initializer}
    for layer in load(path).mac_layers:
        np.save(tmp_path / f"{layer.name}.filter.npy", words[f"{layer.name}.weight"])
    both = [accelsim.simulate("eyeriss", path, data=data).to_dict() for data in ("weights", tmp_path)]
    assert json.dumps(both[0]["layers"]) == json.dumps(both[1]["layers"])
    assert both[0]["ran"]["sha256"]["operands"].keys() == {str(path)}


@at_hand
def test_a_run_of_them_can_be_run_again(tmp_path):
    path = GRAPHS / f"{DIGITS}.onnx"
    first = accelsim.simulate("eyeriss", path, data="weights")
    again = accelsim.rerun(first)
    assert again.to_dict() == first.to_dict()
    assert first.operands.startswith("weights of ")


def test_sizes_left_open_are_kept_for_a_run_again(tmp_path):
    make, dims = SMALL["attention"]
    path = saved(tmp_path, make())
    first = accelsim.simulate("eyeriss", path, data="weights", dims=dims)
    file = tmp_path / "result.json"
    file.write_text(json.dumps(first.to_dict()))
    assert accelsim.rerun(file).to_dict() == first.to_dict()


@pytest.mark.parametrize(
    ("op", "attributes", "sizes"),
    [("MatMul", {}, (6, 4)), ("Gemm", {}, (6, 4)), ("Gemm", {"transB": 1}, (4, 6))],
)
def test_a_matrix_lies_as_the_product_reads_it(tmp_path, op, attributes, sizes):
    words = np.arange(1, 25, dtype=np.float32).reshape(sizes)
    made = model(
        [node(op, "x w", "y", **attributes)],
        [tensor("x", 1, 6)],
        [tensor("y", 1, 4)],
        [numpy_helper.from_array(words, "w")],
    )
    path = saved(tmp_path, made)
    (layer,) = load(path).mac_layers
    found = Weights(path).array(layer, Tensor.FILTER).words.reshape(4, 6)
    assert (found == (words if attributes else words.T)).all()


def test_through_nodes_that_only_move_or_scale_them(tmp_path):
    integers = np.random.default_rng(1).integers(0, 7, (4, 6)).astype(np.uint8)
    made = model(
        [node("DequantizeLinear", "q s z", "w"), node("Transpose", "w", "t"), node("MatMul", "x t", "y")],
        [tensor("x", 1, 6)],
        [tensor("y", 1, 4)],
        [
            numpy_helper.from_array(integers, "q"),
            numpy_helper.from_array(np.float32(0.5), "s"),
            numpy_helper.from_array(np.uint8(3), "z"),
        ],
    )
    path = saved(tmp_path, made)
    (layer,) = load(path).mac_layers
    found = Weights(path).array(layer, Tensor.FILTER).words.reshape(4, 6)
    assert (found == integers.astype(int) - 3).all()
    assert layer.bits["filter"] == 8


@pytest.mark.parametrize("there", [True, False])
def test_words_beside_the_file(tmp_path, there):
    made = SMALL["convolutions"][0]()
    path = saved(tmp_path, made, save_as_external_data=True, location="words.bin", size_threshold=0)
    assert load(path).macs  # shapes need none
    if not there:
        (tmp_path / "words.bin").unlink()
        with pytest.raises(AccelsimError, match=r"the words of 'w1' \[8, 3, 3, 3\] lie in 'words.bin', which is not"):
            accelsim.simulate("eyeriss", path, data="weights")
        return
    network, weights = load(path), Weights(path)
    first = network.mac_layers[0]
    assert (
        weights.array(first, Tensor.FILTER).array.reshape(8, 3, 3, 3) == numpy_helper.to_array(stored("w1", 8, 3, 3, 3))
    ).all()
    assert [file.name for file in weights.files(first)] == ["small.onnx", "words.bin"]


def test_densities_and_patterns_in_the_workload_file(tmp_path):
    words = np.ones((4, 8, 3, 3), np.float32)
    words[:, [0, 1, 6, 7]] = 0
    half = np.ones((10, 4), np.float32)
    half[0] = 0
    made = model(
        [
            node("Conv", "x w", "c", kernel_shape=[3, 3]),
            node("GlobalAveragePool", "c", "p"),
            node("Flatten", "p", "f"),
            node("Gemm", "f v", "y", transB=1),
        ],
        [tensor("x", 1, 8, 5, 5)],
        [tensor("y", 1, 10)],
        [numpy_helper.from_array(words, "w"), numpy_helper.from_array(half, "v")],
    )
    text = convert(saved(tmp_path, made), weights=True)
    first, second = network_of(parse(text)).mac_layers
    assert first.density.filter.pattern == (2, 4)
    assert second.density.filter.fraction == 0.9 and second.density.filter.pattern is None
    assert "144 of 288 words are not zero, 0 to 1, mean 0.5, deviation 0.5" in text
    assert pattern(np.ones((2, 4))) is None


def test_weights_of_what_is_no_graph():
    with pytest.raises(AccelsimError, match="'weights' are those of an ONNX file, and the workload is none"):
        accelsim.simulate("eyeriss", "alexnet", data="weights")
