"""docs/carbon.md: what it says its commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim.cli import app

PAGE = (Path(__file__).parents[1] / "docs" / "carbon.md").read_text(encoding="utf-8")


def output(command: str) -> str:
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_first_example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, body, command = re.search(r"cat > (\S+) <<'EOF'\n(.*?)EOF\n(.*?)\n```", PAGE, re.DOTALL).groups()
    Path(name).write_text(body)
    lines = output(command).splitlines()
    said = PAGE.split("<!-- output -->\n```text\n")[1].split("\n```")[0].splitlines()
    assert len(said) == 8 and [line for line in lines if line in said] == said
    again = output("accelsim footprint run/result.json --factors factors.yaml").splitlines()
    assert lines[-len(again) :] == again
    made, all_of_it = 5.099, 6.081
    assert made / all_of_it == pytest.approx(5 / 6, abs=0.01)


def test_t5():
    command = re.search(r"accelsim footprint --power .*", PAGE)[0]
    out = output(command)
    assert "85.33 MWh" in out and out.startswith("job: 46.50 t CO2e")


def test_every_key_is_named():
    from accelsim.codesign.carbon import CarbonSpec

    table = PAGE.split("## Keys")[1]
    assert set(CarbonSpec.model_fields) <= set(re.findall(r"`(\w+)`", table))


def test_nodes_are_the_tables():
    from accelsim.codesign.carbon.tables import nodes

    whole = [node for node, row in nodes().items() if all(row.values())]
    assert f"{', '.join(map(str, whole[:-1]))} and {whole[-1]} nm" in PAGE
