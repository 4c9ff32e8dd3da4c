"""A fused attention out of a network's layers: scores, softmax, values; what is none is refused in one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from accelsim.engine.fused.attention import Attention
from accelsim.engine.fused.layers import is_view
from accelsim.errors import MappingError, WorkloadError, nearest
from accelsim.workload.network import Layer, Network


class Heads(NamedTuple):
    """An attention of a network: of one head of keys and values, and how many such heads there are, of all images.

    queries, keys, values : the tensors it reads. layers : their names in run order: scores, softmax, values, and what
    scales or masks scores. softmax : its place among them.
    """

    attention: Attention
    heads: int
    queries: str
    keys: str
    values: str
    layers: tuple[str, ...]
    softmax: int = 1

    @property
    def products(self) -> tuple[str, str]:
        """The layers that multiply."""
        return self.layers[0], self.layers[-1]

    @property
    def named(self) -> tuple[str, str, str]:
        """Scores, softmax and values."""
        return self.layers[0], self.layers[self.softmax], self.layers[-1]


def attention_of(network: Network, names: Iterable[str], causal: bool = False) -> Heads:
    """The attention of three layers: a product over channels, a softmax of it, a product of that over positions.

    Functions of single words, which scale or mask scores, may stand between them. causal : whether a query sees no
    later keys; so it is where one of the layers says so.

    Raises
    ------
    MappingError : a name that is no layer, other layers than those, scores that somebody else reads, a mask that hides
    all keys from a query.
    """
    known = {layer.name: layer for layer in network.layers}
    wanted = tuple(names)
    for name in wanted:
        if name not in known:
            raise MappingError(f"'{network.name}' has no layer '{name}'{nearest(name, known)}")
    if len(wanted) < 3:
        raise MappingError(f"a fused attention is three layers, scores, softmax and values, not {len(wanted)}")
    members = [known[name] for name in wanted]
    scores, values = members[0], members[-1]
    place = next((k for k, layer in enumerate(members) if layer.op == "softmax"), 1)
    _refuse_kind(members, place)
    _refuse_readers(network, members)
    first, second = scores.problem, values.problem
    assert first is not None
    assert second is not None
    shared, heads, keys, width, *plane = first.sizes[:6]
    if second.sizes[:2] != (shared, heads) or second["C"] != keys:
        raise MappingError(
            f"'{values.name}' sums over {second['C']} positions in {second['N'] * second['G']} heads, "
            f"'{members[place].name}' weighs {keys} in {shared * heads}"
        )
    hidden = causal or any(layer.causal for layer in members)
    beside = sum(layer.vector_ops // layer.shape.words for k, layer in enumerate(members[1:-1], 1) if k != place)
    try:
        shape = Attention(plane[0] * plane[1], keys, width, second["M"], shared, hidden, beside)
    except WorkloadError as error:
        raise MappingError(f"'{members[place].name}': {error}") from None
    queries, positions = scores.inputs
    return Heads(shape, heads, queries, positions, values.inputs[1], wanted, place)


def attentions(network: Network) -> Iterator[tuple[str, ...]]:
    """Every few layers of a network that may be a fused attention, in run order."""
    run = [layer for layer in network.layers if not is_view(layer)]
    for begin, scores in enumerate(run):
        if not _multiplies(scores):
            continue
        end = begin + 1
        while end < len(run) and (run[end].op == "softmax" or _of_words(run[end])):
            end += 1
        try:
            yield attention_of(network, (layer.name for layer in run[begin : end + 1])).layers
        except MappingError:
            continue


def _multiplies(layer: Layer) -> bool:
    return layer.problem is not None and layer.problem.dynamic_filter and len(layer.inputs) == 2


def _of_words(layer: Layer) -> bool:
    """Whether it is a function of single words of one input."""
    return layer.op == "elementwise" and len(layer.inputs) == 1


def _refuse_kind(members: Sequence[Layer], place: int) -> None:
    scores, *between, values = members
    for layer in (scores, values):
        if not _multiplies(layer):
            raise MappingError(f"'{layer.name}' ({layer.op}) is no product of two activations: it is no attention's")
    softmax = members[place]
    for k, layer in enumerate(between, 1):
        if k == place and layer.op != "softmax":
            raise MappingError(f"'{softmax.name}' ({softmax.op}) is no softmax: it is no attention's")
        if k != place and not _of_words(layer):
            raise MappingError(
                f"'{layer.name}' ({layer.op}) is no function of single words of its scores: it is no attention's"
            )
    for before, layer in pairwise(members):
        if layer.inputs[0] != before.name:
            raise MappingError(f"'{layer.name}' reads '{layer.inputs[0]}', not '{before.name}'")
    if values.inputs[1] in {layer.name for layer in members}:
        raise MappingError(f"'{values.name}' multiplies by '{values.inputs[1]}', which is made inside")
    for layer in members:
        if layer.repeat > 1 or layer.spread is not None or layer.whole:
            raise MappingError(f"'{layer.name}' runs several times or in parts: it cannot be fused")


def _refuse_readers(network: Network, members: Sequence[Layer]) -> None:
    """What lies between is read inside only, and the layers follow one another."""
    run = [layer.name for layer in network.layers if not is_view(layer)]
    for before, after in pairwise(members):
        if run.index(after.name) != run.index(before.name) + 1:
            between = run[run.index(before.name) + 1] if run[-1] != before.name else after.name
            raise MappingError(
                f"a fused group's layers follow one another; '{between}' runs after '{before.name}', not '{after.name}'"
            )
        for layer in network.layers:
            if before.name in layer.inputs and layer is not after:
                raise MappingError(
                    f"'{before.name}' is read by '{layer.name}', which is not in the fused group: only its sink may be "
                    "read outside"
                )
