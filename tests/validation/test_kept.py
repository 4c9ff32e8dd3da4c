"""Activations kept for the backward pass beside Korthikanti et al., MLSys 2023."""

from __future__ import annotations

import pytest

from accelsim.reproduce import kept, source


@pytest.mark.parametrize("one", kept.TRANSFORMERS, ids=lambda one: f"{one.name}-{one.tokens}")
def test_as_many_bytes_as_published(one: kept.Transformer) -> None:
    """Exact: both list what a gradient reads; dropout, which the networks here do not have, is left out of theirs."""
    assert one.ours == one.theirs(dropout=False)


def test_the_items_add_up_to_the_equation() -> None:
    """34 s b h + 5 a s^2 b, the paper's equation 1."""
    rows = source.rows("activations_mlsys23")
    assert (sum(int(row["sbh"]) for row in rows), sum(int(row["ass"]) for row in rows)) == (34, 5)
