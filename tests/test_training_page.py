"""The table of docs/training.md is what the simulator says; run this file to write it again."""

from __future__ import annotations

import re

import pytest

import pages
from accelsim.shares import kept_of
from accelsim.simulate import simulate
from accelsim.workload.ops.vector import Function
from accelsim.workload.training.optimizers import OPTIMIZERS
from accelsim.workload.training.phases import ORDER
from accelsim.workload.training.undone import DERIVATIVES, STOPS

PAGE, MARK = "training.md", "shares"
MACHINES, NETWORKS = ("eyeriss", "tpu_v1"), ("alexnet", "resnet50", "bert_base")
BATCH = 16


def row(machine: str, name: str) -> str:
    """Shares of each phase, and what the step comes to."""
    result = simulate(machine, name, batch=BATCH, training="momentum", data="dense")
    phases = result.phases
    sums = [sum(getattr(one, what) for one in phases) for what in ("macs", "cycles", "energy")]
    cells = [
        " / ".join(
            f"{100 * part / whole:.1f}" for part, whole in zip((one.macs, one.cycles, one.energy), sums, strict=True)
        )
        for one in phases
    ]
    waits = kept_of(result)
    assert waits is not None
    totals = f"{sums[0] / 1e9:.1f}", f"{result.milliseconds(sums[1]):,.1f}", f"{waits.bytes / 1e6:,.0f}"
    return f"| `{machine}` | `{name}` | " + " | ".join((*cells, *totals)) + " |\n"


def head() -> str:
    names = ("Machine", "Network", *map(str.capitalize, ORDER), "MACs [10⁹]", "Step [ms]", "Kept [MB]")
    return f"| {' | '.join(names)} |\n|---|---|{'---:|' * (len(names) - 2)}\n"


def test_the_page_has_every_row():
    lines = pages.read(PAGE, MARK).splitlines()
    assert "\n".join(lines[:2]) + "\n" == head()
    assert [re.findall("`([^`]+)`", line) for line in lines[2:]] == [[m, n] for m in MACHINES for n in NETWORKS]


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_page_is_up_to_date(machine, name):
    assert row(machine, name) in pages.read(PAGE, MARK)


def cells(heading: str) -> list[list[str]]:
    """The rows of the table below a heading of the page."""
    text = (pages.DOCS / PAGE).read_text(encoding="utf-8")
    rows = text.partition(heading)[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows if line.startswith("|")][2:]


def test_optimizers_of_the_page_are_those_there_are():
    found = {name.strip("`"): (int(state), int(ops)) for name, state, ops, _ in cells("same way.\n\n")}
    assert found == {name: (one.state, one.ops) for name, one in OPTIMIZERS.items()}


def test_functions_of_the_page_count_what_they_do():
    found = {}
    for names, ops in cells("per word (`elementwise`):\n\n"):
        for name in re.findall("`([^`]+)`", names):
            found[name] = int(re.match(r"\d+", ops)[0])
    words = {"multiply": 1, "divide": 1, "subtract": 0, "round": 0}
    written = {name: of.ops for name, of in DERIVATIVES.items() if name and name not in words}
    assert found == written
    assert set(written) | set(words) | STOPS == {*map(str, Function), *STOPS}


if __name__ == "__main__":
    pages.write(PAGE, MARK, head() + "".join(row(machine, name) for machine in MACHINES for name in NETWORKS))
