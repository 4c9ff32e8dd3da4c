"""Files of carbon intensity over time, in five layouts, and the window of a job that emits least.

Layouts: Electricity Maps' CSV in two generations of headers (life cycle or direct), WattTime's MOER CSV and its API's
JSON (marginal), and a table derived from EIA's generation data. A unit is read from the header where there is one; the
two layouts without one have a unit by definition (lb/MWh, docs of WattTime's legacy API; g/kWh).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise
from math import lcm
from pathlib import Path

from accelsim.codesign.carbon.units import INTENSITY, POUND, intensity_unit
from accelsim.errors import AccelsimError, reason
from accelsim.jsonfile import read_json
from accelsim.quantities import short
from accelsim.yamlfile import shown

MOST_BYTES = 2**26
MOST_INTENSITY = 3000
"""g CO2e/kWh; the dirtiest lignite is at less than half of it."""
LEAST_OF_ALL = 1
"""g CO2e/kWh: where a layout names no unit, a series that never reaches it is in another one."""
MOST_GAPS = 5
"""That an error names."""
SIGNALS = {"life cycle": ("lca", "life cycle"), "direct": ("direct",)}
_ELECTRICITY_MAPS = re.compile(
    r"carbon intensity\s+(?P<unit>.*?)\s*\((?P<signal>lca|life cycle|direct)\)", re.IGNORECASE
)
_NAMED = re.compile(r"(?P<name>MOER|avg_CI)\s*(?:[\[(](?P<unit>.*)[\])])?", re.IGNORECASE)
_BARE = {"moer": (POUND / 1000, "lb/MWh", "marginal (MOER)"), "avg_ci": (Fraction(1), "g/kWh", "average (EIA-derived)")}
_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,2})?")

Sample = tuple[int, datetime, str]
"""(line of the file, or point of its JSON; when it begins; its value as text)."""


@dataclass(frozen=True)
class Window:
    """A job's stay on a grid: when it starts (UTC), and the mean intensity over its length, g CO2e/kWh."""

    start: datetime
    intensity: Fraction


@dataclass(frozen=True)
class Series:
    """A grid over time, without gaps.

    values : g CO2e/kWh, one for each `step` from `start` (UTC) on. place : as the file names it. signal : what kind of
    intensity. unit : the file's own. file : where it was read from.
    """

    place: str
    start: datetime
    step: timedelta
    values: tuple[Fraction, ...]
    signal: str
    unit: str
    file: str

    @property
    def step_hours(self) -> Fraction:
        """Hours of one value."""
        return Fraction(round(self.step.total_seconds()), 3600)

    @property
    def hours(self) -> Fraction:
        """Hours of all values."""
        return self.step_hours * len(self.values)

    @property
    def mean(self) -> Fraction:
        """Over all of it, g CO2e/kWh."""
        return Fraction(self._sums[-1], self._unit * len(self.values))

    @cached_property
    def _unit(self) -> int:
        """That all values are whole numbers of parts of: sums of a year of five minutes are taken in integers."""
        return lcm(*(value.denominator for value in self.values))

    @cached_property
    def _sums(self) -> tuple[int, ...]:
        whole = (value.numerator * (self._unit // value.denominator) for value in self.values)
        return (0, *accumulate(whole))

    def _totals(self, hours: Fraction) -> tuple[list[int], Fraction]:
        """Sum over the window from each start from which a job fits, and what a sum is divided by for its mean.

        The power of the job is taken to be even, so a step counts by how long the job is in it. Raises AccelsimError
        for a job longer than the file.
        """
        steps = hours / self.step_hours
        if steps > len(self.values):
            raise AccelsimError(
                f"{self.file}: a job of {_hours(hours)} h is longer than the file, which has {_hours(self.hours)} h"
            )
        whole, part = divmod(steps, 1)
        sums, parts, of = self._sums, part.numerator, part.denominator
        starts = len(self.values) - whole + (part == 0)
        if not parts:
            found = [sums[first + whole] - sums[first] for first in range(starts)]
        else:
            ends = ((first, first + whole) for first in range(starts))
            found = [of * (sums[end] - sums[first]) + parts * (sums[end + 1] - sums[end]) for first, end in ends]
        return found, self._unit * of * steps

    def _window(self, first: int, total: int, by: Fraction) -> Window:
        return Window(self.start + first * self.step, total / by)

    def windows(self, hours: Fraction) -> Iterator[Window]:
        """Every start on a step's begin from which a job of so many hours fits, with its mean intensity."""
        totals, by = self._totals(hours)
        return (self._window(first, total, by) for first, total in enumerate(totals))

    def at(self, start: datetime, hours: Fraction) -> Window:
        """The window from the step that holds `start` on. Raises AccelsimError for one the file does not hold."""
        first = (start - self.start) // self.step
        totals, by = self._totals(hours)
        if not 0 <= first < len(totals):
            last = self.start + (len(totals) - 1) * self.step
            raise AccelsimError(
                f"start: a job of {_hours(hours)} h may start from {_utc(self.start)} to {_utc(last)} in {self.file}, "
                f"not at {_utc(start)}"
            )
        return self._window(first, totals[first], by)

    def best(self, hours: Fraction) -> Window:
        """The window that emits least, of several the earliest."""
        totals, by = self._totals(hours)
        least = min(totals)
        return self._window(totals.index(least), least, by)

    def worst(self, hours: Fraction) -> Window:
        """The window that emits most, of several the earliest."""
        totals, by = self._totals(hours)
        most = max(totals)
        return self._window(totals.index(most), most, by)

    def hour_of_day(self, hours: Fraction) -> tuple[int, Fraction]:
        """The hour of the day (UTC, 0 to 23) in which starts emit least, and their mean intensity over all days.

        Of equal hours it is the earliest. A start that recurs is better taken from it than from the one best window.
        """
        totals, by = self._totals(hours)
        sums: dict[int, tuple[int, int]] = {}
        for first, total in enumerate(totals):
            hour = (self.start + first * self.step).hour
            added, count = sums.get(hour, (0, 0))
            sums[hour] = added + total, count + 1
        means = {hour: Fraction(added, count) / by for hour, (added, count) in sums.items()}
        return min(sorted(means.items()), key=lambda pair: pair[1])


def best_place(series: Sequence[Series], hours: Fraction) -> tuple[Series, Window]:
    """Where and when a job of so many hours emits least; of equals the file named first, then the earliest."""
    return min(((one, one.best(hours)) for one in series), key=lambda pair: pair[1].intensity)


def read_series(path: str | Path, signal: str = "life cycle") -> Series:
    """A file of intensities. signal : of a file that has both, ``life cycle`` or ``direct``.

    Raises AccelsimError, one line: no known layout, a unit that is no intensity's, a value or time that is none, times
    that do not rise, gaps (with their times).
    """
    if Path(path).suffix.lower() == ".json":
        return _of_json(path)
    file, lines = shown(path), _lines(path)
    reader = csv.reader(lines)
    try:
        header = [name.strip() for name in next(reader, [])]
        scale, unit, kind, column, clock, zone = _layout(file, header, signal)
        samples: list[Sample] = []
        places: dict[str, int] = {}
        for row in reader:
            if not row:
                continue
            line = reader.line_num
            if len(row) != len(header):
                raise AccelsimError(f"{file}:{line}: {len(row)} fields, where the header has {len(header)}")
            samples.append((line, _time(file, line, row[clock], "(utc)" in header[clock].lower()), row[column].strip()))
            if zone is not None:
                places.setdefault(row[zone], line)
    except csv.Error as error:
        raise AccelsimError(f"{file}:{reader.line_num}: not CSV: {error}") from None
    if len(places) > 1:
        first, second = list(places)[:2]
        raise AccelsimError(f"{file}:{places[second]}: a second zone, '{second}' after '{first}'; give a file for each")
    place = next(iter(places), Path(path).stem)
    return _series(file, place, samples, scale, (kind, unit))


def _lines(path: str | Path) -> list[str]:
    try:
        with Path(path).open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise AccelsimError(f"{shown(path)}: too large: more than {MOST_BYTES:,} bytes")
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise AccelsimError(f"{shown(path)}: not a text file: byte {error.start} is not UTF-8") from None
    except (OSError, ValueError) as error:
        raise AccelsimError(f"{shown(path)}: {reason(error)}") from None


def _layout(file: str, header: list[str], signal: str) -> tuple[Fraction, str, str, int, int, int | None]:
    """(g/kWh of the unit, the unit, what kind of intensity, column of it, of the time, of the zone)."""
    lower = [name.lower() for name in header]
    maps = [(index, found) for index, name in enumerate(header) if (found := _ELECTRICITY_MAPS.fullmatch(name))]
    clock = next((index for index, name in enumerate(lower) if name in ("timestamp", "datetime (utc)")), None)
    if clock is not None and maps:
        wanted = [one for one in maps if one[1]["signal"].lower() in SIGNALS[signal]]
        if not wanted:
            have = ", ".join(found["signal"] for _, found in maps)
            raise AccelsimError(f"{file}:1: no column of {signal} intensities ({have})")
        column, found = wanted[0]
        zone = lower.index("zone id") if "zone id" in lower else None
        return _unit(file, header[column], found["unit"]), found["unit"], signal, column, clock, zone
    for column, name in enumerate(header):
        if clock is not None and (named := _NAMED.fullmatch(name)):
            scale, unit, kind = _BARE[named["name"].lower()]
            if named["unit"] is not None:
                return _unit(file, name, named["unit"]), named["unit"], kind, column, clock, None
            return scale, unit, kind, column, clock, None
    raise AccelsimError(
        f"{file}:1: no layout of intensities that is known: wanted 'Datetime (UTC)' and 'Carbon intensity gCO₂eq/kWh "
        f"(Life cycle)', or 'timestamp' and 'MOER' or 'avg_CI', got '{short(', '.join(header))}'"
    )


def _unit(file: str, column: str, unit: str) -> Fraction:
    scale = intensity_unit(unit)
    if scale is None:
        raise AccelsimError(f"{file}:1: column '{column}': '{unit}' is no unit of an intensity ({INTENSITY.shown})")
    return scale


def _of_json(path: str | Path) -> Series:
    """The answer of WattTime's API, version 3."""
    file, found = shown(path), read_json(path)
    meta = found.get("meta") if isinstance(found, dict) else None
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(meta, dict) or not isinstance(data, list) or not isinstance(meta.get("units"), str):
        raise AccelsimError(f"{file}: no layout of intensities that is known: wanted 'meta' with 'units', and 'data'")
    scale = intensity_unit(meta["units"])
    if scale is None:
        raise AccelsimError(f"{file}: meta.units: '{meta['units']}' is no unit of an intensity ({INTENSITY.shown})")
    samples: list[Sample] = []
    for index, point in enumerate(data):
        if not isinstance(point, dict) or not isinstance(point.get("point_time"), str):
            raise AccelsimError(f"{file}: data.{index}: wanted 'point_time' and 'value'")
        value = point.get("value")
        text = "" if value is None or isinstance(value, bool) else str(value)
        samples.append((index, _time(file, index, point["point_time"], False, "data."), text))
    kind = {"co2_moer": "marginal (MOER)", "co2_aoer": "average (AOER)"}.get(meta.get("signal_type", ""), "as given")
    return _series(file, str(meta.get("region") or Path(path).stem), samples, scale, (kind, meta["units"]), "data.")


def _time(file: str, line: int, text: str, utc: bool, mark: str = "") -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is None and utc:
            found = found.replace(tzinfo=UTC)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        where = _where(file, mark, line)
        raise AccelsimError(f"{where}: '{short(text)}' is no time; write 2024-03-30T05:00:00+00:00") from None
    where = _where(file, mark, line)
    raise AccelsimError(f"{where}: '{short(text)}' does not say its time zone; write {text.strip()}+00:00")


def _series(
    file: str, place: str, samples: list[Sample], scale: Fraction, told: tuple[str, str], mark: str = ""
) -> Series:
    """Samples as a series; told : (kind of intensity, unit). An empty value is a gap."""
    kept = [sample for sample in samples if sample[2]]
    if len(kept) < 2:
        raise AccelsimError(f"{file}: has {len(kept)} values; two at least are wanted")
    for (_, before, _), (line, after, _) in pairwise(samples):
        if after <= before:
            where = _where(file, mark, line)
            raise AccelsimError(f"{where}: {_utc(after)} does not come after {_utc(before)}; times must rise")
    apart = Counter(after - before for (_, before, _), (_, after, _) in pairwise(samples))
    step = min(apart, key=lambda one: (-apart[one], one))
    for (_, before, _), (line, after, _) in pairwise(samples):
        if (after - before) % step:
            where = _where(file, mark, line)
            raise AccelsimError(f"{where}: {_utc(after)} is no multiple of {_minutes(step)} after {_utc(before)}")
    _whole(file, samples, kept, step)
    values = tuple(_value(file, mark, sample, scale, told[1]) for sample in kept)
    if max(values) < LEAST_OF_ALL:
        raise AccelsimError(
            f"{file}: all values are below {LEAST_OF_ALL} g/kWh when read in {told[1]}; they seem to be in another unit"
        )
    return Series(place, kept[0][1], step, values, *told, file)


def _whole(file: str, samples: list[Sample], kept: list[Sample], step: timedelta) -> None:
    """Refuse gaps, with their times: steps that have no row, or a row without a value."""
    gaps = [(before + step, after - step) for (_, before, _), (_, after, _) in pairwise(kept) if after - before != step]
    if samples[0][2] == "":
        gaps.insert(0, (samples[0][1], kept[0][1] - step))
    if samples[-1][2] == "":
        gaps.append((kept[-1][1] + step, samples[-1][1]))
    if not gaps:
        return
    told = [_utc(first) + (f" to {_utc(last)}" if last > first else "") for first, last in gaps[:MOST_GAPS]]
    more = f" and {len(gaps) - MOST_GAPS:,} more" if len(gaps) > MOST_GAPS else ""
    raise AccelsimError(
        f"{file}: no values for {', '.join(told)}{more} UTC (one each {_minutes(step)}); fill the gaps in"
    )


def _value(file: str, mark: str, sample: Sample, scale: Fraction, unit: str) -> Fraction:
    line, when, text = sample
    where = _where(file, mark, line)
    if not _NUMBER.fullmatch(text):
        raise AccelsimError(f"{where}: '{short(text)}' at {_utc(when)} is no number")
    value = Fraction(text) * scale
    if value < 0:
        raise AccelsimError(f"{where}: an intensity must be at least 0, got {short(text)} at {_utc(when)}")
    if value > MOST_INTENSITY:
        raise AccelsimError(
            f"{where}: {short(text)} {unit} at {_utc(when)} is {float(value):,.0f} g/kWh, more than any grid's "
            f"({MOST_INTENSITY:,}); is it in another unit?"
        )
    return value


def _where(file: str, mark: str, line: int) -> str:
    """A place as an error names it: ``file:12``, or ``file: data.12`` of JSON."""
    return f"{file}: {mark}{line}" if mark else f"{file}:{line}"


def _utc(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M")


def _minutes(step: timedelta) -> str:
    return f"{step.total_seconds() / 60:g} min"


def _hours(hours: Fraction) -> str:
    return f"{float(hours):,.6g}"
