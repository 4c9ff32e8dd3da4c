"""Gradients of layers without MACs: operations, and what of the forward pass they read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from accelsim.errors import WorkloadError
from accelsim.workload.network import VIEWS, Layer, Shape
from accelsim.workload.ops.vector import OPERATIONS, Function


@dataclass(frozen=True)
class Part:
    """The gradient of one input of a layer, for one image.

    ops : vector operations. inputs : which of the layer's inputs are read again. output : whether what it gave is.
    words : of the gradient; None: all words of that input. passes : it is the layer's own gradient where that lies.
    """

    ops: int = 0
    inputs: tuple[int, ...] = ()
    output: bool = False
    words: int | None = None
    passes: bool = False


PASSES = Part(passes=True)
Undone = tuple[Part | None, ...]
"""Of each input; None: no gradient flows there."""


@dataclass(frozen=True)
class Derivative:
    """A function's derivative times a gradient: operations of a word, and whether input or output is read for it."""

    ops: int
    input: bool = False
    output: bool = False


_OF_OUTPUT = {"output": True}
_OF_INPUT = {"input": True}
DERIVATIVES: dict[str, Derivative] = {
    # a comparison, and a selection or product
    Function.RELU: Derivative(2, **_OF_OUTPUT),
    Function.ABS: Derivative(2, **_OF_INPUT),
    Function.LEAKY_RELU: Derivative(2, **_OF_OUTPUT),
    # two comparisons, a selection; through a rounding as if there were none: Y. Bengio et al., arXiv 1308.3432, 2013
    Function.CLIP: Derivative(3, **_OF_INPUT),
    Function.QUANTIZE: Derivative(3, **_OF_INPUT),
    Function.ROUND: Derivative(0),
    # two comparisons, by 1 / 6
    Function.HARD_SIGMOID: Derivative(3, **_OF_INPUT),
    # two comparisons, (2 x + 3) / 6, a product
    Function.HARD_SWISH: Derivative(6, **_OF_INPUT),
    Function.NEGATE: Derivative(1),
    # a function, a product
    Function.SIN: Derivative(2, **_OF_INPUT),
    Function.COS: Derivative(3, **_OF_INPUT),
    Function.EXP: Derivative(1, **_OF_OUTPUT),
    Function.LOG: Derivative(1, **_OF_INPUT),
    Function.SQUARE: Derivative(2, **_OF_INPUT),
    Function.SOFTPLUS: Derivative(2, **_OF_INPUT),
    # g / (2 y); -g y^2; g (1 - y^2); g y (1 - y); y > 0, y + a, a product
    Function.SQRT: Derivative(2, **_OF_OUTPUT),
    Function.RECIPROCAL: Derivative(3, **_OF_OUTPUT),
    Function.TANH: Derivative(3, **_OF_OUTPUT),
    Function.SIGMOID: Derivative(3, **_OF_OUTPUT),
    Function.ELU: Derivative(3, **_OF_OUTPUT),
    # 2 / sqrt(pi) exp(-x^2) g
    Function.ERF: Derivative(5, **_OF_INPUT),
    # s (1 + x (1 - s)) g with a sigmoid s
    Function.SILU: Derivative(6, **_OF_INPUT),
    # (1 + erf(x / sqrt 2)) / 2: 4; x exp(-x^2 / 2) / sqrt(2 pi): 5; their sum, times g
    Function.GELU: Derivative(11, **_OF_INPUT),
    # (1 + t) / 2 with its tanh: 8; x / 2 (1 - t^2) sqrt(2 / pi) (1 + 3 0.044715 x^2): 8; their sum, times g
    Function.GELU_TANH: Derivative(18, **_OF_INPUT),
    # t + x (1 - t^2) s with a softplus and its tanh t: 4, a sigmoid s; 2, 2 products, a sum; times g
    Function.MISH: Derivative(11, **_OF_INPUT),
    # p x^(p - 1) g
    Function.POWER: Derivative(3, **_OF_INPUT),
    # by a number
    Function.MULTIPLY: Derivative(1),
    Function.DIVIDE: Derivative(1),
    Function.SUBTRACT: Derivative(0),
    Function.MAXIMUM: Derivative(2, **_OF_INPUT),
    Function.MINIMUM: Derivative(2, **_OF_INPUT),
    Function.WHERE: Derivative(1),
    # a function that is not named counts one operation, its derivative one, and a product
    "": Derivative(2, **_OF_INPUT),
}
"""By function; of those of several inputs, what they are where the others are numbers."""

STOPS = frozenset({"argmax", "argmin", Function.COMPARE.value})
"""Functions whose gradient is zero wherever it is one."""


def undone(layer: Layer, shapes: Sequence[Shape], told: bool = False) -> Undone:
    """The gradient of each input of a layer without a problem, of these shapes.

    told : whether the caller knows the operations of a `vector`'s gradient, of which its parts have none.
    Raises WorkloadError, which names it, for an op whose gradient is not known.
    """
    if layer.op in VIEWS:
        return _view(layer, shapes)
    if layer.op == "vector":
        if not told:
            raise WorkloadError(
                "op 'vector' tells words alone, and nothing of its gradient; vector_gradients (--vector-gradients) "
                "says how many operations that takes for each of the layer's"
            )
        return (Part(inputs=tuple(range(len(shapes)))),) * len(shapes)
    if layer.op not in _GRADIENTS:
        raise WorkloadError(f"op '{layer.op}' has no gradient; one is known of: {', '.join(sorted(_GRADIENTS))}")
    return _GRADIENTS[layer.op](layer, shapes)


def _view(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """Words are named where they lie, gradients too; of what only some words are taken, the others have none."""
    whole = layer.op not in ("crop", "slice", "split")
    return tuple(PASSES if whole else Part(passes=True, words=layer.shape.words) for _ in shapes)


def _broadcast(layer: Layer, shapes: Sequence[Shape], ops: int, inputs: tuple[int, ...] = ()) -> list[Part]:
    """Parts of so many operations a word, and the sums of what an axis of one word went with."""
    words = layer.shape.words
    return [Part(ops * words + words - shape.words, inputs) for shape in shapes]


def _add(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """The gradient itself; where a word went with several, their sum."""
    return tuple(PASSES if part.ops == 0 else part for part in _broadcast(layer, shapes, 0))


def _elementwise(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """By the derivative; of a product, by the other factors."""
    words, function = layer.shape.words, layer.function
    if function in STOPS:
        return (None,) * len(shapes)
    if len(shapes) == 1:
        by = _derivative(function)
        return (Part(by.ops * words, (0,) * by.input, by.output),)
    others = [tuple(i for i in range(len(shapes)) if i != at) for at in range(len(shapes))]
    sums = _broadcast(layer, shapes, 0)
    if function in ("", Function.MULTIPLY):
        return tuple(Part(part.ops + words * len(rest), rest) for part, rest in zip(sums, others, strict=True))
    if function == Function.SUBTRACT:
        first, *rest = sums
        return (PASSES if first.ops == 0 else first, *(Part(part.ops + words) for part in rest))
    first, *rest = sums
    if function == Function.DIVIDE:
        # g / b; minus, times what it gave, over b
        return (
            Part(first.ops + words, tuple(range(1, len(shapes)))),
            *(Part(part.ops + 3 * words, (at,), output=True) for at, part in enumerate(rest, 1)),
        )
    if function == Function.POWER:
        # p x^(p - 1) g; log x, times what it gave, times g
        return (
            Part(first.ops + 3 * words, (0, 1)),
            *(Part(part.ops + 3 * words, (0,), output=True) for part in rest),
        )
    if function == Function.WHERE:
        # what chooses has no gradient where all three are inputs; a selection for each of the others
        found = [Part(part.ops + words, (0,)) for part in sums]
        return (None, *found[1:]) if len(shapes) == 3 else tuple(found)
    # the largest, the smallest: a comparison with what it gave, a selection
    return tuple(Part(part.ops + 2 * words, (at,), output=True) for at, part in enumerate(sums))


def _derivative(function: str) -> Derivative:
    if function not in DERIVATIVES:
        raise WorkloadError(f"function '{function}' has no gradient")
    return DERIVATIVES[function]


def _gate(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """Of f(a) b: g b f'(a), and g f(a), computed again."""
    words, by = layer.shape.words, _derivative(layer.function) if layer.function else Derivative(0)
    again = OPERATIONS.get(Function(layer.function), 1) if layer.function else 0
    first, second = words * (by.ops + 1), words * (again + 1)
    if len(shapes) == 1:
        return (Part(first + second, (0,)),)
    sums = _broadcast(layer, shapes, 0)
    return Part(sums[0].ops + first, (0, 1)), Part(sums[1].ops + second, (0,))


def _softmax(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """4 per word: y g, its sum, g minus it, by y."""
    return (Part(4 * layer.shape.words, output=True),)


def _norm(ops: int) -> Callable[[Layer, Sequence[Shape]], Undone]:
    """So many per word; what is normalised is computed again from the input."""
    return lambda layer, shapes: (Part(ops * layer.shape.words, (0,)),)


def _batchnorm(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """As of `_norm`; folded, its gain is part of filters and nothing is left."""
    return (PASSES,) if layer.moves == (0, 0) else _norm(9)(layer, shapes)


def _maxpool(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """Per output: a comparison of it with every word of its window, and a sum."""
    outputs = layer.shape.words
    window = layer.vector_ops // outputs + 1
    return (Part(outputs * (window + 1), (0,), output=True),)


def _avgpool(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """Per output: a product, and a sum for every word of its window."""
    outputs = layer.shape.words
    return (Part(outputs + layer.vector_ops),)


def _reduce(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """The gradient for every word: as it is, by the number of words, by what the function's derivative is of a word."""
    words, outputs, function = shapes[0].words, layer.shape.words, layer.function
    if function in STOPS:
        return (None,)
    if function in ("sum", "mean"):
        return (Part(outputs if function == "mean" else 0),)
    # a comparison, a selection; a sign, a product; 2 x g; x g over the norm; what it gave over x, by g
    return (Part(2 * words, (0,), output=function not in ("l1", "sum-square")),)


def _resize(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """A sum per word written for `nearest`; a product and a sum for each of 4 or 16 neighbours."""
    each = layer.vector_ops // layer.shape.words
    return (Part(layer.shape.words * (each + 1)),)


def _rotary(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """Turned back: as many as forward."""
    return (Part(layer.vector_ops),)


def _picked(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """Each word back where it was picked: a sum, as one may be picked twice."""
    return (Part(layer.shape.words, words=min(layer.shape.words, shapes[0].words)),)


def _topk(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """Each word back where it was picked: a comparison of every word with the least that was."""
    return (Part(shapes[0].words, (0,), output=True),)


def _combine(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """Of each word: by its weight; and the weights', a product and a sum."""
    words = shapes[0].words
    if len(shapes) == 1:
        return (Part(words),)
    return Part(words, (1,)), Part(2 * words, (0,))


def _embedding(layer: Layer, shapes: Sequence[Shape]) -> Undone:
    """Indices have no gradient; that of a row is the gradient where it lies."""
    return (None,)


_GRADIENTS: dict[str, Callable[[Layer, Sequence[Shape]], Undone]] = {
    "add": _add,
    "elementwise": _elementwise,
    "gate": _gate,
    "softmax": _softmax,
    # x^ again: 2; the sums of g and g x^ for bias and gain, with a product: 3; by the gain: 2, their sums: 2;
    # x^ by its mean, two differences, by 1 / deviation: 4
    "norm": _norm(13),
    "groupnorm": _norm(13),
    "instancenorm": _norm(13),
    # x^ again: 1; g x^ and its sum: 2; by the gain: 2, a sum: 1; x^ by it, a difference, by 1 / root: 3
    "rmsnorm": _norm(9),
    # x^ again: 2; the sums of g and g x^: 3; x^ by its mean, two differences, by gain / deviation: 4
    "batchnorm": _batchnorm,
    "maxpool": _maxpool,
    "avgpool": _avgpool,
    "maxpool3d": _maxpool,
    "avgpool3d": _avgpool,
    "reduce": _reduce,
    "resize": _resize,
    "rotary": _rotary,
    "pad": _view,
    "gather": _picked,
    "topk": _topk,
    "combine": _combine,
    "embedding": _embedding,
}


@dataclass(frozen=True)
class Gates:
    """The gradient of a recurrent unit in one time step: operations, words read and words written.

    Gates are computed again from the sums that the forward pass wrote.
    """

    ops: int
    reads: int
    writes: int


GATES = {
    # 5 functions again; h's two gradients added; o: 4; c: 5; i, f, g: 4 each; the last c: 1
    "lstm": Gates(28, 9, 5),
    # 3 functions again; h's two gradients added; z: 5; the new h: 5; r: 4; the last h: 3
    "gru": Gates(21, 7, 4),
    # h's two gradients added; 1 - h^2, by it
    "rnn": Gates(4, 3, 1),
}
"""By op. Read: the sums; the state and the last one (lstm: c; gru: h; rnn: what it gave); gradients that arrive."""
