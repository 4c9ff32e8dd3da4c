"""Fitting a model: synthetic layers drawn, simulated, and a part of them held out to say how far off it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from accelsim import arguments
from accelsim.architecture.document import document_of as machine_document
from accelsim.architecture.model import Architecture
from accelsim.canonical import sha256
from accelsim.codesign.predict import draw
from accelsim.codesign.predict.folds import Arrays, arrays_of
from accelsim.codesign.predict.kinds import FEATURES, PHYSICAL, Described, describe
from accelsim.codesign.predict.measure import Cost, measured, synthetic
from accelsim.codesign.predict.model import KINDS, Model, TypeModel
from accelsim.codesign.predict.polynomial import fit_polynomial
from accelsim.codesign.predict.pooling import fit_pooling
from accelsim.codesign.predict.predicted import predict
from accelsim.codesign.predict.table import fit_table
from accelsim.codesign.predict.terms import Floats
from accelsim.codesign.predict.tiles import filled, points
from accelsim.document import versions
from accelsim.energy.document import document_of as table_document
from accelsim.errors import AccelsimError
from accelsim.jobs import Plan, jobs
from accelsim.simulate import prepare
from accelsim.sweep.pools import Pool, processes
from accelsim.workload.network import Network
from accelsim.workload.problem import Problem

HELD_OUT = 0.15
"""Share of the layers that no model sees: its errors are theirs."""
FEWEST = 60
"""Samples of a type: a tenth of them is left out in turn, and there are a dozen dozen terms."""
CHECKS = ("alexnet", "resnet50")
OPTIONS = ("dataflow", "evaluator", "objective", "energy", "node", "supply", "accounting", "parameters", "bits")
"""Those of `simulate.prepare` that a model may be fitted under."""
ONE = Problem((1,) * 8)
"""A layer that any plan can be made with."""
IDLE = 0.5
"""Below this share of busy multipliers the steps of a machine are told from the rest."""
Told = Callable[[int, int, str], None]


class Sample(NamedTuple):
    """The layers of a type that could be run, and what each costs."""

    layers: list[Described]
    ms: Floats
    energy: Floats

    def part(self, chosen: Sequence[int]) -> Sample:
        """Some of them."""
        at = list(chosen)
        return Sample([self.layers[index] for index in at], self.ms[at], self.energy[at])


class Samples(NamedTuple):
    """All that a model is fitted on and checked with. plan : of the machine; checks : networks with their costs."""

    plan: Plan
    samples: int
    seed: int
    types: Mapping[str, Sample]
    checks: tuple[tuple[Network, Mapping[str, Cost | str]], ...]
    options: Mapping[str, Any]


def fit(
    architecture: str | Path | Architecture,
    kind: str = "polynomial",
    samples: int = 1000,
    seed: int = 0,
    checks: Sequence[str | Path | Network] = CHECKS,
    workers: int | None = None,
    progress: Told | None = None,
    **options: Any,
) -> Model:
    """Fit a model of a machine on synthetic layers.

    Parameters
    ----------
    kind : 'polynomial' (`polynomial`) or 'table' (`table`).
    samples, seed : layers drawn of each type, and of what; see `draw`. The same seed draws the same layers.
    checks : networks that are simulated too, none of them fitted: how far off the model is on each.
    workers : processes; default: as many as there are cores. progress : called with (done, of, what).
    options : of `OPTIONS`, as `accelsim.simulate` takes them; by default what it runs by default, without zeros.

    Raises
    ------
    AccelsimError : an argument that is wrong, scikit-learn that is missing, a machine that can run none of the layers.
    """
    arguments.known("kind", kind, KINDS)
    need_sklearn()
    return fitted(sampled(architecture, samples, seed, checks, workers, progress, **options), kind)


def sampled(
    architecture: str | Path | Architecture,
    samples: int = 1000,
    seed: int = 0,
    checks: Sequence[str | Path | Network] = CHECKS,
    workers: int | None = None,
    progress: Told | None = None,
    **options: Any,
) -> Samples:
    """Draw layers and simulate them, for models of either kind; parameters and errors as of `fit`."""
    for name in options:
        arguments.known("option", name, OPTIONS)
    samples, seed = arguments.whole("samples", samples, FEWEST), arguments.whole("seed", seed, 0)
    pool = processes(workers)
    try:
        plan = prepare(architecture, synthetic((ONE,)), **_dense(options))
        plans = [prepare(architecture, network, **_dense(options)) for network in checks]
        types = {}
        for name in FEATURES:
            drawn = list(draw.layers(name, samples, seed))
            types[name] = _sample(architecture, drawn, options, pool, _named(progress, name))
        costs = [(own.ran.network, measured(own, pool, _named(progress, own.ran.network.name))) for own in plans]
        return Samples(plan, samples, seed, types, tuple(costs), options)
    finally:
        pool.close()


def fitted(found: Samples, kind: str) -> Model:
    """The model of layers that were measured."""
    plan, seed = found.plan, found.seed
    # of the widths of the run: a multiplier may split
    arrays = arrays_of(jobs(plan)[0].machine, plan.flow)
    types: dict[str, TypeModel] = {}
    parts = {}
    for name, sample in found.types.items():
        if len(sample.layers) < FEWEST // 2:
            continue  # a machine that can run hardly any of a type
        order = np.random.default_rng([seed, len(types)]).permutation(len(sample.layers))
        held = round(HELD_OUT * len(order))
        parts[name] = sample.part(sorted(order[held:])), sample.part(sorted(order[:held]))
        types[name] = _type(kind, name, arrays, parts[name][0], seed)
    if not types:
        raise AccelsimError(f"'{plan.machine.name}' runs too few of the drawn layers to fit anything")
    counts = {
        name: {"fitted": len(train.layers), "held_out": len(test.layers)} for name, (train, test) in parts.items()
    }
    told = {"seed": seed, "layers": counts, "versions": versions()}
    pooling = fit_pooling(plan, found.samples, seed, HELD_OUT)
    model = Model(kind, machine_of(plan, found.options), arrays, types, pooling, told)
    own = {name: replace(one, errors=layer_errors(model, *parts[name])) for name, one in types.items()}
    model = replace(model, types=own)
    return replace(model, networks=tuple(network_errors(model, network, costs) for network, costs in found.checks))


def need_sklearn() -> None:
    """Raise AccelsimError without scikit-learn, which fits."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise AccelsimError("fit needs scikit-learn: pip install 'accelsim[codesign]'") from None


def _dense(options: Mapping[str, Any]) -> dict[str, Any]:
    return {**options, "data": "dense"}


def _named(progress: Told | None, name: str) -> Told | None:
    return None if progress is None else lambda done, of, what: progress(done, of, f"{name.replace('_', ' ')}: {what}")


def _sample(
    architecture: str | Path | Architecture, problems: Sequence[Problem], options: Mapping[str, Any], pool: Pool,
    progress: Told | None,
) -> Sample:  # fmt: skip
    """The layers of a type, measured; those that the machine cannot run are left out."""
    plan = prepare(architecture, synthetic(problems), **_dense(options))
    costs = measured(plan, pool, progress)
    pairs = [(describe(problem), cost) for problem, cost in zip(problems, costs.values(), strict=True)]
    ran = [(layer, cost) for layer, cost in pairs if isinstance(cost, Cost) and cost.ms > 0]
    ms, energy = (np.array([getattr(cost, what) for _, cost in ran]) for what in ("ms", "energy"))
    return Sample([layer for layer, _ in ran], ms, energy)


def _type(kind: str, name: str, arrays: Arrays, train: Sample, seed: int) -> TypeModel:
    described = np.array([(*layer.features, *layer.physical) for layer in train.layers])
    names = (*FEATURES[name], *PHYSICAL)
    ranges = {
        number: (float(column.min()), float(column.max())) for number, column in zip(names, described.T, strict=True)
    }
    if kind == "table":
        numbers = points(train.layers, arrays)
        runtime, energy = (fit_table(numbers, one, np.random.default_rng(seed)) for one in (train.ms, train.energy))
        return TypeModel(runtime, "energy", energy, ranges, {}, numbers)
    return TypeModel(
        fit_polynomial(name, described, train.ms, seed),
        "power",
        fit_polynomial(name, described, train.energy / train.ms, seed, log=True),
        ranges,
        {},
    )


def machine_of(plan: Plan, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a model says of its machine. digest : of all that decides what a dense layer costs there.

    options : what was chosen; names and numbers of them are kept.
    """
    machine, ran = plan.machine, plan.ran
    told = {
        "dataflow": plan.dataflow, "evaluator": plan.evaluator, "objective": ran.objective,
        "energy_table": plan.table.name, "accounting": plan.table.accounting or "counts", "bits": dict(ran.bits),
    }  # fmt: skip
    documents = {**told, "machine": machine_document(machine), "table": table_document(plan.table)}
    return {
        "name": machine.name, "digest": sha256(documents), "clock_hz": float(machine.clock_hz),
        "energy_unit": plan.table.unit, "parameters": {name: str(value) for name, value in ran.parameters.items()},
        **told,
        "options": {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in options.items()
            if name != "parameters" and isinstance(value, str | int | float | Mapping)
        },
    }  # fmt: skip


def check_machine(model: Model, architecture: str | Path | Architecture, parameters: Mapping[str, Any]) -> None:
    """Raise AccelsimError unless the model is of this machine, run as it was fitted (`Model.require`)."""
    options = dict(model.machine.get("options", {}))
    plan = prepare(architecture, synthetic((ONE,)), **_dense({**options, "parameters": dict(parameters)}))
    model.require(machine_of(plan, options)["digest"], plan.machine.name)


def rmspe(predicted: Floats, true: Floats) -> float:
    """Root of the mean squared relative error."""
    return float(np.sqrt(np.mean((predicted / true - 1) ** 2)))


def layer_errors(model: Model, train: Sample, test: Sample) -> dict[str, Any]:
    """RMSPE on held-out layers of a type.

    macs_alone : the same of a constant times MACs, the constant that is best for the layers fitted on. idle, busy : of
    runtime, where less than half of the multipliers has work in the mean step, and where more has.
    """
    costs = model.costs(test.layers)
    of = {"runtime": (costs.ms, test.ms), "power": (costs.power, test.energy / test.ms)}
    of["energy"] = costs.energy, test.energy
    found: dict[str, Any] = {what: _error(*pair) for what, pair in of.items()}
    found["macs_alone"] = {
        what: _error(_constant(train, of_train) * _macs(test), of[what][1])
        for what, of_train in (("runtime", train.ms), ("energy", train.energy))
    }
    share = np.array([filled(layer, model.arrays) for layer in test.layers])
    for name, chosen in (("idle", share < IDLE), ("busy", share >= IDLE)):
        if chosen.any():
            found[name] = {"layers": int(chosen.sum()), "runtime": _error(costs.ms[chosen], test.ms[chosen])}
    return found


def _error(predicted: Floats, true: Floats) -> float:
    return round(rmspe(predicted, true), 6)


def _macs(sample: Sample) -> Floats:
    return np.array([layer.physical[0] for layer in sample.layers])


def _constant(sample: Sample, true: Floats) -> float:
    """What times MACs has the least RMSPE."""
    ratio = _macs(sample) / true
    return float(ratio.sum() / (ratio**2).sum())


def network_errors(model: Model, network: Network, costs: Mapping[str, Cost | str]) -> dict[str, Any]:
    """Relative errors of a network's runtime, power and energy, over its layers that could be simulated."""
    told = {layer.name: layer for layer in predict(model, network).layers}
    true = [(told[name], cost) for name, cost in costs.items() if isinstance(cost, Cost) and name in told]
    ms, energy = (sum(getattr(cost, what) * own.repeat for own, cost in true) for what in ("ms", "energy"))
    ours = [sum(getattr(own, what) * own.repeat for own, _ in true) for what in ("ms", "energy")]
    return {
        "name": network.name, "batch": network.batch, "layers": len(true), "ms": ms, "energy": energy,
        "outside": sum(bool(own.outside) for own, _ in true),
        "errors": {
            "runtime": round(ours[0] / ms - 1, 6),
            "power": round(ours[1] / ours[0] / (energy / ms) - 1, 6),
            "energy": round(ours[1] / energy - 1, 6),
        },
    }  # fmt: skip
