"""The cycle evaluator: exact counts and exact cycles at tile granularity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelsim.engine.counts import Counts, Timing
from accelsim.engine.dram import banks as dram
from accelsim.engine.networks.links import crossings
from accelsim.engine.program import Ints, Program
from accelsim.engine.timing import folded as folding
from accelsim.engine.timing.kernels import sweep
from accelsim.engine.timing.kernels.records import Steps, Versions
from accelsim.engine.timing.pieces import outline, pieces
from accelsim.engine.timing.schedule import Schedule, generate_schedule
from accelsim.engine.timing.simulation import Simulation, simulate
from accelsim.engine.timing.streams import Streams, stalls_by_cause
from accelsim.engine.words.assemble import assemble, operand_reads, with_links
from accelsim.engine.zeros.sparse import Zeros, rewrite
from accelsim.sparsity.masks import Masks


def evaluate(program: Program, fold: bool = True, masks: Masks | None = None) -> tuple[Counts, Timing]:
    """Exact counts and cycles of one layer; without `fold` every step is written down and simulated, to the same.

    masks : which operands are zero, on a machine that makes something of it; None: dense.
    """
    zeros = masks is not None and program.architecture.sees_zeros
    banks = program.architecture.levels[0].dram is not None
    linked = any(True for _ in crossings(program))
    # which words are zero, where they lie in a DRAM and what routes they take is told of every version apart
    folded = folding.fold(program) if fold and not (zeros or banks or linked) else None
    if folded is not None:
        counts = count(program, folded.sums, folded.compute_cycles)
        return _timed_counts(counts, *(run_folded(program, folded, processing)[:2] for processing in (False, True)))
    masks = masks if zeros else None
    found = None if banks or linked else piece_by_piece(program, masks)
    return at_once(program, masks) if found is None else found


def at_once(program: Program, masks: Masks | None) -> tuple[Counts, Timing]:
    """The same with the whole schedule in memory; masks : None where zeros make no difference."""
    schedule = generate_schedule(program)
    counts = with_links(program, count(program, schedule.sums, int(schedule.step_n.sum())), schedule.crossed)
    if masks is not None:
        counts = rewrite(program, schedule, masks, counts)
    if program.architecture.levels[0].dram is not None:
        counts = replace(counts, dram=dram.serve(program, schedule, program_order(program, schedule)))
    return _timed_counts(counts, *(run(program, schedule, processing) for processing in (False, True)))


def piece_by_piece(program: Program, masks: Masks | None) -> tuple[Counts, Timing] | None:
    """The same with no more of the schedule in memory than time asks for; None where zeros ask for all of it."""
    if masks is not None and program.architecture.sparsity.drift > 1:
        return None  # how PEs drift apart is told of all passes at once
    found = outline(program)
    counts, tables = count(program, found.sums, found.compute_cycles), found.tables
    parts = pieces(program, found)
    zeros = None
    if masks is not None:
        zeros = Zeros.of_pieces(program, masks, found)
        if zeros is None:
            return None
        parts = zeros.rewritten(parts)
    streams = Streams.of(program, tables.edges, tables.labels, tables.uses_at)
    simulations = [Simulation(each, found.steps) for each in (streams, streams.processing)]
    simulate(found, parts, simulations)
    if zeros is not None:
        counts = zeros.recount(counts)
    named = [stalls_by_cause(program.architecture, tables.edges, simulation.state.stalls) for simulation in simulations]
    return _timed_counts(counts, (simulations[0].cycles, named[0]), (simulations[1].cycles, named[1]))


def _timed_counts(
    counts: Counts, total: tuple[int, dict[str, int]], processing: tuple[int, dict[str, int]]
) -> tuple[Counts, Timing]:
    return counts, Timing(total[0], processing[0], counts.compute_cycles, total[1], processing[1])


def count(program: Program, sums: Ints, compute_cycles: int) -> Counts:
    """Lay out the streams' words, int64[stream, 2 * column], narrowed drains apart behind all; see `walk_steps`.

    Operand reads inside the PE are those of `operand_reads`.
    """
    columns, finals = (np.zeros((len(program.edges), 3 * program.levels + 3), np.int64) for _ in range(2))
    x, wide = 0, sums.shape[1] // 2
    for e, (t, parent, child, operand, _) in enumerate(program.edges):
        if operand and parent >= program.architecture.pe_level:
            columns[e, : 3 * (child - parent)] = operand_reads(program, t, parent)
        else:
            columns[e, :wide], finals[e, :wide] = sums[x, :wide], sums[x, wide:]
            x += 1
    return assemble(program, columns, compute_cycles, finals if program.finals else None)


def program_order(program: Program, schedule: Schedule) -> Ints:
    """int64[transfer], the outermost level's transfers in program order (2 * tensor + 1 for a drain).

    It is static: what other lengths they are given does not change it.
    """
    outermost = [x for x, edge in enumerate(schedule.edges) if edge[1] == 0]
    log = np.zeros(1 + 2 * int(schedule.number[outermost].sum()), np.int64)
    run(program, schedule, False, log)
    return log[1 : 1 + int(log[0])]


def run(program: Program, schedule: Schedule, processing: bool, log: Ints | None = None) -> tuple[int, dict[str, int]]:
    """Cycles and stalls, every step simulated; `processing`: the outermost level's transfers take no time.

    log : filled with the order of transfers, see `kernels.records.State`.
    """
    streams = Streams.of(program, schedule.edges, schedule.uses, schedule.uses_at)
    if processing:
        streams = streams.processing
    owners = np.repeat(np.arange(len(schedule.edges)), np.diff(schedule.start))
    versions = Versions(
        schedule.start, schedule.number, np.zeros_like(schedule.number), schedule.number, schedule.begin, schedule.back,
        schedule.tile, streams.select(schedule.work, owners),
    )  # fmt: skip
    machine, state = streams.machine(), streams.state(schedule.tiles, log=log)
    sweep.advance(
        -1, schedule.steps - 1, machine, versions, Steps(schedule.steps, 0, schedule.step_n, schedule.step_phi), state
    )
    return int(sweep.finish(machine, state)), stalls_by_cause(program.architecture, schedule.edges, state.stalls)


def run_folded(
    program: Program, folded: folding.Folded, processing: bool, look_up: bool = True
) -> tuple[int, dict[str, int], int]:
    """The same from a list of bodies; (cycles, stalls, bodies simulated). `look_up`: simulate equal bodies once."""
    streams = folded.streams.processing if processing else folded.streams
    cycles, stalls, simulated = folding.run(folded, streams, look_up)
    return cycles, stalls_by_cause(program.architecture, folded.tables.edges, stalls), simulated
