"""Small graphs, one for each way that nodes go through the reader."""

from __future__ import annotations

import numpy as np

from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def tensor(name, *shape, kind=FLOAT):
    """What the file says of an input or an output."""
    return helper.make_tensor_value_info(name, kind, shape)


def stored(name, *shape, seed=0):
    """A stored tensor of drawn words."""
    words = np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32)
    return numpy_helper.from_array(words, name)


def numbers(name, *values, kind=np.int64):
    """A stored list of whole numbers."""
    return numpy_helper.from_array(np.array(values, kind), name)


def model(nodes, inputs, outputs, weights=(), opset=17, **more):
    """A model of one graph."""
    graph = helper.make_graph(list(nodes), "small", list(inputs), list(outputs), list(weights))
    opsets = [helper.make_opsetid("", opset), *more.pop("opsets", ())]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, **more)


def node(op, inputs, outputs, **attributes):
    """A node named after its output."""
    outputs = outputs.split()
    return helper.make_node(op, inputs.split(), outputs, name=outputs[0], **attributes)


def convolutions():
    """Convolution, norm, ReLU, depthwise and transposed convolution, a residual, pools, a product."""
    return model(
        [
            node("Conv", "x w1 b1", "c1", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]),
            node("BatchNormalization", "c1 g b1 b1 g", "n1"),
            node("Relu", "n1", "r1"),
            node("Conv", "r1 w2", "c2", kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=8),
            node("Add", "c2 r1", "a1"),
            node("ConvTranspose", "a1 w3", "t1", kernel_shape=[2, 2], strides=[2, 2]),
            node("MaxPool", "t1", "p1", kernel_shape=[2, 2], strides=[2, 2]),
            node("GlobalAveragePool", "p1", "p2"),
            node("Flatten", "p2", "f1"),
            node("Gemm", "f1 w4 b4", "y", transB=1),
        ],
        [tensor("x", 1, 3, 16, 16)],
        [tensor("y", 1, 10)],
        [
            stored("w1", 8, 3, 3, 3),
            stored("b1", 8),
            stored("g", 8),
            stored("w2", 8, 1, 3, 3),
            stored("w3", 8, 4, 2, 2),
            stored("w4", 10, 4),
            stored("b4", 10),
        ],
    )


def attention(heads=4, kv=2, size=8):
    """Heads that share keys, with shapes worked out in the graph and sizes that it leaves open."""
    width, narrow = heads * size, kv * size
    repeat = [
        node("Unsqueeze", "k2 two", "k3"),
        node("Shape", "k3", "ks"),
        node("Mul", "ks spread", "kt"),
        node("Expand", "k3 kt", "k4"),
        node("Reshape", "k4 back", "k5"),
    ]
    return model(
        [
            node("MatMul", "x wq", "q"),
            node("MatMul", "x wk", "k"),
            node("MatMul", "x wk", "v"),
            node("Reshape", "q split", "q1"),
            node("Transpose", "q1", "q2", perm=[0, 2, 1, 3]),
            node("Reshape", "k split", "k1"),
            node("Transpose", "k1", "k2", perm=[0, 2, 1, 3]),
            *repeat,
            node("Transpose", "k5", "k6", perm=[0, 1, 3, 2]),
            node("MatMul", "q2 k6", "s"),
            node("Div", "s scale", "s1"),
            node("Softmax", "s1", "p", axis=-1),
            node("MatMul", "p k5", "o"),
            node("Transpose", "o", "o1", perm=[0, 2, 1, 3]),
            node("Reshape", "o1 join", "o2"),
            node("MatMul", "o2 wo", "y"),
        ],
        [tensor("x", "batch", "seq", width)],
        [tensor("y", "batch", "seq", width)],
        [
            stored("wq", width, width),
            stored("wk", width, narrow),
            stored("wo", width, width),
            numbers("split", 0, 0, -1, size),
            numbers("join", 0, 0, -1),
            numbers("two", 2),
            numbers("back", 0, heads, -1, size),
            numbers("spread", 1, 1, heads // kv, 1, 1),
            stored("scale"),
        ],
    )


def recurrent():
    """An LSTM of two directions, and a GRU after it."""
    return model(
        [
            node("LSTM", "x w r", "h last", hidden_size=6, direction="bidirectional"),
            node("Transpose", "h", "h1", perm=[0, 2, 1, 3]),
            node("Reshape", "h1 shape", "h2"),
            node("GRU", "h2 w2 r2", "g", hidden_size=5),
            node("Squeeze", "g one", "y"),
        ],
        [tensor("x", 7, 1, 4)],
        [tensor("y", 7, 1, 5)],
        [
            stored("w", 2, 24, 4),
            stored("r", 2, 24, 6),
            stored("w2", 1, 15, 12),
            stored("r2", 1, 15, 5),
            numbers("shape", 0, 0, -1),
            numbers("one", 1),
        ],
    )


def branches():
    """A branch that an input chooses, and a loop of three rounds."""
    then = helper.make_graph([node("MatMul", "x w", "t")], "then", [], [tensor("t", 2, 4)])
    other = helper.make_graph([node("MatMul", "x v", "e")], "else", [], [tensor("e", 2, 4)])
    body = helper.make_graph(
        [node("MatMul", "carried u", "next"), node("Identity", "go", "going")],
        "body",
        [tensor("i", kind=INT64), tensor("go", kind=BOOL), tensor("carried", 2, 4)],
        [tensor("going", kind=BOOL), tensor("next", 2, 4)],
    )
    return model(
        [
            node("Greater", "flag zero", "condition"),
            node("If", "condition", "a", then_branch=then, else_branch=other),
            node("Loop", "three yes a", "y", body=body),
        ],
        [tensor("x", 2, 3), tensor("flag", kind=INT64)],
        [tensor("y", 2, 4)],
        [
            stored("w", 3, 4),
            stored("v", 3, 4),
            stored("u", 4, 4),
            numbers("zero", 0),
            numbers("three", 3),
            numpy_helper.from_array(np.array(True), "yes"),
        ],
    )


def quantised():
    """Integers with scales beside them."""
    eight = [numpy_helper.from_array(np.ones((8, 3, 3, 3), np.int8), "w"), numbers("z", 0, kind=np.int8)]
    return model(
        [
            node("QuantizeLinear", "x s z0", "q"),
            node("QLinearConv", "q s z0 w s z0 s z0", "c", kernel_shape=[3, 3]),
            node("DequantizeLinear", "c s z0", "d"),
            node("ReduceMean", "d", "m", axes=[2, 3], keepdims=0),
            node("DynamicQuantizeLinear", "m", "dq ds dz"),
            node("MatMulInteger", "dq w2 dz z1", "i"),
            node("Cast", "i", "f", to=FLOAT),
            node("Mul", "f ds", "y"),
        ],
        [tensor("x", 1, 3, 8, 8)],
        [tensor("y", 1, 5)],
        [
            *eight,
            numpy_helper.from_array(np.float32(0.5), "s"),
            numpy_helper.from_array(np.int8(0), "z0"),
            numpy_helper.from_array(np.ones((8, 5), np.int8), "w2"),
            numpy_helper.from_array(np.int8(0), "z1"),
        ],
    )


SMALL = {
    "convolutions": (convolutions, {}),
    "attention": (attention, {"seq": 6}),
    "recurrent": (recurrent, {}),
    "branches": (branches, {"flag": 1}),
    "quantised": (quantised, {}),
}
"""Each with the sizes it asks for."""
