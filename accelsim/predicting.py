"""The commands that fit a model of a machine and predict with it. Each imports what it needs when it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from accelsim.options import (
    Accounting,
    Arch,
    Batch,
    Bits,
    Dataflow,
    Dims,
    Energy,
    Evaluator,
    Json,
    Layers,
    Node,
    Objective,
    Settings,
    Supply,
    Work,
    bits_of,
    dims_of,
    known,
    parameters,
)

KINDS = ("polynomial", "table")


def fit(
    architecture: Arch,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL.json", help="Write the model there.")] = Path(
        "model.json"
    ),
    kind: Annotated[str, typer.Option(help="polynomial, or table: interpolation over tiles and folds.")] = "polynomial",
    dataflow: Dataflow = None,
    samples: Annotated[int, typer.Option(help="Synthetic layers drawn of each type.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the layers that are drawn.")] = 0,
    check: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORKLOAD", help="A network to say the errors on (repeat it); default: alexnet, resnet50; or none."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: as many as cores.")] = None,
    evaluator: Evaluator = "cycle",
    objective: Objective = "energy",
    energy: Energy = None,
    node: Node = None,
    supply: Supply = None,
    accounting: Accounting = None,
    settings: Settings = None,
    bits: Bits = None,
) -> None:
    """Fit a predictor of a machine on layers drawn for it; it then predicts networks without simulating them."""
    known("kind of predictor", kind, KINDS)
    from accelsim.codesign.predict.fitting import CHECKS
    from accelsim.codesign.predict.fitting import fit as fit_model
    from accelsim.codesign.predict.shown import fit_report
    from accelsim.report import terminal
    from accelsim.report.files import check_place
    from accelsim.report.progress import progress

    check_place(out)
    networks = CHECKS if check is None else [name for name in check if name != "none"]
    options = {
        "dataflow": dataflow, "evaluator": evaluator, "objective": objective, "energy": energy, "node": node,
        "supply": supply, "accounting": accounting, "parameters": parameters(settings), "bits": bits_of(bits),
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value}
    with progress() as step:
        model = fit_model(architecture, kind, samples, seed, networks, workers, step, **given)
    model.save(out)
    terminal.show(fit_report(model))
    typer.echo(f"wrote {out}")


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL.json", help="What 'fit' wrote.")],
    workload: Work,
    batch: Batch = 1,
    layers: Layers = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse layers outside of what the model was fitted on.")
    ] = False,
    architecture: Annotated[
        str | None, typer.Option("--arch", metavar="ARCH", help="Refuse a model that is not of this machine.")
    ] = None,
    settings: Settings = None,
    dims: Dims = None,
    as_json: Json = False,
) -> None:
    """Predict a network's time, power and energy with a fitted model: layers in microseconds, nothing simulated."""
    from accelsim.codesign.predict.model import load
    from accelsim.codesign.predict.predicted import predict as predicted
    from accelsim.codesign.predict.shown import report
    from accelsim.report import terminal

    found = load(model)
    values = parameters(settings)
    if architecture is not None:
        from accelsim.codesign.predict.fitting import check_machine
        from accelsim.declared import split_parameters

        values, own = split_parameters(architecture, workload, values)
        check_machine(found, architecture, own)
    prediction = predicted(found, workload, batch, layers or "*", strict, values, dims_of(dims))
    if as_json:
        typer.echo(json.dumps(prediction.to_dict(), indent=1))
    else:
        terminal.show(report(prediction))
    for line in prediction.warnings:
        typer.echo(f"warning: {line}", err=True)
