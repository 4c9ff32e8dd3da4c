"""A network's attention run as a fused group, as a result has it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.architecture.model import Architecture
from accelsim.attending import run_attention
from accelsim.energy.load import table_for
from accelsim.engine.fused.attention import Attention, Blocks, moved
from accelsim.engine.fused.attention_layers import attention_of
from accelsim.engine.fused.attention_passes import Walk
from accelsim.errors import MappingError
from accelsim.grouped import GroupResult
from accelsim.mapping.dataflows import load
from accelsim.mapping.plan.living import between_of
from accelsim.mapping.plan.plan import Group, Home, Plan
from accelsim.search.plan.attends import Attends
from accelsim.search.plan.costs import Wanted
from accelsim.search.proof import NONE
from accelsim.simulate import simulate
from accelsim.workload.network import Network

LAYERS = {
    "q": {"op": "matmul", "M": 16, "inputs": "input"},
    "k": {"op": "matmul", "M": 8, "inputs": "input"},
    "v": {"op": "matmul", "M": 8, "inputs": "input"},
    "qk": {"op": "matmul", "inputs": ["q", "k"], "groups": 4, "kv_groups": 2},
    "soft": {"op": "softmax"},
    "av": {"op": "matmul", "inputs": ["soft", "v"], "groups": 4, "kv_groups": 2, "over": "positions"},
    "out": {"op": "matmul", "M": 8},
}
NET = Network.of("n", LAYERS, {"C": 8, "W": 12})
SHAPE = Attention(12, 12, 4, 4, heads_on_one=2)
GROUP = Group(("qk", "soft", "av"), rows=8, columns=4, outside="rows")


def machine(buffer: str = "", size: str = "2 KiB", launch: int = 0) -> Architecture:
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
        energy="eyeriss_relative", vector={"lanes": 4}, layer={"launch": launch},
    )  # fmt: skip


def wanted_of(square: Architecture) -> Wanted:
    return Wanted(square, table_for(square), "GLB", load(square.dataflow), square.dataflow, "energy", NONE)


def run(group: Group, resident: dict[str, Home] | None = None, evaluator: str = "cycle", nests=None, **built):
    square = machine(**built)
    between = between_of(Plan(resident or {}, (group,), "n"), square, NET, {})
    assert between is not None
    return run_attention(group, between, wanted_of(square), evaluator, nests)


def test_a_result_adds_up() -> None:
    """Two heads of keys and values, two of queries on each; every idle cycle has a cause."""
    found = run(GROUP)
    assert isinstance(found, GroupResult)
    words = moved(SHAPE, Blocks(8, 4)).times(2)
    assert int(found.counts.words[0].sum()) == words.words
    assert found.macs == words.macs == sum(share.macs for share in found.shares)
    assert [share.name for share in found.shares] == ["qk", "soft", "av"]
    assert found.compute_cycles + sum(found.stall_cycles.values()) == found.cycles
    spent = sum(share.cycles + sum(share.stalls.values()) for share in found.shares)
    assert spent == found.cycles >= found.processing_cycles
    assert found.room == 16 * words.room
    assert found.to_dict()["layers"][0]["passes"] == words.blocks


def test_run_again_by_its_own_mappings() -> None:
    found = run(GROUP)
    again = run(GROUP, nests=[one.nest for one in found.passes])
    assert again.to_dict() == found.to_dict()


def test_tensors_that_stay_do_not_move() -> None:
    """Queries and outputs in the buffer: keys and values alone come."""
    home = {name: Home("GLB") for name in ("q", "av")}
    found = run(GROUP, home, "analytical")
    assert int(found.counts.words[0].sum()) == 2 * moved(SHAPE, Blocks(8, 4)).keys * 2
    assert found.cycles < run(GROUP, None, "analytical").cycles


def test_orders_of_a_plan() -> None:
    whole = run(replace(GROUP, outside=""), None, "analytical")
    columns = run(replace(GROUP, outside="columns"), None, "analytical")
    assert int(whole.counts.words[0].sum()) == 2 * moved(SHAPE, Blocks(8, 4, whole_rows=True)).words
    assert int(columns.counts.words[0].sum()) == 2 * moved(SHAPE, Blocks(8, 4, "columns")).words
    stays = run(replace(GROUP, filters={"qk": "resident", "av": "resident"}), None, "analytical")
    assert int(stays.counts.words[0].sum()) == 2 * SHAPE.least
    assert run(GROUP, None, "analytical", buffer="double").cycles < run(GROUP, None, "analytical").cycles


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (replace(GROUP, layers=("qk", "soft", "out")), "'out' (matmul) is no product of two activations"),
        (replace(GROUP, filters={"soft": "resident"}), "group qk..av: 'soft' has no filter (av, qk)"),
        (replace(GROUP, filters={"qk": "resident"}), "group qk..av: keys and values stay both, or none"),
    ],
)
def test_what_is_refused(group: Group, message: str) -> None:
    with pytest.raises(MappingError) as caught:
        run(group)
    assert message in str(caught.value)


def test_what_does_not_fit_beside_what_stays() -> None:
    """What `out` reads and the input of all take no room; values of 12 positions do: 1,536 bits."""
    with pytest.raises(MappingError) as caught:
        run(replace(GROUP, rows=24, columns=12), {"v": Home("GLB")}, size="1 KiB")
    assert str(caught.value) == (
        "GLB group qk..av: needs 9216 bits, has 6656 bits, 2560 bits too many "
        "(rows: 12, columns: 12 would fit; enlarge the capacity)"
    )


def test_a_mask_between_scores_and_softmax() -> None:
    """Blocks that are hidden are left out; the mask is one more operation of each score that is computed."""
    counted = {}
    for causal in (False, True):
        layers = {**LAYERS, "mask": {"op": "elementwise", "inputs": "qk", "causal": causal}}
        layers["soft"] = {"op": "softmax", "inputs": "mask"}
        order = ("q", "k", "v", "qk", "mask", "soft", "av", "out")
        network = Network.of("n", {name: layers[name] for name in order}, {"C": 8, "W": 12})
        group = Group(("qk", "mask", "soft", "av"), rows=8, columns=4, outside="rows")
        square = machine()
        between = between_of(Plan({}, (group,), "n"), square, network, {})
        wanted = Wanted(square, table_for(square), "GLB", load(square.dataflow), square.dataflow, "energy", NONE)
        found = run_attention(group, between, wanted, "cycle")
        shape = replace(SHAPE, causal=causal)
        words = moved(shape, Blocks(8, 4)).times(2)
        assert int(found.counts.words[0].sum()) == words.words and found.macs == words.macs
        assert [share.name for share in found.shares] == ["qk", "mask", "soft", "av"]
        assert found.compute_cycles + sum(found.stall_cycles.values()) == found.cycles
        plain = replace(shape, beside=0)
        ops = lambda one: sum(p.operations * p.runs for p in Walk(one, Blocks(8, 4)).passes)  # noqa: E731
        assert found.vector_ops == 2 * ops(replace(plain, beside=1)) == 2 * ops(plain) + words.macs // (4 + 4)
        counted[causal] = found.counts.words[0].sum()
    assert counted[True] < counted[False]


@pytest.mark.parametrize(("causal", "words"), [(0, 6_291_456), (1, 4_735_488)])
def test_gpt2_from_its_file(causal: int, words: int) -> None:
    """One layer, twelve heads, 1,024 tokens, in the blocks that are best for 108 KiB (FlashAttention-2)."""
    names = [f"l0_{name}" for name in ("qk", "softmax", "av")]
    plan = {"groups": [{"layers": names, "tile": {"rows": 342, "columns": 23}, "outside": "rows"}]}
    found = simulate(
        machine(size="108 KiB"), "gpt2", parameters={"causal": causal}, layers=",".join(names), evaluator="analytical",
        plan=plan,
    )  # fmt: skip
    assert found.groups[0].counts.words[0].sum() == words


@pytest.mark.parametrize("evaluator", ["cycle", "analytical"])
def test_an_attention_is_started_once(evaluator: str) -> None:
    """Twelve blocks, 36 passes and more, and one launch; the search of plans counts it as the result does."""
    plain, found = (run(GROUP, None, evaluator, launch=launch) for launch in (0, 500))
    assert found.cycles - plain.cycles == found.processing_cycles - plain.processing_cycles == 500
    assert found.counts == plain.counts and found.shares[1:] == plain.shares[1:]
    assert found.shares[0].stalls == plain.shares[0].stalls | {"fixed": 500}
    if evaluator == "cycle":
        assert found.stall_cycles == plain.stall_cycles | {"fixed": 500}
    priced = [
        Attends(wanted_of(square), attention_of(NET, GROUP.layers), square, {}).ask(frozenset(), 8 * 2048)
        for square in (machine(), machine(launch=500))
    ]
    assert priced[1] is not None and priced[0] is not None
    assert priced[0][0] == priced[1][0] and priced[1][1].cycles - priced[0][1].cycles == 500
