"""The tensors of a network as they live: who makes one, who reads it, and which words of it lie where.

A view (concatenation, split, reshape and so on) is no tensor: who reads it reads the tensors it names words of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from accelsim.workload.network import INPUT, VIEWS, Layer, Network
from accelsim.workload.problem import Tensor


@dataclass(frozen=True)
class Reader:
    """A layer that reads a tensor. index : of the layer in run order. place : which of its inputs it is."""

    layer: str
    index: int
    place: int


@dataclass(frozen=True)
class Living:
    """A tensor from the layer that makes it to its last reader.

    made : index of its layer in run order; -1: the network's input. words : of the whole batch. readers : in run order.
    output : whether the network gives it, or words of it, to whoever runs it.
    """

    name: str
    made: int
    words: int
    readers: tuple[Reader, ...] = ()
    output: bool = False

    def last(self, until: str = "") -> int:
        """Index of the layer that reads it last, or of the one called `until`."""
        if until:
            return max(reader.index for reader in self.readers if reader.layer == until)
        return max((reader.index for reader in self.readers), default=self.made)


def tensors_of(network: Network) -> dict[str, Living]:
    """Every tensor of a network by its name, in the order in which they are made."""
    found: dict[str, Living] = {}
    if network.input:
        found[INPUT] = Living(INPUT, -1, network.input.words * network.batch)
    parts = parts_of(network)
    read: set[str] = set()
    for index, layer in enumerate(network.layers):
        read |= set(layer.inputs)
        if layer.op in VIEWS:
            continue
        found[layer.name] = Living(layer.name, index, layer.shape.words * network.batch)
        for place, name in enumerate(layer.inputs):
            for part in parts[name]:
                tensor = found[part]
                found[part] = replace(tensor, readers=(*tensor.readers, Reader(layer.name, index, place)))
    for layer in network.layers:
        for part in parts[layer.name] if layer.name not in read else ():
            found[part] = replace(found[part], output=True)
    return found


def parts_of(network: Network) -> dict[str, tuple[str, ...]]:
    """By each name that a layer may read, the tensors that have its words."""
    parts: dict[str, tuple[str, ...]] = {INPUT: (INPUT,)}
    for layer in network.layers:
        if layer.op in VIEWS:
            parts[layer.name] = tuple(dict.fromkeys(part for name in layer.inputs for part in parts[name]))
        else:
            parts[layer.name] = (layer.name,)
    return parts


def operand(layer: Layer, place: int) -> Tensor | None:
    """As which operand a layer reads one of its inputs; None: as words of its vector operations."""
    if layer.problem is None:
        return None
    if place == 0:
        return Tensor.IFMAP
    return Tensor.FILTER if layer.problem.dynamic_filter and place == 1 else None


def why_not_at_home(layer: Layer, place: int) -> str:
    """Why a layer cannot read one of its inputs, or (-1) make its output, on the chip; empty: it can."""
    if layer.repeat > 1:
        return f"it runs {layer.repeat} times, and each of its tensors is several"
    if layer.once:
        return "it is no part of an inference"
    if layer.problem is None or place < 0:
        return "" if layer.problem is None or not layer.vector_ops else "its sums have vector operations of their own"
    if place == 0 and layer.spread:
        return "its ifmap is made of what it reads, with zeros in between or windows unfolded"
    if operand(layer, place) is None:
        return "it reads it as something else than an ifmap or a filter"
    return ""
