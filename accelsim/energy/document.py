"""An energy table as plain data, as its YAML has it: what a result keeps of the table it used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accelsim.energy.curve import Curve
from accelsim.energy.table import EnergyTable
from accelsim.energy.technology_yaml import document_of as technology_data
from accelsim.energy.technology_yaml import written


def document_of(table: EnergyTable) -> dict[str, Any]:
    """Dicts, text and numbers that `accelsim.energy.yaml.build` makes an equal table of; widths are all written out."""
    found: dict[str, Any] = {
        "name": table.name,
        "source": table.source,
        "unit": table.unit,
        "mac": {"multiply": _curve(table.multiply), "add": _curve(table.add)},
        "gated_mac": written(table.gated),
        "network": {"hop": written(table.hop), "bits": table.hop_bits, "tag": written(table.tag)},
        "components": {
            name: {
                "read": _curve(entry.read),
                "write": _curve(entry.write),
                "bits": entry.bits,
                "leakage": written(entry.leakage),
                "activate": written(entry.activate),
            }
            for name, entry in table.components.items()
        },
        "note": table.note,
        "accounting": table.accounting,
    }
    if table.technology:
        found["technology"] = technology_data(table.technology)
    if table.own_parts:
        found["own_parts"] = True
    if table.vector_op:
        found["vector_op"] = _curve(table.vector_op)
    return found


def _curve(curve: Curve) -> int | float | str | Mapping[str, int | float | str]:
    """One number for every size, or numbers by bits."""
    if curve.points[0][0] == 0:
        return written(curve.points[0][1])
    return {str(size): written(energy) for size, energy in curve.points}
