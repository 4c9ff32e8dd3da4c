"""An FC layer on machines of the ISCA 2016 analysis, against the paper's equations by hand."""

from __future__ import annotations

import pytest

from accelsim.simulate import simulate

M, C, N = 1000, 4096, 16
MACS, SUMS = M * C * N, M * N
RF, HOP, GLB, DRAM = 1, 2, 6, 200

# sums stay in a PE until they are final
STAYS = (DRAM * SUMS + 2 * RF * (MACS - SUMS)) / MACS
# each word of a filter is fetched once and goes to a PE for each image
FILTER = DRAM / N + HOP
HAND = {
    # 16 channels x 16 images at a time: inputs are read by each of the 63 groups of channels
    "osb": (256, {"ifmap": (DRAM + 63 * GLB) / M + HOP, "filter": FILTER, "psum": STAYS}),
    # 16 images, one channel at a time: inputs are read by each of them
    "osa": (16, {"ifmap": DRAM / M + GLB + HOP, "filter": FILTER, "psum": STAYS}),
    # 16 x 9 input channels of 24 x 14 output channels at a time: 3 groups of outputs, 29 of inputs; a PE adds 9
    # products in 456 stays, a column what its stays leave
    "rs": (
        224,
        {
            "ifmap": (DRAM + 3 * GLB + 42 * HOP) / M + RF,
            "filter": (DRAM + HOP) / N + RF,
            "psum": SUMS * (DRAM + 28 * 2 * GLB + (456 - 29) * HOP) / MACS + 2 * RF * (MACS - 456 * SUMS) / MACS,
        },
    ),
}


@pytest.mark.parametrize("kind", HAND)
def test_what_a_search_finds_costs_what_the_equations_say(kind):
    options = {"batch": N, "layers": "FC8", "accounting": "isca16", "evaluator": "analytical"}
    layer = simulate(f"eyeriss_isca16_{kind}", "alexnet", **options).layers[0]
    active, by_hand = HAND[kind]
    assert layer.counts.macs == MACS
    assert layer.counts.active_pes == active
    found = dict.fromkeys(by_hand, 0.0)
    for row in layer.energy_rows:
        if row.tensor in found:
            found[row.tensor] += float(row.energy) / MACS
    assert found == {name: pytest.approx(energy) for name, energy in by_hand.items()}


@pytest.mark.parametrize("kind", HAND)
def test_filters_pass_by_the_buffer_where_it_gives_them_no_reuse(kind):
    options = {"batch": N, "layers": "FC*", "accounting": "isca16", "evaluator": "analytical"}
    for layer in simulate(f"eyeriss_isca16_{kind}", "alexnet", **options).layers:
        assert not any(row.component == "GLB" and row.tensor == "filter" for row in layer.energy_rows)
