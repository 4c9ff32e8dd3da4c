"""Search spaces against what their sources count, and another tool's order of them."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.reproduce.spaces import networks, order, pooled, tau, their_terms


@pytest.mark.parametrize("one", networks(), ids=lambda one: one.name)
def test_macs_operations_and_parameters_are_those_of_the_source(one) -> None:  # type: ignore[no-untyped-def]
    assert one.our_macs == one.macs
    if one.theirs:
        assert one.ours == one.theirs


@pytest.mark.parametrize(("name", "paper"), [("fbnet_a as in the paper", 249e6), ("fbnet_b as in the paper", 295e6)])
def test_fbnet_has_the_macs_of_its_paper(name: str, paper: float) -> None:
    """Printed to the million; within 1 % with a head of 1,504 channels."""
    assert next(one.our_macs for one in networks() if one.name == name) == pytest.approx(paper, rel=0.01)


def test_tau() -> None:
    assert tau(np.array([1.0, 2, 3]), np.array([1.0, 2, 3])) == 1
    assert tau(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == -1
    # 6 pairs: 4 alike, 1 opposed, 1 tied in the second
    assert tau(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 3])) == pytest.approx(3 / np.sqrt(6 * 5))


def test_another_tool_takes_a_pool_for_a_convolution() -> None:
    """Their latencies add up over edges, and a pool takes as long as a 3x3 convolution: that is the difference."""
    terms = their_terms()
    assert terms["avg_pool_3x3"] == pytest.approx(terms["nor_conv_3x3"], rel=1e-9)
    assert terms["skip_connect"] == pytest.approx(0, abs=1e-9)
    found = order("nasbench201")
    assert tau(found.ours, found.theirs) < 0.5
    assert tau(pooled(), found.theirs) > 0.95


def test_without_pools_the_orders_are_alike_and_macs_are_worse() -> None:
    found = order("fbnet")
    assert tau(found.ours, found.theirs) > 0.85 > tau(found.macs, found.theirs)
