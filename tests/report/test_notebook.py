"""A notebook shows what a terminal shows."""

from __future__ import annotations

import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest

import accelsim
import fakes
from accelsim.errors import AccelsimError
from accelsim.report.table import grids
from accelsim.simulate import compare, simulate


@pytest.fixture
def result(fake_engine):
    return simulate(fakes.machine(), fakes.network())


def test_a_result_shows_its_tables(result):
    html = result._repr_html_()
    assert html.startswith("<p><b>") and "ms total latency" in html.split("</p>")[0]
    assert html.count("<table>") == len(grids(result))
    for grid in grids(result):
        assert grid.title in html
        assert all(f"<td>{cell}</td>" in html for row in grid.rows for cell in row if ">" not in cell)


def test_names_are_text_not_markup(result):
    assert "<script>" not in replace(result, workload="<script>")._repr_html_()


def test_a_comparison_shows_its_table(fake_engine):
    html = compare(fakes.machine(), fakes.network())._repr_html_()
    assert html.count("<table>") == 1
    assert "weight_stationary: CONV1, CONV2: GLB psum" in html


def test_a_picture_shows_itself(result):
    axes = result.plot.energy()
    for shown in (axes, axes.figure):
        assert shown._repr_png_().startswith(b"\x89PNG")


def test_a_machine_and_a_mapping_show_their_pictures():
    chip = accelsim.load_architecture("eyeriss")
    nest = accelsim.load_mappings("eyeriss_alexnet_jssc17")["CONV1"]
    for thing, words in ((chip, ("GLB", "168 PEs")), (nest, ("DRAM", "R11", "over rows (y)"))):
        root = ElementTree.fromstring(thing._repr_svg_())
        texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
        assert root.tag.endswith("svg") and set(words) <= set(texts)


def test_a_network_shows_its_layers():
    network = accelsim.load_network("alexnet", 4)
    html = network._repr_html_()
    assert html.count("<tr>") == len(network.layers) + 2
    for layer in network.layers:
        assert f"<td>{layer.name}</td><td>{layer.op}</td>" in html
    assert "<caption>alexnet, batch 4</caption>" in html and "<td>2,898</td>" in html
    evil = replace(network, name="<script>", layers=(replace(network.layers[0], name="<b>"),))
    assert "<script>" not in evil._repr_html_() and "&lt;b&gt;" in evil._repr_html_()


def test_what_has_no_picture_says_so():
    from accelsim.report.html import shown

    with pytest.raises(TypeError, match="int has no picture"):
        shown.svg(1)
    with pytest.raises(TypeError, match="int has no table"):
        shown.html(1)


def test_reprs_can_be_read(result):
    sums = result.total
    assert repr(result) == (
        f"Result({result.workload} on toy: {len(result.layers)} layers, {sums.cycles:,} cycles, {sums.ms:.4g} ms, "
        f"{sums.energy:.4g} MAC energies)"
    )
    chip, nest = accelsim.load_architecture("eyeriss"), accelsim.load_mappings("eyeriss_alexnet_jssc17")["CONV1"]
    assert repr(chip) == "Architecture(eyeriss: DRAM > GLB > FILTER_BANK > RF, 168 PEs at 200 MHz)"
    assert accelsim.LoopNest.parse(str(nest)) == nest and repr(nest) == f"LoopNest('{nest}')"
    assert repr(accelsim.load_network("alexnet", 4)).startswith("Network(alexnet, batch 4: ")


def test_reprs_of_parts_can_be_read(result):
    layer = result.layers[0]
    assert repr(layer) == (
        f"LayerResult(CONV1: {layer.macs:,} MACs, {layer.cycles:,} cycles, energy {layer.energy:.4g})"
    )
    assert repr(layer.counts).startswith(
        f"Counts({layer.macs:,} MACs in {layer.compute_cycles:,} cycles, 8 PEs; words at "
    )
    assert f"DRAM {sum(words for level, _, _, words in layer.counts.rows() if level == 'DRAM'):,}, GLB" in repr(
        layer.counts
    )
    pool = result.vector_layers[0]
    assert repr(pool).startswith(f"VectorLayer(POOL1, maxpool: {pool.reads:,} words read, {pool.writes:,} written, ")
    assert repr(result.plot) == (
        "Plots(toynet on toy: energy, cycles, traffic, roofline, array, mapping, power, area, between, plan, data)"
    )
    for thing in (layer, layer.counts, pool, result, result.plot):
        assert len(repr(thing)) < 160 and "\n" not in repr(thing)


def test_rows_can_be_written_as_parquet(result, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    result.to_parquet(tmp_path / "counts.parquet")
    pandas.testing.assert_frame_equal(pandas.read_parquet(tmp_path / "counts.parquet"), result.to_pandas())
    (tmp_path / "file").write_text("")
    with pytest.raises(AccelsimError, match=r"file/counts\.parquet: "):
        result.to_parquet(tmp_path / "file" / "counts.parquet")
    assert {path.name for path in tmp_path.iterdir()} == {"counts.parquet", "file"}


def test_parquet_without_pyarrow_says_what_to_install(result, tmp_path, monkeypatch):
    pytest.importorskip("pandas")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(AccelsimError, match=r"to_parquet needs pyarrow: pip install 'accelsim\[sweep\]'"):
        result.to_parquet(tmp_path / "counts.parquet")
