"""The command that draws pictures. It imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from accelsim import sweeping
from accelsim.errors import AccelsimError
from accelsim.options import (
    Batch,
    Between,
    Data,
    Dataflow,
    Dims,
    Energy,
    Layers,
    Mapping,
    Node,
    PictureWidth,
    PlanFile,
    Seed,
    Settings,
    Supply,
    dims_of,
    known,
    parameters,
)
from accelsim.running import simulated, tell_failures

KINDS = ("energy", "cycles", "traffic", "roofline", "array", "mapping", "power", "area", "between", "plan")
WIDTHS, GROUPS = ("column", "page", "slide"), ("layer", "network")
SEVERAL = ("energy", "cycles")
OF_SWEEPS = ("pareto", "sensitivity", "heatmap", "skislope")


def plot(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="ARCH WORKLOAD | RESULT.json... | STORE", help="What to run, or what has been."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The picture: .png, .svg or .pdf; default: KIND.png.")
    ] = None,
    kind: Annotated[
        str, typer.Option(metavar="KIND", help=f"What to draw: {', '.join(KINDS)}; of a store {', '.join(OF_SWEEPS)}.")
    ] = "energy",
    width: PictureWidth = None,
    by: Annotated[
        str | None, typer.Option(metavar="WHAT", help="Of energy: a group of bars for each 'layer', or one 'network'.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose mapping; default: the layer that takes most cycles.")
    ] = None,
    dataflow: Dataflow = None,
    mapping: Mapping = None,
    between: Between = None,
    plan: PlanFile = None,
    batch: Batch = 1,
    layers: Layers = None,
    energy: Energy = None,
    node: Node = None,
    supply: Supply = None,
    settings: Settings = None,
    dims: Dims = None,
    data: Data = None,
    seed: Seed = 0,
) -> None:
    """Draw a result: energy, cycles, traffic, roofline, array, mapping, power, area, or its plan; or a sweep."""
    from accelsim.report import plot as draw

    known("kind of picture", kind, (*KINDS, *OF_SWEEPS))
    out = out or Path(f"{kind}.png")
    check_picture(out)
    more = _of_kind(kind, width, by, layer)
    result = None
    if kind in OF_SWEEPS:
        axes = sweeping.drawn(sources, kind)
        if width is not None:
            from accelsim.report.framing import size_of
            from accelsim.report.refit import refit

            refit(axes, size_of(width))
    elif all(source.endswith(".json") for source in sources):
        axes = draw.of_files(sources, kind, layers=layers, **more)
    elif len(sources) == 2:
        result = simulated(
            *sources,
            dataflow=dataflow,
            mapping=mapping,
            between=between,
            plan=plan,
            batch=batch,
            layers=layers,
            energy=energy,
            node=node,
            supply=supply,
            parameters=parameters(settings),
            dims=dims_of(dims),
            data=data,
            seed=seed,
        )
        axes = getattr(result.plot, kind)(**more)
    else:
        raise AccelsimError("plot takes an ARCH and a WORKLOAD, or result.json files")
    draw.save(axes, str(out))
    typer.echo(f"wrote {out}")
    if result:
        tell_failures(result)


def _of_kind(kind: str, width: str | None, by: str | None, layer: str | None) -> dict[str, str]:
    """What is asked of one kind of picture. Raises AccelsimError for what another has."""
    for option, given, allowed in (
        ("--by", by, ("energy",)),
        ("--layer", layer, ("mapping",)),
    ):
        if given is not None and kind not in allowed:
            raise AccelsimError(f"{option} is for {', '.join(allowed)}, not for {kind}")
    if width is not None:
        known("width", width, WIDTHS)
    if by is not None:
        known("group of bars", by, GROUPS)
    asked = {"width": width, "by": by, "layer": layer}
    return {name: text for name, text in asked.items() if text is not None}


def check_picture(path: Path) -> None:
    """Refuse a picture that could not be saved, before it is computed what it shows."""
    from accelsim.report.files import check_picture as checked

    checked(path)


def of_comparison(out: Path | None, kind: str, width: str | None) -> dict[str, Any]:
    """What a comparison's picture is asked for; refused before anything runs."""
    known("kind of picture", kind, SEVERAL)
    if width is not None:
        known("width", width, WIDTHS)
    if out:
        check_picture(out)
    return {"kind": kind, "width": width}
