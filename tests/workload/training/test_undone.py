"""Gradients of layers without MACs, written out word by word: each is the difference, and takes as many operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from random import Random

import pytest

from accelsim.errors import WorkloadError
from accelsim.workload.network import Layer, Shape
from accelsim.workload.ops.vector import OF_SEVERAL, Function
from accelsim.workload.training.undone import DERIVATIVES, GATES, STOPS, undone

STEP = 1e-6
COUNT = [0]


class Word:
    """A number that counts what is done with it, each operation one, as docs/layers.md does."""

    def __init__(self, value: float):
        self.value = float(value)

    @staticmethod
    def did(value: float) -> Word:
        COUNT[0] += 1
        return Word(value)

    def __add__(self, other: object) -> Word:
        return Word.did(self.value + number(other))

    def __sub__(self, other: object) -> Word:
        return Word.did(self.value - number(other))

    def __rsub__(self, other: object) -> Word:
        return Word.did(number(other) - self.value)

    def __mul__(self, other: object) -> Word:
        return Word.did(self.value * number(other))

    def __truediv__(self, other: object) -> Word:
        return Word.did(self.value / number(other))

    def __rtruediv__(self, other: object) -> Word:
        return Word.did(number(other) / self.value)

    def __neg__(self) -> Word:
        return Word.did(-self.value)

    def __gt__(self, other: object) -> Word:
        return Word.did(self.value > number(other))

    def __lt__(self, other: object) -> Word:
        return Word.did(self.value < number(other))

    def same(self, other: object) -> Word:
        return Word.did(self.value == number(other))

    def then(self, yes: object, no: object = 0.0) -> Word:
        """A selection."""
        return Word.did(number(yes) if self.value else number(no))


def number(of: object) -> float:
    return of.value if isinstance(of, Word) else float(of)  # type: ignore[arg-type]


def one(function: Callable[[float], float]) -> Callable[[Word], Word]:
    return lambda word: Word.did(function(word.value))


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


exp, erf, tanh, log, sin, cos, sigmoid = map(
    one, (math.exp, math.erf, math.tanh, math.log, math.sin, math.cos, logistic)
)
softplus_1 = one(lambda x: math.log1p(math.exp(x)))


def softplus(x: Word) -> Word:
    return log(exp(x) + 1)


ROOT, TURN, CUBE = math.sqrt(2 / math.pi), 2 / math.sqrt(math.pi), 0.044715


def gelu(x: float) -> float:
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def gelu_tanh(x: float) -> float:
    return x * (1 + math.tanh(ROOT * (x + CUBE * x**3))) / 2


def of_gelu(x: Word, y: Word, g: Word) -> Word:
    first = (erf(x / math.sqrt(2)) + 1) / 2
    return (first + exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi)) * x) * g


def of_gelu_tanh(x: Word, y: Word, g: Word) -> Word:
    square = x * x
    t = tanh((square * CUBE + 1) * x * ROOT)
    first = (t + 1) / 2
    return (first + (1 - t * t) * ((square * (3 * CUBE) + 1) * ROOT) * x / 2) * g


def of_mish(x: Word, y: Word, g: Word) -> Word:
    t = tanh(softplus(x))
    return (t + x * (1 - t * t) * sigmoid(x)) * g


def of_silu(x: Word, y: Word, g: Word) -> Word:
    s = sigmoid(x)
    return s * ((1 - s) * x + 1) * g


FUNCTIONS: dict[str, tuple[Callable[[float], float], Callable[[Word, Word, Word], Word]]] = {
    "relu": (lambda x: max(x, 0), lambda x, y, g: (y > 0).then(g)),
    "abs": (abs, lambda x, y, g: g * (1 if (x > 0).value else -1)),
    "leaky-relu": (lambda x: x if x > 0 else 0.1 * x, lambda x, y, g: g * (1 if (y > 0).value else 0.1)),
    "clip": (lambda x: min(max(x, -0.5), 0.5), lambda x, y, g: both(x > -0.5, x < 0.5).then(g)),
    "hard-sigmoid": (
        lambda x: min(max(x + 3, 0), 6) / 6,
        lambda x, y, g: g * (1 / 6 if both(x > -3, x < 3).value else 0),
    ),
    "hard-swish": (
        lambda x: x * min(max(x + 3, 0), 6) / 6,
        lambda x, y, g: ((x * 2 + 3) / 6 if both(x > -3, x < 3).value else x) * g,
    ),
    "negate": (lambda x: -x, lambda x, y, g: -g),
    "sin": (math.sin, lambda x, y, g: cos(x) * g),
    "cos": (math.cos, lambda x, y, g: -sin(x) * g),
    "exp": (math.exp, lambda x, y, g: y * g),
    "log": (math.log, lambda x, y, g: g / x),
    "square": (lambda x: x * x, lambda x, y, g: x * 2 * g),
    "softplus": (lambda x: math.log1p(math.exp(x)), lambda x, y, g: sigmoid(x) * g),
    "sqrt": (math.sqrt, lambda x, y, g: g / (y * 2)),
    "reciprocal": (lambda x: 1 / x, lambda x, y, g: -(y * y) * g),
    "tanh": (math.tanh, lambda x, y, g: (1 - y * y) * g),
    "sigmoid": (logistic, lambda x, y, g: (1 - y) * y * g),
    "elu": (lambda x: x if x > 0 else math.expm1(x), lambda x, y, g: (y + 1 if not (y > 0).value else Word.did(1)) * g),
    "erf": (math.erf, lambda x, y, g: exp(-(x * x)) * TURN * g),
    "silu": (lambda x: x * logistic(x), of_silu),
    "gelu": (gelu, of_gelu),
    "gelu-tanh": (gelu_tanh, of_gelu_tanh),
    "mish": (lambda x: x * math.tanh(math.log1p(math.exp(x))), of_mish),
}
POSITIVE = {"log", "sqrt", "reciprocal"}


def both(first: Word, second: Word) -> Word:
    """Whether two comparisons hold: part of them."""
    return Word(first.value and second.value)


def counted(work: Callable[[], object]) -> tuple[object, int]:
    COUNT[0] = 0
    found = work()
    return found, COUNT[0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_derivative_is_the_difference_and_counts_its_operations(name):
    forward, backward = FUNCTIONS[name]
    rng = Random(name)
    for _ in range(20):
        x = rng.uniform(0.2, 2) if name in POSITIVE else rng.uniform(-2.5, 2.5)
        # kinks are no place for a difference
        if min(abs(x - kink) for kink in (0, 0.5, -0.5, 3, -3)) < 1e-3:
            continue
        found, ops = counted(lambda x=x: backward(Word(x), Word(forward(x)), Word(0.7)))
        difference = 0.7 * (forward(x + STEP) - forward(x - STEP)) / (2 * STEP)
        assert found.value == pytest.approx(difference, rel=1e-4, abs=1e-7)
        assert ops == DERIVATIVES[name].ops


def test_every_function_has_a_derivative_or_none():
    without = set(Function) - set(DERIVATIVES) - STOPS
    assert not without
    # the rest are passed through as they are, not named, or of numbers
    written = set(FUNCTIONS) | {"round", "quantize", ""} | {f.value for f in OF_SEVERAL} - STOPS
    assert set(DERIVATIVES) == written


def layer(op: str, out: Shape, ops: int = 0, function: str = "", inputs: int = 1) -> Layer:
    return Layer("L", op, tuple("abc"[:inputs]), out, vector_ops=ops, function=function)


def drawn(rng: Random, count: int) -> list[float]:
    return [rng.uniform(-1, 1) for _ in range(count)]


def differences(
    forward: Callable[[Sequence[float]], Sequence[float]], x: list[float], g: list[float]
) -> Iterator[float]:
    """The gradient of every word of x, by steps of each."""
    for at in range(len(x)):
        ends = [forward([*x[:at], x[at] + step, *x[at + 1 :]]) for step in (STEP, -STEP)]
        yield sum((up - down) * each for up, down, each in zip(*ends, g, strict=True)) / (2 * STEP)


def total(words: Sequence[Word]) -> Word:
    """Sums that a unit adds one by one, the first to a zero that lies there: a sum for each word."""
    found = Word(0)
    for word in words:
        found = found + word
    return found


def softmax(x: Sequence[float]) -> list[float]:
    whole = sum(map(math.exp, x))
    return [math.exp(each) / whole for each in x]


def of_softmax(x: list[Word], y: list[Word], g: list[Word]) -> list[Word]:
    products = [a * b for a, b in zip(y, g, strict=True)]
    mean = total(products)
    return [(b - mean) * a for a, b in zip(y, g, strict=True)]


GAIN, SHIFT = (0.3, 1.2, 0.8, -0.5), (0.1, 0.2, 0.3, 0.4)


def statistics(x: Sequence[float]) -> tuple[float, float]:
    mean = sum(x) / len(x)
    return mean, 1 / math.sqrt(sum((each - mean) ** 2 for each in x) / len(x))


def norm(x: Sequence[float]) -> list[float]:
    mean, by = statistics(x)
    return [(each - mean) * by * gain + shift for each, gain, shift in zip(x, GAIN, SHIFT, strict=True)]


def of_norm(x: list[Word], y: list[Word], g: list[Word]) -> list[Word]:
    """Also the gradients of bias and gain; what is once per row is left out, as forward."""
    mean, by = statistics([each.value for each in x])
    hat = [(each - mean) * by for each in x]
    bias = [Word(0) + each for each in g]
    products = [a * b for a, b in zip(g, hat, strict=True)]
    gains = [Word(0) + each for each in products]
    assert len(bias) == len(gains)
    scaled = [each * gain for each, gain in zip(g, GAIN, strict=True)]
    first = total(scaled).value / len(x)
    second = total([each * gain for each, gain in zip(products, GAIN, strict=True)]).value / len(x)
    return [((a - first) - h * second) * by for a, h in zip(scaled, hat, strict=True)]


def batchnorm(x: Sequence[float]) -> list[float]:
    mean, by = statistics(x)
    return [(each - mean) * by * GAIN[0] + SHIFT[0] for each in x]


def of_batchnorm(x: list[Word], y: list[Word], g: list[Word]) -> list[Word]:
    mean, by = statistics([each.value for each in x])
    hat = [(each - mean) * by for each in x]
    bias = total(g).value / len(x)
    gain = total([a * b for a, b in zip(g, hat, strict=True)]).value / len(x)
    return [((a - bias) - h * gain) * (GAIN[0] * by) for a, h in zip(g, hat, strict=True)]


def rms(x: Sequence[float]) -> float:
    return 1 / math.sqrt(sum(each * each for each in x) / len(x))


def rmsnorm(x: Sequence[float]) -> list[float]:
    return [each * rms(x) * gain for each, gain in zip(x, GAIN, strict=True)]


def of_rmsnorm(x: list[Word], y: list[Word], g: list[Word]) -> list[Word]:
    by = rms([each.value for each in x])
    hat = [each * by for each in x]
    products = [a * b for a, b in zip(g, hat, strict=True)]
    gains = [Word(0) + each for each in products]
    assert len(gains) == len(x)
    scaled = [each * gain for each, gain in zip(g, GAIN, strict=True)]
    mean = total([each * gain for each, gain in zip(products, GAIN, strict=True)]).value / len(x)
    return [(a - h * mean) * by for a, h in zip(scaled, hat, strict=True)]


def of_maxpool(x: list[Word], y: list[Word], g: list[Word]) -> list[Word]:
    """Windows of 2 words, a step of 1: each word of a window compared with its largest, then one sum."""
    found = [Word(0) for _ in x]
    for at in range(len(y)):
        largest = [x[at + tap].same(y[at]).value for tap in range(2)]
        place = at + largest.index(True)
        found[place] = found[place] + g[at]
    return found


def of_avgpool(x: list[Word], y: list[Word], g: list[Word]) -> list[Word]:
    found = [Word(0) for _ in x]
    for at in range(len(y)):
        part = g[at] * 0.5
        for tap in range(2):
            found[at + tap] = found[at + tap] + part
    return found


ROW = Shape(4)
LINES: dict[str, tuple[Layer, Callable, Callable]] = {
    "softmax": (layer("softmax", ROW), softmax, of_softmax),
    "norm": (layer("norm", ROW), norm, of_norm),
    "batchnorm": (layer("batchnorm", ROW, 28), batchnorm, of_batchnorm),
    "rmsnorm": (layer("rmsnorm", ROW), rmsnorm, of_rmsnorm),
    "maxpool": (
        layer("maxpool", Shape(1, 1, 3), 3),
        lambda x: [max(pair) for pair in pairwise(x)],
        of_maxpool,
    ),
    "avgpool": (
        layer("avgpool", Shape(1, 1, 3), 6),
        lambda x: [sum(pair) / 2 for pair in pairwise(x)],
        of_avgpool,
    ),
    "mean": (
        layer("reduce", Shape(1), function="mean"),
        lambda x: [sum(x) / 4],
        lambda x, y, g: [part := g[0] / 4] + [part] * 3,
    ),
    "l2": (
        layer("reduce", Shape(1), function="l2"),
        lambda x: [math.sqrt(sum(each * each for each in x))],
        lambda x, y, g: [each * g[0] / y[0] for each in x],
    ),
    "l1": (
        layer("reduce", Shape(1), function="l1"),
        lambda x: [sum(map(abs, x))],
        lambda x, y, g: [g[0] * (1 if (each > 0).value else -1) for each in x],
    ),
    "max": (
        layer("reduce", Shape(1), function="max"),
        lambda x: [max(x)],
        lambda x, y, g: [each.same(y[0]).then(g[0]) for each in x],
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_of_words_has_the_gradient_of_differences(name):
    of, forward, backward = LINES[name]
    rng = Random(name)
    x = drawn(rng, 4)
    y = forward(x)
    g = drawn(rng, len(y))
    found, ops = counted(lambda: backward(*([Word(each) for each in words] for words in (x, y, g))))
    assert [each.value for each in found] == pytest.approx(list(differences(forward, x, g)), rel=1e-4, abs=1e-7)
    (part,) = undone(of, [Shape(1, 1, 4) if of.shape.W > 1 else ROW])
    assert part.ops == ops


def test_gates_of_an_lstm_are_those_of_differences():
    """From the sums a, the last c and the gradients of h and c: those of the sums and of the last c."""

    def forward(words: Sequence[float]) -> list[float]:
        i, f, o, n, last = words
        c = logistic(f) * last + logistic(i) * math.tanh(n)
        return [logistic(o) * math.tanh(c), c]

    x, g = drawn(Random(1), 5), drawn(Random(2), 2)
    state = forward(x)[1]

    def backward() -> list[Word]:
        i, f, o, n = sigmoid(Word(x[0])), sigmoid(Word(x[1])), sigmoid(Word(x[2])), tanh(Word(x[3]))
        t = tanh(Word(state))
        h = Word(g[0]) + 0.0  # what is above, and the next time step
        of_o = (1 - o) * o * (h * t)
        c = (1 - t * t) * (h * o) + g[1]
        return [
            (1 - i) * i * (c * n), (1 - f) * f * (c * x[4]), of_o, (1 - n * n) * (c * i), c * f,
        ]  # fmt: skip

    found, ops = counted(backward)
    assert [each.value for each in found] == pytest.approx(list(differences(forward, x, g)), rel=1e-4)
    assert (ops, len(x) + 4, len(found)) == (GATES["lstm"].ops, GATES["lstm"].reads, GATES["lstm"].writes)


def test_gates_of_a_gru_are_those_of_differences():
    """The sum of the new h is of r h; its gradient there arrives from the product."""

    def forward(words: Sequence[float]) -> list[float]:
        z, r, n, last = words
        return [logistic(z) * last + (1 - logistic(z)) * math.tanh(n), logistic(r) * last]

    x, g = drawn(Random(3), 4), drawn(Random(4), 2)

    def backward() -> list[Word]:
        z, r, n = sigmoid(Word(x[0])), sigmoid(Word(x[1])), tanh(Word(x[2]))
        h, inner = Word(g[0]) + 0.0, Word(g[1])
        last = Word(x[3])
        of_z = (1 - z) * z * (h * (last - n))
        of_n = (1 - n * n) * (h * (1 - z))
        of_r = (1 - r) * r * (inner * last)
        return [of_z, of_r, of_n, h * z + inner * r]

    found, ops = counted(backward)
    assert [each.value for each in found] == pytest.approx(list(differences(forward, x, g)), rel=1e-4)
    assert (ops, len(x) + 3, len(found)) == (GATES["gru"].ops, GATES["gru"].reads, GATES["gru"].writes)


def test_several_inputs_each_have_their_part():
    out = Shape(4, 2, 2)
    product = undone(layer("elementwise", out, inputs=2), [out, Shape(4)])
    # times the other one; where a word went with 4, their sum
    assert [(part.ops, part.inputs) for part in product] == [(16, (1,)), (16 + 12, (0,))]
    add = undone(layer("add", out, inputs=2), [out, Shape(4)])
    assert add[0].passes and (add[1].ops, add[1].passes) == (12, False)
    assert undone(layer("elementwise", out, function="compare", inputs=2), [out, out]) == (None, None)
    where = undone(layer("elementwise", out, function="where", inputs=3), [out] * 3)
    assert where[0] is None and [part.ops for part in where[1:]] == [16, 16]
    gate = undone(layer("gate", out, function="sigmoid", inputs=2), [out, out])
    # g b y (1 - y), with a sigmoid's own 3; the sigmoid again, times g
    assert [part.ops for part in gate] == [16 * 4, 16 * 2]


def test_an_op_without_one_is_named():
    with pytest.raises(WorkloadError, match=r"^op 'fft' has no gradient; one is known of: add, avgpool, "):
        undone(layer("fft", ROW), [ROW])
