"""What happens in a window of a layer with an epilogue: the layer's own lines, and its tiles on their way.

A tile passes all layers of the epilogue at once (`handed`): each is at it as long as it drains.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from accelsim.engine.fused.epilogue import Made, made_of
from accelsim.engine.fused.handed import Handed
from accelsim.engine.program import Ints
from accelsim.engine.timeline import DRAIN, Timeline
from accelsim.engine.timeline import observe as observe_layer
from accelsim.engine.timing.kernels import observe as line


class Passing(NamedTuple):
    """Tiles that pass the epilogue one behind the other without a gap: most often one.

    at : their line. first, many : the first of them, and how many. begin, end : cycles of the layer.
    """

    at: int
    first: int
    many: int
    begin: int
    end: int

    @property
    def tiles(self) -> slice:
        """Where they are among all."""
        return slice(self.first, self.first + self.many)


@dataclass(frozen=True, eq=False)
class HandedTimeline:
    """A window of the cycles of a layer with an epilogue.

    layer : the window, where drains out of the buffer hold what they hold on their way through the vector unit.
    """

    handed: Handed
    layer: Timeline

    @property
    def span(self) -> tuple[int, int]:
        """The cycles from and to which."""
        return self.layer.span

    @property
    def cycles(self) -> int:
        """Of the layer with its epilogue."""
        return self.layer.cycles

    @property
    def joined(self) -> bool:
        """See `Timeline`."""
        return self.layer.joined

    @property
    def many(self) -> int:
        """Lines of it."""
        epilogue = self.handed.epilogue
        return self.layer.many + len(self.passing) * (len(epilogue.ops) + len(epilogue.operands))

    @property
    def timeless(self) -> bool:
        """Whether no tile takes time on its way: it holds no port."""
        return not self.handed.held

    @property
    def stream(self) -> int:
        """Whose drains they are."""
        return self.handed.stream(self.layer.edges)

    @cached_property
    def passing(self) -> tuple[Passing, ...]:
        """All tiles of the window that take time to pass."""
        layer, lines = self.layer, self.layer.lines
        mine = np.flatnonzero((lines[:, line.OF] == self.stream) & (lines[:, line.ACTIVITY] == DRAIN))
        before, pace = layer.architecture.before, layer.pace
        found = (
            Passing(
                at,
                *lines[at, [line.NUMBER, line.MANY]].tolist(),
                *(pace * (lines[at, [line.START, line.END]] + before)).tolist(),
            )
            for at in mine.tolist()
        )
        return tuple(one for one in found if one.begin < one.end)

    @cached_property
    def made(self) -> tuple[Made, ...]:
        """Of each layer of the epilogue what it makes of each tile."""
        return made_of(self.handed.epilogue, self.handed.program, self.handed.home)

    def words(self, sizes: Ints, one: Passing) -> int:
        """Of some tiles; sizes : int64[tile]."""
        return int(sizes[one.tiles].sum())


def observe(
    found: Handed, span: tuple[int, int], cycles: int, most: int, processing: bool = False, joined: bool | None = None
) -> HandedTimeline | int:
    """Look at a layer with its epilogue from one cycle to another.

    cycles : of it, as `handed.evaluate` found them. most, processing, joined : as of `engine.timeline.observe`.
    Returns the window; or, where it holds more than `most` lines, the cycle up to which it holds as many.
    """
    program = found.program
    seen = observe_layer(
        program.architecture, program.nest, program.problem, None, span, cycles, most, processing, joined, found
    )
    return seen if isinstance(seen, int) else HandedTimeline(found, seen)
