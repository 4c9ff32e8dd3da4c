"""An attention as a step of a plan: its blocks in the room there is, and what it costs then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from accelsim.architecture.model import Architecture
from accelsim.engine.fused.attention import Attention, Blocks
from accelsim.engine.fused.attention_layers import Heads, attention_of, attentions
from accelsim.engine.fused.blocking import ORDERS, best
from accelsim.errors import AccelsimError
from accelsim.mapping.plan.plan import RESIDENT, Group
from accelsim.search.plan.attended import Attended, walk_of
from accelsim.search.plan.costs import Cost, Wanted
from accelsim.workload.network import Layer, Network
from accelsim.workload.problem import Tensor

ENDLESS = 1 << 40
"""Words of a home without a bound."""
Key = tuple[Attention, int, tuple[int, ...], frozenset[str], int]
Prices = dict[Key, tuple[Blocks, Cost] | None]


@dataclass(frozen=True)
class Attends:
    """One attention of a network. known : what was searched, of all attentions that are alike."""

    wanted: Wanted
    heads: Heads
    sized: Architecture
    known: Prices

    @property
    def operands(self) -> dict[str, str]:
        """What it reads, by the names that rules have."""
        return {"queries": self.heads.queries, "keys": self.heads.keys, "values": self.heads.values}

    def ask(self, at_home: frozenset[str], free: int | None) -> tuple[Blocks, Cost] | None:
        """Blocks and cost in so many bits; None: no blocks fit, or no mapping of their products does."""
        level = self.sized.levels[self.sized.level_index(self.wanted.home)]
        double = level.slots(Tensor.IFMAP) > 1
        width = max(self.sized.word_bits.values())
        words = ENDLESS if free is None else free // width // (2 if double else 1)
        key: Key = self.heads.attention, self.heads.heads, tuple(self.sized.widths.values()), at_home, words
        if key not in self.known:
            self.known[key] = self._priced(at_home, words, double)
        return self.known[key]

    def _priced(self, at_home: frozenset[str], words: int, double: bool) -> tuple[Blocks, Cost] | None:
        orders = [order for order in ORDERS if self.wanted.keeps_filters or not order.kv_resident]
        blocks = best(self.heads.attention, words, orders)
        if blocks is None:
            return None
        try:
            walk = walk_of(self.heads.attention, blocks, self.wanted, at_home)
            found = Attended(walk, self.heads.heads, self.sized, self.wanted, "analytical", double)
            return blocks, Cost(found.energy, found.cycles, int(found.counts.words[0].sum()))
        except AccelsimError:
            return None

    def group(self, blocks: Blocks) -> Group:
        """As a plan has it."""
        stay = self.heads.products if blocks.kv_resident else ()
        outside = "" if blocks.whole_rows else blocks.outside
        return Group(
            self.heads.layers, filters=dict.fromkeys(stay, RESIDENT), rows=blocks.rows, columns=blocks.columns,
            outside=outside,
        )  # fmt: skip


def attended_in(
    wanted: Wanted, network: Network, order: Sequence[int], sized: Callable[[Layer], Architecture]
) -> dict[int, Attends]:
    """The attentions of a network by the place of their first layer. order : its layers by index, without views."""
    place = {network.layers[i].name: k for k, i in enumerate(order)}
    found: dict[int, Attends] = {}
    known: Prices = {}
    for names in attentions(network):
        first = place[names[0]]
        layers = [network.layers[i] for i in order[first : first + len(names)]]
        if tuple(layer.name for layer in layers) == tuple(names) and all(layer.repeat == 1 for layer in layers):
            found[first] = Attends(wanted, attention_of(network, names), sized(layers[-1]), known)
    return found
