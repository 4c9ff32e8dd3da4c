"""What a node multiplies: every operator with MACs as the sizes its definition gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from accelsim.errors import WorkloadError
from accelsim.onnx.graph.records import MICROSOFT, ML, Sizes, Step, Value
from accelsim.onnx.graph.shapes import broadcast, classes

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


@dataclass(frozen=True)
class Window:
    """A convolution. Sizes of one axis after another; a transposed one goes from `plane` up to `outputs`.

    C, M : channels of a group. pad : zeros before and after each axis. extra : `output_padding` of a transposed one.
    """

    batch: int
    groups: int
    C: int
    M: int
    plane: Sizes
    outputs: Sizes
    kernel: Sizes
    stride: Sizes
    dilation: Sizes
    pad: tuple[Sizes, Sizes]
    transposed: bool = False
    extra: Sizes = ()

    @property
    def macs(self) -> int:
        """Of a convolution per output word; of a transposed one per input word."""
        plane = self.plane if self.transposed else self.outputs
        return self.batch * self.groups * self.C * self.M * prod(plane) * prod(self.kernel)


@dataclass(frozen=True)
class Matrix:
    """A product of matrices: G pairs of them, rows x C by C x M.

    rows : sizes that only the first operand and the output have, outermost first. M : of the second and the output.
    share : so many pairs have one second operand.
    swapped : the stored operand is the first, so the second's columns are what is here called rows.
    stored : the second operand is stored; else it is an activation.
    """

    G: int
    rows: Sizes
    C: int
    M: int
    stored: bool
    swapped: bool = False
    share: int = 1

    @property
    def macs(self) -> int:
        """The product of all sizes."""
        return self.G * prod(self.rows) * self.C * self.M


@dataclass(frozen=True)
class Recurrent:
    """A recurrent layer. projected : whether the state before a step enters by a product, as it does."""

    kind: str
    directions: int
    steps: int
    batch: int
    input: int
    hidden: int

    @property
    def gates(self) -> int:
        """Matrices of a step."""
        return GATES[self.kind]

    @property
    def macs(self) -> int:
        """Input and state by every gate, in every step of every direction."""
        return self.directions * self.steps * self.batch * self.gates * self.hidden * (self.input + self.hidden)


Form = Window | Matrix | Recurrent


@dataclass(frozen=True, eq=False)
class Product:
    """One node that multiplies. forms : one product after another. operands : the inputs each reads, by number.

    weights : words of the stored tensors it multiplies by.
    """

    step: Step
    forms: tuple[Form, ...]
    operands: tuple[tuple[Value, Value], ...]
    weights: Mapping[str, int]
    shapes: Mapping[str, Sizes] = field(default_factory=dict)

    @property
    def gives(self) -> int:
        """The number of the output that the products are; a classifier's first is a label."""
        return 1 if self.step.node.op == "LinearClassifier" and len(self.step.outputs) > 1 else 0

    @property
    def macs(self) -> int:
        """One for each product that is added to a sum; padding counts as if it were stored."""
        return sum(form.macs for form in self.forms)


def product(step: Step) -> Product | None:
    """What a node multiplies; None if it has no MACs. WorkloadError where its inputs do not fit."""
    find = PRODUCTS.get((step.node.domain, step.node.op))
    return find(step) if find else None


def _stored(*values: Value) -> dict[str, int]:
    found: dict[str, int] = {}
    for value in values:
        found |= value.stored or {}
    return found


def _out(step: Step) -> Sizes:
    shape = step.outputs[0].shape if step.outputs else None
    if shape is None:
        raise WorkloadError(f"{step.node}: the shape of its output follows from values that are not known")
    return shape


def _convolution(x: int, w: int, transposed: bool = False) -> Callable[[Step], Product]:
    """A convolution of input `x` by input `w`."""

    def find(step: Step) -> Product:
        plane, filters, out = step.shape(x), step.shape(w), _out(step)
        axes = len(plane) - 2
        if axes < 1 or len(filters) != len(plane) or len(out) != len(plane):
            raise WorkloadError(f"{step.node}: convolves {step.input(x)} by {step.input(w)}: ranks do not fit")
        node, groups, kernel = step.node, step.node.whole("group", 1), filters[2:]
        stride, dilation = node.wholes("strides", axes, 1), node.wholes("dilations", axes, 1)
        if groups < 1 or min(stride + dilation) < 1 or 0 in plane + filters + out:
            raise WorkloadError(f"{node}: group {groups}, strides {list(stride)}, dilations {list(dilation)}")
        ends = _pads(step, plane[2:], out[2:], kernel, stride, dilation, transposed)
        given = plane[1], (filters[0] if transposed else filters[1] * groups)
        if given[0] != given[1] or (filters[1] * groups if transposed else filters[0]) != out[1]:
            raise WorkloadError(f"{node}: {given[0]} channels of {step.input(x)} by {step.input(w)} in {groups} groups")
        c, m = plane[1] // groups, out[1] // groups
        extra = node.wholes("output_padding", axes, 0) if transposed else ()
        form = Window(plane[0], groups, c, m, plane[2:], out[2:], kernel, stride, dilation, ends, transposed, extra)
        operands = ((step.input(x), step.input(w)),)
        return Product(step, (form,), operands, _stored(step.input(w)), {"x": plane, "w": filters, "out": out})

    return find


def _pads(
    step: Step, plane: Sizes, out: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, transposed: bool
) -> tuple[Sizes, Sizes]:
    """Zeros before and after each axis, `auto_pad` resolved."""
    node, axes = step.node, len(plane)
    how = node.text("auto_pad", "NOTSET")
    if how in ("", "NOTSET") and not (transposed and node.attributes.get("output_shape")):
        pads = node.wholes("pads", 2 * axes, 0)
        return pads[:axes], pads[axes:]
    if how == "VALID":
        return (0,) * axes, (0,) * axes
    before, after = [], []
    for size, outputs, taps, step_, gap in zip(plane, out, kernel, stride, dilation, strict=True):
        span = gap * (taps - 1) + 1
        whole = step_ * (size - 1) + span - outputs if transposed else step_ * (outputs - 1) + span - size
        small, large = max(whole, 0) // 2, max(whole, 0) - max(whole, 0) // 2
        # the odd one comes last but for SAME_LOWER; a transposed one that is only told its shape has it first
        first = how == "SAME_LOWER" or (transposed and how != "SAME_UPPER")
        before.append(large if first else small)
        after.append(small if first else large)
    return tuple(before), tuple(after)


def _matrices(a: int, b: int) -> Callable[[Step], Product]:
    """A product of matrices, inputs `a` and `b`, each perhaps transposed."""

    def find(step: Step) -> Product:
        left, right, out = step.shape(a), step.shape(b), _out(step)
        first, second = list(left), list(right)
        if first and step.node.attributes.get("transA", 0):
            first[-2:] = first[:-3:-1]
        if second and step.node.attributes.get("transB", 0):
            second[-2:] = second[:-3:-1]
        first = [1, *first] if len(first) == 1 else first
        second = [*second, 1] if len(second) == 1 else second
        if min(len(first), len(second)) < 2 or first[-1] != second[-2]:
            raise WorkloadError(
                f"{step.node}: multiplies {step.input(a)} by {step.input(b)}, which do not fit together"
            )
        outer = broadcast(step.node, [tuple(first[:-2]), tuple(second[:-2])])
        letters = [f"o{axis}" for axis in range(len(outer))]
        x = _labels(first, letters, ("i", "k"))
        w = _labels(second, letters, ("k", "j"))
        sizes = {**dict(zip(letters, outer, strict=True)), "i": first[-2], "k": first[-1], "j": second[-1]}
        form = contraction(x, w, (*letters, "i", "j"), sizes, step.input(a), step.input(b))
        return _of_pair(step, form, a, b, {"x": left, "w": right, "out": out, "k": (first[-1],)})

    return find


def _labels(sizes: Sequence[int], letters: Sequence[str], last: tuple[str, str]) -> tuple[str, ...]:
    """Names of the axes of a matrix; one that is spread over what the other has is left out."""
    outer = letters[len(letters) - len(sizes) + 2 :]
    return (*(name for name, size in zip(outer, sizes, strict=False) if size != 1), *last)


def _of_pair(step: Step, form: Matrix, a: int, b: int, shapes: Mapping[str, Sizes]) -> Product:
    pair = (step.input(a), step.input(b))
    pair = (pair[1], pair[0]) if form.swapped else pair
    weights = _stored(*(value for value in pair if value.stored is not None))
    return Product(step, (form,), (pair,), weights, shapes)


def contraction(
    x: Sequence[str], w: Sequence[str], out: Sequence[str], sizes: Mapping[str, int], first: Value, second: Value
) -> Matrix:
    """A product of two tensors whose axes have names: summed over those that the output lacks."""
    swapped = second.stored is None and first.stored is not None
    if swapped:
        x, w = w, x
    both = [name for name in x if name in w]
    inner = [name for name in dict.fromkeys((*x, *w)) if name not in out]
    shared = [name for name in both if name in out]
    rows = [name for name in out if name in x and name not in w]
    columns = [name for name in out if name in w and name not in x]
    stored = (first if swapped else second).stored is not None

    def words(names: Sequence[str]) -> int:
        return prod(sizes[name] for name in names)

    return Matrix(words(shared), tuple(sizes[name] for name in rows), words(inner), words(columns), stored, swapped)


def _einsum(step: Step) -> Product | None:
    equation = step.node.text("equation").replace(" ", "")
    terms, arrow, out = equation.partition("->")
    operands = terms.split(",")
    if len(operands) != 2:
        return None
    shapes = [step.shape(index) for index in range(2)]
    named = [_named(step, term, shape) for term, shape in zip(operands, shapes, strict=True)]
    sizes: dict[str, int] = {}
    for names, shape in zip(named, shapes, strict=True):
        for name, size in zip(names, shape, strict=True):
            if sizes.get(name, 1) not in (1, size) and size != 1:
                raise WorkloadError(f"{step.node}: {equation}: '{name}' is both {sizes[name]} and {size}")
            sizes[name] = max(sizes.get(name, 1), size)
    if arrow:
        dots = [name for name in sizes if len(name) > 1]
        result = [name for part in out.replace("...", ".") for name in (dots if part == "." else [part])]
    else:
        letters = terms.replace(",", "").replace(".", "")
        result = [name for name in sorted(sizes) if len(name) > 1 or letters.count(name) == 1]
    if lost := [name for name in result if name not in sizes]:
        raise WorkloadError(f"{step.node}: {equation}: no input has '{lost[0]}'")
    form = contraction(named[0], named[1], result, sizes, step.input(0), step.input(1))
    return _of_pair(step, form, 0, 1, {"x": shapes[0], "w": shapes[1], "out": _out(step)})


def _named(step: Step, term: str, shape: Sizes) -> list[str]:
    """The letter of every axis; those that dots stand for are told by their place from the end."""
    letters = term.replace("...", ".")
    more = len(shape) - len(letters.replace(".", ""))
    if more < 0 or (more and "." not in letters):
        raise WorkloadError(f"{step.node}: '{term}' of its equation does not fit {list(shape)}")
    return [name for part in letters for name in ([f"..{more - at}" for at in range(more)] if part == "." else [part])]


def _recurrent(step: Step) -> Product:
    x, w, r = step.shape(0, 3), step.shape(1, 3), step.shape(2, 3)
    node = step.node
    directions = DIRECTIONS.get(node.text("direction", "forward"), 0)
    hidden, gates = node.whole("hidden_size", r[2]), GATES[node.op]
    if (directions, gates * hidden, hidden) != r or (directions, gates * hidden, x[2]) != w:
        raise WorkloadError(f"{node}: input {step.input(0)} by {step.input(1)} and {step.input(2)} does not fit")
    steps, batch = (x[1], x[0]) if node.whole("layout") else (x[0], x[1])
    form = Recurrent(node.op, directions, steps, batch, x[2], hidden)
    shapes = {"x": x, "w": w, "r": r, "out": step.outputs[0].shape or ()}
    pair = (step.input(0), step.input(1))
    return Product(step, (form,), (pair,), _stored(step.input(1), step.input(2)), shapes)


def _attend(step: Step, q: Sizes, k: Sizes, v: Sizes, operands: Sequence[Value]) -> Product:
    """q: batch, heads, rows, width; k and v: batch, heads of their own, positions, width."""
    if q[1] % k[1] or k[1] != v[1] or k[2] != v[2] or q[3] != k[3] or q[0] != k[0]:
        raise WorkloadError(f"{step.node}: q {list(q)}, k {list(k)} and v {list(v)} do not fit together")
    pairs, rows, share = q[0] * q[1], (q[2],), q[1] // k[1]
    forms = (Matrix(pairs, rows, q[3], k[2], False, share=share), Matrix(pairs, rows, k[2], v[3], False, share=share))
    shapes = {"q": q, "k": k, "v": v, "out": step.outputs[0].shape or ()}
    first, second, third = operands
    return Product(step, forms, ((first, second), (step.outputs[0], third)), {}, shapes)


def _attention(step: Step) -> Product:
    """ONNX's own, of opset 23."""
    q, k, v = (step.shape(index) for index in range(3))
    node = step.node
    heads = node.whole("q_num_heads"), node.whole("kv_num_heads"), node.whole("kv_num_heads")
    split = []
    for shape, count in zip((q, k, v), heads, strict=True):
        if len(shape) == 3 and (count < 1 or shape[2] % count):
            raise WorkloadError(f"{node}: {list(shape)} cannot be split into {count} heads")
        split.append(shape if len(shape) == 4 else (shape[0], count, shape[1], shape[2] // count))
    q, k, v = split
    past = step.shape(4, 4)[2] if step.has(4) else 0
    k, v = (*k[:2], k[2] + past, k[3]), (*v[:2], v[2] + past, v[3])
    return _attend(step, q, k, v, [step.input(index) for index in range(3)])


def _grouped_query(step: Step) -> Product:
    q, heads, kv = step.shape(0, 3), step.node.whole("num_heads"), step.node.whole("kv_num_heads")
    cache = step.outputs[1].shape if len(step.outputs) > 1 and step.outputs[1].shape else None
    packed = not step.has(1)
    width = q[2] // (heads + 2 * kv if packed else heads)
    positions = cache[2] if cache else q[1] + (step.shape(3, 4)[2] if step.has(3) else 0)
    of_kv = (q[0], kv, positions, width)
    operands = [step.input(0), step.input(0 if packed else 1), step.input(0 if packed else 2)]
    return _attend(step, (q[0], heads, q[1], width), of_kv, of_kv, operands)


def _multi_head(step: Step) -> Product:
    q, heads = step.shape(0), step.node.whole("num_heads")
    if len(q) == 5:
        one = (q[0], q[2], q[1], q[4])
        return _attend(step, one, one, one, [step.input(0)] * 3)
    k, v = step.shape(1), step.shape(2)
    past = step.shape(6, 4)[2] if step.has(6) else 0
    of_k = k if len(k) == 4 else (k[0], heads, k[1], k[2] // heads)
    of_v = v if len(v) == 4 else (v[0], heads, v[1], v[2] // heads)
    of_k, of_v = ((*one[:2], one[2] + past, one[3]) for one in (of_k, of_v))
    of_q = (q[0], heads, q[1], q[2] // heads)
    return _attend(step, of_q, of_k, of_v, [step.input(index) for index in range(3)])


def _packed_attention(step: Step) -> Product:
    """BERT's: q, k and v are one product of the input, then attention."""
    x, w, heads = step.shape(0, 3), step.shape(1, 2), step.node.whole("num_heads")
    sizes = step.node.attributes.get("qkv_hidden_sizes") or [w[1] // 3] * 3
    past = step.shape(4, 5)[3] if step.has(4) else 0
    q, k, v = (
        (x[0], heads, x[1] + (past if at else 0), size // heads) for at, size in enumerate(int(one) for one in sizes)
    )
    own = Matrix(1, x[:2], x[2], w[1], step.input(1).stored is not None)
    rest = _attend(step, q, k, v, [step.input(0)] * 3)
    pairs = ((step.input(0), step.input(1)), *rest.operands)
    return Product(step, (own, *rest.forms), pairs, _stored(step.input(1)), {**rest.shapes, "x": x, "w": w})


def _four_bits(step: Step) -> Product:
    """Weights of a few bits, in blocks that each have a scale."""
    x, out = step.shape(0), _out(step)
    k, n = step.node.whole("K"), step.node.whole("N")
    if not x or x[-1] != k:
        raise WorkloadError(f"{step.node}: {step.input(0)} by {k} x {n} does not fit")
    name = step.input(1).name
    form = Matrix(1, x[:-1], k, n, True)
    return Product(step, (form,), ((step.input(0), step.input(1)),), {name: k * n}, {"x": x, "w": (k, n), "out": out})


def _linear(step: Step) -> Product:
    """A linear model: a row of coefficients for each class or target."""
    x = step.shape(0)
    words = len(step.node.attributes.get("coefficients", ()))
    rows, size = (x[0], x[-1]) if len(x) > 1 else (1, x[-1] if x else 1)
    if not size or words % size:
        raise WorkloadError(f"{step.node}: {words} coefficients do not fit {step.input(0)}")
    form = Matrix(1, (rows,), size, words // size, True)
    pair = (step.input(0), Value("coefficients", 1, (words // size, size), stored={"coefficients": words}))
    weights = {f"{step.node.name or step.outputs[0].name}.coefficients": words}
    return Product(step, (form,), (pair,), weights, {"x": x, "w": (words // size, size), "out": (rows, classes(step))})


PRODUCTS: dict[tuple[str, str], Callable[[Step], Product | None]] = {
    ("", "Conv"): _convolution(0, 1),
    ("", "ConvTranspose"): _convolution(0, 1, True),
    ("", "ConvInteger"): _convolution(0, 1),
    ("", "QLinearConv"): _convolution(0, 3),
    (MICROSOFT, "FusedConv"): _convolution(0, 1),
    ("", "Gemm"): _matrices(0, 1),
    ("", "MatMul"): _matrices(0, 1),
    ("", "MatMulInteger"): _matrices(0, 1),
    ("", "QLinearMatMul"): _matrices(0, 3),
    (MICROSOFT, "QGemm"): _matrices(0, 3),
    (MICROSOFT, "FusedMatMul"): _matrices(0, 1),
    (MICROSOFT, "FusedGemm"): _matrices(0, 1),
    (MICROSOFT, "TransposeMatMul"): _matrices(0, 1),
    (MICROSOFT, "DynamicQuantizeMatMul"): _matrices(0, 1),
    (MICROSOFT, "MatMulIntegerToFloat"): _matrices(0, 1),
    (MICROSOFT, "MatMulNBits"): _four_bits,
    ("", "Einsum"): _einsum,
    ("", "LSTM"): _recurrent,
    ("", "GRU"): _recurrent,
    ("", "RNN"): _recurrent,
    ("", "Attention"): _attention,
    (MICROSOFT, "GroupQueryAttention"): _grouped_query,
    (MICROSOFT, "MultiHeadAttention"): _multi_head,
    (MICROSOFT, "Attention"): _packed_attention,
    (ML, "LinearClassifier"): _linear,
    (ML, "LinearRegressor"): _linear,
}
