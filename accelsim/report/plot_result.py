"""What pictures of a result say first, and results that have nothing to draw."""

from __future__ import annotations

from accelsim.errors import AccelsimError
from accelsim.outcome import Outcome
from accelsim.report.summary import how_mapped
from accelsim.report.text import shown


def headline(result: Outcome) -> str:
    """What ran on what, in whose mapping."""
    batch = f", batch {result.batch}" if result.batch > 1 else ""
    mapped = shown(how_mapped(result)).replace("_", "-")
    return f"{shown(result.workload)}{batch} on {shown(result.architecture.name)}, {mapped}"


def require_layers(result: Outcome) -> None:
    """Refuse a result of which no layer has MACs."""
    if not result.multiplied:
        raise AccelsimError(f"nothing to draw: none of these layers of '{shown(result.workload)}' has MACs")


def require_cycles(result: Outcome) -> None:
    """Refuse a result of which no layer has MACs, or none takes any time."""
    require_layers(result)
    if not result.total.cycles:
        raise AccelsimError(f"nothing to draw: no layer of '{shown(result.workload)}' takes any time")
