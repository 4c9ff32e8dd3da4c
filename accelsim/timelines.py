"""`accelsim timeline`: what happens in some cycles of some layers, as a file that Perfetto opens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accelsim.errors import AccelsimError
from accelsim.options import (
    Arch,
    Batch,
    Bits,
    Data,
    Dataflow,
    Dims,
    GradientWay,
    Mapping,
    MasterBits,
    Objective,
    Optimizer,
    Seed,
    Settings,
    Training,
    VectorGradients,
    Work,
    bits_of,
    dims_of,
    known,
    parameters,
    training_of,
)
from accelsim.running import simulated, tell_failures

if TYPE_CHECKING:
    from accelsim.engine.timeline import Timeline
    from accelsim.engine.zeros.cartesian_seen import PeTimeline
    from accelsim.report.timeline import Layer
    from accelsim.result import Result

FORMATS = ("json", "svg", "png", "pdf")
WINDOW = 1_000_000
"""Cycles shown where nobody says how many."""
MOST = 1 << 20
"""Slices of a file at most; that is some 200 MB."""


def timeline(
    architecture: Arch,
    workload: Work,
    layers: Annotated[str, typer.Option(metavar="GLOB", help="The layers to look at, e.g. CONV3.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The trace, .json; or a picture.")] = Path(
        "timeline.json"
    ),
    first: Annotated[int, typer.Option("--from", metavar="CYCLE", help="The first cycle, of each layer.")] = 0,
    cycles: Annotated[int, typer.Option(metavar="N", help="How many cycles; fewer where the layer ends.")] = WINDOW,
    processing: Annotated[
        bool,
        typer.Option("--processing", help="Leave the outermost level's transfers out, as processing latency does."),
    ] = False,
    dataflow: Dataflow = None,
    mapping: Mapping = None,
    batch: Batch = 1,
    objective: Objective = "energy",
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
) -> None:
    """Write every step, transfer and stall of some cycles as a Chrome trace, for Perfetto (ui.perfetto.dev)."""
    from accelsim.report.files import check_place

    known("timeline format", out.suffix.removeprefix("."), FORMATS)
    check_place(out)
    if first < 0:
        raise AccelsimError(f"--from: {first} is no cycle; the first is 0")
    if cycles < 1:
        raise AccelsimError(f"--cycles: {cycles} is no window; at least 1 cycle is shown")
    result = simulated(
        architecture, workload, dataflow=dataflow, mapping=mapping, batch=batch, layers=layers, objective=objective,
        parameters=parameters(settings), dims=dims_of(dims), data=data, seed=seed, bits=bits_of(bits),
        training=training_of(training, optimizer, master_bits, transposed, vector_gradients),
    )  # fmt: skip
    if not result.layers:
        raise AccelsimError(f"--layers: none that fits '{layers}' has MACs; nothing to show")
    windows = windows_of(result, first, cycles, processing)
    _write(out, result, windows)
    tell_failures(result)


def windows_of(result: Result, first: int = 0, cycles: int = WINDOW, processing: bool = False) -> list[Layer]:
    """The window of every layer of a result, each of its own cycles.

    Raises AccelsimError, one line, for a window outside a layer, and for one that holds too much.
    """
    from accelsim.engine.copied import COPY
    from accelsim.engine.counts import why_no_time
    from accelsim.engine.timeline import observe
    from accelsim.engine.zeros.cartesian_seen import observe as observe_pes
    from accelsim.jobs import dense, masks_for
    from accelsim.mapping.plan.rounds import bare
    from accelsim.report.timeline import Layer
    from accelsim.simulate import plan_of
    from accelsim.sparsity.masks import Masks

    plan = plan_of(result)
    given = {layer.name: layer for layer in plan.layers}
    shown, left = [], MOST
    for layer in result.layers:
        length = layer.timing.processing if processing else layer.cycles
        if not length:
            raise AccelsimError(f"{layer.name} takes no cycles: {why_no_time(layer.counts, layer.timing)}")
        if first >= length:
            raise AccelsimError(f"--from: {layer.name} has {length:,} cycles, 0 to {length - 1:,}; {first:,} is behind")
        span = first, min(first + cycles, length)
        if COPY in layer.stall_cycles:
            raise AccelsimError(
                f"{layer.name}: its ofmap stays on the chip and is written out behind its last MAC; nothing draws it"
            )
        machine, own = result.machine_of(layer), given[bare(layer.name)]
        masks = None
        if not dense(plan, own):
            masks = masks_for(machine, own, layer.problem, plan.zeros and plan.zeros.of(own))
        window: Timeline | PeTimeline | int
        if machine.cartesian:
            window = observe_pes(machine, layer.problem, masks or Masks(), span, layer.timing, left, processing)
        else:
            window = observe(machine, layer.nest, layer.problem, masks, span, length, left, processing)
        if isinstance(window, int):
            fewer = max((window - first) * 9 // 10, 1)
            raise AccelsimError(
                f"{layer.name}: cycles {span[0]:,} to {span[1]:,} hold more than {MOST:,} slices (some 200 MB); "
                f"--cycles {fewer} holds about as many"
            )
        left -= window.many
        shown.append(Layer(layer.name, window))
    return shown


def _write(out: Path, result: Result, windows: list[Layer]) -> None:
    """Name the size, then write the file, whole or not at all."""
    from accelsim.report.files import replacing
    from accelsim.report.timeline import size_of, write

    slices, size = size_of(windows)
    if slices > MOST:
        raise AccelsimError(
            f"{slices:,} slices, about {size / 1e6:,.0f} MB, are more than the {MOST:,} that are written; "
            "ask for fewer --cycles or --layers"
        )
    low, high = min(each.window.span[0] for each in windows), max(each.window.span[1] for each in windows)
    joined = [each.name for each in windows if each.window.joined]
    if out.suffix == ".json":
        typer.echo(f"cycles {low:,} to {high:,}: {slices:,} slices, about {_bytes(size)}", err=True)
        if joined:
            how = "what follows its like without a gap is one slice; fewer --cycles show each"
            typer.echo(f"{', '.join(joined)}: {how}", err=True)
        machine, network = result.architecture.name, result.workload
        about = {"architecture": machine, "workload": network, "batch": result.batch, "joined": joined}
        with replacing(out) as temporary, open(temporary, "w", encoding="utf-8") as file:  # noqa: PTH123
            write(file, windows, about)
    else:
        _draw(out, windows, slices)
    typer.echo(f"wrote {out}")


def _bytes(size: int) -> str:
    """So many bytes, to be read."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def _draw(out: Path, windows: list[Layer], slices: int) -> None:
    """A picture of one layer."""
    from accelsim.report.framing import save
    from accelsim.report.plot_timeline import MOST as MOST_DRAWN
    from accelsim.report.plot_timeline import draw

    if len(windows) > 1:
        raise AccelsimError(f"{out}: a picture shows one layer, not {len(windows)}; a .json file takes all of them")
    if slices > MOST_DRAWN:
        raise AccelsimError(f"{out}: {slices:,} slices are more than the {MOST_DRAWN:,} of a picture; fewer --cycles")
    save(draw(windows[0]), str(out))
