"""Attention in blocks, walked with real values: what a buffer holds is all there is; every word that moves is counted.

Written from the rule alone; nothing of `accelsim.engine.fused` is used.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
LOWEST = -np.inf


@dataclass
class Memory:
    """The outermost level: arrays by name, and words read and written of each; those at home are not its own."""

    at_home: frozenset[str]
    arrays: dict[str, Reals]
    read: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)

    def fetch(self, name: str, rows: slice) -> Reals:
        found = self.arrays[name][rows].copy()
        self.read[name] += 0 if name in self.at_home else found.size
        return found

    def store(self, name: str, rows: slice, words: Reals) -> None:
        self.arrays[name][rows] = words
        self.written[name] += 0 if name in self.at_home else words.size


class Buffer:
    """What is held, by name; `most` is the most words at a time, but of what lives there anyway."""

    def __init__(self, at_home: frozenset[str]) -> None:
        self.held: dict[str, Reals] = {}
        self.most, self.at_home = 0, at_home

    def put(self, name: str, words: Reals) -> Reals:
        self.held[name] = words
        self.most = max(self.most, sum(a.size for name, a in self.held.items() if name not in self.at_home))
        return words

    def drop(self, *names: str) -> None:
        for name in names:
            del self.held[name]


@dataclass
class Walk:
    """One head of keys and values. After `run`, the outputs are in memory, [heads * N, d'], position by position."""

    queries: Reals  # [N * heads, d]
    keys: Reals  # [N', d]
    values: Reals  # [N', d']
    heads: int
    causal: bool
    rows: int
    columns: int
    outside: str
    whole: bool
    resident: bool
    at_home: frozenset[str] = frozenset()  # of "QKVO", what lives in the buffer anyway

    def __post_init__(self) -> None:
        total, wide = len(self.queries), self.values.shape[1]
        self.memory = Memory(self.at_home, {
            "Q": self.queries, "K": self.keys, "V": self.values, "O": np.full((total, wide), np.nan),
            "max": np.full((total, 1), np.nan), "sum": np.full((total, 1), np.nan),
        })  # fmt: skip
        self.buffer = Buffer(self.at_home)
        self.macs = self.rescalings = self.blocks = 0

    def sees(self, row: int, key: int) -> bool:
        """Whether a query may look at a key."""
        positions = len(self.queries) // self.heads
        return not self.causal or key <= row // self.heads + len(self.keys) - positions

    def row_blocks(self) -> list[slice]:
        return _slices(len(self.queries), self.rows)

    def column_blocks(self, rows: slice) -> list[slice]:
        """Those of which some row sees some key."""
        return [
            columns for columns in _slices(len(self.keys), self.columns)
            if any(self.sees(r, k) for r in range(rows.start, rows.stop) for k in range(columns.start, columns.stop))
        ]  # fmt: skip

    def run(self) -> Reals:
        if self.resident:
            for name in "KV":
                self.buffer.put(name, self.memory.fetch(name, slice(0, len(self.keys))))
        if self.whole:
            self.rows_whole()
        elif self.outside == "rows":
            self.rows_outside()
        else:
            self.columns_outside()
        if self.resident:
            self.buffer.drop("K", "V")
        assert not self.buffer.held
        return self.memory.arrays["O"]

    def second(self, name: str, columns: slice) -> Reals:
        """A block of keys or values: out of what is resident, or what is in place, or fetched."""
        if self.resident:
            return self.buffer.held[name][columns]
        only = self.columns >= len(self.keys) and not self.whole
        if only and name in self.buffer.held:
            return self.buffer.held[name]
        return self.buffer.put(name, self.memory.fetch(name, columns))

    def let_go(self, *names: str) -> None:
        if not self.resident:
            self.buffer.drop(*names)

    def scores(self, rows: slice, columns: slice, keys: Reals) -> Reals:
        found = self.buffer.held["Q"] @ keys.T
        self.macs += found.size * keys.shape[1]
        for r in range(rows.start, rows.stop):
            for k in range(columns.start, columns.stop):
                if not self.sees(r, k):
                    found[r - rows.start, k - columns.start] = LOWEST
        return found

    def rows_whole(self) -> None:
        buffer, memory = self.buffer, self.memory
        for rows in self.row_blocks():
            seen = self.column_blocks(rows)
            height, width = rows.stop - rows.start, seen[-1].stop
            buffer.put("Q", memory.fetch("Q", rows))
            scores = buffer.put("S", np.full((height, width), np.nan))
            outputs = buffer.put("O", np.zeros((height, self.values.shape[1])))
            for columns in seen:
                scores[:, columns] = self.scores(rows, columns, self.second("K", columns))
                self.let_go("K")
                self.blocks += 1
            scores[:] = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores /= scores.sum(axis=1, keepdims=True)
            for columns in seen:
                values = self.second("V", columns)
                outputs += scores[:, columns] @ values
                self.macs += height * values.size
                self.let_go("V")
            memory.store("O", rows, outputs)
            buffer.drop("Q", "S", "O")

    def block(self, rows: slice, columns: slice, keys: Reals, values: Reals, first: bool) -> None:
        """Scores of a block, onto the running maximum, sum and outputs in the buffer."""
        held = self.buffer.held
        scores = self.buffer.put("S", self.scores(rows, columns, keys))
        top = np.maximum(held["max"], scores.max(axis=1, keepdims=True))
        kept = np.exp(held["max"] - top)
        scores[:] = np.exp(scores - top)
        if not first:
            held["O"] *= kept
            self.rescalings += held["O"].size
        held["sum"][:] = held["sum"] * kept + scores.sum(axis=1, keepdims=True)
        held["max"][:] = top
        held["O"] += scores @ values
        self.macs += len(scores) * values.size
        self.blocks += 1
        self.buffer.drop("S")

    def fresh(self, rows: slice) -> None:
        height = rows.stop - rows.start
        self.buffer.put("O", np.zeros((height, self.values.shape[1])))
        self.buffer.put("max", np.full((height, 1), LOWEST))
        self.buffer.put("sum", np.zeros((height, 1)))

    def finish(self, rows: slice) -> None:
        self.memory.store("O", rows, self.buffer.held["O"] / self.buffer.held["sum"])

    def rows_outside(self) -> None:
        buffer = self.buffer
        only = self.columns >= len(self.keys)
        for rows in self.row_blocks():
            buffer.put("Q", self.memory.fetch("Q", rows))
            self.fresh(rows)
            for columns in self.column_blocks(rows):
                keys, values = self.second("K", columns), self.second("V", columns)
                self.block(rows, columns, keys, values, columns.start == 0)
                if not only:
                    self.let_go("K", "V")
            self.finish(rows)
            buffer.drop("Q", "O", "max", "sum")
        if only:
            self.let_go("K", "V")

    def columns_outside(self) -> None:
        buffer, memory = self.buffer, self.memory
        only = len(self.row_blocks()) == 1
        for columns in _slices(len(self.keys), self.columns):
            keys, values = self.second("K", columns), self.second("V", columns)
            for rows in self.row_blocks():
                seen = self.column_blocks(rows)
                if columns not in seen:
                    continue
                first, last = columns == seen[0], columns == seen[-1]
                if not (only and "Q" in buffer.held):
                    buffer.put("Q", memory.fetch("Q", rows))
                    if first:
                        self.fresh(rows)
                    else:
                        for name in ("O", "max", "sum"):
                            buffer.put(name, memory.fetch(name, rows))
                self.block(rows, columns, keys, values, first)
                if last:
                    self.finish(rows)
                elif not only:
                    for name in ("O", "max", "sum"):
                        memory.store(name, rows, buffer.held[name])
                if last or not only:
                    buffer.drop("Q", "O", "max", "sum")
            self.let_go("K", "V")


def _slices(whole: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, whole)) for start in range(0, whole, size)]


def truth(queries: Reals, keys: Reals, values: Reals, heads: int, causal: bool) -> Reals:
    """Attention as numpy says it, [N * heads, d'] in the order position, head."""
    scores = queries @ keys.T
    if causal:
        positions = np.arange(len(queries)) // heads
        hidden = np.arange(len(keys)) > (positions + len(keys) - len(queries) // heads)[:, None]
        scores[hidden] = LOWEST
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True) @ values
