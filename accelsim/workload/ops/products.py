"""Layers that multiply by a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from accelsim.errors import WorkloadError
from accelsim.specs import Count, key
from accelsim.workload.layer import Lowered, Multiplying
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import OP, m_key, per_group
from accelsim.workload.problem import Problem


class FullyConnected(Multiplying):
    """Every output reads every input word."""

    op: Literal["fc"] = key(OP)
    M: Count = m_key("Outputs.")
    C: Count | None = key("Words that should arrive, of one image; checked.", None, "whatever arrives", "words")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """C = the flattened input."""
        words = shapes[0].words
        if self.C not in (None, words):
            raise WorkloadError(f"shape mismatch: expects C = {self.C}, but its input is {shapes[0]}, {words} words")
        return Lowered(Shape(self.M), Problem((batch, 1, self.M, words, 1, 1, 1, 1)))


class Matmul(Multiplying):
    """A product at every position of a plane.

    One input: by M x C weights, the same at every position (split over `groups`). Two inputs: by the second,
    an activation, per group (head), over its ``channels`` (Q K^T) or over its ``positions`` (A V).
    """

    fan_in = (1, 2)

    op: Literal["matmul"] = key(OP)
    M: Count | None = m_key(
        "Outputs at every position, of all groups together. Of one input it has to be given, of two it may not.",
        None,
        "what follows from the second input",
    )
    groups: Count = key("Parts the channels are split into: heads.", 1, unit="groups")
    over: Literal["channels", "positions"] = key("Of two inputs: what is summed over.", "channels")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Positions on P, Q; heads on G."""
        first = shapes[0]
        c = per_group(first.C, self.groups, "input")
        if len(shapes) == 1:
            if self.M is None:
                raise WorkloadError("needs M, or a second input to multiply by")
            m = per_group(self.M, self.groups, "output")
            problem = Problem((batch, self.groups, m, c, first.H, first.W, 1, 1))
            return Lowered(Shape(self.M, first.H, first.W), problem)
        if self.M is not None:
            raise WorkloadError("with two inputs, M follows from the second; leave it out")
        second, positions = shapes[1], shapes[1].H * shapes[1].W
        inner, m = per_group(second.C, self.groups, "second input"), positions
        if self.over == "positions":
            inner, m = positions, inner
        if inner != c:
            where = f" in each of {self.groups} groups" if self.groups > 1 else ""
            raise WorkloadError(f"shape mismatch: {first} by {second}: {c} against {inner}{where}")
        # each image has a second operand of its own, so the batch counts as groups
        sizes = (1, batch * self.groups, m, c, first.H, first.W, 1, 1)
        return Lowered(Shape(self.groups * m, first.H, first.W), Problem(sizes, dynamic_filter=True))
