"""The figures that ship, each row with the file and the source it is from."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

from accelsim.codesign.carbon.units import per_gb
from accelsim.errors import AccelsimError, listing
from accelsim.yamlfile import hint, meant

FOLDER = Path(__file__).parent / "data"
ABATEMENTS = (95, 97, 99)
"""Percent of the gases of a fab that are destroyed; of 97 the gases are the mean of the other two, as ACT has it."""
GRIDS = ("grid_act", "grid_codecarbon")


@dataclass(frozen=True)
class Factor:
    """One number that a footprint is made of: its name, what it is in its unit, and where it is from."""

    name: str
    value: Fraction
    unit: str
    source: str


@dataclass(frozen=True)
class Fab:
    """What a cm2 of logic takes of a fab, at 100 % yield: kWh, g CO2e of gases and of raw materials; each a factor."""

    energy: Factor
    gas: Factor
    material: Factor


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of a file of `data`, column -> text; lines that begin with # say where it is from."""
    lines = (FOLDER / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    yield from csv.DictReader(line for line in lines if not line.startswith("#"))


@cache
def regions() -> dict[str, Factor]:
    """Intensities in g CO2e/kWh by name: ``taiwan``, ``taiwan-2023``, ``coal``, ``gcp:us-west1``."""
    found = (row for name in GRIDS for row in rows(name))
    return {row["name"]: Factor(row["name"], Fraction(row["g_per_kWh"]), "g/kWh", row["table"]) for row in found}


def region(name: str, what: str = "region") -> Factor:
    """One of `regions`. Raises AccelsimError, one line with the nearest name."""
    known = regions()
    if name not in known:
        raise AccelsimError(f"unknown {what} '{name}'{known_regions(name)}")
    return known[name]


def known_regions(name: str) -> str:
    """The end of a line that refuses a name: the nearest one; those of no list; how many a list has."""
    lists: dict[str, list[str]] = {}
    for one in regions():
        head, colon, _ = one.partition(":")
        lists.setdefault(head if colon else "", []).append(one)
    own = lists.pop("")
    more = ", ".join(f"{len(names)} of {head}, such as {names[0]}" for head, names in lists.items())
    return f"{meant(name, regions())} ({listing(own)}; {more})"


@cache
def constant(name: str) -> Factor:
    """A default of the model: ``yield``, ``abatement``, ``package``."""
    row = next(row for row in rows("constants") if row["name"] == name)
    return Factor(name, Fraction(row["value"]), row["unit"].removeprefix("1"), "ACT's default")


@cache
def nodes() -> dict[int, dict[str, str]]:
    """What is known of fabs by node in nm, the widest first; a node may lack some of it."""
    return {int(row["node"]): row for row in rows("fab")}


def fab(node: int, abatement: int) -> Fab:
    """ACT's fab of a node. Raises AccelsimError for a node without data, or with part of it."""
    found, whole = nodes().get(node), [one for one, row in nodes().items() if all(row.values())]
    ways = "give fab_energy, fab_gas and fab_material of your own"
    if found is None:
        raise AccelsimError(
            f"node: no data of a fab of {node} nm, and none is made up from others' "
            f"({listing([f'{one}' for one in whole])} nm); {ways}"
        )
    if node not in whole:
        lack = " and ".join(what for what in ("gas", "material") if not any(found[c] for c in found if what in c))
        raise AccelsimError(f"node: of {node} nm the {lack} of a fab is not known, only its energy; {ways}")
    gases = [Fraction(found[f"gas_{level}_g_per_cm2"]) for level in (95, 99)]
    gas = {95: gases[0], 97: sum(gases, Fraction(0)) / 2, 99: gases[1]}[abatement]
    return Fab(
        Factor("fab energy", Fraction(found["energy_kWh_per_cm2"]), "kWh/cm2", f"ACT, {node} nm"),
        Factor("fab gases", gas, "g/cm2", f"ACT, {node} nm, {abatement} % abated"),
        Factor("fab materials", Fraction(found["material_g_per_cm2"]), "g/cm2", f"ACT, {node} nm"),
    )


@cache
def memories() -> dict[str, Factor]:
    """What a GB takes, g CO2e, by process or product, before yield."""
    return {
        row["process"]: Factor(row["process"], Fraction(row["g_per_GB"]), "g/GB", f"ACT, {row['kind']}")
        for row in rows("storage")
    }


def memory(process: str) -> Factor:
    """One of `memories`, or a mass for a GB: ``400 g/GB``. Raises AccelsimError, one line with the nearest name."""
    known = memories()
    if process in known:
        return known[process]
    if process.strip()[:1].isdigit():
        try:
            return Factor(f"memory of {process}", per_gb(process), "g/GB", "given")
        except ValueError as error:
            raise AccelsimError(f"memory: {error}") from None
    raise AccelsimError(f"memory: unknown process '{process}'{hint(process, known)}")
