"""docs/plots.md names every kind and width there is, and shows pictures that are there, each with its command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from accelsim import plotting
from accelsim.report.framing import SIZES
from test_docs import parsed

PAGE = Path(__file__).parents[2] / "docs" / "plots.md"
TEXT = PAGE.read_text(encoding="utf-8")
PICTURES = re.findall(r"<!-- accelsim (.*) -->\n!\[[^\]]+\]\(([^)]+)\)", TEXT)


def test_all_kinds_and_widths_are_told():
    for kind in (*plotting.KINDS, *plotting.OF_SWEEPS):
        assert f"`{kind}`" in TEXT
    for name, size in SIZES.items():
        assert f"| `{name}` | {size.width:g} in" in TEXT and f"| {size.text:g} pt" in TEXT


def test_every_kind_of_a_result_is_shown():
    shown = {parsed(shlex.split(command))[1].get("kind") for command, _ in PICTURES}
    # those of plans stand where plans are told of
    assert shown >= set(plotting.KINDS) - {"between", "plan"}
    plans = (PAGE.parent / "between.md").read_text(encoding="utf-8")
    assert "--kind plan" in plans and "--kind between" in plans and "figures/between_resnet50.png" in plans
    assert TEXT.count("![") == len(PICTURES)


@pytest.mark.parametrize(("command", "picture"), PICTURES, ids=[picture for _, picture in PICTURES])
def test_a_picture_is_what_its_command_writes(command, picture):
    name, given = parsed(shlex.split(command))
    written = given["out"] if name == "plot" else given["plot_to"]
    assert written == Path("docs") / picture
    data = (PAGE.parent / picture).read_bytes()
    size = SIZES[given["width"]]
    assert int.from_bytes(data[16:20], "big") == pytest.approx(size.width * size.dots, abs=1)
