"""The closed form: exact counts of a dense layer, expected ones under densities, and a lower bound on its cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from accelsim.engine.counts import Counts, Timing, in_core_cycles
from accelsim.engine.lockstep import in_both
from accelsim.engine.nest.kernels.groups import columns_of
from accelsim.engine.nest.laid import laid
from accelsim.engine.networks.links import Crossing, crossings, of_layer
from accelsim.engine.program import PSUM, Ints, PortUse, Program, accumulates, latency_of, ports_of
from accelsim.engine.timing.kernels.odometer import count_steps
from accelsim.engine.words.assemble import READ, assemble, last_visits, with_links
from accelsim.engine.words.bias import begun, bias_columns
from accelsim.engine.words.kernels.closed import all_edges, compute_cycles
from accelsim.engine.words.passes import separation
from accelsim.engine.zeros.expected.counts import rewrite
from accelsim.engine.zeros.expected.laws import Laws
from accelsim.mapping.mapping import planes_to, tile_sizes, tile_words
from accelsim.workload.problem import COUNT_LIMIT, DIM_INDEX, TENSORS, Tensor


def edge_columns(program: Program) -> Ints:
    """int64[edge, column], words of a whole layer, then versions (see `closed.edge_words`)."""
    out = np.zeros((len(program.edges), program.columns), np.int64)
    if not program.apart:
        all_edges(laid(program), program.edges, out)
    for e, t in enumerate(program.edges[:, 0].tolist() if program.apart else ()):
        all_edges(laid(program.of(t)), program.edges[e : e + 1], out[e : e + 1])
    return out


def final_columns(program: Program) -> Ints | None:
    """int64[edge, column], words of the last drain of every tile of psums; None where nothing is narrowed.

    Each tile would be drained once if no loop outside it went over C, R or S.
    """
    if not program.finals:
        return None
    out = np.zeros((len(program.edges), program.columns), np.int64)
    for e in np.flatnonzero(program.timed).tolist():
        if int(program.edges[e, 0]) == PSUM:
            one = last_visits(program.of(PSUM), int(program.edges[e, 2]))
            all_edges(laid(one), one.edges[e : e + 1], out[e : e + 1])
    return out


def _compute_cycles(program: Program) -> int:
    """Cycles of the MAC array, of runs of pixels run by run: no two of them are in one step."""
    runs, together = program.problem.runs, (program.packs, program.architecture.macs_together)
    if not runs:
        return int(compute_cycles(program.loops, program.inside, program.bounds, *together, 1))
    one, cycles = program.bounds.copy(), 0
    one[DIM_INDEX["P"]] = 1
    for length in set(runs.lengths):
        cycles += runs.lengths.count(length) * int(
            compute_cycles(program.loops, program.inside, one, *together, length)
        )
    return cycles


def evaluate(program: Program, laws: Laws | None = None) -> tuple[Counts, Timing]:
    """Counts, exact; cycles, a lower bound (docs/model.md, T13).

    laws : how the operands' non-zeros are placed, on a machine that makes something of zeros; None: dense. Counts are
    then those to be expected (`expected`), and cycles bound the mean over all placements, not every one.
    """
    if program.architecture.lock:
        return in_both(program, evaluate)
    columns = edge_columns(program)
    machine = program.architecture
    compute = _compute_cycles(program) * machine.mac_cycles
    finals = final_columns(program)
    layers = [(crossing, *of_layer(crossing)) for crossing in crossings(program)]
    narrow = {(c.edge, c.fanout): of_layer(one) for c, _, _ in layers if (one := _last_crossing(program, c))}
    no = np.zeros(1, np.int64)
    counts = with_links(
        program,
        assemble(program, columns, int(compute), finals),
        ((c, words, narrow.get((c.edge, c.fanout), (no, no))[0]) for c, words, _ in layers),
    )
    at_ports = {(c.edge, c.fanout): busiest for c, _, busiest in layers}
    bias = bias_columns(program)
    if bias is not None:
        counts = replace(counts, bias=begun(program, bias))
    if laws is not None and program.architecture.sees_zeros:
        counts, columns, finals = rewrite(program, laws, counts, columns, finals)
    columns, finals = _taken_over(program, columns), finals if finals is None else _taken_over(program, finals)
    cycles = [
        lower_bound(
            program, columns[None], counts.words[None], np.array([counts.compute_cycles]),
            {at: words[None] for at, words in at_ports.items()},
            separation(program, columns[None], processing), processing, None if finals is None else finals[None],
            {at: busiest[None] for at, (_, busiest) in narrow.items()}, bias,
        )[0]
        for processing in (False, True)
    ]  # fmt: skip
    timing = Timing(int(cycles[0]), int(cycles[1]), counts.compute_cycles, {}, {}, exact=False)
    return in_core_cycles(counts, timing, machine.mode.divider)


def lower_bound(
    program: Program,
    columns: Ints,
    words: Ints,
    compute: Ints,
    at_ports: dict[tuple[int, int], Ints],
    apart: tuple[Ints, Ints],
    processing: bool,
    finals: Ints | None = None,
    final_ports: Mapping[tuple[int, int], Ints] = MappingProxyType({}),
    bias: Ints | None = None,
) -> Ints:
    """The busiest resource's cycles; with serial passes the stationary fills come on top (docs/model.md, T13).

    All arrays begin with the mapping, and so do the cycles. at_ports : words at the ports of networks with links, by
    edge and fan-out. apart : see passes.separation. finals, final_ports : as `columns` and `at_ports`, of the drains
    that are narrowed. bias : the columns of the bias that the layer's sums begin with, if any.

    Fixed cycles come before each transfer, but for psums on their way down, and before steps. The least length of a
    step overlaps with what keeps passes apart.

    Only what feeds the PE is kept apart from them: the stationary fills of a pass come after all its C and drains of
    the pass before, and (lead) before all fills of their own. Pipeline and skew follow the last C of every pass.
    A DRAM's share of some transfers is bounded by nothing.
    """
    architecture = program.architecture
    innermost = {int(program.edges[index, 0]): index for index in np.flatnonzero(program.timed).tolist()}
    peaks = {level.read_port.name for level in architecture.levels if level.dram and level.read_port}
    total = _held_beside(program, len(columns), processing)
    moving: dict[str, Ints] = {}
    preloads, tails = apart
    serial = preloads
    for index, edge in enumerate(program.edges):
        t, parent, child = (int(v) for v in edge[:3])
        if not program.timed[index] or (processing and child == 1):
            continue
        tensor = TENSORS[t]
        if t == PSUM:
            for came in (_refills(program, index, words, processing), _begun(program, index, bias, processing)):
                for name, cycles in came.items():
                    total[name] = total.get(name, 0) + cycles
        shares = _shares(program, index, columns, at_ports, processing, finals, final_ports)
        stationary = tensor is architecture.serial and t != PSUM and architecture.wave is None
        fixed, rest = _before_transfers(program, index), _rest(program, index)
        held = fixed * _transfers(program, index, columns) if fixed else 0
        spare = rest * np.maximum(columns[:, index, columns_of(parent, child)] - 1, 0) if rest else 0
        if parent == 0 and t != PSUM and tensor in architecture.levels[0].outstanding and not processing:
            own = [_less(share, spare) for name, share in shares.items() if name not in peaks]
            total[f"{tensor} outstanding"] = _few_at_a_time(program, index, columns, own)
        for name, share in shares.items():
            total[name] = total.get(name, 0) + share + held
            cycles = _less(share, spare) + held
            if innermost[t] != index or name in peaks:
                continue
            if stationary:
                serial = np.maximum(serial, cycles)
            elif architecture.lead or t == PSUM:
                moving[name] = moving.get(name, 0) + cycles
    before_steps = _before_steps(program, columns)
    busiest = compute + before_steps + _behind_macs(program, columns) + tails
    for cycles in moving.values():
        busiest = np.maximum(busiest, cycles)
    # passes that overlap load one after the other, the last before its C; where a pass streams in, beside its C
    beside = architecture.wave is not None or architecture.stream
    busiest = np.maximum(serial + tails, busiest) if beside else serial + busiest
    for cycles in total.values():
        busiest = np.maximum(busiest, cycles)
    if architecture.least:
        steps = int(count_steps(program.loops, program.inside, program.bounds))
        last = architecture.pipeline + architecture.skew_cycles
        busiest = np.maximum(busiest, (steps - 1) * architecture.least + before_steps + last)
    return busiest + architecture.before + architecture.after


def _taken_over(program: Program, columns: Ints) -> Ints:
    """int64[edge, column] with what leaves in the place of finished tiles; those are read in their level as before."""
    beside = program.beside
    if beside is None:
        return columns
    found = columns.copy()
    found[beside.edge, : 3 * beside.home] = beside.words
    return found


def _held_beside(program: Program, mappings: int, processing: bool) -> dict[str, Ints]:
    """Cycles of ports that something else holds."""
    total: dict[str, Ints] = {}
    beside = program.beside
    if beside is not None and not (processing and beside.home == 1):
        for name, outermost, cycles in beside.ports:
            if not (processing and outermost):
                total[name] = total.get(name, np.zeros(mappings, np.int64)) + cycles
    return total


def _shares(
    program: Program,
    index: int,
    columns: Ints,
    at_ports: Mapping[tuple[int, int], Ints],
    processing: bool,
    finals: Ints | None,
    final_ports: Mapping[tuple[int, int], Ints],
) -> dict[str, Ints]:
    """Cycles of each port that an edge's transfers hold; parameters as of `lower_bound`."""
    architecture, (t, parent, child) = program.architecture, program.edges[index, :3].tolist()
    bits = architecture.moved_bits[TENSORS[t]]
    shares: dict[str, Ints] = {}
    for use in ports_of(program, TENSORS[t], parent, child, t == PSUM, False):
        if processing and use.outermost:
            continue
        carried = columns[:, index, use.column] if use.root < 0 else at_ports[index, use.fanout][:, use.root]
        if use.narrow and finals is not None:
            linked = use.root >= 0
            narrow = final_ports[index, use.fanout][:, use.root] if linked else finals[:, index, use.column]
            _raise(shares, use, np.maximum(carried - narrow, 0), bits, narrow, architecture.final_bits)
        else:
            _raise(shares, use, carried, bits)
    return shares


def _before_transfers(program: Program, index: int) -> int:
    """Fixed cycles before each fill of an edge's child, or of psums before each drain."""
    t, _, child = (int(v) for v in program.edges[index, :3])
    if child == program.levels or not program.architecture.levels[child].fixed:
        return 0
    fixed, tensor = program.architecture.levels[child].fixed, TENSORS[t]
    if t == PSUM:
        return fixed.drain
    innermost = not any(edge[0] == t and edge[2] > child for edge in program.edges[program.timed])
    return fixed.fill.get(tensor, 0) + (0 if innermost else fixed.tile.get(tensor, 0))


def _rest(program: Program, index: int) -> int:
    """Cycles at most in which a port rests behind each of an edge's transfers, when that is over."""
    t, parent, child = program.edges[index, :3].tolist()
    return max(level.fanout.network(TENSORS[t]).every for level in program.architecture.levels[parent:child]) - 1


def _less(share: Ints, spare: Ints | int) -> Ints:
    """Cycles of a port without those that it rests at the end."""
    return share if isinstance(spare, int) else np.maximum(share - spare, 0)


def _few_at_a_time(program: Program, index: int, columns: Ints, shares: list[Ints]) -> Ints:
    """Cycles of an input's transfers of which few are on their way at a time, each n after one that it waits for.

    They are n chains: one of them has its part of the cycles, and the first has the most transfers. shares : cycles on
    each port.
    """
    t, parent, child = (int(v) for v in program.edges[index, :3])
    few = program.architecture.levels[0].outstanding[TENSORS[t]]
    latency = latency_of(program, TENSORS[t], parent, child)
    number = _transfers(program, index, columns)
    fixed = _before_transfers(program, index)
    cycles = np.max([0 * number, *shares], axis=0) + fixed * number
    bound: Ints = np.maximum(
        -(-cycles // few) + number // few * latency, -(-number // few) * (latency + fixed + bool(shares))
    )
    return bound


def _transfers(program: Program, index: int, columns: Ints) -> Ints:
    """Versions of an edge's child, no more than there are: a tile that moves to where all its words lie is the same."""
    t, parent, child, _, reuse = (int(v) for v in program.edges[index])
    versions: Ints = columns[:, index, columns_of(parent, child)]
    if TENSORS[t] is not Tensor.IFMAP or not reuse:
        return versions
    problem, planes = program.of(t).problem, child <= planes_to(program.architecture)
    tile = tile_sizes(program.architecture, program.nest, problem, child)
    most = tile_words(problem, tile, Tensor.IFMAP, planes)
    return np.minimum(versions, -(-columns[:, index, 3 * (child - parent)] // max(most, 1)))


def _before_steps(program: Program, columns: Ints) -> Ints:
    """Fixed cycles before the first steps of all tiles that the PEs work on."""
    architecture, cycles = program.architecture, np.zeros(len(columns), np.int64)
    if not any(level.fixed for level in architecture.levels):
        return cycles
    innermost = {int(edge[0]): index for index, edge in enumerate(program.edges) if program.timed[index]}
    for t, index in innermost.items():
        child = int(program.edges[index, 2])
        fixed = architecture.levels[child].fixed.tile.get(TENSORS[t], 0) if child < program.levels else 0
        if fixed:
            cycles = cycles + fixed * _transfers(program, index, columns)
    return cycles


def _behind_macs(program: Program, columns: Ints) -> Ints:
    """Cycles that PEs take for words behind the MACs of their steps."""
    cycles: Ints = np.zeros(len(columns), np.int64)
    if not program.architecture.behind_macs:
        return cycles
    innermost = {int(edge[0]): index for index, edge in enumerate(program.edges) if program.timed[index]}
    for tensor, each in program.architecture.behind_macs.items():
        index = innermost[TENSORS.index(tensor)]
        _, parent, child = (int(v) for v in program.edges[index, :3])
        if child < program.levels:
            cycles = cycles + each * columns[:, index, 3 * (child - parent)]
    return cycles


def _refills(program: Program, index: int, words: Ints, processing: bool) -> dict[str, Ints]:
    """Cycles of each port for psums read back into the child: the busiest instance carries the mean one's at least.

    Old psums that join a reduction on its way are left out: of what is read for them some takes no time.
    """
    architecture, (t, parent, child) = program.architecture, (int(v) for v in program.edges[index, :3])
    if t != PSUM or accumulates(architecture, parent, child):
        return {}
    instances = [1]
    for spec in architecture.levels:
        instances.append(instances[-1] * spec.fanout.y * spec.fanout.x)
    shares: dict[str, Ints] = {}
    for use in ports_of(program, TENSORS[PSUM], parent, child, False, False):
        if not (processing and use.outermost):
            # three columns a level, from the parent on
            share = -(-words[:, parent, PSUM, READ] // instances[parent + use.column // 3])
            _raise(shares, use, share, architecture.moved_bits[TENSORS[PSUM]])
    return shares


def _begun(program: Program, index: int, columns: Ints | None, processing: bool) -> dict[str, Ints]:
    """Cycles of each port for the bias that sums begin with."""
    t, parent, _ = (int(v) for v in program.edges[index, :3])
    if columns is None or t != PSUM or parent != 0:
        return {}
    shares: dict[str, Ints] = {}
    old = accumulates(program.architecture, 0, program.bias_to)
    for use in ports_of(program, Tensor.PSUM, 0, program.bias_to, False, old):
        if not (processing and use.outermost):
            _raise(shares, use, columns[use.column : use.column + 1], program.architecture.bias_bits)
    return shares


def _raise(
    shares: dict[str, Ints], use: PortUse, words: Ints, word_bits: int, narrow: Ints | int = 0, narrow_bits: int = 0
) -> None:
    """Let a port take the time of these words, if it is more than it takes by now; narrow : words of other bits."""
    port = use.port
    units, bits = (words, word_bits) if port.in_words else (words * word_bits, 1)
    if narrow_bits:
        units = units + (narrow if port.in_words else narrow * narrow_bits)
    most = max(int(units.max(initial=0)) * bits * port.rate.denominator, port.rate.numerator)
    # a rate given in GB/s may have a fraction that only big integers hold the product with
    cycles = port.cycles(units if most < COUNT_LIMIT else units.astype(object), bits)
    cycles = cycles.astype(np.int64)
    if use.every > 1:
        cycles = np.maximum(cycles * use.every - (use.every - 1), 0)
    shares[port.name] = np.maximum(cycles, shares.get(port.name, 0))


def _last_crossing(program: Program, crossing: Crossing) -> Crossing | None:
    """Where final sums cross a network with links narrowed."""
    if crossing.tensor != PSUM:
        return None
    finals = program.finals.get((crossing.parent, crossing.child))
    if finals is None or crossing.fanout not in finals.fanouts:
        return None
    return Crossing(last_visits(crossing.program, crossing.child), crossing.edge, crossing.fanout)
