"""`accelsim timeline`: what happens in some cycles of some layers, as a file that Perfetto opens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accelsim.errors import AccelsimError
from accelsim.options import (
    Arch,
    Batch,
    Between,
    Bits,
    Data,
    Dataflow,
    Dims,
    GradientWay,
    Mapping,
    MasterBits,
    Objective,
    Optimizer,
    PlanFile,
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
    from accelsim.architecture.model import Architecture
    from accelsim.grouped import GroupResult
    from accelsim.jobs import Plan
    from accelsim.outcome import LayerResult
    from accelsim.report.timeline import Layer, Window
    from accelsim.result import Result
    from accelsim.sparsity.masks import Masks

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
    between: Between = None,
    plan: PlanFile = None,
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
        between=between, plan=plan,
    )  # fmt: skip
    if not result.multiplied:
        tell_failures(result)
        raise AccelsimError(f"--layers: none that fits '{layers}' has MACs; nothing to show")
    windows = windows_of(result, first, cycles, processing)
    _write(out, result, windows)
    tell_failures(result)


def windows_of(result: Result, first: int = 0, cycles: int = WINDOW, processing: bool = False) -> list[Layer]:
    """The window of every layer and group of a result, in run order, each of its own cycles.

    Raises AccelsimError, one line, for a window outside a layer, and for one that holds too much.
    """
    from accelsim.engine.counts import why_no_time
    from accelsim.report.timeline import Layer
    from accelsim.simulate import plan_of

    plan = plan_of(result)
    shown, left = [], MOST
    for one in result.in_order:
        length = one.timing.processing if processing else one.cycles
        if not length:
            raise AccelsimError(f"{one.name} takes no cycles: {why_no_time(one.counts, one.timing)}")
        if first >= length:
            raise AccelsimError(f"--from: {one.name} has {length:,} cycles, 0 to {length - 1:,}; {first:,} is behind")
        span = first, min(first + cycles, length)
        window = _window(result, plan, one, span, left, processing)
        if isinstance(window, int):
            fewer = max((window - first) * 9 // 10, 1)
            raise AccelsimError(
                f"{one.name}: cycles {span[0]:,} to {span[1]:,} hold more than {MOST:,} slices (some 200 MB); "
                f"--cycles {fewer} holds about as many"
            )
        left -= window.many
        shown.append(Layer(one.name, window))
    return shown


def _window(
    result: Result, plan: Plan, one: LayerResult | GroupResult, span: tuple[int, int], most: int, processing: bool
) -> Window | int:
    """What happens in some cycles of a layer or group; or up to which cycle there are not too many lines."""
    from accelsim.engine.zeros.cartesian_seen import observe as observe_pes
    from accelsim.grouped import GroupResult
    from accelsim.jobs import dense, masks_for, wanted_of
    from accelsim.mapping.plan.rounds import bare
    from accelsim.sparsity.masks import Masks

    if isinstance(one, GroupResult):
        from accelsim.engine.fused.handed_seen import observe as observe_handed
        from accelsim.engine.fused.timeline import observe as observe_group
        from accelsim.epilogues import seen_epilogue
        from accelsim.grouping import seen_group

        assert plan.between is not None
        wanted = wanted_of(plan, plan.between)
        if one.group.epilogue:
            length = one.timing.processing if processing else one.cycles
            return observe_handed(seen_epilogue(one, plan.between, wanted), span, length, most, processing)
        ran = seen_group(one.group, plan.between, wanted, plan.nests.get(one.name))
        return observe_group(ran, span, most, processing)
    machine = result.machine_of(one)
    own = next(layer for layer in plan.layers if layer.name == bare(one.name))
    masks = None if dense(plan, own) else masks_for(machine, own, one.problem, plan.zeros and plan.zeros.of(own))
    if machine.cartesian:
        return observe_pes(machine, one.problem, masks or Masks(), span, one.timing, most, processing)
    return _of_layer(machine, one, masks, span, most, processing)


def _of_layer(
    machine: Architecture, layer: LayerResult, masks: Masks | None, span: tuple[int, int], most: int, processing: bool
) -> Window | int:
    """The window of a layer, and of the copy of its ofmap behind it where there is one."""
    from accelsim.engine.copied import COPY, copy_of
    from accelsim.engine.timeline import Copied, observe
    from accelsim.workload.problem import Tensor

    length = layer.timing.processing if processing else layer.cycles
    if processing or COPY not in layer.stall_cycles:
        return observe(machine, layer.nest, layer.problem, masks, span, length, most, processing)
    copy = copy_of(machine, layer.problem)
    own = length - copy.cycles
    inside = min(span[0], own - 1), min(span[1], own)
    window = observe(machine, layer.nest, layer.problem, masks, inside, own, most)
    if isinstance(window, int):
        return window
    levels = machine.levels[0].name, machine.levels[machine.home(Tensor.PSUM)].name
    return Copied(window, copy, span, length, levels)


def _write(out: Path, result: Result, windows: list[Layer]) -> None:
    """Name the size, then write the file, whole or not at all."""
    from accelsim.engine.fused.handed_seen import HandedTimeline
    from accelsim.engine.fused.timeline import GroupTimeline
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
            in_sum = any(each.window.joined and isinstance(each.window, GroupTimeline) for each in windows)
            summed = ", and passes are told in sum" if in_sum else ""
            how = f"what follows its like without a gap is one slice{summed}; fewer --cycles show each"
            typer.echo(f"{', '.join(joined)}: {how}", err=True)
        machine, network = result.architecture.name, result.workload
        about = {"architecture": machine, "workload": network, "batch": result.batch, "joined": joined}
        with replacing(out) as temporary, open(temporary, "w", encoding="utf-8") as file:  # noqa: PTH123
            write(file, windows, about)
    else:
        _draw(out, windows, slices)
    for each in windows:
        if isinstance(each.window, HandedTimeline) and each.window.timeless:
            why = "nothing that they pass has a port, and there is no vector unit"
            typer.echo(f"{each.name}: its tiles take no time on their way, so none is shown ({why})", err=True)
    typer.echo(f"wrote {out}")


def _bytes(size: int) -> str:
    """So many bytes, to be read."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def _draw(out: Path, windows: list[Layer], slices: int) -> None:
    """A picture of one layer."""
    from accelsim.engine.fused.timeline import GroupTimeline
    from accelsim.report.framing import save
    from accelsim.report.plot_timeline import MOST as MOST_DRAWN
    from accelsim.report.plot_timeline import draw
    from accelsim.report.timeline import size_of

    if len(windows) > 1:
        raise AccelsimError(f"{out}: a picture shows one layer, not {len(windows)}; a .json file takes all of them")
    if slices > MOST_DRAWN and isinstance(windows[0].window, GroupTimeline):
        # passes in sum: what happens inside them is too fine to be seen
        windows = [windows[0]._replace(window=replace(windows[0].window, inner={}, joined=True))]
        slices, _ = size_of(windows)
    if slices > MOST_DRAWN:
        raise AccelsimError(f"{out}: {slices:,} slices are more than the {MOST_DRAWN:,} of a picture; fewer --cycles")
    save(draw(windows[0]), str(out))
