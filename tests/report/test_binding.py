"""What binds a proved optimum: shares of the machine as it ran, with the widths of the layer's words."""

from __future__ import annotations

import re

import pytest

from accelsim.report.binding import binding
from accelsim.search.proof import NONE
from accelsim.simulate import simulate
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

NETWORK = """
name: small
source: made up for this test
input: {C: 4, H: 5, W: 5}
layers:
  A: {op: conv, M: 8, kernel: 3}
"""


@pytest.mark.parametrize("why", [False, True])
def test_no_memory_is_fuller_than_full_with_short_words(why):
    network = network_of(parse(NETWORK, "small"))
    bits = {"ifmap": 8, "filter": 8}
    result = simulate("eyeriss_isca16_rs", network, "best", bits=bits, evaluator="analytical")
    text = binding(result, why, NONE)["A"]
    assert max(int(share) for share in re.findall(r"(\d+)% in use", text)) <= 100
    assert "RF 77% in use" in text and why is (", twice of it saves" in text)
