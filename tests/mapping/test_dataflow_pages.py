"""The pages of docs/dataflows name every dataflow and machine that ships, each where it belongs."""

from __future__ import annotations

import re
from pathlib import Path

from accelsim.yamlfile import builtin, folder

PAGES = Path(__file__).parents[2] / "docs" / "dataflows"
OWN = {"eyeriss_v2", "scnn"}
"""Machines that have no dataflow: mappings of their own, PEs that map a layer by themselves."""


def said() -> dict[str, list[str]]:
    """Dataflow -> machines that the pages say run it."""
    found: dict[str, list[str]] = {}
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", text, re.MULTILINE)
        rows += re.findall(r"^`(\w+)`, machine (`\w+`)", text, re.MULTILINE)
        for flow, machines in rows:
            found.setdefault(flow, []).extend(re.findall(r"`(\w+)`", machines))
    return found


def test_every_dataflow_has_its_page():
    assert set(said()) == set(builtin("dataflow"))


def test_machines_run_the_dataflow_that_the_pages_say():
    for flow, machines in said().items():
        for machine in machines:
            text = (folder("arch") / f"{machine}.yaml").read_text(encoding="utf-8")
            assert f"dataflow: {flow}\n" in text, (flow, machine)
    assert {machine for machines in said().values() for machine in machines} == set(builtin("arch")) - OWN


def test_the_table_of_five_says_what_their_pages_show():
    rows = re.findall(r"^\| ([\w\- ]+) \| \d \|(.*)\|$", (PAGES / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == 5
    for name, cells in rows:
        page = (PAGES / f"{name.replace('-', '_').replace(' ', '_')}.md").read_text(encoding="utf-8")
        ifmap, filters, up, down, cycles, energy = (int(cell.replace(",", "")) for cell in cells.split("|"))
        shown = dict(re.findall(r"^(ifmap read|filter read|psum update|psum read) (\d+)$", page, re.MULTILINE))
        told = (shown["ifmap read"], shown["filter read"], shown["psum update"], shown.get("psum read", "0"))
        assert tuple(map(int, told)) == (ifmap, filters, up, down)
        assert f"({cycles}, {energy}.0)" in page
