"""Sweeps of training steps: a point is what `simulate` gives of the step, and runs again from the store."""

from __future__ import annotations

import pytest

import accelsim
from accelsim.errors import AccelsimError
from accelsim.sweep.again import again
from accelsim.sweep.plan import read_plan
from accelsim.workload.network import Network
from accelsim.workload.training.optimizers import Optimizer, Training

STEPS = [False, "momentum", {"optimizer": "adam", "master_bits": 32, "transposed": "split"}]


SMALL = """\
name: small
source: none
input: {C: 2, H: 8, W: 8}
layers:
  A: {op: conv, M: 8, kernel: 3, pad: 1}
  P: {op: avgpool, kernel: 2}
  B: {op: conv, M: 4, kernel: 3, stride: 2, pad: 1}
  F: {op: fc, M: 5}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("sweep")
    (found / "small.yaml").write_text(SMALL, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def rows(folder):
    found = accelsim.sweep(
        arch=["eyeriss", "tpu_v1"], workload=str(folder / "small.yaml"), training=STEPS, batch=[1, 4],
        evaluator="analytical", store=folder / "t.sweep", workers=1,
    )  # fmt: skip
    return list(found.rows())


def test_a_point_is_what_a_run_of_the_step_gives(folder, rows):
    assert len(rows) == 2 * 3 * 2 and not any(row["error"] for row in rows)
    at = iter(rows)
    for machine in ("eyeriss", "tpu_v1"):
        for training in STEPS:
            for batch in (1, 4):
                row = next(at)
                run = accelsim.simulate(
                    machine, folder / "small.yaml", batch=batch, training=training, evaluator="analytical"
                )
                ours = (run.total.macs, run.total.cycles, run.vector.cycles, run.total.energy, run.vector.energy)
                names = ("macs", "cycles", "vector_cycles", "energy", "vector_energy")
                assert tuple(row[name] for name in names) == ours, (machine, training, batch)
    assert len({row["key"] for row in rows}) == len(rows)


def test_a_point_of_a_step_runs_again_from_the_store(folder, rows):
    row = rows[4]
    result = again(folder / "t.sweep", row["key"])
    assert (result.total.cycles, result.vector.cycles) == (row["cycles"], row["vector_cycles"])
    assert [one.phase for one in result.phases][-1] == "update"


def test_an_optimizer_of_ones_own():
    heavy = Training(Optimizer("heavy", 3, 7), master_bits=32)
    plan = read_plan({"arch": "eyeriss", "workload": "ds_cnn", "training": [heavy, Optimizer("heavy", 0, 7)]})
    networks = [plan.resolver.plan(point).ran.network for _, point in plan.points()]
    assert networks[0] == accelsim.load_network("ds_cnn").training_step(heavy) != networks[1]
    # what an optimizer is, and not its name alone, makes a plan another
    other = read_plan({"arch": "eyeriss", "workload": "ds_cnn", "training": [heavy, Optimizer("heavy", 1, 7)]})
    assert other.identity != plan.identity


@pytest.mark.parametrize(
    ("training", "says"),
    [
        ("adm", "training: unknown optimizer 'adm'; did you mean 'adam'"),
        (["sgd", "adm"], "training: unknown optimizer 'adm'; did you mean 'adam'"),
        ([{"optimiser": "sgd"}], "training: unknown option 'optimiser'; did you mean 'optimizer'"),
        ([{"master_bits": -1}], "training: master_bits is -1"),
        ([True, 2], "training: wanted True, an optimizer or a Training, got int"),
    ],
)
def test_what_is_no_training_step(training, says):
    with pytest.raises(AccelsimError) as error:
        read_plan({"arch": "eyeriss", "workload": "ds_cnn", "training": training})
    assert str(error.value).startswith(f"sweep: {says}") and "\n" not in str(error.value)


def test_what_is_no_training_step_in_a_file(tmp_path):
    (tmp_path / "s.yaml").write_text("arch: eyeriss\nworkload: ds_cnn\ntraining: [sgd, adm]\n", encoding="utf-8")
    with pytest.raises(AccelsimError, match=r"s\.yaml:3:17: training\.1: unknown optimizer 'adm'; did you mean 'adam'"):
        read_plan(tmp_path / "s.yaml")


def test_a_network_without_a_gradient_is_a_point_that_failed(tmp_path):
    last = {"A": {"op": "conv", "M": 2, "kernel": 1}, "V": {"op": "vector", "ops": 9}, "B": {"op": "fc", "M": 2}}
    found = accelsim.sweep(
        arch="eyeriss", workload=Network.of("v", last, (1, 4, 4)), evaluator="analytical", workers=1,
        training=[False, "sgd", {"vector_gradients": 2}], store=tmp_path / "v.sweep",
    )  # fmt: skip
    errors = [row["error"] for row in found.rows()]
    assert not errors[0] and not errors[2]
    assert "op 'vector' tells words alone" in errors[1]
