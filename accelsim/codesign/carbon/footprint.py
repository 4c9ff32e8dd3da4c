"""The carbon footprint of a job: operational + embodied, once and as often as it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from accelsim.codesign.carbon import units
from accelsim.codesign.carbon.embodied import Die, Embodied
from accelsim.codesign.carbon.hourly import Series, Window, read_series
from accelsim.codesign.carbon.job import Job, given_job, job_of
from accelsim.codesign.carbon.spec import CarbonSpec, load_spec, spec_of
from accelsim.codesign.carbon.tables import Fab, Factor, constant, fab, known_regions, region, regions
from accelsim.errors import AccelsimError
from accelsim.outcome import Outcome

FILES = (".csv", ".json")
NO_GRID = (
    "grid: missing; name a region, give an intensity such as 432.7 g/kWh, or a file of intensities over time: none is "
    "assumed"
)


@dataclass(frozen=True)
class Place:
    """A grid that a job may run on: an intensity that does not change, or a series and the window of the job."""

    grid: Factor
    series: Series | None = None
    window: Window | None = None

    @property
    def intensity(self) -> Fraction:
        """Mean over the job, g CO2e/kWh."""
        return self.window.intensity if self.window else self.grid.value


@dataclass(frozen=True)
class Cost:
    """Of a job done some number of times: MACs (None: not simulated), kWh with PUE, hours, g CO2e."""

    what: str
    times: Fraction
    macs: Fraction | None
    kwh: Fraction
    hours: Fraction | None
    operational: Fraction
    embodied: Fraction | None

    @property
    def grams(self) -> Fraction:
        """All of it, g CO2e, the embodied share in it where it is known."""
        return self.operational + (self.embodied or 0)


@dataclass(frozen=True)
class Footprint:
    """Of a job.

    places : where it may run, as they were given; place : the one that is counted. length : hours of the window. pue,
    lifetime, use : factors, None: not asked for. embodied : of one device, None: not asked for. requests, examples,
    tries : how often, None: not asked for.
    """

    job: Job
    places: tuple[Place, ...]
    place: Place
    length: Fraction | None
    pue: Factor
    embodied: Embodied | None
    lifetime: Factor | None
    use: Factor | None
    requests: Fraction | None = None
    training: tuple[Factor, ...] = ()

    @property
    def share(self) -> Fraction | None:
        """Of what the devices' making emitted, the part of one job: time / (lifetime x use)."""
        if self.embodied is None or self.lifetime is None or self.use is None or self.job.hours is None:
            return None
        return self.job.hours / (self.lifetime.value * self.use.value)

    def cost(self, what: str, times: Fraction) -> Cost:
        """Of the job done `times` times."""
        job = self.job
        kwh = job.kwh * self.pue.value * times
        made = None
        if self.embodied is not None and self.share is not None:
            made = job.devices * self.embodied.grams * self.share * times
        return Cost(
            what,
            times,
            None if job.macs is None else job.macs * times,
            kwh,
            None if job.hours is None else job.hours * times,
            kwh * self.place.intensity,
            made,
        )

    @property
    def costs(self) -> tuple[Cost, ...]:
        """Of one job; of all requests; of a training (example x data set) and of all its tries (Green AI)."""
        found = [self.cost(self.job.what, Fraction(1))]
        if self.requests is not None:
            found.append(self.cost("all requests", self.requests))
        if self.training:
            examples = self.training[0].value * self.training[1].value
            found.append(self.cost("a training", examples))
            found.append(self.cost("all tries", examples * self.training[2].value))
        return tuple(found)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the numbers leave out."""
        told = self.job.notes
        if self.training and self.job.macs is not None:
            told += ("a training counts for each example what the result ran: gradients only where the run has them",)
        for cost in self.costs:
            lives = cost.times * (self.share or 0)
            if lives > 1:
                told += (f"{cost.what}: {float(lives):.3g} working lives of a device, whether in turn or side by side",)
        kinds = dict.fromkeys(place.series.signal for place in self.places if place.series is not None)
        if len(kinds) > 1:
            told += (f"the lowest grid is one of intensities of different kinds: {', '.join(kinds)}",)
        if self.place.series is not None and self.place.series.signal.startswith("marginal"):
            told += ("a marginal intensity is that of one kWh more or less, not of the grid's mean",)
        return told

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Every number that went in, each with its source."""
        found = [*self.job.factors, self.pue, *(place.grid for place in self.places)]
        found += [one for one in (self.lifetime, self.use) if one] + list(
            self.embodied.factors if self.embodied else ()
        )
        if self.requests is not None:
            found.append(Factor("requests", self.requests, "", "given"))
        return (*found, *self.training)


def footprint(result: Outcome | None = None, file: str | Path | CarbonSpec | None = None, **keys: Any) -> Footprint:
    """The footprint of an inference of a run, or of a job of `energy` or `power` and `time`.

    file : YAML with the keys of `CarbonSpec`, or such a spec; keys : the same, over it: ``grid="taiwan", pue=1.1``.
    Raises AccelsimError (SpecError with lines for a file).
    """
    base = file if isinstance(file, CarbonSpec) else load_spec(file) if file is not None else CarbonSpec()
    spec = spec_of(keys).over(base)
    return footprint_of(given_job(spec) if result is None else job_of(result, spec), spec)


def footprint_of(job: Job, spec: CarbonSpec) -> Footprint:
    """The footprint of a job. Raises AccelsimError."""
    # what a file lacks is told before what is left out, for it takes longer to mend
    places, place, length = _places(spec, job)
    lifetime, use = _lifetime(spec)
    made = _embodied(spec, job)
    if made is not None and lifetime is None:
        raise AccelsimError("lifetime: missing; what a device's making emitted is spread over it, such as '3 years'")
    if made is None and lifetime is not None:
        raise AccelsimError("lifetime: nothing is made that could be spread over it; give fab_grid or memory")
    if made is not None and job.hours is None:
        raise AccelsimError("time: missing; a job's share of what was made is its time over the lifetime")
    return Footprint(job, places, place, length, _pue(spec), made, lifetime, use, spec.requests, _training(spec))


def grid_of(text: str, what: str = "grid") -> Factor:
    """An intensity, or the region of that name. Raises AccelsimError with the nearest name."""
    if text in regions():
        return region(text)
    if text.strip()[:1].isdigit() or text.strip()[:1] in "+-.":
        try:
            return Factor(text, units.intensity(text), "g/kWh", "given")
        except ValueError as error:
            raise AccelsimError(f"{what}: {error}") from None
    raise AccelsimError(f"{what}: unknown region '{text}'{known_regions(text)}")


def check_grids(spec: CarbonSpec) -> None:
    """Raise AccelsimError for a grid that is missing, unknown or a broken file; before a run, which takes longer."""
    if not spec.grid:
        raise AccelsimError(NO_GRID)
    for text in spec.grid:
        if Path(text).suffix.lower() in FILES:
            read_series(text, "direct" if spec.direct else "life cycle")
        else:
            grid_of(text)
    if spec.fab_grid is not None:
        grid_of(spec.fab_grid, "fab_grid")


def _places(spec: CarbonSpec, job: Job) -> tuple[tuple[Place, ...], Place, Fraction | None]:
    if not spec.grid:
        raise AccelsimError(NO_GRID)
    length = spec.length or job.hours
    found = tuple(_place(text, spec, length) for text in spec.grid)
    if spec.start is not None and not any(place.series for place in found):
        raise AccelsimError("start: no grid is a file of intensities over time, so the start changes nothing")
    return found, min(found, key=lambda place: place.intensity), length


def _place(text: str, spec: CarbonSpec, length: Fraction | None) -> Place:
    if Path(text).suffix.lower() not in FILES:
        return Place(_named("grid", grid_of(text)))
    series = read_series(text, "direct" if spec.direct else "life cycle")
    if length is None:
        raise AccelsimError(f"time: missing; a window in {series.file} has the length of the job")
    window = series.best(length) if spec.start is None else series.at(spec.start, length)
    source = f"{series.file}: {series.signal}, {series.unit}, from {window.start:%Y-%m-%d %H:%M} UTC"
    return Place(Factor(f"grid: {series.place}", window.intensity, "g/kWh", source), series, window)


def _named(what: str, factor: Factor) -> Factor:
    name = what if factor.source == "given" else f"{what}: {factor.name}"
    return Factor(name, factor.value, factor.unit, factor.source)


def _pue(spec: CarbonSpec) -> Factor:
    if spec.pue is None:
        return Factor("PUE", Fraction(1), "", "not given: nothing but the machine is counted")
    return Factor("PUE", spec.pue, "", "given")


def _lifetime(spec: CarbonSpec) -> tuple[Factor | None, Factor | None]:
    if spec.lifetime is None:
        if spec.use is not None:
            raise AccelsimError("use: a share of the lifetime; give lifetime too")
        return None, None
    used = Factor("use", spec.use or Fraction(1), "", "given" if spec.use else "not given: at work all its lifetime")
    return Factor("lifetime", spec.lifetime, "h", "given"), used


def _training(spec: CarbonSpec) -> tuple[Factor, ...]:
    """(data set, epochs, tries), or nothing where no data set is given."""
    if spec.dataset is None:
        for name in ("epochs", "tries"):
            if getattr(spec, name) is not None:
                raise AccelsimError(f"{name}: of a training; give dataset too (1 where the job is a whole training)")
        return ()
    return tuple(
        Factor(
            name, getattr(spec, name) or Fraction(1), "", "given" if getattr(spec, name) else "once, where not given"
        )
        for name in ("dataset", "epochs", "tries")
    )


def _embodied(spec: CarbonSpec, job: Job) -> Embodied | None:
    """What one device takes to make, where anything of it is asked for."""
    own = (spec.fab_energy, spec.fab_gas, spec.fab_material)
    of_die = [spec.node, spec.area, spec.abatement, *own]
    if spec.fab_grid is None and any(one is not None for one in of_die):
        raise AccelsimError("fab_grid: missing; name the region where the die is made, or give an intensity")
    if spec.fab_grid is None and not spec.memory:
        for name in ("fab_yield", "packages"):
            if getattr(spec, name) is not None:
                raise AccelsimError(f"{name}: nothing is made; give fab_grid or memory")
        return None
    die = None if spec.fab_grid is None else _die(spec, job, spec.fab_grid)
    good = constant("yield")
    if spec.fab_yield is not None:
        good = Factor("yield", spec.fab_yield, "", "given")
    count = len(spec.memory) + (die is not None)
    packages = Factor("packages", Fraction(count), "", "one for each die and memory")
    if spec.packages is not None:
        packages = Factor("packages", spec.packages, "", "given")
    return Embodied(die, spec.memory, good, packages, constant("package"))


def _die(spec: CarbonSpec, job: Job, made_on: str) -> Die:
    if spec.area is not None:
        area = Factor("die area", spec.area, "cm2", "given")
    elif job.area is not None:
        area = Factor("die area", job.area, "cm2", "simulated: the floor of all parts on chip")
    else:
        raise AccelsimError(f"area: missing{f'; {job.no_area}' if job.no_area else ''}; give it, such as '331 mm2'")
    return Die(area, _fab(spec, job), _named("fab grid", grid_of(made_on, "fab_grid")))


def _fab(spec: CarbonSpec, job: Job) -> Fab:
    own: Mapping[str, Fraction | None] = {
        "fab_energy": spec.fab_energy,
        "fab_gas": spec.fab_gas,
        "fab_material": spec.fab_material,
    }
    lack = [name for name, value in own.items() if value is None]
    if not lack:
        energy, gas, material = (Fraction(value or 0) for value in own.values())
        return Fab(
            Factor("fab energy", energy, "kWh/cm2", "given"),
            Factor("fab gases", gas, "g/cm2", "given"),
            Factor("fab materials", material, "g/cm2", "given"),
        )
    if len(lack) < len(own):
        raise AccelsimError(f"{' and '.join(lack)}: missing; a fab of one's own has all of {', '.join(own)}")
    node = spec.node or job.node
    if node is None:
        raise AccelsimError("node: missing; give the die's, such as 7, or fab_energy, fab_gas and fab_material")
    return fab(node, spec.abatement or int(constant("abatement").value))
