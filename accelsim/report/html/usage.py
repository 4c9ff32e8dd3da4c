"""Which places of an array hold work, and how full each memory is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from accelsim.architecture.model import Architecture
from accelsim.mapping.mapping import LoopNest
from accelsim.outcome import Outcome
from accelsim.report.html.svg import FAINT, INK, Drawing, between
from accelsim.report.text import percent, shown
from accelsim.workload.problem import LOOP_DIMS, Problem

Mask = npt.NDArray[np.bool_]
SIDE, LEAST, BARE = 300, 14, 40
"""Most pixels of a picture's side, and least; most rows or columns that are drawn one by one."""
IDLE, BUSY = (238, 238, 238), (0, 114, 178)
"""Light grey to the blue of the palette."""


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


def draw(use: Use) -> Markup:
    """The array as a map, the darker the longer a place works; equal neighbours are one box."""
    rows, columns = use.share.shape
    cell = min(SIDE / max(rows, columns), 22.0)
    wide, high = max(cell * columns, LEAST), max(cell * rows, LEAST)
    drawing = Drawing(high + 34, f"use of the {rows} x {columns} array below {use.level}", fixed=max(wide + 2, 240.0))
    single = max(rows, columns) <= BARE
    for top, tall, row in _runs(use.share, rows, single):
        for left, broad, cells in _runs(row[None, :].T, columns, single):
            share = float(cells[0])
            title = f"row {_span(top, tall)}, column {_span(left, broad)}: {percent(share)} % of the cycles with MACs"
            box = (1 + left * wide / columns, 1 + top * high / rows, broad * wide / columns, tall * high / rows)
            drawing.rect(*box, (between(IDLE, BUSY, share), ""), title, "#ffffff" if single else "")
    drawing.rect(1, 1, wide, high, ("none", ""), edge=FAINT)
    drawing.text(1, high + 15, f"{rows} x {columns} below {shown(use.level, 20)}", colour=INK)
    drawing.text(1, high + 29, f"works {percent(use.mean)} % of the cycles with MACs", colour=FAINT)
    return drawing.markup()


def _runs(lines: npt.NDArray[np.float64], count: int, single: bool) -> list[tuple[int, int, npt.NDArray[np.float64]]]:
    """(first, how many, one of them) of equal neighbours among rows."""
    if single:
        return [(index, 1, lines[index]) for index in range(count)]
    found, at = [], 0
    for _, run in groupby(lines, lambda line: line.tobytes()):
        same = list(run)
        found.append((at, len(same), same[0]))
        at += len(same)
    return found


def _span(first: int, count: int) -> str:
    return f"{first}" if count == 1 else f"{first} to {first + count - 1}"
