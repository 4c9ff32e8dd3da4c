"""Compiling ahead: what it runs, and that a run after it compiles nothing."""

from __future__ import annotations

import pytest

from accelsim import warm as module
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse


def test_the_layers_are_a_network():
    network = network_of(parse(module.LAYERS, "warm"), batch=2)
    assert [layer.op for layer in network.layers if layer.problem] == ["conv", "conv", "depthwise", "conv", "fc"]
    assert sum(layer.macs for layer in network.layers) < 5_000_000


def test_every_shipped_machine_is_run_and_dram_with_banks(monkeypatch):
    ran, steps = [], []
    monkeypatch.setattr(module, "_run", lambda name, parameters, network: ran.append((name, dict(parameters))))
    module.warm(progress=lambda *step: steps.append(step))
    assert [name for name, _ in ran] == [*module.builtin("arch"), "systolic_ws"]
    assert ran[-1] == ("systolic_ws", {"dram": "ddr4_2400"})
    assert steps[0] == (0, len(ran), "a100_like")


@pytest.mark.parametrize("name", ["scnn", "eyeriss_v2"])
def test_machines_that_name_no_dataflow(monkeypatch, name):
    seen = []
    monkeypatch.setattr(module, "simulate", lambda machine, network, **given: seen.append(given) or _Nothing())
    monkeypatch.setattr(module, "check_outputs", lambda result: ())
    module._run(name, {}, network_of(parse(module.LAYERS, "warm"), batch=2))
    assert {given["dataflow"] for given in seen} == {None if name == "scnn" else "row_stationary"}
    assert len(seen) == (2 if name == "scnn" else 5)


class _Nothing:
    layers = ()
