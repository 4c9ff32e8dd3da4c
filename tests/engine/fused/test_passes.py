"""The passes of a fused group are ordinary problems; together they make what its layers make."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.model import Architecture, Level
from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.engine.fused.passes import epilogues, passes
from accelsim.engine.fused.storage import Tiling, measure
from accelsim.engine.outputs.functional import carried_out
from accelsim.engine.program import build
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest
from accelsim.workload.problem import DIMS
from drawn_groups import drawn_cut, drawn_group, drawn_tiling
from golden import fused_walk

RANDOM = st.randoms(use_true_random=False)


@settings(max_examples=100)
@given(RANDOM)
def test_passes_are_those_of_the_walk(rng):
    """As many of each kind, with the same MACs and the same words of their own intervals."""
    group = drawn_group(rng, 6, rng.choice([1, 2]))
    tiling = replace(drawn_tiling(rng, group), cut=drawn_cut(rng, group))
    keep = {name: tiling.own.get(name, tiling.keep) for name in group.tensors}
    walked = fused_walk.walk(group, tiling.tile, keep, cut=tiling.cut)
    found = measure(group, tiling)
    kinds, words, macs = Counter(), Counter(), Counter()
    for one in passes(found):
        words[one.op, "read"] += one.runs * one.reads
        words[one.op, "written"] += one.runs * one.writes
        if one.problem:
            p = one.problem
            kinds[one.op, p["N"] * p["G"] * p["M"], *one.plane, (p.height, p.width), p.pad] += one.runs
            macs[one.op] += one.runs * p.macs
    multiply = {op.name for op in group.ops if op.multiplies}
    assert kinds == {key: count for key, count in walked.passes.items() if key[0] in multiply}
    assert words == walked.moved
    assert macs == {name: count for name, count in walked.macs.items() if count}
    assert {op: sum(one.runs for one in passes(found) if one.op == op) for op in found.held} == walked.runs


def nest_of(problem):
    """One loop for each dim, all in the only level."""
    return LoopNest((("L0", LevelMapping(tuple(Loop(dim, problem[dim]) for dim in DIMS))),))


@settings(max_examples=40)
@given(RANDOM)
def test_outputs_of_all_passes_are_the_layer(rng):
    """Each pass carried out by the engine on its own interval: side by side they are the layer over whole planes."""
    group = drawn_group(rng, 4)
    tiling = replace(drawn_tiling(rng, group), cut=drawn_cut(rng, group))
    found = measure(group, tiling)
    draw = np.random.default_rng(rng.randint(0, 2**31))
    weights = {op.name: fused_walk.weights_of(op, draw) for op in group.ops}
    value = {one.name: draw.integers(-9, 9, (one.channels, *one.plane)) for one in group.sources}
    known = [(one.op, one.problem) for one in passes(found) if one.problem]
    problems = {(op, p["P"], p["Q"], p.height, p.width, p.pad, p["M"]): p for op, p in known}
    flat = Architecture("flat", (Level("L0"),))
    for op in group.ops:
        parts = [value[read.tensor][list(read.channels)] for read in op.reads]
        value[op.name] = fused_walk.compute(op, parts, [slice(0, size) for size in op.plane], weights[op.name])
        if not op.multiplies:
            continue
        plane, number = np.concatenate(parts), group.number[op.name]
        stitched = np.full(value[op.name].shape, fused_walk.LOST)
        for (top, bottom), (left, right) in boxes(found, number):
            rows, columns = (
                fused_walk.interval(op, axis, *made, plane.shape[1 + axis])
                for axis, made in enumerate(((top, bottom), (left, right)))
            )
            cut = plane[:, slice(*rows), slice(*columns)]
            pad = rows[0] - (top * op.stride[0] - op.pad[0]), columns[0] - (left * op.stride[1] - op.pad[1])
            ifmap = cut.reshape(op.shared, op.groups, op.inner, *cut.shape[1:])
            filters = weights[op.name].reshape(op.groups, op.outer, op.inner, *op.kernel).astype(ifmap.dtype)
            own = stitched.reshape(-1, op.outer, *op.plane)
            for first in range(0, op.outer, tiling.cut.get(op.name, op.outer)):
                part = filters[:, first : first + tiling.cut.get(op.name, op.outer)]
                problem = problems[op.name, bottom - top, right - left, *cut.shape[1:], pad, part.shape[1]]
                made = carried_out(build(flat, nest_of(problem), problem), problem, ifmap, np.ascontiguousarray(part))
                made = made.reshape(-1, part.shape[1], bottom - top, right - left)
                own[:, first : first + part.shape[1], top:bottom, left:right] = made
        used = stitched != fused_walk.LOST
        np.testing.assert_array_equal(stitched[used], value[op.name][used])
        if op is group.sink:
            assert used.all()


def boxes(found, number):
    for rows in found.rows.made[:, number]:
        for columns in found.columns.made[:, number]:
            if rows[0] < rows[1] and columns[0] < columns[1]:
                yield tuple(map(int, rows)), tuple(map(int, columns))


def test_a_pass_uses_its_own_interval_not_the_hull():
    """Beside a reader of five taps, one of one tap reads eight words, not twelve."""
    wide = Op("wide", "conv", (Read("x", range(1)),), 1, (1, 16), kernel=(1, 5), pad=(0, 2))
    thin = Op("thin", "conv", (Read("x", range(1)),), 1, (1, 16))
    both = Op("sum", "add", (Read("wide", range(1)), Read("thin", range(1))), 1, (1, 16), operations=1)
    found = passes(measure(Group((Source("x", 1, (1, 16)),), (wide, thin, both)), Tiling((1, 8))))
    by_name = {(one.op, one.problem.pad[1] if one.problem else 0): one for one in found}
    assert by_name["wide", 2].problem.width == 10 and by_name["wide", 0].problem.width == 10
    assert by_name["thin", 0].problem.width == 8 and by_name["thin", 0].runs == 2
    assert (by_name["sum", 0].reads, by_name["sum", 0].writes, by_name["sum", 0].operations) == (16, 8, 8)


def layer(name, kind, *reads, kernel=1, stride=1, plane=8, pad=0):
    ops = 0 if kind == "conv" else 4
    pairs = {"kernel": (kernel, kernel), "stride": (stride, stride), "pad": (pad, pad), "operations": ops}
    return Op(name, kind, tuple(Read(one, range(4)) for one in reads), 4, (plane, plane), **pairs)


@pytest.mark.parametrize(
    ("after", "taken"),
    [
        (layer("p", "pool", "c", kernel=2, stride=2, plane=4), ("p",)),
        (layer("p", "pool", "c", kernel=3, stride=2, plane=4), ()),
        (layer("p", "pool", "c", kernel=2, stride=2, plane=5, pad=1), ()),
        (layer("p", "add", "c", "x"), ("p",)),
        (layer("p", "elementwise", "c"), ("p",)),
        (layer("p", "norm", "c"), ()),
        (layer("p", "conv", "c"), ()),
    ],
)
def test_epilogues(after, taken):
    source = Source("x", 4, (8, 8))
    assert epilogues(Group((source,), (layer("c", "conv", "x"), after)))["c"] == taken


def test_what_two_read_is_no_epilogue():
    first, other = layer("c", "conv", "x"), layer("r", "elementwise", "c")
    again = layer("s", "add", "c", "r")
    assert epilogues(Group((Source("x", 4, (8, 8)),), (first, other, again)))["c"] == ()
