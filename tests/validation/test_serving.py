"""Serving beside vLLM's measured run, and beside queues with a closed form."""

from __future__ import annotations

import pytest

from accelsim.reproduce import serving


class TestVllm:
    """Its clocks, the server's own work and sampling are not modelled: 2 %."""

    @pytest.mark.parametrize("key", ["ttft", "tpot", "latency"])
    def test_means_within_2_percent(self, key):
        ours, theirs = serving.waits(serving.ours()), serving.theirs("vllm")
        assert getattr(ours, key) == pytest.approx(getattr(theirs, key), rel=0.02)

    def test_preemptions_and_tokens_computed_again(self):
        found = serving.ours().run
        assert (int(found.puts.sum()), int(found.again.sum())) == (192, 112_366)
        assert found.peak == (2588,) and found.outside == 0

    def test_without_finding_blocks_again_it_is_not_reached(self):
        """LLMServingSim's own result lies as near, by another implementation."""
        ours, other = serving.waits(serving.ours()), serving.theirs("sim")
        assert ours.latency == pytest.approx(other.latency, rel=0.015)


@pytest.mark.parametrize("spread", [0.0, 1.0], ids=["M/D/1", "M/G/1"])
@pytest.mark.parametrize("load", serving.LOADS)
def test_mean_wait_within_1_5_standard_errors(load, spread):
    found = serving.queue(load, spread)
    assert abs(found.ours - found.theirs) <= 1.5 * found.error
    assert found.error < 0.1 * found.theirs
