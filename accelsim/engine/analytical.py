"""The closed form: exact counts of a dense layer, expected ones under densities, and a lower bound on its cycles."""

from __future__ import annotations

import numpy as np

from accelsim.engine.assemble import READ, assemble, takes_time, with_links
from accelsim.engine.counts import Counts, Timing
from accelsim.engine.expected.counts import rewrite
from accelsim.engine.expected.laws import Laws
from accelsim.engine.kernels.closed import all_edges, compute_cycles
from accelsim.engine.links import crossings, of_layer
from accelsim.engine.passes import separation
from accelsim.engine.program import PSUM, Ints, Program, accumulates, ports_of
from accelsim.workload.problem import TENSORS


def edge_columns(program: Program) -> Ints:
    """int64[edge, column], words of a whole layer (see kernels/tiles.py for the columns)."""
    out = np.zeros((len(program.edges), 3 * program.levels + 3), np.int64)
    all_edges(
        program.loops, program.edges, program.size8, program.axes, program.unicast, program.merge,
        program.on_chip, program.levels, out,
    )  # fmt: skip
    return out


def evaluate(program: Program, laws: Laws | None = None) -> tuple[Counts, Timing]:
    """Counts, exact; cycles, a lower bound (docs/model.md, T13).

    laws : how the operands' non-zeros are placed, on a machine that makes something of zeros; None: dense. Counts are
    then those to be expected (`expected`), and cycles bound the mean over all placements, not every one.
    """
    columns = edge_columns(program)
    compute = compute_cycles(program.loops, program.inside, program.size8, program.architecture.macs_per_cycle)
    layers = [(crossing, *of_layer(crossing)) for crossing in crossings(program)]
    counts = with_links(program, assemble(program, columns, int(compute)), ((c, words) for c, words, _ in layers))
    at_ports = {(c.edge, c.fanout): busiest for c, _, busiest in layers}
    if laws is not None and program.architecture.sees_zeros:
        counts, columns = rewrite(program, laws, counts, columns)
    total = lower_bound(program, columns, counts, at_ports, processing=False)
    processing = lower_bound(program, columns, counts, at_ports, processing=True)
    return counts, Timing(total, processing, counts.compute_cycles, {}, {}, exact=False)


def lower_bound(
    program: Program, columns: Ints, counts: Counts, at_ports: dict[tuple[int, int], Ints], processing: bool
) -> int:
    """The busiest resource's cycles; with serial passes the stationary fills come on top (docs/model.md, T13).

    at_ports : words at the ports of networks with links, by edge and fan-out.

    Only what feeds the PE is kept apart from them: the stationary fills of a pass come after all its C and drains of
    the pass before, and (lead) before all fills of their own. Pipeline and skew follow the last C of every pass.
    A DRAM's share of some transfers is bounded by nothing.
    """
    architecture = program.architecture
    innermost = {int(edge[0]): index for index, edge in enumerate(program.edges) if takes_time(program, edge)}
    total: dict[str, int] = {}
    moving: dict[str, int] = {}
    serial = 0
    for index, (edge, row) in enumerate(zip(program.edges, columns, strict=True)):
        t, parent, child = (int(v) for v in edge[:3])
        if not takes_time(program, edge) or (processing and child == 1):
            continue
        tensor = TENSORS[t]
        if t == PSUM and not accumulates(architecture, parent, child):
            for name, cycles in _refills(program, parent, child, counts, processing).items():
                total[name] = total.get(name, 0) + cycles
        shares: dict[str, int] = {}
        peaks = {level.read_port.name for level in architecture.levels if level.dram and level.read_port}
        for use in ports_of(program, tensor, parent, child, t == PSUM, False):
            if not (processing and use.outermost):
                words = int(row[use.column] if use.root < 0 else at_ports[index, use.fanout][use.root])
                cycles = use.port.cycles(max(words, 0), architecture.word_bits[tensor])
                shares[use.port.name] = max(cycles, shares.get(use.port.name, 0))
        stationary = tensor is architecture.serial and t != PSUM
        for name, cycles in shares.items():
            total[name] = total.get(name, 0) + cycles
            if innermost[t] != index or name in peaks:
                continue
            if stationary:
                serial = max(serial, cycles)
            elif architecture.lead or t == PSUM:
                moving[name] = moving.get(name, 0) + cycles
    preloads, tails = separation(program, processing)
    serial = max(serial, preloads)
    return max([serial + max([counts.compute_cycles + tails, *moving.values()]), *total.values()])


def _refills(program: Program, parent: int, child: int, counts: Counts, processing: bool) -> dict[str, int]:
    """Cycles of each port for psums read back into the child: the busiest instance carries the mean one's at least.

    Old psums that join a reduction on its way are left out: of what is read for them some takes no time.
    """
    architecture = program.architecture
    words = int(counts.words[parent, PSUM, READ])
    instances = [1]
    for spec in architecture.levels:
        instances.append(instances[-1] * spec.fanout.y * spec.fanout.x)
    shares: dict[str, int] = {}
    for use in ports_of(program, TENSORS[PSUM], parent, child, False, False):
        if not (processing and use.outermost):
            # three columns a level, from the parent on
            share = -(-words // instances[parent + use.column // 3])
            cycles = use.port.cycles(share, architecture.word_bits[TENSORS[PSUM]])
            shares[use.port.name] = max(cycles, shares.get(use.port.name, 0))
    return shares
