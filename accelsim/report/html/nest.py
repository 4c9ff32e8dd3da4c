"""A mapping as its loop nest over the machine's levels: a row of boxes for each, a box a loop."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from accelsim.architecture.model import Architecture
from accelsim.mapping.mapping import LevelMapping, LoopNest, kept, tile_sizes, tile_words
from accelsim.report.html.svg import FAINT, GRID, INK, Drawing
from accelsim.report.palette import TEXTS
from accelsim.report.text import number, shown
from accelsim.workload.problem import TENSORS, Problem, Tensor

WIDTH, LEFT, LINE = 344, 106, 20
"""Pixels: of the picture; of the names before the loops; of a row."""
KINDS = {"temporal": ("#ffffff", ""), "y": ("#cfe3f1", ""), "x": ("#fbe3bd", "")}
"""What a loop's box is filled with: in time, over rows, over columns."""


def draw(
    nest: LoopNest, machine: Architecture | None = None, problem: Problem | None = None, alone: bool = False
) -> Markup:
    """The picture. machine, problem : if both are known, the words of each tile are told."""
    names = [level.name for level in machine.levels] if machine else [name for name, _ in nest.levels]
    rows = [(name, nest.level(name), _tiles(machine, nest, problem, name)) for name in names]
    heights = [LINE * max(1, _lines(level)) + (14 if tiles else 0) + 6 for _, level, tiles in rows]
    drawing = Drawing(sum(heights) + 18, f"loop nest {nest}", fixed=WIDTH)
    top = 2.0
    for (name, level, tiles), height in zip(rows, heights, strict=True):
        _row(drawing, top, name, level)
        if tiles:
            x = 4.0
            for tensor, text in tiles:
                drawing.text(x, top + height - 9, text, colour=TEXTS[tensor])
                x += 111
        top += height
        drawing.line((0, top - 2, WIDTH, top - 2), GRID)
    x = 4.0
    for kind, text in (("temporal", "in time"), ("y", "over rows (y)"), ("x", "over columns (x)")):
        drawing.rect(x, top + 2, 10, 10, KINDS[kind], edge=FAINT)
        drawing.text(x + 14, top + 11, text, colour=FAINT)
        x += 112
    return drawing.markup(alone)


def _boxes(level: LevelMapping) -> Iterator[tuple[float, int, str, str]]:
    """(left, line, kind, text) of each loop's box, outermost first; a box is as wide as its text."""
    x, line = float(LEFT), 0
    for kind, loop in level.loops:
        if loop.factor == 1:
            continue
        wide = _wide(str(loop))
        if x + wide > WIDTH and x > LEFT:
            x, line = float(LEFT), line + 1
        yield x, line, kind, str(loop)
        x += wide + 4


def _words(count: int) -> str:
    return f"{number(count / 1e6)} M w" if count >= 1e6 else f"{number(count)} w"


def _wide(text: str) -> float:
    return 7.5 * len(text) + 8


def _lines(level: LevelMapping) -> int:
    return max((line + 1 for _, line, _, _ in _boxes(level)), default=0)


def _row(drawing: Drawing, top: float, name: str, level: LevelMapping) -> None:
    drawing.text(4, top + 14, shown(name, 12), bold=True)
    for x, line, kind, text in _boxes(level):
        y = top + LINE * line + 1
        drawing.rect(x, y, _wide(text), 17, KINDS[kind], edge=FAINT)
        drawing.text(x + _wide(text) / 2, y + 13, text, "middle", INK)


def _tiles(
    machine: Architecture | None, nest: LoopNest, problem: Problem | None, name: str
) -> list[tuple[Tensor, str]]:
    """What a level keeps of each tensor, in words of one instance."""
    if machine is None or problem is None or machine.cartesian:
        return []
    index = machine.level_index(name)
    extent = tile_sizes(machine, nest, problem, index)
    return [
        (tensor, f"{tensor} {_words(tile_words(problem, extent, tensor))}")
        for tensor in TENSORS
        if kept(machine, nest, index, tensor)
    ]
