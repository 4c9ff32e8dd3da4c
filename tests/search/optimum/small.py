"""Small machines and problems, and every mapping of their whole mapspace."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from pathlib import Path
from random import Random

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.errors import MappingError
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest, check
from accelsim.search.factors import divisors
from accelsim.search.optimum.constraints import Bypass
from accelsim.workload.problem import DIM_INDEX, TENSORS, Problem, Tensor

PSUM = (
    "chain, accumulate: on-drain, reduce: [C, R]",
    "tree, accumulate: on-drain",
    "tree",
    "systolic, accumulate: on-drain",
)
HEAD = ("name: drawn", "source: drawn", "clock: 1 GHz", "word: 16 b", "energy: eyeriss_relative")


def machine(rng: Random, memories: int, folder: Path) -> Architecture:
    """One array below so many memories: shared or partitioned, single or double, with networks of several kinds."""
    levels = ["  - name: DRAM"]
    y, x = rng.choice([(1, 1), (2, 2), (2, 3), (4, 2), (3, 3), (1, 4)])
    psum = rng.choice(PSUM)
    array = [
        f"    array: {{size: {{y: {y}, x: {x}}}, networks: {{ifmap: {{kind: {_kind(rng)}}},",
        f"      filter: {{kind: {_kind(rng)}}}, psum: {{kind: {psum}}}}}}}",
    ]
    for i in range(memories):
        levels += [f"  - name: L{i + 1}", "    component: GLB"]
        levels += _capacity(rng, (60, 400))
    if y * x > 1:
        levels += array
    levels.append("  - name: RF")
    levels += _capacity(rng, (3, 40))
    padding = rng.choice(["stored", "on-chip"])
    text = "\n".join([*HEAD, f"padding: {padding}", "levels:", *levels, "pe: {macs: 1}", ""])
    path = folder / "drawn.yaml"
    path.write_text(text)
    return load_architecture(path)


def _kind(rng: Random) -> str:
    return rng.choice(["multicast", "multicast", "systolic", "unicast"])


def _capacity(rng: Random, span: tuple[int, int]) -> list[str]:
    if rng.random() < 0.4:
        shares = ", ".join(f"{t}: {rng.randint(*span) // 2 + 1} words" for t in ("ifmap", "filter", "psum"))
        lines = [f"    capacity: {{{shares}}}"]
    else:
        lines = [f"    capacity: {rng.randint(*span)} words"]
    if rng.random() < 0.3:
        lines.append("    buffer: double")
    return lines


def problem(rng: Random) -> Problem:
    """Two to four dims of sizes two to six."""
    sizes = [1] * 8
    for dim in rng.sample(range(8), rng.randint(2, 4)):
        sizes[dim] = rng.choice([2, 2, 3, 4, 4, 5, 6])
    stride = rng.choice([1, 1, 1, 2, 3]), rng.choice([1, 1, 2])
    dilation = rng.choice([1, 1, 1, 2]), rng.choice([1, 1, 2])
    pad = rng.choice([0, 0, 1]), rng.choice([0, 0, 1])
    return Problem(tuple(sizes), stride=stride, dilation=dilation, pad=pad)


def placements(rng: Random, architecture: Architecture, most: int) -> list[Bypass]:
    """Some of them; keeping everything is always one."""
    may = [(i, t) for i, level in enumerate(architecture.levels) if i for t in TENSORS if t in level.keeps]
    out: list[Bypass] = [{}]
    for _ in range(most):
        chosen = [one for one in may if rng.random() < 0.4]
        out.append({i: frozenset(t for at, t in chosen if at == i) for i in {at for at, _ in chosen}})
    return out


def mappings(architecture: Architecture, layer: Problem, bypass: Bypass, spread: bool = False) -> Iterator[LoopNest]:
    """Every chain of perfect factors, spatial ones laid out in one way, in every order of every level."""
    array = max(architecture.pe_level - 1, 0)
    fan = architecture.levels[array].fanout
    inside = any(
        set(level.keeps) - set(bypass.get(i, ()))
        for i, level in enumerate(architecture.levels)
        if i >= architecture.pe_level
    )
    dims = [dim for dim in DIM_INDEX if layer[dim] > 1]
    every = [list(_chains(layer[dim], array + 3)) for dim in dims]
    for chains in product(*every):
        chosen = dict(zip(dims, chains, strict=True))
        if not inside and any(chain[-1] > 1 for chain in chains):
            continue
        if "G" in chosen and (any(f > 1 for f in chosen["G"][1:-2]) or chosen["G"][-1] > 1):
            continue
        if "G" in chosen and not spread and chosen["G"][-2] > 1:
            continue
        axes = _laid({dim: chain[-2] for dim, chain in chosen.items()}, fan.y, fan.x)
        if axes is None:
            continue
        temporal = [[Loop(dim, chain[i]) for dim, chain in chosen.items() if chain[i] > 1] for i in range(array + 1)]
        within = tuple(Loop(dim, chain[-1]) for dim, chain in chosen.items() if chain[-1] > 1)
        nest = _nest(architecture, temporal, within, axes, bypass)
        try:
            check(architecture, nest, layer)
        except MappingError:
            continue
        for orders in product(*(list(permutations(loops)) for loops in temporal)):
            yield _nest(architecture, orders, within, axes, bypass)


def _nest(architecture, temporal, within, axes, bypass) -> LoopNest:  # type: ignore[no-untyped-def]
    array, last, levels = max(architecture.pe_level - 1, 0), len(architecture.levels) - 1, []
    for i, spec in enumerate(architecture.levels):
        own = tuple(temporal[i]) if i <= array else ()
        own += within if i == last else ()
        y, x = axes if i == array else ((), ())
        skipped = frozenset[Tensor](bypass.get(i, ()))
        if own or y or x or skipped:
            levels.append((spec.name, LevelMapping(own, y, x, skipped)))
    return LoopNest(tuple(levels))


def _chains(size: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (size,)
        return
    for f in divisors(size):
        for rest in _chains(size // f, parts - 1):
            yield (f, *rest)


def _laid(across: dict[str, int], rows: int, columns: int) -> tuple[tuple[Loop, ...], tuple[Loop, ...]] | None:
    """Any layout that fits."""
    dims = [dim for dim, f in across.items() if f > 1]
    for on_y in product(*(divisors(across[dim]) for dim in dims)):
        y = dict(zip(dims, on_y, strict=True))
        tall = wide = 1
        for dim in dims:
            tall *= y[dim]
            wide *= across[dim] // y[dim]
        if tall <= rows and wide <= columns:
            return (
                tuple(Loop(dim, y[dim]) for dim in dims if y[dim] > 1),
                tuple(Loop(dim, across[dim] // y[dim]) for dim in dims if across[dim] > y[dim]),
            )
    return None
