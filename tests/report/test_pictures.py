"""No picture of a network that ships has letters on letters, cut off, or too small, at any width."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest

import pictures
from accelsim.errors import AccelsimError
from accelsim.report.framing import SIZES
from accelsim.simulate import simulate

KINDS = ("energy", "cycles", "traffic", "roofline", "array", "mapping", "power", "area")
MACHINES = ("eyeriss", "tpu_v1", "simba", "eyeriss_v2")
NETWORKS = ("alexnet", "resnet50", "bert_base", "vgg16")
QUICK = (("eyeriss", "alexnet"), ("tpu_v1", "bert_base"))
HIGHEST = {"column": 9.0, "page": 9.0, "slide": 5.63}
"""Inches: of a page of a paper; of a slide of 16 to 9."""


def run(machine: str, network: str, node: int | None = None):
    dataflow = "row_stationary" if machine == "eyeriss_v2" else None  # it names none
    return simulate(machine, network, dataflow, node=node)


result = cache(run)


def check(found, kind: str) -> None:
    for name, size in SIZES.items():
        axes = getattr(found.plot, kind)(width=name)
        assert pictures.overlaps(axes) == [], (kind, name)
        assert pictures.outside(axes) == [], (kind, name)
        # no factor in a corner of an axis, such as 1e6: it belongs to the unit
        assert not [text for text, _, _ in pictures.texts(axes) if re.fullmatch(r"1e\W?\d+", text)], (kind, name)
        assert pictures.smallest(axes) >= min(size.text, 7)
        wide, high = axes.figure.get_size_inches()
        assert wide == size.width and high <= HIGHEST[name], (kind, name, high)


@pytest.mark.parametrize("kind", KINDS[:6])
@pytest.mark.parametrize(("machine", "network"), QUICK)
def test_letters_lie_on_nothing(machine, network, kind):
    check(result(machine, network), kind)


@pytest.mark.nightly
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("machine", MACHINES)
def test_letters_lie_on_nothing_on_any_machine(machine, network):
    """All kinds of a pair in one test: however they are spread over processes, each pair is run once."""
    own = run(machine, network)
    wrong = {}
    for kind in KINDS:
        priced = own
        if kind == "area" or (kind == "power" and own.energy_unit != "pJ"):
            try:
                priced = at_a_process(own)
            except AccelsimError as error:
                if not str(error).startswith("energy table 'cmos_45nm': level "):
                    raise
                continue  # some levels say too little to be priced by a process
        try:
            check(priced, kind)
        except AssertionError as error:
            wrong[kind] = str(error)
    assert wrong == {}


def at_a_process(own):
    """The same mappings, priced at 45 nm: nothing is searched for again."""
    return simulate(
        own.architecture, own.ran.network, own.dataflow or None, node=45,
        mapping={layer.name: layer.nest for layer in own.layers},
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["power", "area"])
def test_letters_of_power_and_area_lie_on_nothing(kind):
    check(result("eyeriss", "alexnet", 65), kind)


@pytest.mark.parametrize("kind", ["energy", "cycles", "roofline"])
def test_a_network_of_150_layers_can_be_read(kind):
    """Of names with blocks in them, and of names that say nothing."""
    few = result("eyeriss", "alexnet")
    for names in (
        [f"block{at // 6}_branch{at % 6}_conv" for at in range(150)],
        [f"node_of_a_graph_{at:03}/Conv_output_0" for at in range(150)],
    ):
        layers = tuple(replace(few.layers[at % 5], name=name) for at, name in enumerate(names))
        check(replace(few, layers=layers, ran=None), kind)


@pytest.mark.parametrize("kind", ["energy", "cycles", "mapping"])
def test_names_of_any_length_fit(kind):
    few = result("eyeriss", "alexnet")
    names = ["a" * 300, "$x_0$ \x1b[31m", "_" * 50, "W" * 23, "b c d e f g h i j k l", "-", "网络", "layer–of–dashes"]
    layers = tuple(replace(layer, name=name) for layer, name in zip(few.layers, names, strict=True))
    try:
        check(replace(few, layers=layers, workload="n" * 200, ran=None), kind)
    except AccelsimError as error:
        pytest.fail(str(error))
