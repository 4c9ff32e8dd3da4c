"""ZigZag on nine fixed mappings: element moves of every memory and operand, and cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import prod
from typing import Any

from accelsim.architecture.model import Architecture, Buffer, Fanout, Level, Network, NetworkKind, Port
from accelsim.engine import evaluate
from accelsim.engine.counts import ACTIONS, Counts, Timing
from accelsim.mapping.mapping import LevelMapping, LoopNest, parse_loops, tile_sizes, tile_words
from accelsim.reproduce import source
from accelsim.reproduce.einsum import Einsum
from accelsim.reproduce.markdown import error, table
from accelsim.workload.problem import ADDED_DIMS, Padding, Problem, Tensor

DIRECTIONS = ("rd_out_to_low", "wr_in_by_low", "rd_out_to_high", "wr_in_by_high")
MAC = "MAC"
"""The operand registers of a MAC, as a level of our machines."""

PSUM_NETWORK = Network(NetworkKind.TREE, reduce=frozenset(ADDED_DIMS))
Moves = Mapping[str, int]


@cache
def cases() -> Mapping[str, Mapping[str, Any]]:
    """The nine cases by number, as the reference file has them."""
    found: Mapping[str, Mapping[str, Any]] = source.document("zigzag_cases")["cases"]
    return found


@cache
def reference(case: str) -> Mapping[tuple[str, str], Moves]:
    """Theirs: (memory, operand) -> moves by direction, innermost memory of an operand first."""
    return {
        (row["memory"], row["operand"]): {direction: int(row[direction]) for direction in DIRECTIONS}
        for row in source.rows("zigzag_counts")
        if row["case"] == case
    }


# ---- the machines ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setup:
    """One case as a layer, a machine and a mapping of ours."""

    layer: Einsum
    machine: Architecture
    nest: LoopNest


@cache
def setup(case: str) -> Setup:
    """A case by number, built."""
    return set_up(case, cases()[case])


def set_up(name: str, given: Mapping[str, Any]) -> Setup:
    """Build a case: every memory of theirs is a level, with the loops that run outside the next one.

    A memory that serves more of the array lies further out; of two that serve as much, the one with more loops inside.
    So each operand meets only its own memories, cut where ZigZag cuts its loops. Innermost come the operand registers
    of the MAC: ZigZag reads an operand again only when it changes.
    """
    layer = Einsum.of(given["tensors"], given["sizes"])
    order = parse_loops(layer.loops(given["order"]))
    names = list(reversed(given["memories"]))
    names.sort(key=lambda name: (-len(given["memories"][name]["spans"]), -given["memories"][name]["inside"]))
    memories = [*(given["memories"][name] for name in names), {"spans": [], "inside": 0}]
    nest = []
    for level, memory, inner in zip(names, memories, memories[1:], strict=False):
        y, x = (
            parse_loops(layer.loops(loop)) if dim in memory["spans"] and dim not in inner["spans"] else ()
            for dim, loop in given["arrays"].items()
        )
        # theirs begin with the innermost
        temporal = order[inner["inside"] : memory["inside"]][::-1]
        nest.append((level, LevelMapping(temporal, y, x)))
    mapping = LoopNest((*nest, (MAC, LevelMapping())))
    bits = {layer.tensors[operand]: width for operand, width in given["bits"].items()}
    levels = [_level(level, memory, mapping, layer) for level, memory in zip(names, memories, strict=False)]
    inputs = frozenset({Tensor.IFMAP, Tensor.FILTER})
    levels.append(Level(MAC, inputs, buffer=dict.fromkeys(inputs, Buffer.DOUBLE), halo_reuse=False))
    machine = Architecture(name, tuple(levels), word_bits=bits, padding=Padding.STORED)
    return Setup(layer, _buffered(machine, mapping, layer.problem, given["memories"]), mapping)


def _level(name: str, memory: Mapping[str, Any], nest: LoopNest, layer: Einsum) -> Level:
    """One memory; tiles are refetched whole."""
    own = nest.level(name)
    y, x = (prod(loop.factor for loop in loops) for loops in (own.y, own.x))
    fanout = Fanout(y, x, {Tensor.PSUM: PSUM_NETWORK}, declared=True) if own.y or own.x else Fanout()
    rates = memory["ports"]
    both = Port(name, Fraction(rates["both"])) if "both" in rates else None
    return Level(
        name,
        frozenset(layer.tensors[operand] for operand in memory["keeps"]),
        halo_reuse=False,
        read_port=both or Port(f"{name} read", Fraction(rates["read"])),
        write_port=both or Port(f"{name} write", Fraction(rates["write"])),
        fanout=fanout,
    )


def _buffered(
    machine: Architecture, nest: LoopNest, problem: Problem, memories: Mapping[str, Mapping[str, Any]]
) -> Architecture:
    """Double-buffer what fills at most half of its memory, as ZigZag does."""
    levels = []
    for index, level in enumerate(machine.levels):
        if level.name in memories:
            tile = tile_sizes(machine, nest, problem, index)
            used = sum(tile_words(problem, tile, tensor) * machine.word_bits[tensor] for tensor in level.keeps)
            if 2 * used <= memories[level.name]["size"]:
                level = replace(level, buffer=dict.fromkeys(level.keeps, Buffer.DOUBLE))
        levels.append(level)
    return replace(machine, levels=tuple(levels))


@cache
def run(case: str, evaluator: str) -> tuple[Counts, Timing]:
    """Counts and cycles of one case."""
    found = setup(case)
    return evaluate(found.machine, found.nest, found.layer.problem, evaluator)


# ---- their conventions -----------------------------------------------------------------------------------------------


def convert(case: str, counts: Counts) -> dict[tuple[str, str], dict[str, int]]:
    """Our counts in ZigZag's words: (memory, operand) -> moves by direction.

    To the higher memory and from it: drain and fill. To the lower one and from it: read and update. One thing differs:
    in an operand's innermost memory ZigZag reads every sum but the first of each *output*, ``updates - |O|``, also
    where PEs hold copies of one output that are added further up, which start from nothing, each.
    """
    layer = setup(case).layer
    found = {}
    innermost: set[str] = set()
    for memory, operand in reference(case):
        tensor = layer.tensors[operand]
        fill, read, update, drain = (counts(memory, tensor, action) for action in ACTIONS)
        if operand not in innermost and tensor is Tensor.PSUM:
            read = update - layer.problem.words(Tensor.PSUM)
        innermost.add(operand)
        found[memory, operand] = dict(zip(DIRECTIONS, (read, update, drain, fill), strict=True))
    return found


@cache
def double_buffered(case: str) -> Timing:
    """Cycles of one case if every memory held two tiles."""
    found = setup(case)
    levels = [replace(level, buffer=dict.fromkeys(level.keeps, Buffer.DOUBLE)) for level in found.machine.levels]
    return evaluate(replace(found.machine, levels=tuple(levels)), found.nest, found.layer.problem)[1]


def untimed(case: str, memory: str) -> Timing:
    """Cycles of one case if the ports of a memory took no time."""
    found = setup(case)
    levels = [
        replace(level, read_port=None, write_port=None) if level.name == memory else level
        for level in found.machine.levels
    ]
    return evaluate(replace(found.machine, levels=tuple(levels)), found.nest, found.layer.problem)[1]


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Element moves and cycles of all cases as Markdown."""
    return "\n".join([_HEAD, _moves(), _TIME, _time(), _WHY.format(untimed=untimed("P01", "o_acc").cycles)])


def equal(case: str, evaluator: str) -> tuple[int, int]:
    """(cells, those that are equal) of one case."""
    theirs, ours = reference(case), convert(case, run(case, evaluator)[0])
    same = [ours[row][direction] == moves[direction] for row, moves in theirs.items() for direction in DIRECTIONS]
    return len(same), sum(same)


def _moves() -> str:
    lines = []
    for case, given in cases().items():
        cells, same = equal(case, "analytical")
        memories = f"{len(given['memories'])}, {len(reference(case))}"
        spatial = given["cycles"]["spatial"]
        ours = run(case, "analytical")[0].compute_cycles
        lines.append([f"{case} {given['name']}", memories, str(cells), str(same), f"{spatial:,}", f"{ours:,}"])
    return table(["case", "memories, with operands", "cells", "equal", "spatial cycles", "ours"], lines)


def _time() -> str:
    lines = []
    for case, given in cases().items():
        theirs, ours, double = given["cycles"]["total"], run(case, "cycle")[1].cycles, double_buffered(case).cycles
        bound = run(case, "analytical")[1].cycles
        numbers = [f"{theirs:,}", f"{bound:,}", f"{ours:,}", error(ours, theirs)]
        lines.append([case, *numbers, f"{double:,}", error(double, theirs)])
    return table(["case", "total cycles", "our bound", "ours", "error", "two tiles each", "error"], lines)


_HEAD = """\
## ZigZag

Nine layers under fixed mappings: zigzag-dse 3.9.1, measured by running its cost model. Each of its memories is a level
of a machine of ours, so operands that ZigZag cuts differently (P07, P08) meet only their own. A cell is the elements
one operand moves at one memory in one of four directions: to the lower memory and from it, to the higher one and from
it. Both our evaluators give the same counts. Tiles are refetched whole (`halo_reuse: false`), and a MAC holds its
operands until they change, in registers that are a level of their own. One convention is converted: in the innermost
memory ZigZag reads back all sums but the first of every *output*, we all but the first of every *copy* of it, which
differs where PEs hold copies (P04, P07). Spatial cycles are the steps of the nest.
"""

_TIME = """\
Total cycles stand side by side and are no check: ZigZag is not cycle accurate. To the spatial cycles it adds the stall
of the worst memory port, each port taken by itself, and what is loaded before and written after. Our bound is the
busiest port. *Ours* holds two tiles where ZigZag does, in memories no more than half full; *two tiles each*:
everywhere.
"""

_WHY = """\
- ZigZag is above our bound in all cases: it rounds to whole accesses, and adds what it loads first and writes last.
  Ours is above it, as transfers wait for each other too.
- With one tile (P02, P04 to P09) the MACs wait while a psum is drained and the next one filled; ZigZag lets these run
  between two uses. With two tiles P02 takes its cycles plus one.
- P01: on the accumulator's read port a psum leaves after the next one has been read, in program order: refill, read and
  drain follow each other, 7 cycles a step. ZigZag's busiest port takes 4; with accumulators whose ports take no time
  ours are {untimed:,} cycles.
- P03: ZigZag charges the GLB's port for psums of a first visit, 768 words of 64 b that nobody wrote; here none is read.
- P07: ZigZag writes final psums of 8 b to DRAM and counts 2 cycles for it; here 16 b each, 50,176 cycles at the end.
"""
