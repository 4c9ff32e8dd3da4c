"""What must hold whatever the machine: more hardware is not slower, names and axes do not matter.

The exceptions, and why they are ones, are in docs/model.md ("What is not monotone").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from hypothesis import given, settings

from accelsim.architecture.model import Architecture, Buffer, NetworkKind, Port
from accelsim.engine import cycle, program
from accelsim.engine.counts import Counts, Timing
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest, kept
from accelsim.workload.problem import REDUCTION_DIMS, Problem, Tensor
from strategies import Case, cases

EXAMPLES = settings(max_examples=100, deadline=None)
TRANSPOSED = {"P": "Q", "Q": "P", "R": "S", "S": "R"}


def run(architecture: Architecture, nest: LoopNest, problem: Problem) -> tuple[Counts, Timing]:
    return cycle.evaluate(program.build(architecture, nest, problem))


def with_ports(architecture: Architecture, change: Callable[[Port], Port]) -> Architecture:
    """Every port changed; shared ones stay shared."""
    made: dict[str, Port] = {}

    def changed(port: Port | None) -> Port | None:
        return None if port is None else made.setdefault(port.name, change(port))

    levels = []
    for level in architecture.levels:
        networks = {
            tensor: replace(network, down=changed(network.down), up=changed(network.up))
            for tensor, network in level.fanout.networks.items()
        }
        levels.append(
            replace(
                level,
                read_port=changed(level.read_port),
                write_port=changed(level.write_port),
                fanout=replace(level.fanout, networks=networks),
            )
        )
    return replace(architecture, levels=tuple(levels))


def with_double_buffers(architecture: Architecture) -> Architecture:
    """Every single buffer made double."""
    levels = []
    for level in architecture.levels:
        kinds = {tensor: level.buffering(tensor) for tensor in level.keeps}
        deeper = {t: Buffer.DOUBLE if kind is Buffer.SINGLE else kind for t, kind in kinds.items()}
        levels.append(replace(level, buffer=deeper))
    return replace(architecture, levels=tuple(levels))


def with_latency(architecture: Architecture, change: Callable[[int], int]) -> Architecture:
    """The latency of every network changed."""
    levels = []
    for level in architecture.levels:
        networks = {t: replace(n, latency=change(n.latency)) for t, n in level.fanout.networks.items()}
        levels.append(replace(level, fanout=replace(level.fanout, networks=networks)))
    return replace(architecture, levels=tuple(levels))


def one_kind_per_port(architecture: Architecture) -> Architecture:
    """No memory ports, and a port of its own for every network and direction: program order decides nothing."""
    levels = []
    for level in architecture.levels:
        networks = {
            tensor: replace(
                network,
                down=network.down and replace(network.down, name=f"{level.name} {tensor} down"),
                up=network.up and replace(network.up, name=f"{level.name} {tensor} up"),
            )
            for tensor, network in level.fanout.networks.items()
        }
        fanout = replace(level.fanout, networks=networks)
        levels.append(replace(level, read_port=None, write_port=None, turns=(), fanout=fanout))
    return replace(architecture, levels=tuple(levels))


def without_psum_rings(architecture: Architecture) -> Architecture:
    """No streamed psum buffer and no accumulation on drain: psums move whole."""
    levels = []
    for level in architecture.levels:
        buffer = {t: Buffer.SINGLE if t is Tensor.PSUM else kind for t, kind in level.buffer.items()}
        networks = dict(level.fanout.networks)
        if Tensor.PSUM in networks:
            networks[Tensor.PSUM] = replace(
                networks[Tensor.PSUM],
                kind=NetworkKind.TREE,
                accumulate_on_drain=False,
                reduce=frozenset(REDUCTION_DIMS),
            )
        tiles = {t: number for t, number in level.tiles.items() if t is not Tensor.PSUM}
        levels.append(replace(level, buffer=buffer, tiles=tiles, fanout=replace(level.fanout, networks=networks)))
    return replace(architecture, levels=tuple(levels))


def psum_in_pe(case: Case) -> bool:
    """Whether psums stay in a memory of the PE (a psum register grows with the pipeline)."""
    levels = range(case.architecture.pe_level, len(case.architecture.levels))
    return any(kept(case.architecture, case.nest, level, Tensor.PSUM) for level in levels)


def not_slower(case: Case, better: Architecture) -> None:
    counts, before = run(*case)
    same_counts, after = run(better, case.nest, case.problem)
    assert np.array_equal(counts.words, same_counts.words), "time changes no count"
    assert after.cycles <= before.cycles
    assert after.processing <= before.processing


@given(drawn=cases())
@EXAMPLES
def test_a_wider_bus_is_not_slower(drawn: Case) -> None:
    narrow = without_psum_rings(one_kind_per_port(drawn.architecture))
    wide = with_ports(narrow, lambda port: replace(port, rate=2 * port.rate))
    not_slower(replace(drawn, architecture=narrow), wide)


@given(drawn=cases())
@EXAMPLES
def test_a_larger_buffer_is_not_slower(drawn: Case) -> None:
    small = one_kind_per_port(drawn.architecture)
    not_slower(replace(drawn, architecture=small), with_double_buffers(small))


@given(drawn=cases())
@EXAMPLES
def test_lower_latency_is_not_slower(drawn: Case) -> None:
    not_slower(drawn, with_latency(drawn.architecture, lambda cycles: cycles // 2))
    if psum_in_pe(drawn):
        not_slower(drawn, replace(drawn.architecture, pipeline=drawn.architecture.pipeline // 2))


@given(drawn=cases())
@EXAMPLES
def test_transposing_changes_nothing(drawn: Case) -> None:
    architecture, nest, problem = drawn
    sizes = dict(zip("NGMCPQRS", problem.sizes, strict=True))
    turned = replace(
        problem,
        sizes=tuple(sizes[TRANSPOSED.get(dim, dim)] for dim in sizes),
        stride=problem.stride[::-1],
        dilation=problem.dilation[::-1],
        pad=problem.pad[::-1],
        height=problem.width,
        width=problem.height,
    )
    levels = []
    for level in architecture.levels:
        networks = {
            tensor: replace(network, reduce=frozenset(TRANSPOSED.get(dim, dim) for dim in network.reduce))
            for tensor, network in level.fanout.networks.items()
        }
        levels.append(replace(level, fanout=replace(level.fanout, networks=networks)))
    loops = tuple((name, transposed(level)) for name, level in nest.levels)
    lock = architecture.lock
    lock = lock and replace(lock, dims=frozenset(TRANSPOSED.get(dim, dim) for dim in lock.dims))
    same(run(*drawn), run(replace(architecture, levels=tuple(levels), lock=lock), LoopNest(loops), turned))


def transposed(level: LevelMapping) -> LevelMapping:
    def turn(loops: tuple[Loop, ...]) -> tuple[Loop, ...]:
        return tuple(Loop(TRANSPOSED.get(loop.dim, loop.dim), loop.factor) for loop in loops)

    return LevelMapping(turn(level.temporal), turn(level.y), turn(level.x), level.bypass)


@given(drawn=cases())
@EXAMPLES
def test_names_of_ports_and_loops_of_one_change_nothing(drawn: Case) -> None:
    renamed = with_ports(drawn.architecture, lambda port: replace(port, name=port.name[::-1]))
    levels = tuple(
        (name, replace(level, temporal=(*level.temporal, Loop("C", 1)))) for name, level in drawn.nest.levels
    )
    same(run(*drawn), run(renamed, LoopNest(levels), drawn.problem))


def same(first: tuple[Counts, Timing], second: tuple[Counts, Timing]) -> None:
    assert first[1] == second[1]
    assert np.array_equal(first[0].words, second[0].words)
    assert np.array_equal(first[0].network, second[0].network)
    assert (first[0].compute_cycles, first[0].active_pes) == (second[0].compute_cycles, second[0].active_pes)
