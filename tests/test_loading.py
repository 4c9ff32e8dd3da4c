"""Results read from files: what is damaged, edited or too old is one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from accelsim.errors import AccelsimError
from accelsim.report.files import document_text
from accelsim.result import Result
from accelsim.simulate import rerun, simulate

pytestmark = pytest.mark.usefixtures("fake_engine")


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("r.json").write_text(document_text(simulate("eyeriss_isca16_rs", "alexnet", layers="CONV1,POOL1,FC8")))
    return Path("r.json")


def spoil(file, place, value):
    document = json.loads(file.read_text())
    at = document
    for step in place[:-1]:
        at = at[step]
    if value is KeyError:
        del at[place[-1]]
    else:
        at[place[-1]] = value
    file.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("ran",), KeyError, "r.json: ran: missing: this result does not say what it ran"),
        (("ran", "machine"), None, "r.json: ran.machine: missing"),
        (("ran", "machine", "levels", 0, "nmae"), "x", "r.json: ran.machine: levels.0.nmae: unknown key"),
        (("ran", "seed"), "x", "r.json: ran.seed: should be a"),
        (("ran", "network", "layers", 0, "name"), "CONV0", "network 'alexnet': layer"),
        (("layers",), 5, "r.json: layers: should be a list, got '5'"),
        (("layers", 0, "name"), "CONV9", "r.json: layers.0.name: ran.network has no layer 'CONV9' that multiplies"),
        (("layers", 0, "cycles"), KeyError, "r.json: layers.0.cycles: missing"),
        (("layers", 0, "cycles"), 10**30, "r.json: not JSON: an integer of 31 digits; allowed are 30"),
        (("layers", 0, "cycles"), -1, "r.json: layers.0.cycles: should be greater than or equal to 0"),
        (("layers", 0, "counts", 0, "level"), "L9", "r.json: layers.0.counts: unknown 'L9' (DRAM, GLB, RF)"),
        (("layers", 0, "counts", 0, "words"), 3, "r.json: layers.0.energy: is "),
        (("layers", 0, "bits", "ifmap"), 99, "r.json: layers.0.bits.ifmap: "),
        (("total", "energy"), 1.0, "r.json: total.energy: is 1.0, where the rest of the file gives "),
        (("total",), [], "r.json: total: is [], where the rest of the file gives "),
        (("energy_unit",), KeyError, "r.json: not a result"),
        (("ran", "sha256", "machine"), "0", 'r.json: ran.sha256.machine: is "0", where the rest of the file gives '),
    ],
)
def test_damage_is_one_line(file, place, value, message):
    spoil(file, place, value)
    for read in (Result.load, rerun):
        with pytest.raises(AccelsimError) as caught:
            read(file)
        (line,) = str(caught.value).splitlines()
        assert line.startswith(message), line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "r.json: not JSON: "),
        ("[" * 100_000, "r.json: not JSON: nested too deeply"),
        ("[]", "r.json: not a result"),
        ('{"energy_unit": NaN}', "r.json: not JSON: NaN is no number"),
    ],
)
def test_so_is_what_is_no_result(file, text, message):
    file.write_text(text)
    with pytest.raises(AccelsimError, match=message):
        Result.load(file)
    file.unlink()
    with pytest.raises(AccelsimError, match=r"r\.json: No such file or directory"):
        Result.load(file)


def test_operands_are_known_by_their_hash_and_changed_ones_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(
        "name: net\nsource: test\ninput: {C: 2, H: 4, W: 4}\nlayers:\n  CONV1: {op: conv, M: 3, kernel: 3}\n"
    )
    Path("data").mkdir()
    np.save("data/CONV1.ifmap.npy", np.ones((1, 2, 4, 4), np.int8))
    for machine in ("eyeriss", "eyeriss_isca16_rs"):
        result = simulate(machine, "net.yaml", data="data")
        assert list(result.to_dict()["ran"]["sha256"]["operands"]) == ["data/CONV1.ifmap.npy"]
        Path("r.json").write_text(document_text(result))
        assert document_text(rerun("r.json")) == document_text(result)
        np.save("data/CONV1.ifmap.npy", np.zeros((1, 2, 4, 4), np.int8))
        with pytest.raises(AccelsimError, match=r"data/CONV1\.ifmap\.npy: has changed since this result was written"):
            rerun("r.json")
        assert Result.load("r.json") == result
        np.save("data/CONV1.ifmap.npy", np.ones((1, 2, 4, 4), np.int8))
