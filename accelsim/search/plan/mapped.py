"""Mappings of passes of groups that a plan's file keeps, and what they were found for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accelsim.canonical import canonical, sha256
from accelsim.mapping.mapping import LoopNest
from accelsim.mapping.plan.plan import Mapped, Plan
from accelsim.mapping.plan.yaml import data_of
from accelsim.search.identity import flow_hash, proved
from accelsim.search.plan.costs import Wanted
from accelsim.workload.document import document_of
from accelsim.workload.network import Network

Nests = Mapping[str, tuple[LoopNest, ...]]

ABOUT = "mappings of passes, as the search found them; of another plan, network, machine or goal they are searched for"


def found_for(plan: Plan, network: Network, wanted: Wanted, bits: Mapping[str, Any]) -> str:
    """A hash of all that mappings of passes depend on. bits : of words, as a run was asked for them."""
    return sha256(
        [
            canonical(wanted.machine), canonical(wanted.table), flow_hash(wanted.flow), wanted.of_mappings,
            proved(wanted.proof.of(wanted.dataflow)), canonical(bits), document_of(network), data_of(plan),
        ]
    )  # fmt: skip


def nests_of(plan: Plan, network: Network, wanted: Wanted, bits: Mapping[str, Any]) -> Nests:
    """By group, mappings that a plan keeps; none where they were found for anything else."""
    if plan.mapped is None or plan.mapped.found_for != found_for(plan, network, wanted, bits):
        return {}
    return plan.mapped.passes


def kept(plan: Plan, network: Network, wanted: Wanted, bits: Mapping[str, Any], passes: Nests) -> Mapped | None:
    """Mappings of passes for a plan's file, by group; None: there are none."""
    return Mapped(found_for(plan, network, wanted, bits), passes) if passes else None
