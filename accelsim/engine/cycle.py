"""The cycle evaluator: exact counts and exact cycles at tile granularity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from accelsim.engine.counts import Counts, Timing, in_core_cycles
from accelsim.engine.lockstep import in_both
from accelsim.engine.networks.links import linked
from accelsim.engine.networks.ports import Crossed
from accelsim.engine.pool import beside
from accelsim.engine.program import Ints, Program
from accelsim.engine.timing.repeats import Repeats, find_repeats, simulate_repeats
from accelsim.engine.timing.schedule import Tables, tabulate
from accelsim.engine.timing.simulation import Simulation, simulate
from accelsim.engine.timing.streams import Streams, of_layer
from accelsim.engine.timing.windows import Outline, Window, across_links, outline, windows
from accelsim.engine.words.assemble import assemble, operand_reads, with_links
from accelsim.engine.words.bias import begun, bias_columns
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import Tensor

if TYPE_CHECKING:
    from accelsim.engine.dram.banks import Banks
    from accelsim.engine.zeros.sparse import Zeros

LONG = 1 << 17
"""Steps of a layer whose two times are found at once."""


def evaluate(program: Program, repeats: bool = True, masks: Masks | None = None) -> tuple[Counts, Timing]:
    """Exact counts and cycles of one layer; without `repeats` every step is simulated, to the same.

    masks : which operands are zero, on a machine that makes something of it; None: dense.
    """
    if program.architecture.lock:
        return in_both(program, partial(evaluate, repeats=repeats))
    zeros = masks if program.architecture.sees_zeros else None
    found = repeats_of(program, zeros) if repeats else None
    if found is not None:
        counts = count(program, found.sums, found.compute_cycles)
        all_, inside = (partial(run_repeats, program, found, processing) for processing in (False, True))
        timed = beside(all_, inside, worth=found.steps > LONG)
        return _timed_counts(program, counts, *(each[:2] for each in timed))
    return window_by_window(program, zeros)


def repeats_of(program: Program, masks: Masks | None, words: bool = False) -> Repeats | None:
    """What repeats in a layer; None where versions may differ that look alike, or too few are alike.

    masks : None where zeros make no difference. words : see `timing.schedule.tabulate`.
    """
    banks = program.architecture.levels[0].dram is not None
    links = any(True for _ in linked(program))
    # which words are zero, where they lie in a DRAM and what routes they take differs from version to version
    differ = masks is not None or banks or links or bool(program.apart)
    # how full a buffer is on the way out, and what came long ago, is no matter of the last few steps; nor are words
    # those of ports everywhere
    differ |= any(
        level.delivery or level.turns or level.atoms or level.outstanding for level in program.architecture.levels
    )
    # what is read back of sums that live on the chip is no matter of the tile alone
    differ |= Tensor.PSUM in program.architecture.parts
    return None if differ else find_repeats(program, words)


@dataclass(frozen=True)
class Windowed:
    """A layer whose schedule comes in windows, before it is simulated, with what is written into each."""

    found: Outline
    parts: Iterable[Window]
    crossed: list[Crossed]
    zeros: Zeros | None
    banks: Banks | None


class Drains(Protocol):
    """Something that drains out of the outermost level's children pass on their way: what it adds to their time."""

    def on(self, tables: Tables) -> Tables:
        """The tables with the ports that they hold besides."""

    def written(self, tables: Tables, parts: Iterable[Window]) -> Iterator[Window]:
        """The windows, with how long they hold their ports written into them."""

    def later(self, tables: Tables, streams: Streams) -> Streams:
        """The streams with what follows them."""


def windowed(program: Program, masks: Masks | None, words: bool = False, drains: Drains | None = None) -> Windowed:
    """Lay a layer out window by window; masks, words : see `repeats_of`."""
    found = outline(program, words, drains.on(tabulate(program, words)) if drains else None)
    tables, parts = found.tables, windows(program, found)
    if drains:
        parts = drains.written(tables, parts)
    crossed = [Crossed(program, tables.ports, x, crossing) for x, crossing in tables.crossings]
    if crossed:
        parts = across_links(parts, crossed)
    zeros = None
    if masks is not None:
        from accelsim.engine.zeros.sparse import Zeros

        zeros = Zeros(program, masks, found)
        parts = zeros.rewritten(parts)
    banks = None
    if program.architecture.levels[0].dram is not None:
        from accelsim.engine.dram.banks import Banks

        banks = Banks(program, found.tables)
    return Windowed(found, parts, crossed, zeros, banks)


def window_by_window(program: Program, masks: Masks | None, drains: Drains | None = None) -> tuple[Counts, Timing]:
    """The same with every step simulated, and no more of the schedule in memory than time asks for.

    masks : None where zeros make no difference. drains : what drains pass on their way; it changes time, no counts.
    """
    layer = windowed(program, masks, drains=drains)
    found, tables, zeros, banks = layer.found, layer.found.tables, layer.zeros, layer.banks
    counts = count(program, found.sums, found.compute_cycles)
    streams = Streams.of(program, tables.edges, tables.ports)
    if drains:
        streams = drains.later(tables, streams)
    simulations = [Simulation(each, found.steps) for each in (streams, streams.processing)]
    simulate(found, layer.parts, simulations, banks)
    counts = with_links(program, counts, [(each.crossing, each.words, each.narrow) for each in layer.crossed])
    if zeros is not None:
        counts = zeros.recount(counts)
    if banks is not None:
        counts = replace(counts, dram=banks.counts())
    timed = [of_layer(program.architecture, tables.edges, each.cycles, each.state.stalls) for each in simulations]
    return _timed_counts(program, counts, *timed)


def _timed_counts(
    program: Program, counts: Counts, total: tuple[int, dict[str, int]], processing: tuple[int, dict[str, int]]
) -> tuple[Counts, Timing]:
    timing = Timing(total[0], processing[0], counts.compute_cycles, total[1], processing[1])
    return in_core_cycles(counts, timing, program.architecture.mode.divider)


def count(program: Program, sums: Ints, compute_cycles: int) -> Counts:
    """Lay out the streams' words, int64[stream, 2 * column], those of narrowed drains behind (`kernels.versions.Room`).

    Operand reads inside the PE are those of `operand_reads`.
    """
    columns, finals = (np.zeros((len(program.edges), program.columns), np.int64) for _ in range(2))
    x, wide = 0, sums.shape[1] // 2
    for e, timed in enumerate(program.timed):
        if timed:
            columns[e, :wide], finals[e, :wide] = sums[x, :wide], sums[x, wide:]
            x += 1
        else:
            t, parent, child = program.edges[e, :3]
            columns[e, : 3 * (child - parent)] = operand_reads(program, t, parent)
    counts, bias = assemble(program, columns, compute_cycles, finals if program.finals else None), bias_columns(program)
    return counts if bias is None else replace(counts, bias=begun(program, bias))


def run_repeats(
    program: Program, found: Repeats, processing: bool, look_up: bool = True
) -> tuple[int, dict[str, int], int]:
    """The same from a list of bodies; (cycles, stalls, bodies simulated). `look_up`: simulate equal bodies once."""
    streams = found.streams.processing if processing else found.streams
    cycles, stalls, simulated = simulate_repeats(found, streams, look_up)
    return *of_layer(program.architecture, found.tables.edges, cycles, stalls), simulated
