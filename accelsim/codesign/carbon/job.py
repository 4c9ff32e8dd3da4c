"""What a footprint is of: energy, time and devices of something done once, given or out of a simulated run."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from accelsim.architecture.model import Architecture
from accelsim.codesign.carbon.spec import CarbonSpec
from accelsim.codesign.carbon.tables import Factor
from accelsim.codesign.carbon.units import JOULES
from accelsim.energy.floor import floor_of
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError
from accelsim.outcome import Outcome


@dataclass(frozen=True)
class Job:
    """Done once.

    what : a name for it, 'inference' or 'job'. kwh : of all devices, before PUE. hours : None where only an energy is
    known. macs : of all of it, where it was simulated. area (cm2), node (nm) : of the die, where a table knows them;
    no_area : why not. factors : what energy and time were made from. notes : what is not in them.
    """

    what: str
    kwh: Fraction
    hours: Fraction | None
    devices: int
    factors: tuple[Factor, ...]
    macs: Fraction | None = None
    area: Fraction | None = None
    node: int | None = None
    no_area: str = ""
    notes: tuple[str, ...] = ()


def given_job(spec: CarbonSpec) -> Job:
    """A job of `energy`, or of `power` x `time` x `devices`. Raises AccelsimError where neither is whole."""
    devices = spec.devices or 1
    many = Factor("devices", Fraction(devices), "", "given" if spec.devices else "one, where none are given")
    time = [Factor("time", spec.time, "h", "given")] if spec.time is not None else []
    if spec.energy is not None:
        if spec.power is not None:
            raise AccelsimError("energy and power: each says what the job takes; give one of them")
        energy = Factor("energy", spec.energy, "kWh", "given, of all devices")
        return Job("job", spec.energy, spec.time, devices, (energy, *time, many))
    if spec.power is None or spec.time is None:
        lack = " and ".join(name for name in ("power", "time") if getattr(spec, name) is None)
        raise AccelsimError(f"{lack}: missing; give a result, or energy, or power and time of a job")
    kwh = spec.power * spec.time * devices / 1000
    power = Factor("power", spec.power, "W", "given, of each device")
    return Job("job", kwh, spec.time, devices, (power, *time, many))


def job_of(result: Outcome, spec: CarbonSpec) -> Job:
    """An inference of a run: its energy and time, all layers, over its batch.

    Raises AccelsimError for a table of relative energies, and for keys that would say the same another way.
    """
    table = result.energy_table
    _check(table, spec)
    totals, vector, batch = result.total, result.vector, result.batch
    joules = (totals.energy_exact + vector.energy_exact) / 10**12 / batch
    seconds = Fraction(totals.cycles + vector.cycles) / Fraction(result.architecture.clock_hz) / batch
    where = f"{result.workload} on {result.architecture.name}, batch {batch}"
    factors = (
        Factor("energy", joules / JOULES, "kWh", f"simulated: {where}, table {table.name}"),
        Factor("time", seconds / 3600, "h", f"simulated: {where}, {result.evaluator} evaluator"),
    )
    notes = [f"without {len(result.failures)} layers that could not be run"] if result.failures else []
    if result.ran is not None and result.ran.layers != "*":
        notes.append(f"of the layers {result.ran.layers} alone")
    if vector.vector_ops and table.vector_op is None:
        notes.append("vector operations have no price in the table, so no energy")
    area, why = _area(result.architecture, table)
    return Job(
        "inference",
        joules / JOULES,
        seconds / 3600,
        1,
        factors,
        Fraction(totals.macs, batch),
        area,
        table.technology.node if table.technology else None,
        why,
        tuple(notes),
    )


def job_before(machine: Architecture, table: EnergyTable, spec: CarbonSpec) -> Job:
    """An inference whose energy and time are not known yet, here 0 and a second: for what else may be wrong."""
    _check(table, spec)
    area, why = _area(machine, table)
    node = table.technology.node if table.technology else None
    return Job("inference", Fraction(0), Fraction(1, 3600), 1, (), None, area, node, why)


def _check(table: EnergyTable, spec: CarbonSpec) -> None:
    for name in ("energy", "power", "time", "devices"):
        if getattr(spec, name) is not None:
            raise AccelsimError(f"{name}: the result says it; leave it out")
    if table.unit != "pJ":
        raise AccelsimError(
            f"energy table '{table.name}' is relative to a MAC, so there are no joules to multiply; run with --node, "
            f"or --energy and a table in pJ"
        )


def _area(machine: Architecture, table: EnergyTable) -> tuple[Fraction | None, str]:
    """Area of the die in cm2, or why it is not known."""
    if not table.prices_parts:
        return None, f"energy table '{table.name}' knows no areas"
    try:
        floor = floor_of(machine, table)
    except AccelsimError as error:  # it says which part, and running alone needs no area
        return None, str(error)
    if floor.missing:
        return None, f"no area of {', '.join(floor.missing)} of '{machine.name}'"
    return floor.area / 100, ""
