"""What the commands of `cli` take: options and arguments with their help, and the values that their text stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from accelsim.errors import AccelsimError, nearest

Arch = Annotated[str, typer.Argument(metavar="ARCH", help="Machine: a built-in name or a YAML file.")]
Work = Annotated[str, typer.Argument(metavar="WORKLOAD", help="Network: a built-in name, a YAML or an ONNX file.")]
AnyWork = Annotated[
    str | None,
    typer.Argument(metavar="WORKLOAD", help="Network: a built-in name, a YAML or an ONNX file.", show_default=False),
]
Dataflow = Annotated[
    str | None,
    typer.Option(help="Dataflow: a built-in name, a YAML file, or 'best' of all mappings; default: the machine's own."),
]
Mapping = Annotated[str | None, typer.Option(help="Mapping: a built-in name or a YAML file.")]
Batch = Annotated[int, typer.Option(help="Images at a time.")]
Layers = Annotated[str | None, typer.Option(metavar="GLOB", help="Only these layers, e.g. 'CONV*,FC6'.")]
Evaluator = Annotated[str, typer.Option(help="cycle, or analytical (closed form; cycles are a lower bound).")]
Objective = Annotated[str, typer.Option(help="What a mapping search minimises: energy, cycles, edp or ed2p.")]
Budget = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Time for a layer's 'best'; then what is found, and its gap.")
]
Exact = Annotated[
    bool, typer.Option("--exact", help="Search a dataflow's mappings to the end too, with a certificate.")
]
Proved = Annotated[
    bool | None,
    typer.Option(
        "--exact/--quick",
        help="Search a dataflow's mappings to the end, with a certificate, or its promising ones alone; "
        "default: to the end, but between layers.",
        show_default=False,
    ),
]
Imperfect = Annotated[
    bool, typer.Option("--imperfect", help="Of 'best': factors that do not divide too; takes longer.")
]
Constraints = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Fix, forbid or bound loops, tiles, placements, orders; implies --exact."),
]
Bound = Annotated[
    list[str] | None,
    typer.Option(
        "--bound",
        metavar="'NAME<=VALUE'",
        help="The most of what is no objective, e.g. 'cycles<=1.2e6, DRAM words<=2e6'; implies --exact.",
    ),
]
Total = Annotated[
    str | None,
    typer.Option(
        "--total",
        metavar="'NAME<=VALUE'",
        help="The most of all layers together: cycles, where energy is the objective, or energy; or DRAM words.",
    ),
]
Between = Annotated[
    str | None,
    typer.Option(metavar="WAY", help="Between layers: none, resident (tensors stay on the chip), fused, or best."),
]
Parts = Annotated[
    int,
    typer.Option(metavar="K", help="With --between: of K blocks of a tensor's channels some may stay; 1: all or none."),
]
PlanFile = Annotated[Path | None, typer.Option("--plan", metavar="FILE", help="A plan of what happens between layers.")]
Energy = Annotated[str | None, typer.Option(help="Energy table; default: the machine's own.")]
Node = Annotated[int | None, typer.Option(metavar="NM", help="Energy table of a process, instead of --energy.")]
Supply = Annotated[str | None, typer.Option(metavar="V", help="Supply; of a table of a process.")]
Accounting = Annotated[str | None, typer.Option(help="Named way to account energy: isca16.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the machine or the network.")
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Operands: a directory or .npz, 'weights' of an ONNX file, or 'dense'; default: the workload's densities.",
    ),
]
Dims = Annotated[
    list[str] | None,
    typer.Option("--dim", metavar="NAME=SIZE", help="A size that an ONNX graph leaves open (repeat it)."),
]
Seed = Annotated[int, typer.Option(help="Seed of operands that are drawn.")]
Bits = Annotated[
    str | None,
    typer.Option(metavar="TENSOR=N,...", help="Bits of words, e.g. 'ifmap=8,filter=4,psum=24'."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Write result.json, counts.csv and mapping.yaml there.")]

Carbon = Annotated[
    str | None,
    typer.Option(metavar="GRID|FILE.yaml", help="Also count carbon: a region, an intensity, or a file of factors."),
]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="FILE.html", help="Also write a page that shows it all.")
]
PictureWidth = Annotated[
    str | None,
    typer.Option(
        "--width",
        metavar="WIDTH",
        help="Of the picture: column (3.5 in), page (7.16 in) or slide (10 in); default: its own.",
    ),
]


def once(command: Any, context: Any, args: list[str]) -> None:
    """Raise AccelsimError where an option that takes one value has two, of which the first would be lost unsaid."""
    context.resilient_parsing = True  # what cannot be parsed is said by the command itself, in its own words
    _, _, order = command.make_parser(context).parse_args(list(args))
    seen = set()
    for option in order:
        takes_one = option.param_type_name == "option" and not (option.multiple or option.is_flag or option.count)
        if takes_one and option.name in seen:
            raise AccelsimError(f"{option.opts[0]}: given twice; give it once")
        seen.add(option.name)


Training = Annotated[
    bool, typer.Option("--training", help="Run the training step: forward, gradients, update (docs/training.md).")
]
Optimizer = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of --training: sgd, momentum or adam; default: sgd.")
]
MasterBits = Annotated[
    int | None, typer.Option("--master-bits", metavar="N", help="Of --training: bits of weights and state kept aside.")
]
GradientWay = Annotated[
    str | None,
    typer.Option(
        "--gradients", metavar="WAY", help="Of --training: gradients of inputs by insert (default), split or scatter."
    ),
]

VectorGradients = Annotated[
    int | None,
    typer.Option(
        "--vector-gradients",
        metavar="N",
        help="Of --training: operations of the gradient of an op 'vector', for each of its own; default: refused.",
    ),
]


def parameters(settings: list[str] | None) -> dict[str, Any]:
    """``--set rows=16`` as values: a number where it is one, else text."""
    return _settings("--set", settings)


def dims_of(given: list[str] | None) -> dict[str, Any]:
    """``--dim seq=128`` as a mapping; what names it may hold, the graph says."""
    return _settings("--dim", given)


def bits_of(text: str | None) -> dict[str, Any]:
    """``--bits ifmap=8,filter=4`` as a mapping; what it may hold is checked where it is used."""
    return _settings("--bits", text)


def _settings(what: str, given: list[str] | str | None) -> dict[str, Any]:
    if not given:
        return {}
    from accelsim.arguments import settings

    return settings(what, given)


def known(what: str, name: str, allowed: tuple[str, ...]) -> None:
    """Refuse a name that is none of those allowed, with the nearest of them."""
    if name not in allowed:
        raise AccelsimError(f"unknown {what} '{name}'{nearest(name, allowed)}")


def training_of(
    wanted: bool, optimizer: str | None, master_bits: int | None, transposed: str | None, vector_gradients: int | None
) -> dict[str, Any] | None:
    """What `--training` asks for; an option of it without it is refused."""
    options = {
        "--optimizer": ("optimizer", optimizer),
        "--master-bits": ("master_bits", master_bits),
        "--gradients": ("transposed", transposed),
        "--vector-gradients": ("vector_gradients", vector_gradients),
    }
    given = {flag: option for flag, option in options.items() if option[1] is not None}
    if given and not wanted:
        raise AccelsimError(f"{next(iter(given))} is of a training step: give --training too")
    return {"optimizer": "sgd", **dict(given.values())} if wanted else None
