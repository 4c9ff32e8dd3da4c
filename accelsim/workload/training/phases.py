"""What each layer of a training step is for, by its op."""

from __future__ import annotations

from accelsim.workload.network import Network

FORWARD = "forward"
INPUT_GRAD, WEIGHT_GRAD, VECTOR_GRAD = "input_grad", "weight_grad", "vector_grad"
LOSS, UPDATE = "loss", "update"

PHASES: dict[str, str] = {
    INPUT_GRAD: "input gradient",
    VECTOR_GRAD: "input gradient",
    LOSS: "input gradient",
    WEIGHT_GRAD: "weight gradient",
    UPDATE: "update",
}
"""By op; a layer of any other op is of the forward pass."""

ORDER = (FORWARD, "input gradient", "weight gradient", "update")


def phase(op: str) -> str:
    """One of `ORDER`."""
    return PHASES.get(op, FORWARD)


def trains(network: Network) -> bool:
    """Whether there is a gradient among its layers."""
    return any(layer.op in PHASES for layer in network.layers)
