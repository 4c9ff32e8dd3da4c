"""What parts of layers cost on the cores of a package; equal parts on equal cores are run once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.energy.rows import EnergyRow, total
from accelsim.energy.standing import standing_rows
from accelsim.errors import MappingError
from accelsim.jobs import Job, Plan, jobs, run_job
from accelsim.outcome import LayerResult
from accelsim.package.flow import Entry
from accelsim.package.model import Core, Package
from accelsim.package.phases import Phases, alone, at_memory, entry, phases
from accelsim.simulate import prepare
from accelsim.workload.network import Layer, Network
from accelsim.workload.problem import Problem


@dataclass(frozen=True)
class Costed:
    """A part on a core: as it was run at the full rate, and its phases."""

    layer: LayerResult
    phases: Phases


class Costs:
    """Runs parts of one network's layers. options : those of `simulate` (dataflow, objective, evaluator, energy...)."""

    def __init__(self, package: Package, network: Network, options: Mapping[str, Any] | None = None) -> None:
        self.package, self.network = package, network
        self.plans: dict[str, Plan] = {}
        self.jobs: dict[str, dict[str, Job]] = {}
        self.found: dict[tuple[str, str, Problem], Costed | MappingError] = {}
        for core in package.cores:
            if core.group not in self.plans:
                plan = prepare(at_memory(package, core), network, **(options or {}))
                self.plans[core.group] = plan
                self.jobs[core.group] = {job.layer.name: job for job in jobs(plan)}
                self.network = plan.ran.network

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Those that are run: they were chosen, and multiply."""
        plan = next(iter(self.plans.values()))
        return tuple(layer for layer in plan.layers if layer.problem is not None)

    def part(self, core: Core, layer: Layer, problem: Problem) -> Costed:
        """A part of a layer on a core. Raises MappingError where it cannot be mapped there."""
        plan, job = self.plans[core.group], self.jobs[core.group][layer.name]
        key = (core.group, self._alike(layer, job), problem)
        if key not in self.found:
            own = replace(job, layer=replace(layer, problem=problem), problem=problem)
            if problem != layer.problem:
                own = replace(own, nest=None)
            done = run_job(own, plan)
            if isinstance(done, LayerResult):
                done = replace(done, name=layer.name, op=layer.op)
                costed = Costed(done, phases(own.machine, done, alone(self.package, core)))
                self.found[key] = costed
            else:
                self.found[key] = MappingError(f"{core.name}: {done}", done.overflows)
        found = self.found[key]
        if isinstance(found, MappingError):
            raise found
        return replace(found, layer=replace(found.layer, name=layer.name, op=layer.op))

    @staticmethod
    def _alike(layer: Layer, job: Job) -> str:
        """What tells layers of one problem apart: nests that were given, zeros, widths."""
        return f"{job.nest}|{job.zeros}|{job.raw}|{job.widths}|{layer.spread}"

    def alike(self, layer: Layer) -> str:
        """What tells layers of one problem apart on any core."""
        return "; ".join(self._alike(layer, own[layer.name]) for own in self.jobs.values())

    def entry(self, core: Core, costed: Costed, name: str) -> Entry:
        """The part as an entry of the core's list."""
        return entry(self.package, core, costed.phases, name)

    def machine(self, core: Core) -> Architecture:
        """Of a core, with the path to its memory."""
        return self.plans[core.group].machine

    def standing(self, core: Core, cycles: Fraction) -> tuple[EnergyRow, ...]:
        """What a core takes while it does nothing, for so many cycles of the package, rounded up once."""
        own = -(-cycles * core.clock // self.package.clock)
        return tuple(standing_rows(self.machine(core), self.plans[core.group].table, int(own)))

    @property
    def unit(self) -> str:
        """Of energies; one for all cores, else ''."""
        units = {plan.table.unit for plan in self.plans.values()}
        return units.pop() if len(units) == 1 else ""


def energy_of(costed: Costed) -> Fraction:
    """Of a part by itself, what stands while it runs among it."""
    return total(costed.layer.energy_rows)
