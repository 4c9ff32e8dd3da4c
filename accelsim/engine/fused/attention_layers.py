"""A fused attention out of a network's layers: scores, softmax, values; what is none is refused in one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from accelsim.engine.fused.attention import Attention
from accelsim.engine.fused.layers import is_view
from accelsim.errors import MappingError, nearest
from accelsim.workload.network import Layer, Network


class Heads(NamedTuple):
    """An attention of a network: of one head of keys and values, and how many such heads there are, of all images.

    queries, keys, values : the tensors it reads. layers : their names, scores, softmax, values.
    """

    attention: Attention
    heads: int
    queries: str
    keys: str
    values: str
    layers: tuple[str, str, str]


def attention_of(network: Network, names: Iterable[str], causal: bool = False) -> Heads:
    """The attention of three layers: a product over channels, a softmax of it, a product of that over positions.

    causal : whether a query sees no later keys; networks do not say so.

    Raises
    ------
    MappingError : a name that is no layer, other layers than those three, scores that somebody else reads.
    """
    known = {layer.name: layer for layer in network.layers}
    wanted = tuple(names)
    for name in wanted:
        if name not in known:
            raise MappingError(f"'{network.name}' has no layer '{name}'{nearest(name, known)}")
    if len(wanted) != 3:
        raise MappingError(f"a fused attention is three layers, scores, softmax and values, not {len(wanted)}")
    scores, softmax, values = (known[name] for name in wanted)
    _refuse_kind(scores, softmax, values)
    _refuse_readers(network, scores, softmax, values)
    first, second = scores.problem, values.problem
    assert first is not None
    assert second is not None
    shared, heads, keys, width, *plane = first.sizes[:6]
    if second.sizes[:2] != (shared, heads) or second["C"] != keys:
        raise MappingError(
            f"'{values.name}' sums over {second['C']} positions in {second['N'] * second['G']} heads, "
            f"'{softmax.name}' weighs {keys} in {shared * heads}"
        )
    shape = Attention(plane[0] * plane[1], keys, width, second["M"], shared, causal)
    queries, positions = scores.inputs
    return Heads(shape, heads, queries, positions, values.inputs[1], (scores.name, softmax.name, values.name))


def attentions(network: Network) -> Iterator[tuple[str, str, str]]:
    """Every three layers of a network that may be a fused attention, in run order."""
    run = [layer for layer in network.layers if not is_view(layer)]
    for scores, softmax, values in zip(run, run[1:], run[2:], strict=False):
        try:
            yield attention_of(network, (scores.name, softmax.name, values.name)).layers
        except MappingError:
            continue


def _refuse_kind(scores: Layer, softmax: Layer, values: Layer) -> None:
    for layer in (scores, values):
        if layer.problem is None or not layer.problem.dynamic_filter or len(layer.inputs) != 2:
            raise MappingError(f"'{layer.name}' ({layer.op}) is no product of two activations: it is no attention's")
    if softmax.op != "softmax":
        raise MappingError(f"'{softmax.name}' ({softmax.op}) is no softmax: it is no attention's")
    for layer, before in ((softmax, scores), (values, softmax)):
        if layer.inputs[0] != before.name:
            raise MappingError(f"'{layer.name}' reads '{layer.inputs[0]}', not '{before.name}'")
    if values.inputs[1] in (scores.name, softmax.name):
        raise MappingError(f"'{values.name}' multiplies by '{values.inputs[1]}', which is made inside")
    for layer in (scores, softmax, values):
        if layer.repeat > 1 or layer.spread is not None or layer.whole:
            raise MappingError(f"'{layer.name}' runs several times or in parts: it cannot be fused")


def _refuse_readers(network: Network, scores: Layer, softmax: Layer, values: Layer) -> None:
    """What lies between is read inside only, and the three follow one another."""
    run = [layer.name for layer in network.layers if not is_view(layer)]
    for before, after in ((scores, softmax), (softmax, values)):
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
