"""The table of docs/precision.md is what the simulator says; run this file to write it again."""

from __future__ import annotations

from dataclasses import replace

import pages
from accelsim.energy.account import account
from accelsim.energy.load import load_table
from accelsim.energy.rows import total
from accelsim.result import Result
from accelsim.simulate import simulate
from accelsim.workload.problem import TENSORS
from accelsim.workload.yaml import load_network

PAGE = "precision.md"
ENDS = ("CONV1", "CONV5")


def run(ends: tuple[int, ...], others: tuple[int, ...]) -> Result:
    """AlexNet's CONV layers, the first and the last at other bits than the rest."""
    network = load_network("alexnet", 4)
    layers = tuple(
        replace(layer, bits=dict(zip(TENSORS, ends if layer.name in ENDS else others, strict=True)))
        for layer in network.layers
    )
    return simulate(
        "eyeriss",
        replace(network, layers=layers),
        mapping="eyeriss_alexnet_jssc17",
        layers="CONV*",
        data="dense",
    )


def row(name: str, result: Result) -> str:
    """One line of the table."""
    totals, pj = result.total, load_table("horowitz_45nm")
    joules = sum(
        total(account(replace(result.architecture, word_bits=layer.bits), layer.counts, pj)) for layer in result.layers
    )
    dram = sum(layer.megabytes("DRAM") for layer in result.layers)
    mac = sum(entry.energy for entry in result.energy_rows() if entry.component == "MAC")
    return (
        f"| {name} | {totals.cycles:,} | {totals.processing_cycles:,} | {dram:.1f} | {float(totals.energy) / 1e9:.2f} "
        f"| {float(mac) / 1e9:.2f} | {float(joules) / 1e9:.2f} |"
    )


def table() -> str:
    """The table between the marks."""
    lines = [
        "| bits | cycles | processing cycles | DRAM [MB] | energy [10⁹ MAC] | of it MACs | energy, Horowitz [mJ] |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for bits in ((16, 16, 16), (8, 8, 16), (8, 8, 8), (4, 4, 16), (1, 1, 16)):
        lines.append(row(" / ".join(map(str, bits)), run(bits, bits)))
    lines.insert(-2, row("mixed 8 and 4", run((8, 8, 16), (4, 4, 16))))
    return "\n".join(lines) + "\n"


def test_the_page_is_up_to_date():
    assert pages.read(PAGE, "table") == table()


if __name__ == "__main__":
    pages.write(PAGE, "table", table())
