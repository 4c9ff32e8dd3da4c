"""The floor of NVDLA by size beside the primer's areas (nvdla.org)."""

from __future__ import annotations

import pytest

from accelsim.architecture.yaml import load_architecture
from accelsim.reproduce import nvdla_area

SIZES = {size.macs: size for size in nvdla_area.sizes()}


def error(macs: int, node: int) -> float:
    size = SIZES[macs]
    return sum(size.floor(node).values()) / size.areas[nvdla_area.NODES.index(node)] - 1


@pytest.mark.parametrize("macs", SIZES)
def test_at_28_nm(macs: int) -> None:
    """Products at 28 nm and above lie within 35 %: a floor over cells that is another chip's, and engines left out."""
    assert abs(error(macs, 28)) < 0.35


@pytest.mark.parametrize("macs", SIZES)
def test_at_16_nm(macs: int) -> None:
    """Too small by up to half: the grid's memories shrink more from 22 nm on than products do."""
    assert -0.5 < error(macs, 16) < 0


def test_sizes_are_cut_from_the_full_one() -> None:
    assert all(size.cells * size.lanes == macs == size.machine.pes for macs, size in SIZES.items())
    assert SIZES[2048].machine == load_architecture(nvdla_area.MACHINE)
    floors = [sum(size.floor(28).values()) for size in nvdla_area.sizes()]
    assert floors == sorted(floors, reverse=True)
