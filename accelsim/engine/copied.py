"""What a layer makes on the chip, written to the outermost level too (docs/between.md, R5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from accelsim.architecture.model import Architecture
from accelsim.engine.counts import ACTIONS, NARROWED, Counts, Timing
from accelsim.engine.vector import held
from accelsim.workload.problem import TENSORS, Problem, Tensor, Width

COPY = "copy out"
"""The stall of an ofmap that stays and is written to the outermost level after its last MAC."""


class Copy(NamedTuple):
    """What is written out. busy : cycles that it holds each port. cycles : until all has landed."""

    words: int
    busy: dict[str, int]
    cycles: int


def copy_of(machine: Architecture, problem: Problem) -> Copy:
    """The copy of an ofmap: the busiest of the ports on the way sets its time."""
    words, home = problem.words(Tensor.PSUM), _home(machine)
    if part := machine.parts.get(Tensor.PSUM):
        words = words // problem[part.dim] * (problem[part.dim] - part.outside)
    crossed = [level.fanout.network(Tensor.PSUM) for level in machine.levels[:home]]
    ports = (machine.levels[0].write_port, machine.levels[home].read_port, *(network.up for network in crossed))
    busy = held(words, machine.widths[Width.OFMAP], ports)
    cycles = max(busy.values(), default=0) + sum(network.latency for network in crossed) if busy else 0
    return Copy(words, busy, cycles)


def copied_out(machine: Architecture, problem: Problem, counts: Counts, timing: Timing) -> tuple[Counts, Timing]:
    """The same with every word of the ofmap that is at home read there once more and written to the outermost level.

    It follows the layer.
    """
    t, home = TENSORS.index(Tensor.PSUM), _home(machine)
    words, _, cycles = copy_of(machine, problem)
    moved, network = counts.words.copy(), counts.network.copy()
    moved[0, t, ACTIONS.index("update")] += words
    moved[home, t, ACTIONS.index("drain")] += words
    network[:home, t, 1, :] += words
    narrow = None
    if counts.narrow is not None:
        narrow = counts.narrow.copy()
        narrow[0, NARROWED.index("update")] += words
        narrow[home, NARROWED.index("drain")] += words
        narrow[:home, 2:] += words
    return replace(counts, words=moved, network=network, narrow=narrow), replace(
        timing, cycles=timing.cycles + cycles, stalls=_with(timing.stalls, cycles) if timing.exact else timing.stalls
    )


def padded(machine: Architecture, counts: Counts, zeros: int, home: int = 0) -> Counts:
    """The same with words of padding written around the ofmap at its home (docs/between.md, R4).

    home : where what is made lives, if it is no psums of the layer's own.
    """
    words, t, home = counts.words.copy(), TENSORS.index(Tensor.PSUM), home or _home(machine)
    words[home, t, ACTIONS.index("update")] += zeros
    narrow = None
    if counts.narrow is not None:
        narrow = counts.narrow.copy()
        narrow[home, NARROWED.index("update")] += zeros
    return replace(counts, words=words, narrow=narrow)


def _home(machine: Architecture) -> int:
    """The level where the ofmap, or some of its channels, live."""
    return max(machine.home(Tensor.PSUM), machine.parts_home(Tensor.PSUM))


def _with(stalls: Mapping[str, int], cycles: int) -> dict[str, int]:
    return {**stalls, COPY: stalls.get(COPY, 0) + cycles} if cycles else dict(stalls)
