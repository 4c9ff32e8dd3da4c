"""What a pixel costs: histograms of oriented gradients and convolutions of two networks, on one machine at 65 nm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from accelsim import simulate
from accelsim.report.palette import COLOURS

MACHINE, NODE = "eyeriss", 65


class Features(NamedTuple):
    """What a detector sees by.

    workload, layers, batch, parameters, mapping : of the run. chip : nJ per pixel, measured; None: not known.
    accuracy : mean average precision of a detector that sees by them, VOC 2007, %.
    """

    name: str
    workload: str
    layers: str
    accuracy: float
    chip: float | None = None
    batch: int = 1
    parameters: tuple[str, ...] = ()
    mapping: str | None = None


# Chips, 65 nm. HOG: A. Suleiman et al., "Towards Closing the Energy Gap Between HOG and CNN Features for Embedded
# Vision", ISCAS 2017 (second-hand: a 311th of AlexNet's). AlexNet: 278 mW, 34.7 images/s of 227 x 227 pixels; VGG-16:
# 236 mW, 0.7 images/s of 224 x 224 (Y.-H. Chen et al., JSSC 2017).
# Accuracy (second-hand): parts of HOG, DPM v5 (R. Girshick et al., CVPR 2014); Fast R-CNN of CaffeNet and of VGG-16
# (R. Girshick, ICCV 2015).
ALEXNET, VGG16 = 278 / 34.7 / 227**2 * 1e6, 236 / 0.7 / 224**2 * 1e6
FEATURES = (
    Features("HOG", "hog_svm", "FEATURES", 33.7, ALEXNET / 311),
    Features("HOG, step by step", "hog_svm", "FEATURES*", 33.7, parameters=("apart=1",)),
    Features("HOG and SVM", "hog_svm", "*", 33.7),
    Features("AlexNet", "alexnet", "CONV*", 57.1, ALEXNET, batch=4, mapping="eyeriss_alexnet_jssc17"),
    Features("VGG-16", "vgg16", "CONV*", 66.9, VGG16, batch=3),
)


class Point(NamedTuple):
    """nJ per pixel: all, and of it what DRAM and the clock take, and what computes (MACs, vector operations)."""

    features: Features
    all: float
    dram: float
    clock: float
    computes: float


def point(features: Features) -> Point:
    """Simulate one."""
    result = simulate(
        MACHINE, features.workload, layers=features.layers, batch=features.batch, parameters=features.parameters,
        mapping=features.mapping, node=NODE,
    )  # fmt: skip
    assert result.ran
    shape, taken = result.ran.network.input, dict[str, float]()
    for layer in (*result.layers, *result.vector_layers):
        for row in layer.energy_rows:
            energy = float(row.energy) * layer.repeat / (shape.H * shape.W * result.batch) / 1e3
            taken[row.component] = taken.get(row.component, 0) + energy
    computes = taken.get("MAC", 0) + taken.get("vector", 0)
    return Point(features, sum(taken.values()), taken["DRAM"], taken["clock"], computes)


def main(picture: str = "energy_per_pixel.png", chosen: Sequence[Features] = FEATURES) -> list[Point]:
    """Simulate, tell, draw."""
    from matplotlib.figure import Figure

    points = [point(features) for features in chosen]
    figure = Figure(figsize=(3.5, 2.8), layout="constrained")
    axes = figure.subplots()
    for found, colour in zip(points, (COLOURS[0], COLOURS[4], COLOURS[5], COLOURS[1], COLOURS[2]), strict=False):
        name, height, chip = found.features.name, found.features.accuracy, found.features.chip
        told = f", {chip:,.1f} on a chip" if chip else ""
        print(
            f"{name}: {found.all:,.2f} nJ/pixel{told}: DRAM {found.dram:,.2f}, clock {found.clock:,.2f}, "
            f"what computes {found.computes:,.3f}"
        )
        if chip:
            axes.plot([found.all, chip], [height, height], "-", color=colour, linewidth=0.8)
            axes.plot(chip, height, "o", color=colour, markerfacecolor="white", markersize=6)
        axes.plot(found.all, height, "o", color=colour, markersize=6, label=name)
    axes.plot([], [], "o", color="#555555", markerfacecolor="white", label="measured on chips")
    axes.set(xscale="log", ylim=(0, 80), xlabel="energy [nJ/pixel]", ylabel="mean average precision [%]")
    axes.set_title(f"{MACHINE} at {NODE} nm; precision as published, VOC 2007", fontsize=7)
    axes.legend(loc="lower right", fontsize=7)
    figure.savefig(picture, dpi=150)
    return points


if __name__ == "__main__":
    main()
