"""NVDLA's RTL: layers in several memories and the layers of NVIDIA's own traces, against its machine files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any, NamedTuple

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.engine.counts import Timing
from accelsim.mapping.mapping import LoopNest, check
from accelsim.reproduce.point import Point
from accelsim.workload.problem import Problem, Tensor

BANKS = {"nv_small": 32, "nv_large": 16}
"""NVDLA's configurations, and the banks of their buffers."""
LATENCY = 32
"""Cycles of memory that the latencies in NVDLA's machine files have in them."""


class Around(NamedTuple):
    """What a layer ran with: banks its weights have, cycles to memory's first beat, and a beat in so many cycles."""

    banks: int
    latency: int = LATENCY
    every: int = 1


def layer(name: str, row: Mapping[str, int]) -> Point:
    """One layer of our own; what its shape and memory change is in the machine file."""
    stride, pad = row["stride"], row["pad"]
    problem = _problem(row, stride=(stride,) * 2, pad=(pad,) * 2)
    cycles = timed(name, problem, Around(row["banks"], row["latency"], row["every"])).cycles
    memory = f"a beat in {row['every']}{', writes too' if row['shared'] else ''}, {row['latency']} cycles"
    return Point(f"{_shape(row)}, stride {stride}, pad {pad}; {memory}", row["cycles"], cycles)


def trace(row: Mapping[str, Any]) -> Point:
    """One layer of NVIDIA's."""
    stride, gaps = (row["down"], row["across"]), (row["rows"], row["columns"])
    problem = _problem(row, stride=stride, pad=(row["top"], row["left"]), dilation=gaps)
    cycles = timed(row["config"], problem, Around(row["banks"]), bool(row["image"])).cycles
    what = f"{_shape(row)}, stride {stride[0]} x {stride[1]}, dilation {gaps[0]} x {gaps[1]}"
    return Point(f"{row['config']}: {what}{', image mode' if row['image'] else ''}", row["cycles"], cycles)


def _problem(row: Mapping[str, int], **how: Any) -> Problem:
    sizes = {"M": row["K"], **{dim: row[dim] for dim in "CRSPQ"}}
    return Problem.of(sizes, height=row["H"], width=row["W"], **how)


def _shape(row: Mapping[str, int]) -> str:
    return f"{row['R']} x {row['S']}, {row['C']} x {row['H']} x {row['W']} to {row['K']}"


def timed(name: str, problem: Problem, around: Around, image: bool = False) -> Timing:
    """A layer as NVDLA takes it; image : the channels of a row of a window are taken side by side.

    Raises MappingError if its input and the weights of the first kernels do not fit in CBUF.
    """
    machine = _machine(name, problem, around, image)
    columns, lines = machine.levels[1].fanout.x, machine.levels[2].fanout.y
    channels, kernels, taps, across = (problem[dim] for dim in "CMRS")
    lowered = machine.lower(problem)
    inside = f"P{lowered['P']} x M{min(columns, kernels)}"
    block = min(across, lines // channels)
    steps = (
        f"R{taps} S{-(-across // block)} y C{channels} S{block}"
        if image
        else (f"C{-(-channels // lines)} R{taps} S{across} y C{min(lines, channels)}")
    )
    nest = LoopNest.parse(f"DRAM: M{-(-kernels // columns)} | CBUF: {inside} | ACC: {steps}")
    check(machine, nest, lowered)
    return evaluate(machine, nest, lowered)[1]


def _machine(name: str, problem: Problem, around: Around, image: bool) -> Architecture:
    """The machine, with what follows from a layer's shape."""
    dram, cbuf, *_ = load_architecture(name).levels
    atom, columns, size = dram.atoms[Tensor.IFMAP], cbuf.fanout.x, cbuf.capacity[0].bits // 8
    channels, kernels = problem["C"], problem["M"]
    planes, groups = -(-channels // atom), -(-kernels // columns)
    # rows of data, alone on the port: planes four at a time, else one by one
    beats = planes // 4 * (5 * problem.width + 2) + planes % 4 * (problem.width + 1)
    taps = problem["R"] * problem["S"] * channels
    sizes = [taps * min(columns, kernels - columns * group) for group in range(groups)]
    # ours keeps padding, too, where NVDLA makes it behind the buffer
    high, wide = problem.whole_plane
    room = size - channels * high * wide
    held = enumerate(accumulate(sizes))
    banks = around.banks * size
    fit = sum(total * BANKS[name] <= banks and (group + 1) * sizes[0] <= room for group, total in held)
    given = {
        "pace": f"{8 * atom * min(planes * problem.width / beats, 1 / around.every):.9f} b",
        "link": f"{8 * atom / around.every:g} b",
        "data": around.latency - LATENCY + dram.fanout.network(Tensor.IFMAP).latency,
        "kernels": around.latency - LATENCY + dram.fanout.network(Tensor.FILTER).latency,
        "groups": max(fit, 2),
    }
    machine = load_architecture(name, given)
    dram, cbuf, *inner = machine.levels
    if image:
        dram = replace(dram, atoms={})
    if fit < 2 <= groups:
        cbuf = replace(cbuf, buffer={}, tiles={})
    return replace(machine, levels=(dram, cbuf, *inner))
