"""Layers of a network that hand their tiles on, as a result has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.architecture.model import Architecture
from accelsim.engine.counts import ACTIONS
from accelsim.errors import AccelsimError
from accelsim.report.files import document_text
from accelsim.result import Result
from accelsim.simulate import rerun, simulate
from accelsim.workload.network import Network
from accelsim.workload.problem import TENSORS

FILL, READ, UPDATE, DRAIN = (ACTIONS.index(action) for action in ("fill", "read", "update", "drain"))
IFMAP, FILTER, PSUM = range(len(TENSORS))
LAYERS = {
    "a": {"op": "conv", "M": 8, "kernel": 3, "pad": 1},
    "b": {"op": "conv", "M": 8, "kernel": 3, "pad": 1},
    "sum": {"op": "add", "inputs": ["b", "a"]},
    "pool": {"op": "maxpool", "kernel": 2, "stride": 2},
    "c": {"op": "conv", "M": 4, "kernel": 1},
}
NET = Network.of("n", LAYERS, (4, 8, 8))
GROUP = {"layers": ["b", "sum", "pool"], "epilogue": True}


def machine(size: str = "2 KiB", buffer: str = "") -> Architecture:
    side = {"kind": "multicast", "width": "4 words"}
    chain = {"kind": "chain", "in": "4 words", "out": "4 words", "accumulate": "on-drain"}
    networks = {"ifmap": side, "filter": side, "psum": chain}
    shared = {"name": "GLB", "capacity": size, "array": {"size": {"y": 4, "x": 4}, "networks": networks}}
    levels = [
        {"name": "DRAM", "link": {"width": "32 b", "clock": "500 MHz"}},
        {**shared, **({"buffer": buffer} if buffer else {})},
        {"name": "RF", "capacity": {"filter": "4 words"}, "keeps": ["filter"]},
    ]
    return Architecture.of(
        "square", levels, clock="500 MHz", word="16 b", pe={"macs": 1}, dataflow="weight_stationary",
        energy="eyeriss_relative", vector={"lanes": 4},
    )  # fmt: skip


def run(group: dict, evaluator: str = "cycle", built: Architecture | None = None, **more) -> Result:
    plan = {"groups": [group], **more}
    return simulate(built or machine(), NET, evaluator=evaluator, plan=plan)


def test_what_leaves_is_the_last_output() -> None:
    """b, 8 x 8 x 8, never leaves; a is read twice, by b in tiles and by the sum word by word."""
    found = run({**GROUP, "tile": {"P": 4, "Q": 4, "M": 4}})
    (group,) = found.groups
    words = group.counts.words
    assert words[0, PSUM, UPDATE] == 8 * 4 * 4
    assert words[1, PSUM, DRAIN] == 8 * 8 * 8
    # the plane of a is in the buffer in all its channels: it comes for each half of the channels of b, and for the sum
    assert words[0, FILTER, READ] == 8 * 8 * 9
    assert words[0, IFMAP, READ] in (2 * 8 * 64 + 8 * 64, 2 * 8 * 100 + 8 * 64, 8 * 64 + 8 * 64, 8 * 100 + 8 * 64)
    assert group.vector_ops == 8 * 64 + 3 * 8 * 16
    assert group.macs == found.ran.network.layers[1].macs == group.shares[0].macs
    assert group.compute_cycles + sum(group.stall_cycles.values()) == group.cycles
    assert sum(share.cycles + sum(share.stalls.values()) for share in group.shares) == group.cycles
    assert group.room <= 16 * 1024


def test_the_same_again(tmp_path: Path) -> None:
    """A result of one is read, and run again, to the same bytes."""
    found = run(GROUP)
    text = document_text(found)
    file = tmp_path / "result.json"
    file.write_text(text)
    again = Result.load(file)
    assert document_text(again) == text
    assert document_text(rerun(again)) == text


def test_what_stays_does_not_move() -> None:
    """An operand in the buffer is read there; a last output that stays is written there."""
    built = machine("4 KiB")
    away = run(GROUP, "analytical", built).groups[0].counts.words
    here = run(GROUP, "analytical", built, resident={"a": "GLB", "pool": "GLB"}).groups[0].counts.words
    assert away[0, PSUM, UPDATE] == 8 * 16 and here[0, PSUM, UPDATE] == 0
    assert here[0, IFMAP, READ] == 0 < away[0, IFMAP, READ]
    assert here[1, PSUM, UPDATE] == away[1, PSUM, UPDATE] + 8 * 16


def test_closed_form_and_engine() -> None:
    for buffer in ("single", "double"):
        built = machine("2 KiB", buffer)
        exact, closed = (run(GROUP, evaluator, built).groups[0] for evaluator in ("cycle", "analytical"))
        assert (exact.counts.words == closed.counts.words).all()
        assert closed.cycles <= exact.cycles


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"layers": ["a", "b"], "epilogue": True}, "is read by 'sum', which is not in the fused group"),
        ({"layers": ["sum", "pool"], "epilogue": True}, "'sum' (add) does not multiply: it has no tiles to hand on"),
        ({"layers": ["b", "sum", "pool", "c"], "epilogue": True}, "'c' (conv) cannot take tiles of 'pool' over"),
        ({**GROUP, "tile": {"P": 9, "Q": 4, "M": 4}}, "a tile of P 9; there are 4"),
        ({**GROUP, "tile": {"P": 4, "Q": 4, "M": 8}}, "its tile does not fit in 'GLB'; P "),
    ],
)
def test_refused(group: dict, said: str) -> None:
    with pytest.raises(AccelsimError) as error:
        run(group, "analytical", machine("700 B"))
    assert said in str(error.value)


def test_a_view_alone_takes_nothing_over() -> None:
    layers = {"a": {"op": "conv", "M": 4, "kernel": 1}, "flat": {"op": "flatten"}, "b": {"op": "fc", "M": 2}}
    plan = {"groups": [{"layers": ["a", "flat"], "epilogue": True}]}
    with pytest.raises(AccelsimError, match="'a' is the group's only layer that computes: nothing takes its tiles"):
        simulate(machine(), Network.of("n", layers, (3, 4, 4)), evaluator="analytical", plan=plan)


def test_on_a_machine_that_cannot() -> None:
    lowers = machine().with_(lowering="im2col")
    with pytest.raises(AccelsimError, match="an epilogue on 'square': it lowers layers: tiles are no rows and columns"):
        run(GROUP, "analytical", lowers)


def test_conv5_3_of_vgg_by_hand() -> None:
    """108 KiB: half of the channels at a time, so the plane comes twice; filters once; a quarter of it leaves."""
    plan = {"groups": [{"layers": ["CONV5-3", "POOL5"], "epilogue": True, "tile": {"P": 7, "Q": 7, "M": 256}}]}
    built = machine("108 KiB")
    (group,) = simulate(built, "vgg16", evaluator="analytical", layers="CONV5-3,POOL5", plan=plan).groups
    assert group.counts.words[0].sum() == 2 * 512 * 14 * 14 + 512 * 512 * 9 + 512 * 7 * 7
