"""Files of one's own: by path, in a folder on ACCELSIM_PATH, of an installed package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import accelsim
from accelsim import cache, folders
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.load import load_table
from accelsim.errors import AccelsimError
from accelsim.mapping.dataflows import load as load_dataflow
from accelsim.mapping.yaml import load_mappings
from accelsim.report.catalogue import find, listing
from accelsim.simulate import simulate
from accelsim.workload.yaml import load_network
from accelsim.yamlfile import folder, found, named, resolve

TINY = "name: tiny\nsource: test\ninput: {C: 8, H: 4, W: 4}\nlayers:\n  A: {op: conv, M: 8, kernel: 1}\n"
LOADERS = {
    "arch": (load_architecture, "systolic_os"),
    "workload": (load_network, "alexnet"),
    "mapping": (load_mappings, "eyeriss_alexnet_jssc17"),
    "energy": (load_table, "horowitz_45nm"),
    "dataflow": (load_dataflow, "output_stationary_systolic"),
}


def fill(where: Path, name: str = "mine") -> Path:
    """A folder with a copy of one file of each kind."""
    for kind, (_, shipped) in LOADERS.items():
        (where / folders.KINDS[kind]).mkdir(parents=True)
        text = (folder(kind) / f"{shipped}.yaml").read_text()
        (where / folders.KINDS[kind] / f"{name}.yaml").write_text(text)
    return where


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder on the path."""
    monkeypatch.setenv(folders.PATH, str(fill(tmp_path / "own")))
    return tmp_path / "own"


@pytest.mark.parametrize("kind", LOADERS)
def test_a_name_in_a_folder_of_ones_own(own, kind):
    load, shipped = LOADERS[kind]
    assert load("mine") is not None
    assert named(kind, "mine") == own / folders.KINDS[kind] / "mine.yaml"
    assert found(kind)["mine"].origin == folders.PATH and not found(kind)[shipped].origin


@pytest.mark.parametrize("kind", LOADERS)
def test_a_name_that_is_near(own, kind):
    with pytest.raises(AccelsimError, match="did you mean 'mine'") as caught:
        LOADERS[kind][0]("mines")
    assert "\n" not in str(caught.value)


def test_the_first_folder_goes_before_the_others_and_all_before_what_ships(own, tmp_path, monkeypatch, capsys):
    second = fill(tmp_path / "second", "alexnet")
    fill(second / "third", "alexnet")
    monkeypatch.setenv(folders.PATH, os.pathsep.join(map(str, (own, second, second / "third"))))
    monkeypatch.setenv(cache.QUIET, "0")
    assert resolve("workload", "alexnet") == second / "workloads" / "alexnet.yaml"
    resolve("workload", "alexnet")
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and "workload 'alexnet' is" in told[0] and "which hides" in told[0]
    assert found("workload")["alexnet"].hides.path == second / "third" / "workloads" / "alexnet.yaml"
    assert found("workload")["alexnet"].hides.hides.path == folder("workload") / "alexnet.yaml"


def test_a_path_goes_before_any_name(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine").write_text(TINY)
    assert load_network("mine").name == "tiny"


def test_the_list_says_where_each_comes_from(own):
    (own / "workloads" / "alexnet.yaml").write_text(TINY)
    (own / "workloads" / "broken.yaml").write_bytes(b"\xff")
    lines = list(listing(0))
    at = lines.index(f"workloads of {own / 'workloads'}, {folders.PATH}:")
    assert [line.split()[0] for line in lines[at + 1 : at + 4]] == ["alexnet", "broken", "mine"]
    assert "cannot be read" in lines[at + 2]
    assert any(line.split()[:2] == ["alexnet", "(hidden)"] for line in lines[:at])
    assert find("alexnet").path == own / "workloads" / "alexnet.yaml"


def test_a_run_of_nothing_but_ones_own(own):
    theirs = simulate("systolic_os", "alexnet", layers="FC8", evaluator="analytical")
    ours = simulate("mine", "mine", "mine", energy="mine", layers="FC8", evaluator="analytical")
    assert ours.total.cycles == theirs.total.cycles and ours.dataflow == "mine"
    assert [layer.nest.levels for layer in ours.layers] == [layer.nest.levels for layer in theirs.layers]


def test_comparing_all_dataflows_has_ones_own(own, fake_engine):
    found = accelsim.compare("eyeriss", "alexnet", layers="CONV1")
    assert {"mine", "row_stationary"} <= {*found.results, *(label for label, *_ in found.failures)}


def test_a_dataflow_by_path_and_beside_the_machine_that_names_it(tmp_path, monkeypatch):
    """Case U2: `--dataflow my.yaml`, and `dataflow: my.yaml` in a machine."""
    (tmp_path / "my.yaml").write_text((folder("dataflow") / "output_stationary_systolic.yaml").read_text())
    text = (folder("arch") / "systolic_os.yaml").read_text()
    assert "dataflow: output_stationary" in text
    machine = "\n".join("dataflow: my.yaml" if line.startswith("dataflow:") else line for line in text.splitlines())
    (tmp_path / "m.yaml").write_text(machine)
    options = {"layers": "FC8", "evaluator": "analytical"}
    given = simulate("systolic_os", "alexnet", tmp_path / "my.yaml", **options)
    monkeypatch.chdir("/")
    beside = simulate(tmp_path / "m.yaml", "alexnet", **options)
    built_in = simulate("systolic_os", "alexnet", "output_stationary_systolic", **options)
    assert given.total.cycles == beside.total.cycles == built_in.total.cycles
    with pytest.raises(AccelsimError, match=r"unknown dataflow 'yours\.yaml': no such file"):
        simulate("systolic_os", "alexnet", "yours.yaml", **options)


@pytest.mark.parametrize("where", ["nowhere", "empty", "file"])
def test_a_folder_that_is_none_is_refused(tmp_path, monkeypatch, where):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(folders.PATH, str(tmp_path / where))
    with pytest.raises(AccelsimError, match=f"{folders.PATH}: .*(no such folder|has none of the folders arch)"):
        load_network("alexnet")


def in_a_process(packages: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(accelsim.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{packages}{os.pathsep}{root}", cache.QUIET: "0"}
    command = [sys.executable, "-m", "accelsim", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def package(where: Path, module: str) -> None:
    """What an installed package leaves: its own folder, and that of its entry points."""
    about = where / "theirs-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{folders.GROUP}]\ntheirs = {module}\n")


def test_files_of_an_installed_package(tmp_path):
    package(tmp_path, "theirs.machines")
    fill(tmp_path / "theirs" / "machines", "theirs_own")
    (tmp_path / "theirs" / "__init__.py").write_text("")
    done = in_a_process(tmp_path, "list")
    assert done.returncode == 0, done.stderr
    assert f"dataflows of {tmp_path / 'theirs' / 'machines' / 'dataflows'}, package theirs:" in done.stdout
    done = in_a_process(tmp_path, "show", "theirs_own", "--path")
    assert str(tmp_path) in done.stdout


@pytest.mark.parametrize("module", ["absent", "theirs.absent", "json.decoder"])
def test_an_entry_point_that_leads_nowhere(tmp_path, module):
    package(tmp_path, module)
    done = in_a_process(tmp_path, "list")
    assert done.returncode == 2
    assert done.stderr.startswith(f"entry point 'theirs' of {folders.GROUP}: ") and done.stderr.count("\n") == 1
