"""Real graphs, where they are at hand, with what is right of each; and small ones, built here."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GRAPHS = Path(os.environ.get("ACCELSIM_ONNX_GRAPHS", ROOT.parent / "shared" / "reference" / "onnx"))
at_hand = pytest.mark.skipif(not (GRAPHS / "truth.json").is_file(), reason="the graphs are not ours to ship")


@cache
def truth() -> dict[str, dict]:
    """What is right of each graph; of none where they are not at hand."""
    path = GRAPHS / "truth.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def dims(name: str) -> dict[str, int]:
    """The sizes, and the values of inputs, of the run that is right."""
    right = truth()[name]
    found = {symbol: size for symbol, size in right["symbols"].items() if symbol != "?"} | right["values"]
    for tensor, of in right["inputs"].items():
        for axis, (declared, run) in enumerate(zip(of["declared"], of["run"], strict=True)):
            if declared in (None, -1, "?"):
                found[f"{tensor}.{axis}"] = run
    return found
