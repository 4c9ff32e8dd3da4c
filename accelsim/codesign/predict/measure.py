"""What layers cost, simulated: through the search of the house, in processes, layers that are identical once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from accelsim.errors import AccelsimError, MappingError
from accelsim.jobs import Job, Plan, jobs
from accelsim.sweep.pools import Pool
from accelsim.sweep.record import Record
from accelsim.sweep.work import Answers, Broke, Task
from accelsim.workload.network import Layer, Network, Shape
from accelsim.workload.problem import Problem

AT_ONCE = 8
"""Layers of a task: what a process is sent, and answers, has its price too."""
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Cost:
    """Of one run of a layer. ms : everything included. energy : in the unit of the energy table."""

    ms: float
    energy: float

    @property
    def power(self) -> float:
        """Energy per ms."""
        return self.energy / self.ms


def synthetic(problems: Sequence[Problem]) -> Network:
    """Layers side by side, as a network that can be planned."""
    layers = (Layer(f"{at}", "problem", (), Shape(1), problem) for at, problem in enumerate(problems))
    return Network("synthetic", tuple(layers), source="drawn")


def measured(plan: Plan, pool: Pool, progress: Progress | None = None) -> dict[str, Cost | str]:
    """The cost of each layer of a plan that multiplies, by name, or why it cannot be run.

    Raises MappingError where none can, AccelsimError where an evaluation breaks.
    """
    wanted = jobs(plan)
    distinct: dict[Job, str] = {}
    for job in wanted:
        distinct.setdefault(job, job.layer.name)
    answers = _answers(plan, list(distinct), pool, progress)
    hertz = float(plan.machine.clock_hz)
    found: dict[str, Cost | str] = {}
    for job in wanted:
        record = answers[distinct[job]]
        cost = Cost(1e3 * record.timing.cycles / hertz, float(sum(row.energy for row in record.energy_rows)))
        found[job.layer.name] = record.error or cost
    if wanted and all(isinstance(cost, str) for cost in found.values()):
        raise MappingError(next(str(cost) for cost in found.values()))
    return found


def _answers(plan: Plan, distinct: list[Job], pool: Pool, progress: Progress | None) -> dict[str, Record]:
    # a process is sent the layers of its task alone
    lean = replace(plan, ran=replace(plan.ran, network=synthetic(())))
    parts = [distinct[at : at + AT_ONCE] for at in range(0, len(distinct), AT_ONCE)]
    pending = [pool.submit(Task(lean, tuple((job.layer.name, job) for job in part))) for part in parts]
    found: dict[str, Record] = {}
    for future in pending:
        answers: Answers = future.result()
        for name, record in answers:
            if isinstance(record, Broke):
                raise AccelsimError(f"a layer broke: {record.error}")
            found[name] = record
        if progress:
            progress(len(found), len(distinct), "layers")
    return found
