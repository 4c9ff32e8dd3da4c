"""Several networks at once, each on cores of its own, sharing memories and links (rules C9 and C12)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError, nearest
from accelsim.networks import network_from
from accelsim.package.bounds import Bound, placement_bounds
from accelsim.package.costs import Costs
from accelsim.package.events import Run, carried_out
from accelsim.package.flow import ZERO, Edge, Entry, Flow, Schedule
from accelsim.package.idle import idle
from accelsim.package.layerwise import Group
from accelsim.package.model import Package
from accelsim.package.outcome import LayerRow, Packaged, Tenant
from accelsim.package.running import Progress, energy_rows, groups_of
from accelsim.package.tracks import tracks
from accelsim.package.yaml import load_package
from accelsim.yamlfile import named

MOST_ENTRIES = 20_000
"""Entries of one schedule; what repeats is written out, so a network that repeats much is refused, not waited for."""


@dataclass
class Chain:
    """Layers one after another on some cores, as entries of a schedule that is being written."""

    entries: list[Entry] = field(default_factory=list)
    lists: dict[int, list[int]] = field(default_factory=dict)

    def add(self, group: Group, after: Sequence[Edge]) -> list[int]:
        """A group's entries; each waits for what its own inputs say and for `after`. The indices of its entries."""
        base, found = len(self.entries), []
        for one in group.placed:
            inputs = tuple(Edge(edge.producer + base, edge.flow) for edge in one.entry.inputs)
            self.lists.setdefault(one.core, []).append(len(self.entries))
            found.append(len(self.entries))
            entry = one.entry
            self.entries.append(Entry(entry.work, (*inputs, *after), entry.fill, entry.body, entry.drain, entry.name))
        if len(self.entries) > MOST_ENTRIES:
            raise AccelsimError(
                f"more than {MOST_ENTRIES:,} parts of layers; choose fewer layers (layers), or a smaller batch"
            )
        return found

    def schedule(self, package: Package) -> Schedule:
        """All of it."""
        lists = tuple(tuple(self.lists.get(core, ())) for core in range(len(package.cores)))
        return Schedule(tuple(self.entries), lists, package.capacities, package.slots)


def simulate_tenants(
    package: str | Path | Package,
    tenants: Sequence[str],
    batch: int = 1,
    parameters: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Packaged:
    """Run a network on each of several groups of cores, all from the same instant on.

    tenants : ``resnet50@mxu``, ``bert_base@mxu.0+mxu.1``: a network, and groups or cores by name. Each runs its layers
    one after another, split over its cores. Slow-down is its time over its time alone on the same cores.

    Raises AccelsimError for cores that are not there, that two tenants have, or a tenant without any.
    """
    if not isinstance(package, Package):
        package = load_package(package, parameters)
    given = [_asked(package, text) for text in tenants]
    for index, (text, cores) in enumerate(given):
        for other, others in given[:index]:
            if both := set(cores) & set(others):
                name = package.cores[min(both)].name
                raise AccelsimError(
                    f"--tenant: core '{name}' is of '{other}' and of '{text}'; each core has one tenant"
                )
    if options.pop("exact", False):
        raise AccelsimError("exact: the best placement of a package is of mode graph; leave it out")
    options.pop("dims", None)
    chain, rows, costs_of, parts, alone = Chain(), [], [], [], []
    for text, cores in given:
        costs = Costs(package, network_from(text, batch), options)
        groups = groups_of(costs, cores, progress, f"{text}: ")
        own = Chain()
        entries = written(own, package, groups)
        alone.append(carried_out(own.schedule(package)).makespan)
        base = len(chain.entries)
        _append(chain, own, base)
        parts.append([entry + base for entry in entries])
        costs_of.append((costs, groups))
        for group in groups:
            rows.append(
                LayerRow(f"{text}: {group.layer.name}" if len(given) > 1 else group.layer.name, group.layer.repeat,
                         group.cut.text, tuple(sorted({one.core for one in group.placed})), group.cycles, group.energy)
            )  # fmt: skip
    run = carried_out(chain.schedule(package))
    found = tuple(
        Tenant(text, cores, max(run.ends[entry] for entry in entries), time)
        for (text, cores), entries, time in zip(given, parts, alone, strict=True)
    )
    return packaged(package, "tenants", batch, rows, run, costs_of, tenants=found)


def written(chain: Chain, package: Package, groups: Sequence[Group]) -> list[int]:
    """Write layers one after another: the next begins when all parts of the one before have ended, `sync` later."""
    found: list[int] = []
    after: tuple[Edge, ...] = ()
    for group in groups:
        for _ in range(group.layer.repeat):
            added = chain.add(group, after)
            found += added
            several = len({one.core for one in group.placed}) > 1
            after = tuple(hand_over(package, entry, several) for entry in added)
    return found


def hand_over(package: Package, producer: int, several: bool = True) -> Edge:
    """What waits for an entry without words of it: for its end, between cores the package's `sync` later."""
    return Edge(producer, Flow(latency=package.sync if several else ZERO))


def _append(chain: Chain, own: Chain, base: int) -> None:
    for entry in own.entries:
        inputs = tuple(Edge(edge.producer + base if edge.producer >= 0 else -1, edge.flow) for edge in entry.inputs)
        chain.entries.append(Entry(entry.work, inputs, entry.fill, entry.body, entry.drain, entry.name))
    for core, one in own.lists.items():
        chain.lists.setdefault(core, []).extend(entry + base for entry in one)


def packaged(
    package: Package,
    mode: str,
    batch: int,
    rows: Sequence[LayerRow],
    run: Run,
    parts: Sequence[tuple[Costs, Sequence[Group]]],
    more: Sequence[Bound] = (),
    tenants: tuple[Tenant, ...] = (),
    times: int = 1,
    notes: tuple[str, ...] = (),
) -> Packaged:
    """A run of one schedule, accounted for. times : how often each group of `parts` is in it."""
    names = [core.name for core in package.cores]
    work, causes = idle(run, names)
    bounds = placement_bounds(run.schedule, names, [one.name for one in package.resources])
    makespan = run.makespan
    energy = energy_rows(package, [(costs, list(groups)) for costs, groups in parts], makespan, times)
    units = {costs.unit for costs, _ in parts}
    workload = " and ".join(costs.network.name for costs, _ in parts)
    return Packaged(
        package, workload, mode, batch, tuple(rows), makespan, tuple(work), tuple(causes), (*bounds, *more),
        energy, units.pop() if len(units) == 1 else "", tenants, tuple(tracks(package, run, Fraction(0))), notes,
    )  # fmt: skip


def _asked(package: Package, text: str) -> tuple[str, tuple[int, ...]]:
    """A network, and the indices of its cores."""
    network, at, where = text.rpartition("@")
    if not at or not network or not where:
        raise AccelsimError(f"--tenant: '{text}' should be NETWORK@CORES, such as resnet50@{package.cores[0].group}")
    names = {core.name for core in package.cores} | {core.group for core in package.cores}
    found: list[int] = []
    for name in re.split(r"[+]", where):
        machines = sorted({core.machine.name for core in package.cores})
        if name not in names and named("arch", name) is not None:
            raise AccelsimError(
                f"--tenant: '{text}': no core is of machine '{name}'; those here are {', '.join(machines)}; "
                f"cores go by {', '.join(sorted(names))}"
            )
        if name not in names:
            raise AccelsimError(f"--tenant: '{text}': unknown cores '{name}'{nearest(name, sorted(names))}")
        found += [index for index, core in enumerate(package.cores) if name in (core.name, core.group)]
    return network, tuple(dict.fromkeys(found))
