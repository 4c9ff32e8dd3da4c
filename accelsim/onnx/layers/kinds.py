"""What sort of operator a node is: one that multiplies, works word by word, only names words, or none that is known."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import prod

from accelsim.onnx.graph.products import PRODUCTS
from accelsim.onnx.graph.records import MICROSOFT, ML, Step


class Sort(StrEnum):
    """`folded` : its outputs follow from stored words and shapes alone. `product` : has MACs. `alias` : the same words.

    `part` : some of the words, or those of several. `word` : a function of each word. `vector` : other vector
    operations. `unknown` : not modelled.
    """

    FOLDED = "folded"
    PRODUCT = "product"
    ALIAS = "alias"
    PART = "part"
    WORD = "word"
    VECTOR = "vector"
    UNKNOWN = "unknown"


_ALIASES = frozenset(
    {
        *("Cast", "CastLike", "DepthToSpace", "Dropout", "Flatten", "Identity", "Reshape", "SpaceToDepth", "Squeeze"),
        *("Transpose", "Unsqueeze", "DequantizeLinear", "QuantizeLinear", "BitCast"),
    }
)
_PARTS = frozenset({"Split", "Slice", "Concat", "Expand", "Tile"})

PASSING = frozenset({"Relu", "Clip", "PRelu", "LeakyRelu", "ThresholdedRelu"})
"""What an array does as words leave it, wherever they come from."""

WORDS: Mapping[str, int] = {
    **dict.fromkeys(("Relu", "LeakyRelu", "PRelu", "ThresholdedRelu", "Clip"), 1),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Mean", "BitShift"), 1),
    **dict.fromkeys(
        ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor", "Not", "Where"), 1
    ),
    **dict.fromkeys(("BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot"), 1),
    **dict.fromkeys(("Abs", "Neg", "Sign", "Ceil", "Floor", "Round", "IsNaN", "IsInf", "Exp", "Log", "Sqrt"), 1),
    **dict.fromkeys(("Reciprocal", "Erf", "Sigmoid", "Tanh", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan"), 1),
    **dict.fromkeys(("Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Softsign", "Shrink"), 1),
    **{
        "HardSigmoid": 4,
        "HardSwish": 5,
        "Elu": 4,
        "Celu": 4,
        "Selu": 4,
        "Softplus": 3,
        "Mish": 5,
        "Gelu": 5,
        "Swish": 2,
    },
    **{"BatchNormalization": 2, "DynamicQuantizeLinear": 5},
}
"""Operations per word that comes out; `accelsim.workload.ops` says how they are counted."""

_WORDS_ELSEWHERE = {
    **{(MICROSOFT, op): ops for op, ops in (("Gelu", 5), ("FastGelu", 9), ("QuickGelu", 3), ("BiasGelu", 6))},
    **{(MICROSOFT, op): 1 for op in ("BiasAdd", "QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearLeakyRelu")},
    **{(ML, op): ops for op, ops in (("Scaler", 2), ("Imputer", 1), ("Binarizer", 1))},
}

_VECTORS = frozenset(
    {
        *("MaxPool", "AveragePool", "LpPool", "GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"),
        *("Softmax", "LogSoftmax", "Hardmax", "LayerNormalization", "RMSNormalization", "GroupNormalization"),
        *("InstanceNormalization", "MeanVarianceNormalization", "LpNormalization", "LRN"),
        *("SimplifiedLayerNormalization", "Resize", "Upsample", "Pad", "RotaryEmbedding"),
        *("Gather", "GatherND", "GatherElements", "ScatterND", "ScatterElements", "Scatter", "Compress", "OneHot"),
        *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum"),
        *("ReduceLogSumExp", "ReduceSumSquare", "ArgMax", "ArgMin", "TopK", "CumSum", "Trilu", "EyeLike"),
        *("ReverseSequence", "Range", "GridSample", "RoiAlign", "NonZero", "Einsum", "TensorScatter", "CenterCropPad"),
    }
)
_VECTORS_ELSEWHERE = {
    *(
        (MICROSOFT, op)
        for op in ("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "EmbedLayerNormalization")
    ),
    *((MICROSOFT, op) for op in ("SimplifiedLayerNormalization", "RotaryEmbedding", "QLinearGlobalAveragePool")),
    *((MICROSOFT, op) for op in ("QLinearSoftmax",)),
    *((ML, op) for op in ("ArrayFeatureExtractor", "Normalizer")),
}


def operations(step: Step) -> int:
    """Operations per word of a node that works word by word; of several operands one less than there are."""
    node = step.node
    each = WORDS.get(node.op, 1) if not node.domain else _WORDS_ELSEWHERE.get((node.domain, node.op), 1)
    return each * max(1, len(step.inputs) - 1) if node.op in ("Sum", "Max", "Min", "Mean") and not node.domain else each


def sort(step: Step) -> Sort:
    """What sort of operator a step is."""
    node, key = step.node, (step.node.domain, step.node.op)
    outputs = [value for value in step.outputs if value.name]
    multiplies = key in PRODUCTS and not (node.op == "Einsum" and len(step.inputs) != 2)
    if multiplies and outputs and outputs[0].data is None and sized(step):
        return Sort.PRODUCT
    if outputs and all(
        value.stored is not None or value.data is not None or (value.shape and not value.words) for value in outputs
    ):
        return Sort.FOLDED
    if not outputs or not sized(step):
        return Sort.UNKNOWN
    if key in PRODUCTS and not (node.op == "Einsum" and len(step.inputs) == 1):
        return Sort.UNKNOWN
    if node.op in _ALIASES and node.domain in ("", MICROSOFT):
        return Sort.ALIAS
    if not node.domain:
        if node.op in _PARTS or (node.op == "Gather" and _picks_known(step)):
            return Sort.PART
        if node.op in WORDS:
            return Sort.WORD
        return Sort.VECTOR if node.op in _VECTORS else Sort.UNKNOWN
    if key in _WORDS_ELSEWHERE:
        return Sort.WORD
    if key == (MICROSOFT, "QLinearConcat"):
        return Sort.PART
    return Sort.VECTOR if key in _VECTORS_ELSEWHERE else Sort.UNKNOWN


def sized(step: Step) -> bool:
    """Whether the shapes of its first output and of all that it reads are known."""
    values = [value for value in (*step.inputs, *step.outputs[:1]) if value is not None]
    return all(value.shape is not None for value in values)


def macs_left(step: Step) -> int | None:
    """MACs of a node that is not modelled: none where its operator has none by definition; else not known."""
    node = step.node
    unknown = node.domain or node.op in ("If", "Loop", "Scan", "DeformConv") or ("", node.op) in PRODUCTS
    return None if unknown else 0


def why(step: Step) -> str:
    """Why a node is not modelled."""
    if step.node.op == "If" and not step.node.domain:
        return "its condition is not known; give the inputs that it follows from: --dim NAME=VALUE"
    if step.node.op in ("Loop", "Scan") and not step.node.domain:
        return "how often it runs is not known"
    lost = next((value.lost for value in (*step.inputs, *step.outputs) if value is not None and value.lost), "")
    return f"shapes are not known from {lost} on" if lost else "an operator without a rule"


def _picks_known(step: Step) -> bool:
    """Whether a Gather takes one run of an activation's words that the file itself names."""
    if len(step.inputs) < 2 or step.inputs[1] is None or step.inputs[0] is None:
        return False
    picked = step.inputs[1].data
    return step.inputs[0].stored is None and picked is not None and prod(picked.shape) == 1
