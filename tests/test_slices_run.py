"""A bit-serial machine from file to result and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelsim.outputs import check_outputs
from accelsim.result import Result
from accelsim.simulate import simulate

MACHINE = """
name: serial
source: test
clock: 200 MHz
word: {ifmap: 8 b, filter: 8 b, psum: 24 b}
energy: horowitz_45nm
dataflow: weight_stationary
levels:
  - name: DRAM
    link: {width: 64 b}
  - name: GLB
    capacity: 64 KiB
    array: {size: {y: 8, x: 8}, networks: {psum: {kind: tree}}}
  - name: RF
    keeps: [filter]
    capacity: {filter: 4 b}
pe:
  slices: {ifmap: 1 b, filter: 4 b}
"""
NETWORK = """
name: tiny
source: none
input: {C: 48, H: 6, W: 6}
layers:
  CONV1: {op: conv, M: 12, kernel: 3, density: {ifmap: 0.5, filter: 0.5}}
  FC: {op: fc, M: 10}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("slices")
    for name, text in (("serial.yaml", MACHINE), ("tiny.yaml", NETWORK)):
        (folder / name).write_text(text)
    return folder / "serial.yaml", folder / "tiny.yaml"


def test_a_run_and_its_document(files: tuple[Path, Path], tmp_path: Path) -> None:
    result = simulate(*files)
    macs = 12 * 48 * 16 * 9
    assert (result.layer("CONV1").macs, result.layer("CONV1").counts.slots) == (macs, macs * 8 * 2)
    assert result.total.utilization == pytest.approx(result.slots / (64 * result.total.cycles))
    assert all("equal numpy's convolution" in said for said in check_outputs(result))
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result.to_dict()))
    document = json.loads(path.read_text())
    assert document["layers"][0]["slots"] == macs * 16
    assert document["total"]["slots"] == result.slots
    again = Result.load(path)
    assert again.to_dict() == result.to_dict()
    assert [layer.megabytes("GLB") for layer in again.layers] == [layer.megabytes("GLB") for layer in result.layers]


def test_fewer_bits_take_fewer_slots(files: tuple[Path, Path]) -> None:
    whole, half = simulate(*files), simulate(*files, bits={"ifmap": 4})
    assert (whole.slots, whole.total.macs) == (2 * half.slots, half.total.macs)
    assert half.total.cycles < 0.6 * whole.total.cycles


@pytest.mark.parametrize("evaluator", ["cycle", "analytical"])
def test_zero_slices_are_skipped(files: tuple[Path, Path], evaluator: str) -> None:
    """Half the words are zero, and of the bits of the others some more than half are."""
    skipping = simulate(*files, layers="CONV1", evaluator=evaluator, parameters={"pe.skip": ["ifmap"]})
    share = 0.5 * (256 - 128) / 255
    counts = skipping.layer("CONV1").counts
    assert counts.visited / counts.slots == pytest.approx(share, rel=0.05)


def test_a_mapping_without_its_slices_is_told(files: tuple[Path, Path]) -> None:
    from accelsim.errors import MappingError

    nest = "DRAM: C48 M12 | GLB: P4 Q4 R3 S3"
    with pytest.raises(MappingError, match=r"lowers this layer by slices to M12 C48 P4 Q4 R3 S3 IB8 WB2"):
        simulate(*files, layers="CONV1", mapping={"CONV1": nest})
