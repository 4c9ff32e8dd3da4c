"""`validate`: every error of every file, and of what it names."""

import pytest
from typer.testing import CliRunner

from accelsim.architecture.document import document_of
from accelsim.architecture.yaml import load_architecture
from accelsim.checks import check_file
from accelsim.cli import app
from accelsim.errors import AccelsimError
from accelsim.mapping.dataflows import dataflow
from accelsim.yamlfile import builtin, folder

MACHINE = """\
name: mine
source: s
clock: 1 GHz
word: 8 b
dataflow: {dataflow}
energy: {energy}
levels:
  - {{name: DRAM{more}}}
  - {{name: {buffer}, capacity: {capacity}, array: {{size: {{x: 2}}}}}}
  - {{name: RF, capacity: 1 KiB}}
"""
GOOD = {"dataflow": "weight_stationary", "energy": "horowitz_45nm", "more": "", "buffer": "GLB", "capacity": "64 KiB"}


def written(path, **changes):
    path.write_text(MACHINE.format(**{**GOOD, **changes}))
    return path


def lines(file):
    with pytest.raises(AccelsimError) as error:
        check_file(file)
    return str(error.value).splitlines()


@pytest.mark.parametrize("name", builtin("arch"))
def test_shipped_machines_are_fine(name):
    first, *free = check_file(folder("arch") / f"{name}.yaml")
    assert first == f"architecture '{name}' is fine"
    assert free
    assert all(line.startswith("  free: ") for line in free)


def test_every_reference_is_resolved_and_all_is_told(tmp_path):
    file = written(
        tmp_path / "m.yaml", dataflow="weight_stationery", buffer="GLBB", more=", capcity: 3 B", capacity="1 parsec"
    )
    found = [line.partition("m.yaml:")[2] for line in lines(file)]
    assert [line.split(": ")[:2] for line in found] == [
        ["5:11", "dataflow"],
        ["8:18", "levels.0.capcity"],
        ["9:12", "levels.1.name"],
        ["9:28", "levels.1.capacity"],
    ]
    assert "did you mean 'weight_stationary'?" in found[0]
    assert "no component 'GLBB' for level 'GLBB'; did you mean 'GLB'?" in found[2]


def test_a_size_the_table_does_not_price(tmp_path):
    (line,) = lines(written(tmp_path / "m.yaml", capacity="4 KiB"))
    assert "m.yaml:9:17: levels.1.capacity: 4 KiB is outside what its source gives (8 KiB" in line


def test_unknown_table_and_files_that_are_not_there(tmp_path):
    (line,) = lines(written(tmp_path / "m.yaml", energy="horowitz"))
    assert "m.yaml:6:9: energy: unknown energy table 'horowitz'; did you mean 'horowitz_45nm'?" in line
    found = lines(written(tmp_path / "m.yaml", energy="mine.yaml", dataflow="mine.yaml"))
    assert [line.partition("m.yaml:")[2][:14] for line in found] == ["5:11: dataflow", "6:9: energy: N"]


def test_errors_of_the_files_it_names(tmp_path):
    (tmp_path / "flow.yaml").write_text("source: s\nkeeps: [weights]\n")
    (tmp_path / "table.yaml").write_text("name: t\nsource: s\nunit: kJ\nmac: 1\nnetwork: {hop: 0}\ncomponents: {}\n")
    found = lines(written(tmp_path / "m.yaml", dataflow="flow.yaml", energy="table.yaml", more=", keep: [ifmap]"))
    assert len(found) == 3
    assert "m.yaml:8:" in found[0]
    assert "flow.yaml:2:9: keeps.0: unknown tensor 'weights'" in found[1]
    assert "table.yaml:3:7: unit: unknown unit 'kJ'" in found[2]


def test_a_dataflow_file_beside_the_machine(tmp_path, monkeypatch):
    """A path is relative to the file it stands in, wherever the run is started."""
    own = tmp_path / "deep" / "own.yaml"
    own.parent.mkdir()
    own.write_text((dataflow.HERE / "weight_stationary.yaml").read_text())
    machine = written(own.parent / "m.yaml", dataflow="own.yaml")
    monkeypatch.chdir(tmp_path)
    assert check_file("deep/m.yaml")[0] == "architecture 'mine' is fine"
    assert check_file("deep/own.yaml") == ["dataflow 'own' is fine"]
    found = load_architecture("deep/m.yaml")
    assert dataflow.load(found.dataflow).keeps == dataflow.load("weight_stationary").keeps
    assert document_of(found)["dataflow"] == found.dataflow
    assert load_architecture(machine).dataflow.endswith("own.yaml")
    with pytest.raises(AccelsimError, match="no such file"):
        dataflow.load("own.yaml")
    with pytest.raises(AccelsimError, match="did you mean 'row_stationary'"):
        dataflow.load("row_stationry")


def test_the_command_tells_all_of_all_files(tmp_path):
    bad = written(tmp_path / "bad.yaml", dataflow="x")
    worse = written(tmp_path / "worse.yaml", buffer="X")
    good = written(tmp_path / "good.yaml")
    result = CliRunner().invoke(app, ["validate", str(bad), str(good), str(worse)])
    assert result.exit_code == 2
    assert "good.yaml: architecture 'mine' is fine" in result.output
    assert "free: no link: ifmap, filter, psum from DRAM to GLB" in result.output
    assert "bad.yaml:5:11: dataflow: unknown" in result.output
    assert "worse.yaml:9:12: levels.1.name: energy table" in result.output
