"""The command line: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
    seconds = []  # of a processor: others may be at work on this machine
    for _ in range(4):  # the first start may write byte code
        start = os.times()
        done = in_process("--help")
        end = os.times()
        seconds.append(end.children_user + end.children_system - start.children_user - start.children_system)
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
        tables = cli(*RUN).output.split("energy in ")[0].split("\ntime\n")[1].splitlines()
        assert max(map(len, tables)) <= 120

    def test_json_is_one_document_and_nothing_else(self, cli):
        done = cli(*RUN, "--json")
        document = json.loads(done.stdout)
        assert done.stderr == ""
        assert [layer["name"] for layer in document["layers"]] == ["CONV1", "FC8"]

    def test_out_writes_four_files_and_no_more(self, cli, tmp_path):
        out = tmp_path / "a" / "b"
        assert cli(*RUN, "--out", out).exit_code == 0
        assert sorted(path.name for path in out.iterdir()) == [
            "counts.csv",
            "mapping.yaml",
            "result.json",
            "vector.csv",
        ]
        assert json.loads((out / "result.json").read_text()) == json.loads(cli(*RUN, "--json").stdout)
        columns = "layer,op,repeat,level,tensor,action,words,energy_MAC\n"
        for name in ("counts.csv", "vector.csv"):
            assert (out / name).read_text().startswith(columns)

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

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["compare", "--plot", "c.jpg"], "unknown picture format 'jpg'; did you mean 'png'? (pdf, png, svg)"),
            (["compare", "--plot", "file/c.png"], "file/c.png: "),
            (["run", "--out", "file"], "file: is no folder"),
            (["map", "--out", "."], ".: Is a directory"),
            (["plot", "--out", "x" * 300 + ".png"], "File name too long"),
        ],
    )
    def test_places_that_cannot_be_are_refused_before_a_run(
        self, cli, fake_engine, tmp_path, monkeypatch, arguments, message
    ):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "file").touch()
        done = cli(arguments[0], MACHINE, NETWORK, *arguments[1:])
        assert done.exit_code == 2
        assert message in done.stderr
        assert fake_engine == {"evaluate": 0, "best": 0}
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

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
        done = cli("plot", files[0], "--out", tmp_path / "1.svg")
        assert done.exit_code == 0, done.stderr
        assert cli("plot", *files, "--out", tmp_path / "2.svg").exit_code == 0
        assert "two" in (tmp_path / "2.svg").read_text()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nothing.json"], "nothing.json: No such file or directory"),
            (["a", "b", "c"], "plot takes an ARCH and a WORKLOAD"),
            (["a", "b", "--out", "x.pgn"], "unknown picture format 'pgn'; did you mean 'png'?"),
            (["a", "b", "--kind", "powr"], "unknown kind of picture 'powr'; did you mean 'power'?"),
        ],
    )
    def test_plot_refuses(self, cli, arguments, message):
        done = cli("plot", *arguments)
        assert done.exit_code == 2
        assert message in done.stderr

    def test_list_names_what_ships_and_says_what_it_is(self, cli):
        lines = cli("list").output
        assert {"eyeriss", "alexnet", "eyeriss_alexnet_jssc17", "row_stationary", "horowitz_45nm"} <= set(lines.split())
        assert "The Eyeriss chip, 65 nm, 1.0 V, as measured on AlexNet and VGG-16\n" in lines

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("arch", "eyeriss"),
            ("workload", "alexnet"),
            ("mapping", "eyeriss_alexnet_jssc17"),
            (None, "row_stationary"),
            (None, "horowitz_45nm"),
        ],
    )
    def test_show_prints_a_file_to_start_from(self, cli, tmp_path, kind, name):
        from accelsim.yamlfile import resolve

        where = Path(cli("show", name, "--path").output.strip())
        assert where.is_file() and where.stem == name
        assert kind is None or where == resolve(kind, name)
        text = cli("show", name).stdout
        assert text == where.read_text(encoding="utf-8")
        if kind == "arch":
            (tmp_path / "mine.yaml").write_text(text)
            assert cli("validate", tmp_path / "mine.yaml").exit_code == 0

    def test_show_of_nothing_names_the_nearest(self, cli):
        done = cli("show", "eyerss")
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith("nothing is called 'eyerss'; did you mean 'eyeriss'?; 'accelsim list'")

    def test_tables_fit_the_columns_that_are_told(self, cli, monkeypatch):
        monkeypatch.setenv("COLUMNS", "50")
        tables = cli(*RUN).output.split("energy in ")[0].split("\ntime\n")[1].splitlines()
        assert max(map(len, tables)) <= 50
        assert "…" not in "".join(tables)


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


class TestWhatFails:
    """A layer that cannot be mapped does not take the others with it."""

    ONLY_FC = ("run", MACHINE, NETWORK, "--dataflow", "weight_stationary", "--layers", "CONV1,CONV2,POOL1,FC8")

    @pytest.mark.usefixtures("fake_engine")
    def test_the_others_are_printed_and_all_reasons_follow_once_each(self, cli, tmp_path):
        done = cli(*self.ONLY_FC, "--out", tmp_path)
        assert done.exit_code == 2
        assert "FC8" in done.stdout and "CONV1" not in done.stdout
        assert done.stderr == "not run: CONV1, CONV2: GLB psum: needs 9 bits, has 8 bits\n"
        assert "FC8:" in (tmp_path / "mapping.yaml").read_text()
        done = cli(*self.ONLY_FC, "--json")
        assert done.exit_code == 2
        assert done.stderr.startswith("not run: CONV1, CONV2: ")
        document = json.loads(done.stdout)
        assert document == json.loads((tmp_path / "result.json").read_text())
        assert [failure["layer"] for failure in document["failures"]] == ["CONV1", "CONV2"]
        again = cli("run", tmp_path / "result.json", "--json")
        assert (again.exit_code, again.stdout, again.stderr) == (2, done.stdout, done.stderr)

    @pytest.mark.usefixtures("fake_engine")
    @pytest.mark.parametrize("command", ["map", "plot"])
    def test_so_do_a_search_and_a_picture(self, cli, tmp_path, command):
        out = tmp_path / f"{command}.svg"
        done = cli(command, *self.ONLY_FC[1:], "--out", out)
        assert done.exit_code == 2
        assert done.stderr == "not run: CONV1, CONV2: GLB psum: needs 9 bits, has 8 bits\n"
        assert "FC8" in out.read_text()

    @pytest.mark.usefixtures("fake_engine")
    def test_where_nothing_runs_nothing_is_printed_or_written(self, cli, tmp_path):
        done = cli(
            "run", MACHINE, NETWORK, "--dataflow", "weight_stationary", "--layers", "CONV*", "--out", tmp_path / "o"
        )
        assert (done.exit_code, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("not run: CONV1, CONV2, CONV3, CONV4, CONV5: GLB psum")
        assert not (tmp_path / "o").exists()

    def test_a_front_end_of_wav2vec_on_eyeriss(self, cli, tmp_path):
        (tmp_path / "net.yaml").write_text(
            "name: feat\nsource: own\ninput: {C: 1, H: 1, W: 4000}\nlayers:\n"
            "  c0: {op: conv, M: 512, kernel: [1, 10], stride: [1, 5]}\n"
            "  c1: {op: conv, M: 512, kernel: [1, 3], stride: [1, 2]}\n"
            "  pos: {op: conv, M: 512, kernel: [1, 128], pad: [0, 64], groups: 16}\n"
        )
        done = cli("run", "eyeriss", tmp_path / "net.yaml", "--evaluator", "analytical", "--json")
        # a scratchpad holds 12 of 128 taps, so their row is cut
        assert done.exit_code == 0, done.stderr
        assert [layer["name"] for layer in json.loads(done.stdout)["layers"]] == ["c0", "c1", "pos"]


@pytest.mark.usefixtures("fake_engine")
class TestAgain:
    """`run result.json` gives the same files."""

    def test_the_same_bytes_of_every_file(self, cli, tmp_path):
        first, second = tmp_path / "first", tmp_path / "second"
        options = ("--set", "rows=8", "--batch", 2, "--bits", "ifmap=8", "--seed", 3)
        assert cli(*RUN, *options, "--out", first).exit_code == 0
        done = cli("run", first / "result.json", "--out", second, "--json")
        assert done.exit_code == 0, done.output
        assert done.stdout == (first / "result.json").read_text()
        for file in first.iterdir():
            assert (second / file.name).read_bytes() == file.read_bytes()
        assert cli("run", first / "result.json").stdout == cli(*RUN, *options).stdout

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("eyeriss",), "run takes an ARCH and a WORKLOAD, or a result.json alone"),
            (("none.json",), "none.json: No such file or directory"),
            (("r.json", "--batch", "2"), "--batch: r.json says what is run; leave the option out"),
            (("r.json", "--set", "rows=2"), "--set: r.json says what is run; leave the option out"),
        ],
    )
    def test_refused(self, cli, tmp_path, monkeypatch, arguments, message):
        monkeypatch.chdir(tmp_path)
        done = cli("run", *arguments)
        assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"{message}\n")


@pytest.mark.usefixtures("fake_engine")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seed", "-1", "--check"), "seed is -1; it must be at least 0"),
        (("--seed", "-1"), "seed is -1; it must be at least 0"),
        (("--set", "rows=8", "--set", "rows=16"), "--set rows=16: rows is given twice, as 8 too"),
        (("--set", "rows"), "--set rows: write KEY=VALUE"),
        (("--node", "65", "--supply", "0.9", "--supply", "1.0"), "--supply: given twice; give it once"),
        (("--batch", "2", "--batch", "4"), "--batch: given twice; give it once"),
        (("--bits", "ifmap=8,ifmap=4"), "--bits ifmap=4: ifmap is given twice, as 8 too"),
        (("--layers", "CONV1,CONV99"), "no layer of 'alexnet' fits 'CONV99'; did you mean 'CONV"),
        (("--layers", ","), "no layer of 'alexnet' fits ''"),
    ],
)
@pytest.mark.parametrize("command", ["run", "compare"])
def test_options_that_would_be_dropped_are_refused(cli, command, options, message):
    if command == "compare":
        options = tuple(option for option in options if option != "--check")
    done = cli(command, MACHINE, NETWORK, *options)
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(message)


@pytest.mark.usefixtures("fake_engine")
def test_a_family_is_compared_under_the_dataflows_given(cli):
    def labels(*dataflows):
        options = [part for name in dataflows for part in ("--dataflow", name)]
        done = cli("compare", "eyeriss_isca16", NETWORK, "--layers", "FC8", *options, "--json")
        assert done.exit_code == 0, done.output
        return {label: result["dataflow"] for label, result in json.loads(done.stdout)["results"].items()}

    families = ("nlr", "osa", "osb", "osc", "rs", "ws")
    assert labels("row_stationary") == dict.fromkeys(families, "row_stationary")
    both = labels("row_stationary", "weight_stationary")
    assert both == {f"{family} {flow}": flow for family in families for flow in ("row_stationary", "weight_stationary")}
    done = cli("compare", "eyeriss_isca16", NETWORK, "--dataflow", "row_stationery")
    assert done.exit_code == 2
    assert done.stderr.startswith("unknown dataflow 'row_stationery'; did you mean 'row_stationary'?")


class TestData:
    """Arrays are read and checked whatever the machine makes of zeros."""

    @pytest.fixture
    def data(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("net.yaml").write_text(
            "name: tiny\nsource: own\ninput: {C: 4, H: 5, W: 5}\nlayers:\n  a: {op: conv, M: 3, kernel: 3}\n"
        )
        Path("data").mkdir()
        full = {"ifmap": np.full((1, 4, 5, 5), 127, np.int16), "filter": np.full((3, 4, 3, 3), 127, np.int16)}
        np.savez("data/a.npz", **full)

    def test_sums_that_do_not_fit_are_said_with_the_bits_they_need(self, cli, data):
        # 36 x 127 x 127 = 580,644
        done = cli("run", "systolic_os", "net.yaml", "--data", "data", "--check", "--bits", "ifmap=8,filter=8,psum=8")
        assert done.exit_code == 0, done.output
        assert (
            "a: outputs equal numpy's convolution (operands given, 27 words); psums overflow: "
            "these sums need 21 b, or 20 b unsigned, a psum has 8 b" in done.stdout.splitlines()
        )
        done = cli("run", "tpu_v1", "net.yaml", "--data", "data", "--check", "--json")
        assert done.stderr == "a: outputs equal numpy's convolution (operands given, 27 words)\n"
        assert json.loads(done.stdout)["ran"]["data"] == "data"

    @pytest.mark.usefixtures("fake_engine")
    @pytest.mark.parametrize("options", [(), ("--check",)])
    @pytest.mark.parametrize("machine", ["systolic_os", "eyeriss"])
    def test_what_is_missing_or_wrong_is_one_line(self, cli, data, machine, options):
        done = cli("run", machine, "net.yaml", "--data", "no_such_folder", *options)
        assert (done.exit_code, done.stdout, done.stderr) == (2, "", "no_such_folder: no such file or directory\n")
        np.savez("data/a.npz", ifmap=np.ones((1, 4, 5, 6)))
        done = cli("run", machine, "net.yaml", "--data", "data", *options)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == "data/a.npz: ifmap: shape 1x4x5x6; wanted 1x4x5x5, 1x1x4x5x5 or 4x5x5\n"

    def test_the_result_says_that_they_make_no_difference(self, cli, data):
        done = cli("run", "systolic_os", "net.yaml", "--data", "data")
        assert "arrays in data: read and checked; this machine makes nothing of zeros" in done.stdout


def test_a_shipped_pair_runs_by_itself(cli):
    done = cli("run", "eyeriss_v2", "mobilenet_v1_0.5_128", "--layers", "conv1", "--evaluator", "analytical")
    assert done.exit_code == 0, done.output
    assert "mapping: eyeriss_v2_mobilenet, which ships for this machine and fits" in done.stdout
    done = cli("run", "eyeriss_v2", "alexnet")
    assert done.exit_code == 2
    assert done.stderr.startswith("architecture 'eyeriss_v2' names no dataflow and none was given (")
    assert done.stderr.endswith("of which there are eyeriss_v2_mobilenet, eyeriss_v2_mobilenet_sparse\n")


def test_not_a_result(cli, tmp_path):
    for text, message in (("{", "not JSON"), ("{}", "not a result")):
        file = tmp_path / "x.json"
        file.write_text(text)
        done = cli("plot", file, "--out", tmp_path / "x.png")
        assert done.exit_code == 2
        assert message in done.stderr


def test_explain_gives_unit_and_formula(cli):
    done = cli("explain", "utilization")
    assert "visited_macs / (PEs x MACs per PE and cycle x cycles)" in done.output
    assert "stall_cycles [core cycles]" in cli("explain").output


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("total", "outermost memory's transfers included"),
        ("processing", "outermost memory's transfers took no time"),
        ("FILTER_BANK", "One of: eyeriss, eyeriss_l2"),
        ("filter_bank [MB]", "One of: eyeriss, eyeriss_l2"),
        ("GLB->RF ifmap", "ifmap words on their way from GLB to RF were waited for"),
        ("GLB<-RF psum", "psum words from RF to GLB were waited for"),
        ("MAC unit", "The component that multiplies"),
        ("MACs [M]", "Multiply-accumulates of a layer"),
        ("MAC energies", "what six MACs cost"),
        ("x3", "its row is one run"),
    ],
)
def test_explain_knows_what_is_printed(cli, heading, words):
    done = cli("explain", heading)
    assert done.exit_code == 0, done.output
    assert words in done.output


@pytest.mark.parametrize("kind", ["arch", "workload", "mapping", "energy", "dataflow"])
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
    done = cli("schema")
    assert done.exit_code == 2
    kinds = "arch, package, workload, mapping, energy, dataflow, sweep, space"
    assert done.stderr == f"schema of which kind of file? ({kinds})\n"


def test_schema_as_a_page(cli):
    page = (Path(__file__).parent.parent / "docs" / "keys.md").read_text(encoding="utf-8")
    assert cli("schema", "--markdown").stdout == page
    alone = cli("schema", "dataflow", "--markdown").stdout
    assert "## Dataflow files" in alone and "## Energy" not in alone


def test_validate_reads_dataflows(cli, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("source: me\nkeeps: [filter]\nx: M\n")
    assert cli("validate", file).stdout == f"{file}: dataflow 'mine' is fine\n"
    file.write_text("source: me\nkeeps: [filters]\nruns: [C]\nstrip: D\n")
    done = cli("validate", file)
    assert done.exit_code == 2
    lines = [line.removeprefix(f"{file}:") for line in done.stderr.splitlines()]
    assert lines == [
        "2:9: keeps.0: unknown tensor 'filters'; did you mean 'filter'? (ifmap, filter, psum)",
        "3:1: runs: unknown key; did you mean 'run'? (source, about, keeps, skips, y, x, arrays, whole, image, strip, "
        "above, run, fill, pe)",
        "4:8: strip: unknown dim 'D' (N, G, M, C, P, Q, R, S, IB, WB)",
    ]


def test_a_dataflow_of_your_own(cli, tmp_path):
    """Its file runs as the built-in one it is a copy of; what is wrong in it is told before anything runs."""
    from accelsim.mapping.dataflows.dataflow import HERE

    file = tmp_path / "mine.yaml"
    file.write_text((HERE / "output_stationary_systolic.yaml").read_text())
    rest = ("--layers", "FC8", "--evaluator", "analytical", "--json")
    run = [
        cli("run", "systolic_os", "alexnet", "--dataflow", flow, *rest) for flow in (file, "output_stationary_systolic")
    ]
    own, built_in = (json.loads(done.stdout) for done in run)
    assert own["layers"][0]["cycles"] == built_in["layers"][0]["cycles"]
    assert own["layers"][0]["mapping"] == built_in["layers"][0]["mapping"]
    file.write_text("keeps: [psums]\n")
    done = cli("run", "systolic_os", "alexnet", "--dataflow", file)
    assert done.exit_code == 2
    assert done.stderr == f"{file}:1:9: keeps.0: unknown tensor 'psums'; did you mean 'psum'? (ifmap, filter, psum)\n"


class TestValidate:
    def files(self) -> list[Path]:
        from accelsim.yamlfile import folder

        kinds = (folder("arch"), folder("workload"), folder("mapping"), folder("energy"))
        return [file for where in kinds for file in sorted(where.glob("*.yaml"))]

    def test_everything_shipped_is_fine(self, cli):
        done = cli("validate", *self.files())
        assert done.exit_code == 0, done.output
        lines = [line for line in done.output.splitlines() if not line.startswith("  free: ")]
        assert len(lines) == len(self.files())

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
