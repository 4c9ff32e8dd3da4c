"""Layers that multiply by a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from accelsim.errors import WorkloadError
from accelsim.specs import Count, Natural, key
from accelsim.workload.layer import Lowered, Multiplying
from accelsim.workload.network import Shape
from accelsim.workload.ops.common import OP, m_key, per_group
from accelsim.workload.ops.moves import changed
from accelsim.workload.problem import Problem

MOST_EXPERTS = 100_000


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
    an activation, per group (head), over its ``channels`` (Q K^T) or over its ``positions`` (A V). Heads may share the
    second input's (`kv_groups`): grouped-query attention, J. Ainslie et al., EMNLP 2023; with one, multi-query.
    """

    fan_in = (1, 2)

    op: Literal["matmul"] = key(OP)
    M: Count | None = m_key(
        "Outputs at every position, of all groups together. Of one input it has to be given, of two it may not.",
        None,
        "what follows from the second input",
    )
    groups: Count = key("Parts the channels are split into: heads.", 1, unit="groups")
    kv_groups: Count | None = key(
        "Of two inputs: parts of the second, each read once for the `groups` that share it.",
        None,
        "as `groups` says: none is shared",
        "groups",
    )
    over: Literal["channels", "positions"] = key("Of two inputs: what is summed over.", "channels")

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Positions on P, Q; heads on G, and those that share the second operand on N."""
        first = shapes[0]
        c = per_group(first.C, self.groups, "input")
        rows = first.D * first.H
        if len(shapes) == 1:
            if self.M is None:
                raise WorkloadError("needs M, or a second input to multiply by")
            if self.kv_groups is not None:
                raise WorkloadError("kv_groups is of two inputs; weights are split over groups")
            m = per_group(self.M, self.groups, "output")
            problem = Problem((batch, self.groups, m, c, rows, first.W, 1, 1))
            return Lowered(changed(first, C=self.M), problem)
        if self.M is not None:
            raise WorkloadError("with two inputs, M follows from the second; leave it out")
        second, groups = shapes[1], self.kv_groups or self.groups
        if self.groups % groups:
            raise WorkloadError(f"shape mismatch: {self.groups} groups cannot share {groups} kv_groups evenly")
        inner, m = per_group(second.C, groups, "second input"), second.positions
        if self.over == "positions":
            inner, m = m, inner
        if inner != c:
            raise WorkloadError(f"shape mismatch: {first} by {second}: {c} against {inner}{self._where(c, second)}")
        # each image has a second operand of its own, so the batch counts as groups
        sizes = (self.groups // groups, batch * groups, m, c, rows, first.W, 1, 1)
        return Lowered(changed(first, C=self.groups * m), Problem(sizes, dynamic_filter=True))

    def _where(self, c: int, second: Shape) -> str:
        """In what of two inputs the sizes differ, and what would make them fit."""
        where = f" in each of {self.groups} groups" if self.groups > 1 else ""
        heads = second.C // c
        fits = self.over == "channels" and self.kv_groups is None and 0 < heads < self.groups
        if fits and heads * c == second.C and not self.groups % heads:
            return f"{where}; where {self.groups // heads} groups share {c} channels of the second: kv_groups: {heads}"
        return where


class Experts(Multiplying):
    """A product by the weights of a few experts at every position: N. Shazeer et al., ICLR 2017.

    Which experts a position takes is a router's matter (`matmul`, `softmax`, `topk`). Weights of an expert that no
    position takes are stored and not read. What the experts of a position give lies one after another on its channels;
    `combine` adds it up.
    """

    op: Literal["experts"] = key(OP)
    M: Count = m_key("Outputs of an expert.")
    experts: Count = key("How many there are.", unit="experts")
    top: Count = key("How many of them a position takes.", unit="experts")
    apart: bool = key("Whether what arrives is what `top` experts gave, and each reads its own part.", False)
    routing: tuple[Natural, ...] = key(
        "Positions that take each expert, of the whole batch.",
        (),
        "as even as can be, over as many experts as there are positions for",
        "positions",
    )

    def lower(self, shapes: Sequence[Shape], batch: int) -> Lowered:
        """Experts on G, their positions on Q; those that as many positions take are one problem."""
        shape = shapes[0]
        if self.top > self.experts:
            raise WorkloadError(f"top is {self.top}, but there are {self.experts} experts")
        c = per_group(shape.C, self.top, "input") if self.apart else shape.C
        counts, each = self._counts(batch * shape.positions), self.M * c
        found: list[Lowered] = []
        for positions in sorted(set(counts) - {0}, reverse=True):
            problem = Problem((1, counts.count(positions), self.M, c, 1, positions, 1, 1))
            stored = each * counts.count(positions) + (0 if found else each * counts.count(0))
            found.append(Lowered(Shape(self.M, 1, positions), problem, stored=stored))
        whole = changed(shape, C=self.top * self.M)
        if len(found) == 1:
            return found[0]._replace(shape=whole)
        names = [f"tokens{part.shape.W}" for part in found]
        return Lowered(whole, parts=tuple(zip(names, found, strict=True)))

    def _counts(self, positions: int) -> list[int]:
        """Positions of each expert."""
        wanted = positions * self.top
        if not self.routing:
            least, more = divmod(wanted, self.experts)
            # a number of experts that a file only counts is not a list to make
            if self.experts > MOST_EXPERTS:
                raise WorkloadError(f"{self.experts} experts; at most {MOST_EXPERTS} are taken on")
            return [least + 1] * more + [least] * (self.experts - more)
        if len(self.routing) != self.experts:
            raise WorkloadError(f"routing has {len(self.routing)} numbers for {self.experts} experts")
        if sum(self.routing) != wanted or max(self.routing) > positions:
            raise WorkloadError(
                f"routing adds up to {sum(self.routing)}, {max(self.routing)} for one expert; {positions} positions, "
                f"each for {self.top}, add up to {wanted}, at most {positions} for one expert"
            )
        return list(self.routing)
