"""Damaged and extreme files of every kind, read and, where they can be, run: numbers that can be, or lines."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random

import pytest

import accelsim
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.load import load_table
from accelsim.mapping.dataflows import dataflow
from accelsim.mapping.yaml import load_mappings
from accelsim.workload.yaml import load_network
from accelsim.yamlfile import builtin, folder, parse
from fuzz.bounds import kept, possible
from fuzz.damage import scribble, spoil, text_of

# one layer of each sort that multiplies, each the size of a test
NETWORK = """\
name: tiny
source: drawn
parameters: {kernel: 3}
input: {C: 4, H: 6, W: 6}
bits: {psum: 24}
layers:
  CONV: {op: conv, M: 8, kernel: $kernel, pad: 1, groups: 2, density: {ifmap: 0.5, filter: 0.5}}
  POOL: {op: maxpool, kernel: 2, stride: 2}
  DW: {op: depthwise, kernel: 3, stride: [1, 2], inputs: POOL}
  FC: {op: fc, M: 5, repeat: 3, bits: {ifmap: 8}}
"""
# kinds of layers that are lowered to several problems, to images or channels of their own, or to none
KINDS = """\
name: kinds
source: drawn
input: {C: 4, D: 3, H: 5, W: 4}
layers:
  DEEP: {op: conv3d, M: 4, kernel: [2, 3, 3], pad: same, stride: [1, 2, 2], groups: 2}
  PHASES: {op: conv3d, M: 2, kernel: 2, stride: [1, 2, 2], pad: [0, 1, 0, 0, 0, 1], transposed: split}
  PLANE: {op: reshape, C: 20, H: 3, W: 2}
  ZEROS: {op: conv, M: 4, kernel: 3, stride: 2, pad: 1, output_padding: 1, transposed: insert}
  SUMS: {op: depthwise, kernel: 2, stride: 2, transposed: scatter, inputs: PLANE}
  POOL: {op: maxpool, kernel: 2, dilation: 2, stride: 2, inputs: ZEROS}
  ROW: {op: flatten}
  TABLE: {op: constant, C: 4, W: 4}
  Q: {op: matmul, M: 8, inputs: TABLE}
  QK: {op: matmul, groups: 4, kv_groups: 2, inputs: [Q, TABLE]}
  EXPERTS: {op: experts, M: 4, experts: 3, top: 2, routing: [4, 3, 1]}
  MIX: {op: combine, parts: 2}
  GRU: {op: gru, M: 4, steps: 4, directions: 2}
  LSTM: {op: lstm, M: 4, steps: 4, projection: 2}
  GATE: {op: gate, function: silu}
  SOME: {op: reduce, over: [columns], function: mean}
  MOVED: {op: vector, reads: 3, ops: 5, shape: {C: 4, W: 2}}
"""
LAYER = "name: one\nsource: drawn\ninput: {C: 8, H: 4, W: 4}\nlayers:\n  A: {op: conv, M: 8, kernel: 1}\n"
MAPPING = """\
A:
  DRAM: {temporal: M2, bypass: []}
  FILTER_BANK: {temporal: C2 P2 Q4, y: R1, x: M2 P2}
  RF: {temporal: C4 M2}
"""
FILTERS = "A:\n  DRAM: {temporal: N1 M2}\n  FILTER_BANK: {temporal: Q4 C8, x: P4}\n  RF: {temporal: M4}\n"
LOADERS = {
    "arch": load_architecture,
    "workload": load_network,
    "mapping": load_mappings,
    "energy": load_table,
    "dataflow": dataflow.load,
}


@cache
def shipped(kind: str) -> list[Path]:
    """Files of a kind, the small ones: a large one is read no other way, only longer."""
    files = [folder(kind) / f"{name}.yaml" for name in builtin(kind)]
    return [file for file in files if file.stat().st_size < 2_500]


@cache
def tree(source: Path | str) -> object:
    """The plain data of a file or a text."""
    return parse(source.read_text() if isinstance(source, Path) else source).data


def read_damaged(kind: str, seed: int, path: Path) -> None:
    """One input: a file of a kind, spoilt, through its own loader."""
    random = Random(f"{kind} {seed}")
    source: Path | str = random.choice(shipped(kind))
    if kind == "workload" and random.random() < 0.3:
        source = KINDS
    if random.random() < 0.5:
        path.write_bytes(scribble(source if isinstance(source, str) else source.read_text(), random))
    else:
        path.write_text(text_of(spoil(tree(source), random)))
    kept(lambda: LOADERS[kind](path))


def checked_run(machine: Path | str, network: Path | str, **options) -> None:
    """Run what can be read; its numbers can be, and the closed form's cycles are no more."""

    def work():
        result = accelsim.simulate(machine, network, layers="*", **options)
        possible(result.to_dict())
        return result

    result = kept(work)
    if result is None:
        return
    dense = not (result.architecture.sparsity.skip or result.architecture.cartesian)
    for layer in result.layers:
        used = result.utilization(layer.counts.macs, layer.timing.cycles)
        assert not dense or used <= 1 + 1e-9, f"{layer.name}: utilization {used}"
    if options.get("evaluator", "cycle") == "cycle" and result.layers and not result.architecture.cartesian:
        nests = {layer.name: layer.nest for layer in result.layers}
        bound = kept(
            lambda: accelsim.simulate(machine, network, **{**options, "evaluator": "analytical", "mapping": nests})
        )
        assert bound is not None, "the closed form refuses what the cycle evaluator ran"
        for ours, least in zip(result.layers, bound.layers, strict=True):
            assert least.timing.cycles <= ours.timing.cycles, (
                f"{ours.name}: {ours.timing.cycles} < {least.timing.cycles}"
            )


def run_damaged(kind: str, seed: int, path: Path) -> None:
    """One input: a machine, a network or a mapping, spoilt but for the parts that make it one, and a run of it."""
    random = Random(f"run {kind} {seed}")
    other = path.with_name("other.yaml")
    evaluator = random.choice(["cycle", "analytical"])
    if kind == "arch":
        path.write_text(text_of(spoil(tree(random.choice(shipped("arch"))), random)))
        other.write_text(LAYER)
        checked_run(path, other, evaluator=evaluator)
    elif kind == "workload":
        path.write_text(text_of(spoil(tree(random.choice([NETWORK, KINDS])), random)))
        machine = random.choice(["eyeriss", "systolic_ws", "scnn", "diannao"])
        checked_run(machine, path, evaluator=evaluator, batch=random.choice([1, 1, 3]))
    else:
        path.write_text(text_of(spoil(tree(random.choice([MAPPING, FILTERS])), random)))
        other.write_text(LAYER)
        checked_run("eyeriss", other, evaluator=evaluator, mapping=path)


@pytest.mark.parametrize("kind", LOADERS)
def test_damaged_files_are_read_or_refused(kind, tmp_path):
    for seed in range(60):
        read_damaged(kind, seed, tmp_path / "it.yaml")


@pytest.mark.parametrize("kind", ["arch", "workload", "mapping"])
def test_what_can_be_read_is_run_or_refused(kind, tmp_path):
    for seed in range(25):
        run_damaged(kind, seed, tmp_path / "it.yaml")


@pytest.mark.nightly
@pytest.mark.parametrize("kind", LOADERS)
def test_thousands_of_damaged_files_are_read_or_refused(kind, tmp_path):
    for seed in range(1_000, 5_000):
        read_damaged(kind, seed, tmp_path / "it.yaml")


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["arch", "workload", "mapping"])
def test_thousands_that_can_be_read_are_run_or_refused(kind, tmp_path):
    for seed in range(1_000, 4_000):
        run_damaged(kind, seed, tmp_path / "it.yaml")
