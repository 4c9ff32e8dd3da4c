"""Convolutions of one to three axes, transposed ones too: what their problems give is what plain loops give."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import SpecError
from accelsim.sparsity.convolution import convolution
from accelsim.sparsity.masks import shape_of
from accelsim.sparsity.operands import Operands
from accelsim.sparsity.spread import own_shape, spread_out
from accelsim.workload.network import Layer
from accelsim.workload.problem import Tensor
from drawn_layers import WAYS, Drawn, network, thrown


def shaped(layer: Layer, axes: int) -> list[int]:
    return [layer.shape.D, layer.shape.H, layer.shape.W][-axes:]


@given(st.randoms(use_true_random=False), st.sampled_from((2, 3)))
@settings(max_examples=150, deadline=None)
def test_a_convolution_is_its_definition(rng, axes):
    drawn = Drawn(rng, axes)
    (layer,) = drawn.network().layers
    wanted = drawn.definition(False)
    assert np.array_equal(drawn.result("", convolution), wanted)
    assert [layer.shape.C, *shaped(layer, axes)] == list(wanted.shape[1:])
    # MACs, filter and ofmap to the word
    assert layer.macs == wanted.size * drawn.filters[0].size
    assert layer.weights == layer.problem.words(Tensor.FILTER) == drawn.filters.size
    assert layer.problem.words(Tensor.PSUM) == wanted.size


@given(st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_ifmap_of_three_axes_is_counted_once_for_each_window_of_one(rng):
    """And that one repeats the fewest words: none, where an axis has one tap or its windows do not overlap."""
    drawn = Drawn(rng, 3)
    (layer,) = drawn.network().layers

    def touched(axis):
        outs = range(shaped(layer, 3)[axis])
        return [o * drawn.stride[axis] + t * drawn.dilation[axis] for o in outs for t in range(drawn.kernel[axis])]

    distinct = drawn.batch * drawn.c * int(np.prod([len(set(touched(axis))) for axis in range(3)]))
    least = min(len(touched(axis)) / len(set(touched(axis))) for axis in range(3))
    assert layer.problem.words(Tensor.IFMAP) == pytest.approx(distinct * least)


@given(st.randoms(use_true_random=False), st.sampled_from((2, 3)))
@settings(max_examples=150, deadline=None)
def test_a_transposed_convolution_is_its_definition(rng, axes):
    drawn = Drawn(rng, axes, transposed=True)
    if min(drawn.output()) < 1:
        with pytest.raises(SpecError, match="does not fit an input"):
            drawn.lowered("split")
        return
    steps = drawn.stride, drawn.dilation, drawn.pads, drawn.extra
    wanted, products = thrown(drawn.words, drawn.filters, drawn.groups, *steps)
    assert np.array_equal(drawn.result("scatter", convolution), wanted)
    (scattered,) = drawn.lowered("scatter").layers
    assert scattered.macs == products and scattered.weights == drawn.filters.size
    assert scattered.moves == (products // drawn.batch // (drawn.c // drawn.groups), wanted[0].size)
    assert scattered.vector_ops == scattered.moves[0]
    if not wanted.any():  # padding may leave no word of the plane
        return

    assert np.array_equal(drawn.result("split", convolution), wanted)
    *parts, whole = drawn.lowered("split").layers
    assert [whole.shape.C, *shaped(whole, axes)] == list(wanted.shape[1:])
    assert len({part.name for part in parts}) == len(parts)
    assert sum(part.weights for part in parts) <= drawn.filters.size

    assert np.array_equal(drawn.result("insert", convolution), wanted)
    (layer,) = drawn.lowered("insert").layers
    assert layer.macs == wanted.size * drawn.filters[0].size
    assert layer.weights == drawn.filters.size


@given(st.integers(1, 3), st.integers(1, 12), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.booleans())
def test_one_axis_is_a_plane_of_one_row(channels, size, taps, stride, dilation, lower):
    """A 1-D convolution, padded so that there is an output for every `stride` words, or begun."""
    pad = "same-lower" if lower else "same"
    one = f"op: conv1d, M: 4, kernel: {taps}, stride: {stride}, dilation: {dilation}, pad: {pad}"
    two = f"op: conv, M: 4, kernel: [1, {taps}], stride: [1, {stride}], dilation: [1, {dilation}], pad: {pad}"
    (first,), (second,) = (network(text, {"C": channels, "W": size}).layers for text in (one, two))
    assert first.problem == second.problem and first.shape == second.shape
    assert -(-size // stride) == first.shape.W
    total = max(0, (first.shape.W - 1) * stride + dilation * (taps - 1) + 1 - size)
    assert first.problem.pad == (0, total - total // 2 if lower else total // 2)


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_a_transposed_one_padded_the_same_gives_stride_outputs_for_a_word(size, taps, stride, split):
    text = (
        f"op: conv1d, M: 1, kernel: {taps}, stride: {stride}, pad: same, transposed: {'split' if split else 'insert'}"
    )
    assert size * stride == network(text, {"C": 1, "W": size}).layers[-1].shape.W


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad", "macs"),
    # words x taps where windows tile the outputs: DCGAN's 4x4 by 2, U-Net's 2x2 by 2; its first, of one word, has
    # 4 x 4 outputs that each meet 4 x 4 taps, all but one of them with padding
    [(16, 4, 2, 1, 256 * 16), (12, 2, 2, 0, 144 * 4), (1, 4, 1, 0, 256)],
)
def test_split_counts_windows_in_full(size, kernel, stride, pad, macs):
    text = f"op: conv, M: 1, kernel: {kernel}, stride: {stride}, pad: {pad}, transposed: "
    shape = {"C": 1, "H": size, "W": size}
    assert network(text + "split", shape).macs == macs
    assert network(text + "scatter", shape).macs == size**2 * kernel**2


def test_phases_without_taps_are_left_out():
    """A filter smaller than the stride leaves outputs that no word reaches."""
    found = network("op: conv, M: 3, kernel: 1, stride: 2, transposed: split", {"C": 2, "H": 3, "W": 3})
    assert [(layer.name, str(layer.shape)) for layer in found.layers] == [("A.p0q0", "3x3x3"), ("A", "3x5x5")]
    assert found.macs == 9 * 6


def test_parts_are_chosen_with_the_layer():
    found = network("op: conv, M: 3, kernel: 2, stride: 2, transposed: split", {"C": 2, "H": 3, "W": 3}, batch=2)
    assert [layer.name for layer in found.select("A")] == ["A.p0q0", "A.p0q1", "A.p1q0", "A.p1q1", "A"]
    assert [layer.name for layer in found.select("*q1")] == ["A.p0q1", "A.p1q1"]
    assert found.layers[-1].inputs == ("A.p0q0", "A.p0q1", "A.p1q0", "A.p1q1")
    assert found.traffic(found.layers[-1]) == (0, 0)
    assert found.weights == 2 * 3 * 4


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        ("op: conv1d, M: 1, kernel: 3", {"C": 1, "H": 2, "W": 5}, "its input is 1x2x5, 2 rows: op conv, or reshape"),
        ("op: conv, M: 1, kernel: 3", {"C": 1, "D": 4, "H": 5, "W": 5}, "its input is 1x4x5x5, 4 planes of depth"),
        ("op: conv, M: 1, kernel: 2, pad: [0, 1, 0, 0]", {"C": 1}, "a window of 2x2 does not fit an input of 1x1x1"),
        ("op: conv3d, M: 1, kernel: [5, 1, 1]", {"C": 1, "D": 4}, "a window of 5x1x1 does not fit an input of 1x4x1x1"),
        ("op: conv3d, M: 1, kernel: [5, 1]", {"C": 1}, "kernel: should be one number or a list of 3, got a list of 2"),
        ("op: conv, M: 1, kernel: 1, pad: [1, 1, 1]", {"C": 1}, "one number or a list of 2 or 4, got a list of 3"),
        ("op: conv, M: 1, kernel: 1, pad: sane", {"C": 1}, "unknown padding 'sane'; did you mean 'same'?"),
        ("op: conv, M: 1, kernel: 1, transposed: splt", {"C": 1}, "unknown way 'splt'; did you mean 'split'?"),
        ("op: conv, M: 1, kernel: 1, output_padding: 1", {"C": 1}, "output_padding is of a transposed convolution"),
        (
            "op: conv, M: 1, kernel: 1, stride: 2, output_padding: 2, transposed: insert",
            {"C": 1},
            "output_padding is 2; it must be less than stride or dilation, here 2",
        ),
        (
            "op: conv, M: 1, kernel: 50, stride: 50, transposed: split",
            {"C": 1, "H": 5, "W": 5},
            "transposed: split into 2500 convolutions; at most 1024 are taken on",
        ),
        (
            "op: conv1d, M: 1, kernel: 1, stride: 3, pad: [1, 0], output_padding: 2, transposed: insert",
            {"C": 1},
            "shape mismatch: no output of a window of 1x1 meets a word of 1x1x1",
        ),
        (
            "op: conv1d, M: 1, kernel: 1, stride: 3, pad: [1, 0], output_padding: 2, transposed: split",
            {"C": 1},
            "shape mismatch: no output of a window of 1x1 meets a word of 1x1x1",
        ),
        ("op: conv1d, M: 1, kernel: 1000000000000, transposed: insert", {"C": 1, "W": 10**9}, "counts"),
    ],
)
def test_refused(layer, shape, message):
    with pytest.raises(SpecError) as error:
        network(layer, shape)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_inserted_zeros_are_known():
    """Whatever the density, words lie only where the input's do; what is drawn or given is spread among them."""
    text = "op: conv, M: 2, kernel: 3, stride: 2, pad: 1, transposed: insert"
    shape = {"C": 3, "H": 4, "W": 3}
    for more, share in (("", 1.0), (", density: {ifmap: 0.5}", 0.5)):
        found = network(text + more, shape)
        (layer,) = found.layers
        operands = Operands(found)
        mask = operands.masks(layer).ifmap
        assert mask.shape == (1, 1, 3, 7, 5)
        assert mask.sum() == mask[..., ::2, ::2].sum() == round(share * 36)
        ifmap, _ = operands.values(layer, {Tensor.IFMAP: 8, Tensor.FILTER: 8, Tensor.PSUM: 32})
        assert np.array_equal(ifmap != 0, mask)
        assert operands.identity(layer) == "A" and operands.of(layer) is operands
    plain = network("op: conv, M: 2, kernel: 3", shape)
    assert Operands(plain).of(plain.layers[0]) is None
    assert "insert" in Operands(network(text, shape)).describe()


def test_phases_read_one_ifmap():
    """Its zeros are where they are whatever part looks at them; filters are each phase's own."""
    text = "op: conv, M: 2, kernel: 4, stride: 2, pad: 1, transposed: split, density: {ifmap: 0.5, filter: 0.5}"
    found = network(text, {"C": 3, "H": 4, "W": 3})
    masks = [Operands(found).masks(layer) for layer in found.mac_layers]
    assert len(masks) == 4 and all(np.array_equal(masks[0].ifmap, mask.ifmap) for mask in masks)
    assert any(not np.array_equal(masks[0].filter, mask.filter) for mask in masks)


def test_arrays_have_the_shape_of_what_the_layer_reads(tmp_path):
    found = network("op: conv3d, M: 2, kernel: 3, pad: 1", {"C": 3, "D": 4, "H": 5, "W": 6}, batch=2)
    (layer,) = found.layers
    words = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6) % 200 - 100
    np.savez(tmp_path / "A.npz", ifmap=words)
    operands = Operands(found, tmp_path)
    ifmap, _ = operands.values(layer, {Tensor.IFMAP: 8, Tensor.FILTER: 8, Tensor.PSUM: 32})
    assert ifmap.shape == shape_of(layer.problem, Tensor.IFMAP)
    # image 1, output plane 2, tap 0 of channel 1 is its input plane 1
    assert np.array_equal(ifmap[1 * 4 + 2, 0, 1 * 3 + 0], words[1, 1, 1])
    assert not ifmap[4, 0, 0].any()
    outputs = np.arange(2 * 2 * 4 * 5 * 6).reshape(2, 2, 4, 5, 6) % 3
    np.savez(tmp_path / "A.npz", ofmap=outputs)
    mask = operands.masks(layer).ofmap
    # image 1, plane 3, channel 1
    assert np.array_equal(mask[1 * 4 + 3, 0, 1], outputs[1, 1, 3] != 0)
    np.savez(tmp_path / "A.npz", ifmap=words[:, :, 1:])
    with pytest.raises(SpecError, match="shape 2x3x3x5x6; wanted 2x3x4x5x6"):
        operands.values(layer, {Tensor.IFMAP: 8, Tensor.FILTER: 8, Tensor.PSUM: 32})


@given(st.randoms(use_true_random=False), st.sampled_from((2, 3)), st.sampled_from(WAYS))
@settings(max_examples=60, deadline=None)
def test_arrays_of_a_layer_serve_all_it_is_lowered_to(rng, axes, way):
    """One file of words and filters as a convolution has them, however the layer is carried out."""
    drawn = Drawn(rng, axes, bool(way))
    if way and not (min(drawn.output()) > 0 and drawn.definition(True).any()):
        return
    found = drawn.lowered(way)
    with TemporaryDirectory() as folder:
        np.savez(Path(folder) / "A.npz", ifmap=drawn.words, filter=drawn.filters)
        operands, bits = Operands(found, folder, derive=True), dict.fromkeys(Tensor, 8)
        values = [operands.values(layer, bits) for layer in found.mac_layers]
        masks = [operands.masks(layer) for layer in found.mac_layers]
        assert list(operands.digests(found.mac_layers)) == [str(Path(folder) / "A.npz")]
    for layer, mask, value in zip(found.mac_layers, masks, values, strict=True):
        ifmap, weights = (
            spread_out(layer, tensor, words.reshape(own_shape(layer, tensor)))
            for tensor, words in ((Tensor.IFMAP, drawn.words), (Tensor.FILTER, drawn.filters))
        )
        assert np.array_equal(value[0], ifmap) and np.array_equal(value[1], weights)
        assert np.array_equal(mask.ifmap, ifmap != 0) and np.array_equal(mask.filter, weights != 0)
        outputs = convolution(layer.problem, ifmap, weights) > 0
        assert mask.ofmap is None if way == "scatter" else np.array_equal(mask.ofmap, outputs)
