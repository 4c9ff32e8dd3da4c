"""A schedule that is never in memory as a whole gives the counts, cycles and stalls of one that is."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

import strategies
from accelsim.engine import cycle, program
from accelsim.engine.timing import pieces
from accelsim.sparsity.masks import Masks
from accelsim.workload.problem import Tensor


@pytest.fixture(params=[(1, 0), (5, 2), (40, 10)], ids=str)
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    # small problems have many pieces then, and streams of few versions beside those of many
    steps, few = request.param
    monkeypatch.setattr(pieces, "STEPS", steps)
    monkeypatch.setattr(pieces, "FEW", few)


def alike(lowered: program.Program, masks: Masks | None) -> bool:
    """Compare; returns whether the pieces were enough."""
    found = cycle.piece_by_piece(lowered, masks)
    if found is None:
        return False
    counts, timing = cycle.at_once(lowered, masks)
    assert np.array_equal(found[0].words, counts.words)
    assert np.array_equal(found[0].network, counts.network)
    assert replace(found[0], words=counts.words, network=counts.network) == counts
    assert found[1] == timing
    return True


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("serial", [None, *Tensor], ids=str)
def test_random_machines(serial: Tensor | None) -> None:
    compared = 0
    for lowered in strategies.serial_programs(range(60), serial):
        compared += alike(lowered, None)
    assert compared > 20


@pytest.mark.usefixtures("small")
def test_zeros() -> None:
    compared = 0
    for seed in range(60):
        machine, nest, problem, masks = strategies.sparse_case(Random(seed))
        compared += alike(program.build(machine, nest, problem), masks)
    assert compared > 20
