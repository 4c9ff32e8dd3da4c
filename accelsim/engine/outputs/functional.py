"""Outputs: a mapping's loop nest carried out on integers, against numpy's convolution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture
from accelsim.engine.outputs.addresses import ONE_LOOP, addresses, empty, laid_out
from accelsim.engine.outputs.analog import Noise, converted
from accelsim.engine.outputs.kernels import functional as kernel
from accelsim.engine.program import Ints, Program, build
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.mapping import LoopNest
from accelsim.mapping.mapping import check as check_mapping
from accelsim.quantities import MOST_BITS
from accelsim.sparsity import im2col
from accelsim.sparsity.convolution import convolution
from accelsim.sparsity.masks import refuse_words
from accelsim.workload.precision import span, sum_bits
from accelsim.workload.problem import DIM_INDEX, TENSORS, Problem, Tensor
from accelsim.workload.slices import CHANNELS

Bytes = npt.NDArray[np.int8]
Integers = npt.NDArray[np.int8 | np.int64]
MOST_MACS = 20_000_000_000
"""Carried out one at a time; some take half a minute."""


def check(
    architecture: Architecture,
    nest: LoopNest,
    problem: Problem,
    seed: int = 0,
    given: Callable[[], tuple[Integers, Integers]] | None = None,
) -> str:
    """Carry out one layer under a mapping and compare its outputs with numpy's; returns what to tell the user.

    problem : the layer's own; where the architecture lowers it, the nest is that of the lowered one.
    given : makes (ifmap, filter), shaped as by `operands`; default: seeded integers.

    Raises
    ------
    MappingError : the mapping is illegal here, or the layer is too large. AccelsimError : an output differs, or the
    operands need too much memory.
    """
    run = architecture.lower(problem)
    check_mapping(architecture, nest, run)
    refuse_words(problem, TENSORS)
    if run.slots > MOST_MACS:
        raise MappingError(f"{run.slots:.1e} MACs to carry out; --check takes on {MOST_MACS:.0e} of a layer at most")
    program = build(architecture, nest, run)
    try:
        ifmap, weights = given() if given else operands(problem, seed, architecture.word_bits)
        found = carried_out(program, problem, ifmap, weights)
        said = verdict(
            found,
            convolution(problem, ifmap, weights),
            "operands given" if given else f"seed {seed}",
        ) + overflow(found, architecture.word_bits[Tensor.PSUM])
        if architecture.physical and architecture.physical.analog:
            read = carried_out(program, problem, ifmap, weights, partial(converted, seed=seed))
            said += f"; {Noise.between(found, read)}"
        return said
    except MemoryError:
        raise AccelsimError("not checked: the operands of this layer do not fit in memory") from None


def noisy(
    architecture: Architecture, nest: LoopNest, problem: Problem, ifmap: Integers, weights: Integers, seed: int = 0
) -> Ints:
    """int64[N, G, M, P, Q] of a layer under a mapping, its sums read as the machine's `analog` part reads them.

    problem : the layer's own. ifmap, weights : as of `operands`. seed : of the deviations.
    Raises MappingError : the mapping is illegal here. AccelsimError : the machine has no such part.
    """
    if not (architecture.physical and architecture.physical.analog):
        raise AccelsimError(f"architecture '{architecture.name}' says nothing of how sums are read (physical: analog)")
    run = architecture.lower(problem)
    check_mapping(architecture, nest, run)
    return carried_out(build(architecture, nest, run), problem, ifmap, weights, partial(converted, seed=seed))


def carried_out(
    program: Program,
    problem: Problem,
    ifmap: Integers,
    weights: Integers,
    how: Callable[[Program, Integers, Integers], Ints] | None = None,
) -> Ints:
    """int64[N, G, M, P, Q] of a layer, whatever its problem is lowered to; how : default `outputs`."""
    run, how = program.problem, how or outputs
    if replace(run, slices=problem.slices) == problem:
        return how(program, ifmap, weights)
    if run.runs:
        return outputs_of_runs(program, im2col.ifmap_matrix(problem, ifmap), weights)
    matrices = im2col.ifmap_matrix(problem, ifmap), im2col.filter_matrix(problem, weights)
    return im2col.ofmap_planes(problem, how(program, *matrices))


def operands(problem: Problem, seed: int, bits: Mapping[Tensor, int] | None = None) -> tuple[Bytes, Bytes]:
    """(ifmap [N, G, C, height, width] without padding, filter [G, M, C, R, S]), small seeded integers that fit `bits`.

    They lie in -8 .. 7 at most: a sum of products is an exact float64 up to 2^47 of them, and fits int64 always.
    """
    n, g, m, c, _, _, r, s = problem.sizes
    draw = np.random.default_rng(seed)
    lows, highs = zip(*(span(bits[t] if bits else MOST_BITS) for t in (Tensor.IFMAP, Tensor.FILTER)), strict=True)
    return (
        draw.integers(lows[0], highs[0] + 1, (n, g, c, problem.height, problem.width), np.int8),
        draw.integers(lows[1], highs[1] + 1, (g, m, c, r, s), np.int8),
    )


def outputs(program: Program, ifmap: Integers, weights: Integers) -> Ints:
    """int64[N, G, M, P, Q]: every temporal and spatial loop of the nest in its order, one MAC at a time.

    Words that are cut are multiplied slice by slice, each at the power of two where it begins: what a machine adds with
    a shift.
    """
    problem, cuts = program.problem, program.architecture.cuts
    ifmap, weights = (
        np.concatenate(list(cuts[t].values(words.astype(np.int64))), axis=CHANNELS) if t in cuts else words
        for t, words in ((Tensor.IFMAP, ifmap), (Tensor.FILTER, weights))
    )
    ifmap = np.ascontiguousarray(ifmap)  # addresses are those of its axes, in any order
    weights, ofmap = laid_out(weights), empty(problem)
    loops = program.loops if len(program.loops) else ONE_LOOP
    moves, start = addresses(problem, ifmap, weights, ofmap)
    kernel.execute(
        loops, program.bounds, moves[loops[:, 0]] * loops[:, 4:], start, problem.height, problem.width,
        ifmap.reshape(-1), weights.reshape(-1), ofmap.reshape(-1),
    )  # fmt: skip
    return ofmap.transpose(0, 1, 4, 2, 3)


def outputs_of_runs(program: Program, windows: Integers, weights: Integers) -> Ints:
    """int64[N, G, M, P, Q] of runs of pixels, one after the other, each by every other loop of the nest in its order.

    windows : as of `im2col.ifmap_matrix` of the layer.
    """
    runs = program.problem.runs
    assert runs is not None
    (n, g, m, c, _, _, r, s), slices = program.problem.sizes, program.problem.slices
    every = windows.reshape(g, c, r, s, n, -1).transpose(4, 0, 1, 2, 3, 5)
    outside = program.loops[program.loops[:, 0] != DIM_INDEX["P"]]
    found = []
    for first, last in pairwise(runs.ends):
        length = last - first
        # its pixels lie side by side, as often as there are columns of the filter
        run = Problem((n, g, m, c, 1, length, r, s), dilation=(1, length), height=r, width=s * length, slices=slices)
        loops = np.concatenate([outside, [[DIM_INDEX["Q"], length, 0, program.levels - 1, 1]]])
        one = replace(program, problem=run, loops=loops, bounds=np.array(run.bounds, np.int64))
        plane = np.ascontiguousarray(every[..., first:last]).reshape(n, g, c, r, s * length)
        found.append(outputs(one, plane, weights))
    return np.concatenate(found, axis=-1).reshape(n, g, m, runs.rows, runs.columns)


def verdict(ours: Ints, theirs: Ints, source: str) -> str:
    """A sentence for the user; AccelsimError names the first output that differs."""
    wrong = np.argwhere(ours != theirs)
    if len(wrong):
        at = tuple(int(i) for i in wrong[0])
        where = " ".join(f"{dim}{i}" for dim, i in zip("NGMPQ", at, strict=True))
        raise AccelsimError(
            f"{len(wrong)} of {ours.size} outputs differ from numpy's convolution ({source}); "
            f"the first at {where}: {ours[at]}, numpy {theirs[at]}"
        )
    return f"outputs equal numpy's convolution ({source}, {ours.size} words)"


def overflow(ofmap: Ints, bits: int) -> str:
    """What to add for the user if words of `bits` cannot hold the sums; else nothing.

    Final sums decide: two's complement that wraps on the way comes back.
    """
    lowest, highest = int(ofmap.min()), int(ofmap.max())
    needed, signed = sum_bits(lowest, highest), sum_bits(min(lowest, -1), highest)
    demand = f"{needed} b" if needed == signed else f"{signed} b, or {needed} b unsigned"
    return f"; psums overflow: these sums need {demand}, a psum has {bits} b" if needed > bits else ""
