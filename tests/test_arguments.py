"""What callers may write: names in text or lists, nests as text or levels, numbers as text; else one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fakes
from accelsim import arguments
from accelsim.errors import AccelsimError
from accelsim.mapping.mapping import LoopNest
from accelsim.simulate import compare, simulate

pytestmark = pytest.mark.usefixtures("fake_engine")


def run(**options):
    return simulate(fakes.machine(), fakes.network(), **options)


@pytest.mark.parametrize("layers", ["CONV2,FC*", ["CONV2", "FC*"], ("FC3", "CONV2"), "CONV2, FC3,"])
def test_layers_in_text_or_a_list(layers):
    assert [layer.name for layer in run(layers=layers).layers] == ["CONV2", "FC3"]


def test_numbers_as_text_or_of_numpy():
    assert simulate("eyeriss_isca16_rs", "alexnet", batch="4", layers="FC8").batch == 4
    assert simulate("eyeriss_isca16_rs", "alexnet", batch=np.int64(4), layers="FC8") == simulate(
        "eyeriss_isca16_rs", "alexnet", batch=4, layers="FC8"
    )


@pytest.mark.parametrize(
    "nest",
    [
        LoopNest.parse("DRAM: | GLB: M16 C8"),
        "DRAM: | GLB: M16 C8",
        {"DRAM": {}, "GLB": {"temporal": "M16 C8"}},
        {"DRAM": None, "GLB": {"temporal": ["M16", "C8"]}},
    ],
)
def test_a_nest_as_value_text_or_levels(nest):
    layer = run(mapping={"FC3": nest}).layer("FC3")
    assert str(layer.nest) == "DRAM: | GLB: M16 C8"
    assert layer.mapping_source == "given"


def test_bits_and_parameters_in_text():
    assert run(bits="ifmap=8, psum=24") == run(bits={"ifmap": 8, "psum": 24})
    given = {"parameters": {"rows": 8}}
    assert simulate("eyeriss_isca16_rs", "alexnet", layers="FC8", parameters=["rows=8"]) == simulate(
        "eyeriss_isca16_rs", "alexnet", layers="FC8", **given
    )


def test_dataflows_of_a_comparison_in_text_or_a_list():
    for dataflows in ("row_stationary", ["row_stationary"], ("row_stationary",)):
        assert list(compare(fakes.machine(), fakes.network(), dataflows)) == ["row_stationary"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": "four"}, "batch is 'four'; it must be a whole number"),
        ({"batch": 1.5}, "batch is 1.5; it must be a whole number"),
        ({"batch": True}, "batch is True; it must be a whole number"),
        ({"batch": "0"}, "batch is 0; it must be at least 1"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
        ({"seed": None}, "seed is None; it must be a whole number"),
        ({"layers": 3}, "layers: wanted a name or a list of names, got an int"),
        ({"layers": [3]}, "layers: wanted names, got an int"),
        ({"bits": 8}, "bits: wanted a name or a list of names, got an int"),
        ({"bits": "ifmap"}, "bits ifmap: write KEY=VALUE"),
        ({"bits": "ifmap=8,ifmap=9"}, "bits ifmap=9: ifmap is given twice, as 8 too"),
        ({"parameters": ["rows=8", "rows=16"]}, "parameters rows=16: rows is given twice, as 8 too"),
        ({"mapping": 3}, "mapping: wanted a name, a file or nests by layer name, got an int"),
        ({"mapping": {"FC3": 3}}, "mapping: FC3: wanted a nest, its text or its levels, got an int"),
        ({"mapping": {"FC3": "GLB M16"}}, "mapping: FC3: 'GLB M16': a level reads 'NAME: loops'"),
        ({"mapping": {"FC3": {"GLB": {"temporel": "M16"}}}}, "mapping: FC3.GLB.temporel: unknown key; did you mean"),
        ({"layers": "CONV1,CONV99"}, "no layer of 'toynet' fits 'CONV99'; did you mean 'CONV"),
        ({"layers": ""}, "no layer of 'toynet' fits ''"),
    ],
)
def test_what_is_wrong_is_one_line(options, message):
    with pytest.raises(AccelsimError) as caught:
        run(**options)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(message)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((3, "alexnet"), "architecture: wanted a name, a file or an Architecture, got an int"),
        (("eyeriss", None), "workload: wanted a name, a file or a Network, got nothing"),
        (("eyeriss", ["alexnet"]), "workload: wanted a name, a file or a Network, got a list"),
    ],
)
def test_machine_and_network_are_names_files_or_objects(pair, message):
    with pytest.raises(AccelsimError, match=message):
        simulate(*pair)


def test_a_name_that_is_known():
    assert arguments.known("evaluator", "cycle", ("cycle", "analytical")) == "cycle"
    with pytest.raises(AccelsimError, match=r"unknown evaluator 'cycles'; did you mean 'cycle'\?"):
        arguments.known("evaluator", "cycles", ("cycle", "analytical"))
    arguments.one_of("workload", Path("x"), (int,))


@pytest.mark.parametrize("value", [["rows=\udce9"], "rows=\ud800", {"rows": "\udce9"}, {"\udce9": 4}])
def test_bytes_that_are_no_text_are_refused(value):
    with pytest.raises(AccelsimError, match=r"^parameters '.*\\ud.*': not UTF-8$"):
        arguments.settings("parameters", value)
