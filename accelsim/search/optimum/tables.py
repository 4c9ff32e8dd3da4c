"""What every chain of a group of dims adds to the words of every edge: exact, and at least whatever the order is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.laid import laid
from accelsim.engine.program import Ints, Program
from accelsim.engine.words.kernels import options as tabulating
from accelsim.search.kernels.records import Floats
from accelsim.search.optimum.chains import ROWS, Chains
from accelsim.search.optimum.clock import Clock
from accelsim.search.optimum.totals import loops_above, totals_of
from accelsim.search.space import GROUPS
from accelsim.workload.problem import DIM_INDEX, TENSOR_DIMS, TENSORS

SLIDING = 4
"""The first group whose dims are rows or columns of a plane."""


@dataclass(frozen=True)
class Words:
    """Words of every chain of one group for every term, as factors of a product over the groups.

    totals : float64[chain, term], if every iteration moved a whole tile. stays, kepts : float64[order, chain, carry,
    term], what a carry leaves in place or a slide keeps, for both orders of the group's two dims at a level (see
    `tabulating.option_tables`); see `tabulate`. aboves : int64[chain, term], own loops above the term's child; firsts :
    int64[chain, level + 1], own loops above a level. there : bool[chain, level, dim], which of its dims have a loop at
    a level. fill : tabulates some chains; known : bool[chain], those that are tabulated.

    What follows are bounds: where a loop has one trip in its last tile, what is moved there may be nothing, so that is
    left out. moves : float64[chain, term], as `totals`. runs : if the group's loops right above the child move nothing
    where they do not index the tensor; through : if none above does. slides : of a plane that slides there, whatever
    carries between its own loops; slides_m : where nothing does; slides_first, slides_second : where one of its dims
    turns innermost and the other keeps nothing. through_slides, through_first, through_second : the same at all levels;
    runs_on, slides_on : at that of these loops and at the one further out.
    distinct : as `through`, with last tiles: each of their words is moved once. Of a tensor it is a bound where all
    groups have it; beside another field it is none, for a last tile of this group may let others stay.
    """

    totals: Floats
    stays: Floats
    kepts: Floats
    aboves: Ints
    firsts: Ints
    there: Ints
    moves: Floats
    runs: Floats
    runs_on: Floats
    through: Floats
    distinct: Floats
    slides: Floats
    slides_on: Floats
    slides_m: Floats
    slides_first: Floats
    slides_second: Floats
    through_slides: Floats
    through_first: Floats
    through_second: Floats
    fill: Callable[[Ints], None]
    known: npt.NDArray[np.bool_]

    def tabulate(self, chains: Ints | None = None) -> None:
        """See to it that `stays` and `kepts` of some chains are known, or of all: a plane's are from the beginning."""
        left = np.flatnonzero(~self.known) if chains is None else chains[~self.known[chains]]
        if len(left):
            self.fill(left)
            self.known[left] = True


def words_of(program: Program, group: int, chains: Chains, edges: Ints, terms: Ints, array: int, clock: Clock) -> Words:
    """Tabulate one group.

    edges : int64[edge, 5] of all placements; terms : int64[term, 2], (edge, column). array : the level of the array,
    whose loops are the last above the PE. Raises OutOfTimeError where a firm clock says so.
    """
    n = len(chains)
    flips = 2 if group >= SLIDING else 1  # no other group has two dims of more than one
    carries = 2 * int((np.delete(chains.factors, array + 1, axis=2) > 1).sum(axis=(1, 2)).max()) + 1
    stays, kepts = np.zeros((flips, n, carries, len(terms))), np.zeros((flips, n, carries, len(terms)))
    summed = np.zeros((n, len(terms)))

    def fill(some: Ints) -> None:
        for flipped in range(flips):
            table = _tables(program, group, chains.factors[some], edges, terms, array, flipped, clock)
            stays[flipped, some, : table.stay.shape[1]] = table.stay
            if group >= SLIDING:
                kepts[flipped, some, : table.kept.shape[1]] = table.kept
            summed[some] = table.total

    totals = totals_of(program, chains, edges, terms, array) if flips == 1 else None
    known = np.full(n, totals is None)
    if totals is None:
        fill(np.arange(n))
        totals = summed
    aboves = loops_above(program, chains, edges, array)[:, terms[:, 0]]
    there = np.zeros((n, array + 1, 2), np.int64)
    there[:, :, : len(chains.dims)] = (chains.factors[:, :, : array + 1] > 1).transpose(0, 2, 1)
    firsts = np.zeros((n, array + 2), np.int64)
    firsts[:, 1:] = np.cumsum(there.sum(axis=2), axis=1)

    differ = LEAST if flips > 1 else LEAST[:5]
    least = {name: totals.copy() for name in differ}
    shares: dict[tuple[int, int], Floats] = {}
    for k, (e, _) in enumerate(terms):
        t, _, child, anew, _ = (int(v) for v in edges[e])
        if anew:
            continue  # moved in every iteration, whatever the order
        segment = min(child, array + 1) - 1
        foreign = [a for a, dim in enumerate(chains.dims) if dim not in TENSOR_DIMS[TENSORS[t]]]
        if (t, segment) not in shares:
            shares[t, segment] = _steady(program, group, chains, t, segment)
        for name in differ:
            if name != "distinct":
                least[name][:, k] *= shares[t, segment]
        factors = chains.factors[:, foreign, :]
        least["runs"][:, k] /= factors[:, :, segment].prod(axis=1)
        least["runs_on"][:, k] /= factors[:, :, max(segment - 1, 0) : segment + 1].prod(axis=(1, 2))
        for name in ("through", "distinct"):
            least[name][:, k] /= factors[:, :, : segment + 1].prod(axis=(1, 2))
        if t == 0 and group >= SLIDING:
            for level in range(segment + 1):
                kept = _kept(kepts[..., k], aboves[:, k], firsts, there, level, program.problem["M"] > 1)
                for name, words in zip(("slides", "first", "second"), kept[1:], strict=True):
                    least[f"through_{name}"][:, k] -= words
                if level >= segment - 1:
                    least["slides_on"][:, k] -= kept[1]
                if level == segment:
                    for name, words in zip(("slides_m", "slides", "slides_first", "slides_second"), kept, strict=True):
                        least[name][:, k] -= words
    found = {name: np.maximum(words, 0) for name, words in least.items()}
    # what does not slide moves whole
    whole = dict.fromkeys(LEAST, found["moves"])
    return Words(totals, stays, kepts, aboves, firsts, there, fill=fill, known=known, **(whole | found))


LEAST = (
    "moves", "runs", "runs_on", "through", "distinct", "slides", "slides_on", "slides_m", "slides_first",
    "slides_second", "through_slides", "through_first", "through_second",
)  # fmt: skip


def _steady(program: Program, group: int, chains: Chains, tensor: int, segment: int) -> Floats:
    """float64[chain]: at least this share of a tensor's words is not in the last tile of a loop with one trip there.

    Rows and columns of an ifmap are counted by tiles: those at the end have fewer words than others, but for what lies
    in the padding before the first. Where no other dim has a loop nothing stays, whatever has one trip.
    """
    out, own = np.ones(len(chains)), TENSOR_DIMS[TENSORS[tensor]]
    if tensor and all(program.problem[dim] == 1 for dim in DIM_INDEX if dim not in own):
        return out
    for a, dim in enumerate(chains.dims):
        if dim not in TENSOR_DIMS[TENSORS[tensor]]:
            continue
        size, last = program.problem[dim], chains.last[:, a, segment]
        if tensor == 0 and group >= SLIDING:
            step, inside = int(program.axes[group - SLIDING, a]), chains.covers[:, a, segment + 1]
            before = -(-program.problem.pad[group - SLIDING] // (step * inside))
            tiles = np.maximum(-(-size // inside) - before, 1)
            out *= 1 - np.minimum(-(-last // inside) / tiles, 1)
        else:
            out *= 1 - last / size
    return out


def _kept(
    kepts: Floats, aboves: Ints, firsts: Ints, there: Ints, level: int, turns: bool
) -> tuple[Floats, Floats, Floats, Floats]:
    """What slides at a level keep at most: of the carries of both dims, in either order; of others' too; of one dim.

    kepts : float64[order, chain, carry]. turns : whether another group may carry and leave the ifmap's other dims as
    they are, as one over M does. Four times float64[chain].
    """
    orders, n, carries = kepts.shape
    chain = np.arange(n)

    def row(order: int, at: Ints, real: npt.NDArray[np.bool_]) -> Floats:
        return np.where(real, kepts[order, chain, np.minimum(at, carries - 1)], 0)

    own, both = np.zeros((orders, n)), np.zeros((orders, n))
    for order in range(orders):
        for i in range(2):
            at = firsts[:, level] + i
            own[order] += row(order, at, at < firsts[:, level + 1])
        resets = np.zeros(n)
        for i in range(3 if turns else 0):
            at = firsts[:, level] + i
            resets = np.maximum(resets, row(order, aboves + at, at <= firsts[:, level + 1]))
        both[order] = own[order] + resets
    has = there[:, level, :] > 0
    # the dim that turns innermost comes last: after the other one, where that has a loop too
    one = [row(1 - a, firsts[:, level] + has[:, 1 - a], has[:, a]) for a in range(2)]
    return own.max(axis=0), both.max(axis=0), one[0], one[1]


def _tables(
    program: Program, group: int, chains: Ints, edges: Ints, terms: Ints, array: int, flipped: int, clock: Clock
) -> tabulating.Table:
    """As `tabulating.option_tables` fills it, with the group's dims in one order at every level.

    chains : int64[chain, dim, part].
    """
    n, dims = len(chains), chains.shape[1]
    order = list(range(dims))[:: -1 if flipped else 1]
    last = program.levels - 1
    loops = []  # (level, spatial, dim, part)
    for above in range(array + 1):
        loops += [(above, 0, a, above) for a in order]
        if above == array:
            loops += [(above, 1, a, array + 1) for a in order]
    loops += [(last, 0, a, array + ROWS) for a in order]
    level, spatial, axis, part = (np.array(v, np.int64) for v in zip(*loops, strict=True))
    factors = chains[:, axis, part]
    steps = np.ones_like(factors)
    for a in range(dims):
        mine = axis == a
        inside = np.cumprod(factors[:, mine][:, ::-1], axis=1)[:, ::-1]
        steps[:, mine] = inside // factors[:, mine]
    there = factors > 1
    lengths = there.sum(axis=1)
    rows = np.zeros((n, tabulating.MOST_LOOPS, 5), np.int64)
    chain, loop = np.nonzero(there)
    at = (np.cumsum(there, axis=1) - 1)[chain, loop]
    dim = np.array([DIM_INDEX[d] for d in GROUPS[group]])[axis]
    columns_of: tuple[Ints, ...] = (dim, factors, spatial, level, steps)
    for c, column in enumerate(columns_of):
        rows[chain, at, c] = np.broadcast_to(column, there.shape)[chain, loop]
    temporal = there & (spatial == 0)
    most = (
        int(np.where(temporal, factors, 1).prod(axis=1).max()),
        2 * int(temporal.sum(axis=1).max()) + 1,
        int(np.where(spatial > 0, factors, 1).prod(axis=1).max()),
    )
    stay, kept = np.zeros((2, n, most[1], len(terms)))
    table = tabulating.Table(np.zeros((n, len(terms))), stay, kept, np.zeros((n, len(edges)), np.int64))
    nest = laid(program)
    for some in clock.parts(n, 64):
        clock.check()
        own = tabulating.Table(table.total[some], table.stay[some], table.kept[some], table.above[some])
        tabulating.option_tables(nest, rows[some], lengths[some], group, edges, terms, most, own)
    return table
