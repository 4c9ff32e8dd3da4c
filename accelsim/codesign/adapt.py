"""NetAdapt (T.-J. Yang et al., ECCV 2018): layers are narrowed step by step until a simulated budget is met.

Each step has a resource (cycles, energy, bytes) to come down to. Every layer proposes the widest of its widths that
gets there, with its filters of least norm gone; each proposal is trained on for a moment, and the most accurate one is
taken. At the end the network is trained on for long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture
from accelsim.codesign.costs import QUANTITIES, Cost, CostTable, Key, cost_table
from accelsim.errors import AccelsimError, nearest
from accelsim.workload.network import Network

Widths = Mapping[str, int]
FIRST, DECAY, MULTIPLE = 0.025, 0.96, 8
"""The authors' code: the first step takes 2.5 % of the whole, each next 0.96 of the one before; filters by eights."""


class Model(Protocol):
    """A trained network some layers of which may be narrowed. widths : their filters."""

    @property
    def widths(self) -> Widths:
        """Filters of each layer that may be narrowed."""

    def narrowed(self, name: str, filters: int) -> Model:
        """With so many filters of a layer, those of largest norm."""

    def tuned(self, long: bool) -> Model:
        """Trained on, for a moment or for long."""

    def accuracy(self) -> float:
        """Share that is known, 0 to 1."""


@dataclass(frozen=True)
class Step:
    """One step: the layer that was narrowed, to how many filters, and what came of it. wanted : resource asked for."""

    layer: str
    filters: int
    wanted: float
    resource: float
    accuracy: float


@dataclass(frozen=True)
class Adapted:
    """The network that meets its budget. whole : resource of the one it came from."""

    model: Model
    steps: tuple[Step, ...]
    whole: float
    resource: float
    accuracy: float


def adapt(
    model: Model,
    resource: Callable[[Widths], float],
    budget: float,
    first: float = FIRST,
    decay: float = DECAY,
    multiple: int = MULTIPLE,
) -> Adapted:
    """Narrow a network to a budget.

    Parameters
    ----------
    resource : what a network of these widths takes (`Simulated`). budget : in its unit. first : share of the whole that
        the first step takes; decay : of each next one, of the one before. multiple : filters come in these.

    Raises
    ------
    AccelsimError : no widths meet the budget, with the least that there is; a share outside 0 to 1, no whole multiple.
    """
    _check(budget, first, decay, multiple)
    least = resource({name: min(multiple, width) for name, width in model.widths.items()})
    whole = now = resource(model.widths)
    if least > budget:
        raise AccelsimError(
            f"no network meets a budget of {budget:.6g}: with {multiple} filters a layer it is {least:.6g}"
        )
    steps, take = list[Step](), first * whole
    while now > budget:
        wanted = max(now - take, budget)
        best, step = _best(model, resource, wanted, multiple)
        if step is None or best is None:
            # no layer gets there alone: ask for less, as far as any can go
            take /= 2
            if take < 1e-9 * whole:
                raise AccelsimError(
                    f"no network meets a budget of {budget:.6g}: no layer can be narrowed from {now:.6g}"
                )
            continue
        model, now, take = best, step.resource, take * decay
        steps.append(step)
    model = model.tuned(long=True)
    return Adapted(model, tuple(steps), whole, now, model.accuracy())


def _best(
    model: Model, resource: Callable[[Widths], float], wanted: float, multiple: int
) -> tuple[Model | None, Step | None]:
    """The most accurate proposal; of equal ones that with the least resource, then the first."""
    found: tuple[Model | None, Step | None] = None, None
    for name, width in model.widths.items():
        for filters in range((width - 1) // multiple * multiple, 0, -multiple):
            takes = resource({**model.widths, name: filters})
            if takes <= wanted:
                one = model.narrowed(name, filters).tuned(long=False)
                step = Step(name, filters, wanted, takes, one.accuracy())
                if found[1] is None or (-step.accuracy, takes) < (-found[1].accuracy, found[1].resource):
                    found = one, step
                break
    return found


def _check(budget: float, first: float, decay: float, multiple: int) -> None:
    if not budget > 0:
        raise AccelsimError(f"budget is {budget}; it must be more than 0")
    for name, value in (("first", first), ("decay", decay)):
        if not 0 < value <= 1:
            raise AccelsimError(f"{name} is {value}; it must lie in 0 to 1, and 0 is no step")
    if multiple < 1:
        raise AccelsimError(f"multiple is {multiple}; it must be at least 1")


def strongest(weights: npt.NDArray[np.float64], filters: int) -> npt.NDArray[np.int64]:
    """int64[filters], rising: the filters of largest norm; of equal ones the first. weights : float[M, ..]."""
    norms = np.sqrt(np.square(weights.reshape(len(weights), -1)).sum(axis=1))
    found: npt.NDArray[np.int64] = np.sort(np.argsort(-norms, kind="stable")[:filters])
    return found


@dataclass
class Simulated:
    """What networks take on a machine, out of a table that grows: each layer that differs is simulated once.

    build : widths -> network. quantity : one of `costs.QUANTITIES`. options : as of `cost_table`.
    """

    architecture: str | Path | Architecture
    build: Callable[[Widths], Network]
    quantity: str = "cycles"
    options: Mapping[str, Any] = field(default_factory=dict)
    table: CostTable | None = None

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise AccelsimError(f"unknown quantity '{self.quantity}'{nearest(self.quantity, QUANTITIES)}")

    def cost(self, widths: Widths) -> Cost:
        """Of the network of these widths, exactly."""
        network = self.build(widths)
        known = {} if self.table is None else self.table.entries
        new = [layer for layer in network.layers if layer.problem and Key.of(layer) not in known]
        if new:
            made = cost_table(self.architecture, new, **{"workers": 1, **self.options})
            self.table = CostTable(made.made, {**known, **made.entries})
        assert self.table is not None
        return self.table.total(network)

    def __call__(self, widths: Widths) -> float:
        """The quantity of it."""
        return float(self.cost(widths).value(self.quantity))
