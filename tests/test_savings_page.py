"""The tables of docs/savings.md are those of docs/figures/between.csv; run this file to write them again.

What the file says is checked: more ways, or more room, cost no more, and cheap rows are searched for anew.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import pages

PAGE = "savings.md"
ROOT = Path(__file__).parents[1]
BENCH, TABLE = ROOT / "benchmarks/between.py", ROOT / "docs/figures/between.csv"
pytestmark = pytest.mark.skipif(not BENCH.is_file(), reason="docs and benchmarks are beside a checkout")
PARTS = ("words", "energy", "cycles")
LEAST_GAP = 5e-4
"""Below this a gap is not told: it would read 0.0 %."""
ANEW = (
    ("tpu_v1", "vgg16", "none"), ("eyeriss_isca16_rs@108 KiB", "mobilenet_v2", "resident"),
    ("eyeriss_isca16_rs@108 KiB", "vgg16", "resident"), ("eyeriss_isca16_rs@512 KiB", "bert_base", "resident"),
    ("eyeriss", "gpt2", "resident"), ("nvdla_full", "vgg16", "resident"),
)  # fmt: skip
"""Rows whose search ends by itself in seconds: whatever the clock, the same plan."""


def bench() -> ModuleType:
    """The benchmark behind the file."""
    spec = importlib.util.spec_from_file_location("between_benchmark", BENCH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def percent(new: str, old: str) -> str:
    """Signed, a typographic minus."""
    value = 100 * (float(new) / float(old) - 1)
    text = f"{value:+.1f}" if abs(value) < 10 else f"{value:+.0f}"
    return "0" if float(text) == 0 else text.replace("-", "−")


def cell(row: dict[str, str] | None, alone: dict[str, str]) -> str:
    """One way of one network: words, energy, cycles against every layer alone, and how sure it is."""
    if row is None:
        return ""
    gap = float(row["energy"]) / float(row["floor"]) - 1
    text = " / ".join(percent(row[part], alone[part]) for part in PARTS) + " %"
    return f"{text} (≤ {100 * gap:.1f} %)" if gap > LEAST_GAP else text


def tables(made: ModuleType) -> str:
    """One for each machine."""
    rows = {made.key(row): row for row in made.read(TABLE)}
    parts = []
    for machine in made.MACHINES:
        alone = {
            network: rows[machine, network, "none"] for network in made.NETWORKS if (machine, network, "none") in rows
        }
        if not alone:
            continue
        kib = next(iter(alone.values()))["kib"]
        size = f", {float(kib):g} KiB" if kib and "@" not in machine else ""
        name = made.called(machine)
        lines = [f"**{name if ',' in name else f'`{name}`'}**{size}", ""]
        header = "alone: words [10⁶], energy [10⁹ MAC], cycles [10⁶] | resident | fused | best"
        lines += [f"| | {header} |", "|---|---:|---:|---:|---:|"]
        for network, one in alone.items():
            said = f"{int(one['words']) / 1e6:,.1f}, {float(one['energy']) / 1e9:,.2f}, {int(one['cycles']) / 1e6:,.1f}"
            found = [rows.get((machine, network, way)) for way in ("resident", "fused", "best")]
            cells = ["no home" if row and row["refused"] else cell(row, one) for row in found]
            lines.append(f"| `{network}` | {said} | {' | '.join(cells)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def told(made: ModuleType) -> str:
    """What the rows say, in sentences with numbers."""
    return "".join(f"- {line}\n" for line in _told(made))


def _told(made: ModuleType) -> Iterator[str]:
    rows = made.read(TABLE)
    found = made.wrong(rows)
    run = [row for row in rows if not row["refused"] and row["way"] != "none"]
    sure = sum(float(row["energy"]) / float(row["floor"]) - 1 <= LEAST_GAP for row in run)
    yield f"Of {len(run)} plans {sure} are the cheapest of all that are listed, or within 0.05 % of it."
    turned = f"{len(found)} {'is' if len(found) == 1 else 'are'}" if found else "none is"
    why = ", each because a search ended by the clock" if found else ""
    yield (
        f"Of {made.pairs(rows):,} pairs of rows of which one can do whatever the other can, {turned} the wrong way "
        f"round{why}."
    )


def test_the_page_is_up_to_date() -> None:
    made = bench()
    assert pages.read(PAGE, "savings") == tables(made)
    assert pages.read(PAGE, "told") == told(made)


def test_more_room_and_more_ways_never_cost_more() -> None:
    """But where a search ended by the clock, and its own bound says that it may be so."""
    made = bench()
    rows = made.read(TABLE)
    assert made.pairs(rows) > 80
    assert [str(one) for one in made.wrong(rows) if not one.excused] == []


def test_no_bound_is_above_a_plan_that_may_do_less() -> None:
    """A certificate says that nothing costs less; so no plan of another row that it covers does."""
    made = bench()
    run = [row for row in made.read(TABLE) if not row["refused"]]
    for more in run:
        assert float(more["floor"]) <= float(more["energy"]) * (1 + made.SURE)
        for less in run:
            if more["machine"] == less["machine"] and made.no_less(more, less):
                assert float(more["floor"]) <= float(less["energy"]) * (1 + made.SURE), (made.key(more), made.key(less))


def test_every_machine_and_network_is_there_alone() -> None:
    made = bench()
    rows = [made.key(row) for row in made.read(TABLE)]
    assert len(rows) == len(set(rows))
    for machine in made.MACHINES:
        for network in made.NETWORKS if "+" not in machine else ():
            assert {(machine, network, "none"), (machine, network, "resident")} <= set(rows)


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "network", "way"), ANEW)
def test_rows_are_what_is_found(machine: str, network: str, way: str) -> None:
    """Energy, cycles and words to the last digit; where it cannot be, why."""
    made = bench()
    (row,) = [row for row in made.read(TABLE) if made.key(row) == (machine, network, way)]
    found = {name: str(value) for name, value in made.measured(machine, network, way, 3600.0, None).items()}
    for name in ("kib", "energy", "cycles", "words", "floor", "tensors", "groups", "refused"):
        assert found.get(name, "") == row[name], name


if __name__ == "__main__":
    pages.write(PAGE, "savings", tables(bench()))
    pages.write(PAGE, "told", told(bench()))
