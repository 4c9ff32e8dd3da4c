"""The workload file that a choice of operations is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from accelsim.codesign.spaces.places import At, Copy
from accelsim.codesign.spaces.spec import OperationSpec, SpaceSpec, Where
from accelsim.parameters import mentioned
from accelsim.workload.network import INPUT, Shape
from accelsim.yamlfile import Document, Place

JOIN = "_"
"""Between the name of a position and those of the layers that are chosen there."""


class Drawn:
    """The workload file that a choice is, as it is drawn up.

    before : what the next layer reads. stands : what an entry's name stands for.
    """

    def __init__(self, document: Document, spec: SpaceSpec, chosen: Mapping[str, str]) -> None:
        self.file, self.spec, self.chosen = document, spec, chosen
        self.layers: dict[str, Any] = {}
        self.origins: dict[Place, Place] = {}
        self.before, self.stands = INPUT, {INPUT: INPUT}

    def plain(self, name: str, layer: Any) -> None:
        """A layer, or the use of a block, as it is written."""
        layer = deepcopy(layer)
        if isinstance(layer, dict):
            given = layer.get("inputs", self.before)
            read = [given] if isinstance(given, str) else list(given)
            layer["inputs"] = [self.stands.get(one, one) for one in read]
        self._add(name, layer, name)
        self.before = self.stands[name] = name

    def choose(self, at: At, operation: str) -> None:
        """What is chosen at a position."""
        own = self.spec.operations[operation]
        if own.block is not None and not (own.same == Where.NOTHING and at.same):
            self._use(at, own, self.before)
            self.before = at.name
        self.stands[at.name] = self.stands[at.entry] = self.before

    def copy(self, copy: Copy, shape: Callable[[str], Shape]) -> None:
        """A cell: each node the sum of what its edges bring; one to which none leads is zeros.

        shape : of what such a node is in other networks, by the name of the copy.
        """
        nodes, edges = {0: self.before}, copy.edges()
        for node in sorted({j for _, j, _, _ in edges}):
            arriving, name = [], f"{copy.name}_n{node}"
            for i, _, position, own in (one for one in edges if one[1] == node):
                operation = self.spec.operations[self.chosen[position]]
                if operation.drops:
                    continue
                arriving.append(nodes[i])
                if operation.block is not None:
                    self._use(At(copy.entry, own, copy.C, copy.C, 1), operation, nodes[i])
                    arriving[-1] = own
            if not arriving:
                zeros = shape(copy.name)
                self._add(name, {"op": "constant", "C": zeros.C, "H": zeros.H, "W": zeros.W}, copy.entry)
            elif len(arriving) > 1:
                self._add(name, {"op": "add", "inputs": arriving}, copy.entry)
            nodes[node] = arriving[0] if len(arriving) == 1 else name
        self.before = nodes[max(nodes)]
        self.stands[copy.name] = self.stands[copy.entry] = self.before

    def _use(self, at: At, own: OperationSpec, source: str) -> None:
        assert own.block is not None
        declared_ = self.file.data["blocks"][own.block].get("parameters", {})
        given = {"C": at.C, "M": at.M, "stride": at.stride, "same": int(at.same)}
        values = {**{name: value for name, value in given.items() if name in declared_}, **own.set}
        self._add(at.name, {"block": own.block, "inputs": [source], "set": values}, at.entry)

    def _add(self, name: str, layer: Any, entry: str) -> None:
        self.layers[name] = layer
        self.origins["layers", name] = ("layers", entry)

    def blocks(self) -> dict[str, Any]:
        """The blocks that are used, by themselves or by others."""
        known, found = self.file.data.get("blocks", {}), dict[str, Any]()
        waiting = _used(self.layers)
        while waiting:
            name = waiting.pop()
            if name in known and name not in found:
                found[name] = {"join": JOIN, **deepcopy(known[name])}
                waiting += _used(found[name]["layers"])
        return found

    def document(self, parameters: Mapping[str, Any]) -> Document:
        """The workload file, where each thing has the place that it has in the space's.

        parameters : values of the space's own; those that blocks use are left in.
        """
        own, blocks = self.file.data, self.blocks()
        used = {name for one in blocks.values() for name in mentioned(one["layers"]) - {*one.get("parameters", ())}}
        drawn = {
            "name": self.spec.name, "source": own["source"], "input": deepcopy(own["input"]), "layers": self.layers,
            "bits": deepcopy(own.get("bits")), "blocks": blocks,
            "parameters": {name: value for name, value in parameters.items() if name in used},
        }  # fmt: skip
        data = {name: value for name, value in drawn.items() if value}
        return Document(self.file.file, data, self.file.keys, self.file.values, origins=self.origins)


def _used(layers: Mapping[str, Any]) -> list[str]:
    return [layer["block"] for layer in layers.values() if isinstance(layer, dict) and "block" in layer]
