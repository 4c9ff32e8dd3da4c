"""What a newcomer types first, from the shell: files of one's own, heads that share keys, every network that ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from accelsim.cli import app
from accelsim.simulate import simulate
from accelsim.yamlfile import builtin, folder

HEADS = """
name: heads
source: 32 heads of 128 channels read the keys and values of 8
input: {C: 4096, W: 6}
layers:
  q: {op: matmul, M: 4096}
  k: {op: matmul, inputs: input, M: 1024}
  v: {op: matmul, inputs: input, M: 1024}
  qk: {op: matmul, inputs: [q, k], groups: 32SHARED}
  softmax: {op: softmax}
  av: {op: matmul, inputs: [softmax, v], groups: 32SHARED, over: positions}
"""


def cli(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_heads_that_share_keys_without_saying_so(tmp_path):
    """Case U3: what is wrong, and the key that makes it right."""
    done = cli("run", "systolic_ws", write(tmp_path / "heads.yaml", HEADS.replace("SHARED", "")))
    assert done.exit_code == 2
    first, *_ = done.stderr.splitlines()
    assert "heads.yaml:9:3: layers.qk: shape mismatch" in first and "kv_groups: 8" in first
    assert "Traceback" not in done.output


def test_heads_that_share_keys(tmp_path):
    """Shared keys and values are read once: a quarter of the words that 32 heads of their own would be."""
    file = write(tmp_path / "heads.yaml", HEADS.replace("SHARED", ", kv_groups: 8"))
    done = cli("run", "eyeriss", file, "--layers", "qk,av", "--check", "--json")
    assert done.exit_code == 0, done.output
    qk, av = json.loads(done.stdout)["layers"]
    assert qk["macs"] == av["macs"] == 32 * 128 * 6 * 6
    result = simulate("eyeriss", file, layers="qk,av")
    assert [layer.problem.sizes for layer in result.layers] == [(4, 8, 6, 128, 1, 6, 1, 1), (4, 8, 128, 6, 1, 6, 1, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("name", builtin("workload"))
def test_every_network_runs(name):
    """In the closed form, on a machine that is quick to map to; all layers are there."""
    result = simulate("systolic_ws", name, evaluator="analytical")
    assert not result.failures and result.total.cycles > 0
    assert len(result.layers) == sum(1 for layer in result.ran.network.layers if layer.problem)


def test_a_dataflow_file_from_the_shell(tmp_path):
    """Case U2, in both places."""
    write(tmp_path / "my.yaml", (folder("dataflow") / "output_stationary_systolic.yaml").read_text())
    text = (folder("arch") / "systolic_os.yaml").read_text()
    machine = write(tmp_path / "m.yaml", text.replace("dataflow: output_stationary_systolic", "dataflow: my.yaml"))
    assert "my.yaml" in machine.read_text()
    rest = ("--layers", "FC8", "--evaluator", "analytical", "--json")
    runs = [
        cli("run", "systolic_os", "alexnet", "--dataflow", tmp_path / "my.yaml", *rest),
        cli("run", machine, "alexnet", *rest),
        cli("run", "systolic_os", "alexnet", *rest),
    ]
    assert [done.exit_code for done in runs] == [0, 0, 0], [done.output for done in runs]
    assert len({json.loads(done.stdout)["total"]["cycles"] for done in runs}) == 1
    assert cli("validate", machine, tmp_path / "my.yaml").exit_code == 0
    done = cli("run", "systolic_os", "alexnet", "--dataflow", tmp_path / "mine.yaml")
    assert done.exit_code == 2 and "no such file" in done.stderr
