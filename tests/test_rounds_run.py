"""Layers that run some images at a time (R4): what a round moves, what lies on the chip, and that it is read again."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.yaml import load_architecture
from accelsim.engine.counts import ACTIONS
from accelsim.errors import AccelsimError, SpecError
from accelsim.mapping.plan.living import Between, between_of
from accelsim.mapping.plan.plan import Home, Plan, Span
from accelsim.mapping.plan.rounds import REST
from accelsim.mapping.plan.yaml import data_of, dump_plan, load_plan, plan_from
from accelsim.outputs import check_outputs
from accelsim.report.files import document_text
from accelsim.result import Result
from accelsim.simulate import rerun, simulate
from accelsim.timelines import windows_of
from accelsim.workload.network import VIEWS, Network
from accelsim.workload.problem import TENSORS, Tensor
from plans import draw_network

READ = ACTIONS.index("read")
IFMAP, FILTER, PSUM = (TENSORS.index(tensor) for tensor in (Tensor.IFMAP, Tensor.FILTER, Tensor.PSUM))
LAYERS = {
    "a": {"op": "conv", "M": 8, "kernel": 3, "pad": 1},
    "b": {"op": "conv", "M": 8, "kernel": 3, "pad": 1},
    "sum": {"op": "add", "inputs": ["b", "a"]},
    "c": {"op": "conv", "M": 4, "kernel": 1},
}


def drawn(batch: int) -> Network:
    return Network.of("rounds", LAYERS, (4, 10, 10), batch=batch)


def run(network: Network, plan: object, evaluator: str = "analytical", **more: object) -> Result:
    return simulate("eyeriss", network, evaluator=evaluator, plan=plan, **more)


@pytest.mark.parametrize("evaluator", ["analytical", "cycle"])
@pytest.mark.parametrize(("batch", "images"), [(6, 2), (5, 2), (7, 6), (3, 1)])
def test_rounds_are_runs_of_smaller_batches(evaluator: str, batch: int, images: int) -> None:
    """As many words, cycles and as much energy as the same layers run on so many images, round after round."""
    resident = dict.fromkeys(("a", "b", "sum"), "GLB")
    spans = [{"layers": list(LAYERS), "batch_outer": images}]
    found = run(drawn(batch), {"resident": resident, "spans": spans}, evaluator)
    times, rest = divmod(batch, images)
    parts = [(run(drawn(images), {"resident": resident}, evaluator), times)]
    if rest:
        parts.append((run(drawn(rest), {"resident": resident}, evaluator), 1))
    for kind in ("multiplied", "vector_layers"):
        energy = sum(
            float(one.energy_exact) * n for part, n in parts for one in getattr(part, kind) for n in [n * one.repeat]
        )
        mine = sum(float(one.energy_exact) * one.repeat for one in getattr(found, kind))
        assert mine == pytest.approx(energy, rel=1e-12)
    assert found.total.cycles == sum(part.total.cycles * n for part, n in parts)
    assert found.total.macs == sum(part.total.macs * n for part, n in parts)
    assert found.vector.cycles == sum(part.vector.cycles * n for part, n in parts)
    names = [name + end for name in ("a", "b", "c") for end in (["", REST] if rest else [""])]
    assert [layer.name for layer in found.layers] == names
    for layer in found.layers:
        part = parts[layer.name.endswith(REST)]
        assert np.array_equal(layer.counts.words, part[0].layer(layer.name.removesuffix(REST)).counts.words)
        assert layer.repeat == part[1]


@pytest.mark.parametrize(("images", "times"), [(6, 1), (3, 2), (4, 2), (1, 6)])
def test_filters_are_fetched_once_a_round(images: int, times: int) -> None:
    """Where no loop outside the level of filters moves them they come once in all; in rounds once in each."""
    words = drawn(1).layers[1].problem.words(Tensor.FILTER)
    plan = {"resident": {"a": "GLB"}}
    if times > 1:
        plan["spans"] = [{"layers": ["a", "b"], "batch_outer": images}]
    nest = f"GLB: N{images} P10 Q10 | FILTER_BANK: M2 C2 y R3 | RF: S3 M4 C4"
    found = run(drawn(6), plan, layers="b", mapping={"b": nest})
    assert sum(layer.counts.words[0, FILTER, READ] * layer.repeat for layer in found.layers) == times * words
    assert sum(layer.counts.words[0, IFMAP].sum() for layer in found.layers) == 0


def _walked(between: Between, network: Network) -> list[int]:
    """Bits on the chip while each layer runs, at most: words image by image, round after round.

    A tensor's image is there from its maker's round to its last reader's.
    """
    batch, most = network.batch, [0] * len(network.layers)
    order: list[tuple[int, range]] = []
    at = 0
    while at < len(network.layers):
        span = between.plan.span_of(network.layers[at].name)
        if span is None:
            order.append((at, range(batch)))
            at += 1
            continue
        end = between.index[span.layers[-1]] + 1
        for first in range(0, batch, span.batch_outer):
            order += [(i, range(first, min(first + span.batch_outer, batch))) for i in range(at, end)]
        at = end
    uses: dict[tuple[str, int], list[int]] = {}
    for moment, (index, images) in enumerate(order):
        for name, home in between.plan.resident.items():
            tensor = between.tensors[name]
            readers = [one.index for one in tensor.readers if one.index <= tensor.last(home.until)]
            if index == tensor.made or index in readers:
                for image in images:
                    uses.setdefault((name, image), []).append(moment)
    for moment, (index, _) in enumerate(order):
        bits = 0
        for (name, _), times in uses.items():
            if times[0] <= moment <= times[-1]:
                bits += between.bits(name) // between.images(name)
        most[index] = max(most[index], bits)
    return most


@given(seed=st.integers(0, 10_000))
@settings(max_examples=120, deadline=None)
def test_room(seed: int) -> None:
    """What is reserved is never less than what lies there; of tensors that stay inside a span it is just that."""
    rng = Random(seed)
    batch = rng.randint(2, 7)
    try:
        network = draw_network(rng, 5, batch)
    except AccelsimError:
        return
    names = [layer.name for layer in network.layers if layer.op not in VIEWS]
    read = {name for layer in network.layers for name in layer.inputs}
    first = rng.randrange(len(names))
    last = rng.randrange(first, len(names))
    span = Span(tuple(names[first : last + 1]), rng.randint(1, batch - 1))
    homes = {name: Home("UB") for name in names if name in read and rng.random() < 0.7}
    between = between_of(Plan(homes, spans=(span,)), load_architecture("tpu_v1"), network, {})
    assert between is not None and not list(between.wrong())
    walked = _walked(between, network)
    inside = all(between.images(name) == span.batch_outer for name in homes)
    for layer in network.layers:
        taken, there = between.stay(layer).taken, walked[between.index[layer.name]]
        assert taken == there if inside or span.batch_outer == batch else taken >= there


def test_a_span_is_read_and_run_again(tmp_path: Path) -> None:
    plan = {"resident": {"a": "GLB"}, "spans": [{"layers": ["a", "b"], "batch_outer": 2}]}
    file = tmp_path / "plan.yaml"
    file.write_text(dump_plan(plan_from(plan)[0]))
    assert load_plan(file)[0] == plan_from(data_of(load_plan(file)[0]))[0]
    found = run(drawn(5), file, "cycle")
    text = document_text(found)
    assert json.loads(text)["ran"]["plan"]["spans"] == [{"layers": ["a", "b"], "batch_outer": 2}]
    (tmp_path / "result.json").write_text(text)
    again = Result.load(tmp_path / "result.json")
    assert document_text(again) == text
    assert document_text(rerun(again)) == text
    assert again.machine_of(again.layer("b" + REST)).homes == {Tensor.IFMAP: "GLB"}


@pytest.mark.parametrize(
    ("spans", "line"),
    [
        ("[{layers: [a, x], batch_outer: 2}]", "F:1:18: spans.0.layers: network 'rounds' has no layer 'x'"),
        ("[{layers: [], batch_outer: 2}]", "spans.0.layers: a span has one layer or more"),
        ("[{layers: [a, sum], batch_outer: 2}]", "spans.0.layers: 'b' runs between 'a' and 'sum'"),
        ("[{layers: [b, a], batch_outer: 2}]", "spans.0.layers: they are not in the order they run in"),
        ("[{layers: [a], batch_outer: 4}]", "spans.0.batch_outer: 4 images at a time of a batch of 4"),
        ("[{layers: [a], batch_outer: 0}]", "spans.0.batch_outer: "),
        ("[{layers: [a, b], batch_outer: 2}, {layers: [b], batch_outer: 1}]", "'b' is in a span already"),
        (
            "[{layers: [a, b], batch_outer: 2}]\ngroups: [{layers: [a, b], tile: {P: 2}}]",
            "'a' cannot run in rounds: it is in the group a..b, which takes one image after another",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_line(tmp_path: Path, spans: str, line: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(f"spans: {spans}\n")
    with pytest.raises(SpecError) as caught:
        run(drawn(4), file)
    lines = [one.replace(str(file), "F") for one in str(caught.value).splitlines()]
    assert any(line in one for one in lines), lines


def test_outputs_and_cycles_of_rounds_and_parts() -> None:
    """Outputs of each round are numpy's, and a timeline draws each."""
    plan = {
        "resident": {"a": {"level": "GLB", "parts": "1/2"}, "b": {"level": "GLB", "parts": "1/2"}},
        "spans": [{"layers": ["a", "b"], "batch_outer": 2}],
    }
    found = run(drawn(3), plan, "cycle", layers="a,b")
    assert [line.partition(":")[0] for line in check_outputs(found)] == ["a", "a" + REST, "b", "b" + REST]
    assert [window.name for window in windows_of(found, 0, 1 << 20)] == [layer.name for layer in found.layers]
