"""A footprint as people and programs read it: lines, tables, and a document."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from accelsim.codesign.carbon.footprint import Cost, Footprint, Place
from accelsim.codesign.carbon.hourly import Window
from accelsim.codesign.carbon.tables import Factor
from accelsim.codesign.carbon.units import energy_text, mass, time_text
from accelsim.report.grid import Grid
from accelsim.report.text import number, visible

MILLION = 10**6
TIME = "%Y-%m-%dT%H:%MZ"


def blocks(found: Footprint) -> Iterator[str | Grid]:
    """What ``accelsim footprint`` prints; the first line answers."""
    yield answer(found)
    yield _cost_grid(found)
    if found.length is not None and any(place.series for place in found.places):
        yield _place_grid(found, found.length)
    if found.embodied is not None:
        parts = ", ".join(f"{name} {mass(grams)}" for name, grams in found.embodied.parts.items())
        share = found.share or Fraction(0)
        yield (
            f"making one device: {mass(found.embodied.grams)} CO2e ({parts}); of its working life "
            f"{'an' if found.job.what[0] in 'aeiou' else 'a'} {found.job.what} takes {float(share):.3g}"
        )
    else:
        yield "making the device: not counted (fab_grid, lifetime and the die's node and area, or memory)"
    yield "factors"
    yield from map(_line, found.factors)
    yield from found.notes


def answer(found: Footprint) -> str:
    """The first line: what one job emits, and of what that is made."""
    one = found.costs[0]
    made = "" if one.embodied is None else f", {mass(one.embodied)} of what making the device emitted"
    where = found.place.grid.name.removeprefix("grid").removeprefix(": ")
    best = f" on {visible(where)}, the lowest of {len(found.places)} grids" if len(found.places) > 1 else ""
    return f"{one.what}: {mass(one.grams)} CO2e ({mass(one.operational)} of running it{made}){best}"


def _cost_grid(found: Footprint) -> Grid:
    macs, made = found.job.macs is not None, found.embodied is not None
    header = ["", "times", *(["MACs"] if macs else []), "energy with PUE", "time", "running"]
    header += ["making", "all CO2e"] if made else []
    return Grid("footprint", tuple(header), tuple(_cost_row(cost, macs, made) for cost in found.costs), sums=0)


def _cost_row(cost: Cost, macs: bool, made: bool) -> tuple[str, ...]:
    row = [cost.what, number(float(cost.times))]
    row += [number(float(cost.macs or 0))] if macs else []
    row += [energy_text(cost.kwh), "" if cost.hours is None else time_text(cost.hours), mass(cost.operational)]
    return (*row, *([mass(cost.embodied or 0), mass(cost.grams)] if made else []))


def _place_grid(found: Footprint, length: Fraction) -> Grid:
    header = ("grid", "covers", "mean", "start", "mean then", "worst start", "mean then", "hour of day", "mean then")
    title = f"where and when, for a job of {time_text(length)}: g CO2e/kWh, times in UTC"
    return Grid(title, header, tuple(_place_row(place, length) for place in found.places), sums=0)


def _place_row(place: Place, length: Fraction) -> tuple[str, ...]:
    name, series = visible(place.grid.name.removeprefix("grid: ")), place.series
    if series is None or place.window is None:
        mean = number(float(place.grid.value))
        return (name, "", mean, "any time", mean, "", "", "", "")
    hour, then = series.hour_of_day(length)
    covers = (time_text(series.hours), number(float(series.mean)))
    return (name, *covers, *_when(place.window), *_when(series.worst(length)), f"{hour:02}", number(float(then)))


def _when(window: Window) -> tuple[str, str]:
    return f"{window.start:%Y-%m-%d %H:%M}", number(float(window.intensity))


def _line(factor: Factor) -> str:
    """One factor with its source: ``  PUE: 1.1 (given)``."""
    return f"  {visible(factor.name)}: {_shown(factor)} ({visible(factor.source)})"


def _shown(factor: Factor) -> str:
    if factor.unit == "kWh":
        return energy_text(factor.value)
    if factor.unit == "h":
        return time_text(factor.value)
    value = float(factor.value)
    text = f"{value:,.6g}" if abs(value) < MILLION else number(value)
    return f"{text} {factor.unit}".rstrip()


def document_of(found: Footprint) -> dict[str, Any]:
    """The document that ``--json`` prints: units in the keys, masses in g CO2e."""
    document: dict[str, Any] = {
        "costs": [_cost(cost) for cost in found.costs],
        "grids": [_place(place, found.length) for place in found.places],
        "grid": found.places.index(found.place),
        "embodied": None,
        "factors": [
            {"name": one.name, "value": float(one.value), "unit": one.unit, "source": one.source}
            for one in found.factors
        ],
        "notes": list(found.notes),
    }
    if found.embodied is not None:
        document["embodied"] = {
            "device_g": float(found.embodied.grams),
            "parts_g": {name: float(grams) for name, grams in found.embodied.parts.items()},
            "share_of_a_job": float(found.share or 0),
        }
    return document


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "what": cost.what,
        "times": float(cost.times),
        "macs": None if cost.macs is None else float(cost.macs),
        "kwh": float(cost.kwh),
        "hours": None if cost.hours is None else float(cost.hours),
        "operational_g": float(cost.operational),
        "embodied_g": None if cost.embodied is None else float(cost.embodied),
        "all_g": float(cost.grams),
    }


def _place(place: Place, length: Fraction | None) -> dict[str, Any]:
    name = place.grid.name.removeprefix("grid: ")
    found: dict[str, Any] = {"name": name, "g_per_kwh": float(place.intensity), "source": place.grid.source}
    if place.series is not None and place.window is not None and length is not None:
        best, worst = place.series.best(length), place.series.worst(length)
        hour, then = place.series.hour_of_day(length)
        found |= {
            "start": place.window.start.strftime(TIME),
            "mean_g_per_kwh": float(place.series.mean),
            "best": {"start": best.start.strftime(TIME), "g_per_kwh": float(best.intensity)},
            "worst": {"start": worst.start.strftime(TIME), "g_per_kwh": float(worst.intensity)},
            "hour_of_day": {"hour": hour, "g_per_kwh": float(then)},
            "covers_hours": float(place.series.hours),
            "signal": place.series.signal,
        }
    return found
