"""Histograms of oriented gradients: what a detector sees that learned none of its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from accelsim.errors import WorkloadError
from accelsim.specs import Count, key
from accelsim.workload.layer import LayerSpec, Lowered, Switch
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import OP

VOTES = {1: 1, 2: 4, 8: 24}
"""Operations of a pixel's vote, by how many numbers of histograms it adds to: a sum for each, and a product by the
orientation's share of it, and by the cell's."""


class Step(NamedTuple):
    """What is done to one image: its output, words it reads, operations.

    reads : the steps before it whose words these are; none: the image.
    """

    name: str
    shape: Shape
    words: int
    ops: int
    reads: str = ""


class Hog(LayerSpec):
    """Histograms of oriented gradients of a grey image: N. Dalal and B. Triggs, CVPR 2005.

    Pixels have central differences; a cell is a histogram of unsigned orientations, weighted with magnitudes; a block
    is square, of cells, at a step of one cell, and divided by its L2 norm. Gives the numbers of a block on C, blocks on
    H and W. What is left of the plane beside whole cells is not read. The Gaussian over a block is left out.
    """

    op: Literal["hog"] = key(OP)
    cell: Count = key("Rows and columns of a cell.", 8, unit="pixels")
    bins: Count = key("Orientations of a histogram, of 180 degrees together.", 9, unit="bins")
    block: Count = key("Rows and columns of a block.", 2, unit="cells")
    votes: Literal[1, 2, 8] = key(
        "Numbers that a pixel adds to: 1; 2, the nearest orientations; 8, these in the nearest cells.",
        8,
        unit="numbers",
    )
    clip: bool = key("Whether normalised numbers are clipped and normalised again (L2-Hys).", False)
    apart: Switch = key("`1`: each step is a layer, `NAME.gradient` to `NAME.normalise`, its words out and back.", 0)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Shape and words; parts where steps are apart."""
        steps = self.steps(shapes[0])
        whole = Lowered(steps[-1].shape, moves=(steps[0].words, steps[-1].shape.words))
        if not self.apart:
            return whole
        parts = (
            (one.name, Lowered(one.shape, moves=(one.words, one.shape.words), ops=one.ops, reads=one.reads))
            for one in steps
        )
        return whole._replace(parts=tuple(parts))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """Of all steps."""
        return sum(step.ops for step in self.steps(shapes[0]))

    def steps(self, shape: Shape) -> tuple[Step, ...]:
        """What is done to a plane, in order.

        Which bin follows without an arctangent: |gy| against |gx| times the tangent of each limit of bins between 0 and
        90 degrees. Shares need the angle: a quotient, its arctangent, by the bins' width, rounded, the rest, 1 - rest.
        """
        rows, columns = shape.H // self.cell, shape.W // self.cell
        high, wide = rows - self.block + 1, columns - self.block + 1
        if shape.C != 1 or shape.D != 1:
            raise WorkloadError(f"shape mismatch: hog reads the one channel of a grey image, but its input is {shape}")
        if min(high, wide) < 1:
            side = self.cell * self.block
            raise WorkloadError(f"shape mismatch: a block of {side}x{side} pixels does not fit an input of {shape}")
        plane = Shape(1, rows * self.cell, columns * self.cell)
        cells, blocks = rows * columns, high * wide
        pixels, inside = plane.words, self.block * self.block
        numbers = inside * self.bins
        # two differences; two squares, a sum, a root; a product and a comparison for each limit
        of_gradient, of_magnitude, of_bin = 2, 4, 2 * ((self.bins - 1) // 2) if self.votes == 1 else 6
        told = replace(plane, C=1 if self.votes == 1 else 2)
        # squares and their sum; sums and epsilon, a root, a reciprocal; a product for each number
        of_energy, of_norm, of_block = 2 * self.bins - 1, inside + 2, numbers
        if self.clip:
            # again: a comparison, a square, a sum (epsilon is the last) and a product for each; a root, a reciprocal
            of_block += 4 * numbers + 2
        histograms = Shape(self.bins, rows, columns)
        return (
            Step("gradient", Shape(2, plane.H, plane.W), pixels, of_gradient * pixels),
            Step("magnitude", plane, 2 * pixels, of_magnitude * pixels, "gradient"),
            Step("bin", told, 2 * pixels, of_bin * pixels, "gradient"),
            Step("histogram", histograms, pixels + told.words, VOTES[self.votes] * pixels, "magnitude bin"),
            Step("energy", Shape(1, rows, columns), histograms.words, of_energy * cells, "histogram"),
            Step("norm", Shape(1, high, wide), cells, of_norm * blocks, "energy"),
            Step(
                "normalise", Shape(numbers, high, wide), histograms.words + blocks, of_block * blocks, "histogram norm"
            ),
        )
