"""Machines of 512 and 1,024 PEs of one area beside the equations of ISCA 2016, worked out anew."""

from __future__ import annotations

from math import inf

import pytest

from accelsim.reproduce import isca16
from accelsim.reproduce import isca16_equations as equations
from accelsim.reproduce import isca16_sizes as sizes

pytestmark = pytest.mark.slow
PES = [512, *(pytest.param(pes, marks=pytest.mark.nightly) for pes in sizes.SIDES if pes != 512)]
"""One of the sizes that nobody published each day; all of them take minutes."""

# all digits of WS, OSB and OSC; RS and NLR, whose tiles the re-computation may have chosen among fewer or more; OSA, of
# which the digits do not tell what is read of ifmaps
KNOWN = {"rs": 0.001, "ws": 1e-5, "osa": 0.006, "osb": 3e-5, "osc": 1e-5, "nlr": 0.005}


@pytest.mark.parametrize("kind", equations.EQUATIONS)
@pytest.mark.parametrize("batch", sizes.BATCHES)
def test_the_equations_give_the_known_re_computation(kind: str, batch: int) -> None:
    """Before they are used where nothing is known."""
    theirs = isca16.reference()[kind, batch]
    anew = sizes.recomputed(kind, 256, batch, "CONV", sizes.KNOWN_ON[kind])
    assert anew == (None if theirs is None else pytest.approx(theirs.total, rel=KNOWN[kind]))


# beyond these a machine is worse, or better, than what is explained in VALIDATION.md. NLR keeps whole planes of outputs
# in the buffer, the equations cut them; RS need not divide; in OSA, OSB and OSC our search lets the ifmap stay as well
BAND = {"rs": (-3, 0), "ws": (-1e-7, 1e-7), "osa": (-25, 0), "osb": (-41, 0), "osc": (-39, 0), "nlr": (-0.01, 2)}


@pytest.mark.parametrize("layers", sizes.LAYERS)
@pytest.mark.parametrize("pes", PES)
@pytest.mark.parametrize("kind", equations.EQUATIONS)
def test_the_equations(kind: str, pes: int, layers: str) -> None:
    """Asked for: within 10 % or below."""
    least, most = BAND[kind]
    for batch in sizes.BATCHES:
        theirs, ours = sizes.recomputed(kind, pes, batch, layers), sizes.energy(kind, pes, batch, layers)
        assert (theirs is None) == (ours is None)
        if theirs is not None and ours is not None:
            assert least <= 100 * (ours / theirs - 1) <= most


@pytest.mark.parametrize("layers", sizes.LAYERS)
@pytest.mark.parametrize("pes", PES)
@pytest.mark.parametrize("kind", equations.EITHER)
def test_either_input_may_stay(kind: str, pes: int, layers: str) -> None:
    """5 %: a nest's tile is a multiple of what is at work, and its windows slide. FC layers have neither: 0.3 %."""
    for batch in sizes.BATCHES:
        theirs, ours = sizes.either(kind, pes, batch, layers), sizes.energy(kind, pes, batch, layers)
        assert theirs is not None and theirs <= (sizes.recomputed(kind, pes, batch, layers) or 0)
        assert ours == pytest.approx(theirs, rel=0.05 if layers == "CONV" else 0.003)


def test_a_layer_by_hand() -> None:
    """2 x 3 outputs of 4 channels, 1 x 2 filters of 5 channels, 2 images; blocks of 2 channels of a row of 3."""
    of = equations.Layer(n=2, m=4, c=5, p=2, q=3, r=1, s=2, stride=1, tall=2, wide=4)
    block = equations.Block(n=1, m=2, p=1, q=3)
    # a row of 4 x 5 words beside filters of 10 words: 2 filters fit in 45 words, all in 60
    for words, passes in ((45, 2), (60, 1)):
        told = equations.output_stationary(of, iter([block]), words)
        filters, ifmap = 40 * 2 * 2, 2 * 5 * 2 * 4
        stays = 480 + 4 * 480 + 2 * (480 - 48) + 200 * 48
        assert told == stays + 6 * (filters + 2 * ifmap) + 200 * (40 + passes * ifmap)
    assert equations.output_stationary(of, iter([block]), 39) == inf
    # the ifmap of an image stays, filters pass: read for each of the two, or both rows of both stay: once
    kept = equations.output_stationary_either(of, iter([block]), 60)
    assert kept == stays + 6 * (filters + 2 * ifmap) + 200 * (40 + ifmap)


@pytest.mark.parametrize("kind", sizes.KINDS)
def test_the_least_sizes_are_the_machines_as_they_ship(kind: str) -> None:
    ours, shipped = sizes.energy(kind, 256, 16, "CONV"), isca16.point(kind, 16)
    assert shipped is not None and ours == pytest.approx(shipped.total)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", sizes.KINDS)
@pytest.mark.parametrize("batch", sizes.BATCHES)
def test_more_pes_cost_less(kind: str, batch: int) -> None:
    """Each word read from the buffer, or from DRAM, meets more PEs; of what did not fit there is nothing to say."""
    found = [sizes.energy(kind, pes, batch, "CONV") for pes in sizes.SIDES]
    numbers = [number for number in found if number is not None]
    assert len(numbers) >= 2 and numbers == sorted(numbers, reverse=True)


@pytest.mark.nightly
@pytest.mark.parametrize("pes", sizes.SIDES)
@pytest.mark.parametrize("batch", sizes.BATCHES)
def test_row_stationary_is_the_best(pes: int, batch: int) -> None:
    found = {kind: sizes.energy(kind, pes, batch, "CONV") for kind in sizes.KINDS}
    assert min((kind for kind in found if found[kind]), key=lambda kind: found[kind] or 0) == "rs"
