"""A small machine and an engine whose counts are made up by hand, for tests of what comes after the engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from accelsim.architecture.model import Architecture, Fanout, Level, Network, NetworkKind, Partition
from accelsim.engine.counts import ACTIONS, DIRECTIONS, TRAFFIC, Counts, Encoded, Timing
from accelsim.mapping.mapping import LoopNest
from accelsim.result import Result
from accelsim.workload.network import Layer, Shape
from accelsim.workload.network import Network as Graph
from accelsim.workload.problem import REDUCTION_DIMS, TENSORS, Problem, Tensor

DATAFLOWS = ("row_stationary", "weight_stationary")
PSUM_CHAIN = Network(NetworkKind.CHAIN, reduce=frozenset(REDUCTION_DIMS))


def machine(name: str = "toy", **changes: object) -> Architecture:
    """DRAM, a 100 KiB GLB, a 4 x 2 array, an RF."""
    levels = (
        Level("DRAM"),
        Level(
            "GLB",
            capacity=(Partition(frozenset(TENSORS), 100 * 8192),),
            fanout=Fanout(4, 2, {Tensor.PSUM: PSUM_CHAIN}, declared=True),
        ),
        Level("RF", capacity=(Partition(frozenset(TENSORS), 4096),)),
    )
    settings: dict[str, object] = {"clock_hz": 200e6, "energy": "eyeriss_relative", "dataflow": "row_stationary"}
    return Architecture(name, levels, **(settings | changes))  # type: ignore[arg-type]


def counts(
    words: dict[tuple[str, str, str], int],
    network: dict[tuple[str, str, str, str], int] | None = None,
    macs: int = 1000,
    levels: tuple[str, ...] = ("DRAM", "GLB", "RF"),
    active: int = 8,
) -> Counts:
    """Counts with the cells given, zeros elsewhere."""
    table = np.zeros((len(levels), 3, len(ACTIONS)), np.int64)
    for (level, tensor, action), number in words.items():
        table[levels.index(level), TENSORS.index(Tensor(tensor)), ACTIONS.index(action)] = number
    moved = np.zeros((len(levels), 3, 2, len(TRAFFIC)), np.int64)
    for (level, tensor, direction, kind), number in (network or {}).items():
        at = (levels.index(level), TENSORS.index(Tensor(tensor)), DIRECTIONS.index(direction))
        moved[(*at, TRAFFIC.index(kind))] = number
    return Counts(levels, table, moved, macs, -(-macs // active), active)


def simple_counts(problem: Problem, levels: tuple[str, ...] = ("DRAM", "GLB", "RF")) -> Counts:
    """Plausible counts: every word once through DRAM and GLB, the RF (if there is one) at every MAC."""
    words = {tensor: problem.words(tensor) for tensor in TENSORS}
    macs, out = problem.macs, words[Tensor.PSUM]
    cells, network = {}, {}
    for tensor in (Tensor.IFMAP, Tensor.FILTER):
        for level, number in (("DRAM", words[tensor]), ("GLB", 3 * words[tensor]), ("RF", macs)):
            cells[level, tensor.value, "read"] = number
        cells["GLB", tensor.value, "fill"] = words[tensor]
        cells["RF", tensor.value, "fill"] = 6 * words[tensor]
        network["GLB", tensor.value, "down", "sent"] = 3 * words[tensor]
        network["GLB", tensor.value, "down", "deliveries"] = 6 * words[tensor]
        network["GLB", tensor.value, "down", "hops"] = 3 * words[tensor]
    cells |= {
        ("DRAM", "psum", "update"): out,
        ("GLB", "psum", "update"): 2 * out,
        ("GLB", "psum", "read"): out,
        ("GLB", "psum", "drain"): out,
        ("RF", "psum", "fill"): out,
        ("RF", "psum", "update"): macs,
        ("RF", "psum", "read"): macs - 7 * out,
        ("RF", "psum", "drain"): 8 * out,
    }
    network["GLB", "psum", "up", "deliveries"] = network["GLB", "psum", "up", "hops"] = 8 * out
    network["GLB", "psum", "up", "sent"] = 2 * out
    return counts({at: words for at, words in cells.items() if at[0] in levels}, network, macs, levels)


def evaluate(architecture: Architecture, nest: LoopNest, problem: Problem, evaluator: str) -> tuple[Counts, Timing]:
    """Stands in for `accelsim.engine.evaluate`."""
    found = simple_counts(problem, tuple(level.name for level in architecture.levels))
    stalls = {"fill": 40, "GLB->RF ifmap": problem.macs // 50, "GLB<-RF psum": 7, "drain": 5}
    cycles = found.compute_cycles + sum(stalls.values())
    processing = cycles - 40
    return found, Timing(cycles, processing, found.compute_cycles, stalls, stalls | {"fill": 0})


def with_zeros(result: Result) -> Result:
    """The result of a made-up run that saw zeros: of the MACs three in four are visited, half effectual."""

    def seen(counts: Counts) -> Counts:
        raw = counts("DRAM", "ifmap", "read")
        encoded = Encoded("DRAM", "ifmap", "read", "rlc", 4 * raw, raw // 2, raw)
        return replace(
            counts,
            visited=counts.macs * 3 // 4,
            effectual=counts.macs // 2,
            busy=counts.compute_cycles * counts.active_pes // 2,
            encoded=(encoded,),
        )

    layers = tuple(replace(layer, counts=seen(layer.counts)) for layer in result.layers)
    return replace(result, layers=layers, operands="densities of workload 'toynet', seed 0")


def network() -> Graph:
    """Three layers of which two are equal, a pooling layer between, one that repeats."""
    first = Problem.of({"M": 8, "C": 3, "P": 6, "Q": 6, "R": 3, "S": 3})
    other = Problem.of({"M": 16, "C": 8})
    return Graph(
        "toynet",
        (
            Layer("CONV1", "conv", ("input",), Shape(8, 6, 6), first),
            Layer("POOL1", "maxpool", ("CONV1",), Shape(8, 3, 3)),
            Layer("CONV2", "conv", ("input",), Shape(8, 6, 6), first),
            Layer("FC3", "fc", ("POOL1",), Shape(16), other, repeat=3),
        ),
        Shape(3, 8, 8),
    )


def nest(problem: Problem) -> LoopNest:
    """Everything in one loop nest at the GLB."""
    loops = " ".join(f"{dim}{problem[dim]}" for dim in "NGMCPQRS" if problem[dim] > 1)
    return LoopNest.parse(f"DRAM: | GLB: {loops}")
