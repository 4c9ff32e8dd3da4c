"""Machines read from open RTL, against cycles of the RTL, and the laws it obeys."""

from __future__ import annotations

import re
from dataclasses import replace
from statistics import median

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.engine import analytical, cycle, program
from accelsim.engine.counts import Timing
from accelsim.mapping.mapping import LoopNest, check
from accelsim.reproduce import gemmini, rtl, source, tileflow_rtl
from accelsim.workload.problem import Problem


@pytest.mark.parametrize("design", rtl.DESIGNS)
def test_cycles_of_the_rtl(design):
    # no tolerance but for two tiles on OpenTPU, a cycle, and for NE16 where memory does not grant every cycle, for its
    # machine does not say which ones it grants (VALIDATION.md says what is known)
    for point in rtl.points(design):
        late = design == "opentpu" and point.what.endswith(" 2 tiles")
        if design in ("redmule", "nv_small", "nv_large", "nv_traces", "nv_pairs"):
            continue
        if design == "axis_sa" and "depth 16, 16 tiles" in point.what:
            assert point.ours - point.theirs == 8, point
            continue
        if design == "eyeriss_v1":
            assert abs(point.ours - point.theirs) in (0, 3), point
            continue
        if design == "ne16" and not point.what.endswith(" in 1"):
            assert abs(point.error) < 0.016, point
            continue
        assert point.ours - point.theirs in ((0, 1) if late else (0,)), point


def test_products_published_with_tileflow():
    # asked: 0.1 % in the middle; where a write is shorter than the reads of a product nothing is missing but the last
    # weights, 76 cycles, where all tiles have the same
    points = tileflow_rtl.points()
    assert median(abs(point.error) for point in points) < 0.001
    short = [point for point in points if point.what.startswith("16 x")]
    assert [point.ours - point.theirs for point in short if point.ours != point.theirs] == [-76]


def test_layers_of_nvdla():
    # asked: 0.1 % in the middle, 1.5 % at most; where writes share the beats of reads, one lacks 21 cycles of 1,161
    errors = [abs(point.error) for point in rtl.points("nv_small")]
    assert len(errors) == 112
    assert median(errors) < 0.001
    assert all(point.error > -0.019 for point in rtl.points("nv_small"))
    assert all(abs(point.error) < 0.008 for point in rtl.points("nv_small") if "writes" not in point.what)


def test_layers_of_nvidias_own_traces():
    # asked: 0.1 % in the middle, 4 % or 8 cycles at most; the one of a single pixel lacks a cycle of 167
    points = rtl.points("nv_traces")
    assert len(points) == 8
    assert median(abs(point.error) for point in points) < 0.001
    assert all(abs(point.error) < 0.004 or abs(point.ours - point.theirs) == 1 for point in points)


def test_layers_of_nvdla_that_overlap():
    # asked: 2 %
    points = rtl.points("nv_pairs")
    assert len(points) == 5
    assert all(abs(point.error) < 0.004 for point in points)


def test_layers_of_the_large_nvdla():
    # asked: 0.2 % in the middle, 5 % at most; the smallest layer lacks 33 cycles: no output leaves while sums come in
    errors = [abs(point.error) for point in rtl.points("nv_large")]
    assert len(errors) == 30
    assert median(errors) < 0.0005 and max(errors) < 0.03


@pytest.mark.parametrize(("channels", "pixels", "kernels"), [(16, 28, 64), (64, 14, 8), (8, 5, 24)])
def test_nvdla_between_its_first_and_its_last_mac(channels, pixels, kernels):
    # by hand: a run may not end before all but 16 outputs less than it have left, 8 cycles each, and 18 more
    machine = load_architecture("nv_small", {"groups": max(2, kernels // 8)})
    problem = machine.lower(Problem.of({"M": kernels, "C": channels, "P": pixels, "Q": pixels}))
    nest = f"DRAM: M{kernels // 8} | CBUF: P{problem['P']} x M8 | ACC: C{channels // 8} y C8"
    now, left, runs = 0, 0, problem.runs.lengths * (kernels // 8)
    ends: list[int] = []  # when each output has left
    for run_ in runs:
        now += max(run_, 8) * (channels // 8 - 1)
        free = len(ends) + run_ - 16
        now = max(now, ends[free - 1] + 18) if free > 0 else now
        now += max(run_, 8)
        left = max(left, now + 20)
        ends += [left + 8 * (i + 1) for i in range(run_)]
        left = ends[-1]
    timing = run(machine, nest, problem)
    assert timing.processing - 27 - 23 == left


def test_products_of_redmule():
    # what is asked of the model: 0.2 % in the middle where memory grants every cycle, and 10 cycles where rows of X are
    # whole, for what others take is not in the machine; 2 % in the middle elsewhere
    errors = {1: [], 2: [], 3: [], 4: []}
    for row, point in zip(source.rows("rtl_redmule"), rtl.points("redmule"), strict=True):
        errors[int(row["every"])].append(abs(point.error))
        if row["every"] == "1" and int(row["inner"]) % 16 == 0:
            assert abs(point.ours - point.theirs) <= 8, point
    assert median(errors[1]) < 0.002
    assert all(median(found) < 0.02 for found in errors.values())


@pytest.mark.parametrize(("rows", "inner", "cols"), [(24, 64, 32), (30, 40, 50), (13, 16, 17)])
def test_tiles_of_redmule_follow_one_another(rows, inner, cols):
    tiles, deep = -(-rows // 12) * -(-cols // 16), -(-inner // 4)
    nest = f"L1: Q{-(-rows // 12)} M{-(-cols // 16)} C{deep} y Q12 x C4 | FMA: M16"
    problem = replace(Problem.of({"Q": rows, "C": inner, "M": cols}), added=True)
    timing = run(load_architecture("redmule"), nest, problem)
    assert timing.cycles - timing.compute <= 80 and timing.compute == tiles * 16 * deep


@pytest.mark.parametrize(("inputs", "outputs", "rows", "bits"), [(16, 8, 3, 4), (40, 72, 7, 3), (100, 33, 5, 8)])
def test_blocks_that_are_not_whole_take_as_long(inputs, outputs, rows, bits):
    machine = load_architecture("ne16", {"bits": bits, "filter_word": f"{bits} b"})
    blocks, groups, kernels = -(-rows // 3), -(-inputs // 16), -(-outputs // 32)
    nest = f"L1: P{blocks} Q{blocks} M{kernels} C{groups} y P3 x Q3 | COLUMN: M32 C16 R3 S3"
    problem = Problem.of({"M": outputs, "C": inputs, "P": rows, "Q": rows, "R": 3, "S": 3})
    timing = run(machine, nest, problem)
    law = 1
    for kernel in range(kernels):
        wide = min(32, outputs - 32 * kernel)
        law += blocks**2 * (groups * (25 + 20 + wide * bits) + -(-9 * wide // 8) + 4)
    assert timing.cycles == law
    loops, free = LoopNest.parse(nest), replace(machine, lock=None)
    assert cycle.evaluate(program.build(free, loops, problem))[0].words.sum() == words_of(machine, loops, problem).sum()


def words_of(machine, loops: LoopNest, problem: Problem):
    """What is moved."""
    return cycle.evaluate(program.build(machine, loops, problem))[0].words


def run(machine, nest: str, problem: Problem) -> Timing:
    """By the cycle evaluator; the closed form is no more."""
    loops = LoopNest.parse(nest)
    check(machine, loops, problem)
    lowered = program.build(machine, loops, problem)
    timing = cycle.evaluate(lowered)[1]
    assert analytical.evaluate(lowered)[1].processing <= timing.processing
    return timing


@pytest.mark.parametrize(("rows", "cols", "depth", "tiles"), [(4, 4, 11, 3), (3, 7, 16, 5), (8, 2, 100, 2)])
def test_overlapped_folds_take_their_depth(rows, cols, depth, tiles):
    timing = folds(rows, cols, depth, tiles)
    assert timing.processing == tiles * depth + rows + 2 * cols


def folds(rows, cols, depth, tiles, every=1):
    """Tiles of outputs one after the other, a column of each leaving once in so many cycles."""
    machine = load_architecture("axis_sa", {"rows": rows, "cols": cols, "down": rows - 1, "every": every})
    nest = f"DRAM: | SRAM: M{tiles} y Q{rows} x M{cols} | RF: C{depth}"
    return run(machine, nest, Problem.of({"M": cols * tiles, "C": depth, "Q": rows}))


@pytest.mark.parametrize(
    ("rows", "cols", "depth", "tiles", "every"),
    [(8, 8, 16, 16, 2), (8, 8, 32, 4, 2), (4, 6, 40, 5, 3), (4, 4, 9, 7, 4)],
)
def test_a_slow_sink_sets_the_pace_of_folds(rows, cols, depth, tiles, every):
    # copying and shifting one fold come before those of the next: all intervals but the last fold's own depth
    interval, last = max(depth, (every + 1) * cols), rows + 2 * cols + (cols - 1) * (every - 1)
    timing = folds(rows, cols, depth, tiles, every)
    assert timing.processing == depth + (tiles - 1) * interval + last


@pytest.mark.parametrize(("size", "vectors", "tiles"), [(4, 3, 5), (4, 30, 5), (8, 18, 2), (2, 1, 9)])
def test_weights_follow_the_wave(size, vectors, tiles):
    machine = load_architecture("opentpu", {"size": size, "wave": size + 1})
    nest = f"DRAM: | UNIFIED: | ACCUMULATORS: M{tiles} Q{vectors} y C{size} x M{size} | RF:"
    timing = run(machine, nest, Problem.of({"M": size * tiles, "C": size, "Q": vectors}))
    interval = max(2 * size + 3, vectors + 1)
    assert timing.processing == size + (tiles - 1) * interval + 2 * size + vectors
    assert timing.processing_stalls["fixed"] == tiles


def test_serial_passes_take_longer_than_a_wave():
    problem = Problem.of({"M": 64, "C": 16, "Q": 40})
    nest = "DRAM: | UNIFIED: | ACCUMULATORS: M4 Q40 y C16 x M16 | RF:"
    wave = load_architecture("opentpu")
    apart = load_architecture("opentpu", {"levels.ACCUMULATORS.array.passes": {"serial": "filter", "lead": False}})
    assert run(wave, nest, problem).processing < run(apart, nest, problem).processing


def named(size, network="resnet50"):
    """Error of each layer by name with so many KiB of scratchpad."""
    at = gemmini.SIZES.index(size)
    return {layer.name: layer.ours[at] / layer.theirs - 1 for layer in gemmini.layers(network)}


def test_gemmini_as_its_branch_has_it():
    # nothing is fitted: DRAM and image are not published. 6 %: all layers but the first lack 5.4 % together, for DMA
    # has its peak and no latency here. 2 %: 3 x 3 layers of planes of 14 and more reload little and are bound by MACs;
    # what is left is the first load. 26 %: FC, bound by a DRAM that is not known
    found = named(64)
    assert -0.06 < gemmini.total([layer for layer in gemmini.layers("resnet50") if layer.name != gemmini.POOLED]) < 0
    square = [name for name in found if re.fullmatch("conv[234]_[1-9]b", name)]
    assert len(square) == 10 and all(abs(found[name]) < 0.02 for name in square)
    assert max(abs(wrong) for name, wrong in found.items() if name != gemmini.POOLED) < 0.26


def test_gemmini_was_larger_than_its_branch():
    # with 64 KiB the first layer's MACs alone are more than the RTL takes; with twice that 1 x 1 layers of stride 1
    # come within 5 % below, but for the one whose MACs take no longer than 60,000 cycles: what is paid once weighs more
    first = gemmini.layers("resnet50")[0]
    assert gemmini.run(64, (3, 64, 112, 7, 2)).compute > first.theirs > gemmini.run(128, (3, 64, 112, 7, 2)).compute
    found = named(128)
    product = [name for name in found if name[-1] in "ac" and name != "conv2_0a"] + ["conv2_proj"]
    assert len(product) == 32 and all(-0.05 < found[name] < 0.005 for name in product)
    assert median(gemmini.errors(gemmini.layers("resnet50"), 1)) < 0.025


@pytest.mark.parametrize(("vectors", "turn"), [(5, 0), (16, 0), (49, 15), (56, 2)])
def test_weights_come_in_beside_the_last_vectors(vectors, turn):
    # a pass takes its vectors and what the last group of fewer than 16 waits for the next weights; 16 at least
    tiles = 12
    machine = load_architecture("gemmini16", {"turn": turn})
    nest = f"DRAM: | SPAD: | ACC: C{tiles} Q{vectors} y C16 x M16 | RF:"
    timing = run(machine, nest, Problem.of({"M": 16, "C": 16 * tiles, "Q": vectors}))
    one = vectors + turn
    behind = 30 + 16 * vectors // 4  # out of the skewed array, and through four scaling units
    assert timing.processing == 16 + (tiles - 1) * max(one, 16) + one + behind


def test_stores_pass_four_scaling_units():
    outputs = 64 * 64 * 16
    nest = "DRAM: Q16 | SPAD: | ACC: M4 Q64 y C16 x M16 | RF:"
    problem = Problem.of({"M": 64, "C": 16, "Q": 1024})
    four, all_at_once = (
        run(load_architecture("gemmini16", {"scale": f"{units} words"}), nest, problem).cycles for units in (4, 16)
    )
    assert four >= outputs / 4 > all_at_once


def test_errors_of_gemmini_are_told():
    told = gemmini.section()
    assert all(f"| {layer.name} " in told for network in gemmini.NETWORKS for layer in gemmini.layers(network))
