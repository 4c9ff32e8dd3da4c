"""What makes two searches the same, beside machine, problem and table: their dataflow, and what they prove."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

from accelsim.canonical import canonical, sha256
from accelsim.mapping.dataflows.dataflow import BEST, NAMES, Dataflow, load
from accelsim.search.proof import Proof


def flow_hash(flow: Dataflow | str) -> str:
    """Of what a dataflow says, its prose left out; 'best' takes from all."""
    if isinstance(flow, str):
        return sha256([dataflow_hash(one) for one in NAMES]) if flow == BEST else dataflow_hash(flow)
    return sha256([canonical(getattr(flow, f.name)) for f in fields(flow) if f.name not in ("source", "about")])


@cache
def dataflow_hash(name: str) -> str:
    """The same of a name or a file, read once for a sweep (`forget`)."""
    return flow_hash(BEST if name == BEST else load(name)) if name else ""


def forget() -> None:
    """Read files again, which may have changed since the last sweep of this process."""
    dataflow_hash.cache_clear()


def proved(proof: Proof) -> Any:
    """Of constraints, what they say, however it is written."""
    spec = proof.constraints and proof.constraints.spec
    rules = spec and {name: getattr(spec, name) for name in type(spec).model_fields}
    # what is not asked for is no part of the key of layers that were kept before it could be
    bounds = [sorted(str(one) for one in proof.bounds)] if proof.bounds else []
    return [proof.budget, proof.exact, proof.imperfect, canonical(rules), *bounds]
