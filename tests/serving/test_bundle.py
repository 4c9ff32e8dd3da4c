"""Tables are read as they stand, and what is wrong in them is told in one line."""

from __future__ import annotations

import shutil

import pytest

from accelsim.errors import AccelsimError
from accelsim.reproduce.serving import TABLE
from accelsim.serving.bundle import read_bundle
from accelsim.serving.models import MODELS, model_of
from accelsim.serving.screen import Peak, nonsense, screened
from accelsim.workload.yaml import load_network


@pytest.fixture
def copy(tmp_path):
    """A copy of the measured tables that a test may spoil."""
    return shutil.copytree(TABLE, tmp_path / "chip")


def without(prefix: str, text: str) -> str:
    return "\n".join(row for row in text.split("\n") if not row.startswith(prefix))


def edit(file, change) -> None:
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")


def test_measured_tables():
    found = read_bundle(TABLE)
    assert (found.model.name, found.degree, found.budget, found.max_seqs, found.skew) == ("llama3_8b", 1, 2048, 128, 0)
    assert found.times.dense["act_fn"][1] == 2.592 and found.times.attention[0, 0, 1, 128] == 12.98
    assert len(found.times.attention) == 8643 and sum(map(len, found.times.dense.values())) == 9 * 152


@pytest.mark.parametrize("above", ["", "tp1", ".."])
def test_a_table_is_found_at_or_below_a_path(above, tmp_path):
    place = shutil.copytree(TABLE, tmp_path / "chip" / "org" / "model" / "bf16")
    path = {"": place, "tp1": place / "tp1", "..": tmp_path / "chip"}[above]
    assert read_bundle(path).folder == place / "tp1"


def test_several_tables_are_named(tmp_path):
    for name in ("a", "b"):
        shutil.copytree(TABLE, tmp_path / name)
    with pytest.raises(AccelsimError, match=r"several tables; name one \(a/tp1, b/tp1\)"):
        read_bundle(tmp_path)


@pytest.mark.parametrize(
    ("file", "change", "told"),
    [
        ("dense", lambda t: without("rotary", t), "dense.csv: layer: no rows of rotary_emb, which llama3_8b has"),
        ("per_sequence", lambda t: t.replace("sampler", "sampled"), "no rows of sampler"),
        ("dense", lambda t: t.replace("time_us", "time"), "time_us: no such column; did you mean 'time'?"),
        ("dense", lambda t: t.replace("act_fn,1,2.592", "act_fn,1,fast"), "dense.csv:4: time_us: should be a number"),
        ("dense", lambda t: t.replace("act_fn,1,2.592", "act_fn,1,-2"), "dense.csv:4: time_us: must be from 0 to"),
        ("dense", lambda t: t.replace("act_fn,2,", "act_fn,1,"), "dense.csv:5: tokens: act_fn at 1 is given twice"),
        ("dense", lambda t: t.replace("act_fn,2,", "act_fn,2.5,"), "dense.csv:5: tokens: should be a whole number"),
        ("attention", lambda t: t.replace("0,0,1,16,", "0,0,1,32,"), "attention.csv:5: prefill_chunk: (0, 0, 1, 32)"),
        ("attention", lambda t: without(tuple("123456789"), t), "prefill_chunk: no row has any"),
        ("attention", lambda t: t.replace("0,0,1,16,9.31067", "0,0,1"), "attention.csv:4: has 3 values"),
    ],
)  # fmt: skip
def test_bad_rows(copy, file, change, told):
    edit(copy / "tp1" / f"{file}.csv", change)
    with pytest.raises(AccelsimError) as error:
        read_bundle(copy)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_other_bad_tables(copy, tmp_path):
    for path, told in ((tmp_path / "none", "no such folder"), (tmp_path, "no tp2/dense.csv, for 2 device(s)")):
        with pytest.raises(AccelsimError) as error:
            read_bundle(path, None, 2)
        assert told in str(error.value)
    edit(copy / "meta.yaml", lambda text: text.replace("Llama-3.1-8B", "Llama-9"))
    with pytest.raises(AccelsimError, match="unknown model 'meta-llama/Llama-9'"):
        read_bundle(copy)
    (copy / "meta.yaml").unlink()
    with pytest.raises(AccelsimError, match=r"no meta\.yaml says which model"):
        read_bundle(copy)
    (copy / "tp1" / "moe.csv").write_text("tokens,activated_experts,time_us\n")
    with pytest.raises(AccelsimError, match="layers of experts are not modelled"):
        read_bundle(copy, "llama3_8b")


def test_skew_of_a_bundle(copy):
    edit(copy / "meta.yaml", lambda text: text + "skew_fit: {per_tp: {1: {alpha_default: 0.3}}}\n")
    assert read_bundle(copy).skew == 0.3
    edit(copy / "meta.yaml", lambda text: text.replace("0.3", "3"))
    with pytest.raises(AccelsimError, match=r"skew_fit\.alpha_default must be from 0 to 1, got 3"):
        read_bundle(copy)


def test_rows_that_no_device_can_have_measured(copy):
    """165 TFLOP/s and 1,008 GB/s: six measured rows stand at up to 166.1, within the slack."""
    screened(read_bundle(copy), Peak(165e12, 1008e9))
    assert len(list(nonsense(read_bundle(copy), Peak(165e12 / 1.02, None)))) == 6
    edit(copy / "tp1" / "dense.csv", lambda text: text.replace("down_proj,2048,1459.55", "down_proj,2048,145.9"))
    with pytest.raises(
        AccelsimError, match=r"dense.csv: down_proj at 2048: .* TFLOP/s, where the device has 165; 1 rows"
    ):
        screened(read_bundle(copy), Peak(165e12, None))


def test_a_models_products_are_its_networks():
    """MACs and weights of a layer equal those of the networks that ship."""
    for name, network, tokens in (
        ("llama3_8b", "llama3_8b", 1024),
        ("qwen3_8b", "qwen3_8b", 1024),
        ("gpt2", "gpt2", 1024),
    ):
        model = MODELS[name]
        layers = [layer for layer in load_network(network).layers if layer.problem and not layer.problem.dynamic_filter]
        macs = sum(layer.problem.macs * layer.repeat for layer in layers if not layer.name.startswith("lm_head"))
        each = sum(c * m for what, (c, m) in model.products().items() if what != "lm_head")
        assert macs == model.layers * each * tokens


def test_sizes_of_models():
    assert model_of("meta-llama/Llama-3.1-8B").kv_bytes() * 16 == 2**21  # 2 MiB a block of 16 tokens
    assert round(model_of("llama3_8b").weights / 1e9, 2) == 8.03
    assert round(model_of("qwen3_8b").weights / 1e9, 2) == 8.19
    with pytest.raises(AccelsimError, match="unknown model 'llama3_8'; did you mean 'llama3_8b'"):
        model_of("llama3_8")
