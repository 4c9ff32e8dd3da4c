"""``accelsim fit`` and ``accelsim predict``, as they are typed."""

from __future__ import annotations

import json

import pytest

from accelsim import cli

FIT = ("fit", "tpu_v1", "--samples", "60", "--seed", "2", "--workers", "1", "--evaluator", "analytical")


def typed(*words: str) -> int:
    with pytest.raises(SystemExit) as done:
        cli.app(list(map(str, words)), prog_name="accelsim")
    return int(done.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("fitted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        assert typed(*FIT, "-o", "model.json", "--check", "ds_cnn") == 0
    return found


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_what_is_said_of_a_network(capsys):
    assert typed("predict", "model.json", "alexnet") == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].endswith("alexnet on tpu_v1, predicted by a polynomial, nothing simulated")
    for text in (
        "FC6",
        "fully connected",
        "RMSPE of runtime, power, energy on held-out layers",
        "without MACs, no time",
    ):
        assert text in said


def test_edges_are_told(capsys):
    # each depthwise layer keeps one multiplier busy
    assert typed("predict", "model.json", "mobilenet_v1") == 0
    assert "have work for less than half of the multipliers (folds, edges)" in capsys.readouterr().out


def test_json_is_the_same(capsys):
    assert typed("predict", "model.json", "alexnet", "--batch", "2", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["batch"] == 2 and len(data["layers"]) == 8
    assert data["total"]["ms"] == pytest.approx(sum(layer["ms"] * layer["repeat"] for layer in data["layers"]))


def test_what_is_outside_is_a_line_each(capsys):
    assert typed("predict", "model.json", "alexnet", "--batch", "500") == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert sum("batch 500 is outside 1 to" in line for line in warnings) == 8
    assert any(line.startswith("warning: layer 'POOL1' (maxpool): reads ") for line in warnings)
    assert typed("predict", "model.json", "alexnet", "--batch", "500", "--layers", "FC8", "--strict") == 2
    error = capsys.readouterr().err
    assert error.startswith("layer 'FC8' (fully connected): batch 500 is outside") and error.count("\n") == 1


def test_a_model_of_another_machine(capsys):
    assert typed("predict", "model.json", "alexnet", "--arch", "tpu_v1") == 0
    capsys.readouterr()
    for more in (("eyeriss",), ("tpu_v1", "--set", "rows=128")):
        assert typed("predict", "model.json", "alexnet", "--arch", *more) == 2
        error = capsys.readouterr().err
        assert error.startswith("this model is of another machine: 'tpu_v1', digest ") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("predict", "none.json", "alexnet"), "none.json: No such file"),
        (("predict", "broken.json", "alexnet"), "broken.json: not JSON"),
        (("predict", "model.json", "alexnt"), "did you mean 'alexnet'"),
        (("predict", "model.json", "alexnet", "--layers", "POOL*"), "no layer that fits 'POOL*' has MACs"),
        (("fit", "tpu_v1", "--kind", "tabel"), "unknown kind of predictor 'tabel'; did you mean 'table'?"),
        (("fit", "tpu_v1", "--samples", "5"), "samples"),
        (("fit", "tpu", "--samples", "60"), "did you mean 'tpu_v1'"),
        ((*FIT, "--check", "alexnt"), "did you mean 'alexnet'"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, words, says):
    (folder / "broken.json").write_text('{"format": ')
    assert typed(*words) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1, error
    assert not list(folder.glob("*.tmp")) and sorted(path.name for path in folder.iterdir()) == [
        "broken.json",
        "model.json",
    ]
