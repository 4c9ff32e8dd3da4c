"""Machines, mappings and networks as a notebook shows them."""

from __future__ import annotations

from functools import singledispatch
from html import escape

from markupsafe import Markup

from accelsim.architecture.model import Architecture
from accelsim.mapping.mapping import LoopNest
from accelsim.report.html import machine, nest
from accelsim.report.text import number, visible
from accelsim.workload.network import Network


@singledispatch
def svg(thing: object) -> Markup:
    """A picture that stands alone. TypeError for what has none."""
    raise TypeError(f"{type(thing).__name__} has no picture")


@svg.register
def _(thing: Architecture) -> Markup:
    return machine.draw(thing, alone=True)


@svg.register
def _(thing: LoopNest) -> Markup:
    return nest.draw(thing, alone=True)


@singledispatch
def html(thing: object) -> str:
    """A table. TypeError for what has none."""
    raise TypeError(f"{type(thing).__name__} has no table")


@html.register
def _(thing: Network) -> str:
    rows = []
    for layer in thing.layers:
        runs = f" x{layer.repeat}" if layer.repeat > 1 else ""
        cells = (
            f"{layer.name}{runs}",
            layer.op,
            ", ".join(layer.inputs),
            str(layer.shape),
            number(layer.macs / 1e6) if layer.problem else "",
            number(layer.weights / 1e3) if layer.problem else "",
        )
        rows.append("".join(f"<td>{escape(visible(cell))}</td>" for cell in cells))
    heads = ("layer", "op", "reads", "output of one image", "MACs [M]", "weights [thousands]")
    head = "".join(f"<th>{name}</th>" for name in heads)
    sums = (number(thing.macs / 1e6), number(thing.weights / 1e3))
    foot = f'<td colspan="4">total</td>{"".join(f"<td>{one}</td>" for one in sums)}'
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    caption = escape(visible(f"{thing.name}, batch {thing.batch}"))
    return (
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        f"<tfoot><tr>{foot}</tr></tfoot></table>"
    )
