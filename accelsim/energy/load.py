"""Finding an energy table: a built-in name, a file, or the one an architecture names."""

from __future__ import annotations

from pathlib import Path

from accelsim import yamlfile
from accelsim.architecture.model import Architecture
from accelsim.energy.table import EnergyTable
from accelsim.energy.yaml import read_table
from accelsim.errors import AccelsimError, nearest


def names() -> tuple[str, ...]:
    """The tables that have a name."""
    return yamlfile.names("energy")


def load_table(name_or_path: str | Path) -> EnergyTable:
    """Read a table by name or a file by path. Raises AccelsimError; a broken file reports every issue."""
    path: Path | None = Path(name_or_path)
    if path and path.suffix not in (".yaml", ".yml") and not yamlfile.is_file(path):
        path = yamlfile.named("energy", str(name_or_path))
    if path is None:
        raise AccelsimError(f"unknown energy table '{name_or_path}'{nearest(str(name_or_path), names())}")
    return read_table(path)


def table_for(architecture: Architecture, wanted: str | Path | EnergyTable | None = None) -> EnergyTable:
    """The table asked for, else the one the architecture names. There is no default number."""
    if isinstance(wanted, EnergyTable):
        return wanted
    if not (wanted or architecture.energy):
        raise AccelsimError(
            f"architecture '{architecture.name}' names no energy table and none was given; "
            f"add 'energy: NAME' to it or choose one ({', '.join(names())})"
        )
    return load_table(wanted or architecture.energy)
