"""Layer times of a machine or package: every layer of a model simulated at sizes of a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.errors import AccelsimError
from accelsim.package.model import Package
from accelsim.package.yaml import is_package, load_package
from accelsim.serving import shapes
from accelsim.serving.bundle import Bundle, Table
from accelsim.serving.cores import Cores
from accelsim.serving.machine import Machine, Spent
from accelsim.serving.models import Model, model_of

Progress = Callable[[int, int, str], None]
TOKENS, SEQUENCES, CONTEXT = 2048, 256, 16384


@dataclass(frozen=True)
class Grid:
    """Sizes that layers are simulated at. A past of 0 stands for a prompt's beginning; 0 decodes for none."""

    tokens: tuple[int, ...]
    sequences: tuple[int, ...]
    chunks: tuple[int, ...]
    pasts: tuple[int, ...]
    decodes: tuple[int, ...]
    contexts: tuple[int, ...]

    @classmethod
    def up_to(cls, tokens: int = TOKENS, sequences: int = SEQUENCES, context: int = CONTEXT) -> Grid:
        """Sizes that double, and contexts four times each other, up to a limit each, which is in."""
        for what, value, least, most in (
            ("tokens", tokens, 2, 2**20), ("sequences", sequences, 1, 2**16), ("context", context, 16, 2**22),
        ):  # fmt: skip
            if not least <= value <= most:
                raise AccelsimError(f"{what} of a table must be from {least:,} to {most:,}, got {value:,}")
        contexts = _steps(16, context, 4)
        decodes = _steps(1, sequences, 4)
        return cls(
            _steps(1, tokens, 2), _steps(1, sequences, 2), _steps(min(16, tokens), tokens, 2), (0, *contexts[1:]),
            (0, *decodes), contexts,
        )  # fmt: skip


def _steps(least: int, most: int, factor: int) -> tuple[int, ...]:
    found = [least]
    while found[-1] * factor < most:
        found.append(found[-1] * factor)
    return tuple(found) if found[-1] == most else (*found, most)


def device_of(
    machine: str | Path | Architecture | Package,
    model: Model,
    devices: int,
    parameters: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> Machine | Cores:
    """A machine or a package, by its name, file or object, that runs layers of a model."""
    if not isinstance(machine, Architecture | Package) and is_package(machine):
        machine = load_package(machine, dict(parameters or {}))
    if isinstance(machine, Package):
        return Cores(machine, model, devices, options)
    return Machine(machine, model, devices, parameters, options)


def simulated(
    machine: str | Path | Architecture | Package,
    model: str,
    devices: int = 1,
    parameters: Mapping[str, Any] | None = None,
    grid: Grid | None = None,
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
) -> Bundle:
    """A model's layers on a machine, or on all cores of a package, as a table.

    devices : that share each layer (tensor parallel). grid : of sizes; default: up to 2,048 tokens, 256 requests,
    contexts of 16,384. progress : called with (done, of, what is next). options : of `simulate`, such as `dataflow`.

    Raises
    ------
    AccelsimError : an unknown name, a layer that the machine cannot run.
    """
    options = {"evaluator": "cycle", "objective": "cycles", **(options or {})}
    return table_of(device_of(machine, model_of(model), devices, parameters, options), grid, progress)


def table_of(own: Machine | Cores, grid: Grid | None = None, progress: Progress | None = None) -> Bundle:
    """All layers of a device's model at the sizes of a grid."""
    grid = grid or Grid.up_to()
    steps = len(grid.tokens) + len(grid.sequences) + len(grid.chunks) * len(grid.pasts) + len(grid.contexts)
    done = 0

    def step(what: str) -> None:
        nonlocal done
        if progress:
            progress(done, steps, what)
        done += 1

    dense: dict[str, dict[int, tuple[float, float]]] = {name: {} for name in own.model.times()}
    for tokens in grid.tokens:
        step(f"{tokens} tokens")
        found = own.layers(shapes.dense, tokens)
        for name, points in dense.items():
            points[tokens] = found[name]
    sequences: dict[str, dict[int, tuple[float, float]]] = {"lm_head": {}, "sampler": {}}
    for requests in grid.sequences:
        step(f"{requests} requests")
        found = own.layers(shapes.sequences, requests)
        for name, points in sequences.items():
            points[requests] = found[name]
    attention = _attention(own, grid, step)
    times, energies = (
        Table(_column(dense, i), _column(sequences, i), {key: pair[i] for key, pair in attention.items()})
        for i in (0, 1)
    )  # fmt: skip
    return Bundle(
        Path(), own.model, own.devices, times, energies if own.joules else None, own.standing, grid.tokens[-1],
        grid.sequences[-1], 0.0, own.name, own.variant,
    )  # fmt: skip


def _attention(
    own: Machine | Cores, grid: Grid, step: Callable[[str], None]
) -> dict[tuple[int, int, int, int], tuple[float, float]]:
    """Prompts and decodes of one iteration are a kernel: it is started once, they run one after the other and share
    level 0.
    """
    nothing = (Spent(),) * own.count
    prompts = {(0, 0): nothing}
    for chunk in grid.chunks:
        for past in grid.pasts:
            step(f"attention of {chunk} tokens after {past}")
            prompts[chunk, past] = own.shares(chunk, past)
    decodes = {(0, 0): nothing}
    for context in grid.contexts:
        step(f"attention of a token after {context}")
        one = own.shares(1, context)
        for count in grid.decodes:
            if count:
                decodes[count, context] = tuple(share * count for share in one)
    found = {}
    for (chunk, past), prompt in prompts.items():
        for (count, context), decode in decodes.items():
            if chunk or count:
                both = tuple(a + b for a, b in zip(prompt, decode, strict=True))
                found[chunk, past, count, context] = own.took(both)
    return found


def _column(layers: Mapping[str, Mapping[int, tuple[float, float]]], i: int) -> dict[str, dict[int, float]]:
    return {name: {at: pair[i] for at, pair in points.items()} for name, points in layers.items()}
