"""What runs come to, to the byte: a change of the code that is not meant to change a number changes none.

`python tests/test_unchanged.py` writes the file anew, for a change that is meant to: name it in the commit.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from accelsim.simulate import simulate

KNOWN = Path(__file__).parent / "data" / "unchanged.json"
RUNS = {
    "dense, the paper's nests": (
        "eyeriss",
        "alexnet",
        {"mapping": "eyeriss_alexnet_jssc17", "layers": "CONV*", "batch": 4},
    ),
    "dense, gated and coded, searched": ("eyeriss", "mobilenet_v2", {"layers": "*"}),
    "dense, by the closed form": ("eyeriss_l2", "alexnet", {"evaluator": "analytical"}),
    "skipping, mesh, shipped nests": ("eyeriss_v2", "mobilenet_v1_0.5_128", {"seed": 3}),
    "output pairs": ("scnn", "alexnet", {"layers": "CONV2,CONV3", "seed": 1}),
    "columns that drift": ("eie", "alexnet", {"layers": "FC*", "seed": 2}),
    "expected zeros": ("eyeriss", "alexnet", {"evaluator": "analytical", "objective": "edp"}),
    "banks": ("systolic_ws", "squeezenet_v1_1", {"parameters": {"dram": "ddr4_2400"}}),
    "links of a mesh": ("simba", "googlenet", {"layers": "*3x3*"}),
    "narrow sums": ("tpu_v1", "resnet50", {}),
    "filled accumulators": ("nvdla_full", "squeezenet_v1_1", {}),
    "a tree": ("diannao", "alexnet", {"layers": "CONV3,FC8"}),
    "a shifting array": ("shidiannao", "mobilenet_v1_0.5_128", {"layers": "conv1,dw2,pw2"}),
    "by another's account": ("eyeriss_isca16_osc", "alexnet_two_tower", {"batch": 16, "accounting": "isca16"}),
}


def dump(arch, network, options):
    """Everything a result says but what wrote it."""
    document = simulate(arch, network, **options, tolerant=True).to_dict()
    del document["version"]
    del document["ran"]["versions"]
    return document


def told(document):
    """Its hash, and totals that say how far off another one is."""
    text = json.dumps(document, sort_keys=True)
    total = {name: document["total"][name] for name in ("cycles", "processing_cycles", "energy")}
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), **total}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_run_comes_to_what_it_came_to(name):
    assert told(dump(*RUNS[name])) == json.loads(KNOWN.read_text(encoding="utf-8"))[name]


if __name__ == "__main__":
    known = {name: told(dump(*run)) for name, run in RUNS.items()}
    KNOWN.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
