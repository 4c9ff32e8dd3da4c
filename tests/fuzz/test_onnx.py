"""Damaged graphs: each is refused in one line, or read as the other graph it has become."""

from __future__ import annotations

import random
import sys

import pytest

pytest.importorskip("onnx.helper")

from accelsim.errors import AccelsimError
from accelsim.onnx.graph.read import model_of
from accelsim.onnx.network import network
from fuzz.bounds import bounded, good_lines
from graphs import GRAPHS, dims, truth
from onnx import AttributeProto, ModelProto, TensorProto
from onnx_small import SMALL

LARGE = (-1, 0, 1, 2**31, 2**40, 2**62)


def flip(rng, model):
    """Some bytes changed, or cut off."""
    data = bytearray(model.SerializeToString())
    for _ in range(rng.randrange(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data[: rng.randrange(len(data))] if rng.random() < 0.2 else data)


def pick(rng, model):
    return rng.choice(model.graph.node)


def drop_node(rng, model):
    del model.graph.node[rng.randrange(len(model.graph.node))]


def drop_attribute(rng, model):
    node = pick(rng, model)
    if node.attribute:
        del node.attribute[rng.randrange(len(node.attribute))]


def spoil_attribute(rng, model):
    """Another number, another type, a list of another length."""
    node = pick(rng, model)
    if not node.attribute:
        return
    attribute = rng.choice(node.attribute)
    if attribute.ints and rng.random() < 0.7:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(LARGE)
        if rng.random() < 0.3:
            attribute.ints.append(1)
    elif attribute.type == AttributeProto.INT:
        attribute.i = rng.choice(LARGE)
    else:
        attribute.type = rng.choice(list(AttributeProto.AttributeType.values()))


def drop_input(rng, model):
    node = pick(rng, model)
    if node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(["", "nothing", node.output[0] if node.output else ""])


def swap_nodes(rng, model):
    """A cycle, or what is read before it is written."""
    nodes = model.graph.node
    one, other = rng.randrange(len(nodes)), rng.randrange(len(nodes))
    first, second = (type(nodes[at])() for at in (one, other))
    first.CopyFrom(nodes[one]), second.CopyFrom(nodes[other])
    nodes[one].CopyFrom(second), nodes[other].CopyFrom(first)


def close_cycle(rng, model):
    node = pick(rng, model)
    if node.input and model.graph.node[-1].output:
        node.input[0] = model.graph.node[-1].output[0]


def rename_operator(rng, model):
    pick(rng, model).op_type = rng.choice(
        ["Nothing", "Conv", "MatMul", "Loop", "If", "LSTM", "Reshape", "NonZero", "Add"]
    )


def rename_domain(rng, model):
    pick(rng, model).domain = rng.choice(["com.example", "com.microsoft", "ai.onnx.ml"])


def spoil_size(rng, model):
    """Of an input, an output or a stored tensor."""
    values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    if model.graph.initializer and rng.random() < 0.5:
        tensor = rng.choice(model.graph.initializer)
        if tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(LARGE)
        return
    dims = rng.choice(values).type.tensor_type.shape.dim
    if dims:
        rng.choice(dims).dim_value = rng.choice(LARGE)


def spoil_stored(rng, model):
    """Words that are missing, of another type, or in a file that is not there."""
    if not model.graph.initializer:
        return
    tensor = rng.choice(model.graph.initializer)
    match rng.randrange(4):
        case 0:
            tensor.raw_data = tensor.raw_data[:1]
        case 1:
            tensor.data_type = rng.randrange(40)
        case 2:
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=rng.choice(["nowhere.bin", "../../x", "\0"]))
        case 3:
            tensor.ClearField("raw_data")


def spoil_version(rng, model):
    if model.opset_import:
        rng.choice(model.opset_import).version = rng.choice([0, 1, 6, 7, 9, 13, 99, 2**40])


def drop_output(rng, model):
    model.graph.output[0].name = rng.choice(["nothing", ""])


def write_twice(rng, model):
    one, other = pick(rng, model), pick(rng, model)
    if one.output and other.output:
        one.output[0] = other.output[0]


DAMAGES = [
    *(flip, drop_node, drop_attribute, spoil_attribute, drop_input, swap_nodes, close_cycle, rename_operator),
    *(rename_domain, spoil_size, spoil_stored, spoil_version, drop_output, write_twice),
]


def sources():
    """Graphs to damage, with the sizes they ask for: those built here, and the real ones that are not large."""
    found = {name: (make().SerializeToString(), sizes) for name, (make, sizes) in SMALL.items()}
    for name in truth():
        path = GRAPHS / f"{name}.onnx"
        if path.stat().st_size < 250_000:
            found[name] = (path.read_bytes(), dims(name))
    return found


def check(seed, graphs):
    """One damaged graph; whether it was refused."""
    rng = random.Random(seed)
    name = rng.choice(sorted(graphs))
    data, sizes = graphs[name]
    damage = rng.choice(DAMAGES)
    model = ModelProto.FromString(data)
    for _ in range(rng.randrange(1, 3)):
        if damage is flip:
            break
        damage(rng, model)
    spoiled = flip(rng, model) if damage is flip else model.SerializeToString()
    try:
        with bounded():
            network(model_of(spoiled, f"{name}.onnx"), 1, sizes)
    except AccelsimError as error:
        good_lines(str(error))
        good_lines(str(error).replace("\n", "\0"))  # one line, not several
        return True
    except BaseException:
        sys.stderr.write(f"seed {seed}: {name}, {damage.__name__}\n")
        raise
    return False


@pytest.mark.parametrize("part", range(4))
def test_a_few_damaged_graphs(part):
    graphs = {name: (make().SerializeToString(), sizes) for name, (make, sizes) in SMALL.items()}
    refused = sum(check(seed, graphs) for seed in range(40 * part, 40 * part + 40))
    assert refused > 10


@pytest.mark.nightly
def test_a_thousand_damaged_graphs():
    graphs, first = sources(), random.randrange(2**40)
    refused = sum(check(first + index, graphs) for index in range(1000))
    assert refused > 300
