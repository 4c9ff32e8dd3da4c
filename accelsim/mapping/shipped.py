"""Mappings that ship with a machine: which there are, and which one can run a network's layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from accelsim.architecture.model import Architecture
from accelsim.architecture.precision import with_bits
from accelsim.errors import MappingError
from accelsim.mapping.mapping import LoopNest, check
from accelsim.mapping.yaml import load_mappings
from accelsim.workload.network import Layer
from accelsim.workload.problem import Width
from accelsim.yamlfile import names


def shipped(
    machine: Architecture, layers: Iterable[Layer], bits: Mapping[Width, int], zeros: bool
) -> tuple[str | None, dict[str, LoopNest]]:
    """The mapping that ships for a machine and can run all of these layers, by the names of both; else none.

    zeros : one made for zeros is tried first, else last.
    """

    def runs(nests: Mapping[str, LoopNest], layer: Layer) -> bool:
        assert layer.problem is not None
        try:
            sized = with_bits(machine, {**layer.bits, **bits})
            check(sized, nests[layer.name], machine.lower(layer.problem))
        except (KeyError, MappingError):
            return False
        return True

    layers = list(layers)
    for name in sorted(mappings_for(machine), key=lambda name: (name.endswith("_sparse") is not zeros, name)):
        nests = load_mappings(name)
        if layers and all(runs(nests, layer) for layer in layers):
            return name, nests
    return None, {}


def mappings_for(machine: Architecture) -> list[str]:
    """Mappings whose name begins with this machine's, and with no longer machine's."""
    machines = names("arch")
    return [
        name
        for name in names("mapping")
        if machine.name == max((other for other in machines if name.startswith(f"{other}_")), key=len, default="")
    ]
