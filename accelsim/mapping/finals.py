"""Where sums are final: which transfers of psums carry ofmap words, narrower than partial sums (docs/model.md).

Only sums that hold every product are narrowed, and only from the place on that the machine names. What a mapping says
of that is the same for all tiles: it follows from its loops, not from where they are clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from accelsim.architecture.model import Architecture
from accelsim.workload.problem import LOOP_DIMS, REDUCTION_DIMS, TENSOR_DIMS, Problem, Tensor

if TYPE_CHECKING:
    from accelsim.mapping.mapping import LoopNest


class Cut(NamedTuple):
    """A loop that has more than one iteration: its dim, whether it is spatial, and its level."""

    dim: str
    spatial: bool
    level: int


@dataclass(frozen=True)
class Finals:
    """The last drain of every tile from one level that keeps psums into the next one out.

    arrives : it is written there as ofmap words. leaves : it is read from the child as such. fanouts : the networks on
    its way that carry it as such.
    """

    arrives: bool
    leaves: bool
    fanouts: frozenset[int]


WIDE = Finals(False, False, frozenset())
"""Nothing is narrowed."""


def cuts(architecture: Architecture, nest: LoopNest, problem: Problem) -> list[Cut]:
    """The loops of a nest that do something, outermost first."""
    found: list[Cut] = []
    step = dict.fromkeys(LOOP_DIMS, 1)
    for level in reversed(range(len(architecture.levels))):
        for kind, loop in reversed(nest.level(architecture.levels[level].name).loops):
            if loop.factor > 1 and step[loop.dim] < problem[loop.dim]:
                found.append(Cut(loop.dim, kind != "temporal", level))
            step[loop.dim] *= loop.factor
    return found[::-1]


def finals_of(architecture: Architecture, nest: LoopNest, problem: Problem) -> dict[tuple[int, int], Finals]:
    """Which drains are narrowed, by (parent, child) of each pair of levels that psums are drained between.

    A register counts as level ``levels``. Empty where the machine narrows nothing.
    """
    if not architecture.narrows:
        return {}
    view = _View(architecture, cuts(architecture, nest, problem))
    drained = _drained(architecture, nest)
    arrives, whole = [], True  # whole: whether the parent starts its last stay from every product before
    for parent, child in drained:
        arrives.append(
            parent <= architecture.narrow_level
            and whole
            and not view.spread(parent)
            and not view.unmerged(parent, child)
        )
        refilled = whole and not view.spread(parent) and not architecture.accumulates(parent, child)
        whole = refilled or not view.visited_again(child)
    # what arrived narrowed is read so when it goes on
    leaves = [*arrives[1:], False]
    return {
        (parent, child): Finals(
            arrive, leave, frozenset(f for f in range(parent, child) if arrive and view.carries(parent, f))
        )
        for (parent, child), arrive, leave in zip(drained, arrives, leaves, strict=True)
    }


def _drained(architecture: Architecture, nest: LoopNest) -> list[tuple[int, int]]:
    levels, home = architecture.levels, architecture.home(Tensor.PSUM)
    keepers = [
        index
        for index, spec in enumerate(levels)
        if index in (home, architecture.parts_home(Tensor.PSUM))
        or (index > home and Tensor.PSUM in spec.keeps - nest.level(spec.name).bypass)
    ]
    return [*pairwise(keepers), *([(keepers[-1], len(levels))] if keepers[-1] < architecture.pe_level else [])]


def holds_finals(architecture: Architecture, nest: LoopNest, problem: Problem, level: int) -> bool:
    """Whether a level never holds a partial sum: every sum that arrives there is final, and narrowed."""
    found = finals_of(architecture, nest, problem)
    child = next((inner for outer, inner in found if outer == level), None)
    if child is None or not found[level, child].arrives:
        return False
    view = _View(architecture, cuts(architecture, nest, problem))
    return not view.visited_again(child)


@dataclass(frozen=True)
class _View:
    """A nest as far as sums are concerned."""

    architecture: Architecture
    cuts: list[Cut]

    def spread(self, level: int) -> bool:
        """Whether the instances of a level have parts of the same sums."""
        return any(cut.spatial and cut.level < level and cut.dim in REDUCTION_DIMS for cut in self.cuts)

    def unmerged(self, parent: int, child: int) -> bool:
        """Whether sums reach the parent in parts that no network has added up."""
        return any(
            cut.spatial
            and parent <= cut.level < child
            and cut.dim in REDUCTION_DIMS
            and cut.dim not in self.architecture.levels[cut.level].fanout.network(Tensor.PSUM).reduce
            for cut in self.cuts
        )

    def carries(self, parent: int, fanout: int) -> bool:
        """Whether final sums enter a fan-out narrowed: nothing is added there or further up to the parent."""
        architecture = self.architecture
        encoded = fanout == parent and Tensor.PSUM in architecture.levels[parent].compression
        if fanout > architecture.narrow_fanout and not encoded:
            return False
        return not any(cut.spatial and parent <= cut.level <= fanout and cut.dim in REDUCTION_DIMS for cut in self.cuts)

    def visited_again(self, child: int) -> bool:
        """Whether a tile of the child is drained more than once, or a register's, which drains at every iteration."""
        loops = [cut for cut in self.cuts if not cut.spatial and cut.level < child]
        own = [i for i, cut in enumerate(loops) if cut.dim in TENSOR_DIMS[Tensor.PSUM]]
        register = child == len(self.architecture.levels)
        end = len(loops) if register else own[-1] + 1 if own else 0
        return any(cut.dim in REDUCTION_DIMS for cut in loops[:end])
