"""Random small (architecture, nest, problem) triples, legal by construction.

`case(random.Random(seed))` for mass runs; `cases()` is the hypothesis strategy over the same generator.
`sparse_case` and `sparse_cases` draw machines that make use of zeros, and masks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from accelsim.architecture.dram.model import Dram, Page
from accelsim.architecture.model import (
    REDUCING,
    Architecture,
    Buffer,
    Fanout,
    Fixed,
    Format,
    Injection,
    Level,
    Lock,
    Mode,
    Network,
    NetworkKind,
    Pairing,
    Part,
    Port,
    Sparsity,
)
from accelsim.architecture.pace import Bias, Delivery
from accelsim.architecture.runs import RunRule
from accelsim.engine.program import Program, build
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import RUN_DIMS, LevelMapping, Loop, LoopNest
from accelsim.sparsity.masks import Mask, Masks, shape_of
from accelsim.workload.lowering import in_runs
from accelsim.workload.problem import DIMS, LOOP_DIMS, REDUCTION_DIMS, TENSORS, Padding, Problem, Tensor
from golden.values import SLICE

RATES = tuple(Fraction(rate) for rate in ("1", "1", "1", "2", "2", "3", "4", "8", "1/2", "3/2", "2/3", "5/7"))
INPUT_KINDS = (NetworkKind.MULTICAST, NetworkKind.MULTICAST, NetworkKind.UNICAST, NetworkKind.SYSTOLIC)
PSUM_KINDS = (NetworkKind.CHAIN, NetworkKind.TREE, NetworkKind.SYSTOLIC)
DENSITIES = (0.0, 0.1, 0.1, 0.35, 0.5, 0.8, 1.0)
MAX_PES = 12
IN_PES = (("psum_in", Tensor.PSUM), ("window", Tensor.IFMAP))


@dataclass(frozen=True)
class Case:
    """One drawn triple; unpacks as ``architecture, nest, problem``."""

    architecture: Architecture
    nest: LoopNest
    problem: Problem

    def __iter__(self) -> Iterator[Any]:
        return iter((self.architecture, self.nest, self.problem))


def cases() -> st.SearchStrategy[Case]:
    """Triples for hypothesis."""
    return st.randoms(use_true_random=False).map(
        lambda rng: with_modes(rng, with_ofmap(rng, with_pace(rng, case(rng))))
    )


def case(rng: Random, max_macs: int = 500) -> Case:
    """One triple; most have a few hundred MACs."""
    return case_of(rng, draw_problem(rng, max_macs))


Drawn = TypeVar("Drawn", "Case", "SparseCase")


def with_ofmap(rng: Random, drawn: Drawn) -> Drawn:
    """The same on a machine that, more often than not, narrows sums once they are final."""
    machine = drawn.architecture
    if rng.random() < 0.4:
        return drawn
    bits = dict(machine.word_bits)
    bits[Tensor.PSUM] = max(bits[Tensor.PSUM], rng.choice((2, 8, 24)))
    narrow = rng.choice(("", "", *(level.name for level in machine.levels[1:])))
    ofmap = rng.randint(1, bits[Tensor.PSUM] - 1)
    return replace(drawn, architecture=replace(machine, word_bits=bits, ofmap_bits=ofmap, narrow=narrow))


def with_homes(rng: Random, drawn: Drawn) -> Drawn:
    """The same where some tensors live in another level than the outermost, if the machine has one that may hold them.

    A level keeps what passed it by before, for which it need not have had room.
    """
    machine, nest = drawn.architecture, drawn.nest
    homes = {}
    for tensor in TENSORS:
        for level in machine.levels[1:]:
            if tensor in level.keeps and rng.random() < 0.6:
                homes[tensor] = level.name
                break
    for tensor in rng.sample(TENSORS, 3):
        try:
            return replace(drawn, architecture=replace(machine, homes=homes), nest=nest)
        except AccelsimError:
            homes.pop(tensor, None)
    return drawn


def with_parts(rng: Random, drawn: Drawn) -> Drawn:
    """The same where some channels of some tensors live in another level, if the machine has one that may hold them."""
    machine, problem = drawn.architecture, drawn.problem
    if problem.added:
        return drawn
    parts = {}
    for tensor in TENSORS:
        for level in machine.levels[1:]:
            if tensor in level.keeps and tensor not in machine.homes and rng.random() < 0.7:
                dims = [dim for dim in ("GM" if tensor is Tensor.PSUM else "GC") if problem[dim] > 1]
                if not dims:
                    break
                dim = rng.choice(dims)
                parts[tensor] = Part(level.name, dim, rng.randint(1, problem[dim] - 1))
                break
    for tensor in rng.sample(TENSORS, 3):
        try:
            return replace(drawn, architecture=replace(machine, parts=parts))
        except AccelsimError:
            parts.pop(tensor, None)
    return drawn


def with_modes(rng: Random, drawn: Drawn) -> Drawn:
    """The same on a machine whose multipliers, as often as not, split: the words drawn choose how."""
    machine = drawn.architecture
    if machine.sparsity.skip or machine.cartesian or rng.random() < 0.5:
        return drawn
    dims = [dim for dim in DIMS if not (machine.runs and dim in "PQ")]
    most = max(20, *machine.word_bits.values())
    modes = [Mode(most, most, rng.choice((1, 1, 3)), *_split(rng, dims))]
    for bits, macs in ((16, (1,)), (8, (2, 3)), (4, (4, 5)), (1, (4, 16))):
        if rng.random() < 0.8:
            modes.append(Mode(bits, bits, rng.choice(macs), *_split(rng, dims)))
    if rng.random() < 0.3:
        modes.append(Mode(16, 4, 4, *_split(rng, dims)))
        modes = [mode for mode in modes if mode.cells != 64 or mode.ifmap == 16]
    return replace(drawn, architecture=replace(machine, modes=tuple(rng.sample(modes, len(modes)))))


def _split(rng: Random, dims: Sequence[str]) -> tuple[str, None, int]:
    """Along which dim sub-words lie, their price, and what their clock is divided by."""
    return rng.choice(("", *dims, "M", "C")), None, rng.choice((1, 1, 2, 3))


def with_pace(rng: Random, drawn: Drawn) -> Drawn:
    """The same on a machine that, as often as not, is held up by more than words and MACs."""
    machine = drawn.architecture
    if rng.random() < 0.5:
        return drawn

    def drawn_cycles(tensors: Iterable[Tensor]) -> dict[Tensor, int]:
        return {tensor: rng.choice((0, 0, 1, 2, 7)) for tensor in tensors}

    levels = [machine.levels[0]]
    for level in machine.levels[1:]:
        ways = [drawn_cycles(t for t in TENSORS if t in level.keeps) if rng.random() < 0.5 else {} for _ in range(2)]
        refetch = {t for t in TENSORS if t in level.keeps and t is not Tensor.PSUM and rng.random() < 0.2}
        double = [tensor for tensor, buffer in level.buffer.items() if buffer is Buffer.DOUBLE]
        tiles = {tensor: rng.choice((3, 4, 7)) for tensor in double if rng.random() < 0.3}
        fixed = Fixed(*ways, rng.choice((0, 0, 1, 4)))
        room = Tensor.PSUM in level.keeps and not machine.cartesian and rng.random() < 0.3
        delivery = Delivery(rng.choice((1, 2, 5, 12)), rng.choice((0, 1, 6, 15))) if room else None
        levels.append(replace(level, fixed=fixed, refetch=frozenset(refetch), tiles=tiles, delivery=delivery))
    for index, level in enumerate(levels):
        psum = level.fanout.networks.get(Tensor.PSUM)
        if psum is not None and psum.accumulate_on_drain:
            networks = {**level.fanout.networks, Tensor.PSUM: replace(psum, slots=rng.choice((1, 1, 2, 3)))}
            levels[index] = replace(level, fanout=replace(level.fanout, networks=networks))
    levels = [slow_beats(rng, machine, index, level) for index, level in enumerate(levels)]
    wave = rng.choice((None, 0, 1, 5)) if machine.serial not in (None, Tensor.PSUM) else None
    stream = wave is None and machine.serial not in (None, Tensor.PSUM) and rng.random() < 0.5
    before, after = (rng.choice((0, 0, 3)) for _ in range(2))
    least = rng.choice((0, 0, 2, 9))
    paced = replace(machine, levels=tuple(levels), wave=wave, stream=stream, least=least, before=before, after=after)
    if not machine.sparsity.skip and not machine.cartesian:
        paced = replace(paced, mac_cycles=rng.choice((1, 1, 2, 5)))
    inside = frozenset[Tensor]().union(*(level.keeps for level in machine.levels[machine.pe_level :]))
    if rng.random() < 0.5 and not machine.sees_zeros and not machine.cartesian:
        each = {name: rng.choice((0, 1, 1, 3)) for name, t in IN_PES if t in inside}
        paced = replace(paced, **each)
    paced = replace(paced, lock=draw_lock(rng, paced, drawn))
    if rng.random() < 0.4 and machine.levels[0].dram is None:
        paced = in_turn(rng, paced)
    if rng.random() < 0.4 and not machine.cartesian and not paced.levels[0].turns:
        few = {tensor: rng.choice((1, 1, 2, 3, 5)) for tensor in TENSORS if rng.random() < 0.6}
        paced = replace(paced, levels=(replace(paced.levels[0], outstanding=few), *paced.levels[1:]))
    added = not machine.sees_zeros and not machine.cartesian and rng.random() < 0.4
    return with_bias(rng, replace(drawn, architecture=paced, problem=replace(drawn.problem, added=added)))


def slow_beats(rng: Random, machine: Architecture, index: int, level: Level) -> Level:
    """The same level, some of whose networks take a beat once in a few cycles."""
    if machine.sees_zeros or machine.cartesian or (index == 0 and level.dram) or rng.random() < 0.7:
        return level
    networks = {
        tensor: network if network.has_links else replace(network, every=rng.choice((1, 2, 3, 5)))
        for tensor, network in level.fanout.networks.items()
    }
    return replace(level, fanout=replace(level.fanout, networks=networks))


def with_bias(rng: Random, drawn: Drawn) -> Drawn:
    """The same with a bias, if nothing else is added and sums may begin with it in the level they go to."""
    machine, nest, problem = drawn.architecture, drawn.nest, drawn.problem
    if problem.added or rng.random() < 0.5:
        return drawn
    keepers = [spec.name for spec in machine.levels if Tensor.PSUM in spec.keeps - nest.level(spec.name).bypass]
    try:
        biased = replace(machine, bias=Bias(keepers[1], rng.choice((0, 0, 8, 32))))
        found = replace(drawn, architecture=biased, problem=replace(problem, bias=True))
        build(found.architecture, nest, found.problem)
    except (IndexError, AccelsimError):
        return drawn
    return found


def in_turn(rng: Random, machine: Architecture) -> Architecture:
    """The same where the first inputs take one port in turn, if that may be."""
    turns = (Tensor.IFMAP, Tensor.FILTER) if rng.random() < 0.5 else (Tensor.FILTER, Tensor.IFMAP)
    shared, levels = Port("shared", rng.choice(RATES[:6]) * 8), []
    for level in machine.levels:  # no other port that both inputs hold
        own = {t: level.fanout.networks.get(t) for t in turns}
        apart = {
            t: replace(found, down=replace(found.down, name=f"{level.name} {t} down"))
            for t, found in own.items()
            if found and found.down
        }
        networks = {**level.fanout.networks, **apart}
        levels.append(replace(level, write_port=None, fanout=replace(level.fanout, networks=networks)))
    array = levels[0].fanout.y * levels[0].fanout.x > 1
    atoms = {} if array else {t: rng.choice((2, 3, 8)) for t in turns if rng.random() < 0.5}
    levels[0] = replace(levels[0], read_port=shared, turns=turns, atoms=atoms)
    try:
        return replace(machine, levels=tuple(levels))
    except AccelsimError:
        return machine


def turn_cases() -> st.SearchStrategy[Case]:
    """Machines whose first inputs take a port in turn, for hypothesis."""
    return st.randoms(use_true_random=False).map(turn_case)


def turn_case(rng: Random) -> Case:
    """A machine whose first inputs take a port in turn, and what else may hold it up."""
    while True:
        drawn = with_ofmap(rng, with_pace(rng, case(rng, 250))) if rng.random() < 0.7 else run_case(rng, 200)
        machine, levels = drawn.architecture, []
        for level in machine.levels:
            ways = {t: Buffer.DOUBLE if way is Buffer.STREAM else way for t, way in level.buffer.items()}
            ways = {t: level.buffer[t] if t is Tensor.PSUM else way for t, way in ways.items()}
            levels.append(replace(level, fixed=Fixed(), buffer=ways))
        levels[0] = replace(levels[0], outstanding={})
        free = replace(machine, levels=tuple(levels), serial=None, wave=None, stream=False, skew=False)
        machine = in_turn(rng, free)
        if machine.levels[0].turns:
            return Case(machine, drawn.nest, drawn.problem)


def draw_lock(rng: Random, machine: Architecture, drawn: Drawn) -> Lock | None:
    """A lock step of what may be in one, as often as not."""
    free = machine.pe_level and not (machine.sees_zeros or machine.levels[0].dram or machine.cartesian)
    if not free or build(machine, drawn.nest, drawn.problem).inside > machine.pe_level or rng.random() < 0.5:
        return None
    array = drawn.nest.level(machine.levels[machine.pe_level - 1].name)
    inside = [loop for spec in machine.levels[machine.pe_level :] for _, loop in drawn.nest.level(spec.name).loops]
    present = dict.fromkeys(loop.dim for loop in (*inside, *array.y, *array.x) if loop.factor > 1)
    dims = {dim for dim in present if rng.random() < 0.8} - set("PQ" if machine.runs else "")
    return Lock(frozenset(dims), frozenset(t for t in TENSORS if rng.random() < 0.7), rng.random() < 0.7)


def cutting(machine: Architecture, problem: Problem) -> Architecture:
    """The machine that cuts words into the slices of a problem, each as wide as its words were."""
    counts = {t: count for t, count in zip((Tensor.IFMAP, Tensor.FILTER), problem.slices, strict=True) if count > 1}
    bits = {t: machine.word_bits[t] * (count - 1) + 1 for t, count in counts.items()}
    return replace(machine, word_bits={**machine.word_bits, **bits}, slices={t: machine.word_bits[t] for t in counts})


def case_of(rng: Random, problem: Problem) -> Case:
    """A machine and a mapping for a problem."""
    depth = rng.choice((2, 2, 3, 3, 3, 4))
    arrays = [rng.random() < chance for chance in [0.55] * (depth - 1) + [0.12]]
    nest = draw_nest(rng, problem, arrays)
    return Case(draw_architecture(rng, nest, arrays), nest, problem)


def run_cases() -> st.SearchStrategy[Case]:
    """Machines that take outputs as runs of pixels, for hypothesis."""
    return st.randoms(use_true_random=False).map(run_case)


def run_case(rng: Random, max_macs: int = 300) -> Case:
    """A machine that takes outputs as runs of pixels, and what else may hold it up."""
    while True:
        length = rng.randint(1, 7)
        problem = in_runs(draw_problem(rng, max_macs), length, least := rng.randint(1, length))
        machine, nest, _ = case_of(rng, problem)
        levels = tuple(replace(level, capacity=()) for level in machine.levels)
        holding = [i for i in range(1, machine.pe_level) if Tensor.IFMAP in levels[i].keeps]
        if holding and not any(level.fanout.network(t).has_links for level in levels for t in TENSORS):
            held = rng.choice(holding)
            machine = replace(machine, levels=levels, runs=RunRule(levels[held].name, length, least))
            return with_modes(
                rng, with_ofmap(rng, with_pace(rng, Case(machine, _planes_whole(machine, nest, held), problem)))
            )


def _planes_whole(machine: Architecture, nest: LoopNest, held: int) -> LoopNest:
    """The nest with what cuts planes or runs moved to the level that holds planes."""
    moved: list[Loop] = []
    kept: dict[str, LevelMapping] = {}
    for index, level in enumerate(machine.levels):
        mapped, ways = nest.level(level.name), {}
        for way in ("temporal", "y", "x"):
            dims = RUN_DIMS if index < held else "" if index == held and way == "temporal" else "P"
            loops: tuple[Loop, ...] = getattr(mapped, way)
            moved += [loop for loop in loops if loop.dim in dims]
            ways[way] = tuple(loop for loop in loops if loop.dim not in dims)
        bypass = mapped.bypass - {Tensor.IFMAP} if index == held else mapped.bypass
        kept[level.name] = replace(mapped, **ways, bypass=bypass)
    name = machine.levels[held].name
    kept[name] = replace(kept[name], temporal=(*moved, *kept[name].temporal))
    return LoopNest(tuple(kept.items()))


def flat_cases() -> st.SearchStrategy[Case]:
    """Machines without an array for hypothesis."""
    return st.randoms(use_true_random=False).map(flat_case)


def flat_case(rng: Random, max_macs: int = 120) -> Case:
    """One or two levels, no array, padding made on the chip; operands read straight from the outermost level."""
    problem, depth = draw_problem(rng, max_macs), rng.choice((1, 1, 2))
    if rng.random() < 0.6:  # planes most of which are padding
        pads = [rng.randint(0, 3), rng.randint(0, 3)]
        sides = [max(1, touched - pad - rng.randint(0, 3)) for touched, pad in zip(problem.touched, pads, strict=True)]
        problem = replace(problem, pad=(pads[0], pads[1]), height=sides[0], width=sides[1])
    nest = draw_nest(rng, problem, [False] * depth)
    passing = tuple((name, replace(mapped, bypass=frozenset())) for name, mapped in nest.levels[:1])
    passing += tuple(
        (name, replace(mapped, bypass=frozenset(t for t in TENSORS if rng.random() < 0.6)))
        for name, mapped in nest.levels[1:]
    )
    nest = LoopNest(passing)
    machine = draw_architecture(rng, nest, [False] * depth)
    return Case(replace(machine, padding=Padding.ON_CHIP), nest, problem)


def dram_cases() -> st.SearchStrategy[Case]:
    """Triples with a DRAM for hypothesis."""
    return st.randoms(use_true_random=False).map(
        lambda rng: with_modes(rng, with_ofmap(rng, with_pace(rng, dram_case(rng))))
    )


def dram_case(rng: Random, max_macs: int = 300) -> Case:
    """A machine as `case` draws it, its outermost level a DRAM with banks and rows."""
    drawn = case(rng, max_macs)
    return Case(with_dram(rng, drawn.architecture), drawn.nest, drawn.problem)


def with_dram(rng: Random, architecture: Architecture) -> Architecture:
    """A machine with a drawn DRAM; words that do not fill bursts among others."""
    outer = replace(architecture.levels[0], read_port=None, write_port=None, compression={}, dram=draw_dram(rng))
    bits = {tensor: rng.choice((8, 16, 24)) for tensor in TENSORS}
    return replace(architecture, levels=(outer, *architecture.levels[1:]), word_bits=bits)


def mesh_cases() -> st.SearchStrategy[Case]:
    """Machines with networks on chip for hypothesis."""
    return st.randoms(use_true_random=False).map(
        lambda rng: with_modes(rng, with_ofmap(rng, with_pace(rng, mesh_case(rng))))
    )


def mesh_case(rng: Random, max_macs: int = 300) -> Case:
    """A machine as `case` draws it, most of whose networks are meshes, crossbars and tagged buses."""
    while True:
        drawn = case(rng, max_macs)
        if max(level.fanout.y * level.fanout.x for level in drawn.architecture.levels) > 2 or rng.random() < 0.05:
            return replace(drawn, architecture=on_links(rng, drawn.architecture))


@dataclass(frozen=True)
class SparseCase:
    """A machine that makes use of zeros, and the zeros; unpacks as ``architecture, nest, problem, masks``."""

    architecture: Architecture
    nest: LoopNest
    problem: Problem
    masks: Masks

    def __iter__(self) -> Iterator[Any]:
        return iter((self.architecture, self.nest, self.problem, self.masks))


def sparse_cases() -> st.SearchStrategy[SparseCase]:
    """Cases with zeros for hypothesis."""
    return st.randoms(use_true_random=False).map(
        lambda rng: with_modes(rng, with_ofmap(rng, with_pace(rng, sparse_case(rng))))
    )


def sparse_case(rng: Random, max_macs: int = 170) -> SparseCase:
    """A machine as `case` draws it, made to look at zeros, and masks; smaller, for zeros are walked slot by slot."""
    problem = draw_deep_problem(rng, max_macs) if rng.random() < 0.3 else draw_problem(rng, max_macs)
    drawn = case_of(rng, problem)
    machine = replace(
        drawn.architecture,
        levels=tuple(replace(level, compression=draw_compression(rng, level)) for level in drawn.architecture.levels),
        macs_per_cycle=rng.choice((1, 1, 2, 3, 4)),
        sparsity=draw_sparsity(rng),
    )
    return SparseCase(machine, drawn.nest, problem, draw_masks(rng, problem))


def sparse_mesh_case(rng: Random, max_macs: int = 170) -> SparseCase:
    """The same on networks with links; what they carry is raw."""
    drawn = sparse_case(rng, max_macs)
    machine = on_links(rng, drawn.architecture)
    levels = list(machine.levels)
    for index, level in enumerate(levels):
        linked = {t for inner in levels[index:] for t, network in inner.fanout.networks.items() if network.has_links}
        kept = {tensor: form for tensor, form in level.compression.items() if tensor not in linked}
        levels[index] = replace(level, compression=kept)
    return replace(drawn, architecture=replace(machine, levels=tuple(levels)))


def operands(rng: Random, problem: Problem) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Random (ifmap [N,G,C,height,width], filter [G,M,C,R,S])."""
    n, g, m, c, _, _, r, s = problem.sizes
    draw = np.random.default_rng(rng.randrange(2**32))
    # what is cut has as many bits as its slices have
    ends = [100 if slices == 1 else 1 << SLICE * slices - 1 for slices in problem.slices]
    return (
        draw.integers(-99 if ends[0] == 100 else -ends[0], ends[0], (n, g, c, problem.height, problem.width), np.int64),
        draw.integers(-99 if ends[1] == 100 else -ends[1], ends[1], (g, m, c, r, s), np.int64),
    )


def masked_operands(rng: Random, problem: Problem, masks: Masks) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Random (ifmap, filter), zero where, and only where, the masks are."""
    values = []
    for value, tensor, slices in zip(operands(rng, problem), TENSORS, problem.slices, strict=False):
        mask = masks.of(tensor)
        value = np.where(value == 0, 7, value)
        if slices > 1:
            value = _of_slices(rng, value.shape, slices, mask)
        values.append(value if mask is None or slices > 1 else value * mask)
    return values[0], values[1]


def _of_slices(rng: Random, shape: tuple[int, ...], slices: int, mask: Any) -> npt.NDArray[np.int64]:
    """Words none of whose slices is zero, but for those that the mask has."""
    draw = np.random.default_rng(rng.randrange(2**32))
    parts = draw.integers(1, 1 << SLICE, (slices, *shape), np.int64)
    parts[-1] -= (parts[-1] >> SLICE - 1) << SLICE
    if mask is not None:
        parts *= np.stack(np.split(mask, slices, axis=2))
    return sum(part << SLICE * index for index, part in enumerate(parts))  # type: ignore[return-value]


# ---- problems --------------------------------------------------------------------------------------------------------


def draw_problem(rng: Random, max_macs: int) -> Problem:
    """A layer of at most `max_macs`: strided, dilated, padded, grouped, depthwise or batched, or plain."""
    sizes = dict.fromkeys(DIMS, 1)
    dims = list(DIMS)
    if rng.random() < 0.12:  # depthwise
        dims = ["N", "G", "P", "Q", "R", "S"]
        sizes["G"] = rng.randint(2, 4)
    budget = max_macs if rng.random() < 0.9 else max_macs // 8
    for dim in rng.sample(dims, rng.randint(3, len(dims))):
        used = int(np.prod(list(sizes.values()))) // sizes[dim]
        most = min(budget // used, 2 if dim in "NG" else 7)
        if most >= 2:
            sizes[dim] = rng.randint(2, most)
    plain = rng.random() < 0.4
    stride = (1, 1) if plain else (rng.choice((1, 1, 2, 2, 3, 4)), rng.choice((1, 1, 2, 2, 3, 4)))
    dilation = (1, 1) if plain else (rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3)))
    pad = (0, 0) if rng.random() < 0.5 else (rng.randint(0, 2), rng.randint(0, 2))
    problem = Problem.of(sizes, stride=stride, dilation=dilation, pad=pad)
    if rng.random() < 0.15:  # a plane that is not just what the loops touch
        plane = (max(1, problem.height + rng.randint(-1, 2)), max(1, problem.width + rng.randint(-1, 2)))
        problem = replace(problem, height=plane[0], width=plane[1])
    return in_slices(rng, problem, max_macs)


def in_slices(rng: Random, problem: Problem, max_macs: int) -> Problem:
    """The same, some of the time with words cut into slices."""
    if rng.random() < 0.7:
        return problem
    slices = [rng.choice((1, 2, 3, 4)), rng.choice((1, 1, 2, 3))]
    while problem.macs * slices[0] * slices[1] > 2 * max_macs and max(slices) > 1:
        slices = [max(1, count - 1) for count in slices]
    return replace(problem, slices=(slices[0], slices[1]))


def draw_deep_problem(rng: Random, max_macs: int) -> Problem:
    """Many channels and little else: runs of zeros that outgrow the counters of the formats."""
    sizes = dict.fromkeys(DIMS, 1)
    deep = rng.choice(("M", "C"))
    sizes[deep] = rng.randint(17, 60)
    for dim in rng.sample([d for d in DIMS if d != deep], 3):
        most = min(max_macs // int(np.prod(list(sizes.values()))), 3)
        if most >= 2:
            sizes[dim] = rng.randint(1, most)
    return in_slices(rng, Problem.of(sizes, pad=(rng.randint(0, 1), rng.randint(0, 1))), max_macs)


# ---- nests -----------------------------------------------------------------------------------------------------------


def draw_factors(rng: Random, size: int) -> list[int]:
    """Factors whose product covers a size, often with an edge left over."""
    factors, left = [], size
    while left > 1:
        factor = rng.choice((left, rng.randint(2, left), rng.randint(2, min(left, 3))))
        factors.append(factor)
        left = -(-left // factor)
    if rng.random() < 0.05:
        factors.append(rng.randint(1, 2))
    rng.shuffle(factors)
    return factors


def draw_nest(rng: Random, problem: Problem, arrays: list[bool]) -> LoopNest:
    """Loops in any order at any level, spatial ones where there is an array."""
    depth, pes = len(arrays), 1
    inner = rng.random() < 0.3  # long steps, large innermost tiles
    loops: dict[tuple[int, str], list[Loop]] = {}
    for dim in LOOP_DIMS:
        for factor in draw_factors(rng, problem[dim]):
            level, kind = (
                rng.choice((depth - 1 if inner else rng.randrange(max(depth - 1, 1)), rng.randrange(depth))),
                "temporal",
            )
            spatial = [index for index, array in enumerate(arrays) if array]
            if spatial and rng.random() < 0.35 and pes * factor <= MAX_PES:
                level, kind = rng.choice(spatial), rng.choice(("y", "x"))
                pes *= factor
            loops.setdefault((level, kind), []).append(Loop(dim, factor))
    for group in loops.values():
        rng.shuffle(group)
    levels = []
    for level in range(depth):
        bypass = frozenset(t for t in TENSORS if level and rng.random() < 0.12)
        groups = [tuple(loops.get((level, kind), ())) for kind in ("temporal", "y", "x")]
        levels.append((f"L{level}", LevelMapping(groups[0], groups[1], groups[2], bypass)))
    return LoopNest(tuple(levels))


# ---- architectures ---------------------------------------------------------------------------------------------------


class Ports:
    """Draws ports; those of one pool are shared among its tensors and directions."""

    def __init__(self, rng: Random, in_words: bool) -> None:
        self.rng, self.in_words, self.count = rng, in_words, 0
        self.timed = rng.choice((0.4, 0.8, 0.95, 1.0))
        self.sharing = rng.choice((0.0, 0.0, 0.3, 0.9))
        self.pools: dict[object, Port] = {}

    def draw(self, pool: object, chance: float = 1.0) -> Port | None:
        """A port, perhaps the pool's shared one, perhaps none."""
        if self.rng.random() >= self.timed * chance:
            return None
        if self.rng.random() < self.sharing:
            if pool not in self.pools:
                self.pools[pool] = self.fresh()
            return self.pools[pool]
        return self.fresh()

    def fresh(self) -> Port:
        """A new port."""
        self.count += 1
        rate = self.rng.choice(RATES)
        return Port(f"port{self.count}", rate if self.in_words else rate * 16, self.in_words)


def draw_architecture(rng: Random, nest: LoopNest, arrays: list[bool]) -> Architecture:
    """A machine this nest fits on."""
    depth = len(arrays)
    pe_level = max((i + 1 for i, array in enumerate(arrays) if array), default=depth - 1)
    keeps = [frozenset(TENSORS)]
    keeps += [frozenset(t for t in TENSORS if rng.random() < 0.75) for _ in range(depth - 1)]
    ports = Ports(rng, rng.random() < 0.6)
    accumulates = draw_accumulation(rng, nest, keeps)
    memory_ports = rng.choice((0.0, 0.0, 0.3, 0.8))
    late = rng.choice((0.0, 0.5))
    levels = []
    for index in range(depth):
        networks = draw_networks(rng, ports, index, accumulates[index], late)
        fanout = draw_fanout(rng, nest, index, arrays[index], networks)
        innermost = {t: not any(t in inner for inner in keeps[index + 1 :]) for t in TENSORS}
        buffers = {
            t: rng.choice(
                (Buffer.SINGLE, Buffer.DOUBLE)
                + ((Buffer.STREAM, Buffer.STREAM) if innermost[t] and index >= max(pe_level, 1) else ())
            )
            for t in TENSORS
            if t in keeps[index]
        }
        levels.append(
            Level(
                f"L{index}",
                keeps[index],
                buffer=buffers,
                halo_reuse=rng.random() < 0.8,
                read_port=ports.draw(("memory", index), memory_ports),
                write_port=ports.draw(("memory", index), memory_ports),
                fanout=fanout,
            )
        )
    return Architecture(
        "drawn",
        tuple(levels),
        word_bits={t: rng.choice((1, 4, 8, 16, 16, 16, 20)) for t in TENSORS},
        padding=rng.choice((Padding.STORED, Padding.ON_CHIP)),
        macs_per_cycle=rng.choice((1, 1, 2)),
        pipeline=rng.choice((0, 0, 1, 3)),
        serial=draw_serial(rng, nest, keeps, pe_level),
        skew=any(arrays) and rng.random() < 0.2,
        lead=rng.random() < 0.85,
    )


def draw_fanout(rng: Random, nest: LoopNest, index: int, array: bool, networks: dict[Tensor, Network]) -> Fanout:
    """An array just big enough, sometimes bigger."""
    mapped, size = nest.level(f"L{index}"), {"y": 1, "x": 1}
    for axis in size:
        for loop in getattr(mapped, axis):
            size[axis] *= loop.factor
        if array and rng.random() < 0.2:
            size[axis] += rng.randint(1, 2)
    return Fanout(size["y"], size["x"], networks, array)


def draw_accumulation(rng: Random, nest: LoopNest, keeps: list[frozenset[Tensor]]) -> list[tuple[bool, frozenset[str]]]:
    """Per fan-out (accumulate on drain, dims added); what is not added everywhere must accumulate on drain."""
    depth = len(keeps)
    everything = frozenset(REDUCTION_DIMS)
    partial = rng.random() < 0.25
    reduces = [
        frozenset(d for d in REDUCTION_DIMS if rng.random() < 0.5) if partial and rng.random() < 0.7 else everything
        for _ in range(depth)
    ]
    accumulate = [rng.random() < 0.4 for _ in range(depth)]
    keepers = [
        i for i in range(depth) if i == 0 or (Tensor.PSUM in keeps[i] and Tensor.PSUM not in nest.level(f"L{i}").bypass)
    ]
    for parent, child in zip(keepers, [*keepers[1:], depth], strict=True):
        if any(reduces[f] != everything for f in range(parent, child)):
            accumulate[parent] = True
    return [(flag or dims != everything, dims) for flag, dims in zip(accumulate, reduces, strict=True)]


def draw_networks(
    rng: Random, ports: Ports, index: int, accumulation: tuple[bool, frozenset[str]], late: float
) -> dict[Tensor, Network]:
    """The three networks below a level."""
    accumulate, reduce = accumulation
    networks: dict[Tensor, Network] = {}
    for tensor in TENSORS:
        latency = rng.randint(1, 4) if rng.random() < late else 0
        down = ports.draw(("network", index))
        if tensor is not Tensor.PSUM:
            networks[tensor] = Network(rng.choice(INPUT_KINDS), down=down, latency=latency)
            continue
        kind = rng.choice(PSUM_KINDS if reduce else (NetworkKind.MULTICAST, NetworkKind.UNICAST))
        assert kind in REDUCING or not reduce
        up = ports.draw(("network", index))
        networks[tensor] = Network(kind, down, up, latency, accumulate, reduce)
    return networks


def draw_serial(rng: Random, nest: LoopNest, keeps: list[frozenset[Tensor]], pe_level: int) -> Tensor | None:
    """Serial passes, if some tensor stays inside the PE."""
    legal = []
    for tensor in TENSORS:
        inner = max(
            i for i in range(len(keeps)) if i == 0 or (tensor in keeps[i] and tensor not in nest.level(f"L{i}").bypass)
        )
        if inner >= max(pe_level, 1):
            legal.append(tensor)
    return rng.choice(legal) if legal and rng.random() < 0.4 else None


def draw_dram(rng: Random) -> Dram:
    """Small rows, few banks, short times: rows miss, conflict and are refreshed within a few hundred words."""
    width, burst = rng.choice((8, 16, 32)), rng.choice((2, 4, 8))
    groups = rng.choice((1, 1, 2, 4))
    t_ccd_s = burst // 2 + rng.choice((0, 0, 1, 2))
    cl, cwl = rng.randint(1, 12), rng.randint(1, 9)
    t_rrd_s = rng.randint(1, 5)
    t_wtr_s = rng.randint(0, 4)
    t_rcd, t_rp, t_ras, t_rfc = rng.randint(1, 9), rng.randint(1, 9), rng.randint(1, 20), rng.randint(1, 30)
    order = [rng.sample(("Ba", "Bg", "Co", "Ch"), 4), ["Ba", "Co", "Bg", "Ch"]][rng.random() < 0.5]
    return Dram(
        clock=rng.choice(RATES),
        width=width,
        burst=burst,
        banks=groups * rng.choice((1, 2, 4)),
        groups=groups,
        row=width * burst * rng.choice((1, 2, 3, 8, 64)),
        cl=cl,
        cwl=cwl,
        t_rcd=t_rcd,
        t_rp=t_rp,
        t_ras=t_ras,
        t_rrd_s=t_rrd_s,
        t_rrd_l=t_rrd_s + rng.randint(0, 3),
        t_faw=rng.choice((0, rng.randint(4, 40))),
        t_ccd_s=t_ccd_s,
        t_ccd_l=t_ccd_s + rng.choice((0, 1, 3)),
        t_wr=rng.randint(0, 9),
        t_rtp=rng.randint(0, 6),
        t_wtr_s=t_wtr_s,
        t_wtr_l=t_wtr_s + rng.randint(0, 4),
        t_rtw=max(0, cl + burst // 2 - cwl) + rng.randint(0, 3),
        t_refi=rng.choice((0, t_rcd + t_rp + t_ras + t_rfc + rng.randint(1, 150))),
        t_rfc=t_rfc,
        channels=rng.choice((1, 1, 1, 2, 3)),
        page=rng.choice((Page.OPEN, Page.OPEN, Page.CLOSED)),
        order="".join(["Ro", *order]),
        queue=rng.choice((1, 2, 4, 32)),
    )


def on_links(rng: Random, machine: Architecture) -> Architecture:
    """The same machine with other networks; psums that cross a mesh, or are not added, accumulate on drain."""
    levels = [replace(level, fanout=draw_links(rng, index, level.fanout)) for index, level in enumerate(machine.levels)]
    psums = [level.fanout.network(Tensor.PSUM) for level in levels]
    if any(psum.kind is NetworkKind.MESH or psum.reduce != frozenset(REDUCTION_DIMS) for psum in psums):
        for index, level in enumerate(levels):
            psum = replace(level.fanout.network(Tensor.PSUM), accumulate_on_drain=True)
            fanout = replace(level.fanout, networks={**level.fanout.networks, Tensor.PSUM: psum})
            levels[index] = replace(level, fanout=fanout)
    return replace(machine, levels=tuple(levels))


def draw_links(rng: Random, index: int, fanout: Fanout) -> Fanout:
    """Meshes (often one for all tensors), crossbars and tagged buses below a level, some networks as they were."""
    networks, shared = dict(fanout.networks), None
    if rng.random() < 0.5:
        shared = Port(f"mesh{index}", rng.choice(RATES) * 16)
    for tensor, before in fanout.networks.items():
        ports = {key: port and (shared or port) for key, port in (("down", before.down), ("up", before.up))}
        kind = rng.choice(("mesh", "mesh", "mesh", "crossbar", "tags", ""))
        if tensor is Tensor.PSUM and kind in ("mesh", "crossbar") and rng.random() < 0.4:
            before = replace(before, reduce=frozenset(d for d in before.reduce if rng.random() < 0.5))
        if kind == "mesh":
            injection = rng.choice(tuple(Injection))
            networks[tensor] = replace(
                before, kind=NetworkKind.MESH, injection=injection, hop_latency=rng.choice((0, 1, 1, 2)), **ports
            )
        elif kind == "crossbar":
            child = Port(f"children{index}{tensor}", rng.choice(RATES) * 16) if rng.random() < 0.8 else None
            up = replace(child, name=f"{child.name} up") if child and tensor is Tensor.PSUM else None
            networks[tensor] = replace(before, kind=NetworkKind.CROSSBAR, child_down=child, child_up=up)
        elif kind == "tags" and tensor is not Tensor.PSUM:
            networks[tensor] = replace(before, kind=NetworkKind.MULTICAST, tags=True)
    return replace(fanout, networks=networks)


# ---- zeros -----------------------------------------------------------------------------------------------------------


def draw_sparsity(rng: Random) -> Sparsity:
    """Any legal mix of gating and skipping."""
    if rng.random() < 0.15:
        return Sparsity()
    if rng.random() < 0.35:
        chosen = {Tensor.IFMAP: "skip", Tensor.FILTER: "skip"}
    else:
        chosen = {tensor: rng.choice(("", "gate", "skip")) for tensor in (Tensor.IFMAP, Tensor.FILTER)}
    gate, skip = (frozenset(t for t, what in chosen.items() if what == kind) for kind in ("gate", "skip"))
    by_output = len(skip) == 2 and rng.random() < 0.5
    return Sparsity(
        gate,
        skip,
        Pairing.OUTPUT if by_output else Pairing.COLUMN,
        drift=rng.choice((1, 1, 2, 3, 5)) if skip else 1,
        queue=rng.choice((1, 2, 3)) if by_output else 1,
    )


def draw_compression(rng: Random, level: Level) -> dict[Tensor, Format]:
    """Formats for some of what a level keeps; psums only where no array hangs below."""
    out = {}
    for tensor in TENSORS:
        alone = level.fanout.y * level.fanout.x == 1
        if tensor in level.keeps and (tensor is not Tensor.PSUM or alone) and rng.random() < 0.4:
            csc = tensor is Tensor.FILTER and rng.random() < 0.3
            out[tensor] = Format.CSC if csc else rng.choice(tuple(Format))
    return out


def draw_masks(rng: Random, problem: Problem) -> Masks:
    """Masks of any density, some with whole channels empty; some tensors without a mask."""
    masks = Masks(*(draw_mask(rng, problem, tensor) if rng.random() < 0.9 else None for tensor in TENSORS))
    return replace(masks, raw_ifmap=rng.random() < 0.1)


def draw_mask(rng: Random, problem: Problem, tensor: Tensor) -> Mask:
    """One mask."""
    draw = np.random.default_rng(rng.randrange(2**32))
    shape = shape_of(problem, tensor)
    mask = draw.random(shape) < rng.choice(DENSITIES)
    if rng.random() < 0.3:
        axis = 1 if tensor is Tensor.FILTER else 2
        channels = draw.random(shape[axis]) < rng.choice((0.1, 0.5, 0.9))
        mask &= channels.reshape([-1 if i == axis else 1 for i in range(5)])
    return mask.astype(np.uint8)


def serial_programs(seeds: Iterable[int], serial: Tensor | None) -> Iterator[Program]:
    """Small drawn machines that are told which operand is serial; those that cannot be built that way are left out."""
    for seed in seeds:
        drawn = case(Random(seed), max_macs=1500)
        machine = drawn.architecture
        if machine.serial is not serial:
            machine = replace(machine, serial=serial, skew=False, lead=machine.lead and serial is not None)
        try:
            yield build(machine, drawn.nest, drawn.problem)
        except AccelsimError:
            continue
