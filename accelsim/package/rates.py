"""Max-min fair rates of transfers over the resources they hold, as exact fractions (rule C7).

Of a set of feasible rates the max-min fair one gives no transfer more without taking from one that has no more than it
(D. Bertsekas, R. Gallager, "Data Networks", 2nd edition, section 6.5.2). All rates rise together; where a resource is
full, those that hold it stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from accelsim.package.flow import Shares


def fair_rates(kinds: Mapping[Shares, int], capacities: Sequence[Fraction]) -> dict[Shares, Fraction]:
    """Bits per cycle of each transfer, by what it holds.

    kinds : transfers under way, by their shares, how many; none without shares. capacities : bits per cycle.
    """
    weight: dict[int, Fraction] = {}
    holders: dict[int, list[Shares]] = {}
    for shares, count in kinds.items():
        for resource, share in shares:
            weight[resource] = weight.get(resource, Fraction(0)) + count * share
            holders.setdefault(resource, []).append(shares)
    left = {resource: capacities[resource] for resource in weight}
    found: dict[Shares, Fraction] = {}
    while len(found) < len(kinds):
        levels = {resource: left[resource] / weight[resource] for resource in weight if weight[resource]}
        least = min(levels.values())
        for full in [resource for resource, level in levels.items() if level == least]:
            for shares in holders[full]:
                if shares in found:
                    continue
                found[shares] = least
                count = kinds[shares]
                for resource, share in shares:
                    left[resource] -= least * share * count
                    weight[resource] -= share * count
    return found
