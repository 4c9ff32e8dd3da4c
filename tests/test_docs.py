"""What README, CONTRIBUTING and docs/ tell to type can be typed: commands, names, YAML and Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from accelsim import cli, options, yamlfile
from accelsim.errors import AccelsimError
from accelsim.specs import json_schema
from blocks import PAGES, blocks, commands, heredocs, meant, name_of, redirected
from schemas import errors

MADE = ("digits/digits.yaml", "model.onnx", "net.yaml", "result.json")
"""Files that the pages speak of: `trace` or the reader writes them."""


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The command's name and its parameters, as typer reads them; nothing runs."""
    group = typer.main.get_command(cli.app)
    parent = group.make_context("accelsim", list(words))
    name, command, rest = group.resolve_command(parent, list(words))
    assert command is not None
    return str(name), command.make_context(name, rest, parent=parent).params


def shipped(kind: str, name: str) -> bool:
    names = yamlfile.builtin(kind)
    files = {file for _, file, _ in heredocs()}
    written = {*MADE, *files, *redirected(), *(Path(file).stem for file in files if "/" in file)}
    return (
        not meant(name)
        or name.endswith("result.json")
        or name in written
        or name in names
        or any(one.startswith(f"{name}_") for one in names)
    )


def test_there_is_something_to_check():
    assert len(list(commands())) > 15
    assert len(blocks("python")) >= 1 and len(blocks("yaml")) >= 4 and len(heredocs()) >= 1


@pytest.mark.parametrize("words", [pytest.param(words, id=where) for where, words in commands()])
def test_a_command_can_be_typed(words):
    from accelsim.declared import _declared
    from accelsim.report.glossary import explain

    if len(words) == 1:  # a command by its name
        assert words[0] in typer.main.get_command(cli.app).commands
        return
    name, given = parsed([word.removesuffix("...") for word in words])
    for kind, key in (("arch", "architecture"), ("workload", "workload"), ("mapping", "mapping")):
        assert shipped(kind, str(given.get(key) or "ARCH")), given[key]
    for flow in [given["dataflow"]] if isinstance(given.get("dataflow"), str) else given.get("dataflow") or ():
        assert flow == "best" or shipped("dataflow", flow)
    assert shipped("energy", str(given.get("energy") or "NAME"))
    if name == "explain" and meant(str(given["metric"])):
        explain(given["metric"])
    if name == "schema" and meant(str(given["kind"] or "KIND")):
        assert given["kind"] in yamlfile.KINDS
    if name == "validate":
        assert all(not meant(str(file)) or shipped("arch", str(file)) for file in given["files"])
    declared = {
        parameter
        for kind, key in (("arch", "architecture"), ("workload", "workload"))
        if str(given.get(key)) in yamlfile.builtin(kind)
        for parameter in _declared(kind, given[key])
    }
    if given.get("settings") and declared:
        assert {key for key in options.parameters(given["settings"]) if "." not in key} <= declared
    if given.get("layers") and given["workload"] in yamlfile.builtin("workload"):
        from accelsim.workload.yaml import load_network

        assert load_network(given["workload"]).select(given["layers"])
    options.bits_of(given.get("bits"))


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_is_what_its_schema_takes(block):
    data = yamlfile.parse(block.text, str(block)).data
    if isinstance(data, dict) and (
        {"arch", "workload"} <= data.keys() or data.keys() & {"dataflow", "where", "set", "training"}
    ):
        schema = json_schema("sweep")
        if "arch" not in data:  # a part of a file
            del schema["required"]
        assert not list(errors(schema, data))
        return
    if not isinstance(data, dict):
        pytest.skip("no file of this package")
    if "loops" in data:
        from accelsim import arguments

        assert arguments.proof(None, False, False, data).constraints
        return
    if block.page == "between.md":
        from accelsim.mapping.plan.yaml import plan_from

        assert plan_from(data)[0]
        return
    if block.page == "carbon.md":
        from accelsim.codesign.carbon.spec import CarbonSpec

        assert CarbonSpec.model_validate(data)
        return
    if data.keys() == {"networks"}:
        data = {"levels": [{"name": "ANY", "array": {"size": {}, **data}}]}
    machine = data.keys() & {"levels", "physical", "pe", "word"}
    schema = json_schema("arch" if machine else "space" if "operations" in data else "workload")
    del schema["required"]
    assert not list(errors(schema, data))


@pytest.mark.parametrize(
    ("block", "name", "body"),
    [pytest.param(*one, id=f"{one[0]} {one[1]}") for one in heredocs() if not one[1].endswith(".csv")],
)
def test_a_file_to_copy_is_fine(block, name, body, tmp_path):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(body)
    if name == "plan.yaml":
        from accelsim.mapping.plan.yaml import plan_from

        assert plan_from(tmp_path / name)[0]
        return
    with pytest.raises(SystemExit) as done:
        cli.app(["validate", str(tmp_path / name)])
    assert done.value.code == 0


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    """As GitHub shows a page: files of the tree, and headings of pages."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, heading = link.partition("#")
        if "://" in link:
            continue
        there = (page.parent / file) if file else page
        assert there.exists(), link
        if heading:
            assert heading in headings(there), link


def headings(page: Path) -> set[str]:
    """The names by which GitHub and MyST know a page's headings."""
    lines = (line.lstrip("# ") for line in page.read_text(encoding="utf-8").splitlines() if re.match(r"#+ ", line))
    return {re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-") for line in lines}


def test_the_check_would_find_it():
    """What the tests above are for: a command that is wrong does not pass them."""
    for words in (["runs", "eyeriss"], ["run", "eyeriss", "alexnet", "--batches", "4"]):
        with pytest.raises(Exception, match=r"No such|Missing"):
            parsed(words)
    assert not shipped("arch", "eyris")
    with pytest.raises(AccelsimError):
        options.bits_of("ifmap")
