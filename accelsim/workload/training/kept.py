"""What a training step keeps from the forward pass until the backward pass reads it."""

from __future__ import annotations

from collections.abc import Mapping

from accelsim.workload.network import INPUT, PARTS, VIEWS, Layer, Network
from accelsim.workload.problem import Tensor
from accelsim.workload.training.phases import PHASES, UPDATE

STORED = frozenset({"constant"})


def kept(network: Network) -> dict[str, int]:
    """Words of the whole batch by layer that gave them (`input`: the network's own), each once.

    Words that a layer only names are those of the layer that wrote them. Empty for a network without gradients.
    """
    layers = {layer.name: layer for layer in network.layers}
    found: dict[str, int] = {}
    for layer in network.layers:
        if layer.op not in PHASES or layer.op == UPDATE:
            continue
        for name in layer.inputs:
            if name == INPUT or layers[name].op not in PHASES:
                for source in _sources(layers, name):
                    found[source] = _words(network, layers.get(source))
    return found


def _sources(layers: Mapping[str, Layer], name: str) -> list[str]:
    """The layers that wrote what one gives; none where it is stored, or a gradient."""
    layer = layers.get(name)
    if layer is None:
        return [name]
    if layer.op in STORED or layer.op in PHASES:
        return []
    if layer.op not in VIEWS:
        return [name]
    inputs = (
        layer.inputs[-1:] if layer.op == PARTS and layer.inputs[0] in layers[layer.inputs[-1]].inputs else layer.inputs
    )
    return [source for each in inputs for source in _sources(layers, each)]


def _words(network: Network, layer: Layer | None) -> int:
    """Of a recurrent layer its sums, which gates are computed again from, beside what it gives."""
    if layer is None:
        return network.shape(INPUT).words * network.batch
    sums = (
        layer.problem.words(Tensor.PSUM) * layer.repeat if layer.problem and layer.op in ("lstm", "gru", "rnn") else 0
    )
    return layer.shape.words * network.batch * layer.repeat + sums
