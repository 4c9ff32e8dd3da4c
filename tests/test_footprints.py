"""`accelsim footprint` and `run --carbon`: what they print, and one line for what is wrong."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import grid_files
from accelsim.cli import app

RUN = ["run", "tpu_v1", "alexnet", "--layers", "CONV4", "--evaluator", "analytical", "--node", "7"]
STRUBELL = ["--power", "1415.78 W", "--time", "12 h", "--pue", "1.58", "--grid", "0.954 lb/kWh"]


def accelsim(*words: object) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, list(map(str, words)))
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.stdout, found.stderr


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert accelsim(*RUN, "--batch", 2, "--out", folder)[0] == 0
    return folder / "result.json"


def test_a_job_and_where_each_factor_is_from():
    code, out, err = accelsim("footprint", *STRUBELL)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "job: 11.62 kg CO2e (11.62 kg of running it)"
    assert any("26.84 kWh" in line and "12 h" in line for line in lines)
    assert lines[lines.index("factors") + 1 :] == [
        "  power: 1,415.78 W (given, of each device)",
        "  time: 12 h (given)",
        "  devices: 1 (one, where none are given)",
        "  PUE: 1.58 (given)",
        "  grid: 432.727 g/kWh (given)",
    ]
    assert "making the device: not counted (" in out


def test_json_is_what_the_library_has(result):
    from accelsim.codesign.carbon import footprint
    from accelsim.codesign.carbon.show import document_of
    from accelsim.result import Result

    keys = {
        "grid": "taiwan",
        "pue": "1.1",
        "fab_grid": "taiwan",
        "lifetime": "3 years",
        "use": "0.5",
        "requests": "1e9",
    }
    options = [word for name, value in keys.items() for word in (f"--{name.replace('_', '-')}", value)]
    memory = ["--memory", "ddr4_10nm=8 GB", "--memory", "nand_20nm=64 GB"]
    code, out, _ = accelsim("footprint", result, *options, *memory, "--dataset", 1000, "--tries", 3, "--json")
    assert code == 0
    memory = {"ddr4_10nm": "8 GB", "nand_20nm": "64 GB"}
    found = footprint(Result.load(result), memory=memory, dataset=1000, tries=3, **keys)
    assert json.loads(out) == json.loads(json.dumps(document_of(found)))
    one, requests, training, tries = json.loads(out)["costs"]
    assert requests["all_g"] == pytest.approx(1e9 * one["all_g"])
    assert (training["times"], tries["times"]) == (1000, 3000)
    assert tries["macs"] == pytest.approx(3000 * one["macs"])
    assert {factor["source"] for factor in json.loads(out)["factors"]} >= {"ACT location_2022", "ACT, 7 nm", "given"}


def test_a_file_of_factors_and_options_over_it(result, tmp_path):
    night = grid_files.maps(tmp_path, [300, 100, 120])
    file = tmp_path / "f.yaml"
    file.write_text(f"grid: [usa, '{night}']\npue: 1.1\nmemory: {{ddr4_10nm: 8 GB}}\nlifetime: 3 years\n")
    code, out, _ = accelsim("footprint", result, "--factors", file, "--pue", "1.2", "--length", "2 h")
    assert code == 0
    assert " on XX, the lowest of 2 grids" in out.splitlines()[0]
    assert "where and when, for a job of 2 h: g CO2e/kWh, times in UTC" in out
    assert "2024-03-30 01:00" in out and "PUE: 1.2 (given)" in out and "making one device: 744.3 g CO2e" in out


def test_run_prints_what_footprint_does(result, tmp_path):
    code, out, err = accelsim(*RUN, "--batch", 2, "--carbon", "taiwan")
    alone = accelsim("footprint", result, "--grid", "taiwan")[1]
    assert (code, err) == (0, "") and out.endswith(alone)
    code, out, err = accelsim(*RUN, "--batch", 2, "--carbon", "taiwan", "--json")
    assert code == 0 and out == result.read_text()
    assert json.loads(err)["carbon"] == json.loads(accelsim("footprint", result, "--grid", "taiwan", "--json")[1])
    code, again, _ = accelsim("run", result, "--carbon", "taiwan")
    assert code == 0 and again.endswith(alone)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--energy", "1 kWh"], "grid: missing; name a region"),
        ([*STRUBELL[:-1], "tiawan"], "grid: unknown region 'tiawan'; did you mean 'taiwan'? ("),
        ([*STRUBELL, "--lifetime", "-3 years"], "footprint: lifetime: a time must be positive, got '-3 years'"),
        ([*STRUBELL, "--fab-grid", "usa", "--node", "65", "--area", "1 mm2"], "node: no data of a fab of 65 nm"),
        ([*STRUBELL, "--fab-grid", "usa", "--node", "7"], "area: missing; give it, such as '331 mm2'"),
        ([*STRUBELL, "--memory", "ddr4_10nm"], "--memory ddr4_10nm: write NAME=SIZE"),
        ([*STRUBELL, "--memory", "a=1 GB", "--memory", "a=2 GB"], "--memory a=2 GB: a is given twice, as 1 GB too"),
        (["none.json", "--grid", "usa"], "none.json: No such file"),
        ([*STRUBELL, "--factors", "none.yaml"], "none.yaml: No such file"),
        ([*STRUBELL, "--grid", "none.csv"], "none.csv: No such file"),
    ],
)
def test_bad_input_is_one_line(words, said):
    code, out, err = accelsim("footprint", *words)
    assert (code, out) == (2, "") and err.startswith(said) and err.count("\n") == 1


def test_run_refuses_before_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("accelsim.cli.simulated", lambda *at, **by: pytest.fail("it ran"))
    gaps = grid_files.maps(tmp_path, [100, "", 100])
    (tmp_path / "f.yaml").write_text("pue: 1.1\n")
    (tmp_path / "g.yaml").write_text("grid: usa\nfab_grid: mars\n")
    for carbon, said in (
        ("mars", "grid: unknown region 'mars'"),
        ("400", "grid: '400' has no unit"),
        (gaps, f"{gaps}: no values for 2024-03-30 01:00 UTC"),
        (tmp_path / "f.yaml", "grid: missing"),
        (tmp_path / "g.yaml", "fab_grid: unknown region 'mars'"),
    ):
        code, out, err = accelsim(*RUN, "--carbon", carbon, "--out", tmp_path / "out")
        assert (code, out) == (2, "") and err.startswith(said) and err.count("\n") == 1
    (tmp_path / "h.yaml").write_text("grid: usa\nfab_grid: usa\nlifetime: 1 year\n")
    (tmp_path / "i.yaml").write_text("grid: usa\nfab_grid: usa\n")
    (tmp_path / "j.yaml").write_text("grid: usa\npower: 3 W\n")
    for carbon, options, said in (
        ("h.yaml", ("--node", "65"), "node: no data of a fab of 65 nm"),
        ("h.yaml", ("--energy", "horowitz_45nm"), "area: missing; energy table 'horowitz_45nm' knows no areas"),
        ("i.yaml", ("--node", "28"), "lifetime: missing"),
        ("j.yaml", ("--node", "28"), "power: the result says it"),
    ):
        code, out, err = accelsim("run", "eyeriss", "alexnet", *options, "--carbon", tmp_path / carbon)
        assert (code, out) == (2, "") and err.startswith(said) and err.count("\n") == 1
    code, _, err = accelsim("run", "eyeriss", "alexnet", "--carbon", "usa")
    assert code == 2 and err.startswith("energy table 'eyeriss_relative' is relative to a MAC")
    assert not (tmp_path / "out").exists()


def test_validate_knows_factors(tmp_path):
    file = tmp_path / "f.yaml"
    file.write_text("grid: usa\npue: 1.1\n")
    assert accelsim("validate", file)[1] == f"{file}: factors of a footprint are fine: grid, pue\n"
    file.write_text("grid: usa\nfab_grid: taiwn\n")
    code, _, err = accelsim("validate", file)
    assert code == 2 and err.startswith("fab_grid: unknown region 'taiwn'; did you mean 'taiwan'?")
    file.write_text("grid: usa\nlifetime: -1 years\n")
    assert accelsim("validate", file)[2] == f"{file}:2:11: lifetime: a time must be positive, got '-1 years'\n"
