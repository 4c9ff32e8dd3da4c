"""Drawn nodes: what a machine computes for the layers they become is what ONNX's own evaluator gives, on integers."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy

import numpy as np
import pytest

pytest.importorskip("onnx.helper")

from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from accelsim.errors import SpecError
from accelsim.onnx.graph.read import model_of
from accelsim.onnx.network import document, network
from accelsim.onnx.weights import Weights
from accelsim.sparsity.spread import spread_out
from accelsim.workload.problem import Problem, Tensor
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import Document
from onnx import numpy_helper
from onnx_small import model, node, stored, tensor


def integers(rng, *shape):
    return rng.integers(-4, 5, shape).astype(np.float32)


def by_definition(problem: Problem, ifmap, words):
    """Outputs [N, G, M, P, Q] of a problem as its eight loops have it; ifmap [N, G, C, H, W], words [G, M, C, R, S]."""
    n, g, m, _, p, q, r, s = problem.sizes
    (top, left), (down, right), (gap, across) = problem.pad, problem.stride, problem.dilation
    room = ((0, 0),) * 3 + ((top, p * down + r * gap), (left, q * right + s * across))
    plane = np.pad(ifmap, room)
    found = np.zeros((n, g, m, p, q))
    for row in range(r):
        for column in range(s):
            rows = np.arange(p) * down + row * gap
            columns = np.arange(q) * right + column * across
            seen = plane[:, :, :, rows[:, None], columns[None, :]]
            found += np.einsum("ngcpq,gmc->ngmpq", seen, words[:, :, :, row, column])
    return found


def evaluated(made, **inputs):
    return ReferenceEvaluator(made).run(None, inputs)[0]


def layers_of(made):
    return network(model_of(made.SerializeToString(), "drawn.onnx")).mac_layers


@st.composite
def windows(draw, axes=(1, 2)):
    count = draw(st.sampled_from(axes))
    each = st.lists(st.integers(1, 3), min_size=count, max_size=count)
    groups, c, m = draw(st.sampled_from([1, 2, 3])), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    kernel, stride, dilation = draw(each), draw(each), draw(each)
    pads = draw(st.lists(st.integers(0, 2), min_size=2 * count, max_size=2 * count))
    plane = [draw(st.integers(gap * (taps - 1) + 1, 9)) for gap, taps in zip(dilation, kernel, strict=True)]
    return groups, c, m, kernel, stride, dilation, pads, plane, draw(st.sampled_from([1, 1, 2]))


def same(plane, kernel, stride, dilation, auto):
    """Zeros with which there is an output for every stride-th word, the odd one after the plane, or before it."""
    each = zip(plane, kernel, stride, dilation, strict=True)
    totals = [max((-(-size // step) - 1) * step + gap * (taps - 1) + 1 - size, 0) for size, taps, step, gap in each]
    less, more = [total // 2 for total in totals], [total - total // 2 for total in totals]
    return [*less, *more] if auto == "SAME_UPPER" else [*more, *less]


@settings(max_examples=60, deadline=None)
@given(windows(), st.sampled_from(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]), st.integers(0, 2**32 - 1))
def test_convolutions(drawn, auto, seed):
    groups, c, m, kernel, stride, dilation, pads, plane, images = drawn
    rng = np.random.default_rng(seed)
    x, w = integers(rng, images, groups * c, *plane), integers(rng, groups * m, c, *kernel)
    how = {"pads": pads} if auto == "NOTSET" else {"auto_pad": auto}
    # older versions of the library find other sizes for SAME of taps that lie apart
    dilation = dilation if auto in ("NOTSET", "VALID") else [1] * len(dilation)

    def convolution(padding):
        return model(
            [
                node(
                    "Conv", "x w", "y", kernel_shape=kernel, strides=stride, dilations=dilation, group=groups, **padding
                )
            ],
            [tensor("x", *x.shape)],
            [tensor("y", *(None,) * x.ndim)],
            [numpy_helper.from_array(w, "w")],
        )

    # its evaluator of some versions takes SAME and VALID for other zeros than the definition has
    zeros = {"NOTSET": pads, "VALID": [0] * len(pads)}
    right = evaluated(convolution({"pads": zeros.get(auto) or same(plane, kernel, stride, dilation, auto)}), x=x)
    (layer,) = layers_of(convolution(how))
    rows = (1,) * (4 - x.ndim)
    ifmap = x.reshape(images, groups, c, *rows, *plane)
    found = by_definition(layer.problem, ifmap, w.reshape(groups, m, c, *rows, *kernel))
    assert (found.reshape(right.shape) == right).all()
    assert (layer.problem.height, layer.problem.width) == ifmap.shape[3:]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 3), max_size=2),
    *[st.integers(1, 5)] * 3,
    st.sampled_from(["MatMul", "Gemm", "turned", "two"]),
    st.integers(0, 2**32 - 1),
)
def test_products(outer, rows, inner, columns, op, seed):
    rng = np.random.default_rng(seed)
    if op in ("Gemm", "turned"):
        outer = []
    x, w = integers(rng, *outer, rows, inner), integers(rng, *(outer if op == "two" else []), inner, columns)
    given_w = w.T if op == "turned" else w
    made = model(
        [
            node(
                "Gemm" if op in ("Gemm", "turned") else "MatMul",
                "x w",
                "y",
                **({"transB": 1} if op == "turned" else {}),
            )
        ],
        [tensor("x", *x.shape), *([tensor("w", *w.shape)] if op == "two" else [])],
        [tensor("y", *(None,) * x.ndim)],
        [] if op == "two" else [numpy_helper.from_array(np.ascontiguousarray(given_w), "w")],
    )
    right = evaluated(made, x=x, **({"w": w} if op == "two" else {}))
    (layer,) = layers_of(made)
    n, g, m, c, p, q, r, s = layer.problem.sizes
    assert layer.problem.dynamic_filter == (op == "two")
    assert (r, s) == (1, 1) and (m, c) == (columns, inner)
    ifmap = x.reshape(n, g, p * q, inner).swapaxes(2, 3).reshape(n, g, c, p, q)
    words = w.reshape(-1, inner, columns).swapaxes(1, 2).reshape(g, m, c, 1, 1)
    found = by_definition(layer.problem, ifmap, words).reshape(n, g, m, p * q).swapaxes(2, 3)
    assert (found.reshape(right.shape) == right).all()


@settings(max_examples=40, deadline=None)
@given(windows((2,)), st.data(), st.integers(0, 2**32 - 1))
def test_transposed_convolutions(drawn, data, seed):
    """Split by phases: each part gives every stride-th output, and the parts together all of them."""
    groups, c, m, kernel, stride, dilation, pads, plane, _ = drawn
    extra = [data.draw(st.integers(0, max(step, gap) - 1)) for step, gap in zip(stride, dilation, strict=True)]
    extra = [min(one, step - 1) for one, step in zip(extra, stride, strict=True)]
    sizes = [
        (size - 1) * step + gap * (taps - 1) + 1 + more - before - after
        for size, step, gap, taps, more, before, after in zip(
            plane, stride, dilation, kernel, extra, pads[:2], pads[2:], strict=True
        )
    ]
    if min(sizes) < 1:
        return
    rng = np.random.default_rng(seed)
    x, w = integers(rng, 1, groups * c, *plane), integers(rng, groups * c, m, *kernel)
    attributes = {"strides": stride, "dilations": dilation, "pads": pads, "output_padding": extra, "group": groups}
    made = model(
        [node("ConvTranspose", "x w", "y", kernel_shape=kernel, **attributes)],
        [tensor("x", *x.shape)],
        [tensor("y", None, None, None, None)],
        [numpy_helper.from_array(w, "w")],
    )
    right = transposed(x, w, groups, stride, dilation, pads, sizes)
    with suppress(ValueError, IndexError, RuntimeError):  # its evaluator does not take all of these
        assert (evaluated(made, x=x) == right).all()
    read = model_of(made.SerializeToString(), "drawn.onnx")
    weights, found = Weights(read), np.zeros_like(right)
    for layer in without_sums(read).mac_layers:
        words = spread_out(layer, Tensor.IFMAP, x.reshape(1, groups, c, *plane))
        taps = spread_out(layer, Tensor.FILTER, weights.array(layer, Tensor.FILTER).words)
        first, step = (0, 0), (1, 1)
        if layer.whole:
            first, step = [int(one) for one in layer.name.rpartition(".")[2][1:].split("q")], stride
        got = by_definition(layer.problem, words, taps)
        got = got.reshape(1, groups * m, *layer.problem.sizes[4:6])
        found[:, :, first[0] :: step[0], first[1] :: step[1]] = got
    assert (found == right).all()


def without_sums(read):
    """The network whose layers give outputs themselves: in phases, or by inserted zeros where a phase meets no tap."""
    keys, _ = document(read, {})
    for way in ("split", "insert"):
        for layer in keys["layers"].values():
            if "transposed" in layer:
                layer["transposed"] = way
        with suppress(SpecError):
            return network_of(Document("drawn", deepcopy(keys)))
    raise AssertionError(keys)


def transposed(x, w, groups, stride, dilation, pads, sizes):
    """A transposed convolution as its definition: every word times every tap, added where it falls."""
    _, channels, high, wide = x.shape
    c, m = channels // groups, w.shape[1]
    far = [size + before for size, before in zip(sizes, pads[:2], strict=True)]
    whole = np.zeros((1, groups * m, far[0] + 99, far[1] + 99))
    for g in range(groups):
        for row in range(w.shape[2]):
            for column in range(w.shape[3]):
                sums = np.einsum("chw,cm->mhw", x[0, g * c : (g + 1) * c], w[g * c : (g + 1) * c, :, row, column])
                rows = np.arange(high) * stride[0] + row * dilation[0]
                columns = np.arange(wide) * stride[1] + column * dilation[1]
                whole[0, g * m : (g + 1) * m, rows[:, None], columns[None, :]] += sums.transpose(1, 2, 0)
    return whole[:, :, pads[0] : far[0], pads[1] : far[1]].astype(np.float32)


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "extra", "plane", "layers"),
    [(4, 1, 0, 0, 1, 1), (4, 2, 1, 0, 8, 4), (3, 2, 1, 1, 7, 4), (5, 3, 2, 1, 4, 1)],
)
def test_a_transposed_convolution_has_the_macs_that_onnx_counts(kernel, stride, pad, extra, plane, layers):
    # input words x outputs of a group x taps: in phases where windows tile the outputs, else one product
    outputs = (plane - 1) * stride + kernel - 2 * pad + extra
    sizes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4, "output_padding": [extra] * 2}
    graph = model(
        [node("ConvTranspose", "x w", "y", **sizes)],
        [tensor("x", 1, 8, plane, plane)],
        [tensor("y", 1, 6, outputs, outputs)],
        [stored("w", 8, 6, kernel, kernel)],
    )
    found = network(model_of(graph.SerializeToString(), "transposed.onnx"))
    assert found.macs == plane**2 * 8 * 6 * kernel**2
    assert len(found.mac_layers) == layers
    assert (found.layers[-1].shape.H, found.layers[-1].shape.words) == (outputs, 6 * outputs**2)
