"""Parts priced by models of components from elsewhere: in whose units, when, and what is said without them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import pytest

from accelsim.architecture.document import document_of
from accelsim.architecture.model import Architecture
from accelsim.architecture.physical import OwnPart
from accelsim.architecture.yaml import architecture_of
from accelsim.errors import SpecError
from accelsim.yamlfile import Document, parse

HEAD = """\
name: m
source: s
clock: 1 GHz
word: 8 b
levels:
  - {name: DRAM}
  - {name: GLB, array: {size: {x: 16}}}
  - {name: RF, keeps: [filter]}
physical:
  parts:
    ADC:
      source: s
      count: 16
      model: {component: adc, attributes: {n_bits: 8, tech_node: 32.0e-9, throughput: 1.2e+9}}
"""
ACTION = "      actions: {convert: {on: leaving, level: GLB, tensor: psum}}\n"


class Models:
    """What `hwcomponents` gives, in its units: m2, W and J."""

    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def get_area(self, name: str, attributes: dict) -> float:
        self.asked.append((name, attributes))
        return 6313e-12

    def get_leak_power(self, name: str, attributes: dict) -> float:
        return 0.0004436661346415608

    def get_action_cost(self, name: str, attributes: dict, action: str, arguments: dict) -> SimpleNamespace:
        if action != "convert":
            raise RuntimeError(f"Component {name} is supported by models,\n\tbut no model has an action {action}")
        return SimpleNamespace(energy=1.4788871154718692e-12, latency=1e-9, throughput=1e9)


def read(text: str) -> Architecture:
    return architecture_of(parse(HEAD + text, "m.yaml"))


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    found = Models()
    monkeypatch.setitem(sys.modules, "hwcomponents", found)
    return found


def test_numbers_are_in_mm2_mw_and_pj(models: Models) -> None:
    part = read(ACTION).physical.parts["ADC"]
    assert (part.area, part.static, part.count) == (Fraction("0.006313"), Fraction("0.443666135"), 16)
    assert part.actions["convert"].energy == Fraction("1.47888712")
    assert models.asked == [("adc", {"n_bits": 8, "tech_node": 32e-9, "throughput": 1.2e9})]


def test_the_file_goes_before_the_model(models: Models) -> None:
    part = read("      area: 0.5\n      static: 0\n" + ACTION.replace("on:", "energy: 3, on:")).physical.parts["ADC"]
    assert (part.area, part.static, part.actions["convert"].energy) == (Fraction(1, 2), 0, 3)
    assert models.asked == []


def test_a_document_needs_no_models(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = read(ACTION)
    documents = [json.loads(json.dumps(document_of(one))) for one in (machine, replace(machine, document=None))]
    monkeypatch.setitem(sys.modules, "hwcomponents", None)
    for document in documents:
        assert "model" not in document["physical"]["parts"]["ADC"]
        assert architecture_of(Document("again", document)) == machine


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            ACTION.replace("convert:", "turn:"),
            "actions.turn: hwcomponents: Component adc is supported by models, but no model has an action turn",
        ),
        ("      attributes: {}\n", "unknown key"),
    ],
)
def test_what_is_wrong_is_one_line(models: Models, text: str, message: str) -> None:
    with pytest.raises(SpecError) as found:
        read(text)
    (line,) = str(found.value).splitlines()
    assert message in line and line.startswith("m.yaml:1")


@pytest.mark.parametrize("version", [(3, 11), (3, 13)])
def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, version: tuple) -> None:
    monkeypatch.setitem(sys.modules, "hwcomponents", None)
    monkeypatch.setattr(sys, "version_info", (*version, 0, "final", 0))
    with pytest.raises(SpecError) as found:
        read(ACTION)
    (line,) = str(found.value).splitlines()
    assert line.startswith("m.yaml:14:7: physical.parts.ADC.model: 'adc' is priced by hwcomponents")
    assert line.endswith("pip install 'accelsim[components]'")
    assert ("Python 3.12 or later" in line) == (version < (3, 12))


def test_a_part_without_a_model_is_as_before() -> None:
    text = HEAD.partition("      model:")[0] + ACTION.replace("on:", "energy: 2, on:")
    found = architecture_of(parse(text, "m.yaml")).physical.parts["ADC"]
    assert found == OwnPart("s", 16, actions=found.actions)


# ---- the package itself ----------------------------------------------------------------------------------------------


def test_a_converter_of_the_package() -> None:
    """Against figures that the package gave for 8 bits, 32 nm, 1.2 GS/s (hwcomponents 1.0.114, hwcomponents-adc 1.0.21,
    MIT): 1.8486 pJ a convert and 6,313.1 um2. A fifth of that energy is leakage in its model.
    """
    pytest.importorskip("hwcomponents", reason="accelsim[components] is not installed (Python 3.12 or later)")
    pytest.importorskip("hwcomponents_adc", reason="accelsim[components] is not installed (Python 3.12 or later)")
    part = read(ACTION).physical.parts["ADC"]
    convert, leaks = float(part.actions["convert"].energy), float(part.static) / 1.2  # pJ; mW over GS/s
    assert convert + leaks == pytest.approx(1.8486, rel=1e-3)
    assert convert == pytest.approx(0.8 * 1.8486, rel=1e-3)
    assert float(part.area) == pytest.approx(6313.1e-6, rel=1e-3)
    with pytest.raises(SpecError, match="hwcomponents: Component acd is not supported by any models"):
        architecture_of(parse(HEAD.replace("component: adc", "component: acd"), "m.yaml"))
