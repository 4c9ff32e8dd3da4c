"""Which places of an array hold work, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture
from accelsim.mapping.mapping import LoopNest
from accelsim.outcome import Outcome
from accelsim.workload.problem import LOOP_DIMS, Problem

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Use:
    """The children below a level. share : float[y, x], of the cycles in which MACs are done, those of layers that use
    the child.
    """

    level: str
    share: npt.NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Over all children."""
        return float(self.share.mean())


def placed(machine: Architecture, nest: LoopNest, problem: Problem) -> dict[str, Mask]:
    """bool[y, x] of every level with an array below it: the children that hold work in the fullest step.

    A child does where the first index of its tile lies in the problem, along every dim, as PEs are counted active.
    """
    found: dict[str, Mask] = {}
    step = dict.fromkeys(LOOP_DIMS, 1)
    for level in reversed(machine.levels):
        mapped = nest.level(level.name)
        places: dict[str, dict[str, npt.NDArray[np.int64]]] = {}
        for axis in ("x", "y"):
            # the index along each dim of the child in each row or column
            bases = {dim: np.zeros(1, np.int64) for dim in LOOP_DIMS}
            for loop in reversed(getattr(mapped, axis)):
                offsets = np.arange(loop.factor, dtype=np.int64) * step[loop.dim]
                for dim, inner in bases.items():
                    own = offsets if dim == loop.dim else np.zeros_like(offsets)
                    bases[dim] = (own[:, None] + inner[None, :]).ravel()
                step[loop.dim] *= loop.factor
            places[axis] = bases
        rows, columns = level.fanout.y, level.fanout.x
        if rows * columns > 1:
            mask = np.zeros((rows, columns), np.bool_)
            used = np.ones((places["y"]["N"].size, places["x"]["N"].size), np.bool_)
            for dim in LOOP_DIMS:
                used &= places["y"][dim][:, None] + places["x"][dim][None, :] < problem[dim]
            mask[: used.shape[0], : used.shape[1]] = used
            found[level.name] = mask
        for loop in mapped.temporal:
            step[loop.dim] *= loop.factor
    return dict(reversed(found.items()))


def uses(result: Outcome) -> list[Use]:
    """Of every array of the machine; none of PEs that map a layer by themselves, as SCNN's do."""
    machine = result.architecture
    if machine.cartesian:
        return []
    sums: dict[str, npt.NDArray[np.float64]] = {}
    cycles = 0
    for layer in result.layers:
        spent = layer.compute_cycles * layer.repeat
        cycles += spent
        for name, mask in placed(machine, layer.nest, layer.problem).items():
            sums[name] = sums.get(name, np.zeros(mask.shape)) + spent * mask
    return [Use(name, share / cycles) for name, share in sums.items()] if cycles else []
