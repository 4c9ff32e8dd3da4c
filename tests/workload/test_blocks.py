"""Blocks: what a use of one becomes, and what is said of a wrong one."""

from __future__ import annotations

import hashlib

import pytest

from accelsim.errors import SpecError
from accelsim.workload.blocks import MOST_DEPTH, MOST_LAYERS
from accelsim.workload.network import Network
from accelsim.workload.yaml import load_network, network_of
from accelsim.yamlfile import parse

HEAD = "name: n\nsource: test\ninput: {C: 8, H: 4, W: 4}\n"
UNIT = """
blocks:
  unit:
    parameters: {M: , kernel: 1}
    layers:
      conv: {op: conv, M: $M, kernel: $kernel}
      relu: {op: elementwise}
"""


def network(text: str, **parameters: object) -> Network:
    return network_of(parse(HEAD + text.strip("\n") + "\n", "n.yaml"), parameters=parameters)


def reads(text: str, **parameters: object) -> dict[str, tuple[str, ...]]:
    return {layer.name: layer.inputs for layer in network(text, **parameters).layers}


def errors(text: str, **parameters: object) -> list[str]:
    with pytest.raises(SpecError) as caught:
        network(text, **parameters)
    return str(caught.value).splitlines()


# of the files as they were without blocks, each layer written out
DIGESTS = {
    "bert_base": "76a37ffde855da24",
    "googlenet": "625ae19cf70a361a",
    "gpt2": "78aad8e2c94d2089",
    "gpt2_decode": "68b0c23feb17a49d",
    "mobilenet_v2": "61bb92b691e732bf",
    "resnet50": "6640bc5b98e6da9e",
    "resnet50_v1": "733ca25622cb93cc",
    "squeezebert": "517c20d637f9f283",
    "squeezenet_v1_1": "b0ff9cb676352f2c",
    "vit_b16": "d826fa409d10a19f",
}


def digest(network: Network) -> str:
    """What makes a network what it is, in a few letters."""
    rows = [
        (
            layer.name,
            layer.op,
            layer.inputs,
            layer.problem and (layer.problem.sizes, layer.problem.stride, layer.problem.dynamic_filter),
            layer.repeat,
            layer.vector_ops,
            repr(layer.density),
        )
        for layer in network.layers
    ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", DIGESTS)
def test_networks_are_what_they_were_layer_by_layer(name):
    assert digest(load_network(name)) == DIGESTS[name]


def test_a_use_has_the_layers_of_the_block():
    text = UNIT + "layers:\n  A: {block: unit, set: {M: 2}}\n  B: {block: unit, set: {M: 3, kernel: 3}}"
    assert reads(text) == {"A.conv": ("input",), "A.relu": ("A.conv",), "B.conv": ("A.relu",), "B.relu": ("B.conv",)}
    assert [str(layer.shape) for layer in network(text).layers] == ["2x4x4", "2x4x4", "3x2x2", "3x2x2"]


def test_times_follow_one_another_and_count():
    text = (
        UNIT + "layers:\n  l$i: {block: unit, times: 3, first: 2, set: {M: 4 * $i}}\n  end: {op: add, inputs: [l2, l2]}"
    )
    found = network(text)
    assert [layer.name for layer in found.layers][:4] == ["l2.conv", "l2.relu", "l3.conv", "l3.relu"]
    assert [layer.shape.C for layer in found.layers if layer.op == "conv"] == [8, 12, 16]
    assert found.layers[2].inputs == ("l2.relu",) and found.layers[-1].inputs == ("l2.relu", "l2.relu")


def test_the_output_has_the_name_of_the_use():
    block = "blocks:\n  b:\n    join: _\n    layers:\n      c: {op: conv, M: 8, kernel: 1}\n"
    text = block + "      output: {op: add, inputs: [c, input]}\nlayers:\n  x$i: {block: b, times: 2}"
    assert reads(text) == {"x0_c": ("input",), "x0": ("x0_c", "input"), "x1_c": ("x0",), "x1": ("x1_c", "x0")}


def test_several_inputs_of_which_the_first_goes_on():
    block = "blocks:\n  b:\n    inputs: [x, side]\n    layers:\n      sum: {op: add, inputs: [x, side]}\n"
    text = block + "layers:\n  A: {op: elementwise}\n  s$i: {block: b, times: 2, inputs: [A, input]}"
    assert reads(text) == {"A": ("input",), "s0.sum": ("A", "input"), "s1.sum": ("s0.sum", "input")}


def test_blocks_in_blocks():
    text = UNIT + (
        "  two:\n    parameters: {M: }\n    join: ''\n    layers:\n      a: {block: unit, set: {M: 2 * $M}}\n"
        "      b$i: {block: unit, times: 2, set: {M: $M}}\n      c: {op: concat, inputs: [b0, a, input, b1.conv]}\n"
        "layers:\n  X: {block: two, set: {M: 5}}\n  Y: {op: elementwise, inputs: X}"
    )
    found = reads(text)
    assert list(found) == ["Xa.conv", "Xa.relu", "Xb0.conv", "Xb0.relu", "Xb1.conv", "Xb1.relu", "Xc", "Y"]
    assert found["Xc"] == ("Xb0.relu", "Xa.relu", "input", "Xb1.conv") and found["Y"] == ("Xc",)
    assert str(network(text).layers[-1].shape) == "28x4x4"


def test_what_is_left_out_is_as_if_not_written():
    block = "blocks:\n  b:\n    parameters: {on: 0}\n    layers:\n      a: {op: elementwise}\n"
    block += "      c: {op: norm, when: $on}\n"
    text = (
        f"parameters: {{last: 0}}\n{block}layers:\n  x$i: {{block: b, times: 2}}\n  y: {{block: b, set: {{on: 1}}}}\n"
    )
    text += "  z: {block: b, when: $last}\n  end: {op: elementwise}"
    assert reads(text) == {
        "x0.a": ("input",), "x1.a": ("x0.a",), "y.a": ("x1.a",), "y.c": ("y.a",), "end": ("y.c",)
    }  # fmt: skip
    assert reads(text, last=1)["end"] == ("z.a",)


def test_a_use_may_read_what_is_written_below():
    text = UNIT + "layers:\n  A: {block: unit, inputs: B, set: {M: 1}}\n  B: {op: elementwise, inputs: input}"
    assert reads(text) == {"B": ("input",), "A.conv": ("B",), "A.relu": ("A.conv",)}


def test_parameters_of_the_file_reach_into_a_block_unless_it_has_its_own():
    block = "blocks:\n  b:\n    parameters: {M: 3}\n    layers:\n      c: {op: conv, M: $M, kernel: $k}\n"
    text = f"parameters: {{k: 1, M: 5}}\n{block}layers:\n  A: {{block: b}}\n  B: {{op: conv, M: $M, kernel: 1}}"
    assert [layer.shape.C for layer in network(text).layers] == [3, 5]
    assert [layer.shape.H for layer in network(text, k=3).layers] == [2, 2]


@pytest.mark.parametrize(
    ("use", "told"),
    [
        ("A: {block: unti, set: {M: 1}}", "11:14: layers.A.block: unknown block 'unti'; did you mean 'unit'? (unit)"),
        ("A: {block: unit}", "11:3: layers.A.set: block 'unit' needs a value of M"),
        ("A: {block: unit, set: {M: 1, N: 2}}", "11:32: layers.A.set.N: unknown parameter 'N'"),
        ("A: {block: unit, sets: {M: 1}}", "11:20: layers.A.sets: unknown key; did you mean 'set'?"),
        (
            "A: {block: unit, times: 2, set: {M: 1}}",
            "11:3: layers.A: is used 2 times: its name needs '$i', such as 'A$i'",
        ),
        ("A$i: {block: unit, times: 0, set: {M: 1}}", "11:29: layers.A$i.times: must be at least 1, got 0"),
        ("A: {block: unit, inputs: [input, input], set: {M: 1}}", "block 'unit' takes 1 inputs (input), got 2"),
        ("A: {block: unit, set: {M: $x}}", "11:29: layers.A.set.M: unknown parameter 'x'"),
        ("A: {block: unit, set: {M: -1}}", "8:27: blocks.unit.layers.conv.M: must be at least 1, got -1"),
        (
            "A: {block: unit, set: {M: 1, kernel: 5}}",
            "blocks.unit.layers.conv: A.conv: shape mismatch: a window of 5x5",
        ),
        ("A: {block: unit, inputs: B, set: {M: 1}}", "layers.A.inputs: unknown layer 'B' (input, A, C)"),
        ("A: {block: [unit], set: {M: 1}}", "11:14: layers.A.block: should be a string"),
    ],
)
def test_errors_name_the_line_that_is_wrong(use, told):
    found = errors(f"{UNIT}layers:\n  {use}\n  C: {{block: unit, set: {{M: 1}}}}")
    assert len(found) <= 2
    assert told in found[0] and found[0].startswith("n.yaml:")


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ("c: {op: conv, M: 1, kernel: 1, inputs: [x]}", "unknown layer or input of the block 'x' (input, c)"),
        ("c: {op: conv, M: 1, kernl: 1}", "blocks.b.layers.c.kernel: missing"),
        ("input: {op: norm}", "'input' is what the block reads; call the layer otherwise"),
        ("c: {op: norm, when: 0}", "all layers of the block are left out"),
        ("c: {block: b}", "a block uses itself: b -> b"),
        ("c: {op: norm, when: $y}", "unknown parameter 'y'"),
    ],
)
def test_errors_in_a_block_are_told_once(layers, told):
    found = errors(f"blocks:\n  b:\n    layers:\n      {layers}\nlayers:\n  A$i: {{block: b, times: 3}}")
    assert told in found[0]
    assert len(found) == 1 or "missing" in found[0] + found[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("blocks: 3\nlayers:\n  A: {op: norm}", "n.yaml:4:9: blocks: should be a mapping of blocks by name"),
        ("blocks:\n  b: {layers: {}}\nlayers:\n  A: {block: b}", "n.yaml:5:15: blocks.b.layers: must not be empty"),
        (UNIT + "layers:\n  A: {op: norm}", "n.yaml:5:3: blocks.unit: nothing uses block 'unit'"),
        ("blocks:\n  b: {parameters: {M: 1}, layers: {c: {op: norm}}}\nlayers:\n  A: {block: b}", "nothing uses $M"),
        ("parameters: {p: 1}\n" + UNIT + "layers:\n  A: {block: unit, set: {M: 1}}", "parameters.p: nothing uses $p"),
        (UNIT + "layers:\n  l$i: {block: unit, times: 2, set: {M: 1}}\n  l1:", "another layer is called 'l1'"),
        (UNIT + "layers:\n  A: {block: unit, set: {M: 1}}\n  A.conv: {op: norm}", "another layer is called 'A.conv'"),
        ("layers:\n  A: {block: b}", "n.yaml:5:14: layers.A.block: unknown block 'b'"),
        (UNIT + "layers:\n  l$i: {block: unit, times: 1000000000, set: {M: 1}}", f"more than {MOST_LAYERS:,} layers"),
    ],
)  # fmt: skip
def test_errors_of_the_file(text, told):
    assert told in errors(text)[0]


def test_a_layer_may_have_a_key_of_that_name():
    assert "layers.A.block: unknown key" in errors("layers:\n  A: {op: norm, block: 2}")[0]
    assert (
        "layers.A.block: unknown key"
        in errors(UNIT + "layers:\n  A: {op: norm, block: unit}\n  B: {block: unit, set: {M: 1}}")[0]
    )


def test_blocks_of_nothing_that_read_each_other():
    block = "blocks:\n  b: {layers: {c: {op: norm, when: 0}}}\n"
    text = block + "layers:\n  A: {block: b, inputs: B}\n  B: {block: b, inputs: A}\n  C: {op: norm, inputs: [A, 3]}"
    assert "n.yaml:7:3: layers.A: all layers of the block are left out" in errors(text)[0]
    assert any("unknown block 'd'" in line for line in errors(f"{text}\n  D: {{block: d}}"))


def test_blocks_are_not_nested_without_end():
    deep = "".join(f"  b{i}:\n    layers:\n      x: {{block: b{i + 1}}}\n" for i in range(2000))
    text = f"blocks:\n{deep}  b2000: {{layers: {{x: {{op: norm}}}}}}\nlayers:\n  A: {{block: b0}}"
    assert f"blocks in blocks, more than {MOST_DEPTH} deep" in errors(text)[0]
    wide = "".join(f"  b{i}:\n    layers:\n      x$i: {{block: b{i + 1}, times: 999}}\n" for i in range(9))
    text = f"blocks:\n{wide}  b9: {{layers: {{x: {{op: norm}}}}}}\nlayers:\n  A: {{block: b0}}"
    assert f"more than {MOST_LAYERS:,} layers" in errors(text)[-1]
