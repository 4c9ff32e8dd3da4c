"""The page of a result: its numbers are the result's, names are text, nothing is asked of a network."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import fakes
import test_epilogues
from accelsim.advice import advise
from accelsim.errors import AccelsimError
from accelsim.report.grid import Grid
from accelsim.report.html import facts, page
from accelsim.report.html.layers import layer_table, strides
from accelsim.report.html.living import living_picture
from accelsim.report.html.paints import COMPUTE, of_causes, of_components
from accelsim.report.html.ran import defaults
from accelsim.report.plot_between import living_data
from accelsim.report.table import grids
from accelsim.report.text import energy_scale
from accelsim.simulate import simulate
from accelsim.specs import json_schema
from accelsim.workload.network import Network
from accelsim.workload.problem import Problem
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

EVIL = ("<script>alert(1)</script>", "[red]", '"><img src=x onerror=alert(1)>', "a&b", "{{ 7 * 7 }}")


@pytest.fixture(scope="module")
def result():
    return simulate("eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV*,POOL*", batch=4)


@pytest.fixture(scope="module")
def whole(result):
    return page({"": result}, {"": advise(result)})


class Elements(HTMLParser):
    """Tags in order, and whether each that must be closed is."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[key] for key in ("href", "src") if key in given]
        if tag not in ("meta", "link", "img", "input", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())


def test_it_is_one_whole_document_that_asks_for_nothing(whole):
    found = Elements(whole)
    assert found.open == [] and len(set(found.ids)) == len(found.ids)
    assert {link for link in found.links if not link.startswith("#")} == {"data:,"}
    assert all(link[1:] in found.ids for link in found.links if link.startswith("#"))
    assert found.tags.count("script") == found.tags.count("style") == 1
    assert not re.search(r"https?://|@import|url\((?!#)", whole)
    assert "default-src 'none'" in whole


def test_it_says_all_that_was_run(result, whole):
    for text in (*result.ran.versions.values(), "eyeriss_alexnet_jssc17", "eyeriss_relative", "Table IV"):
        assert text in whole
    hashes = result.to_dict()["ran"]["sha256"]
    assert all(found in whole for found in hashes.values() if isinstance(found, str))
    for layer in result.layers:
        assert f"<summary>{layer.name}</summary>" in whole
    assert "What would move it" in whole and "Twice the width of port" in whole
    assert "POOL1" in whole


def test_its_four_numbers_are_the_results(result):
    (latency, _, what), (rate, *_), (energy, unit, _), (used, *_) = facts.section(result).numbers
    sums = result.total
    assert float(latency.replace(",", "")) == pytest.approx(sums.ms, abs=1e-3) and "processing 101.6" in what
    assert float(rate) == pytest.approx(4 / (sums.ms / 1e3), rel=5e-3)
    assert unit == "× 10⁹ MAC energies" and float(energy) == pytest.approx(sums.energy / 4e9, rel=5e-3)
    assert float(used) == pytest.approx(100 * sums.utilization, abs=0.05)


def test_the_table_of_layers_is_that_of_the_terminal(result):
    table = layer_table(result, "r0")
    time_grid: Grid = next(grid for grid in grids(result) if grid.title == "time")
    heads = [head for head, _ in table.heads]
    for theirs, ours in (("MACs [M]", "MACs [M]"), ("cycles", "cycles"), ("total [ms]", "time [ms]")):
        at, own = time_grid.header.index(theirs), heads.index(ours)
        assert [row[at] for row in time_grid.rows] == [row[own].text for row in (*table.rows, *table.sums)]
    assert [row[0].link for row in table.rows] == [f"#r0-l{at}" for at in range(len(result.layers))]


def test_pictures_add_up_to_the_totals(result):
    scale, unit = energy_scale(result.energy_unit, result.total.energy)
    paint = of_components(result)
    for data in (facts.by_type(result, paint), facts.by_layer(result, paint)):
        spent = sum(sum(values.values()) for _, values in data.rows)
        assert spent == pytest.approx(result.total.energy / scale) and data.unit == unit
        assert set(data.parts) <= set(paint)
    causes = of_causes(result.total.stall_cycles)
    cycles = facts.by_cause(result, causes)
    assert sum(sum(values.values()) for _, values in cycles.rows) == result.total.cycles
    assert sum(values[COMPUTE] for _, values in cycles.rows) == result.total.compute_cycles
    assert {part for _, values in cycles.rows for part in values} <= set(causes)


def test_words_and_prices_are_those_of_the_account(result):
    words = facts.words_table(result)
    at = {tuple(cell.text for cell in row[:3]): row for row in words.rows}
    read = sum(layer.counts("GLB", "ifmap", "read") * layer.repeat for layer in result.layers)
    assert at["GLB", "ifmap", "read"][3].text == f"{read:,}"
    prices = {tuple(cell.text for cell in row[:3]): row[4].text for row in facts.price_table(result).rows}
    # Chen, Emer and Sze, ISCA 2016, Table IV
    assert (prices["DRAM", "ifmap", "read"], prices["GLB", "ifmap", "read"], prices["RF", "filter", "read"]) == (
        "200", "6", "1",
    )  # fmt: skip
    assert prices["network", "psum", "hop"] == "2"


def test_repeats_and_blocks_count_every_run():
    result = simulate("tpu_v1", "bert_base", layers="l0_q,l0_ff1")
    names = [f"b{at // 4}_x{at % 4}" for at in range(40)]
    base = result.layers[0]
    deep = replace(result, layers=tuple(replace(base, name=name, repeat=1 + at % 3) for at, name in enumerate(names)))
    data = facts.by_layer(deep, of_components(deep))
    assert data.title == "Energy by block and level" and len(data.rows) == 10
    scale, _ = energy_scale(deep.energy_unit, deep.total.energy)
    assert sum(sum(values.values()) for _, values in data.rows) == pytest.approx(deep.total.energy / scale)


@pytest.mark.parametrize("name", ["albireo", "eie", "gemmini16", "isaac", "ne16", "nv_small", "redmule", "scnn"])
def test_machines_of_every_kind_have_a_page(name):
    evaluator = "cycle" if name == "scnn" else "analytical"
    result = simulate(name, "alexnet", layers="CONV3", evaluator=evaluator)
    text = page({"": result})
    assert Elements(text).open == []
    for level in result.architecture.levels:
        assert f">{level.name}" in text
    assert f"{result.total.cycles:,}" in text and f"{result.architecture.pes:,} PEs" in text


@pytest.mark.parametrize("evil", EVIL)
def test_names_are_text(fake_engine, evil):
    result = simulate(fakes.machine(), fakes.network())
    layers = tuple(replace(layer, name=evil if at == 0 else layer.name) for at, layer in enumerate(result.layers))
    text = page({evil: replace(result, layers=layers, workload=evil), "other": result})
    found = Elements(text)
    assert found.open == [] and found.tags.count("script") == 1 and "img" not in found.tags
    assert evil not in text or evil in ("[red]", "{{ 7 * 7 }}")
    assert "<summary>49</summary>" not in text


def test_several_results_stand_side_by_side(result):
    text = page({"one": result, "two": replace(result, failures=(("FC6", "too large"),))})
    assert text.count('<article id="r') == 2 and "Side by side" in text
    assert "not run: FC6: too large" in text


def test_layers_of_very_many_results_do_not_open(result, monkeypatch):
    monkeypatch.setattr("accelsim.report.html.MOST_OPENED", 2 * len(result.layers) - 1)
    text = page({"one": result, "two": result})
    found = Elements(text)
    assert "<summary>CONV1</summary>" not in text and text.count(facts.CLOSED) == 2 and text.count(">CONV1<") >= 2
    assert {link.removeprefix("#") for link in found.links if link.startswith("#")} <= set(found.ids)
    assert "<summary>CONV1</summary>" in page({"one": result})


PAIR = {
    "p": {"op": "conv", "M": 4, "kernel": 3, "pad": 1},
    "q": {"op": "conv", "M": 4, "kernel": 3, "pad": 1},
    **test_epilogues.LAYERS,
}


@pytest.fixture(scope="module")
def planned():
    """Two layers together, one that hands its tiles on, two by themselves, a tensor that stays."""
    plan = {
        "resident": {"a": "GLB"},
        "groups": [
            {"layers": ["p", "q"], "tile": {"P": 4}},
            {**test_epilogues.GROUP, "tile": {"P": 2, "Q": 4, "M": 4}},
        ],
    }
    network = Network.of("planned", PAIR, (4, 8, 8))
    return simulate(test_epilogues.machine("4 KiB"), network, plan=plan, saved=True)


def test_groups_are_rows_and_bars_in_run_order(planned):
    table, heads = layer_table(planned, "r0"), [head for head, _ in layer_table(planned, "r0").heads]
    assert [row[0].text for row in table.rows] == ["p..q", "a", "b..pool", "c"]
    cycles = [int(row[heads.index("cycles")].text.replace(",", "")) for row in (*table.rows, *table.sums)]
    assert sum(cycles[:-1]) == cycles[-1] == planned.total.cycles
    runs = [row[heads.index("runs")].text for row in (*table.rows, *table.sums)]
    assert runs == ["1", "1", "1", "1", "4"]
    paint, causes = of_components(planned), of_causes(planned.total.stall_cycles)
    energy, spent = facts.by_layer(planned, paint), facts.by_cause(planned, causes)
    assert [name for name, _ in energy.rows] == [name for name, _ in spent.rows] == ["p..q", "a", "b..pool", "c"]
    scale, _ = energy_scale(planned.energy_unit, planned.total.energy)
    assert sum(sum(values.values()) for _, values in energy.rows) == pytest.approx(planned.total.energy / scale)
    assert sum(sum(values.values()) for _, values in spent.rows) == planned.total.cycles


def test_a_group_opens(planned):
    """What ran together, its passes and their mappings, and where its cycles, words and energy go."""
    together, handed = (one for one in facts.section(planned).layers if ".." in one.name)
    assert together.what.startswith("p, q together, tile by tile; ")
    assert handed.what.startswith("b hands each finished tile of its ofmap to sum, pool; ")
    assert handed.mapping == "mapping of b" and "<svg" in handed.nest and not together.nest
    for facts_of, group in zip((together, handed), planned.groups, strict=True):
        cycles, words, energy, passes = facts_of.tables
        assert cycles.sums[0][1].text == f"{group.cycles:,}"
        assert [row[3].text for row in passes.rows] == [f"{one.runs:,}" for one in group.passes]
        assert [row[2].text for row in passes.rows] == [str(one.nest) for one in group.passes]
        (read,) = (row for row in words.rows if (row[0].text, row[1].text) == ("DRAM", "filter"))
        assert read[3].text == f"{group.counts('DRAM', 'filter', 'read'):,}"
        assert float(energy.sums[0][-1].value) > 0
    text = page({"": planned})
    elements = Elements(text)
    assert not elements.open and {link[1:] for link in elements.links if link.startswith("#")} <= set(elements.ids)


def test_what_lives_on_the_chip_is_drawn(planned):
    """A box for each tensor and layer, as high as its KiB; its place in the buffer, and what is saved, to the word."""
    text = page({"": planned})
    assert "What lives on the chip while each layer runs" in text and "full at the line, 4 KiB" in text
    told = re.findall(r"<title>(\w+), ([\d.]+) KiB, while (\w+) runs</title>", text)
    held = living_data(planned)
    assert [(tensor, layer) for tensor, _, layer in told] == [(row["tensor"], row["layer"]) for row in held]
    assert [float(kib) for _, kib, _ in told] == pytest.approx([row["bits"] / 8192 for row in held], rel=0.01)
    assert {(layer, tensor) for tensor, _, layer in told} == {
        *((layer, "tiles") for layer in ("p", "q", "b", "sum", "pool")),
        *((layer, "a") for layer in ("a", "b", "sum")),
    }
    picture, paints = living_picture(planned)
    assert [name for name, _ in picture.legend] == ["tiles", "a"] or [name for name, _ in picture.legend] == [
        "a",
        "tiles",
    ]
    assert len(paints) == 2
    words = sum(int(one.counts.words[0].sum()) for one in planned.multiplied)
    words += sum(one.reads + one.writes for one in planned.vector_layers)
    assert sum(row.planned for row in planned.saved) == words
    inside = {row.tensor: row.planned for row in planned.saved if row.tensor in ("p", "b", "sum", "a")}
    assert inside == {"p": 0, "b": 0, "sum": 0, "a": 0}


def test_a_run_without_a_plan_has_no_picture_of_it(result):
    assert living_picture(result) == (None, ())


def test_nothing_is_no_page(result):
    with pytest.raises(AccelsimError, match="nothing to show"):
        page({"": replace(result, layers=())})
    with pytest.raises(AccelsimError, match="nothing to show"):
        page({})


def test_every_default_of_the_file_is_told(result):
    machine = result.to_dict()["ran"]["machine"]
    found = dict(defaults("arch", machine))
    keys = json_schema("arch")["properties"]
    told = {key for key in keys if key not in machine and keys[key].get("if_left_out") not in (None, "", "an error")}
    assert told and told <= set(found)
    assert "lowering" in found and "clock" not in found and "levels.GLB.component" in found
    assert "levels.FILTER_BANK.component" not in found


def test_every_default_of_the_network_is_told(result, whole):
    """CONV1 alone has no padding, two layers one group, and nothing says how long a word is."""
    found = {each.key: each for each in facts.ran_facts(result).of_network}
    assert found["batch"] if result.batch == 1 else "batch" not in found
    assert (found["layers.repeat"].value, found["layers.repeat"].layers) == ("1", "all")
    named = {layer.name: layer.problem for layer in result.ran.network.layers if layer.problem}

    def where(holds) -> str:
        names = [name for name, problem in named.items() if holds(problem)]
        return ", ".join(names) if len(names) <= 3 else f"{len(names)} of {len(named)}"

    convs = {name for name in named if name.startswith("CONV")}
    assert found["layers.pad"].layers == where(lambda p: p.pad == (0, 0) and p["R"] > 1) == "CONV1"
    assert found["layers.stride"].layers == "4 of 8" and len(convs) == 5
    assert found["layers.groups"].layers == "CONV1, CONV3"
    assert "layers.density.ifmap" not in found and found["layers.density.ifmap.pattern"].layers == "all"
    assert found["layers.bits.psum"].layers == "all"
    assert f"{len(found)} defaults" in whole and ">layers.dilation<" in whole


def test_a_network_without_zeros_says_so():
    text = "name: a\nsource: made up\ninput: {C: 2, H: 4, W: 4}\nbatch: 3\n"
    text += "layers:\n  <b>: {op: conv, M: 2, kernel: 3}\n"
    found = simulate("eyeriss", network_of(parse(text, "a")))
    told = {each.key: each for each in facts.ran_facts(found).of_network}
    assert told["layers.density.filter"] == ("layers.density.filter", "no word is zero", "<b>")
    assert "batch" not in told and '<th scope="row" class="l">layers.density.filter' in page({"": found})


def test_files_of_dataflow_and_mapping_have_hashes(tmp_path):
    flow, nests = tmp_path / "mine.yaml", tmp_path / "nests.yaml"
    flow.write_bytes((Path(__file__).parents[3] / "accelsim/mapping/dataflows/row_stationary.yaml").read_bytes())
    first = simulate("eyeriss", "alexnet", str(flow), layers="CONV5", evaluator="analytical")
    nests.write_text(json.dumps({layer.name: layer.nest.to_dict() for layer in first.layers}))
    second = simulate("eyeriss", "alexnet", mapping=nests, layers="CONV5", evaluator="analytical")
    for found, name, file in ((first, "dataflow", flow), (second, "mapping", nests)):
        wanted = hashlib.sha256(file.read_bytes()).hexdigest()
        assert dict(facts.ran_facts(found).hashes)[f"file of the {name}"] == wanted
        assert found.to_dict()["ran"]["sha256"]["files"][name] == wanted
    # a name of one that ships is a file as well, and what is read back says the same
    assert set(second.ran.files) == {"dataflow", "mapping"}


def test_sources_and_every_number_of_the_energy_table_are_told(result, whole):
    ran = facts.ran_facts(result)
    assert [what for what, _ in ran.sources] == ["machine", "network", "energy table"]
    assert ran.sources[0][1] == result.architecture.source and "ISCA 2016, Table IV" in ran.sources[2][1]
    prices = dict(ran.prices)
    assert (prices["components.DRAM.read"], prices["components.GLB.write"], prices["network.hop"]) == ("200", "6", "2")
    # and those that nothing was said of, which cost nothing
    assert (prices["gated_mac"], prices["components.DRAM.leakage"], prices["unit"]) == ("0", "0", "MAC")
    assert f"all of its {len(prices)} numbers" in whole and "name" not in prices


def test_a_layer_tells_its_strides_and_zeros(result):
    found = {layer.name: layer.what for layer in facts.section(result).layers}
    assert ", stride 4, " in found["CONV1"] and "padding" not in found["CONV1"]
    assert ", padding 1, " in found["CONV3"] and "stride" not in found["CONV3"]
    assert found["CONV1"].endswith("; words that are not zero: ifmap 0.999, filter 0.84, ofmap 0.378")
    dense = simulate("eyeriss", "alexnet", layers="CONV3", data="dense", evaluator="analytical")
    assert "not zero" not in facts.section(dense).layers[0].what
    assert strides(Problem.of({"P": 4, "Q": 4}, stride=(2, 1), pad=(1, 1))) == ", stride 2 down, 1 across, padding 1"


def test_a_deep_network_is_small_and_fast():
    result = simulate("tpu_v1", "resnet50")
    layers = [*result.layers, *result.layers, *result.layers][:150]
    deep = replace(result, layers=tuple(replace(layer, name=f"{layer.name}.{at}") for at, layer in enumerate(layers)))
    page({"": deep})
    begun = time.process_time()
    text = page({"": deep})
    assert time.process_time() - begun < 2
    assert len(text.encode()) < 3_000_000
