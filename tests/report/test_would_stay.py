"""What a run says that tensors which stay would save is what they save, in a run of the same mappings that is legal."""

from __future__ import annotations

from random import Random

import pytest
from typer.testing import CliRunner

from accelsim.cli import app
from accelsim.errors import AccelsimError, SpecError
from accelsim.outcome import Outcome
from accelsim.report import terminal
from accelsim.report.would_stay import WouldStay, would_stay
from accelsim.simulate import simulate
from plans import draw_network
from report.test_timeline_groups import machine


def outside(result: Outcome) -> int:
    words = sum(int(layer.counts.words[0].sum()) * layer.repeat for layer in result.layers)
    return words + result.vector.reads + result.vector.writes


def check_saving(on, network, **more) -> WouldStay | None:
    """Run the tensors it names, under the mappings of the run: legal, and as many words as it says."""
    alone = simulate(on, network, evaluator="analytical", data="dense", **more)
    found = would_stay(alone)
    if found is None:
        return None
    nests = {layer.name: layer.nest for layer in alone.layers}
    plan = {"resident": {name: home.level for name, home in found.resident.items()}}
    planned = simulate(on, network, evaluator="analytical", data="dense", mapping=nests, plan=plan, **more)
    assert found.words == outside(alone)
    assert found.saved == outside(alone) - outside(planned) > 0
    return found


@pytest.mark.parametrize("network", ["alexnet", "mobilenet_v2", "resnet50"])
@pytest.mark.parametrize("name", ["tpu_v1", "eyeriss"])
def test_networks_save_what_is_said(name: str, network: str) -> None:
    found = check_saving(name, network)
    assert found is not None
    if (name, network) == ("tpu_v1", "mobilenet_v2"):
        # docs/between.md: the search of plans finds as much
        assert len(found.resident) == 63 and round(100 * found.saved / found.words) == 79


def test_drawn_networks_save_what_is_said() -> None:
    """On buffers of drawn sizes, single or double, with words of several widths: what does not fit is left out."""
    some = 0
    for seed in range(60):
        random = Random(seed)
        try:
            network = draw_network(random, 7)
        except SpecError:
            continue
        size = f"{random.choice((512, 1024, 4096, 65536))} B"
        on = machine(random.choice(("single", "double")), size, random.random() < 0.3)
        bits = random.choice(({}, {"psum": 24}, {"ifmap": 8, "ofmap": 8}))
        try:
            simulate(on, network, evaluator="analytical", bits=bits)
        except AccelsimError:
            continue  # a buffer too small for any mapping
        some += check_saving(on, network, bits=bits) is not None
    assert some > 20


def test_it_is_told_once_and_only_where_it_holds() -> None:
    words = ["run", "tpu_v1", "mobilenet_v2", "--evaluator", "analytical"]
    lines = CliRunner().invoke(app, words).stdout.splitlines()
    (told,) = [line for line in lines[: lines.index("time")] if line.startswith("not used: ")]
    assert "63 tensors could stay in UB" in told and "at least 79.4 % of the words of DRAM" in told
    plan = {"resident": {"conv1": "UB"}}
    for more in ({"plan": plan}, {"layers": "conv1"}):
        result = simulate("tpu_v1", "mobilenet_v2", evaluator="analytical", **more)
        assert would_stay(result) is None or "plan" not in more
        assert not any(str(block).startswith("not used") for block in terminal.report(result))
    # a buffer that keeps no sums, PEs that map a layer by themselves, an account of its own
    assert would_stay(simulate("nvdla_full", "alexnet", layers="CONV4,CONV5", evaluator="analytical")) is None
    assert would_stay(simulate("scnn", "alexnet", layers="CONV5")) is None
