"""A network by whatever a caller has of it: a name, a file, an ONNX graph, a PyTorch module, or the object itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelsim import arguments
from accelsim.errors import AccelsimError, WorkloadError
from accelsim.onnx.graph.read import Dims, checked, is_onnx
from accelsim.workload.network import Network
from accelsim.workload.yaml import load_network


def network_from(
    workload: object,
    batch: int = 1,
    parameters: Mapping[str, Any] | None = None,
    dims: Dims | None = None,
    inputs: object = None,
) -> Network:
    """The network. dims : sizes that an ONNX graph leaves open. inputs : of a module, what it is run on to be read.

    Raises AccelsimError, one line, for a workload that is none of these, and for options that it does not take.
    """
    sizes = checked(dims)
    if inputs is not None:
        from accelsim.onnx.torch import from_torch

        workload = from_torch(workload, inputs, batch=batch)
    elif hasattr(workload, "named_parameters"):
        raise AccelsimError(f"workload: a {type(workload).__name__} is read as it runs: give inputs=(x,) too")
    arguments.one_of("workload", workload, (Network,))
    if isinstance(workload, str | Path) and is_onnx(workload):
        from accelsim.onnx.network import load

        return load(workload, batch, sizes)
    if sizes:
        raise AccelsimError(f"dims: {next(iter(sizes))}: only an ONNX graph leaves sizes open; a file has parameters")
    if isinstance(workload, str | Path):
        return load_network(workload, batch, parameters)
    assert isinstance(workload, Network)
    if batch not in (1, workload.batch):
        raise WorkloadError(f"network '{workload.name}' was built for batch {workload.batch}, not {batch}")
    return workload
