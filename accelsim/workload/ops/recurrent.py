"""Layers that read what they gave a time step before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from accelsim.specs import Count, key
from accelsim.workload.layer import Lowered, Multiplying
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import OP, m_key
from accelsim.workload.problem import Problem


class Lstm(Multiplying):
    """A layer of M LSTM units, one step of it; its repeats are time steps, so they share the weights.

    Without peepholes or projection: W. Zaremba et al., arXiv 1409.2329, 2014, section 3.
    """

    op: Literal["lstm"] = key(OP)
    M: Count = m_key("Units.")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Four gates on M; C = the flattened input and the layer's own output of the step before."""
        return Lowered(Shape(self.M), Problem((batch, 1, 4 * self.M, shapes[0].words + self.M, 1, 1, 1, 1)))

    def vector_ops(self, shapes: Sequence[Shape]) -> int:
        """9 per unit: 3 sigmoids and a tanh; the cell's 2 products and a sum; a tanh and a product for the output."""
        return 9 * self.M
