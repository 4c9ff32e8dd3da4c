"""The command line. Only what `--help` needs is imported here; each command imports the rest itself."""

from __future__ import annotations

import atexit
import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelsim import (
    designing,
    footprints,
    packages,
    plotting,
    predicting,
    reporting,
    servings,
    sweeping,
    timelines,
    tools,
)
from accelsim.errors import AccelsimError
from accelsim.options import (
    Accounting,
    AnyWork,
    Arch,
    Batch,
    Between,
    Bits,
    Bound,
    Budget,
    Carbon,
    Constraints,
    Data,
    Dataflow,
    Dims,
    Energy,
    Evaluator,
    Exact,
    GradientWay,
    Imperfect,
    Json,
    Layers,
    Mapping,
    MasterBits,
    Node,
    Objective,
    Optimizer,
    Out,
    Parts,
    PictureWidth,
    PlanFile,
    Proved,
    Report,
    Seed,
    Settings,
    Supply,
    Total,
    Training,
    VectorGradients,
    Work,
    bits_of,
    dims_of,
    once,
    parameters,
    training_of,
)
from accelsim.running import run_again, simulated, tell_failures
from accelsim.version import __version__

if TYPE_CHECKING:
    from accelsim.result import Comparison, Result


class Commands(typer.core.TyperGroup):
    """The commands, with the exit codes this tool promises: 2 for what the user can mend, 130 for Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; errors become their own text on stderr."""
        try:
            return super().invoke(ctx)
        except AccelsimError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            typer.echo("interrupted; nothing half-written", err=True)
            raise typer.Exit(130) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command and what is left for it. Raises AccelsimError for a second value of what takes one."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            once(command, command.context_class(command, info_name=name, parent=ctx), rest)
        return name, command, rest


app = typer.Typer(
    cls=Commands,
    help="Simulate DNN accelerators cycle by cycle: time, words moved, energy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"accelsim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    context: typer.Context,
    architecture: Annotated[str, typer.Argument(metavar="ARCH", help="Machine: a built-in name or a YAML file.")],
    workload: AnyWork = None,
    dataflow: Dataflow = None,
    mapping: Mapping = None,
    batch: Batch = 1,
    layers: Layers = None,
    evaluator: Evaluator = "cycle",
    objective: Objective = "energy",
    budget: Budget = None,
    exact: Exact = False,
    imperfect: Imperfect = False,
    constraints: Constraints = None,
    bound: Bound = None,
    between: Between = None,
    parts: Parts = 1,
    plan: PlanFile = None,
    saved: Annotated[
        bool, typer.Option("--saved", help="Of a plan: also run without it, and say what each tensor saves.")
    ] = False,
    energy: Energy = None,
    node: Node = None,
    supply: Supply = None,
    accounting: Accounting = None,
    settings: Settings = None,
    dims: Dims = None,
    data: Data = None,
    seed: Seed = 0,
    bits: Bits = None,
    out: Out = None,
    report_to: Report = None,
    carbon: Carbon = None,
    as_json: Json = False,
    training: Training = False,
    optimizer: Optimizer = None,
    master_bits: MasterBits = None,
    transposed: GradientWay = None,
    vector_gradients: VectorGradients = None,
    check: Annotated[bool, typer.Option("--check", help="Also compute outputs, against numpy.")] = False,
    store: Annotated[
        Path | None, typer.Option("--from", metavar="STORE", help="Run a point of a sweep again; ARCH is its key.")
    ] = None,
    mode: packages.Mode = None,
    tenant: packages.Tenants = None,
    trace: packages.Trace = None,
) -> None:
    """Run a network on a machine or a package of cores; or run a result.json again, as ARCH alone."""
    asked: dict[str, Any] = {
        "dataflow": dataflow, "batch": batch, "layers": layers, "evaluator": evaluator, "objective": objective,
        "exact": exact, "energy": energy, "node": node, "supply": supply, "accounting": accounting,
        "parameters": parameters(settings), "dims": dims_of(dims), "data": data, "seed": seed, "bits": bits_of(bits),
    }  # fmt: skip
    if packages.wanted(context, architecture):
        packages.run(architecture, workload, mode, tenant, trace, as_json, **asked)
        return
    _check_places(out, report_to)
    wanted = None
    if carbon:
        machine = architecture if workload else None
        wanted = footprints.asked(carbon, machine, energy, node, asked["parameters"])
    if store or workload is None:
        result = run_again(context, architecture, store)
    else:
        step = training_of(training, optimizer, master_bits, transposed, vector_gradients)
        more: dict[str, Any] = {
            "mapping": mapping, "budget": budget, "imperfect": imperfect, "constraints": constraints, "bound": bound,
            "between": between, "parts": parts, "plan": plan, "saved": saved,
        }  # fmt: skip
        result = simulated(architecture, workload, **asked, **more, training=step)
    checks = _checked(result) if check else []
    _write(result, out, report_to)
    _print(result, as_json, checks)
    if wanted:
        footprints.show_carbon(result, wanted, as_json)
    tell_failures(result)


def _checked(result: Result) -> list[str]:
    from accelsim.outputs import check_outputs

    return list(check_outputs(result))


def _print(result: Result, as_json: bool, checks: list[str]) -> None:
    if as_json:
        from accelsim.report.files import document_text

        typer.echo(document_text(result), nl=False)
    else:
        from accelsim.report import terminal

        terminal.show(terminal.report(result))
    for line in checks:
        typer.echo(line, err=as_json)


def _check_places(out: Path | None, report_to: Path | None) -> None:
    """Refuse what could not be written, before anything runs."""
    if out:
        from accelsim.report.files import check_place

        check_place(out, folder=True)
    if report_to:
        from accelsim.report.files import check_page

        check_page(report_to)


def _write(result: Result, out: Path | None, report_to: Path | None) -> None:
    if out:
        from accelsim.report.files import write_result

        write_result(out, result)
    if report_to:
        reporting.write_page(report_to, {"": result})


@app.command()
def compare(
    context: typer.Context,
    architecture: Arch,
    workload: Work,
    dataflow: Annotated[list[str] | None, typer.Option(help="A dataflow to compare (repeat it); default: all.")] = None,
    batch: Batch = 1,
    layers: Layers = None,
    evaluator: Evaluator = "cycle",
    objective: Objective = "energy",
    budget: Budget = None,
    exact: Exact = False,
    imperfect: Imperfect = False,
    constraints: Constraints = None,
    bound: Bound = None,
    energy: Energy = None,
    node: Node = None,
    supply: Supply = None,
    accounting: Accounting = None,
    settings: Settings = None,
    dims: Dims = None,
    data: Data = None,
    seed: Seed = 0,
    bits: Bits = None,
    training: Training = False,
    optimizer: Optimizer = None,
    master_bits: MasterBits = None,
    transposed: GradientWay = None,
    vector_gradients: VectorGradients = None,
    plot_to: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Also draw it: .png, .svg, .pdf.")
    ] = None,
    kind: Annotated[str, typer.Option(metavar="KIND", help="Of the picture: energy or cycles.")] = "energy",
    width: PictureWidth = None,
    report_to: Report = None,
    as_json: Json = False,
) -> None:
    """Run a network under several dataflows, side by side; a package of cores at several values of a --set."""
    asked: dict[str, Any] = {
        "layers": layers, "evaluator": evaluator, "objective": objective, "energy": energy, "node": node,
        "supply": supply, "accounting": accounting, "data": data, "seed": seed, "bits": bits_of(bits),
        "dims": dims_of(dims),
    }  # fmt: skip
    if packages.wanted(context, architecture, packages.COMPARED):
        packages.compare(architecture, workload, settings, batch, as_json, plot_to, **asked)
        return
    more = plotting.of_comparison(plot_to, kind, width)
    if report_to:
        from accelsim.report.files import check_page

        check_page(report_to)
    asked |= {
        "batch": batch, "budget": budget, "exact": exact, "imperfect": imperfect, "constraints": constraints,
        "bound": bound, "parameters": parameters(settings),
        "training": training_of(training, optimizer, master_bits, transposed, vector_gradients),
    }  # fmt: skip
    from accelsim.report.progress import progress
    from accelsim.simulate import compare as compare_all

    with progress() as step:
        comparison = compare_all(
            architecture, workload, dataflow,
            progress=lambda label, done, of, layer: step(done, of, f"{label} {layer}"), **asked,
        )  # fmt: skip
    if plot_to and comparison.results:
        from accelsim.report.plot import save

        save(comparison.plot(**more), str(plot_to))
    _print_comparison(comparison, report_to, as_json)


def _print_comparison(comparison: Comparison, report_to: Path | None, as_json: bool) -> None:
    if not comparison.results:
        raise AccelsimError("\n".join(f"{label}: {reason}" for label, _, reason in comparison.failures))
    if report_to:
        comparison.report(report_to)
    if as_json:
        typer.echo(json.dumps(comparison.to_dict(), indent=1))
    else:
        from accelsim.report import terminal

        terminal.show(terminal.comparison_report(comparison))


@app.command("map")
def search(
    architecture: Arch,
    workload: Work,
    dataflow: Dataflow = None,
    batch: Batch = 1,
    layers: Layers = None,
    objective: Objective = "energy",
    budget: Budget = None,
    exact: Proved = None,
    imperfect: Imperfect = False,
    constraints: Constraints = None,
    bound: Bound = None,
    total: Total = None,
    between: Between = None,
    parts: Parts = 1,
    energy: Energy = None,
    node: Node = None,
    supply: Supply = None,
    accounting: Accounting = None,
    settings: Settings = None,
    dims: Dims = None,
    bits: Bits = None,
    training: Training = False,
    optimizer: Optimizer = None,
    master_bits: MasterBits = None,
    transposed: GradientWay = None,
    vector_gradients: VectorGradients = None,
    why: Annotated[
        bool, typer.Option("--why", help="Of an optimum: what twice of each memory and side of the array would save.")
    ] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the mapping there.")] = None,
) -> None:
    """Find the best mapping of each layer; print it as YAML that `run --mapping` reads."""
    from accelsim.arguments import proof
    from accelsim.report.binding import binding
    from accelsim.report.files import check_place, mapping_text, plan_text

    if out:
        check_place(out)
    if exact is None:
        exact = between in (None, "none")  # a plan has thousands of passes to price
    options: dict[str, Any] = {
        "dataflow": dataflow, "batch": batch, "layers": layers, "evaluator": "analytical", "objective": objective,
        "budget": budget, "exact": exact, "imperfect": imperfect, "constraints": constraints, "bound": bound,
        "energy": energy, "node": node, "supply": supply, "accounting": accounting,
        "parameters": parameters(settings), "dims": dims_of(dims), "bits": bits_of(bits), "between": between,
        "parts": parts, "training": training_of(training, optimizer, master_bits, transposed, vector_gradients),
    }  # fmt: skip
    found = None
    if total:
        from accelsim.totals import told, within_total

        options["mapping"], found = within_total(architecture, workload, total, **options)
    result = simulated(architecture, workload, **options)
    if between not in (None, "none"):
        _give(plan_text(result, between, objective), out)
        return
    if not result.layers:
        raise AccelsimError(f"no layer that fits '{layers}' has MACs to map" if layers else "no layer has MACs to map")
    of = "all mappings" if result.dataflow == "best" else result.dataflow
    what = f"{workload}, training step" if training else workload
    text = f"# the best {objective} of {of} found for {what}, batch {batch}, on {architecture}\n"
    spaces = dict.fromkeys(layer.search.space for layer in result.layers if layer.search)
    text += "".join(f"# space: {space}\n" for space in spaces)
    text += told(total, found, result) if total and found else ""
    text += mapping_text(result, binding(result, why, proof(budget, exact, imperfect, constraints, bound)))
    _give(text, out)
    tell_failures(result)


def _give(text: str, out: Path | None) -> None:
    if out:
        from accelsim.report.files import write_text

        write_text(out, text)
    else:
        typer.echo(text, nl=False)


for _name in ("validate", "convert", "list_names", "show", "explain", "schema", "trace", "warm", "reproduce"):
    app.command(_name.removesuffix("_names"))(getattr(tools, _name))
for _name, _command in (
    ("plot", plotting.plot),
    ("report", reporting.report),
    ("diff", reporting.diff),
    ("sweep", sweeping.sweep),
    ("timeline", timelines.timeline),
    ("fit", predicting.fit),
    ("predict", predicting.predict),
    ("table", designing.table),
    ("footprint", footprints.footprint),
    ("serve", servings.serve),
    ("layers", servings.layers),
):
    app.command(_name)(_command)


def main() -> None:
    """The console script."""
    # what imports and a search make lives long: looking for garbage as often as Python does is a tenth of a short run,
    # and looking through all there is before it is let go is as much again
    gc.set_threshold(1_000_000, 20, 20)
    atexit.register(gc.freeze)
    try:
        app(prog_name="accelsim")
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
