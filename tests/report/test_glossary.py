"""Every number a user sees is explained."""

from __future__ import annotations

import pytest

import fakes
from accelsim.errors import AccelsimError
from accelsim.report.glossary import GLOSSARY, explain
from accelsim.simulate import simulate

NOT_NUMBERS = {"name", "op", "layers", "mapping", "mapping_source", "exact", "counts", "network"}


def test_every_number_of_the_document_is_explained(fake_engine):
    document = fakes.with_zeros(simulate(fakes.machine(), fakes.network())).to_dict()
    total = document["total"]
    named = set(document["layers"][0]) | set(document["vector_layers"][0]) | set(total) | set(total["vector"])
    named -= NOT_NUMBERS
    assert {name.removeprefix("processing_stall_") or name for name in named} - set(GLOSSARY) <= {"cycles"}


def test_what_compression_gives_is_explained(fake_engine):
    part = fakes.with_zeros(simulate(fakes.machine(), fakes.network())).to_dict()["layers"][0]["compression"][0]
    entry = explain("compression")
    for name in set(part) - {"level", "tensor", "action", "format"}:
        assert name.replace("nonzero", "non-zero") in f"{entry.meaning} {entry.formula}", name


@pytest.mark.parametrize("arch", ["eyeriss", "tpu_v1", "nvdla_full"])
def test_every_action_of_an_account_is_explained(arch):
    """A machine's own parts name their actions; all others have an entry."""
    result = simulate(arch, "alexnet", layers="CONV3", node=28, evaluator="analytical")
    for row in result.energy_rows():
        assert all(explain(row.action)), row.action


@pytest.mark.parametrize("name", sorted(GLOSSARY))
def test_every_entry_is_complete(name):
    assert all(explain(name))


def test_spelling_is_forgiven_or_helped():
    assert explain("Stall cycles") is GLOSSARY["stall_cycles"]
    with pytest.raises(AccelsimError, match=r"did you mean 'utilization'\?"):
        explain("utilisation")
