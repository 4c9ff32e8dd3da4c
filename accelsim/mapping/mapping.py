"""A mapping: one list of loops, outermost first, cut by levels; its text form; what makes it legal."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from accelsim.architecture.model import Architecture, Buffer, Level, Partition
from accelsim.drawn import Pictured
from accelsim.errors import MappingError, Overflow, nearest
from accelsim.mapping.finals import holds_finals
from accelsim.workload.problem import DIM_INDEX, LOOP_DIMS, TENSOR_DIMS, TENSORS, Problem, Tensor, distinct_positions

_LOOP = re.compile(r"(IB|WB|[NGMCKPQRS]):?(\d+)")


@dataclass(frozen=True)
class Loop:
    """One loop: `factor` tiles along `dim`. The product of a dim's factors may exceed its size (clipped)."""

    dim: str
    factor: int

    def __post_init__(self) -> None:
        if self.dim not in DIM_INDEX:
            raise MappingError(f"unknown dim '{self.dim}'{nearest(self.dim, LOOP_DIMS)}")
        if self.factor < 1:
            raise MappingError(f"loop {self.dim}{self.factor}: a factor must be at least 1")

    def __str__(self) -> str:
        return f"{self.dim}{self.factor}"


@dataclass(frozen=True)
class LevelMapping:
    """The loops right below one level: temporal, then spatial on y (outer) and x (inner)."""

    temporal: tuple[Loop, ...] = ()
    y: tuple[Loop, ...] = ()
    x: tuple[Loop, ...] = ()
    bypass: frozenset[Tensor] = frozenset()

    @property
    def loops(self) -> tuple[tuple[str, Loop], ...]:
        """(kind, loop) in nest order; kind is 'temporal', 'y' or 'x'."""
        return tuple((kind, loop) for kind in ("temporal", "y", "x") for loop in getattr(self, kind))


@dataclass(frozen=True, repr=False)
class LoopNest(Pictured):
    """A mapping, level by level, outermost first. Levels without loops may be left out.

    ``LoopNest.parse("DRAM: N4 P8 C3 | GLB: M3 Q55 y R11 x M2 P7 | RF: S11 M16")``; ``str()`` gives it back.
    A level may add ``bypass ifmap,psum``.
    """

    levels: tuple[tuple[str, LevelMapping], ...]
    source: str = field(default="", compare=False)

    def level(self, name: str) -> LevelMapping:
        """The loops below the level called `name` (none if it is not mentioned)."""
        for level_name, level in self.levels:
            if level_name == name:
                return level
        return LevelMapping()

    @staticmethod
    def parse(text: str, source: str = "") -> LoopNest:
        """Read the text form. Raises MappingError naming the word that does not fit."""
        levels = []
        for part in re.split(r"[|\n]", text):
            if not part.strip():
                continue
            name, colon, rest = part.partition(":")
            if not colon:
                raise MappingError(f"'{part.strip()}': a level reads 'NAME: loops'")
            levels.append((name.strip(), _parse_level(rest)))
        return LoopNest(tuple(levels), source)

    @staticmethod
    def from_dict(levels: Mapping[str, Mapping[str, object]], source: str = "") -> LoopNest:
        """Read the YAML form ``{level: {temporal: "N4 P8", y: "R11", x: "M2 P7", bypass: [ifmap]}}``."""
        return LoopNest(
            tuple(
                (
                    name,
                    LevelMapping(
                        parse_loops(body.get("temporal") or ""),
                        parse_loops(body.get("y") or ""),
                        parse_loops(body.get("x") or ""),
                        frozenset(Tensor(t) for t in body.get("bypass") or ()),  # type: ignore[attr-defined]
                    ),
                )
                for name, body in levels.items()
            ),
            source,
        )

    def to_dict(self) -> dict[str, dict[str, object]]:
        """The YAML form; `from_dict` reads it back."""
        out: dict[str, dict[str, object]] = {}
        for name, level in self.levels:
            body: dict[str, object] = {
                kind: " ".join(map(str, getattr(level, kind)))
                for kind in ("temporal", "y", "x")
                if getattr(level, kind)
            }
            if level.bypass:
                body["bypass"] = [t.value for t in TENSORS if t in level.bypass]
            out[name] = body
        return out

    def __repr__(self) -> str:
        return f"LoopNest({str(self)!r})"

    def __str__(self) -> str:
        parts = []
        for name, level in self.levels:
            words = [*map(str, level.temporal)]
            for axis in ("y", "x"):
                loops = getattr(level, axis)
                if loops:
                    words += [axis, *map(str, loops)]
            if level.bypass:
                words += ["bypass", ",".join(t.value for t in TENSORS if t in level.bypass)]
            parts.append(f"{name}: {' '.join(words)}".rstrip())
        return " | ".join(parts)


def parse_loops(text: object) -> tuple[Loop, ...]:
    """Read ``"N4 P8 C3"`` (or ``["N:4", ...]``); K is accepted for M."""
    words = text.split() if isinstance(text, str) else [str(w) for w in _as_list(text)]
    loops = []
    for word in words:
        match = _LOOP.fullmatch(word)
        if not match:
            raise MappingError(
                f"'{word}' is not a loop; write a dim and a factor, such as M16 ({', '.join(LOOP_DIMS)})"
            )
        dim = "M" if match[1] == "K" else match[1]
        loops.append(Loop(dim, int(match[2])))
    return tuple(loops)


def _as_list(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else [value]


def _parse_level(text: str) -> LevelMapping:
    kinds: dict[str, list[str]] = {"temporal": [], "y": [], "x": [], "bypass": []}
    kind = "temporal"
    for word in text.split():
        if word in kinds:
            kind = word
        else:
            kinds[kind].append(word)
    try:
        bypass = frozenset(Tensor(t) for word in kinds["bypass"] for t in word.split(",") if t)
    except ValueError as error:
        raise MappingError(f"bypass: {error} ({', '.join(TENSORS)})") from None
    return LevelMapping(parse_loops(kinds["temporal"]), parse_loops(kinds["y"]), parse_loops(kinds["x"]), bypass)


RUN_DIMS = ("P", "Q", "R", "S")
"""What runs of pixels leave whole outside the level that holds planes."""


def kept(architecture: Architecture, nest: LoopNest, level: int, tensor: Tensor) -> bool:
    """Whether a level holds a tensor under this mapping: its home does, which is the outermost unless said."""
    spec, home = architecture.levels[level], architecture.home(tensor)
    if architecture.parts and level == architecture.parts_home(tensor):
        return True
    return level == home or (level > home and tensor in spec.keeps and tensor not in nest.level(spec.name).bypass)


def tile_sizes(architecture: Architecture, nest: LoopNest, problem: Problem, level: int) -> dict[str, int]:
    """Nominal extent of every dim in one instance's tile at a level (never above the problem's size)."""
    extent = dict.fromkeys(LOOP_DIMS, 1)
    for spec in architecture.levels[level:]:
        for _, loop in nest.level(spec.name).loops:
            extent[loop.dim] *= loop.factor
    return {dim: min(extent[dim], problem[dim]) for dim in LOOP_DIMS}


def tile_words(problem: Problem, tile: Mapping[str, int], tensor: Tensor, planes: bool = False) -> int:
    """Words of a tensor in a tile of the given extents (ifmap: holes of stride and dilation left out).

    Of a problem in runs the largest such tile; planes : the ifmap lies as it is, holes and all, not as windows.
    """
    if tensor is not Tensor.IFMAP or (problem.runs and not planes):
        product = 1
        for dim in TENSOR_DIMS[tensor]:
            product *= tile[dim]
        if problem.runs and tensor is not Tensor.FILTER:
            ends, runs = problem.runs.ends, tile["P"]
            product = product // runs * max(after - before for before, after in zip(ends, ends[runs:], strict=False))
        return product
    if problem.runs:
        rows, columns = problem.whole_plane
    else:
        rows = distinct_positions(tile["P"], tile["R"], problem.stride[0], problem.dilation[0])
        columns = distinct_positions(tile["Q"], tile["S"], problem.stride[1], problem.dilation[1])
    return tile["N"] * tile["G"] * tile["C"] * rows * columns * tile["IB"]


def check(architecture: Architecture, nest: LoopNest, problem: Problem) -> None:
    """Raise MappingError unless this architecture can run this problem under this mapping.

    Checks level names, that nothing passes by the outermost level, that every dim is covered, array sizes, and
    capacity (slots x tile, psum of a streamed buffer one tile); every overflow is reported with demand, bound, gap and
    levers.
    """
    names = [level.name for level in architecture.levels]
    for name, _ in nest.levels:
        if name not in names:
            raise MappingError(f"architecture '{architecture.name}' has no level '{name}'{nearest(name, names)}")
    order = [names.index(name) for name, _ in nest.levels]
    if order != sorted(set(order)):
        raise MappingError(f"levels must be named once each, outermost first ({', '.join(names)})")
    passed = [t.value for t in TENSORS if t in nest.level(names[0]).bypass]
    if passed:
        raise MappingError(
            f"level '{names[0]}' is the outermost and holds every tensor; leave {', '.join(passed)} out of its bypass"
        )
    covered = dict.fromkeys(LOOP_DIMS, 1)
    overflows = []
    for spec in architecture.levels:
        mapped = nest.level(spec.name)
        for _, loop in mapped.loops:
            covered[loop.dim] *= loop.factor
        for axis in ("y", "x"):
            used, size = 1, getattr(spec.fanout, axis)
            loops = getattr(mapped, axis)
            for loop in loops:
                used *= loop.factor
            if used > size:
                lever = f"reduce one of {' '.join(map(str, loops))} on {axis}, or widen the array"
                overflows.append(Overflow(spec.name, f"array {axis}", used, size, (lever,)))
    for dim in LOOP_DIMS:
        if covered[dim] < problem[dim]:
            raise MappingError(
                f"the factors of {dim} multiply to {covered[dim]}, below its size {problem[dim]}; "
                f"add a loop {dim}{-(-problem[dim] // covered[dim])} at an outer level"
            )
    if problem.runs:
        _check_runs(architecture, nest)
    overflows += capacity_overflows(architecture, nest, problem)
    if overflows:
        raise MappingError("; ".join(map(describe, overflows)), overflows)


def planes_to(architecture: Architecture) -> int:
    """The innermost level that holds an ifmap as planes, of a machine that takes outputs as runs of pixels."""
    names = [level.name for level in architecture.levels]
    return names.index(architecture.runs.level) if architecture.runs else len(names)


def _check_runs(architecture: Architecture, nest: LoopNest) -> None:
    """Raise MappingError where runs or windows are cut outside the level that holds planes, or runs in the array."""
    held = planes_to(architecture)
    for index, spec in enumerate(architecture.levels):
        mapped = nest.level(spec.name)
        for kind, loop in mapped.loops:
            if loop.factor > 1 and loop.dim in (RUN_DIMS if index < held else ()):
                raise MappingError(
                    f"{spec.name}: {loop} cuts planes, but runs of pixels need them whole in "
                    f"{architecture.levels[held].name}; move it there"
                )
            if loop.factor > 1 and loop.dim == "P" and (kind != "temporal" or index >= architecture.pe_level):
                what = "is inside a PE" if kind == "temporal" else "is spatial"
                raise MappingError(f"{spec.name}: {loop} {what}; runs of pixels come to the array one after the other")


def check_bypass(architecture: Architecture, nest: LoopNest) -> None:
    """Raise MappingError for a bypass that changes nothing: of a tensor that the level does not keep anyway."""
    for level in architecture.levels:
        for tensor in TENSORS:
            if tensor in nest.level(level.name).bypass and tensor not in level.keeps:
                kept = ", ".join(t.value for t in TENSORS if t in level.keeps) or "nothing"
                raise MappingError(
                    f"level '{level.name}' does not keep {tensor} (keeps {kept}); leave it out of its bypass"
                )


def describe(overflow: Overflow) -> str:
    """One clause: where, demand, bound, gap and what would make it fit."""
    unit = "" if overflow.what.startswith("array") else " bits"
    return (
        f"{overflow.level} {overflow.what}: needs {overflow.demand}{unit}, has {overflow.bound}{unit}, "
        f"{overflow.gap}{unit} too many ({'; '.join(overflow.levers)})"
    )


def capacity_overflows(
    architecture: Architecture, nest: LoopNest, problem: Problem, whole: Collection[str] = ()
) -> list[Overflow]:
    """Every partition of every level whose tiles do not fit, with the loops that would shrink them.

    whole : dims that the dataflow does not cut, so that none of their loops can be moved.
    """
    found = []
    for spec, partition, demand, dims in demands(architecture, nest, problem):
        if demand > partition.free:
            what = "+".join(t.value for t in TENSORS if t in partition.tiled)
            uncut = (*whole, *(RUN_DIMS if problem.runs else ()))
            moved = ", ".join(d for d in LOOP_DIMS if d in dims and d not in uncut)
            lever = f"move a loop of {moved} from {spec.name} or below to a level above"
            stuck = ", ".join(d for d in LOOP_DIMS if d in dims)
            other = f"take another dataflow: this one never cuts {stuck}" if stuck else "shorter words"
            levers = [lever if moved else other]
            if any(spec.buffering(t) is Buffer.DOUBLE for t in partition.tensors):
                levers.append("buffer it single")
            levers.append("enlarge the capacity")
            found.append(Overflow(spec.name, what, demand, partition.free, tuple(levers)))
    return found


def demands(
    architecture: Architecture, nest: LoopNest, problem: Problem
) -> Iterator[tuple[Level, Partition, int, set[str]]]:
    """(level, part of its capacity, bits its tiles take, dims they go over) of every partition, outermost first."""
    for index, spec in enumerate(architecture.levels):
        tile = tile_sizes(architecture, nest, problem, index)
        for partition in spec.capacity:
            demand, dims = 0, set()
            for tensor in TENSORS:
                if tensor in partition.tiled and kept(architecture, nest, index, tensor):
                    bits = architecture.moved_bits[tensor]
                    if tensor is Tensor.PSUM and holds_finals(architecture, nest, problem, index):
                        bits = architecture.final_bits
                    planes = problem.runs is not None and index <= planes_to(architecture)
                    demand += spec.slots(tensor) * tile_words(problem, tile, tensor, planes) * bits
                    dims |= {d for d in TENSOR_DIMS[tensor] if tile[d] > 1}
            yield spec, partition, demand, dims
