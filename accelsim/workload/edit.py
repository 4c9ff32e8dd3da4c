"""Changes to a network that is there already: densities of its layers, and widths of their words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import RootModel

from accelsim.specs import validate
from accelsim.workload.density import Densities, DensityTable, densities
from accelsim.workload.network import Network
from accelsim.workload.precision import checked
from accelsim.yamlfile import Document


class _Table(RootModel[DensityTable]):
    """Densities of one layer's operands."""


def with_density(network: Network, density: Any) -> Network:
    """The network with these densities in every layer that multiplies, whatever the layers had.

    density : a share for ifmap and filter, or what `density:` of a layer says. Raises SpecError for what is neither.
    """
    table = density if isinstance(density, dict) else {"ifmap": density, "filter": density}
    found: Densities = densities(validate(Document("density", dict(table)), _Table).root)
    layers = tuple(replace(layer, density=found) if layer.problem else layer for layer in network.layers)
    return replace(network, layers=layers)


def with_bits(network: Network, bits: Mapping[str, int]) -> Network:
    """The network with these widths in every layer, over what the layers said. Raises AccelsimError for a wrong one."""
    found = checked(bits)
    return replace(network, layers=tuple(replace(one, bits={**one.bits, **found}) for one in network.layers))
