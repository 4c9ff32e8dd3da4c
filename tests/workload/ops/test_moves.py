"""Layers without MACs: shapes, words and operations, counted word by word; and what they refuse."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import SpecError
from accelsim.workload.network import VIEWS, Network
from accelsim.workload.ops import AnyLayer
from accelsim.workload.ops.vector import OF_SEVERAL, OPERATIONS, Function
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

PAGE = Path(__file__).parents[3] / "docs" / "layers.md"
INPUT = "{C: 12, H: 6, W: 4}"


def network(layers: str, shape: str = INPUT, batch: int = 1) -> Network:
    text = "".join(f"  {line}\n" for line in layers.splitlines())
    return network_of(parse(f"name: n\nsource: t\ninput: {shape}\nlayers:\n{text}", "n.yaml"), batch)


def told(layers: str, shape: str = INPUT) -> tuple[str, int, int, int]:
    """(shape, words read, words written, operations) of the last layer."""
    found = network(layers, shape)
    layer = found.layers[-1]
    assert layer.problem is None
    return str(layer.shape), *found.traffic(layer), layer.vector_ops


WORDS = 12 * 6 * 4


@pytest.mark.parametrize(
    ("layer", "shape", "reads", "writes", "ops"),
    [
        ("op: rmsnorm", "12x6x4", WORDS, WORDS, 4 * WORDS),
        ("op: rmsnorm, groups: 3", "12x6x4", WORDS, WORDS, 4 * WORDS),
        ("op: groupnorm, groups: 4", "12x6x4", WORDS, WORDS, 7 * WORDS),
        ("op: instancenorm", "12x6x4", WORDS, WORDS, 7 * WORDS),
        ("op: batchnorm", "12x6x4", WORDS, WORDS, 2 * WORDS),
        ("op: batchnorm, folded: true", "12x6x4", 0, 0, 0),
        ("op: rotary", "12x6x4", WORDS, WORDS, 3 * WORDS),
        ("op: rotary, channels: 4", "12x6x4", WORDS, WORDS, 3 * 4 * 24),
        ("op: resize, scale: 2", "12x12x8", WORDS, 4 * WORDS, 0),
        ("op: resize, size: [3, 8], mode: bilinear", "12x3x8", WORDS, WORDS, 7 * WORDS),
        ("op: resize, scale: [1, 2], mode: bicubic", "12x6x8", WORDS, 2 * WORDS, 62 * WORDS),
        ("op: pad, pad: [1, 0, 2, 3]", "12x9x7", WORDS, 12 * 63, 0),
        ("op: pad, pad: 1, channels: [0, 4]", "16x8x6", WORDS, 16 * 48, 0),
        ("op: gather, over: rows, count: 9", "12x9x4", 432, 432, 0),
        ("op: embedding, M: 5", "60x6x4", WORDS + 5 * WORDS, 5 * WORDS, 0),
        ("op: reduce", "12x1x1", WORDS, 12, WORDS - 12),
        ("op: reduce, over: channels, function: mean", "1x6x4", WORDS, 24, WORDS),
        ("op: reduce, over: [channels, rows], function: l2", "1x1x4", WORDS, 4, 2 * WORDS),
        ("op: reduce, over: rows, function: l1", "12x1x4", WORDS, 48, 2 * WORDS - 48),
        ("op: topk, k: 2", "2x6x4", WORDS, 48, (11 + 10) * 24),
        ("op: combine, parts: 3", "4x6x4", WORDS, 96, WORDS + 2 * 96),
        ("op: gate, function: silu", "6x6x4", WORDS, 144, 3 * 144),
        ("op: gate", "6x6x4", WORDS, 144, 144),
        ("op: elementwise, function: gelu", "12x6x4", WORDS, WORDS, 5 * WORDS),
        ("op: elementwise", "12x6x4", WORDS, WORDS, WORDS),
        ("op: maxpool, kernel: 3, stride: 2, pad: same", "12x3x2", WORDS, 72, 8 * 72),
        ("op: maxpool, kernel: 2, stride: 2, pad: [0, 1, 0, 0], ceil: true", "12x3x3", WORDS, 108, 3 * 108),
        ("op: maxpool, kernel: 2, dilation: [4, 3], stride: 1", "12x2x1", WORDS, 24, 72),
        ("op: vector", "12x6x4", WORDS, WORDS, 0),
        ("op: vector, reads: 7, writes: 0, ops: 9, shape: {C: 2, W: 3}", "2x1x3", 7, 0, 9),
        ("op: vector, inputs: [input, input], shape: {C: 5}", "5x1x1", 2 * WORDS, 5, 0),
        # views
        ("op: slice, start: 2, step: 3", "4x6x4", 0, 0, 0),
        ("op: slice, over: rows, start: 1, count: 2", "12x2x4", 0, 0, 0),
        ("op: split, parts: 3, part: 2", "4x6x4", 0, 0, 0),
        ("op: split, over: columns, parts: 2", "12x6x2", 0, 0, 0),
        ("op: reshape, H: 2, W: 2", "72x2x2", 0, 0, 0),
        ("op: reshape, C: 3, D: 4, H: 6, W: 4", "3x4x6x4", 0, 0, 0),
        ("op: flatten", "288x1x1", 0, 0, 0),
        ("op: transpose", "4x6x12", 0, 0, 0),
        ("op: transpose, order: [rows, channels, columns]", "6x12x4", 0, 0, 0),
        ("op: transpose, order: [rows, columns, channels, depth]", "6x4x12x1", 0, 0, 0),
        ("op: depth_to_space, block: 2", "3x12x8", 0, 0, 0),
        ("op: space_to_depth, block: 2", "48x3x2", 0, 0, 0),
        ("op: channel_shuffle, groups: 3", "12x6x4", 0, 0, 0),
        ("op: constant, C: 2, W: 9", "2x1x9", 0, 0, 0),
        ("op: concat, over: rows, inputs: [input, input]", "12x12x4", 0, 0, 0),
    ],
)
def test_what_a_layer_comes_to(layer, shape, reads, writes, ops):
    assert told(f"A: {{{layer}}}") == (shape, reads, writes, ops)


def test_depth():
    deep = "{C: 2, D: 4, H: 6, W: 5}"
    words = 240
    assert told("A: {op: maxpool3d, kernel: [1, 2, 2], stride: 2}", deep) == ("2x2x3x2", words, 24, 72)
    assert told("A: {op: avgpool3d, kernel: 2, pad: [0, 0, 1], ceil: true}", deep) == ("2x2x3x3", words, 36, 8 * 36)
    assert told("A: {op: avgpool}", deep) == ("2x1x1", words, 2, words)
    assert told("A: {op: softmax}", deep) == ("2x4x6x5", words, words, 5 * words)
    assert told("A: {op: reduce, over: depth}", deep) == ("2x6x5", words, 60, 180)
    assert told("A: {op: slice, over: depth, start: 3}", deep) == ("2x6x5", 0, 0, 0)
    assert network("A: {op: fc, M: 3}", deep).macs == 3 * words
    assert network("A: {op: matmul, M: 3}", deep).macs == 3 * words
    assert str(network("A: {op: matmul, M: 3}", deep).layers[0].shape) == "3x4x6x5"


def test_what_squeezes_and_excites():
    """The factor of a channel is read once, and multiplied with every word of it."""
    layers = "S: {op: reduce, function: mean}\nF: {op: fc, M: 12}\nG: {op: elementwise, function: sigmoid}\n"
    assert told(layers + "E: {op: elementwise, inputs: [input, G]}") == ("12x6x4", WORDS + 12, WORDS, WORDS)
    assert told(layers + "E: {op: add, inputs: [G, input, G]}") == ("12x6x4", WORDS + 24, WORDS, 2 * WORDS)
    assert told(layers + "E: {op: gate, inputs: [input, G], function: tanh}") == (
        "12x6x4",
        WORDS + 12,
        WORDS,
        2 * WORDS,
    )
    stored = "T: {op: constant, C: 12, H: 6}\nA: {op: add, inputs: [input, T]}"
    assert told(stored) == ("12x6x4", WORDS + 72, WORDS, WORDS)
    weights = "W: {op: constant, C: 3, H: 6, W: 4}\nA: {op: combine, parts: 3, inputs: [input, W]}"
    assert told(weights) == ("4x6x4", WORDS + 72, 96, 2 * WORDS - 96)


@given(st.integers(1, 12), st.integers(1, 12))
def test_topk_compares_with_what_is_left(channels, k):
    k = min(k, channels)
    assert told(f"A: {{op: topk, k: {k}}}", f"{{C: {channels}}}")[3] == sum(channels - 1 - i for i in range(k))


@given(st.integers(1, 9), st.integers(0, 9), st.integers(1, 4))
def test_a_slice_has_what_python_s_has(size, start, step):
    wanted = len(range(size)[start::step])
    text, shape = f"A: {{op: slice, start: {start}, step: {step}}}", f"{{C: {size}}}"
    if wanted:
        assert wanted == network(text, shape).layers[0].shape.C
    else:
        with pytest.raises(SpecError, match="shape mismatch: takes channels from"):
            network(text, shape)


def test_every_function_counts():
    for function, inputs in product(Function, (1, 2)):
        layer = f"A: {{op: elementwise, function: {function}, inputs: [{', '.join(['input'] * inputs)}]}}"
        if inputs == 1:
            assert told(layer)[3] == OPERATIONS.get(function, 1) * WORDS
        elif function in OF_SEVERAL:
            assert told(layer)[3] == WORDS
        else:
            with pytest.raises(SpecError, match="is of one input, got 2"):
                network(layer)


@pytest.mark.skipif(not PAGE.exists(), reason="docs are beside a checkout")
def test_the_page_counts_as_the_code_does():
    page = PAGE.read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.partition("### Functions")[2].splitlines() if "`" in line]
    listed = {Function(name.strip("` ")): int(row[1][0]) for row in rows if len(row) == 2 for name in row[0].split(",")}
    assert listed == {name: each for name, each in OPERATIONS.items() if each > 1}
    tags = [one.__metadata__[0].tag for one in get_args(get_args(AnyLayer)[0])]
    assert not [tag for tag in tags if f"`{tag}`" not in page]
    (views,) = (line for line in page.splitlines() if line.startswith("| `concat`"))
    assert {name.strip("` ") for name in views.strip("| ").split(" | ")[0].split(",")} == VIEWS - {"parts"}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("op: groupnorm", "groupnorm needs groups"),
        ("op: instancenorm, groups: 2", "instancenorm takes no groups"),
        ("op: groupnorm, groups: 5", "12 input channels cannot be split into 5 groups"),
        ("op: rotary, channels: 14", "turns 14 channels in pairs, but its input is 12x6x4"),
        ("op: resize", "resize needs scale or size, one of them"),
        ("op: resize, scale: 2, size: 3", "resize needs scale or size, one of them"),
        ("op: pad, pad: same", "pad: 'same' is of a window; say how many"),
        ("op: reduce, over: [row]", "unknown axis 'row'; did you mean 'rows'? (channels, depth, rows, columns)"),
        ("op: reduce, over: [[rows]]", "should be names of axes"),
        ("op: reduce, over: [rows, rows]", "names an axis twice"),
        ("op: reduce, over: []", "should be one or more of channels, depth, rows, columns"),
        ("op: topk, k: 13", "takes the 13 largest channels, but its input is 12x6x4"),
        ("op: combine, parts: 5", "12 channels cannot be split into 5 parts"),
        ("op: combine, parts: 3, inputs: [input, input]", "3 weights for each position of 12x6x4, got 12x6x4"),
        ("op: gate, function: divide", "function 'divide' is of several words; a gate needs one of a word"),
        ("op: elementwise, function: gelo", "unknown function 'gelo'; did you mean 'gelu'?"),
        ("op: vector, ops: -1", "must be at least 0, got -1"),
        ("op: slice, start: 12", "takes channels from 12 on, 1 apart, but its input is 12x6x4"),
        ("op: slice, start: 3, count: 4, step: 3", "takes 4 channels from 3 on, 3 apart"),
        ("op: split, parts: 5", "part 0 of 5 equal ones of 12 channels"),
        ("op: split, parts: 2, part: 2", "part 2 of 2 equal ones of 12 channels, from 0 on"),
        ("op: reshape, H: 5", "reshapes to any channels of 5 words, but its input is 12x6x4, 288 words"),
        ("op: reshape, C: 5", "reshapes to 5 channels of 1 words"),
        ("op: transpose, order: [rows, rows, columns]", "order names each of channels, depth, rows, columns once"),
        ("op: depth_to_space, block: 5", "12 channels are no blocks of 5x5; its input is 12x6x4"),
        ("op: space_to_depth, block: 4", "12x6x4 cannot be cut into blocks of 4x4"),
        ("op: channel_shuffle, groups: 5", "12 input channels cannot be split into 5 groups"),
        ("op: constant, C: 3, inputs: input", "constant takes 0 inputs, got 1"),
        ("op: maxpool3d, kernel: [2, 7, 1]", "a window of 2x7x1 does not fit an input of 12x6x4 with pad 0, 0, 0"),
        ("op: concat, over: row", "should be 'channels', 'depth', 'rows' or 'columns', got 'row'"),
        ("op: maxpool, kernel: 2, dilation: [6, 1]", "a window of 2x2 does not fit an input of 12x6x4 with pad 0, 0"),
        ("op: vector, ops: 1000000000000000000, repeat: 8", "words and vector operations: the counts would pass 2^63"),
        ("op: vector, reads: 10000000000000000000", "must be at most 2^60"),
        ("op: conv, M: 1, kernel: 1, transposed: scatter, added: true", "added: by scatter, sums are added in the"),
        ("op: resize, scale: 1000000000000", "its counts would pass 2^63"),
        ("op: embedding, M: 99999999999999999", "its counts would pass 2^63"),
    ],
)
def test_refused(layer, message):
    with pytest.raises(SpecError) as error:
        network(f"A: {{{layer}}}")
    assert message in str(error.value) and "\n" not in str(error.value)
