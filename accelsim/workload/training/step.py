"""A network with its backward pass and the update of its weights: one training step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod

from accelsim.errors import WorkloadError
from accelsim.workload.density import DENSE, Densities, Density
from accelsim.workload.layer import Lowered
from accelsim.workload.network import PARTS, RECURRENT, Layer, Network, Shape
from accelsim.workload.problem import Tensor, Width
from accelsim.workload.training.optimizers import Training
from accelsim.workload.training.phases import INPUT_GRAD, LOSS, PHASES, UPDATE, VECTOR_GRAD, WEIGHT_GRAD
from accelsim.workload.training.slid import filter_gradient, filters, input_gradient
from accelsim.workload.training.undone import GATES, undone

GAINS = frozenset({"norm", "rmsnorm", "groupnorm", "instancenorm", "batchnorm"})
"""Ops with a gain and a bias, which are trained whatever reads them."""


def training_step(network: Network, training: object = True) -> Network:
    """The network, its backward pass and its update as one network, which runs as any other does (docs/training.md).

    Of layer L, `L.ifmap_grad` is the gradient of what it reads, `L.filter_grad` that of its weights, `L.grad` that of
    what a layer without MACs reads, `L.loss` and `L.sum_grad` where gradients begin and meet, `L.update` the update.
    Backward in the reverse order of the network, updates after it.

    training : as of `Training.of`: an optimizer's name, or more.

    Raises
    ------
    WorkloadError : a network that has gradients already, or no weights; an op that has no gradient, by name.
    AccelsimError : an unknown optimizer, or a number out of range.
    """
    asked = Training.of(training)
    if asked is None:
        return network
    for layer in network.layers:
        if layer.op in PHASES:
            raise WorkloadError(f"network '{network.name}' has gradients already: layer '{layer.name}' is one")
    if not network.weights and not any(layer.op == "embedding" for layer in network.layers):
        raise WorkloadError(f"network '{network.name}' has no weights to train")
    forward = replace(network, layers=tuple(map(_trained, network.layers)))
    step = _Step(forward, asked)
    for layer in reversed(forward.layers):
        try:
            step.back(layer)
        except WorkloadError as error:
            raise WorkloadError(f"layer '{layer.name}': {error}") from None
    layers = (*forward.layers, *step.layers, *step.updates)
    return replace(forward, name=f"{network.name}, training step ({asked.update.name})", layers=layers)


def _trained(layer: Layer) -> Layer:
    """Batch normalisation that is not folded takes mean and deviation of the batch, as the other norms do: 7 a word."""
    if layer.op != "batchnorm" or layer.moves == (0, 0):
        return layer
    return replace(layer, vector_ops=7 * layer.shape.words)


@dataclass
class _Step:
    """A backward pass while it is written down.

    arrived : by layer, gradients of what it gives: the layer that wrote each, and words of an image.
    active : layers that weights lie behind, so that gradients must reach them.
    """

    network: Network
    asked: Training
    layers: list[Layer] = field(default_factory=list)
    updates: list[Layer] = field(default_factory=list)
    arrived: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    active: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.read = {name for layer in self.network.layers for name in layer.inputs}
        for layer in self.network.layers:
            own = layer.weights or layer.op in GAINS or layer.op == "embedding"
            if own or any(name in self.active for name in layer.inputs):
                self.active.add(layer.name)

    def back(self, layer: Layer) -> None:
        """What a layer's gradients take, once all that read it have theirs."""
        if layer.name not in self.active:
            return
        gradient = self._arriving(layer)
        if gradient is None:
            return
        if layer.op == PARTS:
            self._to_parts(layer, gradient)
        elif layer.problem:
            self._multiplying(layer, gradient)
        else:
            self._other(layer, gradient)

    def _arriving(self, layer: Layer) -> tuple[str, ...] | None:
        """The gradient of what a layer gives, as a name to read; () where it lies ready; None: there is none."""
        found = self.arrived.pop(layer.name, [])
        words, times = layer.shape.words, _times(layer)
        if layer.name not in self.read:
            if not layer.inputs and layer is not self.network.layers[-1]:
                return ()
            loss = Layer(
                f"{layer.name}.loss", LOSS, (layer.name,), layer.shape, repeat=times, vector_ops=words,
                bits=layer.bits, moves=(2 * words, words),
            )  # fmt: skip
            self.layers.append(loss)
            return (loss.name,)
        if not found:
            return None
        if len(found) == 1 and found[0][1] == words:
            return (found[0][0],)
        names, total = tuple(dict.fromkeys(name for name, _ in found)), sum(each for _, each in found)
        one = Layer(f"{layer.name}.sum_grad", "concat", names, layer.shape, repeat=times)
        if total != words:
            # words that nothing read are zeros, written beside the others
            one = replace(one, op=VECTOR_GRAD, vector_ops=max(0, total - words), moves=(total, words))
        self.layers.append(one)
        return (one.name,)

    def _give(self, name: str, gradient: str, words: int | None = None) -> None:
        """Let a gradient arrive, where it is needed; all words of it unless said otherwise."""
        if name in self.active:
            self.arrived.setdefault(name, []).append(
                (gradient, self.network.shape(name).words if words is None else words)
            )

    def _to_parts(self, layer: Layer, gradient: tuple[str, ...]) -> None:
        """Each part has the gradient of what it gave; what only another part reads has it from there."""
        inner = {name for part in self.network.layers if part.name in layer.inputs for name in part.inputs}
        for part in layer.inputs:
            if part not in inner:
                for name in gradient:
                    self._give(part, name)

    def _other(self, layer: Layer, gradient: tuple[str, ...]) -> None:
        """A layer without MACs: what passes, passes; the rest is one layer, of all its inputs that need a gradient."""
        shapes = [self.network.shape(name) for name in layer.inputs]
        by_vector = self.asked.vector_gradients
        parts = undone(layer, shapes, told=by_vector is not None)
        wanted = [
            (at, part)
            for at, part in enumerate(parts)
            if part and not part.passes and (layer.inputs[at] in self.active or layer.op in GAINS)
        ]
        if wanted:
            again = dict.fromkeys(layer.inputs[at] for _, part in wanted for at in part.inputs)
            if any(part.output for _, part in wanted):
                again[layer.name] = None
            written = [shapes[at].words if part.words is None else part.words for at, part in wanted]
            moves = layer.shape.words + sum(self.network.shape(name).words for name in again), sum(written)
            ops = sum(part.ops for _, part in wanted) + (layer.op == "vector") * (by_vector or 0) * layer.vector_ops
            one = Layer(
                f"{layer.name}.grad", VECTOR_GRAD, (*gradient, *again), shapes[wanted[0][0]], repeat=layer.repeat,
                vector_ops=ops, bits=layer.bits, moves=moves,
            )  # fmt: skip
            self.layers.append(one)
            for (at, _), words in zip(wanted, written, strict=True):
                self._give(layer.inputs[at], one.name, words)
        for at, part in enumerate(parts):
            if part and part.passes:
                for name in gradient:
                    self._give(layer.inputs[at], name, part.words)
        if layer.op == "embedding":
            words = layer.shape.words
            self._update(layer, gradient, words, words, once=False)

    def _multiplying(self, layer: Layer, gradient: tuple[str, ...]) -> None:
        """The gradient of weights, or of what plays them, then that of what is read."""
        problem = layer.problem
        assert problem is not None
        gradient = self._before(layer, gradient)
        dynamic = problem.dynamic_filter
        first, second = (layer.inputs[:-1] or layer.inputs, layer.inputs[-1:]) if dynamic else (layer.inputs, ())
        if dynamic and (not second or second[0] in self.active):
            found = filter_gradient(layer)._replace(shape=self.network.shape(second[0]) if second else layer.shape)
            one = self._layer(layer, "filter_grad", INPUT_GRAD, (*first, *gradient), found)
            for name in second:
                self._give(name, one.name)
        elif layer.weights:
            one = self._layer(layer, "filter_grad", WEIGHT_GRAD, (*first, *gradient), filter_gradient(layer))
            read = [one.name, *self._bias(layer, gradient)]
            words = problem.words(Tensor.FILTER) * filters(layer)
            more = problem["G"] * problem["M"] * filters(layer) if problem.bias else 0
            self._update(layer, tuple(read), layer.weights + more, words + more)
        unread = not layer.inputs and layer is not next(iter(self.network.mac_layers))
        # what a recurrent layer reads is its own state, too
        if unread or layer.op in RECURRENT or any(name in self.active for name in first):
            self._input_gradient(layer, first, (*gradient, *second))

    def _before(self, layer: Layer, gradient: tuple[str, ...]) -> tuple[str, ...]:
        """The gradient of sums, where vector operations follow them: gates; sums that are added where they fall."""
        problem = layer.problem
        assert problem is not None
        if not layer.vector_ops:
            return gradient
        if layer.op in GATES:
            gates = GATES[layer.op]
            units = problem["M"] // {"lstm": 4, "gru": 3, "rnn": 1}[layer.op]
            one = Layer(
                f"{layer.name}.grad", VECTOR_GRAD, (*gradient, layer.name), layer.shape, repeat=layer.repeat,
                vector_ops=gates.ops * units, bits=layer.bits, moves=(gates.reads * units, gates.writes * units),
            )  # fmt: skip
        else:
            sums = self.network.traffic(layer)[0]
            one = Layer(
                f"{layer.name}.grad", VECTOR_GRAD, gradient, layer.shape, repeat=layer.repeat, bits=layer.bits,
                moves=(layer.shape.words, sums),
            )  # fmt: skip
        self.layers.append(one)
        return (one.name,)

    def _input_gradient(self, layer: Layer, first: tuple[str, ...], reads: tuple[str, ...]) -> None:
        problem = layer.problem
        assert problem is not None
        n, g, _, c, *_ = problem.sizes
        words = g * c * n * prod((problem.height, problem.width)) // self.network.batch
        shape = self.network.shape(first[0]) if first else Shape(max(1, words))
        found = input_gradient(layer, shape, self.asked.way)
        if found is None:
            return
        name, below = f"{layer.name}.ifmap_grad", []
        for suffix, part in found.parts:
            below.append(self._layer(layer, f"ifmap_grad.{suffix}", INPUT_GRAD, reads, part).name)
        if below:
            self.layers.append(Layer(name, PARTS, tuple(below), found.shape))
        else:
            self._layer(layer, "ifmap_grad", INPUT_GRAD, reads, found)
        for source in first:
            # each expert gives the gradient of the positions that took it
            self._give(source, name, words if layer.op == "experts" else None)

    def _layer(self, layer: Layer, what: str, op: str, reads: tuple[str, ...], found: Lowered) -> Layer:
        """A layer with a problem: a gradient of one that has one."""
        weights, widths = op == WEIGHT_GRAD or what == "filter_grad", dict(layer.bits)
        if weights:
            # gradients are as wide as what the layer reads
            widths.pop(Width.FILTER, None)
            if Width.IFMAP in widths:
                widths[Width.FILTER] = widths[Width.IFMAP]
        one = Layer(
            f"{layer.name}.{what}", op, tuple(dict.fromkeys(reads)), found.shape, found.problem,
            found.runs if weights else layer.repeat, _densities(layer.density, weights), found.ops, widths, found.moves,
            spread=found.spread,
        )  # fmt: skip
        self.layers.append(one)
        return one

    def _bias(self, layer: Layer, gradient: tuple[str, ...]) -> list[str]:
        """The gradient of a bias: that of the ofmap, summed over images and pixels."""
        problem = layer.problem
        assert problem is not None
        if not problem.bias:
            return []
        words, outputs = problem.words(Tensor.PSUM), problem["G"] * problem["M"]
        one = Layer(
            f"{layer.name}.bias_grad", WEIGHT_GRAD, gradient, Shape(outputs), repeat=layer.repeat,
            vector_ops=words - outputs, bits=layer.bits, moves=(words, outputs), once=True,
        )  # fmt: skip
        self.layers.append(one)
        return [one.name]

    def _update(self, layer: Layer, reads: tuple[str, ...], words: int, gradients: int, once: bool = True) -> None:
        """State and weights are read and written in the outermost level; a copy in the machine's words where they are
        kept in others (P. Micikevicius et al., ICLR 2018).
        """  # fmt: skip
        by, bits = self.asked.update, self.asked.master_bits
        repeat = 1 if once else layer.repeat
        shape, each = Shape(words), words * (1 + by.state)
        one = Layer(
            f"{layer.name}.update", UPDATE, reads, shape, repeat=repeat, vector_ops=words * by.ops, bits=layer.bits,
            moves=(each + gradients, each), once=once,
        )  # fmt: skip
        if bits:
            one = replace(one, bits={Width.FILTER: bits}, moves=(each, each))
            # a gradient and a weight are each turned into words of the other width
            cast = replace(
                one, name=f"{layer.name}.cast", vector_ops=words + gradients, bits=layer.bits, moves=(gradients, words)
            )
            self.updates.append(cast)
        self.updates.append(one)


def _times(layer: Layer) -> int:
    """How often a layer's shape comes: a recurrent layer with steps gives all of them."""
    return 1 if layer.op in RECURRENT and layer.stored is not None else layer.repeat


def _densities(forward: Densities, weights: bool) -> Densities:
    """Of a gradient's operands: those of the forward pass it has; gradients are taken to have no zeros.

    Patterns run along channels that the gradient sums over otherwise: their share of words is left of them.
    """
    known = forward.ifmap if weights else forward.filter
    if known is None:
        return DENSE
    found = Density(known.fraction, known.bernoulli)
    return Densities(ifmap=found) if weights else Densities(filter=found)
