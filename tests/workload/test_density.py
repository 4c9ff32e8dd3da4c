"""Densities: what YAML may say of them, and what is refused."""

import math
from itertools import pairwise

import pytest

from accelsim.errors import SpecError, WorkloadError
from accelsim.workload.density import Densities, Density
from accelsim.workload.problem import Tensor
from accelsim.workload.yaml import load_network, network_of
from accelsim.yamlfile import parse


def layer(density, head="", op="op: conv, M: 4, kernel: 3", parameters=None):
    text = f"name: n\nsource: t\n{head}input: {{C: 3, H: 8, W: 8}}\nlayers:\n  A: {{{op}, density: {density}}}\n"
    return network_of(parse(text, "n.yaml"), parameters=parameters).layers[0]


def test_numbers_and_mappings():
    found = layer("{ifmap: 0.6, filter: {pattern: 2:4}, ofmap: {fraction: .3, block: [4, 2]}}").density
    assert found == Densities(Density(0.6), Density.structured(2, 4), Density(0.3, block=(4, 2)))
    assert hash(found) == hash(found)
    assert found.of(Tensor.PSUM) == Density(0.3, block=(4, 2))
    assert layer("{filter: {fraction: 0.38, bernoulli: true}}").density == Densities(filter=Density(0.38, True))
    assert [str(d) for d in (Density(0.38), Density.structured(2, 4), Density(0.3, True, block=(4, 4)))] == [
        "0.38",
        "2:4",
        "0.3 bernoulli in blocks of 4x4",
    ]


def test_no_density_is_dense():
    assert not layer("{}").density
    assert Density().dense and not Density(0.999).dense


@pytest.mark.parametrize(
    "op", ["op: fc, M: 4", "op: depthwise, kernel: 3", "op: matmul, M: 4", "problem: {M: 4, C: 3}"]
)
def test_every_layer_that_multiplies(op):
    assert layer("{ifmap: 0.5}", op=op).density.ifmap == Density(0.5)


def test_a_layer_that_does_not_multiply():
    with pytest.raises(SpecError, match=r"layers\.A\.density: unknown key"):
        layer("{ifmap: 0.5}", op="op: maxpool")


def test_parameters():
    head = "parameters: {a: 0.5, p: '2:4'}\n"
    found = layer("{ifmap: $a, filter: {pattern: $p}}", head).density
    assert found == Densities(Density(0.5), Density.structured(2, 4))
    assert layer("{ifmap: $a}", "parameters: {a: 0.5}\n", parameters={"a": 0.25}).density.ifmap == Density(0.25)
    # a product keeps its first factor exact, as text
    assert layer("{ifmap: 0.1 * $n}", "parameters: {n: 7}\n").density.ifmap == Density(0.7)
    with pytest.raises(
        SpecError, match=r"n\.yaml:6:51: layers\.A\.density\.ifmap: a density must lie in 0 to 1, got 7"
    ):
        layer("{ifmap: $a}", "parameters: {a: 0.5}\n", parameters={"a": 7})


@pytest.mark.parametrize(
    ("density", "line"),
    [
        ("0.3", "n.yaml:5:43: layers.A.density: should be a mapping of keys to values, got '0.3'"),
        ("{ifmap: 1.5}", "n.yaml:5:51: layers.A.density.ifmap: a density must lie in 0 to 1, got 1.5"),
        ("{ifmap: -0.1}", "n.yaml:5:51: layers.A.density.ifmap: a density must lie in 0 to 1, got -0.1"),
        ("{ifmap: .nan}", "n.yaml:5:51: layers.A.density.ifmap: a density must lie in 0 to 1, got nan"),
        ("{ifmap: .inf}", "n.yaml:5:51: layers.A.density.ifmap: a density must lie in 0 to 1, got inf"),
        ("{ifmap: 60%}", "n.yaml:5:51: layers.A.density.ifmap: should be a number from 0 to 1, got '60%'"),
        ("{ifmap: true}", "n.yaml:5:51: layers.A.density.ifmap: should be a number from 0 to 1, got 'true'"),
        ("{ifmap: [1, 2]}", "n.yaml:5:51: layers.A.density.ifmap: should be a number from 0 to 1, got a list"),
        ("{ifmap: }", "n.yaml:5:44: layers.A.density.ifmap: should be a number from 0 to 1, got nothing"),
        ("{ifmap: {fraction: 2}}", "n.yaml:5:62: layers.A.density.ifmap.fraction: a density must lie in 0 to 1, got 2"),
        ("{ifmap: {}}", "n.yaml:5:51: layers.A.density.ifmap: needs a fraction, or a pattern"),
        (
            "{ifmp: 1}",
            "n.yaml:5:44: layers.A.density.ifmp: unknown tensor; did you mean 'ifmap'? (ifmap, filter, ofmap)",
        ),
        (
            "{psum: 1}",
            "n.yaml:5:44: layers.A.density.psum: a psum is not final and has no density; "
            "write 'ofmap', after the activation function",
        ),
        (
            "{ifmap: {fracton: 1}}",
            "n.yaml:5:52: layers.A.density.ifmap.fracton: unknown key; did you mean 'fraction'? "
            "(fraction, bernoulli, pattern, block)",
        ),
        (
            "{ifmap: {pattern: 4:2}}",
            "n.yaml:5:61: layers.A.density.ifmap.pattern: '4:2': of m words n are not zero, so 1 <= n <= m",
        ),
        ("{ifmap: {pattern: 0:2}}", "'0:2': of m words n are not zero, so 1 <= n <= m"),
        ("{ifmap: {pattern: half}}", "'half' is no pattern; write n:m, such as '2:4'"),
        (
            "{ifmap: {pattern: 2:4, fraction: 1}}",
            "n.yaml:5:51: layers.A.density.ifmap: fraction and pattern: 2:4 says how many; leave one out",
        ),
        ("{ifmap: {pattern: 2:4, block: 2}}", "layers.A.density.ifmap: a pattern stands alone, without block"),
        ("{ifmap: {fraction: 1, bernoulli: 7}}", "layers.A.density.ifmap.bernoulli: should be a boolean"),
        ("{ifmap: {fraction: 1, block: 0}}", "n.yaml:5:72: layers.A.density.ifmap.block: must be at least 1, got 0"),
    ],
)
def test_refused(density, line):
    with pytest.raises(SpecError) as error:
        layer(density)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fraction": 1.01},
        {"fraction": math.nan},
        {"fraction": 0.5, "block": (0, 1)},
        {"fraction": 0.3, "pattern": (2, 4)},
        {"fraction": 0.5, "pattern": (2, 4), "bernoulli": True},
        {"fraction": 2.0, "pattern": (4, 2)},
    ],
)
def test_a_density_that_cannot_be_is_no_object(wrong):
    with pytest.raises(WorkloadError):
        Density(**wrong)
    with pytest.raises(WorkloadError):
        Density.structured(1, 0)


@pytest.mark.parametrize("name", ["alexnet", "alexnet_two_tower", "vgg16"])
def test_published_networks(name):
    """Every layer has densities; the FC layers', and all of VGG-16's, follow one another (Han et al., NIPS 2015)."""
    layers = load_network(name).mac_layers
    assert all(None not in (x.density.ifmap, x.density.filter, x.density.ofmap) for x in layers)
    for before, after in pairwise(layers):
        if name == "vgg16" or after.name in ("FC7", "FC8"):
            assert before.density.ofmap == after.density.ifmap
    # layers that are one problem, with zeros of their own
    if name == "vgg16":
        twins = [x for x in layers if x.name in ("CONV3-2", "CONV3-3")]
        assert twins[0].problem == twins[1].problem
        assert twins[0].density != twins[1].density


def test_the_compression_of_vgg16():
    """Weights left of 138 M: 7.5 % (Han et al., NIPS 2015, Table 5); the layers' densities are printed as whole %."""
    layers = load_network("vgg16").mac_layers
    left = sum(x.weights * x.density.filter.fraction for x in layers) / sum(x.weights for x in layers)
    # each of them is rounded by at most half a per cent
    assert left == pytest.approx(0.075, abs=0.005)
