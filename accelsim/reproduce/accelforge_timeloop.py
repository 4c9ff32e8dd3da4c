"""AccelForge and Timeloop on 17 fixed mappings: counts, energy, cycles; and five of them with limited bandwidth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import prod
from typing import Any

from accelsim.architecture.model import Architecture, Buffer, Fanout, Level, Network, NetworkKind, Port
from accelsim.engine import evaluate
from accelsim.engine.counts import Counts, Timing
from accelsim.engine.program import build
from accelsim.engine.timing.windows import outline, windows
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce import source
from accelsim.reproduce.einsum import Einsum
from accelsim.reproduce.markdown import error, table
from accelsim.workload.problem import ADDED_DIMS, TENSOR_DIMS, TENSORS, Padding, Tensor

TIMELOOP, ACCELFORGE = "timeloop", "accelforge"
TOOLS = (TIMELOOP, ACCELFORGE)
PRICES = {"DRAM": 200, "GLB": 6, "RF": 1}
MAC_PRICE = 1
PSUM_NETWORK = Network(NetworkKind.TREE, reduce=frozenset(ADDED_DIMS))
COLUMNS = {TIMELOOP: ("tl_reads", "tl_fills", "tl_updates"), ACCELFORGE: ("af_reads", "af_writes")}

Row = tuple[str, str]
Words = tuple[int, ...]


@cache
def cases() -> Mapping[str, Mapping[str, Any]]:
    """The 17 cases by name, as the reference file has them."""
    found: Mapping[str, Mapping[str, Any]] = source.document("accelforge_timeloop_cases")["cases"]
    return found


def price(case: str, tool: str) -> int:
    """Their energy of a case, pJ."""
    return int(cases()[case]["energy"][tool])


@cache
def reference(tool: str) -> Mapping[str, Mapping[Row, Words]]:
    """Theirs: case -> (level, tensor) -> counts in the order of `COLUMNS`."""
    found: dict[str, dict[Row, Words]] = {}
    for row in source.rows("accelforge_timeloop_counts"):
        cell = tuple(int(row[column]) for column in COLUMNS[tool])
        found.setdefault(row["case"], {})[row["level"], row["tensor"]] = cell
    return found


@dataclass(frozen=True)
class Bandwidth:
    """Elements per cycle of the one port of DRAM and of the GLB, and the cycles both tools give."""

    dram: int
    glb: int
    timeloop: int
    accelforge: int


@cache
def bandwidths() -> Mapping[str, Bandwidth]:
    """The five limited cases by name."""
    return {
        row["case"]: Bandwidth(*(int(row[column]) for column in ("dram", "glb", TIMELOOP, ACCELFORGE)))
        for row in source.rows("accelforge_timeloop_bandwidth")
    }


# ---- the machines ----------------------------------------------------------------------------------------------------


def einsum(case: str) -> Einsum:
    """The layer of a case."""
    return Einsum.of(cases()[case]["tensors"], cases()[case]["sizes"])


def nest(case: str) -> LoopNest:
    """The mapping of a case."""
    return LoopNest.parse(einsum(case).loops(cases()[case]["nest"]))


def machine(case: str, tool: str) -> Architecture:
    """The machine of a case as one tool understands it.

    Timeloop keeps the overlap of a sliding tile and sends a word that several PEs want once. AccelForge refetches the
    whole tile, and sends an ifmap word once only along loops that do not index it: where all loops of an array do,
    every PE gets its own copy (in no case do loops of both kinds meet on one array and share words across PEs).
    """
    layer, mapped = einsum(case), nest(case)
    levels = []
    for name, names in cases()[case]["keeps"].items():
        own = mapped.level(name)
        fanout = Fanout()
        if own.y or own.x:
            networks = {Tensor.PSUM: PSUM_NETWORK}
            if tool == ACCELFORGE and all(loop.dim in TENSOR_DIMS[Tensor.IFMAP] for loop in own.y + own.x):
                networks[Tensor.IFMAP] = Network(NetworkKind.UNICAST)
            y, x = (prod(loop.factor for loop in loops) for loops in (own.y, own.x))
            fanout = Fanout(y, x, networks, declared=True)
        keeps = frozenset(layer.tensors[tensor] for tensor in names)
        levels.append(Level(name, keeps, halo_reuse=tool == TIMELOOP, fanout=fanout))
    return Architecture(case, tuple(levels), padding=Padding.STORED)


def limited(case: str) -> Architecture:
    """The machine with one port for reads and writes at DRAM and at the GLB; unbounded buffers hold two tiles."""
    found, limits = machine(case, TIMELOOP), bandwidths()[case]
    rates = {"DRAM": limits.dram, "GLB": limits.glb}
    ports = {name: Port(name, Fraction(rate), in_words=True) for name, rate in rates.items()}
    levels = tuple(
        replace(
            level,
            read_port=ports.get(level.name),
            write_port=ports.get(level.name),
            buffer=dict.fromkeys(level.keeps, Buffer.DOUBLE),
        )
        for level in found.levels
    )
    return replace(found, levels=levels)


@cache
def run(case: str, tool: str, evaluator: str) -> tuple[Counts, Timing]:
    """One case without limits."""
    return evaluate(machine(case, tool), nest(case), einsum(case).problem, evaluator)


@cache
def run_limited(case: str, evaluator: str) -> Timing:
    """Cycles of one case with its bandwidths."""
    return evaluate(limited(case), nest(case), einsum(case).problem, evaluator)[1]


# ---- their conventions -----------------------------------------------------------------------------------------------


def convert(case: str, tool: str, counts: Counts) -> dict[Row, Words]:
    """Our counts in the words of a tool: (level, tensor) -> `COLUMNS`.

    Inputs are the same in all three. For psums Timeloop writes the old sum back into *every* PE of the group whose
    sums are added (fills = ours x group), so reads follow by the same identity as ours:
    ``reads = updates - (drains - fills)``. AccelForge counts as reads also what a level sends up.
    """
    layer = einsum(case)
    found: dict[Row, Words] = {}
    for name, tensors in cases()[case]["keeps"].items():
        for own in tensors:
            tensor = layer.tensors[own]
            fill, read, update, drain = (counts(name, tensor, action) for action in ("fill", "read", "update", "drain"))
            if tensor is Tensor.PSUM and drain:
                group = Fraction(drain, counts(_parent(case, name, own), tensor, "update"))
                read += int(fill * group) - fill
                fill = int(fill * group)
            sent = drain if tensor is Tensor.PSUM else 0
            found[name, own] = (read, fill, update) if tool == TIMELOOP else (read + sent, fill + update)
    return found


def _parent(case: str, level: str, tensor: str) -> str:
    """The nearest outer level that keeps a tensor."""
    keepers: list[str] = [name for name, tensors in cases()[case]["keeps"].items() if tensor in tensors]
    return keepers[keepers.index(level) - 1]


def energy(case: str, words: Mapping[Row, Words]) -> int:
    """Energy of converted counts, pJ: every element read or written costs what its level costs, every MAC one."""
    return MAC_PRICE * einsum(case).problem.macs + sum(PRICES[level] * sum(cell) for (level, _), cell in words.items())


def throughput(case: str, tool: str) -> int:
    """Cycles as the tools take them: the busiest of MACs and ports, from our counts in their words."""
    counts, _ = run(case, tool, "analytical")
    limits = bandwidths()[case]
    busy = {"DRAM": 0, "GLB": 0}
    for (level, _), cell in convert(case, tool, counts).items():
        if level in busy:
            busy[level] += sum(cell)
    return max(counts.compute_cycles, -(-busy["DRAM"] // limits.dram), -(-busy["GLB"] // limits.glb))


# ---- where the cycle evaluator needs longer --------------------------------------------------------------------------


def port_cycles(case: str) -> dict[str, int]:
    """Cycles each port is held, every transfer in whole cycles."""
    program = build(limited(case), nest(case), einsum(case).problem)
    held: dict[str, int] = {}
    for window in windows(program, outline(program)):
        schedule = window.schedule
        for stream, uses in enumerate(schedule.ports.labels):
            for slot, (name, _) in enumerate(uses):
                cycles = schedule.work[schedule.rows(stream), slot]
                held[name] = held.get(name, 0) + int(cycles.sum())
    return held


def dram_ports_apart(found: Architecture) -> Architecture:
    """DRAM with a port of the same rate for each tensor and direction."""
    dram, *others = found.levels
    assert dram.read_port
    down = {tensor: replace(dram.read_port, name=f"DRAM {tensor}") for tensor in TENSORS}
    networks = {tensor: Network(down=down[tensor]) for tensor in (Tensor.IFMAP, Tensor.FILTER)}
    up = replace(dram.read_port, name="DRAM up")
    networks[Tensor.PSUM] = replace(PSUM_NETWORK, down=down[Tensor.PSUM], up=up)
    dram = replace(dram, read_port=None, write_port=None, fanout=Fanout(networks=networks))
    return replace(found, levels=(dram, *others))


def glb_ports_apart(found: Architecture) -> Architecture:
    """The GLB with one port to read and one to write."""
    levels = [
        replace(level, write_port=replace(level.write_port, name="GLB write"))
        if level.name == "GLB" and level.write_port
        else level
        for level in found.levels
    ]
    return replace(found, levels=tuple(levels))


def _again(case: str, changed: Architecture) -> int:
    return evaluate(changed, nest(case), einsum(case).problem)[1].cycles


def reason(case: str) -> str:
    """One line: how much longer than the busiest port the cycle evaluator takes, and what for."""
    bound, timing = run_limited(case, "analytical").cycles, run_limited(case, "cycle")
    held = port_cycles(case)
    port = max(held, key=lambda name: held[name])
    whole = f", {held[port]:,} when every transfer takes whole cycles" if held[port] > bound else ""
    if not nest(case).level("DRAM").temporal:
        why = (
            "the GLB holds the whole layer, so what comes before the first MAC "
            f"({timing.stalls['fill']:,} cycles, mostly its load) and after the last ({timing.stalls['drain']:,}, its "
            "drain) overlaps nothing"
        )
    elif port == "GLB":
        left = _again(case, dram_ports_apart(limited(case))) - held[port]
        why = (
            "it serves in program order, and a transfer from DRAM has its turn there while it waits for DRAM's port; "
            f"{left:,} are left if every tensor has a DRAM port of its own, most of them at both ends"
        )
    else:
        left = _again(case, glb_ports_apart(limited(case))) - held[port]
        why = f"its transfers wait for a turn at the GLB; {left:,} are left if that has a port to read and one to write"
    return (
        f"`{case}`, {error(timing.cycles, bound)}: the {port} port is busy for {bound:,} cycles{whole}, and stands "
        f"still for {timing.cycles - held[port]:,}: {why}."
    )


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Counts, energy and cycles of both tools as Markdown."""
    reasons = "\n".join(f"- {reason(case)}" for case in bandwidths()) + "\n"
    return "\n".join([_HEAD, _counts(), _BANDWIDTH, _bandwidth(), _WHY, reasons])


def _counts() -> str:
    header = ["case", "rows"]
    for name in ("Timeloop", "AccelForge"):
        header += [f"{name}: equal", "pJ", "ours"]
    lines = []
    for case in cases():
        line = [case, str(len(reference(TIMELOOP)[case]))]
        for tool in TOOLS:
            theirs, ours = reference(tool)[case], convert(case, tool, run(case, tool, "analytical")[0])
            line.append(str(sum(ours[row] == theirs[row] for row in theirs)))
            line += [f"{price(case, tool):,}", f"{energy(case, ours):,}"]
        lines.append(line)
    return table(header, lines)


def _bandwidth() -> str:
    lines = []
    for case, limits in bandwidths().items():
        bound, cycles = (run_limited(case, evaluator).cycles for evaluator in ("analytical", "cycle"))
        lines.append(
            [case, f"{limits.dram}, {limits.glb}", f"{limits.timeloop:,}", f"{throughput(case, TIMELOOP):,}",
             f"{limits.accelforge:,}", f"{bound:,}", f"{cycles:,}", error(cycles, limits.accelforge)]
        )  # fmt: skip
    header = ["case", "DRAM, GLB", "Timeloop", "ours, its way", "AccelForge", "our bound", "our cycles", "error"]
    return table(header, lines)


_HEAD = """\
## AccelForge and Timeloop

17 layers under fixed mappings: AccelForge 1.0.467 and Timeloop 4cf6d4c (2025), measured by running them. A row is one
tensor at one level, all instances added; it is equal if each of its counts is (Timeloop: reads, fills, updates;
AccelForge: reads, writes). Three conventions are converted, by name: a refilled psum goes into every PE of a reduction
group with them and into one with us; AccelForge counts what a level sends up as read there; and it refetches a sliding
tile whole, and copies an ifmap word for every PE that wants it where the array's loops index it. Both our evaluators
count the same. Energy is these counts times 200, 6 and 1 pJ for DRAM, GLB and RF, plus 1 for a MAC. Without limits
on bandwidth the cycles of both are MACs over PEs, and equal to ours.

The two rows of `c1_2lvl_ws` that differ are Timeloop's slip. Its tile is one ifmap word, and each of 4 x 2 x 3 x 16
steps (K, C, R, P) brings another one: 384, as in AccelForge. Timeloop has 368, 16 less, as many as there are steps that
move R on.
"""

_BANDWIDTH = """\
With limited elements per cycle at DRAM and at the GLB, reads and writes through one port each, both tools take the
busiest resource. *Its way*: our counts in Timeloop's words over the rates. Our bound is AccelForge's number in all five
cases, for here too a drain reads the child.
"""

_WHY = """\
The cycle evaluator, two tiles in every buffer, adds what a maximum leaves out:
"""
