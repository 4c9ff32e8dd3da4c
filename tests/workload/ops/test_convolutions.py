"""Convolutions of one to three axes, transposed ones too: what their problems give is what plain loops give."""

from __future__ import annotations

import re
from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import SpecError
from accelsim.sparsity.convolution import convolution
from accelsim.sparsity.masks import shape_of
from accelsim.sparsity.operands import Operands
from accelsim.sparsity.spread import own_shape, spread_ifmap
from accelsim.workload.network import Layer, Network
from accelsim.workload.problem import Problem, Tensor
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

AXES = "DHW"


def network(layer: str, shape: dict[str, int], batch: int = 1) -> Network:
    sizes = ", ".join(f"{axis}: {size}" for axis, size in shape.items())
    return network_of(parse(f"name: n\nsource: t\ninput: {{{sizes}}}\nlayers:\n  A: {{{layer}}}\n", "n.yaml"), batch)


def slid(words, filters, groups, stride, dilation, pads):
    """The definition, tap by tap: words [N, C, axes], filters [M, C per group, taps], pads (before, after) by axis."""
    padded = np.pad(words, [(0, 0), (0, 0), *pads])
    reach = [gap * (taps - 1) + 1 for gap, taps in zip(dilation, filters.shape[2:], strict=True)]
    counts = [(size - far) // step + 1 for size, far, step in zip(padded.shape[2:], reach, stride, strict=True)]
    out = np.zeros((len(words), len(filters), *counts), np.int64)
    m, c = len(filters) // groups, filters.shape[1]
    for at in product(*map(range, counts)):
        for tap in product(*map(range, filters.shape[2:])):
            place = tuple(o * s + t * d for o, s, t, d in zip(at, stride, tap, dilation, strict=True))
            for group in range(groups):
                seen = padded[(slice(None), slice(group * c, group * c + c), *place)]
                mine = filters[(slice(group * m, group * m + m), slice(None), *tap)]
                out[(slice(None), slice(group * m, group * m + m), *at)] += seen @ mine.T
    return out


def thrown(words, filters, groups, stride, dilation, pads, extra):
    """A transposed one by definition: each word times each tap is added where it falls; filters as of `slid`."""
    taps = filters.shape[2:]
    whole = [
        (size - 1) * s + (k - 1) * d + 1 + e
        for size, s, k, d, e in zip(words.shape[2:], stride, taps, dilation, extra, strict=True)
    ]
    out = np.zeros((len(words), len(filters), *whole), np.int64)
    m, c = len(filters) // groups, filters.shape[1]
    products = 0
    for at in product(*map(range, words.shape[2:])):
        for tap in product(*map(range, taps)):
            place = tuple(i * s + t * d for i, s, t, d in zip(at, stride, tap, dilation, strict=True))
            for group in range(groups):
                seen = words[(slice(None), slice(group * c, group * c + c), *at)]
                mine = filters[(slice(group * m, group * m + m), slice(None), *tap)]
                out[(slice(None), slice(group * m, group * m + m), *place)] += seen @ mine.T
                products += seen.shape[0] * mine.size
    cut = [slice(before, size - after) for (before, after), size in zip(pads, whole, strict=True)]
    return out[(slice(None), slice(None), *cut)], products


def outputs(layer: Layer, words, filters):
    """[N, M, outputs] of a problem's layer; words [N, C, axes] of its input, filters [M, C, taps of the problem]."""
    problem = layer.problem
    g, m = problem["G"], problem["M"]
    if layer.spread:
        ifmap = spread_ifmap(problem, layer.spread, words.reshape(own_shape(problem, layer.spread)))
    else:
        ifmap = words.reshape(shape_of(problem, Tensor.IFMAP))
    found = convolution(problem, ifmap, filters.reshape(shape_of(problem, Tensor.FILTER)))
    unfolded = layer.spread.unfolded if layer.spread else None
    if unfolded is None:
        return found.reshape(len(words), g * m, *found.shape[-2:])
    found = found.reshape(len(words), unfolded.outputs, g * m, *found.shape[-2:])
    return np.moveaxis(found, 1, 2 + unfolded.axis)


def unfolded_filters(layer: Layer, filters):
    """[M, C, taps] as the problem has them: taps of the unfolded axis are channels."""
    if not (layer.spread and layer.spread.unfolded):
        return filters
    return np.moveaxis(filters, 2 + layer.spread.unfolded.axis, 2)


class Drawn:
    """A convolution of two or three axes, drawn: the words of its YAML, and its operands."""

    def __init__(self, rng: Random, axes: int, transposed: bool = False):
        def some(least: int, most: int) -> list[int]:
            return [rng.randint(least, most) for _ in range(axes)]

        self.axes, self.groups = axes, rng.choice((1, 1, 2, 3))
        self.batch = rng.choice((1, 2))
        self.stride, self.dilation = some(1, 3), some(1, 2)
        self.kernel = some(1, 4 if axes == 2 else 3)
        self.size = some(1, 6 if axes == 2 else 4)
        self.before, self.after = some(0, 2), some(0, 2)
        if not transposed:
            for axis in range(axes):
                need = self.dilation[axis] * (self.kernel[axis] - 1) + 1
                self.size[axis] = max(self.size[axis], need - self.before[axis] - self.after[axis])
        self.extra = [rng.randrange(max(s, d)) for s, d in zip(self.stride, self.dilation, strict=True)]
        self.c, self.m = (self.groups * rng.randint(1, 2) for _ in range(2))
        draw = np.random.default_rng(rng.randrange(2**32))
        self.words = draw.integers(-8, 8, (self.batch, self.c, *self.size))
        self.filters = draw.integers(-8, 8, (self.m, self.c // self.groups, *self.kernel))

    @property
    def pads(self):
        return list(zip(self.before, self.after, strict=True))

    def network(self, more: str = "") -> Network:
        op = "conv" if self.axes == 2 else "conv3d"
        text = (
            f"op: {op}, M: {self.m}, groups: {self.groups}, kernel: {self.kernel}, stride: {self.stride}, "
            f"dilation: {self.dilation}, pad: {[*self.before, *self.after]}{more}"
        )
        shape = dict(zip(AXES[-self.axes :], self.size, strict=True))
        return network(text, {"C": self.c, **shape}, self.batch)

    def output(self) -> list[int]:
        return [
            (size - 1) * s + d * (k - 1) + 1 - sum(pad) + e
            for size, s, d, k, pad, e in zip(
                self.size, self.stride, self.dilation, self.kernel, self.pads, self.extra, strict=True
            )
        ]


def shaped(layer: Layer, axes: int) -> list[int]:
    return [layer.shape.D, layer.shape.H, layer.shape.W][-axes:]


@given(st.randoms(use_true_random=False), st.sampled_from((2, 3)))
@settings(max_examples=150, deadline=None)
def test_a_convolution_is_its_definition(rng, axes):
    drawn = Drawn(rng, axes)
    (layer,) = drawn.network().layers
    wanted = slid(drawn.words, drawn.filters, drawn.groups, drawn.stride, drawn.dilation, drawn.pads)
    assert np.array_equal(outputs(layer, drawn.words, unfolded_filters(layer, drawn.filters)), wanted)
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
    told = f", output_padding: {drawn.extra}, transposed: "
    if min(drawn.output()) < 1:
        with pytest.raises(SpecError, match="does not fit an input"):
            drawn.network(told + "split")
        return
    steps = drawn.stride, drawn.dilation, drawn.pads, drawn.extra
    wanted, products = thrown(drawn.words, drawn.filters, drawn.groups, *steps)
    flipped = np.flip(drawn.filters, tuple(range(2, 2 + axes)))

    (scattered,) = drawn.network(told + "scatter").layers
    assert scattered.macs == products and scattered.weights == drawn.filters.size
    assert scattered.moves == (products // drawn.batch // (drawn.c // drawn.groups), wanted[0].size)

    if not wanted.any():  # padding may leave no word of the plane
        return
    *parts, whole = drawn.network(told + "split").layers
    assert [whole.shape.C, *shaped(whole, axes)] == list(wanted.shape[1:])
    found = np.zeros_like(wanted)
    for part in parts:
        phase = [int(at) for at in re.findall(r"\d+", part.name)]
        taps = []
        for axis, (first, stride, dilation) in enumerate(zip(phase, drawn.stride, drawn.dilation, strict=True)):
            k = [k for k in range(drawn.kernel[axis]) if (first + drawn.before[axis] - k * dilation) % stride == 0]
            taps.append(k[::-1])
        mine = drawn.filters[np.ix_(range(drawn.m), range(drawn.filters.shape[1]), *taps)]
        places = tuple(slice(first, None, stride) for first, stride in zip(phase, drawn.stride, strict=True))
        found[(slice(None), slice(None), *places)] = outputs(part, drawn.words, unfolded_filters(part, mine))
    assert np.array_equal(found, wanted)
    assert len({part.name for part in parts}) == len(parts) and sum(part.weights for part in parts) <= flipped.size

    (layer,) = drawn.network(told + "insert").layers
    assert np.array_equal(outputs(layer, drawn.words, unfolded_filters(layer, flipped)), wanted)
    assert layer.macs == wanted.size * drawn.filters[0].size


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


def test_arrays_have_the_shape_of_what_the_layer_reads(tmp_path):
    found = network("op: conv3d, M: 2, kernel: 3, pad: 1", {"C": 3, "D": 4, "H": 5, "W": 6}, batch=2)
    (layer,) = found.layers
    words = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6) % 200 - 100
    np.savez(tmp_path / "A.npz", ifmap=words)
    operands = Operands(found, tmp_path)
    ifmap, _ = operands.values(layer, {Tensor.IFMAP: 8, Tensor.FILTER: 8, Tensor.PSUM: 32})
    assert isinstance(layer.problem, Problem) and ifmap.shape == shape_of(layer.problem, Tensor.IFMAP)
    # image 1, output plane 2, tap 0 of channel 1 is its input plane 1
    assert np.array_equal(ifmap[1 * 4 + 2, 0, 1 * 3 + 0], words[1, 1, 1])
    assert not ifmap[4, 0, 0].any()
    np.savez(tmp_path / "A.npz", ifmap=words[:, :, 1:])
    with pytest.raises(SpecError, match="shape 2x3x3x5x6; wanted 2x3x4x5x6"):
        operands.values(layer, {Tensor.IFMAP: 8, Tensor.FILTER: 8, Tensor.PSUM: 32})
