"""Footprints: the product by hand, of jobs that are given and of runs; what is left out or wrong is one line."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accelsim
import grid_files
from accelsim.codesign.carbon import footprint, load_spec
from accelsim.errors import AccelsimError, SpecError

NUMBER = st.fractions(Fraction(1, 100), 10_000, max_denominator=100)
SHARE = st.fractions(Fraction(1, 20), 1, max_denominator=20)


def refused(result=None, file=None, **keys) -> str:
    with pytest.raises(AccelsimError) as error:
        footprint(result, file, **keys)
    assert "\n" not in str(error.value)
    return str(error.value)


@settings(max_examples=60, deadline=None)
@given(NUMBER, NUMBER, st.integers(1, 5000), st.fractions(1, 2, max_denominator=50), NUMBER, SHARE, NUMBER, NUMBER)
def test_a_job_by_hand(watts, hours, devices, pue, grams, use, years, requests):
    """In joules, seconds and grams, in floating point."""
    found = footprint(
        power=f"{float(watts)} W",
        time=f"{float(hours)} h",
        devices=devices,
        pue=pue,
        grid=f"{float(grams)} g/kWh",
        node=7,
        area="50 mm2",
        fab_grid="taiwan",
        memory={"ddr4_10nm": "16 GB"},
        lifetime=f"{float(years)} years",
        use=use,
        requests=requests,
        dataset=1000,
        epochs=3,
        tries=7,
    )
    seconds = float(hours) * 3600
    joules = float(watts) * seconds * devices * float(pue)
    running = joules / 3.6e6 * float(grams)
    device = 0.5 * (583 * 2.15 + 275 + 500) / 0.875 + 16 * 65 / 0.875 + 2 * 150
    making = devices * device * seconds / (float(years) * 365 * 86400 * float(use))
    times = {"job": 1, "all requests": float(requests), "a training": 3000, "all tries": 21000}
    assert {cost.what: float(cost.times) for cost in found.costs} == pytest.approx(times)
    for cost in found.costs:
        factor = times[cost.what]
        assert float(cost.kwh) == pytest.approx(factor * joules / 3.6e6, rel=1e-9)
        assert float(cost.operational) == pytest.approx(factor * running, rel=1e-9)
        assert float(cost.embodied) == pytest.approx(factor * making, rel=1e-9)
        assert float(cost.grams) == pytest.approx(factor * (running + making), rel=1e-9)
        assert float(cost.hours) == pytest.approx(factor * seconds / 3600, rel=1e-9)
        assert cost.macs is None


RUNS = {
    "sparse": ("eyeriss", "alexnet", {"node": 28, "layers": "CONV3,POOL5", "batch": 2, "seed": 3}),
    "short words": ("tpu_v1", "alexnet", {"node": 16, "layers": "FC8", "bits": {"ifmap": 4, "filter": 4}}),
    "repeats": ("eyeriss", "squeezebert", {"node": 22, "layers": "*", "batch": 2, "parameters": {"seq": 16}}),
    "parts of its own": ("isaac", "alexnet", {"layers": "CONV3"}),
    "DRAM with banks": (
        "systolic_ws",
        "alexnet",
        {"energy": "horowitz_45nm", "layers": "CONV5", "parameters": {"dram": "lpddr4_3200"}},
    ),
}
"""Old features that change energy, time or area of a run."""


@pytest.mark.parametrize("name", RUNS)
def test_any_run_by_its_rows(name):
    """Energy by the tidy rows of MAC and vector layers, time by cycles, area by the parts: in floating point."""
    machine, network, options = RUNS[name]
    result = accelsim.simulate(machine, network, evaluator="analytical", **options)
    keys = {"grid": "123 g/kWh", "pue": 1.25, "fab_grid": "usa", "node": 5, "lifetime": "2 years", "use": "40%"}
    areas = result.energy_table.prices_parts
    found = footprint(result, **keys, **({} if areas else {"area": "12 mm2"}))
    joules = 1e-12 * sum(row["energy"] for row in (*result.table, *result.vector_table)) / result.batch
    cycles = sum(layer.repeat * layer.cycles for layer in (*result.layers, *result.vector_layers))
    seconds = cycles / float(result.architecture.clock_hz) / result.batch
    cm2 = sum(float(part.floor) for part in result.floor.parts) / 100 if areas else 0.12
    device = cm2 * (380 * 2.75 + 327.5 + 500) / 0.875 + 150
    (cost,) = found.costs
    assert float(cost.operational) == pytest.approx(1.25 * joules / 3.6e6 * 123)
    assert float(cost.hours) == pytest.approx(seconds / 3600)
    assert float(cost.embodied) == pytest.approx(device * seconds / (2 * 365 * 86400 * 0.4))
    assert float(cost.macs) == sum(layer.macs * layer.repeat for layer in result.layers) / result.batch


@pytest.fixture(scope="module")
def run():
    return accelsim.simulate("tpu_v1", "alexnet", node=7, layers="CONV3,CONV4,POOL5", evaluator="analytical", batch=4)


class TestRun:
    def test_an_inference_is_the_documents_over_its_batch(self, run):
        document = run.to_dict()
        spent = document["total"]["with_vector"]
        found = footprint(run, grid="taiwan", pue=1.2)
        assert found.job.what == "inference"
        (cost,) = found.costs
        assert float(cost.kwh) == pytest.approx(spent["energy"] * 1e-12 / 3.6e6 / 4 * 1.2)
        assert float(cost.hours) == pytest.approx(spent["ms"] / 3.6e6 / 4)
        assert float(cost.macs) == run.total.macs / 4
        assert float(cost.operational) == pytest.approx(float(cost.kwh) * 583)
        assert cost.embodied is None and found.embodied is None

    def test_area_and_node_are_the_tables(self, run):
        found = footprint(run, grid="usa", fab_grid="taiwan", lifetime="3 years", use=0.5)
        mm2 = float(run.floor.area)
        device = mm2 / 100 * (583 * 2.15 + 275 + 500) / 0.875 + 150
        assert float(found.embodied.grams) == pytest.approx(device)
        share = run.to_dict()["total"]["with_vector"]["ms"] / 4 / 1e3 / (3 * 365 * 86400 * 0.5)
        assert float(found.share) == pytest.approx(share)
        assert float(found.costs[0].embodied) == pytest.approx(device * share)
        other = footprint(run, grid="usa", fab_grid="taiwan", lifetime="1 year", area="10 mm2", node=5)
        assert float(other.embodied.grams) == pytest.approx(0.1 * (583 * 2.75 + 327.5 + 500) / 0.875 + 150)

    def test_a_read_result_has_the_same(self, run, tmp_path):
        from accelsim.report.files import write_result
        from accelsim.result import Result

        write_result(tmp_path, run)
        again = Result.load(tmp_path / "result.json")
        keys = {"grid": "usa", "fab_grid": "taiwan", "lifetime": "3 years"}
        assert footprint(again, **keys).costs == footprint(run, **keys).costs

    def test_what_it_leaves_out_is_said(self, run):
        assert footprint(run, grid="usa").notes == ("of the layers CONV3,CONV4,POOL5 alone",)
        keys = {"fab_grid": "usa", "lifetime": "1 year", "use": 0.5}
        many = footprint(run, grid="usa", requests=10**15, **keys)
        lives = 10**15 * float(many.job.hours) / (365 * 24 * 0.5)
        assert many.notes[1] == f"all requests: {lives:.3g} working lives of a device, whether in turn or side by side"
        assert len(footprint(run, grid="usa", requests=10, **keys).notes) == 1
        assert "gradients only where the run has them" in footprint(run, grid="usa", dataset=10).notes[1]

    def test_wrong(self, run):
        relative = accelsim.simulate("eyeriss", "alexnet", layers="CONV5", evaluator="analytical")
        assert "'eyeriss_relative' is relative to a MAC" in refused(relative, grid="usa")
        assert refused(run, grid="usa", power="3 W") == "power: the result says it; leave it out"
        flat = accelsim.simulate("eyeriss", "alexnet", layers="CONV5", evaluator="analytical", energy="horowitz_45nm")
        keys = {"grid": "usa", "fab_grid": "usa", "lifetime": "1 year"}
        assert refused(flat, node=28, **keys) == (
            "area: missing; energy table 'horowitz_45nm' knows no areas; give it, such as '331 mm2'"
        )
        assert "node: missing" in refused(flat, area="12 mm2", **keys)
        old = accelsim.simulate("eyeriss", "alexnet", layers="CONV5", evaluator="analytical", node=65)
        assert refused(old, **keys).startswith("node: no data of a fab of 65 nm")


class TestPlaces:
    def test_the_best_of_several_is_counted(self, tmp_path):
        night = grid_files.maps(tmp_path, [300, 100, 120, 300, 500])
        day = grid_files.eia(tmp_path, [90, 200, 200, 90, 10], "day.csv")
        job = {"power": "1 kW", "time": "2 h"}
        found = footprint(grid=["usa", str(night), str(day)], **job)
        assert [float(place.intensity) for place in found.places] == [380, 110, 50]
        assert found.place is found.places[2]
        assert found.place.window.start == datetime(2024, 3, 30, 3, tzinfo=UTC)
        assert found.costs[0].grams == 2 * 50
        for start, grams in (("2024-03-30T00:00", 200), ("2024-03-30 02:30", 210)):
            assert footprint(grid=str(night), start=start, **job).place.intensity == grams
        assert footprint(grid=str(night), direct=True, **job).place.intensity == 55
        assert footprint(grid=str(night), length="1 h", **job).costs[0].grams == 2 * 100
        assert (
            "of one kWh more or less" in footprint(grid=str(grid_files.v3(tmp_path, [500, 400, 300])), **job).notes[0]
        )

    def test_factors_name_the_file_and_the_time(self, tmp_path):
        file = grid_files.maps(tmp_path, [300, 100, 120])
        (factor,) = (one for one in footprint(grid=str(file), energy="1 kWh", time="1 h").factors if "grid" in one.name)
        assert factor.name == "grid: XX"
        assert factor.source == f"{file}: life cycle, gCO₂eq/kWh, from 2024-03-30 01:00 UTC"

    def test_wrong(self, tmp_path):
        file = str(grid_files.maps(tmp_path, [300, 100, 120]))
        assert refused(energy="1 kWh").startswith("grid: missing; name a region")
        assert refused(energy="1 kWh", grid="tiawan").startswith(
            "grid: unknown region 'tiawan'; did you mean 'taiwan'?"
        )
        assert refused(energy="1 kWh", grid="400") == (
            "grid: '400' has no unit; a carbon intensity is written like '432.7 g/kWh' (g, kg, t or lb of CO2e per kWh "
            "or MWh)"
        )
        assert "is longer than the file" in refused(power="1 W", time="4 h", grid=file)
        assert refused(energy="1 kWh", grid=file).startswith("time: missing; a window in ")
        assert refused(energy="1 kWh", grid="usa", start="2024-01-01").startswith("start: no grid is a file")
        assert "may start from 2024-03-30 00:00 to 2024-03-30 02:00" in refused(
            power="1 W", time="1 h", grid=file, start="2024-04-30"
        )


def test_a_share_may_be_percent():
    keys = {"energy": "1 kWh", "time": "1 h", "grid": "usa", "memory": {"lpddr4": "1 GB"}, "lifetime": "1 year"}
    assert footprint(use="12.5 %", **keys).share == footprint(use=0.125, **keys).share == Fraction(8, 365 * 24)


class TestWrong:
    """Beside those above."""

    @pytest.mark.parametrize(
        ("keys", "said"),
        [
            ({"lifetime": "-3 years"}, "footprint: lifetime: a time must be positive, got '-3 years'"),
            ({"pue": 0.9}, "footprint: pue: must be at least 1, got 0.9"),
            ({"use": 2}, "footprint: use: must be at most 1, got 2"),
            ({"use": "200 %"}, "footprint: use: must be at most 100, got 200"),
            ({"use": 0.5}, "use: a share of the lifetime; give lifetime too"),
            ({"fab_yield": 0}, "footprint: fab_yield: must be above 0, got 0"),
            ({"abatement": 90}, "footprint: abatement: should be one of 95, 97, 99 %, got 90"),
            ({"devices": 1.5}, "footprint: devices: should be a whole number, got 1.5"),
            ({"requests": "many"}, "footprint: requests: should be a number, got 'many'"),
            ({"requests": float("nan")}, "footprint: requests: should be a number, got 'nan'"),
            ({"start": "noon"}, "footprint: start: should be a time in UTC such as 2024-03-30T05:00, got 'noon'"),
            ({"start": "0001-01-01T00:00+14:00"}, "footprint: start: should be a time in UTC such as 2024-03-30T05:00"),
            ({"lifetme": "3 years"}, "footprint: lifetme: unknown key; did you mean 'lifetime'?"),
            ({"power": "3 W"}, "energy and power: each says what the job takes; give one of them"),
            ({"lifetime": "3 years"}, "lifetime: nothing is made that could be spread over it"),
            ({"node": 7}, "fab_grid: missing; name the region where the die is made, or give an intensity"),
            ({"fab_yield": 0.9}, "fab_yield: nothing is made; give fab_grid or memory"),
            ({"fab_grid": "usa", "node": 7}, "area: missing; give it, such as '331 mm2'"),
            ({"fab_grid": "moon", "node": 7, "area": "1 mm2"}, "fab_grid: unknown region 'moon'"),
            (
                {"memory": {"ddr5": "1 GB"}, "lifetime": "1 year", "time": "1 h"},
                "memory: unknown process 'ddr5'; did you",
            ),
            ({"memory": {"ddr4_10nm": "1 GB"}}, "lifetime: missing; what a device's making emitted is spread over it"),
            ({"memory": {"ddr4_10nm": "1 GB"}, "lifetime": "1 year"}, "time: missing; a job's share"),
            ({"tries": 3}, "tries: of a training; give dataset too"),
        ],
    )
    def test_keys(self, keys, said):
        assert refused(energy="1 kWh", grid="usa", **keys).startswith(said)

    def test_no_job(self):
        assert refused(grid="usa") == "power and time: missing; give a result, or energy, or power and time of a job"
        assert refused(grid="usa", power="3 W").startswith("time: missing; give a result")

    def test_files_have_lines(self, tmp_path):
        path = tmp_path / "f.yaml"
        path.write_text("grid: usa\nlifetime: -3 years\nmemory: {ddr4_10nm: 8}\npeu: 1.1\n")
        with pytest.raises(SpecError) as error:
            load_spec(path)
        lines = str(error.value).replace(str(path), "f").split("\n")
        assert lines[0] == "f:2:11: lifetime: a time must be positive, got '-3 years'"
        assert lines[1].startswith("f:3:21: memory.ddr4_10nm: '8' has no unit")
        assert lines[2].startswith("f:4:1: peu: unknown key; did you mean 'pue'?")

    def test_keys_go_over_a_file(self, tmp_path):
        path = tmp_path / "f.yaml"
        path.write_text("grid: usa\npue: 1.5\nenergy: 2 kWh\n")
        assert footprint(file=path).costs[0].grams == 2 * Fraction("1.5") * 380
        assert footprint(file=path, grid="world", pue=1).costs[0].grams == 2 * 301
