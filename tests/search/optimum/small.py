"""Small machines and problems, and every mapping of their whole mapspace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product
from math import prod
from pathlib import Path
from random import Random
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.errors import MappingError
from accelsim.mapping.dataflows import Dataflow
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest, check, kept, tile_sizes, tile_words
from accelsim.search.factors import divisors
from accelsim.search.optimum.constraints import Bypass
from accelsim.search.space import Space
from accelsim.search.unrolling import Unrollings
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


def mappings(
    architecture: Architecture, layer: Problem, bypass: Bypass, spread: bool = False, imperfect: bool = False
) -> Iterator[LoopNest | None]:
    """Every chain of factors, spatial ones laid out in one way, in every order of every level; None: does not fit."""
    array = max(architecture.pe_level - 1, 0)
    fan = architecture.levels[array].fanout
    inside = any(
        set(level.keeps) - set(bypass.get(i, ()))
        for i, level in enumerate(architecture.levels)
        if i >= architecture.pe_level
    )
    dims = [dim for dim in DIM_INDEX if layer[dim] > 1]
    every = [list(covers(layer[dim], array + 3) if imperfect else _chains(layer[dim], array + 3)) for dim in dims]
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
            yield None
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


def covers(size: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Chains that cover a dim: chosen over the array first, then in the PE, then from the inside out."""
    for across in least(size):
        trips = -(-size // across)
        for within in least(trips):
            for above in _above(-(-trips // within), parts - 2):
                yield (*above, across, within)


def _above(trips: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (trips,)
        return
    for f in least(trips):
        for rest in _above(-(-trips // f), parts - 1):
            yield (*rest, f)


def least(size: int) -> list[int]:
    """Factors of which no smaller one leaves as many trips."""
    return [f for f in range(1, size + 1) if all(-(-size // less) > -(-size // f) for less in range(1, f))]


def dataflow(rng: Random, architecture: Architecture) -> Dataflow:
    """One that this machine can run: what stays, what is spatial, whole, in the PE, and which loops are innermost."""
    inside = sorted(frozenset[Tensor]().union(*(s.keeps for s in architecture.levels[architecture.pe_level :])))
    keeps = frozenset(t for t in inside if rng.random() < 0.7)

    def some(most: int, of: str = "NMCPQRS") -> tuple[str, ...]:
        return tuple(rng.sample(of, rng.randint(0, most)))

    run = some(3)
    return Dataflow(
        "drawn", "drawn", "drawn", keeps, y=some(4), x=some(4), whole=some(2), pe=some(4) if keeps else (), run=run,
        above=some(2, "".join(dim for dim in "NMCPQRS" if dim not in run)),
    )  # fmt: skip


def flow_mappings(architecture: Architecture, layer: Problem, flow: Dataflow) -> Iterator[LoopNest | None]:
    """Every mapping of a dataflow: all factors above the array and in the PE, in all orders that it leaves.

    None : one that does not fit.
    """
    space = Space(architecture, layer, flow)
    array, last = space.array, len(architecture.levels) - 1
    space = replace(space, tiled=array > 0)
    levels = range(max(1, architecture.pe_level), last + 1)
    bypass = {i: architecture.levels[i].keeps - flow.keeps for i in levels}
    fixed = {array: tuple(dim for dim in flow.run)}
    if flow.above:
        fixed[space.above] = flow.above + (flow.run if space.above == array else ())
    for axes in Unrollings(space, narrower=True).arrays():
        ways = []
        for dim in DIM_INDEX:
            own = []
            trips = -(-layer[dim] // axes[dim].pes)
            within = [1] if dim not in flow.pe else [trips] if dim in flow.whole else least(trips)
            for f in within:
                own += [(*above, f) for above in _of_flow(space, dim, -(-trips // f))]
            ways.append([(dim, chain) for chain in own])
        for chosen in product(*ways):
            yield from _in_all_orders(architecture, layer, space, dict(chosen), axes, bypass, fixed)


def _of_flow(space: Space, dim: str, trips: int) -> Iterator[tuple[int, ...]]:
    flow, levels = space.dataflow, range(space.array + 1)
    if dim in flow.run + flow.above:
        at = space.above if dim in flow.above else space.array
        for run in least(trips) if at else [trips]:
            yield tuple({0: -(-trips // run), at: run}[i] if i in (0, at) else 1 for i in levels)
        return
    for above in _above(trips, len(space.free)):
        cut = [trips]
        for f in reversed(above[1:]):
            cut.append(-(-cut[-1] // f))
        if dim != "N" or all(n % f == 0 for n, f in zip(cut, reversed(above), strict=True)):
            yield tuple(dict(zip(space.free, above, strict=True)).get(i, 1) for i in levels)


def _in_all_orders(architecture, layer, space, chains, axes, bypass, fixed) -> Iterator[LoopNest | None]:  # type: ignore[no-untyped-def]
    array, flow = space.array, space.dataflow
    y, x = (
        tuple(Loop(dim, getattr(axes[dim], side)) for dim in dims if getattr(axes[dim], side) > 1)
        for side, dims in (("y", space.y), ("x", space.x))
    )
    temporal = [[Loop(dim, chain[i]) for dim, chain in chains.items() if chain[i] > 1] for i in range(array + 1)]
    within = tuple(Loop(dim, chains[dim][-1]) for dim in flow.pe if chains[dim][-1] > 1)
    if not any(set(architecture.levels[i].keeps) - passing for i, passing in bypass.items()) and within:
        return
    nest = _nest(architecture, temporal, within, (y, x), bypass)
    try:
        check(architecture, nest, layer)
    except MappingError:
        yield None
        return
    every = []
    for i, loops in enumerate(temporal):
        own = [loop for dim in fixed.get(i, ()) for loop in loops if loop.dim == dim]
        every.append([(*free, *own) for free in permutations([loop for loop in loops if loop not in own])])
    for orders in product(*every):
        yield _nest(architecture, orders, within, (y, x), bypass)


def constraints(rng: Random, architecture: Architecture, layer: Problem, innermost: bool) -> dict[str, Any]:
    """Some, as a file has them; often ones that few mappings keep."""
    names, array = [level.name for level in architecture.levels], max(architecture.pe_level - 1, 0)
    dims = [dim for dim in DIM_INDEX if layer[dim] > 1]
    places = [*names[: array + 1], "array", "PE"]
    out: dict[str, Any] = {}
    for key, chance in (("loops", 0.6), ("tiles", 0.4)):
        for _ in range(2):
            if rng.random() < chance:
                dim, low = rng.choice(dims), rng.randint(1, 3)
                bound = rng.choice([1, f"..{low}", f"{low}..", f"{low}..{low + 2}"])
                out.setdefault(key, {}).setdefault(dim, {})[rng.choice(places)] = bound
    if rng.random() < 0.3:
        out["pes"] = rng.choice(["2..", "..3", "2..4"])
    if rng.random() < 0.3:
        out["utilization"] = {rng.choice(names[1:]): rng.choice(["30%..", "..70%", "20%..90%"])}
    if rng.random() < 0.25:
        spec = architecture.levels[rng.randint(1, len(names) - 1)]
        out[rng.choice(["keep", "bypass"])] = {spec.name: rng.sample(sorted(spec.keeps), 1)}
    if innermost and rng.random() < 0.4:
        out["innermost"] = {rng.choice(names[: array + 1]): rng.sample(dims, rng.randint(1, len(dims)))}
    return out


def keeps(architecture: Architecture, layer: Problem, nest: LoopNest, given: dict[str, Any]) -> bool:
    """Whether a mapping keeps such constraints, by its loops and tiles."""
    names, array = [level.name for level in architecture.levels], max(architecture.pe_level - 1, 0)

    def within(value: float, bound: object, scale: float = 1.0) -> bool:
        low, dots, high = str(bound).replace("%", "").partition("..")
        if not dots:
            high = low
        return float(low or 0) <= value * scale + 1e-9 and value * scale - 1e-9 <= float(high or "inf")

    def factor(dim: str, place: str) -> int:
        if place == "array":
            mapped = nest.level(names[array])
            return prod(loop.factor for loop in (*mapped.y, *mapped.x) if loop.dim == dim)
        level = names[-1] if place == "PE" else place
        return prod(loop.factor for loop in nest.level(level).temporal if loop.dim == dim)

    order = [*names[: array + 1], "array", "PE"]
    for dim, own in given.get("loops", {}).items():
        if not all(within(factor(dim, place), bound) for place, bound in own.items()):
            return False
    for dim, own in given.get("tiles", {}).items():
        for place, bound in own.items():
            cover = prod(factor(dim, one) for one in order[order.index(place) :])
            if not within(min(cover, layer[dim]), bound):
                return False
    mapped = nest.level(names[array])
    if not within(prod(loop.factor for loop in (*mapped.y, *mapped.x)), given.get("pes", "1..")):
        return False
    for level, bound in given.get("utilization", {}).items():
        spec, index = next((one, i) for i, one in enumerate(architecture.levels) if one.name == level)
        tile = tile_sizes(architecture, nest, layer, index)
        for part in spec.capacity:
            held = [t for t in TENSORS if t in part.tensors and kept(architecture, nest, index, t)]
            bits = sum(spec.slots(t) * tile_words(layer, tile, t) * architecture.word_bits[t] for t in held)
            if not within(bits / part.bits, bound, 100):
                return False
    for name, wanted in (("keep", False), ("bypass", True)):
        for level, tensors in given.get(name, {}).items():
            if any((t in nest.level(level).bypass) != wanted for t in tensors):
                return False
    for level, dims in given.get("innermost", {}).items():
        loops = [loop.dim for loop in nest.level(level).temporal]
        own = [dim for dim in dims if dim in loops]
        if own and loops[-len(own) :] != own:
            return False
    return True


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
