"""A plan over the graph of its network, on a page."""

from __future__ import annotations

from math import ceil

from markupsafe import Markup

from accelsim.outcome import Outcome
from accelsim.report.html.pictures import Picture
from accelsim.report.html.svg import FAINT, TEXT, Drawing
from accelsim.report.plan_graph import APART, MOST, PAINTS, Head, PlanGraph, Rect, column_width, graph_of, laid_out
from accelsim.report.plot_between import planned

WIDE, ROWS = 1180, 12
"""Pixels of a page beside each other, where columns have so many layers at least."""


def plan_picture(result: Outcome) -> Picture | None:
    """The plan of a result; None without one, and of a network too large for a picture."""
    between = planned(result)
    if between is None or len(between.network.layers) > MOST:
        return None
    graph = graph_of(between)
    legend = [(graph.called(kind), _patch(PAINTS[kind])) for kind in graph.kinds]
    note = (
        "Layers in the order they run, those with MACs in white. A lane is a tensor, from who makes it to who reads "
        "it, as thick as the root of its words. A box around layers is a group; beside it its tiles: rows × columns, "
        "of layers that hand theirs on × channels."
    )
    return Picture("The plan over the network", draw(graph), tuple(legend), note)


def draw(graph: PlanGraph, alone: bool = False) -> Markup:
    """The picture, as wide as it needs to be."""
    fit = int((WIDE + APART) / column_width(graph))
    layout = laid_out(graph, max(1, min(fit, ceil(len(graph.nodes) / ROWS))))
    drawing = Drawing(layout.height, "what lives where between layers", layout.width)
    for part in layout.parts:
        if isinstance(part, Rect):
            box = part.x, part.y, part.width, part.height
            drawing.rect(*box, (part.colour, ""), part.title, part.edge)
        elif isinstance(part, Head):
            drawing.shape(((part.x, part.y), (part.x + 5, part.y - 3), (part.x + 5, part.y + 3)), part.colour)
        else:
            drawing.text(part.x, part.y + TEXT * 0.36, part.text, colour=FAINT if part.faint else "#222222")
    return drawing.markup(alone)


def _patch(colour: str) -> Markup:
    drawing = Drawing(10, "", 14)
    drawing.rect(0, 0, 14, 10, (colour, ""))
    return drawing.markup()
