"""A trained network's operands: it knows its digits, and its arrays are one network's."""

import sys

import numpy as np
import pytest

from accelsim.errors import AccelsimError
from accelsim.sparsity.convolution import convolution
from accelsim.sparsity.operands import Operands
from accelsim.sparsity.trace import trace
from accelsim.sparsity.training import pool
from accelsim.workload.problem import TENSORS
from accelsim.workload.yaml import load_network

pytest.importorskip("sklearn")

BITS = dict.fromkeys(TENSORS, 8)


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    return trace(tmp_path_factory.mktemp("digits"), epochs=6, batch=5)


def test_it_knows_its_digits(traced):
    # chance is 0.1; the nearest of ten mean pictures is right in 0.87
    assert traced.accuracy > 0.9
    # eight bits lose a picture or two of the 450 it is tested on
    assert abs(traced.accuracy - traced.float_accuracy) < 0.01


def test_its_files_load(traced):
    network = load_network(traced.workload, batch=traced.batch)
    assert [layer.name for layer in network.mac_layers] == ["CONV1", "CONV2", "FC3"]
    operands, drawn = Operands(network, traced.workload.parent), Operands(network)
    for layer in network.mac_layers:
        masks, counted = operands.masks(layer), drawn.masks(layer)
        masks.check(layer.problem)
        assert operands.values(layer, BITS)[0].dtype == np.int8
        # the densities of the workload are those of the arrays, to the word
        for tensor in TENSORS:
            here, there = masks.of(tensor), counted.of(tensor)
            assert here.sum() == (here.size if there is None else there.sum())


def test_its_arrays_are_one_networks(traced):
    """Each ofmap is the requantized convolution, and each ifmap the pooled ofmap before it."""
    before = None
    for layer in load_network(traced.workload, batch=traced.batch).mac_layers:
        with np.load(traced.workload.with_name(f"{layer.name}.npz")) as found:
            ifmap, weights, ofmap = found["ifmap"], found["filter"], found["ofmap"]
        if before is not None:
            assert (ifmap.ravel() == before.ravel()).all()
        sums = convolution(layer.problem, ifmap.reshape(5, 1, *ifmap.shape[1:], *(1,) * (4 - ifmap.ndim)),
                           weights.reshape(1, *weights.shape, *(1,) * (4 - weights.ndim)))[:, 0]  # fmt: skip
        wanted = np.rint((np.maximum(sums, 0) if layer.op == "conv" else sums) * traced.scales[layer.name].requantize)
        assert (ofmap == np.clip(wanted, -128, 127)).all()
        if layer.op == "conv":
            assert ofmap.min() == 0
            before = pool(ofmap)
    assert ofmap.min() < 0


def test_the_same_again(traced, tmp_path):
    trace(tmp_path, epochs=6, batch=5)
    for file in sorted(tmp_path.iterdir()):
        assert file.read_bytes() == traced.workload.with_name(file.name).read_bytes()
    assert len(list(tmp_path.iterdir())) == 4


def test_pruned(tmp_path):
    found = trace(tmp_path, epochs=6, prune=0.6, batch=1)
    assert found.accuracy > 0.9
    for densities in found.densities.values():
        # 43 of CONV1's 72 weights are 0.597; quantizing makes a few more of them zero
        assert 0.35 < densities["filter"] <= 29 / 72
    assert "0.6 of the weights pruned" in found.workload.read_text()


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"batch": 0}, "batch is 0; there are 450 pictures not trained on, so 1 to 450"),
        ({"batch": 451}, "batch is 451; there are 450 pictures not trained on, so 1 to 450"),
        ({"prune": 1.0}, "prune is 1.0; it must lie in 0 to 1, and some weights must stay"),
        ({"prune": float("nan")}, "prune is nan; it must lie in 0 to 1, and some weights must stay"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
    ],
)
def test_refused(tmp_path, wrong, line):
    with pytest.raises(AccelsimError) as error:
        trace(tmp_path / "out", **wrong)
    assert str(error.value) == line
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AccelsimError) as error:
        trace(tmp_path / "file", epochs=1)
    assert str(error.value).startswith(str(tmp_path / "file"))
    assert "\n" not in str(error.value)


def test_without_scikit_learn(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(AccelsimError, match=r"scikit-learn.* is missing: pip install 'accelsim\[trace\]'"):
        trace(tmp_path)
