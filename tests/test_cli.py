"""The command line: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim.cli import app

MACHINE, NETWORK = "eyeriss_isca16_rs", "alexnet"
RUN = ["run", MACHINE, NETWORK, "--layers", "CONV1,FC8"]


@pytest.fixture
def cli():
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])


def in_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "accelsim", *arguments], capture_output=True, text=True, check=False)


def test_help_answers_at_once_and_loads_nothing_heavy():
    seconds = []
    for _ in range(4):  # the first start may write byte code, and others may be at work on this machine
        start = time.perf_counter()
        done = in_process("--help")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5
    assert done.returncode == 0
    assert "explain" in done.stdout
    code = (
        "import sys, accelsim.cli;"
        "print([m for m in ('numpy', 'numba', 'matplotlib', 'pandas', 'pydantic', 'networkx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_errors_are_their_own_text_on_stderr_and_exit_2():
    done = in_process("explain", "utilisation")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("unknown metric 'utilisation'; did you mean 'utilization'?")
    assert "Traceback" not in done.stderr


def test_wrong_usage_exits_2(cli):
    assert cli("run", MACHINE).exit_code == 2
    assert cli("run", MACHINE, NETWORK, "--set", "rows").exit_code == 2
    assert cli("run", MACHINE, NETWORK, "--batch", "many").exit_code == 2


def test_version(cli):
    done = cli("--version")
    assert done.exit_code == 0
    assert done.output.startswith("accelsim ")


@pytest.mark.usefixtures("fake_engine")
class TestRun:
    def test_tables_name_units_and_energy_source(self, cli):
        done = cli(*RUN)
        assert done.exit_code == 0, done.output
        for text in ("processing", "active", "utilization", "stalled cycles", "GLB->RF", "[MB]", "psum"):
            assert text in done.output
        assert "eyeriss_relative: Chen, Emer and Sze, ISCA 2016" in done.output

    def test_tables_fit_a_terminal(self, cli):
        tables = cli(*RUN).output.split("energy in ")[0]
        assert max(map(len, tables.splitlines())) <= 120

    def test_json_is_one_document_and_nothing_else(self, cli):
        done = cli(*RUN, "--json")
        document = json.loads(done.stdout)
        assert done.stderr == ""
        assert [layer["name"] for layer in document["layers"]] == ["CONV1", "FC8"]

    def test_out_writes_three_files_and_no_more(self, cli, tmp_path):
        out = tmp_path / "a" / "b"
        assert cli(*RUN, "--out", out).exit_code == 0
        assert sorted(path.name for path in out.iterdir()) == ["counts.csv", "mapping.yaml", "result.json"]
        assert json.loads((out / "result.json").read_text()) == json.loads(cli(*RUN, "--json").stdout)
        assert (out / "counts.csv").read_text().startswith("layer,level,tensor,action,words,energy_MAC\n")

    def test_a_mapping_written_can_be_given_back(self, cli, tmp_path):
        cli(*RUN, "--out", tmp_path)
        again = json.loads(cli(*RUN, "--mapping", tmp_path / "mapping.yaml", "--json").stdout)
        assert {layer["mapping_source"] for layer in again["layers"]} == {"given"}

    def test_ctrl_c_exits_130_and_leaves_nothing(self, cli, tmp_path, monkeypatch):
        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "replace", interrupted)
        done = cli(*RUN, "--out", tmp_path)
        assert done.exit_code == 130
        assert list(tmp_path.iterdir()) == []

    def test_parameters_reach_the_machine(self, cli):
        done = cli(*RUN, "--json", "--set", "rows=8")
        assert json.loads(done.stdout)["pes"] == 8 * 16
        done = cli(*RUN, "--set", "rowz=8")
        assert done.exit_code == 2
        assert "rows" in done.stderr

    def test_a_folder_that_cannot_be_written_is_one_line(self, cli, tmp_path):
        (tmp_path / "file").touch()
        done = cli(*RUN, "--out", tmp_path / "file")
        assert done.exit_code == 2
        assert len(done.stderr.splitlines()) == 1

    def test_compare_prints_and_draws(self, cli, tmp_path):
        done = cli("compare", MACHINE, NETWORK, "--layers", "CONV1,FC8", "--plot", tmp_path / "c.svg")
        assert done.exit_code == 0, done.output
        assert "weight_stationary *" in done.output
        assert "weight_stationary: CONV1: GLB psum: needs 9 bits" in done.output
        assert (tmp_path / "c.svg").read_text().startswith("<?xml")
        document = json.loads(cli("compare", MACHINE, NETWORK, "--layers", "FC8", "--json").stdout)
        assert set(document["results"]) == {"row_stationary", "weight_stationary"}

    def test_compare_where_nothing_runs_exits_2(self, cli):
        done = cli("compare", MACHINE, NETWORK, "--layers", "CONV1", "--dataflow", "weight_stationary")
        assert done.exit_code == 2
        assert "CONV1: GLB psum" in done.stderr

    def test_map_prints_what_run_reads(self, cli, tmp_path):
        out = tmp_path / "m.yaml"
        printed = cli("map", MACHINE, NETWORK, "--layers", "FC8").stdout
        assert cli("map", MACHINE, NETWORK, "--layers", "FC8", "--out", out).exit_code == 0
        assert out.read_text() == printed
        assert cli("run", MACHINE, NETWORK, "--layers", "FC8", "--mapping", out).exit_code == 0

    @pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
    def test_plot_from_a_run(self, cli, tmp_path, ending):
        out = tmp_path / f"e.{ending}"
        done = cli("plot", MACHINE, NETWORK, "--layers", "CONV*", "--out", out)
        assert done.exit_code == 0, done.output
        assert out.stat().st_size > 5000

    def test_plot_from_documents(self, cli, tmp_path):
        for name in ("one", "two"):
            cli(*RUN, "--out", tmp_path / name)
        files = [tmp_path / name / "result.json" for name in ("one", "two")]
        assert cli("plot", files[0], "--out", tmp_path / "1.svg").exit_code == 0
        assert cli("plot", *files, "--out", tmp_path / "2.svg").exit_code == 0
        assert "two" in (tmp_path / "2.svg").read_text()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nothing.json"], "nothing.json: No such file or directory"),
            (["a", "b", "c"], "plot takes an ARCH and a WORKLOAD"),
            (["a", "b", "--out", "x.pgn"], "unknown picture format 'pgn'; did you mean 'png'?"),
        ],
    )
    def test_plot_refuses(self, cli, arguments, message):
        done = cli("plot", *arguments)
        assert done.exit_code == 2
        assert message in done.stderr

    def test_list_names_what_ships(self, cli):
        lines = cli("list").output.split()
        assert {"eyeriss", "alexnet", "eyeriss_alexnet_jssc17", "row_stationary", "horowitz_45nm"} <= set(lines)


def test_not_a_result(cli, tmp_path):
    for text, message in (("{", "not JSON"), ("{}", "not a result")):
        file = tmp_path / "x.json"
        file.write_text(text)
        done = cli("plot", file, "--out", tmp_path / "x.png")
        assert done.exit_code == 2
        assert message in done.stderr


def test_explain_gives_unit_and_formula(cli):
    done = cli("explain", "utilization")
    assert "macs / (PEs x MACs per PE and cycle x cycles)" in done.output
    assert "stall_cycles [core cycles]" in cli("explain").output


@pytest.mark.parametrize("kind", ["arch", "workload", "mapping", "energy"])
def test_schema_is_json_schema(cli, kind):
    found = json.loads(cli("schema", kind).stdout)
    assert found["$schema"].startswith("https://json-schema.org")


def test_schema_of_nothing(cli):
    done = cli("schema", "archs")
    assert done.exit_code == 2
    assert "did you mean 'arch'?" in done.stderr


class TestValidate:
    def files(self) -> list[Path]:
        from accelsim.energy.load import BUILT_IN
        from accelsim.yamlfile import folder

        kinds = (folder("arch"), folder("workload"), folder("mapping"), BUILT_IN)
        return [file for where in kinds for file in sorted(where.glob("*.yaml"))]

    def test_everything_shipped_is_fine(self, cli):
        done = cli("validate", *self.files())
        assert done.exit_code == 0, done.output
        assert len(done.output.splitlines()) == len(self.files())

    def test_every_error_of_every_file(self, cli, tmp_path):
        good = self.files()[0]
        first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
        first.write_text("levels: 3\nnmae: x\n")
        second.write_text("a: {}\na: {}\n")
        done = cli("validate", first, good, second, tmp_path / "third.yaml")
        assert done.exit_code == 2
        assert "is fine" in done.stdout
        for text in ("first.yaml:1:", "first.yaml:2:", "second.yaml:2:", "third.yaml"):
            assert text in done.stderr
