"""Layers that read what they gave a time step before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from accelsim.errors import WorkloadError
from accelsim.specs import Count, key
from accelsim.workload.layer import Lowered, Multiplying
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import OP, m_key
from accelsim.workload.problem import Problem, Tensor


class Recurrent(Multiplying):
    """What recurrent layers share: M units, whose gates are on M; C = the input and the layer's own last output.

    Without `steps` it is one step, and its repeats are time steps, which share the weights.
    """

    gates: ClassVar[int] = 1

    M: Count = m_key("Units.")
    steps: Count | None = key(
        "Time steps: as many as positions arrive, each the input of a step; as many leave.",
        None,
        "one step reads all that arrives; `repeat` counts the steps",
        "steps",
    )
    directions: Literal[1, 2] = key("2: a second layer of as many units, with weights of its own, goes backwards.", 1)

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """A run for each step and direction."""
        step = self._step(shapes[0], self.M, batch)
        return step._replace(shape=self._shape(self.M), moves=self._moves(), stored=self._stored(step))

    def _step(self, shape: Shape, fed_back: int, batch: int) -> Lowered:
        """The gates of one step."""
        if self.steps is None and self.directions == 2:
            raise WorkloadError("two directions need steps: the second begins with the last one")
        if self.steps not in (None, shape.positions):
            raise WorkloadError(f"shape mismatch: {self.steps} steps, but its input is {shape}, {shape.positions}")
        arriving = shape.C if self.steps else shape.words
        problem = Problem((batch, 1, self.gates * self.M, arriving + fed_back, 1, 1, 1, 1))
        return Lowered(Shape(self.M), problem, runs=self.directions * (self.steps or 1))

    def _shape(self, units: int) -> Shape:
        return Shape(self.directions * units, 1, self.steps or 1)

    def _stored(self, step: Lowered) -> int | None:
        """Steps share the weights of a direction; without `steps`, repeats do."""
        return self.directions * step.problem.words(Tensor.FILTER) if self.steps and step.problem else None

    def _moves(self) -> tuple[int, int] | None:
        """What the gates of a step read and write."""
        raise NotImplementedError


class Lstm(Recurrent):
    """A layer of LSTM units without peepholes: W. Zaremba et al., arXiv 1409.2329, 2014, section 3.

    With a `projection`, the output is a product of what the units give: H. Sak et al., arXiv 1402.1128, 2014.
    """

    gates = 4

    op: Literal["lstm"] = key(OP)
    projection: Count | None = key("Outputs, where they are a product of the units.", None, "the units", "channels")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Four gates on M; a projection is a product after them."""
        if self.projection is None:
            return super().lower(shapes, batch)
        step = self._step(shapes[0], self.projection, batch)
        product = Lowered(
            Shape(self.projection), Problem((batch, 1, self.projection, self.M, 1, 1, 1, 1)), step.runs, reads="gates"
        )
        gates = step._replace(ops=9 * self.M, moves=(5 * self.M, 2 * self.M), stored=self._stored(step))
        product = product._replace(stored=self._stored(product))
        return Lowered(self._shape(self.projection), parts=(("gates", gates), ("projection", product)))

    def _moves(self) -> tuple[int, int] | None:
        """Four sums and the state of each unit; the output and the state."""
        return (5 * self.M, 2 * self.M) if self.steps else None

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """9 per unit: 3 sigmoids and a tanh; the cell's 2 products and a sum; a tanh and a product for the output."""
        return 9 * self.M


class Gru(Recurrent):
    """A layer of gated recurrent units: K. Cho et al., EMNLP 2014, equations 5 to 8."""

    gates = 3

    op: Literal["gru"] = key(OP)

    def _moves(self) -> tuple[int, int]:
        """Three sums and the last output of each unit; the output."""
        return 4 * self.M, self.M

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """8 per unit: 2 sigmoids, a tanh, the reset's product; 1 - update, 2 products and a sum for the output."""
        return 8 * self.M


class Rnn(Recurrent):
    """A layer of plain recurrent units: J. L. Elman, Cognitive Science 14, 1990."""

    op: Literal["rnn"] = key(OP)

    def _moves(self) -> tuple[int, int]:
        """A sum of each unit; the output."""
        return self.M, self.M

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """A tanh per unit."""
        return self.M
