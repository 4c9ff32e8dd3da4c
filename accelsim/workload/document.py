"""A network as plain data, everything in it resolved, and back: what a result keeps of the network it ran."""

from __future__ import annotations

from typing import Any

from pydantic import RootModel, TypeAdapter

from accelsim.specs import validate
from accelsim.workload.network import Network
from accelsim.yamlfile import Document


class NetworkDocument(RootModel[Network]):
    """Layers with their shapes and problems as they follow from a workload file; what is left out is the default."""


def document_of(network: Network) -> dict[str, Any]:
    """Dicts, lists, text and numbers that `network_of` makes an equal network of: batch and parameters are in them."""
    found: dict[str, Any] = TypeAdapter(Network).dump_python(network, mode="json", exclude_defaults=True)
    return found


def network_of(document: Document) -> Network:
    """The network of such data. Raises SpecError with everything that is wrong in it, WorkloadError if it cannot be."""
    return validate(document, NetworkDocument).root
