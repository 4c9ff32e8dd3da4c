"""Intensities over time: the five layouts give one series, windows are the brute-force ones, what is wrong is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import grid_files as layouts
from accelsim.codesign.carbon import best_place, read_series
from accelsim.codesign.carbon.hourly import Series
from accelsim.errors import AccelsimError

SAMPLES = Path(__file__).parents[4] / "shared" / "reference" / "codesign" / "carbon" / "hourly_samples"
"""72 synthetic hours in each layout; read in place where they are."""
VALUES = st.lists(st.integers(1, 900_00).map(lambda cents: Fraction(cents, 100)), min_size=2, max_size=40)


def error(path) -> str:
    with pytest.raises(AccelsimError) as raised:
        read_series(path)
    text = str(raised.value)
    assert "\n" not in text and text.startswith(str(path))
    return text.removeprefix(str(path))


class TestLayouts:
    @settings(max_examples=25, deadline=None)
    @given(VALUES)
    def test_all_give_the_same_series(self, tmp_path_factory, values):
        """Grams as they are, or pounds to nine places: within a part in 10^7."""
        if max(values) < 1:
            values = [*values, Fraction(5)]
        folder = tmp_path_factory.mktemp("grids")
        grams = [f"{float(value):.2f}" for value in values]
        pounds = [f"{float(value / layouts.POUND * 1000):.9f}" for value in values]
        files = [
            layouts.maps(folder, grams, layouts.OLD, "old.csv"),
            layouts.maps(folder, grams),
            layouts.eia(folder, grams),
            layouts.v3(folder, pounds),
        ]
        for file in files:
            found = read_series(file)
            assert [float(one) for one in found.values] == pytest.approx([float(one) for one in values], rel=1e-7)
            assert (found.start, found.step, found.hours) == (layouts.START, layouts.HOUR, len(values))
        fine = read_series(layouts.moer(folder, pounds))
        assert fine.step == timedelta(minutes=5)
        assert [float(one) for one in fine.values[::12]] == pytest.approx([float(one) for one in values], rel=1e-7)
        assert float(fine.mean) == pytest.approx(float(sum(values)) / len(values), rel=1e-7)

    def test_units_and_kinds_are_the_headers(self, tmp_path):
        values = [100, 200, 300]
        found = read_series(layouts.maps(tmp_path, values))
        assert (found.place, found.signal, found.unit) == ("XX", "life cycle", "gCO₂eq/kWh")
        direct = read_series(layouts.maps(tmp_path, values), "direct")
        assert (direct.values, direct.signal) == ((50, 100, 150), "direct")
        kilo = layouts.NEW.replace("gCO₂eq/kWh", "kgCO2e/kWh")
        assert read_series(layouts.maps(tmp_path, [0.1, 0.2, 0.3], kilo)).values == tuple(map(Fraction, values))
        metric = layouts.v3(tmp_path, values, unit="kg_co2_per_mwh")
        assert read_series(metric).values == tuple(map(Fraction, values))
        named = layouts.written(
            tmp_path / "n.csv",
            ["timestamp,MOER (kg/MWh)", "2024-01-01T00:00Z,5", "2024-01-01T01:00+00:00,6"],
        )
        assert (read_series(named).values, read_series(named).place) == ((5, 6), "n")
        assert read_series(layouts.moer(tmp_path, [1000, 1000])).values[0] == Fraction("453.59237")

    def test_times_of_another_zone_are_utc(self, tmp_path):
        rows = ["timestamp,avg_CI", "2024-01-01T02:00+02:00,5", "2024-01-01T03:00+02:00,6"]
        assert read_series(layouts.written(tmp_path / "z.csv", rows)).start == datetime(2024, 1, 1, tzinfo=UTC)

    @pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are read in place")
    def test_the_samples(self):
        found = [read_series(path) for path in sorted(SAMPLES.iterdir())]
        assert len(found) == 5
        for one in found:
            assert one.hours == 72
            assert float(one.mean) == pytest.approx(310, abs=0.01)
            window = one.best(Fraction(6))
            assert window.start == datetime(2024, 3, 30, 5, tzinfo=UTC)
            assert float(window.intensity) == pytest.approx(
                (206.08 + 184.09 + 170 + 166.77 + 176.08 + 197.83) / 6, abs=0.01
            )


def integral(series: Series, start: Fraction, hours: Fraction) -> Fraction:
    """Mean over a window, each step by how long it is in it; start : hours after the series'."""
    total = Fraction(0)
    for index, value in enumerate(series.values):
        begin, end = index * series.step_hours, (index + 1) * series.step_hours
        total += value * max(Fraction(0), min(end, start + hours) - max(begin, start))
    return total / hours


class TestWindows:
    @settings(max_examples=60, deadline=None)
    @given(VALUES, st.sampled_from((5, 15, 60)), st.fractions(Fraction(1, 100), 1), st.data())
    def test_they_are_the_integrals(self, values, minutes, part, data):
        step = timedelta(minutes=minutes)
        series = Series("A", layouts.START, step, tuple(values), "", "", "A.csv")
        hours = part * series.hours
        found = list(series.windows(hours))
        starts = [Fraction(index * minutes, 60) for index in range(len(values))]
        fit = [start for start in starts if start + hours <= series.hours]
        assert [window.start for window in found] == [layouts.START + float(start) * layouts.HOUR for start in fit]
        brute = [integral(series, start, hours) for start in fit]
        assert [window.intensity for window in found] == brute
        assert series.best(hours) == found[brute.index(min(brute))]
        assert series.worst(hours) == found[brute.index(max(brute))]
        by_hour = {}
        for window in found:
            by_hour.setdefault(window.start.hour, []).append(window.intensity)
        means = {hour: sum(own) / len(own) for hour, own in by_hour.items()}
        least = min(means.values())
        assert series.hour_of_day(hours) == (min(hour for hour in means if means[hour] == least), least)
        index = data.draw(st.integers(0, len(fit) - 1))
        late = data.draw(st.integers(0, minutes - 1))
        assert series.at(found[index].start + late * timedelta(minutes=1), hours) == found[index]

    def test_equal_windows_are_the_first(self):
        one = Series("A", layouts.START, layouts.HOUR, tuple(map(Fraction, (5, 3, 3, 5))), "", "", "A.csv")
        other = Series("B", layouts.START, layouts.HOUR, tuple(map(Fraction, (4, 3, 3, 3))), "", "", "B.csv")
        assert one.best(Fraction(1)).start == layouts.START + layouts.HOUR
        assert best_place([one, other], Fraction(1)) == (one, one.best(Fraction(1)))
        place, window = best_place([one, other], Fraction(3))
        assert (place, window.start, window.intensity) == (other, layouts.START + layouts.HOUR, 3)

    def test_a_job_longer_than_the_file_or_out_of_it(self):
        series = Series("A", layouts.START, layouts.HOUR, (Fraction(5), Fraction(3)), "", "", "A.csv")
        with pytest.raises(AccelsimError, match=r"A.csv: a job of 2.5 h is longer than the file, which has 2 h"):
            series.best(Fraction(5, 2))
        with pytest.raises(AccelsimError, match=r"may start from 2024-03-30 00:00 to 2024-03-30 00:00 in A\.csv, not"):
            series.at(layouts.START + layouts.HOUR, Fraction(2))


class TestBad:
    @settings(max_examples=30, deadline=None)
    @given(st.sets(st.integers(1, 22), min_size=1, max_size=4), st.booleans())
    def test_gaps_are_named_with_their_times(self, tmp_path_factory, missing, empty):
        folder = tmp_path_factory.mktemp("gaps")
        values = ["" if hour in missing else 100 for hour in range(24)]
        path = layouts.maps(folder, values)
        if not empty:  # no row at all, where there was one without a value
            lines = path.read_text(encoding="utf-8").splitlines()
            layouts.written(path, [line for hour, line in enumerate(lines, -1) if hour not in missing])
        text = error(path)
        runs = [hour for hour in sorted(missing) if hour - 1 not in missing]
        for first in runs:
            last = next(hour for hour in range(first, 25) if hour + 1 not in missing)
            named = f"2024-03-30 {first:02}:00" + (f" to 2024-03-30 {last:02}:00" if last > first else "")
            assert named in text
        assert text.startswith(": no values for ") and text.endswith(" UTC (one each 60 min); fill the gaps in")

    def test_many_gaps_are_counted_and_those_at_the_ends_seen(self, tmp_path):
        values = [100, 100, 100, *(["", 100, 100] * 8)]
        assert " and 3 more UTC" in error(layouts.maps(tmp_path, values))
        assert "for 2024-03-30 00:00, 2024-03-30 04:00 UTC" in error(layouts.maps(tmp_path, ["", 1, 2, 3, ""]))
        assert "has 1 values; two at least" in error(layouts.maps(tmp_path, ["", 1, ""]))

    @pytest.mark.parametrize(
        ("header", "said"),
        [
            (layouts.NEW.replace("gCO₂eq/kWh", "gCO₂eq"), "'gCO₂eq' is no unit of an intensity"),
            (layouts.NEW.replace("gCO₂eq/kWh", "%"), "'%' is no unit of an intensity"),
            (layouts.NEW.replace("Carbon intensity", "Price"), "no layout of intensities that is known"),
            (layouts.NEW.replace("Datetime (UTC)", "Datetime"), "no layout of intensities that is known"),
        ],
    )
    def test_wrong_units_and_layouts(self, tmp_path, header, said):
        text = error(layouts.maps(tmp_path, [100, 200], header))
        assert text.startswith(":1: ") and said in text

    def test_units_of_json(self, tmp_path):
        assert "meta.units: 'usd_per_mwh' is no unit of an intensity" in error(
            layouts.v3(tmp_path, [1, 2], unit="usd_per_mwh")
        )
        (tmp_path / "no.json").write_text("[1]")
        assert "wanted 'meta' with 'units', and 'data'" in error(tmp_path / "no.json")
        (tmp_path / "no.json").write_text('{"meta": {"units": "g/kWh"}, "data": [{"value": 1}]}')
        assert "data.0: wanted 'point_time' and 'value'" in error(tmp_path / "no.json")

    def test_values_that_betray_another_unit(self, tmp_path):
        assert "all values are below 1 g/kWh when read in g/kWh" in error(layouts.eia(tmp_path, [0.3, 0.4]))
        text = error(layouts.eia(tmp_path, [300, 300_000]))
        assert text.startswith(":3: 300000 g/kWh at 2024-03-30 01:00 is 300,000 g/kWh, more than any grid's (3,000)")

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ([100, "many"], ":3: 'many' at 2024-03-30 01:00 is no number"),
            ([100, -1], ":3: an intensity must be at least 0, got -1 at 2024-03-30 01:00"),
            ([100, "nan"], ":3: 'nan' at 2024-03-30 01:00 is no number"),
        ],
    )
    def test_values(self, tmp_path, values, said):
        assert error(layouts.eia(tmp_path, values)) == said

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            (["2024-01-01T00:00,5", "2024-01-01T01:00,6"], ":2: '2024-01-01T00:00' does not say its time zone"),
            (["0001-01-01T00:00+14:00,5", "2024-01-01T01:00Z,6"], ":2: '0001-01-01T00:00+14:00' is no time"),
            (["noon,5", "2024-01-01T01:00Z,6"], ":2: 'noon' is no time"),
            (["2024-01-01T01:00Z,5", "2024-01-01T00:00Z,6"], ":3: 2024-01-01 00:00 does not come after"),
            (["2024-01-01T01:00Z,5", "2024-01-01T01:00Z,6"], ":3: 2024-01-01 01:00 does not come after"),
            (["2024-01-01T01:00Z,5,6"], ":2: 3 fields, where the header has 2"),
            (
                ["2024-01-01T00:00Z,5", "2024-01-01T01:00Z,5", "2024-01-01T02:00Z,5", "2024-01-01T02:20Z,5"],
                ":5: 2024-01-01 02:20 is no multiple of 60 min after 2024-01-01 02:00",
            ),
        ],
    )
    def test_times(self, tmp_path, rows, said):
        assert error(layouts.written(tmp_path / "t.csv", ["timestamp,avg_CI", *rows])).startswith(said)

    def test_two_zones_and_files_that_are_none(self, tmp_path):
        path = layouts.maps(tmp_path, [100, 200])
        path.write_text(path.read_text(encoding="utf-8").replace(",XX,100.0", ",YY,100.0"), encoding="utf-8")
        assert error(path).startswith(":3: a second zone, 'YY' after 'XX'")
        assert "No such file" in error(tmp_path / "none.csv")
        (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
        assert "not a text file" in error(tmp_path / "bytes.csv")
        (tmp_path / "empty.csv").write_text("")
        assert "no layout of intensities" in error(tmp_path / "empty.csv")
