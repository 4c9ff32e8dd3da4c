"""The tables of docs/macs.md are what the simulator says; run this file to write them again."""

from __future__ import annotations

import pytest

import pages
from accelsim.result import Result
from accelsim.simulate import simulate
from accelsim.workload.yaml import load_network

PAGE = "macs.md"
PAIRS = (("bert_base", "squeezebert"), ("vgg16", "mobilenet_v1"))
MACHINES = ("eyeriss", "tpu_v1")


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


@pytest.mark.parametrize("pair", PAIRS)
def test_the_page_is_up_to_date(pair):
    assert pages.read(PAGE, pair[0]) == table(pair)


if __name__ == "__main__":
    for pair in PAIRS:
        pages.write(PAGE, pair[0], table(pair))
