"""The command line: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
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


class TestZeros:
    """Densities, arrays, a traced network: what is printed, what is refused."""

    EYERISS = ("run", "eyeriss", "alexnet", "--layers", "CONV3")

    @pytest.fixture
    def data(self, tmp_path, monkeypatch):
        """A workload of one layer, good arrays for it in `data`, and a place that must stay empty."""
        monkeypatch.chdir(tmp_path)
        Path("net.yaml").write_text(
            "name: net\nsource: test\ninput: {C: 2, H: 4, W: 4}\nlayers:\n  CONV1: {op: conv, M: 3, kernel: 3}\n"
        )
        Path("data").mkdir()
        np.save("data/CONV1.ifmap.npy", np.arange(-8, 24).reshape(1, 2, 4, 4))
        np.save("data/CONV1.filter.npy", np.ones((3, 2, 3, 3), np.int8))
        return Path("data/CONV1.ifmap.npy")

    @pytest.mark.usefixtures("fake_engine")
    def test_densities_have_a_table_and_dense_runs_have_none(self, cli):
        done = cli(*self.EYERISS)
        assert done.exit_code == 0, done.output
        assert "zeros: MACs left" in done.output
        assert "zeros: densities of workload 'alexnet', seed 0" in done.output
        assert "seed 7" in cli(*self.EYERISS, "--seed", 7).output
        done = cli(*self.EYERISS, "--data", "dense")
        assert done.exit_code == 0, done.output
        assert "zeros" not in done.output
        assert json.loads(cli(*self.EYERISS, "--data", "dense", "--json").stdout)["operands"] == "dense"

    @pytest.mark.usefixtures("fake_engine")
    def test_compare_and_plot_take_data_too(self, cli, data):
        done = cli("compare", "eyeriss", "net.yaml", "--data", "data")
        assert "zeros: arrays in data" in done.output, done.output
        assert cli("plot", "eyeriss", "net.yaml", "--data", "data", "--out", "x.svg").exit_code == 0
        for command in ("compare", "plot"):
            done = cli(command, "eyeriss", "net.yaml", "--data", "none")
            assert (done.exit_code, done.stderr) == (2, "none: no such file or directory\n")

    def test_outputs_of_the_arrays_are_checked(self, cli, data):
        done = cli("run", "eyeriss", "net.yaml", "--data", "data", "--check")
        assert done.exit_code == 0, done.output
        assert "CONV1: outputs equal numpy's convolution (operands given, 12 words)" in done.output
        document = json.loads(cli("run", "eyeriss", "net.yaml", "--data", "data", "--json").stdout)
        (layer,) = document["layers"]
        # the one zero lies at row 2, column 0 of the ifmap: under each filter two outputs use it, one above the other
        assert layer["effectual_macs"] == layer["macs"] - 3 * 2
        assert document["operands"].startswith("arrays in data")
        done = cli("run", "eyeriss", "net.yaml", "--data", "data", "--accounting", "isca16")
        assert done.exit_code == 2
        assert done.stderr.startswith("accounting isca16 knows no zeros")

    @pytest.mark.usefixtures("fake_engine")
    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda file: np.save(file, np.ones((1, 2, 5, 4))), "shape 1x2x5x4; wanted 1x2x4x4, 1x1x2x4x4 or 2x4x4"),
            (lambda file: np.save(file, np.full((1, 2, 4, 4), np.nan)), "ifmap[0, 0, 0, 0]: nan is no number"),
            (lambda file: np.save(file, np.array([{}], object)), "holds pickled Python objects, which are not read"),
            (lambda file: np.save(file, np.full((1, 2, 4, 4), 1 << 20)), "1048576 does not fit in 16 b"),
            (lambda file: np.save(file, np.full((1, 2, 4, 4), 0.5)), "0.5 is no integer"),
            (lambda file: file.write_bytes(file.read_bytes()[:-9]), "cannot be read"),
            (lambda file: file.write_bytes(b""), "not a .npy file"),
            (lambda file: file.rename(file.with_name("CONV2.ifmap.npy")), None),
        ],
        ids=["shape", "nan", "pickled", "too large", "fraction", "truncated", "empty", "another layer's"],
    )
    def test_bad_data_is_one_line_and_writes_nothing(self, cli, data, spoil, message):
        Path("data/CONV1.filter.npy").unlink()
        spoil(data)
        done = cli("run", "eyeriss", "net.yaml", "--data", "data", "--check", "--out", "out")
        assert done.exit_code == 2, done.output
        assert isinstance(done.exception, SystemExit)
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("data/CONV1.ifmap.npy: " if message else "data: no arrays of layer 'CONV1'; wanted")
        assert (message or "CONV1.ifmap.npy") in line
        assert not Path("out").exists()

    @pytest.mark.usefixtures("fake_engine")
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--data", "net.yaml"), "net.yaml: wanted a directory of arrays, or one .npz file"),
            (("--data", "data", "--seed", "-1"), "seed is -1; it must be at least 0"),
            (("--data", "data", "--batch", "2"), "it holds 1 images, the batch is 2"),
        ],
    )
    def test_options_refused(self, cli, data, options, message):
        done = cli("run", "eyeriss", "net.yaml", *options)
        assert done.exit_code == 2
        (line,) = done.stderr.splitlines()
        assert message in line

    def test_a_traced_network_runs_and_its_outputs_are_equal(self, cli, tmp_path, monkeypatch):
        pytest.importorskip("sklearn")
        monkeypatch.chdir(tmp_path)
        done = cli("trace", "digits")
        assert done.exit_code == 0, done.output
        first, second = done.output.splitlines()
        assert first.startswith("accuracy 9")
        assert second == "try: accelsim run eyeriss digits/digits.yaml --data digits --batch 4 --check"
        done = cli(*second.removeprefix("try: accelsim ").split())
        assert done.exit_code == 0, done.output
        assert "zeros: MACs left; compression" in done.output
        assert [line for line in done.output.splitlines() if "outputs equal" in line] == [
            f"{layer}: outputs equal numpy's convolution (operands given, {words} words)"
            for layer, words in (("CONV1", 4 * 8 * 8 * 8), ("CONV2", 4 * 16 * 4 * 4), ("FC3", 4 * 10))
        ]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--batch", "0"), "batch is 0; there are 450 pictures not trained on, so 1 to 450"),
            (("--batch", "451"), "batch is 451; there are 450 pictures not trained on, so 1 to 450"),
            (("--prune", "1.5"), "prune is 1.5; it must lie in 0 to 1, and some weights must stay"),
            (("--prune", "nan"), "prune is nan; it must lie in 0 to 1, and some weights must stay"),
            (("--seed", "-1"), "seed is -1; it must be at least 0"),
        ],
    )
    def test_trace_refuses(self, cli, tmp_path, options, message):
        pytest.importorskip("sklearn")
        done = cli("trace", tmp_path / "t", *options)
        assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"{message}\n")
        assert not (tmp_path / "t").exists()

    def test_trace_into_a_file_is_one_line(self, cli, tmp_path):
        pytest.importorskip("sklearn")
        (tmp_path / "t").touch()
        done = cli("trace", tmp_path / "t")
        assert done.exit_code == 2
        assert len(done.stderr.splitlines()) == 1
        assert (tmp_path / "t").read_text() == ""


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


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("arch", "gate skip pairing drift queue cartesian compression"),
        ("workload", "density fraction bernoulli pattern block"),
        ("energy", "gated_mac"),
    ],
)
def test_schemas_know_zeros(cli, kind, keys):
    found = json.loads(cli("schema", kind).stdout)
    specs = [found, *found["$defs"].values()]
    assert set(keys.split()) <= {key for spec in specs for key in spec.get("properties", {})}
    for spec in specs:
        for key in {"gated_mac", "leakage"} & set(spec.get("properties", {})):
            assert spec["properties"][key]["default"] == 0


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


@pytest.mark.slow
def test_warm_compiles_what_a_run_needs(monkeypatch):
    """A run after it compiles nothing; where the kernels are is said."""
    done = in_process("warm", "eyeriss_isca16_rs")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("kernels are ready in ")
    place = Path(done.stdout.split(" in ")[1].strip()).expanduser()
    kept = sorted(place.iterdir())
    assert kept
    monkeypatch.setenv("ACCELSIM_QUIET", "0")
    done = in_process(*RUN, "--data", "dense")
    assert done.returncode == 0
    assert done.stderr == ""
    done = in_process("warm", "eyeris")
    assert done.returncode == 2
    assert "did you mean 'eyeriss'?" in done.stderr
