"""Activations that transformers keep for the backward pass, beside those of Korthikanti et al. (MLSys 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from accelsim.reproduce import source
from accelsim.reproduce.markdown import table, triple
from accelsim.workload.training.kept import kept
from accelsim.workload.yaml import load_network

BITS = 16


@dataclass(frozen=True)
class Transformer:
    """A network that ships, of so many layers. outside : layers behind the last block, whose words it does not keep."""

    name: str
    tokens: int
    layers: int
    hidden: int
    heads: int
    outside: tuple[str, ...]

    @cached_property
    def ours(self) -> int:
        """Bytes of all blocks, of one sequence."""
        found = kept(load_network(self.name, parameters={"seq": self.tokens}).training_step())
        return sum(words for name, words in found.items() if name not in self.outside) * BITS // 8

    def theirs(self, dropout: bool) -> int:
        """Bytes of the published items, with what dropout keeps or without."""
        tokens, heads = self.tokens, self.heads
        return self.layers * sum(
            int(row["sbh"]) * tokens * self.hidden + int(row["ass"]) * heads * tokens * tokens
            for row in source.rows("activations_mlsys23")
            if dropout or row["dropout"] == "0"
        )


TRANSFORMERS = (
    Transformer("bert_base", 128, 12, 768, 12, ("l11",)),
    Transformer("bert_base", 512, 12, 768, 12, ("l11",)),
    Transformer("gpt2", 1024, 12, 768, 12, ("l11", "norm")),
)


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Bytes by network as Markdown."""
    header = ["network", "tokens", "kept MB, theirs", "ours", "error", "theirs with dropout"]
    return "\n".join([_HEAD, table(header, _rows())])


def _rows() -> Iterator[list[str]]:
    for one in TRANSFORMERS:
        cells = triple(one.ours / 1e6, one.theirs(dropout=False) / 1e6, ".3f")
        yield [one.name, str(one.tokens), *cells, f"{one.theirs(dropout=True) / 1e6:.3f}"]


_HEAD = """\
## Activations kept for the backward pass

One sequence through the blocks of a transformer, words of 16 b: Korthikanti et al., MLSys 2023, section 4.1, item by
item (second-hand); ours are the words that gradients of `--training` read again (docs/training.md). The networks here
have no dropout, so its masks and outputs are left out; the last column has them: s b h (34 + 5 a s / h) bytes of each
layer.
"""
