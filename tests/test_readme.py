"""The first command of the README gives the README's first number, and so does its first snippet."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim.cli import app

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def command(block: str) -> list[str]:
    """The arguments of the first `accelsim` command of a block that CI runs."""
    lines = README.split(f"<!-- ci: {block} -->")[1].split("<!-- ci: end -->")[0]
    found = re.search(r"\.venv/bin/accelsim (.*)", lines.replace("\\\n", " "))
    assert found
    return shlex.split(found[1])


def first_number() -> str:
    """Ours, in the first row of the table of what is validated."""
    table = README.split("<!-- validation -->")[1]
    row = next(line for line in table.splitlines() if "processing time" in line)
    return row.split("|")[3].strip()


@pytest.mark.slow
def test_the_first_command_gives_the_first_number():
    done = CliRunner().invoke(app, command("main"))
    assert done.exit_code == 0, done.output
    assert first_number() == "101.6 ms"
    printed = re.search(r"\(processing ([0-9.]+) ms\)", done.output.splitlines()[0])
    assert printed
    assert f"{float(printed[1]):.1f} ms" == first_number()
    total = next(line for line in done.output.splitlines() if line.split()[:1] == ["total"])
    assert printed[1] in total.split()


def test_the_snippet_asks_for_the_same_run():
    """The Python call has the options of the command."""
    call = re.search(r"accelsim\.simulate\((.*?)\)\n", README.split("```python")[1], re.DOTALL)
    assert call
    words = set(re.findall(r"[\w*]+", call[1]))
    assert {word.lstrip("-") for word in command("main")[1:]} <= words
