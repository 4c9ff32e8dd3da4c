"""A cost table as arrays: what each choice costs at each position, and layers between those of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.codesign.costs import QUANTITIES, CostTable, Key
from accelsim.codesign.spaces.space import Choice, Space
from accelsim.errors import AccelsimError, nearest
from accelsim.workload.network import Layer
from accelsim.workload.problem import DIM_INDEX, DIMS, Problem

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
CHANNELS = ("G", "M", "C")
"""Dims that layers are interpolated along."""


@dataclass(frozen=True, repr=False)
class Choices:
    """What the networks of a space cost: `fixed`, and for each position what is chosen there.

    space : which. quantity : one of `costs.QUANTITIES`. fixed : what all of them have. costs : float64[position,
    operation], 0 where an operation may not stand; allowed : bool[position, operation]. Operations are those of
    `Space.operations`.
    """

    space: Space
    quantity: str
    fixed: float
    costs: Floats
    allowed: npt.NDArray[np.bool_]

    def __repr__(self) -> str:
        return f"Choices({self.quantity} of {self.space.name}: {self.costs.shape[0]} positions)"

    def indices(self, chosen: str | Sequence[Choice]) -> Ints:
        """int64[position]: a choice as places in `Space.operations`. Raises AccelsimError for one that is none."""
        names = self.space.operations
        return np.array([names.index(one) for one in self.space.choice(chosen)], np.int64)

    def price(self, indices: npt.ArrayLike) -> Floats:
        """float64[..]: what networks cost. indices : int64[.., position], places in `Space.operations`.

        Raises AccelsimError for an operation where it may not stand.
        """
        found = np.asarray(indices)
        rows = np.arange(len(self.costs))
        if found.shape[-1:] != rows.shape:
            raise AccelsimError(f"{self.space.name}: a choice has {len(rows)} operations, got {found.shape[-1:]}")
        if found.min(initial=0) < 0 or found.max(initial=0) >= self.costs.shape[1]:
            raise AccelsimError(f"{self.space.name}: operations are 0 to {self.costs.shape[1] - 1}")
        if not self.allowed[rows, found].all():
            where = self.space.positions[int(np.argwhere(~self.allowed[rows, found])[0][-1])].name
            raise AccelsimError(f"{self.space.name}: an operation that may not stand at '{where}'")
        total: Floats = self.fixed + self.costs[rows, found].sum(axis=-1)
        return total

    def latency(self, alpha: Floats) -> Floats:
        """The expectation over choices, of any quantity: ``fixed + sum(alpha * costs)``.

        alpha : float[position, operation], how probable each is; an array of any framework whose operators take numpy's
        (JAX, torch with `torch.as_tensor(self.costs)`): the derivative by alpha is `costs`.
        """
        found: Floats = self.fixed + (alpha * self.costs).sum()
        return found


def choices_of(table: CostTable, space: Space, quantity: str = "cycles", batch: int = 1) -> Choices:
    """The costs of a space as arrays.

    Raises
    ------
    AccelsimError : unknown quantity; a layer that the table has not.
    """
    if quantity not in QUANTITIES:
        raise AccelsimError(f"unknown quantity '{quantity}'{nearest(quantity, QUANTITIES)}")
    shape = len(space.positions), len(space.operations)
    costs, allowed, fixed = np.zeros(shape), np.zeros(shape, np.bool_), Fraction(0)
    for operation, (chosen, network) in enumerate(space.each(batch)):
        rest = table.total(network).value(quantity)
        for at, position in enumerate(space.positions):
            own = table.sum(space.layers_at(position, network)).value(quantity)
            rest -= own
            if chosen[at] == space.operations[operation]:
                costs[at, operation], allowed[at, operation] = float(own), True
        fixed = rest
    return Choices(space, quantity, float(fixed), costs, allowed)


class Between(NamedTuple):
    """A cost between those of a table. error : largest deviation, as a share, of its rows from those around them."""

    value: float
    error: float


def between(table: CostTable, layer: Layer, quantity: str = "cycles") -> Between:
    """What a layer costs that differs from those of a table in channels alone; exact, without error, if it has it.

    Between two numbers of channels it is on the line between them, and more channels never cost less: costs are raised
    to those of fewer channels. Several dims (M and C) go one after the other. The error is what leaving out each inner
    row and putting it back in this way comes to, at most.

    Raises
    ------
    AccelsimError : no row differs in channels alone, channels outside those of the table, or a grid with holes.
    """
    key = Key.of(layer)
    if key in table.entries:
        return Between(float(table.cost(layer).value(quantity)), 0.0)
    like = [one for one in table.entries if _alike(one, key) and not table.entries[one].error]
    sizes = {dim: sorted({_size(one.problem, dim) for one in like}) for dim in CHANNELS}
    axes = [dim for dim in CHANNELS if len(sizes[dim]) > 1]
    for dim in CHANNELS:
        own, known = _size(key.problem, dim), sizes[dim]
        if not known or not known[0] <= own <= known[-1]:
            reach = f"the table has {dim} {known[0]} to {known[-1]}" if known else "the table has no layer like it"
            raise AccelsimError(f"layer '{layer.name}': {dim} is {own}, and {reach}")
    values = {
        tuple(_size(one.problem, dim) for dim in axes): float(table.entries[one].cost.value(quantity)) for one in like
    }
    try:
        grid = np.array([values[at] for at in product(*(sizes[dim] for dim in axes))])
    except KeyError:
        raise AccelsimError(
            f"layer '{layer.name}': rows of the table are no whole grid of {' and '.join(axes)}"
        ) from None
    grid = grid.reshape([len(sizes[dim]) for dim in axes])
    for axis in range(len(axes)):
        grid = np.maximum.accumulate(grid, axis=axis)
    error = max((_left_out(grid, axis, sizes[dim]) for axis, dim in enumerate(axes)), default=0.0)
    for dim in axes:
        grid = _along(grid, sizes[dim], _size(key.problem, dim))
    return Between(float(grid), error)


def _along(grid: Floats, sizes: Sequence[int], at: int) -> Floats:
    """On the line between the two next to it, along the first axis."""
    after = max(1, int(np.searchsorted(sizes, at)))
    share = (at - sizes[after - 1]) / (sizes[after] - sizes[after - 1])
    found: Floats = np.asarray(grid[after - 1] * (1 - share) + grid[after] * share)
    return found


def _left_out(grid: Floats, axis: int, sizes: Sequence[int]) -> float:
    """What each inner row would be without itself, and how far that is off at most."""
    moved, worst = np.moveaxis(grid, axis, 0), 0.0
    for i in range(1, len(sizes) - 1):
        share = (sizes[i] - sizes[i - 1]) / (sizes[i + 1] - sizes[i - 1])
        guess = moved[i - 1] * (1 - share) + moved[i + 1] * share
        worst = max(worst, float(np.max(np.abs(guess / moved[i] - 1))))
    return worst


def _size(problem: Problem, dim: str) -> int:
    return problem.bounds[DIM_INDEX[dim]]


def _alike(one: Key, other: Key) -> bool:
    """Whether two layers differ in channels alone."""
    return one[1:] == other[1:] and _bare(one.problem) == _bare(other.problem)


def _bare(problem: Problem) -> Problem:
    """The problem of one channel."""
    sizes = (1 if dim in CHANNELS else size for dim, size in zip(DIMS, problem.sizes, strict=True))
    return replace(problem, sizes=tuple(sizes))
