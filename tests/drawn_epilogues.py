"""Layers drawn at random with what takes their tiles over: pools, additions and functions of words, up to three."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from accelsim.architecture.model import Architecture
from accelsim.engine.fused.epilogue import Epilogue
from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.engine.fused.handed import Handed, handed
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import LevelMapping, LoopNest, tile_sizes
from accelsim.workload.problem import REDUCTION_DIMS, Problem, Tensor
from strategies import case, cutting, with_modes, with_ofmap, with_pace


@dataclass(frozen=True)
class Drawn:
    machine: Architecture
    nest: LoopNest
    problem: Problem
    group: Group
    found: Handed


def draw(rng: Random, most: int = 300) -> Drawn:
    """One that is legal."""
    while True:
        try:
            found = _draw(rng, most)
        except AccelsimError:
            continue
        if found is not None:
            return found


def _draw(rng: Random, most: int) -> Drawn | None:
    one = case(rng, most)
    if rng.random() < 0.5:
        one = with_pace(rng, one)
    machine, nest, problem = with_modes(rng, with_ofmap(rng, one))
    homes = [i for i in range(1, machine.pe_level) if Tensor.PSUM in machine.levels[i].keeps]
    if not homes or (machine.bias and problem.bias):
        return None
    home = rng.choice(homes)
    machine = replace(cutting(machine, problem), bias=None, lanes=rng.choice((0, 1, 2, 7)))
    if Tensor.IFMAP in machine.levels[home].keeps and rng.random() < 0.2:
        machine = replace(machine, homes={Tensor.IFMAP: machine.levels[home].name})
    nest = finishing(rng, machine, nest, home)
    tile = tile_sizes(machine, nest, problem, home)
    group, at_home = chain(rng, problem, tile)
    stays = rng.random() < 0.2
    epilogue = Epilogue.of(group, at_home, stays, not stays or rng.random() < 0.3)
    bits = rng.choice((machine.final_bits, machine.final_bits, 3))
    return Drawn(
        machine, nest, problem, group, handed(epilogue, machine, nest, problem, machine.levels[home].name, bits)
    )


def finishing(rng: Random, machine: Architecture, nest: LoopNest, home: int) -> LoopNest:
    """The nest with the reduction loops above a level innermost there."""
    levels, moved = [], []
    for i, spec in enumerate(machine.levels):
        mapped = nest.level(spec.name)
        if i < home:
            own = [loop for loop in mapped.temporal if loop.dim not in REDUCTION_DIMS]
            moved += [loop for loop in mapped.temporal if loop.dim in REDUCTION_DIMS]
            mapped = replace(mapped, temporal=tuple(own))
            if i == home - 1:
                rng.shuffle(moved)
                mapped = replace(mapped, temporal=(*own, *moved))
        levels.append((spec.name, mapped if isinstance(mapped, LevelMapping) else LevelMapping()))
    return LoopNest(tuple(levels))


def chain(rng: Random, problem: Problem, tile: dict[str, int]) -> tuple[Group, frozenset[str]]:
    """The layer of a problem and what follows it, and which of its operands live in the buffer."""
    n, g, m, c, p, q, r, s = problem.sizes
    plane = (p, q)
    maker = Op(
        "maker", "conv", (Read("x", range(g * c)),), g * m, plane, g, 1, (r, s), problem.stride, problem.dilation,
        problem.pad,
    )  # fmt: skip
    sources, ops = [Source("x", g * c, (problem.height, problem.width))], [maker]
    left = [tile["P"], tile["Q"]]
    for k in range(rng.randint(1, 3)):
        before = ops[-1]
        kind = rng.choice(("pool", "pool", "add", "add", "elementwise"))
        each = rng.choice((0, 1, 2)) * g * m + (rng.randint(0, 3) if rng.random() < 0.2 else 0)
        reads = [Read(before.name, range(g * m))]
        if kind == "pool":
            axes = []
            for axis in (0, 1):
                size, own = before.plane[axis], left[axis]
                whole = own >= size
                step = rng.choice([d for d in range(1, 5) if whole or own % d == 0])
                taps = rng.randint(1, step)
                gap = rng.randint(1, (step - 1) // (taps - 1)) if taps > 1 else 1
                out = -(-size // step) if rng.random() < 0.5 else rng.randint(1, -(-size // step))
                axes.append((taps, step, gap, out))
                left[axis] = -(-own // step)
            taps, steps, gaps, plane = (tuple(one) for one in zip(*axes, strict=True))
            ops.append(Op(f"op{k}", kind, tuple(reads), g * m, plane, 1, 1, taps, steps, gaps, (0, 0), "", each))
            continue
        if kind == "add":
            size = tuple(1 if rng.random() < 0.2 else own for own in plane)
            channels = 1 if rng.random() < 0.15 else g * m
            if rng.random() < 0.5:
                sources.append(Source(f"y{k}", channels, size))
                reads.append(Read(f"y{k}", range(channels)))
            else:
                sources.append(Source(f"y{k}", channels + 2, size))
                reads.append(Read(f"y{k}", range(1, channels + 1)))
        ops.append(Op(f"op{k}", kind, tuple(reads), g * m, plane, operations=each))
    group = Group(tuple(sources), tuple(ops), n)
    return group, frozenset(one.name for one in sources[1:] if rng.random() < 0.3)
