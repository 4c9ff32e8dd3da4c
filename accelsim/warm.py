"""Compile ahead what runs need, for images and CI: layers small enough to take no time, run in every way there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from accelsim import cache, jit
from accelsim.architecture.yaml import load_architecture
from accelsim.compiling import summed_up
from accelsim.engine import evaluate_many
from accelsim.errors import MappingError
from accelsim.given import DENSE
from accelsim.outputs import check_outputs
from accelsim.simulate import simulate
from accelsim.workload.network import Network
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import builtin, parse

LAYERS = """
name: warm
source: one layer of each kind, small
input: {C: 3, H: 26, W: 26}
layers:
  first: {op: conv, M: 16, kernel: 3, stride: 2, pad: 1, density: {ifmap: 0.9, filter: 0.6, ofmap: 0.5}}
  groups: {op: conv, M: 32, kernel: 3, pad: 1, groups: 2, density: {ifmap: 0.5, filter: 0.4, ofmap: 0.5}}
  pool: {op: maxpool, kernel: 2, stride: 2}
  depthwise: {op: depthwise, kernel: 3, pad: 1, density: {ifmap: 0.5, filter: 0.8, ofmap: 0.5}}
  pointwise: {op: conv, M: 64, kernel: 1, density: {ifmap: 0.5, filter: 0.4, ofmap: 0.5}}
  full: {op: fc, M: 100, density: {ifmap: 0.4, filter: 0.2, ofmap: 1}}
"""
VARIANTS: tuple[tuple[str, Mapping[str, Any]], ...] = (("systolic_ws", {"dram": "ddr4_2400"}),)
"""What no shipped machine does by itself: DRAM with banks."""
UNNAMED = "row_stationary"
"""The dataflow of machines that name none."""


@summed_up
def warm(
    architectures: Sequence[str | Path] = (), progress: Callable[[int, int, str], None] | None = None
) -> Path | None:
    """Compile what runs on these machines need; default: all that ship. Where it is kept; None: nowhere.

    progress : called with (machines done, machines in all, name of the next).
    """
    chosen: Sequence[tuple[str | Path, Mapping[str, Any]]] = [(name, {}) for name in architectures]
    chosen = chosen or [*((name, {}) for name in builtin("arch")), *VARIANTS]
    network = network_of(parse(LAYERS, "warm"), batch=2)
    for index, (name, parameters) in enumerate(chosen):
        if progress:
            progress(index, len(chosen), str(name))
        _run(name, parameters, network)
    _serve()
    return jit.folder(cache.writable())


def _serve() -> None:
    """A request to a server."""
    from accelsim.serving.door import serve

    serve("rtx4090_llama3_8b", rate=1, count=1, prompt=1, output=1, kv_blocks=1)


def _run(name: str | Path, parameters: Mapping[str, Any], network: Network) -> None:
    """A machine's runs: with zeros, dense, in the closed form, with every objective, with outputs."""
    machine = load_architecture(name, dict(parameters))
    dataflow = None if machine.cartesian else machine.dataflow or UNNAMED
    given: dict[str, Any] = {"dataflow": dataflow, "batch": network.batch, "tolerant": True}
    found = simulate(machine, network, **given)
    for _ in check_outputs(found):
        pass
    if machine.sees_zeros:
        simulate(machine, network, data=DENSE, **given)
    if machine.cartesian:
        return
    for objective in ("energy", "cycles", "edp"):
        simulate(machine, network, evaluator="analytical", objective=objective, **given)
    for layer in found.layers:
        try:
            evaluate_many(machine, [layer.nest], layer.problem)
        except MappingError:
            continue
