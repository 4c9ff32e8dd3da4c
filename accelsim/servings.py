"""The commands that serve language models, and write what their layers cost. What they need is imported in them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim.errors import AccelsimError
from accelsim.options import Evaluator, Json, Settings, parameters

if TYPE_CHECKING:
    from accelsim.serving.served import Served

ASKED = "Requests"
PLAN = "The server"
OUT = "Files"


def _option(help_: str, metavar: str, panel: str, *names: str) -> Any:
    return typer.Option(*names, help=help_, metavar=metavar, rich_help_panel=panel)


def serve(
    table: Annotated[str, typer.Argument(metavar="TABLE|MACHINE", help="Folder of layer times, or what has cores.")],
    requests: Annotated[
        Path | None, _option("CSV: arrived_at, num_prefill_tokens, num_decode_tokens.", "FILE.csv", ASKED)
    ] = None,
    rate: Annotated[str | None, _option("Or drawn: requests/s, several with commas between.", "R", ASKED)] = None,
    prompt: Annotated[int, _option("Tokens of a drawn prompt.", "N", ASKED)] = 1024,
    output: Annotated[int, _option("Tokens of a drawn answer.", "N", ASKED)] = 256,
    count: Annotated[int, _option("Requests to draw.", "N", ASKED)] = 1000,
    spread: Annotated[float, _option("Deviation of drawn sizes over their mean.", "X", ASKED)] = 0.0,
    seed: Annotated[int, _option("Of what is drawn.", "N", ASKED)] = 0,
    slo: Annotated[str | None, _option("Limits of goodput: ttft=1s,tpot=50ms.", "LIMITS", ASKED)] = None,
    model: Annotated[str | None, _option("llama3_8b, qwen3_8b, gpt2; default: the table's.", "MODEL", PLAN)] = None,
    policy: Annotated[str, _option("chunked, whole, prompts-first or static.", "POLICY", PLAN)] = "chunked",
    budget: Annotated[int | None, _option("Tokens of an iteration; default: the table's.", "N", PLAN)] = None,
    max_seqs: Annotated[int | None, _option("Requests that run; default: the table's.", "N", PLAN)] = None,
    chunk: Annotated[int | None, _option("Most tokens of one prompt in an iteration.", "N", PLAN)] = None,
    kv_blocks: Annotated[int | None, _option("Blocks of the KV cache.", "N", PLAN)] = None,
    memory: Annotated[str | None, _option("Or the memory: '24 GB', less the weights.", "SIZE", PLAN)] = None,
    block: Annotated[int, _option("Tokens of a block.", "N", PLAN)] = 16,
    split: Annotated[str | None, _option("Decode elsewhere, over this link: '64 GB/s,5us'.", "LINK", PLAN)] = None,
    decode_blocks: Annotated[int | None, _option("Its KV cache; default: the same.", "N", PLAN)] = None,
    devices: Annotated[int, _option("That share each layer (tables tp<N>).", "N", PLAN)] = 1,
    all_reduce: Annotated[str | None, _option("The link between them: '16 GB/s,20us', or a CSV.", "LINK", PLAN)] = None,
    skew: Annotated[float | None, _option("0 to 1: mean to longest context.", "X", PLAN)] = None,
    peak: Annotated[str | None, _option("Refuse rows faster than '165 TFLOP/s'.", "P", PLAN)] = None,
    memory_rate: Annotated[str | None, _option("Or than '1008 GB/s'.", "R", PLAN)] = None,
    settings: Settings = None,
    out: Annotated[Path | None, _option("A row for each request.", "FILE.csv", OUT)] = None,
    trace: Annotated[Path | None, _option("A trace for Perfetto.", "FILE.json", OUT)] = None,
    plot: Annotated[
        Path | None, _option("Batch and KV over time; of several rates, waits against load.", "FILE.png", OUT)
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve requests to a language model on a table of layer times, or on a machine."""
    given = dict(locals())
    drawn = {name: given.pop(name) for name in ("requests", "rate", "prompt", "output", "count", "spread", "seed")}
    for name in ("table", "settings", "out", "trace", "plot", "as_json"):
        del given[name]
    from accelsim.report.files import check_picture, check_place
    from accelsim.report.progress import progress
    from accelsim.serving.door import asked_of, bundle_of, check
    from accelsim.serving.door import serve as served

    for place in (out, trace):
        if place is not None:
            check_place(place)
    if plot is not None:
        check_picture(plot)
    rates = _rates(rate)
    if len(rates) > 1 and (out or trace):
        raise AccelsimError("--out and --trace are of one run: give one rate")
    asked = [asked_of(**{**drawn, "rate": one}) for one in rates]
    for one in asked:
        check(one, **given)
    longest = max(int(one.work.max()) for one in asked)
    with progress() as step:
        bundle = bundle_of(table, model, devices, parameters(settings), (budget, max_seqs, longest), step)
        runs = [
            replace(
                served(
                    bundle,
                    one,
                    **given,
                    events=trace is not None,
                    progress=lambda done, all_: step(done, all_, "request"),
                ),
                rate=of,
            )
            for one, of in zip(asked, rates, strict=True)
        ]
    _write(runs, out, trace, plot)
    _tell(runs, as_json)


def layers(
    machine: Annotated[str, typer.Argument(metavar="MACHINE|PACKAGE", help="A built-in name or a YAML file.")],
    model: Annotated[str, typer.Argument(metavar="MODEL", help="llama3_8b, qwen3_8b or gpt2.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Write tables below it.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Of the hardware; default: the machine's.")] = None,
    devices: Annotated[int, typer.Option(min=1, help="That share each layer (tp<N>).")] = 1,
    tokens: Annotated[int, typer.Option(help="Most tokens of an iteration.")] = 2048,
    sequences: Annotated[int, typer.Option(help="Most requests of an iteration.")] = 256,
    context: Annotated[int, typer.Option(help="Longest context.")] = 16384,
    evaluator: Evaluator = "cycle",
    settings: Settings = None,
) -> None:
    """Write what a model's layers take on a machine, as tables that LLMServingSim and 'serve' read."""
    from accelsim.report.files import check_place
    from accelsim.report.progress import progress
    from accelsim.serving.layers import Grid, device_of, table_of
    from accelsim.serving.models import model_of
    from accelsim.serving.writing import free_place, write_bundle

    options = {"evaluator": evaluator, "objective": "cycles"}
    own = device_of(machine, model_of(model), devices, parameters(settings), options)
    free_place(out, own.name if name is None else name, own.model, own.variant, devices)
    check_place(out, folder=True)
    grid = Grid.up_to(tokens, sequences, context)
    with progress() as step:
        bundle = table_of(own, grid, step)
    place = write_bundle(bundle, out, name)
    typer.echo(f"wrote {place}")


def _rates(text: str | None) -> list[float | None]:
    if text is None:
        return [None]
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise AccelsimError(f"--rate {text}: should be requests/s, as in 4 or 1,2,4") from None


def _write(runs: list[Served], out: Path | None, trace: Path | None, plot: Path | None) -> None:
    from accelsim.report.files import replacing

    first = runs[0]
    if out is not None:
        with replacing(out) as temporary, Path(temporary).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(next(first.rows())))
            writer.writeheader()
            writer.writerows(first.rows())
    if trace is not None:
        from accelsim.serving import perfetto

        with replacing(trace) as temporary, Path(temporary).open("w", encoding="utf-8") as file:
            perfetto.write(file, first)
    if plot is not None:
        from accelsim.report.framing import save
        from accelsim.serving.pictures import against_load, over_time

        save(against_load(runs) if len(runs) > 1 else over_time(first), str(plot))


def _tell(runs: list[Served], as_json: bool) -> None:
    if as_json:
        found = [one.to_dict() for one in runs]
        typer.echo(json.dumps(found if len(found) > 1 else found[0], indent=1))
        return
    from accelsim.report import terminal
    from accelsim.serving.shown import answer, blocks, load_grid

    if len(runs) > 1:
        terminal.show([answer(runs[-1]), load_grid(runs)])
    else:
        terminal.show(list(blocks(runs[0])))
