"""The ports of networks with links in the cycle evaluator: how long each version of a stream holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelsim.engine.nest.kernels.records import FRESH
from accelsim.engine.networks.links import Classes, Crossing
from accelsim.engine.program import DRAIN_ACTIVITY, OLD_ACTIVITY, PSUM, Ints, PortUse, Program
from accelsim.mapping.finals import WIDE

Labels = list[list[tuple[str, bool]]]
PES = "the PEs"
"""In place of a port, what PEs do with a version's words behind the MACs of a step: no transfer holds it."""
WORDS = ("words down", "words up")
"""In place of ports, the words of a version: those that leave its parent, and those that come back to it."""
NO_PORTS = (PES, *WORDS)
WIDER, RATE, NARROWER = range(3)
"""Columns of a use's rates, see `kernels.odometer.Tabled`."""


@dataclass(frozen=True)
class Uses:
    """The ports that streams hold.

    rows, rates : the `uses` and `rates` of `kernels.odometer.Tabled`. at : the `uses_at` of `kernels.records.Machine`.
    held : the port of each row. labels : of each stream's port columns, the port's name and whether it is the outermost
    level's.
    """

    rows: Ints
    rates: Ints
    labels: Labels
    at: Ints
    held: list[PortUse]

    def of_links(self, x: int, crossing: Crossing) -> list[int]:
        """Rows of a stream whose words are those of links."""
        return [
            u
            for u, use in enumerate(self.held)
            if self.rows[u, 0] == x and use.fanout == crossing.fanout and use.root >= 0
        ]

    def cycles(self, u: int, crossing: Crossing, keys: Sequence[tuple[int, ...]], narrowed: bool) -> Ints:
        """int64[class], how long a row's port is held by transfers of these classes; narrowed : by the last drains."""
        use, old = self.held[u], self.rows[u, 3] == OLD_ACTIVITY
        loads = (crossing.loads(key) for key in keys)
        words = np.array([(load.entered if old else load.busiest)[use.root] for load in loads], np.int64)
        rates = self.rates[u]
        lasting: Ints = (words * rates[NARROWER if narrowed else WIDER] + rates[RATE] - 1) // rates[RATE]
        return lasting

    def and_drains(self, x: int, more: list[PortUse]) -> Uses:
        """The same with ports that drains of stream x hold besides, each for cycles that are written down later."""
        if not more:
            return self
        first = int(np.searchsorted(self.rows[:, 0], x))
        place = int(self.at[x, 1].sum())
        rows = np.insert(self.rows, first + place, [[x, 1, first, DRAIN_ACTIVITY]] * len(more), axis=0)
        rows[rows[:, 0] > x, 2] += len(more)
        rates = np.insert(self.rates, first + place, [[1, 1, 1, use.every] for use in more], axis=0)
        labels, at, held = [list(row) for row in self.labels], self.at.copy(), list(self.held)
        labels[x][place:place] = [(use.port.name, use.outermost) for use in more]
        at[x, 1, 1] += len(more)
        held[first + place : first + place] = more
        return Uses(rows, rates, labels, at, held)

    def without(self, names: set[str]) -> Uses:
        """The same without ports of these names."""
        kept = [u for u, use in enumerate(self.held) if use.port.name not in names or use.fanout < 0]
        rows, first = self.rows[kept].copy(), np.searchsorted(self.rows[kept, 0], np.arange(len(self.labels) + 1))
        at, labels = np.zeros_like(self.at), list[list[tuple[str, bool]]]()
        for x, row in enumerate(self.labels):
            mine = kept[first[x] : first[x + 1]]
            labels.append([row[u - int(self.rows[u, 2])] for u in mine])
            held = [u for u in mine if self.held[u].port.name not in NO_PORTS]
            drains = sum(self.rows[u, 3] == DRAIN_ACTIVITY for u in held)
            at[x] = (0, len(held) - drains), (len(held) - drains, drains)
        rows[:, 2] = first[rows[:, 0]]
        return Uses(rows, self.rates[kept], labels, at, [self.held[u] for u in kept])


def dominated(uses: Uses, crossings: Sequence[tuple[int, Crossing]]) -> set[str]:
    """Ports of meshes that another one always outlasts: what uses them also uses that one, for as long.

    crossings : each with its stream. That is so if it is in every class of transfers that the layer has.
    """
    users: dict[str, dict[tuple[int, bool], int]] = {}
    for u, use in enumerate(uses.held):
        if use.fanout >= 0:
            users.setdefault(use.port.name, {})[int(uses.rows[u, 0]), bool(uses.rows[u, 3] == DRAIN_ACTIVITY)] = u
    lasting: dict[int, tuple[Crossing, Ints]] = {}
    for x, crossing in crossings:
        mine = uses.of_links(x, crossing)
        keys = list(crossing.classes) if len(mine) > 1 else []
        for u in mine:
            both = [uses.cycles(u, crossing, keys, narrowed) for narrowed in (False, True)]
            lasting[u] = crossing, np.concatenate(both)

    def outlasts(long: str, short: str) -> bool:
        for who, u in users[short].items():
            other = users[long].get(who, -1)
            if other not in lasting or uses.held[other].outermost > uses.held[u].outermost:
                return False
            (one, cycles), (same, more) = lasting[u], lasting[other]
            if one is not same or (cycles > more).any():
                return False
        return True

    found: set[str] = set()
    for name in [name for name, by in users.items() if all(u in lasting for u in by.values())][::-1]:
        if any(outlasts(other, name) for other in users if other != name and other not in found):
            found.add(name)
    return found


class Crossed:
    """One stream where it crosses a network with links, as its versions come.

    words, narrow : int64[link], added up over versions, all and those that are narrowed.
    """

    def __init__(self, program: Program, uses: Uses, x: int, crossing: Crossing) -> None:
        self.uses, self.x, self.crossing, self.classes = uses, x, crossing, Classes(crossing)
        finals = program.finals.get((crossing.parent, crossing.child), WIDE)
        self.narrows = crossing.tensor == PSUM and crossing.fanout in finals.fanouts
        links = len(crossing.routes.names)
        self.words, self.narrow = np.zeros(links, np.int64), np.zeros(links, np.int64)
        self._totals = np.zeros((0, links), np.int64)
        self._lasting: dict[int, tuple[Ints, Ints]] = {}

    def hold(self, begin: Ints, back: Ints, final: npt.NDArray[np.uint8], work: Ints) -> None:
        """Write the cycles at the ports of the next versions into their rows of `work`.

        begin, back : int64[version], see `kernels.versions.Room`. final : uint8[version], a tile's last.
        """
        if not len(begin):
            return
        index, last = self.classes.of(begin), final.astype(bool)
        if len(self.classes.keys) > len(self._totals):
            self._know()
        self.words += np.bincount(index, minlength=len(self._totals)) @ self._totals
        if self.narrows:
            self.narrow += np.bincount(index[last], minlength=len(self._totals)) @ self._totals
        for u, (wide, narrowed) in self._lasting.items():
            cycles = wide[index]
            if self.uses.rows[u, 3] == DRAIN_ACTIVITY:
                cycles = np.where(last, narrowed[index], cycles)
            elif self.crossing.tensor == PSUM:
                # an old psum, or a refill, that does not exist takes no time
                cycles[back == FRESH] = 0
            work[:, u - self.uses.rows[u, 2]] = cycles

    def _know(self) -> None:
        """Take up classes that have been met for the first time."""
        keys = self.classes.keys
        self._totals = np.array([self.crossing.loads(key).total for key in keys], np.int64)
        for u in self.uses.of_links(self.x, self.crossing):
            wide, narrowed = (self.uses.cycles(u, self.crossing, keys, last) for last in (False, True))
            self._lasting[u] = wide, narrowed
