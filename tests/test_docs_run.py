"""What README and docs/ show is what happens: every page's blocks run, in their order, as its reader would type them.

`sh` runs; `console` runs and says what the page says; `python` runs; `pycon` gives what the page gives. In `sh` and
`python`, networks that ship are run on one layer and in closed form, as their pages tell nothing of what comes out.
Run as a program, this file draws the pages' pictures again.
"""

from __future__ import annotations

import csv
import doctest
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import accelsim
from accelsim import cli, yamlfile
from blocks import HERE, PAGES, ROOT, Block, blocks, meant, name_of, of_page

RUNS = ("sh", "console", "python", "pycon")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
ELSEWHERE = {
    "pip": "installs",
    "python3": "installs",
    "pytest": "is this suite",
    "run": "is .ci/run itself",
    "sphinx-build": "is a part of .ci/run",
    "warm": "tests/test_warm.py does",
    "reproduce": "tests/validation does",
}
"""What pages tell to type and this file does not run, and why."""
ONE_LAYER = {
    "alexnet": "CONV3",
    "alexnet_two_tower": "CONV3",
    "vgg16": "FC8",
    "resnet50": "conv3_1b",
    "bert_base": "l0_q",
    "mobilenet_v2": "b2_dw",
    "hog_svm": "SVM",
}
SHELL = ("mkdir", "cp", "mv", "cat", "sed", "grep", "python")


class Reader:
    """Who types what a page shows, in a folder of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.patch = monkeypatch
        self.folder = folder
        self.check = doctest.OutputChecker()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PWD", str(folder))

    def run(self, block: Block) -> None:
        """Do what the block says; AssertionError, with what the page says and what came, where they differ."""
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), self.names)
            for file in re.findall(r"savefig\(\"([^\"]+)\"", block.text):
                assert (self.folder / file).stat().st_size
        elif block.language == "pycon":
            self.interpret(block)
        else:
            self.shell(block)

    def interpret(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(block.text, {}, str(block), block.page, block.line)
        test.globs = self.names
        told: list[str] = []
        failed, tried = doctest.DocTestRunner(self.check, optionflags=FLAGS).run(
            test, out=told.append, clear_globs=False
        )
        assert tried and not failed, "".join(told)

    def shell(self, block: Block) -> None:
        text, *files = HERE.split(block.text)
        self.commands(block, text.splitlines())
        for name, body, after in zip(files[::3], files[1::3], files[2::3], strict=True):
            (self.folder / name).write_text(body + "\n", encoding="utf-8")
            self.commands(block, after.splitlines())

    def commands(self, block: Block, lines: list[str]) -> None:
        if block.language == "sh":
            for part in (part for line in lines for part in line.split("&&")):
                code, told = self.typed(part, quick=True)
                assert code == 0, f"{block}: {part}\n{told}"
            return
        begins = [at for at, line in enumerate(lines) if line.startswith("$ ")]
        assert begins and begins[0] == 0, f"{block}: a console begins with a prompt"
        for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
            wanted = "".join(f"{line}\n" for line in lines[begin + 1 : end])
            code, told = self.typed(lines[begin][2:])
            assert code == 0 or (code == 2 and wanted), f"{block}: {lines[begin]}\n{told}"
            same = self.check.check_output(wanted, told, FLAGS)
            assert same, f"{block}: {lines[begin]}\n{told}\nis not what the page says:\n{wanted}"

    def typed(self, line: str, quick: bool = False) -> tuple[int, str]:
        """(exit code, what is printed) of one command; 0 and nothing for one that runs elsewhere."""
        line, _, into = line.partition(" > ")
        words = shlex.split(os.path.expandvars(line), comments=True)
        words = [self.filled(word) for word in words]
        if not words:
            return 0, ""
        if words[0] == "export":
            self.patch.setenv(*words[1].split("=", 1))
            return 0, ""
        first = Path(words[0]).name
        if {first, *words[1:2]} & ELSEWHERE.keys() and (first != "accelsim" or words[1] != "run"):
            return 0, ""
        if first in SHELL:
            done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
            code, told = done.returncode, done.stdout + done.stderr
        else:
            assert first == "accelsim", f"{line}: nothing this test knows to run"
            ran = CliRunner().invoke(cli.app, quicker(words[1:]) if quick else words[1:], prog_name="accelsim")
            code, told = ran.exit_code, ran.stdout if into else ran.output
        if into:
            (self.folder / into.strip()).write_text(told, encoding="utf-8")
            told = ""
        return code, told

    def filled(self, word: str) -> str:
        """The word that a reader puts in the place of KEY: one out of the table that the sweep wrote."""
        if word != "KEY":
            return word
        with (self.folder / "points.csv").open(encoding="utf-8") as table:
            return next(csv.DictReader(table))["key"]


def quicker(words: list[str]) -> list[str]:
    """The command with one layer and the closed form instead, where it runs a network that ships."""
    command, names = words[0], [word for word in words[1:] if word[0] != "-"]
    if any(name.endswith(".onnx") for name in names) and "--dim" not in words:
        words = [*words, "--dim", "batch=1", "--dim", "seq=8"]
    if command == "fit":
        words = [*words, "--samples", "60", "--evaluator", "analytical", "--check", "none"]
    if "--workers" in words:
        words = ["2" if before == "--workers" else word for before, word in zip(["", *words], words, strict=False)]
    network = next((name for name in names if name in yamlfile.builtin("workload")), None)
    if network and command in ("run", "compare", "map", "plot"):
        if "--layers" not in words:
            words = [*words, "--layers", ONE_LAYER[network]]
        if command in ("run", "compare") and "--evaluator" not in words:
            words = [*words, "--evaluator", "analytical"]
    return words


def pictures(path: Path) -> list[tuple[str, Path]]:
    """(file that the page's reader draws, file that the page shows): a comment before a picture says which it is."""
    found = re.findall(
        r"^<!-- ([\w.]+\.svg) -->\n!\[[^]]*\]\(([^)]+)\)", path.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [(drawn, path.parent / shown) for drawn, shown in found]


def labels(picture: Path) -> list[str]:
    """All that is written in a picture; matplotlib has it in comments, where letters are shapes."""
    text = picture.read_text(encoding="utf-8")
    return re.findall(r"<!-- (.+) -->", text) or re.findall(r">([^<>\n]+)</text>", text)


def graphs(folder: Path) -> None:
    """Graphs of the names that pages have, a product with open sizes."""
    from onnx import save
    from onnx_small import model, node, stored, tensor

    product = model([node("MatMul", "x w", "y")], [tensor("x", "batch", "seq", 16)], [tensor("y", "batch", "seq", 8)],
                    [stored("w", 16, 8)])  # fmt: skip
    save(product, folder / "model.onnx")


def intensities(folder: Path) -> None:
    """Files of the names that pages have: a day of intensities in two places."""
    for name, least in (("here.csv", 300), ("there.csv", 200)):
        rows = [f"2024-03-30T{hour:02}:00:00Z,{least + 10 * abs(hour - 12)}\n" for hour in range(24)]
        (folder / name).write_text("timestamp,avg_CI\n" + "".join(rows), encoding="utf-8")


@pytest.fixture
def reader(monkeypatch, tmp_path):
    import matplotlib

    matplotlib.use("Agg")
    for name in ("ACCELSIM_PATH", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("simulate", "compare"):
        whole = getattr(accelsim, name)

        def less(machine, network, *at, _whole=whole, **more):
            if network in ONE_LAYER:
                several = "*" in str(more.get("layers", "*"))
                more |= {"evaluator": "analytical", **({"layers": ONE_LAYER[network]} if several else {})}
            return _whole(machine, network, *at, **more)

        monkeypatch.setattr(accelsim, name, less)
    return Reader(monkeypatch, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in PAGES if any(one.language in RUNS for one in of_page(path))], ids=name_of
)
def test_a_page_does_what_it_says(path, reader, monkeypatch):
    if "model.onnx" in path.read_text(encoding="utf-8"):
        graphs(reader.folder)
    intensities(reader.folder)
    for block in of_page(path):
        if block.language in RUNS:
            reader.run(block)
    for drawn, shown in pictures(path):
        assert labels(shown) == labels(reader.folder / drawn), f"{shown}: run this file to draw it again"


def typed_in_sentences() -> dict[str, str]:
    """command -> where it is first said, of those that are whole: no placeholder, more than a name."""
    found: dict[str, str] = {}
    for block in blocks("inline"):
        words = shlex.split(block.text.partition(" > ")[0])
        if (len(words) > 2 or words[1:] == ["list"]) and all(map(meant, words)):
            found.setdefault(block.text, str(block))
    return found


@pytest.mark.slow
def test_commands_in_sentences_run(reader):
    """On one layer and in closed form, beside the files that they speak of."""
    graphs(reader.folder)
    shutil.copy("model.onnx", "resnet18.onnx")
    Path("docs").mkdir()
    reader.run(Block("", 0, "sh", "accelsim run eyeriss alexnet --out first\n"))
    for name in ("result.json", "A.json", "B.json", "a/result.json", "b/result.json"):
        Path(name).parent.mkdir(exist_ok=True)
        shutil.copy("first/result.json", name)
    reader.run(Block("", 0, "sh", "accelsim run eyeriss alexnet --node 28 --out run\n"))
    Path("factors.yaml").write_text("grid: usa\n", encoding="utf-8")
    accelsim.sweep(
        arch="eyeriss_isca16_rs", workload="ds_cnn", layers="fc", evaluator="analytical", set={"rows": [8, 16]},
        objectives=["energy", "cycles"], store="mine.sweep", workers=1,
    )  # fmt: skip
    for command, where in typed_in_sentences().items():
        reader.run(Block(where, 0, "sh", command))


def test_languages_are_known():
    """A fence of another language would not be run."""
    known = {*RUNS, "yaml", "toml", "dockerfile", "text", "inline", "{toctree}", "{eval-rst}", "{include}"}
    assert {block.language.split()[0] for path in PAGES for block in of_page(path)} <= known


def test_a_page_that_lies_is_found(reader):
    """What the tests above are for."""
    with pytest.raises(AssertionError, match="is not what the page says"):
        reader.run(Block("page", 1, "console", "$ accelsim --version\n9.9.9\n"))
    with pytest.raises(AssertionError, match="Got"):
        reader.run(Block("page", 1, "pycon", ">>> 1 + 1\n3\n"))
    with pytest.raises(AssertionError, match="neither a file"):
        reader.run(Block("page", 1, "sh", "accelsim run eyeris alexnet\n"))
    reader.run(Block("page", 1, "console", f"$ accelsim --version\naccelsim {accelsim.__version__}\n"))


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        for page in PAGES:
            if pictures(page):
                with tempfile.TemporaryDirectory() as folder:
                    one = Reader(patch, Path(folder))
                    for block in of_page(page):
                        if block.language in RUNS:
                            one.run(block)
                    for drawn, shown in pictures(page):
                        shutil.copy(one.folder / drawn, shown)
                    patch.chdir(ROOT)
