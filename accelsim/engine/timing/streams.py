"""A machine's streams as the kernels read them, with the outermost level's transfers or without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Buffer
from accelsim.engine.limits import refuse_bytes
from accelsim.engine.networks.ports import PES, WORDS, Labels, Uses
from accelsim.engine.program import OPERAND, PSUM, Ints, Program, buffering, latency_of
from accelsim.engine.timing.kernels import records
from accelsim.engine.timing.kernels.odometer import count_steps
from accelsim.engine.timing.kernels.records import Machine, State
from accelsim.engine.timing.schedule import parent_stream, psum_accumulates
from accelsim.errors import MappingError
from accelsim.workload.problem import TENSORS, Tensor

Flags = npt.NDArray[np.uint8]
OTHERS = ["fill", "drain", "pipeline", "fixed", "least", "room", "pe"]
"""Causes of stalls that are no network, see `kernels.records.PIPELINE` .."""
NONE, NOWHERE, NO_REST = np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros((0, 0), np.int64)


@dataclass(frozen=True)
class Streams:
    """The streams of one layer.

    rows, latency, order, serial, uses_at, ports, rest, fixed, delivery, turns, least, wave : as of
        `kernels.records.Machine`.
    lead, skew_rows, tail : its `lead_first`, `skew_rows` and `after_c`.
    labels : of each stream's port columns, the port and whether it is the outermost level's. names : of the ports.
    kept : of each stream, the port columns that are left. outer : bool[x], whether it crosses the outermost level's
        fan-out alone.
    """

    rows: Ints
    latency: Ints
    order: Ints
    serial: int
    uses_at: Ints
    ports: Ints
    rest: Ints
    lead: bool
    skew_rows: int
    tail: int
    fixed: Ints
    delivery: Ints
    turns: Ints
    least: int
    wave: int
    labels: Labels
    names: list[str]
    kept: list[list[int]]
    outer: npt.NDArray[np.bool_]

    @staticmethod
    def of(program: Program, edges: Ints, held: Uses) -> Streams:
        """Lay out the streams of a layer, which all take time; held : their ports."""
        architecture, listed, labels = program.architecture, edges.tolist(), held.labels
        n = len(listed)
        rows = np.zeros((n, records.COLUMNS), np.int64)
        latency, fixed, delivery = (np.zeros((n, columns), np.int64) for columns in (2, 4, 2))
        ranks = sorted(range(3), key=lambda t: (TENSORS[t] is not architecture.serial, t))
        serial = -1
        tail = architecture.pipeline + architecture.skew_cycles
        # slots beyond the versions there are never bind
        most = int(count_steps(program.loops, program.inside, program.bounds)) + 1
        for x, edge in enumerate(listed):
            t, parent, child, anew, _ = edge
            tensor = TENSORS[t]
            buffer = buffering(architecture, child, tensor)
            innermost = not any(other[0] == t and other[2] > child for other in listed)
            old = psum_accumulates(architecture, edge)
            # how long the banks of a DRAM take follows from the order of its transfers, not the order from that
            skid = parent > 0 or architecture.levels[0].dram is None
            slots = min(_slots(architecture, edge, tail), most)
            rows[x] = (
                t, parent_stream(listed, x), slots, buffer is Buffer.STREAM, innermost, old, False, ranks.index(t),
                program.levels if innermost else child, 2 * x, 2 * x + 1, skid,
                min(old_slots(architecture, parent, child), most),
                min(architecture.levels[0].outstanding.get(tensor, 0), most) if parent == 0 else 0,
                _post(labels[x]), architecture.behind_macs.get(tensor, 0), _ramps(architecture, tensor, buffer), False,
            )  # fmt: skip
            stays = tensor is Tensor.PSUM and tensor in architecture.parts
            fixed[x] = (*_fixed(architecture, child, tensor, innermost, old), stays)
            delivery[x] = _delivery(architecture, child, tensor)
            latency[x] = [latency_of(program, tensor, parent, child, way) for way in (old, False)]
            if tensor is architecture.serial and innermost and anew != OPERAND:
                serial = x
        order = np.lexsort((rows[:, records.RANK], rows[:, records.DEPTH])).astype(np.int64)
        _close(rows, delivery)
        array = architecture.levels[architecture.pe_level - 1].fanout
        names = sorted({name for row in labels for name, _ in row})
        ports = np.zeros((n, max([len(row) for row in labels] + [1])), np.int64)
        for x, row in enumerate(labels):
            ports[x, : len(row)] = [names.index(name) for name, _ in row]
        rest = NO_REST
        if any(use.every > 1 for use in held.held):
            rest = np.zeros_like(ports)
            rest[held.rows[:, 0], np.arange(len(held.held)) - held.rows[:, 2]] = [use.every - 1 for use in held.held]
        kept = [list(range(len(row))) for row in labels]
        found = Streams(
            rows, latency, order, serial, held.at, ports, rest, architecture.lead,
            array.y if architecture.skew else 0, tail, fixed, delivery, _turns(architecture, rows, labels),
            architecture.least, -1 if architecture.wave is None else architecture.wave, labels, names, kept,
            edges[:, 2] == 1,
        )  # fmt: skip
        refuse_bytes(200 * n * found.ring, f"psums on their way through a pipeline of {tail} cycles")
        return found

    @cached_property
    def processing(self) -> Streams:
        """The same where what comes from the outermost level takes no time, nor do its ports."""
        rows = self.rows.copy()
        rows[:, records.ABSENT], rows[:, records.SKID], rows[:, records.OUTSTANDING] = self.outer, 1, 0
        parent = rows[:, records.PARENT]
        rows[(parent >= 0) & self.outer[parent], records.PARENT] = -1
        uses_at, ports, rest = np.zeros_like(self.uses_at), np.zeros_like(self.ports), np.zeros_like(self.rest)
        kept = [[slot for slot, (_, outermost) in enumerate(row) if not outermost] for row in self.labels]
        for x, left in enumerate(kept):
            ports[x, : len(left)] = self.ports[x, left]
            if len(rest):
                rest[x, : len(left)] = self.rest[x, left]
            rows[x, records.POST] = _post([self.labels[x][slot] for slot in left])
            for activity, (first, slots) in enumerate(self.uses_at[x].tolist()):
                mine = [i for i, slot in enumerate(left) if first <= slot < first + slots]
                uses_at[x, activity] = (mine[0] if mine else 0), len(mine)
        _close(rows, self.delivery)
        turns = np.zeros_like(self.turns)
        return replace(self, rows=rows, uses_at=uses_at, ports=ports, rest=rest, kept=kept, turns=turns)

    def machine(self, known: Flags = NONE, looks: Flags = NONE, tile_at: Ints = NOWHERE) -> Machine:
        """As the time kernels read it; the last three are asked only where bodies are looked up."""
        return Machine(
            self.rows, self.uses_at, self.ports, self.rest, self.latency, self.order,
            self.serial, self.lead, self.skew_rows, self.tail, self._paced, self.fixed, self.delivery, self.turns,
            self.least, self.wave, 2 * len(self.rows), known, looks, tile_at,
        )  # fmt: skip

    @property
    def _paced(self) -> bool:
        """See `kernels.records.Machine`."""
        rows = self.rows
        steps = self.fixed[:, records.STEP].any() or (rows[:, records.POST] >= 0).any() or rows[:, records.CLOSES].any()
        return bool(steps or self.least)

    def state(self, tiles: int, seen: int = 0, log: Ints | None = None) -> State:
        """Room for a simulation that begins; tiles : of psums. seen, log : as of `State`."""
        n = len(self.rows)
        state = State(
            free=np.zeros(len(self.names) + 1, np.int64),
            drains=np.zeros((tiles, 3), np.int64),
            records=np.zeros((n, self.ring, records.FIELDS), np.int64),
            progress=np.zeros((n, records.PROGRESS), np.int64),
            scalars=np.zeros(records.SCALARS, np.int64),
            stalls=np.zeros(2 * n + len(OTHERS), np.int64),
            seen=np.zeros(seen, np.int64),
            best=np.zeros(3, np.int64),
            late=np.zeros(3, np.int64),
            log=np.zeros(1, np.int64) if log is None else log,
        )
        records.begin_state(state)
        return state

    @cached_property
    def ring(self) -> int:
        """Records kept of a stream: a power of two, for the kernel masks instead of dividing."""
        most = int(self.rows[:, [records.SLOTS, records.OLD_SLOTS, records.OUTSTANDING]].max(initial=1))
        most = max(most, int(self.delivery[:, 0].max(initial=0)))  # a drain takes a cycle at least
        return 1 << (2 * most + 2).bit_length()

    def select(self, work: Ints, owners: Ints) -> Ints:
        """The cycles on the ports that are left, in their new slots; work : int64[version, slot], owners : streams."""
        if all(slots == list(range(len(row))) for slots, row in zip(self.kept, self.labels, strict=True)):
            return work
        chosen = np.zeros_like(work)
        for x, slots in enumerate(self.kept):
            mine = np.flatnonzero(owners == x)
            chosen[mine[:, None], np.arange(len(slots))] = work[mine[:, None], slots]
        return chosen


def _slots(architecture: Architecture, edge: Sequence[int], tail: int) -> int:
    """T6: tiles a stream's child holds; a psum register also frees what is on its way through the pipeline or array."""
    t, _, child, anew, _ = edge
    slots = 2 if child == len(architecture.levels) else architecture.levels[child].slots(TENSORS[t])
    return slots + tail if anew and t == PSUM else slots


def _ramps(architecture: Architecture, tensor: Tensor, buffer: Buffer) -> bool:
    """T10c, X16: whether the first step of a pass takes a tensor word by word."""
    if architecture.stream and tensor is architecture.serial:
        return True
    return buffer is Buffer.STREAM and (architecture.stream or tensor is Tensor.PSUM)


def _close(rows: Ints, delivery: Ints) -> None:
    """Say of which psums the last step of a tile is not like its others."""
    waits = (delivery[:, 0] > 0) & (rows[:, records.ABSENT] == 0)
    rows[:, records.CLOSES] = waits | ((rows[:, records.POST] >= 0) & (rows[:, records.TENSOR] == PSUM))


def _post(labels: Sequence[tuple[str, bool]]) -> int:
    """The port column that is the PEs' own; -1: none."""
    return next((slot for slot, (name, _) in enumerate(labels) if name == PES), -1)


def old_slots(architecture: Architecture, parent: int, child: int) -> int:
    """Tiles of old psums that have room on their way into the reduction of an edge (docs/model.md, T6)."""
    return max(spec.fanout.network(TENSORS[PSUM]).slots for spec in architecture.levels[parent:child])


def _fixed(architecture: Architecture, child: int, tensor: Tensor, innermost: bool, old: bool) -> tuple[int, int, int]:
    """Cycles before a fill, before a drain and before the first step of a version of one stream."""
    if child == len(architecture.levels):
        return 0, 0, 0
    fixed = architecture.levels[child].fixed
    tile, fill = fixed.tile.get(tensor, 0), fixed.fill.get(tensor, 0)
    return fill if innermost or old else fill + tile, fixed.drain, tile if innermost else 0


def _delivery(architecture: Architecture, child: int, tensor: Tensor) -> tuple[int, int]:
    """Cycles of drains that have room on their way out of a stream's child, 0: any; and until it is free again."""
    if tensor is not Tensor.PSUM or child == len(architecture.levels):
        return 0, 0
    found = architecture.levels[child].delivery
    return (found.room, found.back) if found else (0, 0)


def _turns(architecture: Architecture, rows: Ints, labels: Labels) -> Ints:
    """Which fills take a port in turn as the layer begins; see `kernels.records.Machine`."""
    found = np.zeros((len(rows), 4), np.int64)
    outer = {TENSORS[row[records.TENSOR]]: x for x, row in enumerate(rows.tolist()) if row[records.PARENT] < 0}
    pair = [outer.get(tensor, -1) for tensor in architecture.levels[0].turns]
    if len(pair) < 2 or min(pair) < 0:
        return found
    names, shared = [[name for name, _ in labels[x]] for x in pair], architecture.levels[0].shared_port
    also = sorted(set(names[0]) & set(names[1]) - {shared, *WORDS})
    if also:
        raise MappingError(
            f"{architecture.levels[0].name}: its inputs take port '{shared}' in turn, but share '{also[0]}'"
        )
    for x, other, own, first in zip(pair, reversed(pair), names, (True, False), strict=True):
        takes = 1 if first else int(rows[x, records.SLOTS])
        found[x] = takes, other, own.index(shared), first
    return found


def of_layer(architecture: Architecture, edges: Ints, cycles: int, stalls: Ints) -> tuple[int, dict[str, int]]:
    """Cycles of a whole layer and its stalls by cause, from those of its activities; causes of no cycles are left out.

    stalls : by the causes of `Machine`.
    """
    around = architecture.before + architecture.after
    stalls = stalls.copy()
    stalls[2 * len(edges) + records.FIXED] += around
    return cycles + around, _by_cause(architecture, edges, stalls)


def causes(architecture: Architecture, edges: Ints) -> list[str]:
    """What stalls are charged to, by the numbers of `Machine`."""
    names = [spec.name for spec in architecture.levels] + ["PE"]
    labels = []
    for t, parent, child, _, _ in edges.tolist():
        for arrow in ("->", "<-"):
            labels.append(f"{names[parent]}{arrow}{names[child]} {TENSORS[t].value}")
    return labels + OTHERS


def _by_cause(architecture: Architecture, edges: Ints, stalls: Ints) -> dict[str, int]:
    labels = causes(architecture, edges)
    return {label: cycles for label, cycles in zip(labels, stalls.tolist(), strict=True) if cycles}
