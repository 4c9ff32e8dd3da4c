"""Random small attentions and blocks of them."""

from __future__ import annotations

from random import Random

from accelsim.engine.fused.attention import TENSORS, Attention, Blocks


def drawn(seed: int, most: int = 14) -> tuple[Attention, Blocks]:
    """At most `most` queries of a head, masked or not, heads that share keys or not; blocks of any size."""
    random = Random(seed)
    causal = random.random() < 0.5
    queries = random.randint(1, most)
    keys = random.randint(queries if causal else 1, most + 6)
    heads = random.choice((1, 1, 2, 3))
    shape = Attention(queries, keys, random.randint(1, 5), random.randint(1, 5), heads, causal)
    outside = random.choice(("rows", "columns"))
    whole = outside == "rows" and random.random() < 0.4
    rows, columns = random.randint(1, shape.rows), random.randint(1, keys)
    return shape, Blocks(rows, columns, outside, whole, random.random() < 0.3)


def drawn_home(seed: int, shape: Attention, blocks: Blocks) -> frozenset[str]:
    """Tensors that live in the buffer, mostly none."""
    random = Random(seed + 7)
    spills = blocks.outside == "columns" and blocks.rows < shape.rows
    some = random.random() < 0.4
    return frozenset(name for name in TENSORS if some and random.random() < 0.5 and not (spills and name == "outputs"))
