"""The pipeline around a made-up engine: what is simulated once, what is summed, what the document says."""

from __future__ import annotations

import csv
import io
import json
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction

import pytest

import accelsim
import fakes
from accelsim.energy.rows import total
from accelsim.errors import AccelsimError, MappingError, WorkloadError
from accelsim.report import table as tables
from accelsim.report.files import counts_csv
from accelsim.result import Comparison, Result
from accelsim.simulate import compare, simulate
from accelsim.yamlfile import builtin

pytestmark = pytest.mark.usefixtures("fake_engine")


@pytest.fixture
def result(fake_engine):
    return simulate(fakes.machine(), fakes.network())


def test_identical_problems_are_simulated_once(fake_engine):
    result = simulate(fakes.machine(), fakes.network())
    assert fake_engine == {"evaluate": 2, "best": 2}
    assert [layer.name for layer in result.layers] == ["CONV1", "CONV2", "FC3"]
    assert result.layer("CONV1").counts is result.layer("CONV2").counts
    assert [layer.name for layer in result.vector_layers] == ["POOL1"]


def test_totals_multiply_repeats(result):
    conv, fc = result.layer("CONV1"), result.layer("FC3")
    assert (conv.repeat, fc.repeat) == (1, 3)
    sums = result.total
    assert sums.macs == 2 * conv.counts.macs + 3 * fc.counts.macs
    assert sums.cycles == 2 * conv.timing.cycles + 3 * fc.timing.cycles
    assert sums.energy_exact == 2 * conv.energy_exact + 3 * fc.energy_exact == total(result.energy_rows())
    assert sums.energy == float(sums.energy_exact) and sums.energy_unit == "MAC"
    assert sums.cycles == sums.compute_cycles + sum(sums.stall_cycles.values())


def test_active_pes_are_weighted_by_working_cycles(result):
    runs = [(layer.counts, layer.repeat) for layer in result.layers]
    weight = sum(counts.compute_cycles * repeat for counts, repeat in runs)
    mean = sum(counts.active_pes * counts.compute_cycles * repeat for counts, repeat in runs) / weight
    assert result.total.active_pes == mean


def test_utilization_is_macs_over_slots(result):
    layer = result.layer("CONV1")
    assert result.utilization(layer.counts.macs, layer.timing.cycles) == layer.counts.macs / (8 * layer.timing.cycles)


def test_tidy_rows_hold_every_energy_once(result):
    for layer in result.layers:
        rows = [row for row in result.table if row["layer"] == layer.name]
        assert sum(Fraction(row["energy"]) for row in rows) == layer.repeat * layer.energy_exact
        assert {(row["op"], row["repeat"]) for row in rows} == {(layer.op, layer.repeat)}
        keys = [(row["level"], row["tensor"], row["action"]) for row in rows]
        assert len(keys) == len(set(keys))
        cells = {(level, tensor, action, layer.repeat * words) for level, tensor, action, words in layer.counts.rows()}
        assert cells <= {(r["level"], r["tensor"], r["action"], r["words"]) for r in rows}


def test_tidy_rows_under_isca16_too():
    result = simulate(fakes.machine(), fakes.network(), accounting="isca16")
    rows = [row for row in result.table if row["layer"] == "FC3"]
    assert sum(Fraction(row["energy"]) for row in rows) == 3 * result.layer("FC3").energy_exact
    assert result.to_dict()["energy_accounting"] == "isca16"


def test_to_pandas_has_units_in_its_columns(result):
    frame = result.to_pandas()
    words, energy = "words [words]", "energy [MAC]"
    assert list(frame.columns) == ["layer", "op", "repeat", "level", "tensor", "action", words, energy]
    assert len(frame) == len(result.table)
    assert frame[energy].sum() == result.total.energy
    assert frame[frame["level"] == "MAC"][words].sum() == result.total.macs
    others = result.to_pandas(vector=True)
    assert list(others.columns) == list(frame.columns)
    assert others[energy].sum() == result.vector.energy


def test_the_document(result):
    document = json.loads(json.dumps(result.to_dict()))
    top = "architecture workload dataflow evaluator version energy_unit energy_table layers total"
    assert set(top.split()) <= set(document)
    assert document["version"] == accelsim.__version__
    layer = document["layers"][0]
    wanted = "name macs cycles processing_cycles stall_cycles active_pes utilization counts energy energy_breakdown"
    assert set(wanted.split()) | {"mapping"} <= set(layer)
    assert set(layer["counts"][0]) == {"level", "tensor", "action", "words"}
    assert set(layer["energy_breakdown"][0]) == {"component", "tensor", "action", "energy"}
    assert layer["cycles"] == layer["compute_cycles"] + sum(layer["stall_cycles"].values())
    assert layer["energy"] == sum(row["energy"] for row in layer["energy_breakdown"])
    total = document["total"]
    assert total["energy"] == sum(row["energy"] for row in total["energy_breakdown"])
    assert total["energy"] == sum(layer["energy"] * layer["repeat"] for layer in document["layers"])
    for row in total["counts"]:
        cells = [
            layer["repeat"] * other["words"]
            for layer in document["layers"]
            for other in layer["counts"]
            if all(other[key] == row[key] for key in ("level", "tensor", "action"))
        ]
        assert row["words"] == sum(cells)


def test_the_document_of_a_run_that_saw_zeros(result):
    assert result.to_dict()["operands"] == "dense"
    assert not {"effectual_macs", "compression"} & set(result.to_dict()["layers"][0])
    document = json.loads(json.dumps(fakes.with_zeros(result).to_dict()))
    assert document["operands"] == "densities of workload 'toynet', seed 0"
    layer, total = document["layers"][0], document["total"]
    assert layer["effectual_macs"] <= layer["visited_macs"] <= layer["macs"]
    (part,) = layer["compression"]
    assert set(part) == {"level", "tensor", "action", "format", "raw", "nonzero", "words", "metadata", "ratio"}
    assert part["metadata"] == part["words"] - part["nonzero"]
    assert part["ratio"] == part["raw"] / part["words"] == 4
    for key in ("effectual_macs", "visited_macs"):
        assert total[key] == sum(layer[key] * layer["repeat"] for layer in document["layers"])
    assert total["imbalance"] == layer["imbalance"] == 2


def test_the_document_is_the_same_every_time(fake_engine):
    first, second = (json.dumps(simulate(fakes.machine(), fakes.network()).to_dict()) for _ in range(2))
    assert first == second


def test_html_names_units_and_source(result):
    html = result._repr_html_()
    assert "[ms]" in html
    assert "Chen, Emer and Sze" in html


def test_given_mappings_are_used_and_the_rest_is_searched_and_marked(fake_engine):
    network = fakes.network()
    given = {"CONV1": fakes.nest(network.layers[0].problem)}
    result = simulate(fakes.machine(), network, mapping=given)
    assert [layer.mapping_source for layer in result.layers] == ["given", "search", "search"]
    assert fake_engine["best"] == 2


def test_a_mapping_for_a_layer_that_is_not_there_is_refused():
    with pytest.raises(MappingError, match=r"no layer 'CONVl'; did you mean 'CONV[12]'\?"):
        simulate(fakes.machine(), fakes.network(), mapping={"CONVl": fakes.nest(fakes.network().layers[0].problem)})


def test_layers_are_chosen_by_glob():
    result = simulate(fakes.machine(), fakes.network(), layers="CONV2,FC*")
    assert [layer.name for layer in result.layers] == ["CONV2", "FC3"]
    with pytest.raises(WorkloadError, match="CONV1, POOL1, CONV2, FC3"):
        simulate(fakes.machine(), fakes.network(), layers="conv*")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataflow": "row_stationery"}, r"unknown dataflow 'row_stationery'; did you mean 'row_stationary'\?"),
        ({"evaluator": "cycles"}, r"unknown evaluator 'cycles'; did you mean 'cycle'\?"),
        ({"objective": "enrgy"}, r"unknown objective 'enrgy'; did you mean 'energy'\?"),
        ({"energy": "horowitz"}, "unknown energy table"),
        ({"accounting": "isca"}, "unknown accounting"),
        ({"batch": 0}, "batch is 0; it must be at least 1"),
        ({"batch": 4}, "was built for batch 1, not 4"),
    ],
)
def test_what_is_not_known_is_refused(options, message):
    with pytest.raises(AccelsimError, match=message):
        simulate(fakes.machine(), fakes.network(), **options)


def test_no_dataflow_at_all_is_refused_unless_every_mapping_is_given():
    machine, network = fakes.machine(dataflow=""), fakes.network()
    with pytest.raises(AccelsimError, match="names no dataflow and none was given"):
        simulate(machine, network)
    given = {layer.name: fakes.nest(layer.problem) for layer in network.mac_layers}
    assert simulate(machine, network, mapping=given).dataflow == ""


def test_a_layer_that_cannot_run_is_named():
    with pytest.raises(MappingError, match=r"^CONV1, CONV2: GLB psum: needs 9 bits, has 8 bits$"):
        simulate(fakes.machine(), fakes.network(), "weight_stationary")


def test_compare_reports_what_cannot_run_and_goes_on():
    comparison = compare(fakes.machine(), fakes.network())
    assert list(comparison) == ["row_stationary", "weight_stationary"]
    assert [layer.name for layer in comparison["weight_stationary"].layers] == ["FC3"]
    assert [failure[:2] for failure in comparison.failures] == [
        ("weight_stationary", "CONV1"),
        ("weight_stationary", "CONV2"),
    ]
    only = compare(fakes.machine(), fakes.network(), layers="CONV*")
    assert list(only) == ["row_stationary"]
    assert "CONV1, CONV2: GLB psum" in only.missing["weight_stationary"]


def test_compare_takes_a_family_of_machines(monkeypatch):
    families = ("soc_mop", "moc_mop", "moc_sop")
    names = (*fakes.DATAFLOWS, "no_local_reuse", *(f"output_stationary_{family}" for family in families))
    monkeypatch.setattr(sys.modules["accelsim.mapping.dataflows"], "NAMES", names)
    comparison = compare("eyeriss_isca16", fakes.network(), layers="FC3")
    assert {"rs", "ws", "nlr"} <= set(comparison) | set(comparison.missing)


def test_values_show_themselves_in_one_line(result):
    assert repr(result) == "Result(toynet on toy: 3 layers, 2,568 cycles, 0.01284 ms, 5.269e+05 MAC energies)"
    assert repr(result.layer("FC3")).startswith("LayerResult(FC3 x3: 128 MACs, ")
    comparison = compare(fakes.machine(), fakes.network(), layers="CONV*")
    assert repr(comparison) == "Comparison(row_stationary; 1 not run)"
    assert repr(fakes.machine()) == "Architecture(toy: DRAM > GLB > RF, 8 PEs at 200 MHz)"
    assert repr(fakes.network()) == "Network(toynet, batch 1: 4 layers, 15936 MACs)".replace("15936", "15,936")
    assert repr(result.layer("FC3").nest) == "LoopNest('DRAM: | GLB: M16 C8')"
    for value in (result.energy_table, result.total, result.vector, result.layers[0], result.ran):
        assert len(repr(value).splitlines()) == 1


def test_equal_runs_are_equal_and_have_one_hash(result):
    other = simulate(fakes.machine(), fakes.network())
    assert other == result and hash(other) == hash(result)
    assert other.layers[0] == result.layers[0] and hash(other.layers[0]) == hash(result.layers[0])
    assert other.layers[0].counts == result.layers[0].counts != result.layers[2].counts
    assert len({other, result, simulate(fakes.machine(), fakes.network(), layers="FC3")}) == 2
    assert simulate(fakes.machine(), fakes.network(), seed=1) != result
    for value in (fakes.machine(), fakes.network(), result.energy_table, result.total, result.vector, result.ran,
                  result.layers[0].counts, result.layers[0].timing, result.layers[0].nest):  # fmt: skip
        assert isinstance(hash(value), int)
    pair = [compare(fakes.machine(), fakes.network()) for _ in range(2)]
    assert pair[0] == pair[1] and hash(pair[0]) == hash(pair[1])


def test_copies_are_of_the_same_kind(result):
    comparison = compare(fakes.machine(), fakes.network(), layers="CONV*")
    for kind, value in ((Result, result), (Comparison, comparison)):
        for copy in (replace(value), pickle.loads(pickle.dumps(value))):
            assert type(copy) is kind and copy == value and hash(copy) == hash(value) and repr(copy) == repr(value)
        with pytest.raises(FrozenInstanceError):
            value.note = "mine"


def test_names_of_objects_are_those_of_the_document(result):
    document = result.to_dict()
    total = {key: value for key, value in document["total"].items() if hasattr(result.total, key)}
    assert {key: getattr(result.total, key) for key in total} == total
    assert {"macs", "cycles", "ms", "stall_cycles", "utilization", "active_pes", "energy"} <= set(total)
    for layer, entry in zip(result.layers, document["layers"], strict=True):
        for key in ("name", "op", "repeat", "macs", "cycles", "processing_cycles", "compute_cycles", "stall_cycles",
                    "active_pes", "energy", "mapping_source"):  # fmt: skip
            assert getattr(layer, key) == entry[key], key
    for key in ("reads", "writes", "vector_ops", "cycles", "processing_cycles", "energy"):
        assert getattr(result.vector, key) == document["total"]["vector"][key]
        assert getattr(result.vector_layers[0], key) == document["vector_layers"][0][key]
    assert document["energy_unit"] == result.energy_unit == result.total.energy_unit


def test_without_pandas_the_extra_is_named(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(AccelsimError, match=r"^to_pandas needs pandas: pip install 'accelsim\[pandas\]'$"):
        result.to_pandas()


def test_a_layer_that_was_not_run_is_one_line(result):
    with pytest.raises(AccelsimError, match=r"^no layer 'FC4' was run; did you mean 'FC3'\?"):
        result.layer("FC4")


def test_an_error_in_a_notebook_is_its_message():
    with pytest.raises(AccelsimError) as caught:
        simulate(fakes.machine(), fakes.network(), evaluator="cycles")
    (line,) = caught.value._render_traceback_()
    assert line.startswith("AccelsimError: unknown evaluator 'cycles'; did you mean 'cycle'?")


def test_progress_is_told_each_layer():
    steps = []
    simulate(fakes.machine(), fakes.network(), progress=lambda *step: steps.append(step))
    assert steps == [(0, 3, "CONV1"), (1, 3, "CONV2"), (2, 3, "FC3")]


def test_importing_the_package_loads_nothing_heavy():
    code = "import accelsim, sys; print([m for m in ('numba', 'matplotlib', 'pandas', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", builtin("workload"))
def test_rows_add_up_to_the_total_that_is_printed(name):
    """Of every shipped network; the shapes of layers are theirs, what a made-up engine counts is enough."""
    result = simulate("eyeriss_isca16_rs", name, evaluator="analytical")
    frame, document = result.to_pandas(), result.to_dict()["total"]
    energy = frame["energy [MAC]"]
    assert energy.sum() == pytest.approx(document["energy"], rel=1e-12)
    cells = frame[frame["level"].isin(["DRAM", "GLB", "RF"])].groupby(["level", "tensor", "action"])["words [words]"]
    told = {(row["level"], row["tensor"], row["action"]): row["words"] for row in document["counts"]}
    assert {key: int(words) for key, words in cells.sum().items() if key in told} == told
    assert frame[frame["level"] == "MAC"]["words [words]"].sum() == document["macs"]
    by_layer = frame.groupby("layer")["energy [MAC]"].sum()
    for layer in result.layers:
        assert by_layer[layer.name] == pytest.approx(layer.energy * layer.repeat, rel=1e-12)
    others = result.to_pandas(vector=True)
    assert others["energy [MAC]"].sum() == pytest.approx(document["vector"]["energy"], rel=1e-12)
    assert not set(others["op"]) & {"conv", "fc", "matmul", "depthwise"}
    columns = list(csv.DictReader(io.StringIO(counts_csv(result))))
    assert sum(float(row["energy_MAC"]) for row in columns) == pytest.approx(document["energy"], rel=1e-12)
    printed = tables.type_grid(result)
    scale, _ = tables.energy_scale("MAC", document["energy"])
    assert printed.rows[-1][-1] == tables.number(energy.sum() / scale)
    megabytes = cells.sum().groupby("level").sum() * 2 / 1e6
    printed = tables.moved_grid(result)
    assert printed.rows[-1][1:4] == tuple(tables.number(megabytes[level]) for level in ("DRAM", "GLB", "RF"))
