"""Which dataflows, and on which machines, a run or a comparison is under."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from accelsim.architecture.model import Architecture
from accelsim.errors import AccelsimError
from accelsim.mapping.shipped import mappings_for

if TYPE_CHECKING:
    from accelsim.mapping.dataflows.dataflow import Dataflow


def candidates(
    architecture: str | Path | Architecture, dataflows: list[str] | None
) -> list[tuple[str, str | Path | Architecture, str | None]]:
    """(label, machine, dataflow) of what `compare` sets side by side."""
    from accelsim.mapping.dataflows import NAMES
    from accelsim.yamlfile import found, names

    machines = names("arch")
    family = [name for name in machines if name.startswith(f"{architecture}_")]
    if not (isinstance(architecture, str) and architecture not in machines and family):
        own = (name for name, file in found("dataflow").items() if file.origin and name not in NAMES)
        return [(name, architecture, name) for name in ((*NAMES, *own) if dataflows is None else dataflows)]
    members = {name.removeprefix(f"{architecture}_"): name for name in family}
    if not dataflows:
        return [(label, name, None) for label, name in members.items()]
    several = len(dataflows) > 1
    return [
        (f"{label} {flow}" if several else label, name, flow) for label, name in members.items() for flow in dataflows
    ]


def known_dataflow(machine: Architecture, dataflow: str, needed: bool) -> Dataflow | None:
    """The dataflow, read; 'best' is none. Refuses a name that is none, and no name where one is needed."""
    from accelsim.mapping.dataflows import NAMES
    from accelsim.mapping.dataflows.dataflow import BEST
    from accelsim.mapping.dataflows.dataflow import load as load_dataflow

    if dataflow:
        return None if dataflow == BEST else load_dataflow(dataflow)
    if needed:
        given = mappings_for(machine)
        mappings = f"; or give a mapping, of which there are {', '.join(given)}" if given else ""
        raise AccelsimError(
            f"architecture '{machine.name}' names no dataflow and none was given ({', '.join(NAMES)}){mappings}"
        )
    return None
