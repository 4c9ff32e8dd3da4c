"""Machines as the data of a file, and back."""

import json
from copy import deepcopy
from dataclasses import fields, replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.architecture.document import document_of
from accelsim.architecture.model import Fanout, Level, Network, NetworkKind, Port
from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.errors import AccelsimError
from accelsim.workload.problem import Padding, Tensor
from accelsim.yamlfile import Document, builtin
from strategies import case, dram_case, mesh_case, sparse_case, sparse_mesh_case


def again(machine):
    """The machine of the machine's document, which JSON holds."""
    data = document_of(machine)
    text = json.dumps(data)
    assert json.loads(text) == data
    return architecture_of(Document("again", json.loads(text)))


def same(machine):
    found = again(machine)
    for field in fields(machine):
        if field.compare:
            assert getattr(found, field.name) == getattr(machine, field.name), field.name
    assert found == machine
    assert replace(found, clock_hz=123456789.0) == replace(machine, clock_hz=123456789.0)


@pytest.mark.parametrize("name", builtin("arch"))
def test_shipped_machines(name):
    machine = load_architecture(name)
    same(machine)
    # written anew from the object, as for one that code has built
    same(replace(machine, document=None))


VARIANTS = {
    "systolic_os": {"rows": 8, "cols": 16, "lowering": "none"},
    "eyeriss_isca16_osa": {"cols": 32, "glb": "400 kB"},
    "tpu_v1": {"rows": 64, "host": "20 words"},
    "simba": {"chiplets_y": 1, "chiplets_x": 2, "hop": "7 ns"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_parameters_are_put_in(name):
    declared = load_architecture(name).document["parameters"]
    machine = load_architecture(name, {k: v for k, v in VARIANTS[name].items() if k in declared})
    assert "parameters" not in document_of(machine)
    assert "$" not in json.dumps({k: v for k, v in document_of(machine).items() if k not in ("name", "source")})
    same(machine)
    same(replace(machine, document=None))


@pytest.mark.parametrize("name", builtin("arch"))
def test_machines_that_code_has_changed(name):
    machine = load_architecture(name)
    first, *others = machine.levels
    network = replace(first.fanout.network(Tensor.IFMAP), latency=7, latency_s=None)
    fanout = replace(first.fanout, networks={**first.fanout.networks, Tensor.IFMAP: network})
    for changed in (
        replace(machine, clock_hz=machine.clock_hz * 2 / 3),
        replace(machine, padding=Padding.STORED, name="other"),
        replace(machine, pipeline=9),
        replace(machine, levels=(replace(first, fanout=fanout), *others)),
        replace(machine, levels=(first, *(replace(level, halo_reuse=False) for level in others))),
    ):
        same(changed)


def test_a_document_is_a_copy():
    machine = load_architecture("eyeriss")
    before = deepcopy(machine.document)
    document_of(machine)["levels"][0]["name"] = "X"
    assert machine.document == before


@pytest.mark.parametrize("draw", [case, dram_case, mesh_case, sparse_case, sparse_mesh_case])
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_drawn_machines(draw, seed):
    same(draw(Random(seed)).architecture)


def test_a_machine_no_file_can_describe_is_refused():
    chain = Network(NetworkKind.CHAIN, down=Port("bus", Fraction(1)))
    machine = load_architecture("eyeriss")
    odd = Level("odd", fanout=Fanout(networks={Tensor.IFMAP: chain}))
    with pytest.raises(AccelsimError, match=r"no file can describe it: .*chain adds psums"):
        document_of(replace(machine, levels=(odd,), serial=None, skew=False))
