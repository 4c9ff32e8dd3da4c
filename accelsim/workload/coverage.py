"""How much of a graph the layers of a network stand for: every node is in one of these numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Covered:
    """Nodes of one sort, the MACs of them, and the words of all tensors they read and write, stored ones too."""

    nodes: int = 0
    macs: int = 0
    words: int = 0


@dataclass(frozen=True)
class NotModelled:
    """A node that no layer stands for.

    words : as `Covered` has them, of the tensors whose shape is known. macs : None where they are not known.
    """

    node: str
    op: str
    words: int
    macs: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Coverage:
    """The nodes of a graph by what became of them.

    layers : layers with MACs. passing : what an array does as words leave it (biases, batch norms, ReLU), part of the
    layer before. vector : layers of vector operations. views : only names for words where they lie. constants : known
    before the network runs. not_modelled : the others, one by one.
    """

    layers: Covered = Covered()
    passing: Covered = Covered()
    vector: Covered = Covered()
    views: Covered = Covered()
    constants: Covered = Covered()
    not_modelled: tuple[NotModelled, ...] = ()

    @property
    def nodes(self) -> int:
        """All of them."""
        sorts = (self.layers, self.passing, self.vector, self.views, self.constants)
        return sum(sort.nodes for sort in sorts) + len(self.not_modelled)

    def lines(self) -> list[str]:
        """What became of the nodes, and a line for those that are not modelled."""
        each = (
            (self.layers, "in layers with MACs"),
            (self.passing, "part of the layer before"),
            (self.vector, "in vector layers"),
            (self.views, "views"),
            (self.constants, "constants"),
        )
        found = [f"{sort.nodes:,} {what}" for sort, what in each if sort.nodes]
        if not self.not_modelled:
            return [f"graph: {self.nodes:,} nodes: {', '.join(found)}; all are modelled"]
        kinds = Counter(one.op for one in self.not_modelled)
        told = ", ".join(f"{op}{f' ({count})' if count > 1 else ''}" for op, count in kinds.items())
        macs = "an unknown share" if self.macs_left_out is None else f"{100 * self.macs_left_out:.3g} %"
        return [
            f"graph: {self.nodes:,} nodes: {', '.join([*found, f'{len(self.not_modelled):,} not modelled'])}",
            f"not modelled: {told}: {self.not_modelled[0].why}; "
            f"{100 * self.words_left_out:.3g} % of the words, {macs} of the MACs",
        ]

    def to_dict(self) -> dict[str, Any]:
        """The document's entry."""
        return {
            "nodes": self.nodes,
            **{name: asdict(getattr(self, name)) for name in ("layers", "passing", "vector", "views", "constants")},
            "not_modelled": [asdict(one) for one in self.not_modelled],
            "words_left_out": self.words_left_out,
            "macs_left_out": self.macs_left_out,
        }

    @property
    def words_left_out(self) -> float:
        """Words of the nodes that are not modelled, over those of all that run."""
        left = sum(one.words for one in self.not_modelled)
        known = sum(sort.words for sort in (self.layers, self.passing, self.vector, self.views))
        return left / (left + known) if left else 0.0

    @property
    def macs_left_out(self) -> float | None:
        """MACs of the nodes that are not modelled, over all; None where they are not known."""
        if any(one.macs is None for one in self.not_modelled):
            return None
        left = sum(one.macs or 0 for one in self.not_modelled)
        return left / (left + self.layers.macs) if left else 0.0
