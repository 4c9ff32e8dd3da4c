"""What noise and short converters cost: digits that a small network still knows on ISAAC's crossbars, and its signal to
noise, layer by layer.

    python benchmarks/noise.py [--seeds 5] [--table FILE.csv]
    python benchmarks/noise.py --table FILE.csv --plot FILE.svg

Words are of 8 bits: 8 reads of a bit, 4 cells of 2 bits. Accuracy is the mean over seeds of the deviations; decibels
are of all sums of a layer together, on the operands of the exact run, for the first seed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from accelsim.architecture.analog import Analog, Deviation, Storage
from accelsim.architecture.model import Architecture
from accelsim.architecture.precision import with_bits
from accelsim.engine.outputs.analog import Noise
from accelsim.engine.outputs.functional import noisy
from accelsim.mapping.mapping import LoopNest
from accelsim.simulate import simulate
from accelsim.sparsity.digits import LAYERS, Digits, digits, exact
from accelsim.workload.problem import Width

FIELDS = ("network", "knob", "value", "weights", "accuracy", "least", "most", *(f"{name} dB" for name in LAYERS))
BITS = {"ifmap": 8, "filter": 8}
NETWORKS = {"dense": 0.0, "pruned": 0.6}
LEVEL = "REGISTERS"
SHARES = ("0.01", "0.02", "0.05", "0.1", "0.2", "0.3")
UNITS = ("0.1", "0.2", "0.3", "0.5", "1", "2")


def settings() -> Iterator[tuple[str, str, Analog]]:
    """(knob, value, what it makes of the sums): one knob at a time, the other as ISAAC has them."""
    plain = Analog(LEVEL, bits=8, weights=Storage.INVERTED)
    yield "none", "", plain
    for weights in (Storage.OFFSET, Storage.INVERTED):
        for bits in (8, 7, 6, 5, 4):
            yield "bits", str(bits), Analog(LEVEL, bits=bits, weights=weights)
        for share in SHARES:
            yield "cell", share, replace(plain, weights=weights, cell=Deviation(relative=Fraction(share)))
    for units in UNITS:
        yield "read", units, replace(plain, read=Deviation(absolute=Fraction(units)))


class Bench:
    """A trained network and how ISAAC runs its layers."""

    def __init__(self, name: str) -> None:
        self.digits: Digits = digits(prune=NETWORKS[name])
        found = simulate("isaac", self.digits.network, evaluator="analytical", bits=BITS)
        self.nests: dict[str, LoopNest] = {layer.name: layer.nest for layer in found.layers}
        self.machine: Architecture = with_bits(found.architecture, {Width(t): bits for t, bits in BITS.items()})

    def measured(self, analog: Analog, seed: int) -> tuple[float, dict[str, Noise]]:
        """Share of the pictures that are known, every layer taking what the one before has made.

        Of the first seed, each layer's noise on exact operands too.
        """
        physical = self.machine.physical
        assert physical is not None
        machine = replace(self.machine, physical=replace(physical, analog=analog))
        noise: dict[str, Noise] = {}

        def read(layer, ifmap, weights):
            return noisy(machine, self.nests[layer.name], layer.problem, ifmap, weights, seed)

        def both(layer, ifmap, weights):
            sums = exact(layer, ifmap, weights)
            noise[layer.name] = Noise.between(sums, read(layer, ifmap, weights))
            return sums

        if seed == 0:
            self.digits.run(both)
        return self.digits.accuracy(self.digits.run(read)), noise


def rows(seeds: int) -> Iterator[dict[str, object]]:
    """One row for each network and setting."""
    for name in NETWORKS:
        bench = Bench(name)
        for knob, value, analog in settings():
            drawn = range(seeds if analog.cell or analog.read else 1)
            found = [bench.measured(analog, seed) for seed in drawn]
            known = [accuracy for accuracy, _ in found]
            decibels = {}
            for layer in LAYERS:
                noise = found[0][1][layer]
                decibels[f"{layer} dB"] = f"{noise.decibels:.1f}" if noise.differ else "exact"
            mean = sum(known) / len(known)
            yield {
                "network": name, "knob": knob, "value": value, "weights": analog.weights.value,
                "accuracy": f"{mean:.4f}", "least": f"{min(known):.4f}", "most": f"{max(known):.4f}", **decibels,
            }  # fmt: skip


def draw(table: Path, to: Path) -> None:
    """Known digits by each knob."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "noise"
    import matplotlib.pyplot as plt

    with table.open(newline="") as file:
        found = list(csv.DictReader(file))
    labels = {"bits": "bits of the converter", "cell": "deviation of a cell [of its value]",
              "read": "deviation of a read [units of a sum]"}  # fmt: skip
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), sharey=True, layout="constrained")
    for axis, (knob, label) in zip(axes, labels.items(), strict=True):
        for network, colour in (("dense", "C0"), ("pruned", "C1")):
            for weights, line in (("inverted", "-"), ("offset", "--")):
                some = [r for r in found if (r["knob"], r["network"], r["weights"]) == (knob, network, weights)]
                if not some:
                    continue
                xs, ys = ([float(r[key]) for r in some] for key in ("value", "accuracy"))
                axis.plot(
                    xs, [100 * y for y in ys], line, color=colour, marker="o", ms=3, label=f"{network}, {weights}"
                )
                ends = [[100 * float(r[key]) for r in some] for key in ("least", "most")]
                axis.fill_between(xs, *ends, color=colour, alpha=0.15, linewidth=0)
        if knob == "bits":
            axis.invert_xaxis()
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("digits known [%]")
    axes[0].set_ylim(0, 100)
    axes[0].legend(fontsize=7)
    figure.savefig(to, metadata={"Date": None} if to.suffix == ".svg" else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--plot", type=Path, help="draw a table that was written before, and nothing else")
    options = parser.parse_args()
    if options.plot:
        draw(options.table, options.plot)
        return
    out = options.table.open("w", newline="") if options.table else sys.stdout
    with out:
        writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
        writer.writeheader()
        for row in rows(options.seeds):
            writer.writerow(row)
            out.flush()


if __name__ == "__main__":
    main()
