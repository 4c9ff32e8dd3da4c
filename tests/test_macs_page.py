"""The tables of docs/macs.md are what the simulator says; run this file to write them again."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import pages
from accelsim.result import Result
from accelsim.simulate import simulate
from accelsim.workload.yaml import load_network
from accelsim.yamlfile import builtin

PAGE = "macs.md"
PAIRS = (("bert_base", "squeezebert"), ("vgg16", "mobilenet_v1"))
MACHINES = ("eyeriss", "tpu_v1")
ROOT = Path(__file__).parents[1]
BENCH, TABLE = ROOT / "benchmarks/compact.py", ROOT / "docs/figures/compact.csv"
beside = pytest.mark.skipif(not BENCH.is_file(), reason="docs and benchmarks are beside a checkout")


def figures(machine: str, name: str) -> tuple[float, ...]:
    """10⁶ MACs, 10⁶ weights, DRAM MB, 10⁶ cycles and 10⁹ MACs of energy of one image or sequence."""
    network = load_network(name)
    result = simulate(machine, network, data="dense")
    totals, vector = result.total, result.vector
    return (
        totals.macs / 1e6,
        network.weights / 1e6,
        dram(result),
        (totals.cycles + vector.cycles) / 1e6,
        float(totals.energy + vector.energy) / 1e9,
    )


def dram(result: Result) -> float:
    """MB over the pins, words of vector layers included."""
    multiplying = sum(layer.megabytes("DRAM") * layer.repeat for layer in result.layers)
    ifmap, _, psum = result.architecture.word_bits.values()
    return multiplying + (result.vector.reads * ifmap + result.vector.writes * psum) / 8e6


def table(pair: tuple[str, str]) -> str:
    """One pair on both machines, a line of ratios below each two."""
    lines = [
        "| machine | network | MACs [10⁶] | weights [10⁶] | DRAM [MB] | cycles [10⁶] | energy [10⁹ MAC] |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for machine in MACHINES:
        many, few = (figures(machine, name) for name in pair)
        for name, values in zip(pair, (many, few), strict=True):
            lines.append(f"| {machine} | {name} | " + " | ".join(f"{value:,.1f}" for value in values) + " |")
        ratios = " | ".join(f"**{a / b:.2f}**" for a, b in zip(many, few, strict=True))
        lines.append(f"| {machine} | ratio | {ratios} |")
    return "\n".join(lines) + "\n"


def compact() -> ModuleType:
    """The benchmark behind the figure."""
    spec = importlib.util.spec_from_file_location("compact_benchmark", BENCH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def off(value: float) -> str:
    """Bold where it is more than 1.5 times off."""
    return f"{value:.2f}" if 1 / 1.5 <= value <= 1.5 else f"**{value:.2f}**"


def machines(bench: ModuleType) -> str:
    """A line for each machine: two pairs, and what stalls the last one's compact network."""
    rows = bench.read(TABLE)
    bert, vgg = ({one.machine: one for one in bench.ratios(rows, *pair)} for pair in PAIRS)
    run = {row["machine"]: row for row in rows if row["network"] == PAIRS[1][1]}
    first, last = (next(iter(found.values())).macs for found in (bert, vgg))
    lines = [
        f"| machine | BERT / SqueezeBERT: time ({first:.2f} MACs) | PEs | busy "
        f"| VGG-16 / MobileNet: time ({last:.1f} MACs) | PEs | busy | MobileNet stalled | by |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for machine in (*vgg, *(name for name in bert if name not in vgg)):
        cells = []
        for found in (bert, vgg):
            one = found.get(machine)
            cells += [f"{one.time:.2f}", off(one.pes), off(one.busy)] if one else ["", "", ""]
        row = run[machine]
        causes = {
            cause: int(number) for cause, _, number in (s.rpartition(" ") for s in row["stalls"].split("; ") if s)
        }
        stalled = f"{100 * sum(causes.values()) / bench.cycles(row):.0f} %" if machine in vgg else ""
        cause = next(iter(causes), "") if stalled not in ("", "0 %") else ""
        lines.append(f"| `{machine}` | {' | '.join(cells)} | {stalled} | {cause} |")
    refused: dict[str, list[str]] = {}
    for row in rows:
        if row["refused"]:
            refused.setdefault(row["machine"], []).append(row["network"])
    every = len(bench.NETWORKS)
    told = (f"`{name}` ({'all' if len(of) == every else ', '.join(of)})" for name, of in refused.items())
    return "\n".join(lines) + f"\n\nNot run, for a mapping does not fit or none is known: {', '.join(told)}.\n"


@pytest.mark.parametrize("pair", PAIRS)
def test_the_page_is_up_to_date(pair):
    assert pages.read(PAGE, pair[0]) == table(pair)


@beside
def test_the_table_of_all_machines_is_that_of_the_file():
    assert pages.read(PAGE, "machines") == machines(compact())


@beside
def test_time_is_macs_times_pes_times_busy():
    bench = compact()
    rows = bench.read(TABLE)
    for pair in bench.PAIRS:
        found = bench.ratios(rows, *pair)
        assert len(found) > 25
        for one in found:
            assert one.time == pytest.approx(one.macs * one.pes * one.busy)


@beside
def test_the_file_has_every_machine_and_the_numbers_of_the_tables_above():
    bench = compact()
    rows = {(row["machine"], row["network"]): row for row in bench.read(TABLE)}
    assert set(rows) == {(machine, name) for machine in builtin("arch") for name in bench.NETWORKS}
    for pair in PAIRS:
        text = pages.read(PAGE, pair[0])
        for machine in MACHINES:
            for name in pair:
                row = rows[machine, name]
                (line,) = (one for one in text.splitlines() if one.startswith(f"| {machine} | {name} |"))
                cells = line.split(" | ")
                assert cells[5] == f"{bench.cycles(row) / 1e6:,.1f}"
                energy = float(row["energy"]) + float(row["vector_energy"])
                assert cells[6].rstrip(" |") == f"{energy / 1e9:,.1f}"


def same(bench: ModuleType, machine: str, name: str) -> None:
    """A row of the file is what the simulator says."""
    (row,) = (one for one in bench.read(TABLE) if (one["machine"], one["network"]) == (machine, name))
    found = {key: str(value) for key, value in bench.measured(machine, name).items()}
    assert found == {key: value for key, value in row.items() if key in found}
    assert not any(value for key, value in row.items() if key not in found)


@beside
@pytest.mark.parametrize(
    ("machine", "name"),
    [("nvdla_full", "mobilenet_v1"), ("isaac", "squeezebert"), ("diannao", "alexnet"), ("nv_small", "vgg16")],
)
def test_rows_of_the_file_are_what_is_measured(machine, name):
    same(compact(), machine, name)


@beside
@pytest.mark.nightly
@pytest.mark.parametrize("machine", sorted(builtin("arch")))
def test_all_rows_of_the_file_are_what_is_measured(machine):
    bench = compact()
    for name in bench.NETWORKS:
        same(bench, machine, name)


if __name__ == "__main__":
    pages.write(PAGE, "machines", machines(compact()))
    for pair in PAIRS:
        pages.write(PAGE, pair[0], table(pair))
