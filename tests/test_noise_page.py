"""The table of docs/noise.md is that of docs/figures/noise.csv, and rows of that are what the benchmark gives; run this
file to write the table again.
"""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGE, TABLE, BENCH = ROOT / "docs/noise.md", ROOT / "docs/figures/noise.csv", ROOT / "benchmarks/noise.py"
SHOWN = (
    ("none", "", "inverted", "exact: 8 bits, `inverted`"),
    ("bits", "6", "offset", "6 bits, `offset`"),
    ("bits", "5", "offset", "5 bits, `offset`"),
    ("bits", "5", "inverted", "5 bits, `inverted`"),
    ("bits", "4", "inverted", "4 bits, `inverted`"),
    ("cell", "0.02", "inverted", "cells off by 2 %, `inverted`"),
    ("cell", "0.05", "inverted", "5 %"),
    ("cell", "0.1", "inverted", "10 %"),
    ("cell", "0.1", "offset", "10 %, `offset`"),
    ("cell", "0.2", "inverted", "20 %"),
    ("read", "0.1", "inverted", "reads off by 0.1 units, `inverted`"),
    ("read", "0.2", "inverted", "0.2 units"),
    ("read", "0.5", "inverted", "0.5 units"),
)
pytestmark = pytest.mark.skipif(not BENCH.is_file(), reason="docs and benchmarks are beside a checkout")


def rows() -> dict[tuple[str, str, str, str], dict[str, str]]:
    with TABLE.open(newline="") as file:
        return {(r["network"], r["knob"], r["value"], r["weights"]): r for r in csv.DictReader(file)}


def table() -> str:
    lines, found = [], rows()
    for *key, name in SHOWN:
        cells = [name]
        for network in ("dense", "pruned"):
            row = found[network, *key]
            decibels = row["CONV2 dB"]
            cells += [f"{float(row['accuracy']):.1%}", decibels if decibels == "exact" else f"{decibels} dB"]
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def test_the_table_is_that_of_the_file() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    pytest.importorskip("sklearn", reason="scikit-learn has the digits")
    spec = importlib.util.spec_from_file_location("noise_benchmark", BENCH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rows_are_what_the_benchmark_gives(bench: ModuleType) -> None:
    dense = bench.Bench("dense")
    known = rows()
    for knob, value, analog in bench.settings():
        if (knob, value) not in (("none", ""), ("bits", "5"), ("cell", "0.05"), ("read", "0.2")):
            continue
        row = known["dense", knob, value, analog.weights.value]
        accuracy, noise = dense.measured(analog, 0)
        # a picture on the edge may fall to either side where sums of floats are added up in another order
        assert float(row["least"]) - 0.005 <= accuracy <= float(row["most"]) + 0.005
        for layer, found in noise.items():
            if row[f"{layer} dB"] == "exact":
                assert not found.differ
            else:
                assert found.decibels == pytest.approx(float(row[f"{layer} dB"]), abs=0.1)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition("|---:|---:|---:|---:|\n")
    PAGE.write_text(f"{head}|---:|---:|---:|---:|\n{table()}\n{rest.partition(chr(10) * 2)[2]}", encoding="utf-8")
