"""Damaged results: what is drawn adds up, everything else is refused by the name of its field."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from accelsim.errors import AccelsimError
from accelsim.report.document import read_document
from fuzz.bounds import kept
from fuzz.damage import scribble, spoil

ROWS = [
    {"component": "DRAM", "tensor": "ifmap", "action": "read", "energy": 200.0},
    {"component": "GLB", "tensor": "filter", "action": "fill", "energy": 6.5},
    {"component": "MAC", "tensor": "none", "action": "mac", "energy": 512.0},
]
DOCUMENT = {
    "architecture": "tiny",
    "workload": "net",
    "dataflow": "row_stationary",
    "energy_unit": "MAC",
    "energy_table": "relative",
    "energy_accounting": "counts",
    "batch": 4,
    "operands": "dense",
    "levels": ["DRAM", "GLB"],
    "layers": [
        {"name": "A", "repeat": 1, "macs": 512, "energy": 718.5, "energy_breakdown": ROWS},
        {"name": "B", "repeat": 2, "macs": 512, "energy": 718.5, "energy_breakdown": ROWS},
    ],
    "total": {
        "macs": 1536,
        "energy": 2155.5,
        "energy_breakdown": [{**row, "energy": 3 * row["energy"]} for row in ROWS],
    },
}


def drawn(path: Path) -> None:
    """Read and draw, to a file."""
    from accelsim.report import plot

    document = read_document(path)
    plot.energy(document).figure.canvas.draw()
    plot.compare({"one": document, "two": document}).figure.canvas.draw()


def given(seed: int, path: Path) -> None:
    """One result, spoilt."""
    random = Random(f"results {seed}")
    if random.random() < 0.4:
        path.write_bytes(scribble(json.dumps(DOCUMENT, indent=1), random))
    else:
        path.write_text(json.dumps(spoil(DOCUMENT, random)))
    kept(lambda: drawn(path))


def test_a_good_one_is_drawn(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps(DOCUMENT))
    drawn(tmp_path / "r.json")


def test_damaged_results_are_drawn_or_refused(tmp_path):
    for seed in range(80):
        given(seed, tmp_path / "r.json")


@pytest.mark.nightly
def test_thousands_of_damaged_results_are_drawn_or_refused(tmp_path):
    for seed in range(1_000, 11_000):
        given(seed, tmp_path / "r.json")


def test_every_number_that_is_drawn_is_refused_when_it_is_wrong(tmp_path):
    """Not one energy can be changed without a sum that no longer holds."""
    path = tmp_path / "r.json"
    for keys in [
        ("layers", 0, "energy"),
        ("layers", 1, "energy_breakdown", 0, "energy"),
        ("layers", 1, "repeat"),
        ("layers", 0, "macs"),
        ("total", "energy"),
        ("total", "macs"),
        ("total", "energy_breakdown", 2, "energy"),
    ]:
        document = json.loads(json.dumps(DOCUMENT))
        inside = document
        for key in keys[:-1]:
            inside = inside[key]
        inside[keys[-1]] *= 3
        path.write_text(json.dumps(document))
        with pytest.raises(AccelsimError, match=r"adds? up|differs"):
            read_document(path)
