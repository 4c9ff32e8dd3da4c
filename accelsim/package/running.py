"""A network on a package: the modes of rule C9."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from fractions import Fraction
from math import prod
from pathlib import Path
from typing import Any

from accelsim import arguments
from accelsim.declared import workload_parameters
from accelsim.energy.rows import EnergyRow
from accelsim.errors import AccelsimError, MappingError
from accelsim.networks import network_from
from accelsim.outcome import reasons
from accelsim.package.bounds import Bound
from accelsim.package.costs import Costs
from accelsim.package.flow import ZERO
from accelsim.package.homes import settled
from accelsim.package.idle import ORDER, idle
from accelsim.package.layerwise import Group, best_group
from accelsim.package.model import Package
from accelsim.package.outcome import LayerRow, Packaged
from accelsim.package.split import Cut
from accelsim.package.tracks import tracks
from accelsim.package.yaml import load_package
from accelsim.workload.network import Layer, Network

MODES = ("split", "pipeline", "tenants", "graph")
SYNC = "sync"
LAYERS = "layer by layer"
"""The bound of split mode: the largest one of each layer, added up."""
Progress = Callable[[int, int, str], None]


def simulate_package(
    package: str | Path | Package,
    workload: str | Path | Network,
    mode: str = "split",
    batch: int = 1,
    parameters: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Packaged:
    """Run a network on several cores.

    mode : 'split', all cores on one layer after another; 'pipeline', groups of layers on groups of cores; 'graph',
    whole layers by list schedule. parameters : of the package's file, and of the workload's. options : those of
    `simulate`. Several networks at once: `accelsim.package.tenants.simulate_tenants`.

    Raises AccelsimError for what is wrong in files and arguments, MappingError for layers no split of which fits.
    """
    arguments.known("mode", mode, MODES)
    # an image is an item of a pipeline
    items = 1 if mode == "pipeline" else batch
    package, network = read_both(package, workload, items, parameters or {}, options.pop("dims", None))
    if mode == "tenants":
        raise AccelsimError("mode: tenants takes a network for each: --tenant NET@CORES, twice or more")
    exact = bool(options.pop("exact", False))
    if exact and mode != "graph":
        raise AccelsimError(
            "exact: the best placement of a package is of mode graph; leave it out, or take --mode graph"
        )
    costs = Costs(package, network, options)
    if mode == "split":
        return split_mode(costs, progress)
    if mode == "pipeline":
        from accelsim.package.pipeline import pipeline_mode

        return pipeline_mode(costs, batch, progress)
    from accelsim.package.graph import graph_mode

    return graph_mode(costs, progress, exact)


def read_both(
    package: str | Path | Package,
    workload: str | Path | Network,
    batch: int,
    parameters: Mapping[str, Any],
    dims: Mapping[str, Any] | None = None,
) -> tuple[Package, Network]:
    """The package, and the network with those parameters that its file declares; the others are the package's."""
    names = workload_parameters(workload) if parameters else ()
    own = {name: value for name, value in parameters.items() if name in names}
    if not isinstance(package, Package):
        package = load_package(package, {name: value for name, value in parameters.items() if name not in own})
    return package, network_from(workload, batch, own, dims)


def given_split(package: Package, layer: Layer) -> Mapping[str, int] | None:
    """What the file says of a layer: of the first glob that its name fits."""
    return next((one for glob, one in package.split.items() if fnmatchcase(layer.name, glob)), None)


def check_splits(package: Package, layers: tuple[Layer, ...]) -> None:
    """Refuse a split of more parts than cores, and one that leaves a part empty in every layer that it is for."""
    for glob, factors in package.split.items():
        fitting = [layer for layer in layers if given_split(package, layer) is factors and layer.problem]
        where = f"package '{package.name}': split" + ("" if glob == "*" else f": {glob}")
        if prod(factors.values()) > len(package.cores):
            text = " ".join(f"{dim}{factor}" for dim, factor in factors.items())
            raise AccelsimError(
                f"{where}: {text} makes {prod(factors.values())} parts; it has {len(package.cores)} cores"
            )
        for dim, factor in factors.items():
            most = max(
                (Cut(layer.problem, {dim: factor}).parts_of(dim) for layer in fitting if layer.problem), default=0
            )
            if fitting and most < factor:
                raise AccelsimError(
                    f"{where}: {dim}: {factor} blocks leave a part empty in every layer; {most} at most are not empty"
                )


def groups_of(costs: Costs, cores: tuple[int, ...], progress: Progress | None = None, label: str = "") -> list[Group]:
    """The best group of each layer on some cores, equal layers once. Raises MappingError with all that fit nowhere."""
    found: list[Group] = []
    failures: list[tuple[str, str]] = []
    known: dict[tuple[object, ...], Group] = {}
    layers = costs.layers
    for index, layer in enumerate(layers):
        if progress:
            progress(index, len(layers), f"{label}{layer.name}")
        given = given_split(costs.package, layer)
        key = (layer.problem, costs.alike(layer), tuple(sorted((given or {}).items())), given is None)
        try:
            if key not in known:
                known[key] = best_group(costs, layer, cores, given)
            found.append(replace(known[key], layer=layer))
        except MappingError as error:
            failures.append((layer.name, str(error)))
    if failures:
        raise MappingError("\n".join(reasons(failures)))
    return found


def split_mode(costs: Costs, progress: Progress | None = None) -> Packaged:
    """All cores, one layer after another; repeats one after another."""
    package = costs.package
    check_splits(package, costs.layers)
    groups = groups_of(costs, tuple(range(len(package.cores))), progress)
    homes = ["memory"] * len(groups)
    if package.resident:
        groups, homes = settled(costs, groups)
    names = [core.name for core in package.cores]
    work = [ZERO] * len(names)
    waits: list[dict[str, Fraction]] = [{} for _ in names]
    totals: dict[str, Fraction] = {}
    now, rows, pieces = ZERO, [], []
    for group, home in zip(groups, homes, strict=True):
        repeat, several = group.layer.repeat, len({one.core for one in group.placed}) > 1
        hand_over = package.sync if several else ZERO
        own, causes = idle(group.run, names)
        for core, (busy, cause) in enumerate(zip(own, causes, strict=True)):
            work[core] += busy * repeat
            # the next layer begins when all have ended: what is left of this one is its order
            more = {ORDER if name == "nothing left" else name: cycles for name, cycles in cause.items()}
            more[SYNC] = hand_over
            for name, cycles in more.items():
                if cycles:
                    waits[core][name] = waits[core].get(name, ZERO) + cycles * repeat
        for bound in _layer_bounds(package, group):
            totals[bound.what] = totals.get(bound.what, ZERO) + bound.cycles * repeat
        pieces += tracks(package, group.run, now, group.layer.name)
        cycles = group.cycles + hand_over
        now += cycles * repeat
        used = tuple(sorted({one.core for one in group.placed}))
        rows.append(LayerRow(group.layer.name, repeat, group.cut.text, used, cycles, group.energy, home))
    bounds = tuple(Bound(what, cycles) for what, cycles in totals.items())
    return Packaged(
        package, costs.network.name, "split", costs.network.batch, tuple(rows), now, tuple(work), tuple(waits), bounds,
        energy_rows(package, [(costs, groups)], now), costs.unit, pieces=tuple(pieces),
    )  # fmt: skip


def _layer_bounds(package: Package, group: Group) -> list[Bound]:
    """Of one layer: layers come one after another, so the bounds of all add up to one of the whole.

    The largest one of each layer is kept as a sum of its own, which is above each single sum.
    """
    from accelsim.package.bounds import placement_bounds

    names = [core.name for core in package.cores]
    found = placement_bounds(group.run.schedule, names, [one.name for one in package.resources])
    return [Bound(LAYERS, max(one.cycles for one in found)), *found]


def energy_rows(
    package: Package, parts: list[tuple[Costs, list[Group]]], makespan: Fraction, times: int = 1
) -> tuple[EnergyRow, ...]:
    """Rows of all parts, of links, and of what stands while cores wait (C13). times : how often each group runs."""
    sums: dict[tuple[str, str, str], tuple[int, Fraction]] = {}

    def add(row: EnergyRow, runs: int = 1) -> None:
        key = (row.component, row.tensor, row.action)
        count, energy = sums.get(key, (0, ZERO))
        sums[key] = count + row.count * runs, energy + row.energy * runs

    busy, links = [ZERO] * len(package.cores), ZERO
    for _, groups in parts:
        for group in groups:
            runs = group.layer.repeat * times
            links += group.link_energy * runs
            for one in group.placed:
                if one.costed is None:
                    continue
                for row in one.costed.layer.energy_rows:
                    add(row, runs)
                busy[one.core] += one.costed.phases.cycles * runs * package.clock / package.cores[one.core].clock
    for core, cycles in zip(package.cores, busy, strict=True):
        for row in parts[0][0].standing(core, max(makespan - cycles, ZERO)):
            add(row)
    if links:
        add(EnergyRow("links", "all", "hop", 0, links))
    return tuple(EnergyRow(*key, *value) for key, value in sums.items())
