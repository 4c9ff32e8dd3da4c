"""Models and predictions as tables and lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accelsim.codesign.predict.model import Model
from accelsim.codesign.predict.predicted import Prediction
from accelsim.report.grid import Grid
from accelsim.report.text import energy_scale, energy_text, many, milliseconds, number, percent, shown, ten_to, times

TOO_FAR = 0.25
"""RMSPE of runtime above which a model says that it is not to be relied on, and what may do better."""
Block = str | Grid


def fit_report(model: Model) -> list[Block]:
    """What ``accelsim fit`` prints: errors on held-out layers and on whole networks, and where steps defeat it."""
    found: list[Block] = [f"{model.kind} of '{shown(model.machine['name'])}', fitted on layers drawn with seed "
                          f"{model.fitted['seed']}; digest {model.machine['digest'][:12]}"]  # fmt: skip
    header = ("type", "fitted", "held out", "runtime [%]", "power [%]", "energy [%]", "MACs alone: runtime [%]",
              "energy [%] ")  # fmt: skip
    rows = [_type_row(name, own.errors, model.fitted["layers"][name]) for name, own in model.types.items()]
    found.append(Grid("RMSPE on held-out layers", header, tuple(rows), 0))
    if model.networks:
        rows = [_network_row(one) for one in model.networks]
        found.append(Grid("errors on networks, not fitted", ("network", "layers", "runtime [%]", "power [%]",
                          "energy [%]", "layers outside"), tuple(rows), 0))  # fmt: skip
    return [*found, *steps_lines(model)]


def _type_row(name: str, errors: Mapping[str, Any], layers: Mapping[str, int]) -> tuple[str, ...]:
    alone = errors["macs_alone"]
    parts = (errors["runtime"], errors["power"], errors["energy"], alone["runtime"], alone["energy"])
    counts = f"{layers['fitted']:,}", f"{layers['held_out']:,}"
    return (name.replace("_", " "), *counts, *map(percent, parts))


def _network_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    errors = (f"{100 * one['errors'][what]:+.1f}" for what in ("runtime", "power", "energy"))
    return (shown(one["name"]), f"{one['layers']:,}", *errors, f"{one['outside']:,}")


def steps_lines(model: Model) -> list[str]:
    """Where the model is far off, and whether the machine's steps are why: a line for each type."""
    found = []
    for name, own in model.types.items():
        errors = own.errors
        if errors["runtime"] <= TOO_FAR:
            continue
        parts = [
            f"{percent(errors[key]['runtime'])} % where {text} of the multipliers have work"
            for key, text in (("idle", "less than half"), ("busy", "half or more"))
            if key in errors
        ]
        more = "; a polynomial has no folds and edges: --kind table has them" if model.kind == "polynomial" else ""
        found.append(
            f"{name.replace('_', ' ')}: runtime is off by {percent(errors['runtime'])} % ({', '.join(parts)}){more}"
        )
    return found


def report(prediction: Prediction) -> list[Block]:
    """What ``accelsim predict`` prints."""
    model, unit = prediction.model, prediction.model.unit
    of = f" of {many(prediction.batch, 'image')}" if prediction.batch > 1 else ""
    first = (
        f"{milliseconds(prediction.ms)} ms, {power_text(prediction.power, unit)}, "
        f"{energy_text(prediction.energy, unit)}{of}: {shown(prediction.network)} on "
        f"{shown(model.machine['name'])}, predicted by a {model.kind}, nothing simulated"
    )
    scale, name = energy_scale(unit, prediction.energy / max(1, len(prediction.layers)))
    power_scale, power_name = _power_scale(unit)
    header = ("layer", "type", "MACs [M]", "runtime [ms]", f"power [{power_name}]", f"energy [{name}]", "work [%]", "")
    rows = [
        (
            shown(layer.name) + (f" x{layer.repeat}" if layer.repeat > 1 else ""),
            layer.kind.replace("_", " "),
            number(layer.macs * layer.repeat / 1e6),
            milliseconds(layer.ms * layer.repeat),
            number(layer.power / power_scale),
            number(layer.energy * layer.repeat / scale),
            percent(layer.filled),
            "outside" if layer.outside else "",
        )
        for layer in prediction.layers
    ]
    macs = sum(layer.macs * layer.repeat for layer in prediction.layers)
    total = (number(macs / 1e6), milliseconds(prediction.ms), number(prediction.power / power_scale),
             number(prediction.energy / scale))  # fmt: skip
    rows.append(("all", "", *total, "", ""))
    return [first, Grid("predicted", header, tuple(rows)), *_lines(prediction)]


def _power_scale(unit: str) -> tuple[float, str]:
    """PJ per ms are nW."""
    return (1e6, "mW") if unit == "pJ" else (1e6, f"{ten_to(6)} {unit}/ms")


def power_text(value: float, unit: str) -> str:
    """Energy per ms at a readable size."""
    scale, name = _power_scale(unit)
    return f"{number(value / scale)} {times(name)}"


def _lines(prediction: Prediction) -> list[str]:
    model, found = prediction.model, []
    kinds = dict.fromkeys(layer.kind for layer in prediction.layers)
    errors = {kind: model.types[kind].errors for kind in kinds}
    told = (
        f"{kind.replace('_', ' ')} {percent(own['runtime'])} %, {percent(own['power'])} %, {percent(own['energy'])} %"
        for kind, own in errors.items()
    )
    found.append(f"RMSPE of runtime, power, energy on held-out layers: {'; '.join(told)}")
    if prediction.on_edges:
        idle = dict.fromkeys(one.kind for one in prediction.on_edges)
        off = {kind: errors[kind]["idle"]["runtime"] for kind in idle if "idle" in errors[kind]}
        text = f"; so did held-out layers that it missed by {', '.join(f'{percent(one)} %' for one in off.values())}"
        layers = many(len(prediction.on_edges), "layer")
        found.append(
            f"{layers} have work for less than half of the multipliers (folds, edges), which no polynomial follows"
            f"{text if off else ''}: --kind table does"
        )
    if prediction.beside:
        time = f"{milliseconds(prediction.beside_ms)} ms, " if model.pooling.runtime else "no time, "
        energy = energy_text(prediction.beside_energy, model.unit)
        found.append(
            f"not in the sum, as in that of a run: {many(len(prediction.beside), 'layer')} without MACs, {time}{energy}"
        )
    return found
