"""The operands of a run: those that are given, or that densities give."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from accelsim.architecture.model import Architecture
from accelsim.errors import AccelsimError
from accelsim.onnx.graph.read import Dims, is_onnx
from accelsim.workload.network import Layer, Network
from accelsim.yamlfile import resolve

if TYPE_CHECKING:
    from accelsim.outcome import Outcome, Ran
    from accelsim.sparsity.operands import Operands

DENSE = "dense"


def operands_for(
    machine: Architecture, network: Network, data: str | Path | None, seed: int, dims: Dims | None = None
) -> Operands | None:
    """The operands that are given or that densities give; None: all are made up, without zeros.

    Densities are for machines that make something of zeros; arrays are read whatever the machine makes of them. Layers
    that insert zeros have them without a density.
    """
    from accelsim.sparsity.operands import Operands, inserts

    if data == DENSE:
        return None
    if data is None and not (machine.sees_zeros and any(layer.density or inserts(layer) for layer in network.layers)):
        return None
    if data is not None and is_onnx(data):
        from accelsim.onnx.weights import Weights

        return Operands(network, None, seed, derive=True, store=Weights(data, dims))
    return Operands(network, data, seed, derive=True)


def operands_of(machine: Architecture, ran: Ran) -> Operands | None:
    """The same, of what was run."""
    return operands_for(machine, ran.network, ran.data, ran.seed, ran.dims)


def digests_of(operands: Operands | None, layers: Iterable[Layer]) -> dict[str, str]:
    """Read and check the arrays of some layers; the sha256 of each file."""
    return operands.digests(layers) if operands else {}


def files_of(named: Mapping[str, object]) -> dict[str, str]:
    """The sha256 of the file of each kind, of those that are named or given as a path."""
    files = {kind: resolve(kind, name) for kind, name in named.items() if isinstance(name, str | Path) and name}
    return {kind: hashlib.sha256(file.read_bytes()).hexdigest() for kind, file in files.items()}


def asked(result: Outcome) -> Ran:
    """What a result ran. AccelsimError for one that does not say."""
    if result.ran is None:
        raise AccelsimError(f"{result!r} does not say what it ran")
    return result.ran
