"""Options of the command line with whatever a shell can hand over: exit 0 or 2, lines, no traceback."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from accelsim.cli import app
from fuzz.bounds import good_lines, kept
from fuzz.damage import LETTERS, NUMBERS, UNITS, WHOLE
from fuzz.test_files import LAYER

ODD = [
    "9" * 5000,
    "0x" + "f" * 5000,
    "x" * 5000,
    "-",
    "--",
    "=",
    ",",
    "*",
    "[",
    "[!",
    "?",
    "CONV*,",
    "A,A",
    "A,B",
    "\udce9",
]
KEYS = ["rows", "cols", "sram", "dram", "lowering", "row", "", "levels.DRAM", "levels..", "word", "clock", "pipeline"]

# a search takes fewer of them than a run
SEARCHED = ["--set", "--set", "--set", "--bits", "--bits", "--layers", "--batch", "--dataflow", "--energy"]
SEARCHED += ["--accounting", "--objective", "--out"]
OPTIONS = [*SEARCHED, "--mapping", "--data", "--evaluator", "--seed"]


def word(random: Random) -> str:
    """What someone, or a script, puts behind an option; a shell cannot hand over a NUL."""
    return str(
        random.choice(
            [
                lambda: random.choice(WHOLE),
                lambda: random.choice(LETTERS),
                lambda: random.choice(NUMBERS),
                lambda: f"{random.choice(NUMBERS)} {random.choice(UNITS)}",
                lambda: random.choice(ODD),
            ]
        )()
    )


def options(random: Random, allowed: list[str]) -> list[str]:
    """One or two options with odd values."""
    found: list[str] = []
    for _ in range(random.choice([1, 1, 2])):
        option = random.choice(allowed)
        if option == "--set":
            value = f"{random.choice(KEYS)}={word(random)}" if random.random() < 0.9 else word(random)
        elif option == "--bits":
            names = ["ifmap", "filter", "psum", "ofmap", "weight", ""]
            value = ",".join(f"{random.choice(names)}={word(random)}" for _ in range(random.choice([1, 2])))
        else:
            value = word(random)
        # nothing may be written but where the test stands
        found += [option, value.replace("/", "_").replace("..", "_") if option == "--out" else value]
    return found


def asked(seed: int, network: Path) -> None:
    """One command line, in process."""
    random = Random(f"options {seed}")
    machine = random.choice(["systolic_ws", "eyeriss", "simba", "eie", "scnn", word(random)])
    command = random.choice(["run", "run", "run", "map"])
    given = options(random, OPTIONS if command == "run" else SEARCHED)
    arguments = [command, machine, str(network), *(["--evaluator", "analytical"] if command == "run" else []), *given]
    result = kept(lambda: CliRunner().invoke(app, arguments))
    assert result.exit_code in (0, 2), (arguments, result.exit_code, result.exception)
    if result.exit_code == 2 and "Usage:" not in result.stderr:
        good_lines(result.stderr.rstrip("\n"))


def test_options_are_obeyed_or_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text(LAYER)
    for seed in range(80):
        asked(seed, Path("one.yaml"))


@pytest.mark.nightly
def test_thousands_of_options_are_obeyed_or_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text(LAYER)
    for seed in range(1_000, 8_000):
        asked(seed, Path("one.yaml"))
