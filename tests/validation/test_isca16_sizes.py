"""Machines of 512 and 1,024 PEs of one area beside the equations of ISCA 2016, worked out anew."""

from __future__ import annotations

import pytest

from accelsim.reproduce import isca16
from accelsim.reproduce import isca16_sizes as sizes

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("layers", sizes.LAYERS)
@pytest.mark.parametrize("pes", sizes.SIDES)
@pytest.mark.parametrize("kind", sizes.EQUATIONS)
def test_the_equations(kind: str, pes: int, layers: str) -> None:
    """2 %: nests of NLR keep whole planes of outputs in the buffer, the equations cut them; WS keeps them too."""
    for batch in sizes.BATCHES:
        theirs, ours = sizes.recomputed(kind, pes, batch, layers), sizes.energy(kind, pes, batch, layers)
        assert ours == (None if theirs is None else pytest.approx(theirs, rel=0.02 if kind == "nlr" else 1e-9))


@pytest.mark.parametrize("kind", sizes.EQUATIONS)
@pytest.mark.parametrize("batch", sizes.BATCHES)
def test_the_equations_give_the_known_re_computation(kind: str, batch: int) -> None:
    """Its digits for WS; 0.5 % for NLR, whose tiles it may have chosen among fewer."""
    theirs, anew = isca16.reference()[kind, batch], sizes.recomputed(kind, 256, batch, "CONV")
    assert anew == (None if theirs is None else pytest.approx(theirs.total, rel=0.005 if kind == "nlr" else 1e-5))


@pytest.mark.parametrize("kind", sizes.KINDS)
def test_the_least_sizes_are_the_machines_as_they_ship(kind: str) -> None:
    ours, shipped = sizes.energy(kind, 256, 16, "CONV"), isca16.point(kind, 16)
    assert shipped is not None and ours == pytest.approx(shipped.total)


@pytest.mark.parametrize("kind", sizes.KINDS)
@pytest.mark.parametrize("batch", sizes.BATCHES)
def test_more_pes_cost_less(kind: str, batch: int) -> None:
    """Each word read from the buffer, or from DRAM, meets more PEs; of what did not fit there is nothing to say."""
    found = [sizes.energy(kind, pes, batch, "CONV") for pes in sizes.SIDES]
    numbers = [number for number in found if number is not None]
    assert len(numbers) >= 2 and numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize("pes", sizes.SIDES)
@pytest.mark.parametrize("batch", sizes.BATCHES)
def test_row_stationary_is_the_best(pes: int, batch: int) -> None:
    found = {kind: sizes.energy(kind, pes, batch, "CONV") for kind in sizes.KINDS}
    assert min((kind for kind in found if found[kind]), key=lambda kind: found[kind] or 0) == "rs"
