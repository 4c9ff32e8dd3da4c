"""What a run was asked for, as its result keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from accelsim.mapping.plan.plan import NO_PLAN, Plan
from accelsim.search.proof import NONE, Proof
from accelsim.workload.network import Network


@dataclass(frozen=True)
class Ran:
    """What a run was asked for, resolved. With the machine, the table and the nests of its result it can be run again.

    network : its batch and what parameters made of it are in it.
    layers : globs of what was run of it.
    mapping : the file or built-in name nests were taken from, if any.
    parameters, bits : as they were given.
    data, seed : where operands come from. operand_files : sha256 of each file read, by path.
    versions : of accelsim, numpy, numba and python. dims : sizes of the graph that operands are read from.
    proof : what searches were to prove. files : sha256 of the files of 'dataflow' and 'mapping', where there were any.
    plan : what happened between layers.
    """

    network: Network
    objective: str = "energy"
    layers: str = "*"
    mapping: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    data: str | None = None
    seed: int = 0
    bits: Mapping[str, Any] = field(default_factory=dict, hash=False)
    operand_files: Mapping[str, str] = field(default_factory=dict, hash=False)
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    dims: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    proof: Proof = field(default=NONE, hash=False)
    files: Mapping[str, str] = field(default_factory=dict, hash=False)
    plan: Plan = field(default=NO_PLAN, hash=False)
