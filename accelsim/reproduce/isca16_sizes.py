"""The six machines of one area with 512 and 1,024 PEs, and two of their dataflows worked out from the equations alone."""

from __future__ import annotations

from functools import cache

from accelsim.architecture.yaml import load_architecture
from accelsim.errors import MappingError
from accelsim.reproduce.isca16 import BATCHES, KINDS
from accelsim.result import Result
from accelsim.simulate import simulate

SIDES = {256: (16, 16), 512: (16, 32), 1024: (32, 32)}
"""Rows and columns of the machines that have both."""
SQUARE = ("rs", "osa")
LAYERS = {"CONV": "CONV*", "FC": "FC*"}


def parameters(kind: str, pes: int) -> dict[str, object]:
    """Of a machine of so many PEs: its buffer grows as they do, for area is that of PEs and a buffer of PEs x 512 B."""
    machine = load_architecture(f"eyeriss_isca16_{kind}")
    assert machine.document is not None
    bytes_ = int(str(machine.document["parameters"]["glb"]).split()[0])
    rows, cols = SIDES[pes] if kind in SQUARE else (1, pes)
    return {"rows": rows, "cols": cols, "glb": f"{bytes_ * pes // 256} B"}


@cache
def run(kind: str, pes: int, batch: int, layers: str) -> Result | None:
    """The best mapping of every layer; None where one cannot run."""
    try:
        return simulate(
            f"eyeriss_isca16_{kind}", "alexnet_two_tower", batch=batch, layers=LAYERS[layers], accounting="isca16",
            evaluator="analytical", parameters=parameters(kind, pes),
        )  # fmt: skip
    except MappingError:
        return None


def energy(kind: str, pes: int, batch: int, layers: str) -> float | None:
    """Ours per MAC."""
    found = run(kind, pes, batch, layers)
    return None if found is None else float(found.total.energy / found.total.macs)


__all__ = ["BATCHES", "KINDS", "energy", "run"]
