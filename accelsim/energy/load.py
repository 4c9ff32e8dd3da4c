"""Finding an energy table: a built-in name, a file, or the one an architecture names."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path

from accelsim import yamlfile
from accelsim.architecture.model import Architecture
from accelsim.energy.table import EnergyTable
from accelsim.energy.technology import checked
from accelsim.energy.yaml import read_table
from accelsim.errors import AccelsimError, nearest
from accelsim.quantities import short

BUILT_IN = Path(__file__).parent / "tables"
MOST_DIGITS = 20


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
    return _built_in(path.stem) if path.parent == BUILT_IN else read_table(path)


@cache
def _built_in(name: str) -> EnergyTable:
    """Read once: a table of a process has hundreds of rows."""
    return read_table(BUILT_IN / f"{name}.yaml")


def nodes() -> tuple[int, ...]:
    """Nodes in nm that a built-in table of a process is for, the widest first."""
    return tuple(sorted((int(file.stem[5:-2]) for file in BUILT_IN.glob("cmos_*nm.yaml")), reverse=True))


def table_of_node(node: int) -> EnergyTable:
    """The built-in table of a process. Raises AccelsimError for a node without one."""
    if node not in nodes():
        raise AccelsimError(f"no energy table of {node} nm ({', '.join(map(str, nodes()))} nm)")
    return _built_in(f"cmos_{node}nm")


def table_for(
    architecture: Architecture,
    wanted: str | Path | EnergyTable | None = None,
    node: int | None = None,
    supply: float | str | None = None,
) -> EnergyTable:
    """The table asked for, or that of a node, else the one the architecture names. There is no default number.

    supply : V, of a table with a technology.
    """
    if node is not None and wanted is not None:
        raise AccelsimError("an energy table and a node: each names a table; give one of them")
    if supply is not None and architecture.mode.supply is not None:
        raise AccelsimError(f"supply: the modes of '{architecture.name}' have supplies of their own; leave it out")
    found = _wanted(architecture, wanted) if node is None else table_of_node(node)
    return found if supply is None else found.at(_volts(supply))


def _volts(supply: float | str) -> Fraction:
    text = str(supply).removesuffix("V").strip()
    try:
        value = Fraction(text) if len(text) < MOST_DIGITS else None
    except (ValueError, ZeroDivisionError):
        value = None
    if value is None or isinstance(supply, bool):
        raise AccelsimError(f"supply: should be a number of volts such as 0.9, got '{short(supply)}'")
    return checked(value)


def _wanted(architecture: Architecture, wanted: str | Path | EnergyTable | None) -> EnergyTable:
    if isinstance(wanted, EnergyTable):
        return wanted
    if not (wanted or architecture.energy):
        raise AccelsimError(
            f"architecture '{architecture.name}' names no energy table and none was given; "
            f"add 'energy: NAME' to it or choose one ({', '.join(names())})"
        )
    return load_table(wanted or architecture.energy)
