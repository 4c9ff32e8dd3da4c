"""Sums that begin with a layer's bias: words, cycles and energy by hand, and where it is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from accelsim import Result
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate, evaluate_many
from accelsim.errors import AccelsimError, MappingError, SpecError, WorkloadError
from accelsim.mapping.mapping import LoopNest
from accelsim.report.files import document_text
from accelsim.simulate import simulate
from accelsim.workload.problem import Problem, Tensor
from accelsim.workload.yaml import load_network

MACHINE = """\
name: small
source: none
clock: 1 GHz
word: {{ifmap: 8 b, filter: 8 b, psum: 32 b}}
{bias}
energy: eyeriss_relative
dataflow: weight_stationary
levels:
  - name: DRAM
    networks:
      ifmap: {{width: 64 b}}
      filter: {{width: 64 b}}
      psum: {{in: 16 b, out: 32 b}}
  - name: ACC
    component: GLB
    capacity: 4 KiB
    buffer: single
    array:
      size: {{y: 2, x: 2}}
      networks:
        psum: {{kind: {kind}, accumulate: on-drain}}
  - name: RF
    keeps: [filter]
    capacity: 8 words
"""
NEST = LoopNest.parse("DRAM: P2 M2 C3 | ACC: Q4 y C2 x M2 | RF:")
PROBLEM = Problem.of({"M": 4, "C": 6, "P": 2, "Q": 4})


def machine(tmp_path: Path, bias: str = "bias: {level: ACC, word: 16 b}", kind: str = "chain"):
    """The small machine with this line on where a bias goes."""
    (tmp_path / "small.yaml").write_text(MACHINE.format(bias=bias, kind=kind))
    return load_architecture(tmp_path / "small.yaml")


def test_every_tile_begins_with_its_channels(tmp_path: Path) -> None:
    """Four tiles of 2 channels x 4 outputs: two words each, two cycles each at 16 b, and every MAC reads a sum."""
    chip = machine(tmp_path)
    plain, timed = evaluate(chip, NEST, PROBLEM)
    counts, timing = evaluate(chip, NEST, replace(PROBLEM, bias=True))
    assert plain.bias is None
    for level, found in (("DRAM", (8, 0, 8, 8, 8)), ("ACC", (0, 8, 0, 0, 0))):
        assert tuple(counts.of_bias(level, what) for what in ("read", "fill", "sent", "deliveries", "hops")) == found
    assert counts("ACC", "psum", "fill") == plain("ACC", "psum", "fill") == 0
    updates = counts("ACC", "psum", "update")
    assert plain("ACC", "psum", "read") == updates - PROBLEM.words(Tensor.PSUM)
    assert counts("ACC", "psum", "read") == updates
    # the first two words come beside the inputs, those of later tiles when the sums before have left: single buffers
    assert timing.cycles == timed.cycles + 3 * 2
    wide = evaluate(machine(tmp_path, "bias: {level: ACC}"), NEST, replace(PROBLEM, bias=True))
    assert wide[1].cycles > timing.cycles, "without a width of its own it has the psum's"


def test_a_machine_that_does_not_say_where_it_goes_leaves_it_out(tmp_path: Path) -> None:
    chip, biased = machine(tmp_path, ""), replace(PROBLEM, bias=True)
    assert evaluate(chip, NEST, biased) == evaluate(chip, NEST, PROBLEM)


def test_many_mappings_count_it_like_one(tmp_path: Path) -> None:
    chip, biased = machine(tmp_path), replace(PROBLEM, bias=True)
    one, _ = evaluate(chip, NEST, biased, evaluator="analytical")
    many, _ = evaluate_many(chip, [NEST], biased)[0]
    assert one == many


def test_energy_and_document(tmp_path: Path) -> None:
    """Its words are priced by their own width, and a result that is read back has them."""
    machine(tmp_path)
    (tmp_path / "net.yaml").write_text(
        "name: net\nsource: none\ninput: {C: 6, H: 2, W: 4}\nlayers:\n  A: {op: conv, M: 4, kernel: 1, bias: true}\n"
    )
    result = simulate(tmp_path / "small.yaml", tmp_path / "net.yaml")
    (layer,) = result.layers
    rows = {(row.component, row.action): row for row in layer.energy_rows if row.action.startswith("bias")}
    words = layer.counts.of_bias("DRAM", "read")
    assert rows["DRAM", "bias_read"].count == words > 0
    read = next(row for row in layer.energy_rows if (row.component, row.tensor) == ("DRAM", "ifmap"))
    # 16 b beside 8 b
    assert rows["DRAM", "bias_read"].energy / words == 2 * read.energy / read.count
    (tmp_path / "result.json").write_text(document_text(result))
    assert Result.load(tmp_path / "result.json").layers[0].counts == layer.counts


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        ("bias: {level: AC}", "5:15: bias.level: unknown level that keeps psums 'AC'; did you mean 'ACC'? (ACC)"),
        ("bias: {level: DRAM}", "5:15: bias.level: unknown level that keeps psums 'DRAM' (ACC)"),
        ("bias: {level: ACC, word: 65 b}", "5:26: bias.word: a word has at most 64 b, got '65 b'"),
    ],
)
def test_bad_machines(tmp_path: Path, bias: str, message: str) -> None:
    with pytest.raises(SpecError) as refused:
        machine(tmp_path, bias)
    assert str(refused.value).endswith(message)


def test_sums_begin_with_one_thing() -> None:
    with pytest.raises(WorkloadError, match="sums begin with one thing: added, or bias"):
        Problem.of({"M": 2}, added=True, bias=True)


def test_mappings_that_cannot_take_it(tmp_path: Path) -> None:
    chip, biased = machine(tmp_path), replace(PROBLEM, bias=True)
    past = LoopNest.parse("DRAM: P2 M2 C3 | ACC: Q4 y C2 x M2 bypass psum | RF:")
    with pytest.raises(MappingError, match=r"ACC: sums begin with a bias there, but .* come from DRAM to the PEs"):
        evaluate(chip, past, biased)


def test_zeros_know_none(tmp_path: Path) -> None:
    chip = load_architecture("eyeriss")
    with pytest.raises(AccelsimError, match="bias: not where zeros are seen"):
        replace(chip, bias=machine(tmp_path).bias and replace(machine(tmp_path).bias, level="GLB"))


def test_a_layer_begins_with_one_thing(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(
        "name: net\nsource: none\ninput: {C: 6}\nlayers:\n  A: {op: fc, M: 4, bias: true, added: true}\n"
    )
    with pytest.raises(SpecError, match=r"5:3: layers\.A: sums begin with one thing: added, or bias"):
        load_network(tmp_path / "net.yaml")
