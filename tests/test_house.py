"""The house rules of size, and that the words of docs/engine.md are those of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import accelsim

ROOT = Path(accelsim.__file__).parent
MOST_LINES, MOST_OF_A_FUNCTION, MOST_PARAMETERS = 450, 80, 10
MANY = {
    "cli.py": "run compare search",
    "plotting.py": "plot",
    "predicting.py": "fit",
    "simulate.py": "simulate",
    "timelines.py": "timeline",
    "designing.py": "table",
    "footprints.py": "footprint",
    "servings.py": "serve",
    "serving/door.py": "serve",
}  # a parameter for each option


def sources() -> Iterator[tuple[str, str]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for name, text in sources():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                yield f"{name}:{node.name}", node


def test_files_are_short():
    assert not {name for name, text in sources() if text.count("\n") > MOST_LINES}


def test_functions_are_short():
    assert not {name for name, node in functions() if node.end_lineno - node.lineno >= MOST_OF_A_FUNCTION}


def test_functions_take_few_parameters():
    found: dict[str, list[str]] = {}
    for name, node in functions():
        arguments = node.args
        if len(arguments.posonlyargs + arguments.args + arguments.kwonlyargs) > MOST_PARAMETERS:
            file, _, function = name.partition(":")
            found.setdefault(file, []).append(function)
    assert {file: set(names) for file, names in found.items()} == {
        file: set(text.split()) for file, text in MANY.items()
    }


def test_kernels_of_a_room_are_in_its_folder():
    for name, text in sources():
        if re.search(r"^@(njit|part)\b", text, re.MULTILINE):
            assert "/kernels/" in name, name


@pytest.mark.skipif(not (ROOT.parent / "docs").is_dir(), reason="docs are beside a checkout")
def test_the_words_of_the_page_are_those_of_the_code():
    page = (ROOT.parent / "docs" / "engine.md").read_text(encoding="utf-8")
    code = "".join(text for name, text in sources() if name.startswith("engine/")).lower()
    for row in page.partition("## Terms")[2].splitlines()[3:]:
        for term in row.split("|")[1].strip().split(", "):
            assert term in code, term
    modules = {Path(name).stem for name, _ in sources()}
    for path in re.findall(r"`((?:\w+\.)+\w+)`", page.partition("## The life")[2].partition("## Terms")[0]):
        name = path.rpartition(".")[2]
        assert name in modules or re.search(rf"\b(def|class) {name}\b", code, re.IGNORECASE), path
