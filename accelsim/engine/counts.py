"""What an evaluator gives back: labelled counts and times, integers become names here and only here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelsim.workload.problem import TENSORS, Tensor, Width

ACTIONS = ("fill", "read", "update", "drain")
DIRECTIONS = ("down", "up")
TRAFFIC = ("sent", "deliveries", "hops")
NARROWED = ("update", "drain", *TRAFFIC)
"""What psums do once they are final; those on the network go up."""
BEGUN = ("read", "fill", *TRAFFIC)
"""What the words of a bias do; those on the network go down."""

Words = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Encoded:
    """What encoding made of the words one action moved: raw, not zero, and moved (metadata included)."""

    level: str
    tensor: str
    action: str
    format: str
    raw: int
    nonzero: int
    words: int

    @property
    def ratio(self) -> float:
        """Words before over words after."""
        return self.raw / self.words if self.words else 1.0

    @property
    def metadata(self) -> int:
        """Words moved that are no non-zero word."""
        return self.words - self.nonzero


@dataclass(frozen=True)
class RowCounts:
    """What the bursts of a tensor found in one direction: their row open (hit), their bank idle (miss), another row."""

    tensor: str
    direction: str
    hits: int
    misses: int
    conflicts: int

    @property
    def bursts(self) -> int:
        """All of them."""
        return self.hits + self.misses + self.conflicts


@dataclass(frozen=True)
class DramCounts:
    """The banks of a DRAM over one layer.

    refreshes : of all channels. busy_cycles : core cycles its transfers take. clocks : the same in clocks of the DRAM.
    slots : bursts that all data buses could have carried in these clocks.
    """

    rows: tuple[RowCounts, ...]
    refreshes: int
    busy_cycles: int
    clocks: int
    slots: float

    def total(self, kind: str) -> int:
        """Hits, misses, conflicts or bursts of all tensors."""
        return sum(getattr(row, kind) for row in self.rows)

    @property
    def activates(self) -> int:
        """Rows opened."""
        return self.total("misses") + self.total("conflicts")

    def to_dict(self) -> dict[str, Any]:
        """For the document of a result."""
        return dram_dict([(self, 1)]) | {"by_tensor": [asdict(row) for row in self.rows]}


def dram_dict(runs: Iterable[tuple[DramCounts, int]]) -> dict[str, Any]:
    """Several (counts, repeat) added up."""
    runs = list(runs)
    sums = {kind: sum(part.total(kind) * n for part, n in runs) for kind in ("bursts", "hits", "misses", "conflicts")}
    return {
        **sums,
        "refreshes": sum(part.refreshes * n for part, n in runs),
        "row_hit_rate": sums["hits"] / sums["bursts"] if sums["bursts"] else 0.0,
        "dram_cycles": sum(part.busy_cycles * n for part, n in runs),
        "bus_efficiency": sums["bursts"] / (sum(part.slots * n for part, n in runs) or 1),
    }


@dataclass(frozen=True)
class LinkLoads:
    """Words over each link of one network, of one tensor and direction, all parent instances together."""

    level: str
    tensor: str
    direction: str
    names: tuple[str, ...]
    words: tuple[int, ...]

    @property
    def mean(self) -> float:
        """Words of the mean link."""
        return sum(self.words) / len(self.words)

    @property
    def busiest(self) -> str:
        """The link that carries most, of equal ones the first."""
        return self.names[self.words.index(max(self.words))]


@dataclass(frozen=True, eq=False)
class Counts:
    """Words moved by one layer.

    words : int64[level, tensor, action], words; actions in the order of `ACTIONS`.
    network : int64[level, tensor, direction, kind], words (hops: links crossed or additions); the array below
        a level.
    macs : multiply-accumulates. slots : products of slices that make them up, as many where no word is sliced.
    compute_cycles : cycles the MAC array works (sum over the steps).
    active_pes : PEs that hold work in the fullest step (the product of the spatial factors, clipped to the problem).
    visited : slots that take their time: all where nothing is skipped. effectual : those of them that are not gated.
    busy : cycles of all PEs added up, where zeros are skipped, else -1.
    encoded : what compression made of words (already in `words`).
    dram : what the banks of the outermost level saw, where it has such and time was simulated.
    links : words on every link of meshes and crossbars (their sum is `network`'s hops but for old psums).
    tag_matches : (level, tensor, tags compared) of tagged buses.
    narrow : int64[level, what], words of psums (already in `words` and `network`) that move as ofmap words; `NARROWED`
        says what. None: the machine narrows nothing.
    bias : int64[level, what], words of the layer's bias, beside all others; `BEGUN` says what. None: none comes.
    steps : (level, times the array below is at work), of levels that some part acts on so.

    See docs/model.md for the conventions (section Counting).
    """

    levels: tuple[str, ...]
    words: Words
    network: Words
    macs: int
    compute_cycles: int
    active_pes: int
    visited: int = -1
    effectual: int = -1
    busy: int = -1
    encoded: tuple[Encoded, ...] = ()
    dram: DramCounts | None = None
    links: tuple[LinkLoads, ...] = ()
    tag_matches: tuple[tuple[str, str, int], ...] = ()
    narrow: Words | None = None
    bias: Words | None = None
    slots: int = -1
    steps: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if self.slots < 0:
            object.__setattr__(self, "slots", self.macs)
        for name in ("visited", "effectual"):
            if getattr(self, name) < 0:
                object.__setattr__(self, name, self.slots)

    def __repr__(self) -> str:
        words = ", ".join(f"{name} {int(self.words[at].sum()):,}" for at, name in enumerate(self.levels))
        return (
            f"Counts({self.macs:,} MACs in {self.compute_cycles:,} cycles, {self.active_pes:,} PEs; words at {words})"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)

    def __hash__(self) -> int:
        return hash((self.levels, self.macs, self.compute_cycles, self.words.tobytes()))

    @property
    def imbalance(self) -> float | None:
        """Cycles of the slowest PE over those of the mean active one, 1 when all finish together (None: not known)."""
        return self.compute_cycles * self.active_pes / self.busy if self.busy > 0 else None

    def __call__(self, level: str, tensor: Tensor | str, action: str) -> int:
        """Words of one cell, ``counts("GLB", "ifmap", "read")``."""
        return int(self.words[self.levels.index(level), TENSORS.index(Tensor(tensor)), ACTIONS.index(action)])

    def sent(self, level: str, tensor: Tensor | str, direction: str = "down", kind: str = "sent") -> int:
        """Words on the network below a level; `kind` is sent, deliveries or hops."""
        at = (self.levels.index(level), TENSORS.index(Tensor(tensor)), DIRECTIONS.index(direction))
        return int(self.network[(*at, TRAFFIC.index(kind))])

    def narrowed(self, level: str, what: str) -> int:
        """Psum words that move as ofmap words; `what` is update, drain, sent, deliveries or hops."""
        if self.narrow is None:
            return 0
        return int(self.narrow[self.levels.index(level), NARROWED.index(what)])

    def of_bias(self, level: str, what: str) -> int:
        """Words of the layer's bias; `what` is read, fill, sent, deliveries or hops."""
        return 0 if self.bias is None else int(self.bias[self.levels.index(level), BEGUN.index(what)])

    def bias_alone(self) -> Counts:
        """The words of the bias as if they were psums, and no others."""
        assert self.bias is not None
        words, network, psum = np.zeros_like(self.words), np.zeros_like(self.network), TENSORS.index(Tensor.PSUM)
        words[:, psum, [ACTIONS.index(action) for action in BEGUN[:2]]] = self.bias[:, :2]
        network[:, psum, 0] = self.bias[:, 2:]
        return replace(self, words=words, network=network, links=(), tag_matches=(), narrow=None, bias=None)

    def bits(self, level: str, tensor: Tensor, action: str, widths: Mapping[Width, int]) -> int:
        """Bits that one cell of `words` moves."""
        words = self(level, tensor, action)
        narrow = self.narrowed(level, action) if tensor is Tensor.PSUM and action in NARROWED else 0
        return (words - narrow) * widths[Width(tensor)] + narrow * widths[Width.OFMAP]

    def rows(self) -> Iterator[tuple[str, str, str, int]]:
        """(level, tensor, action, words) of every cell that is not zero."""
        for index, level in enumerate(self.levels):
            for t, tensor in enumerate(TENSORS):
                for a, action in enumerate(ACTIONS):
                    if words := int(self.words[index, t, a]):
                        yield level, tensor.value, action, words


@dataclass(frozen=True)
class Timing:
    """Core cycles of one layer.

    cycles : everything included. processing : the outermost level's transfers take no time (None: not asked for).
    stalls : cause -> cycles, of the total; with `compute` cycles they add up to `cycles` exactly.
    exact : False for the closed form, whose cycles are a lower bound.
    """

    cycles: int
    processing: int
    compute: int
    stalls: dict[str, int] = field(hash=False)
    processing_stalls: dict[str, int] = field(hash=False)
    exact: bool = True


def in_core_cycles(counts: Counts, timing: Timing, divider: int) -> tuple[Counts, Timing]:
    """The same in cycles of the core clock, where the machine has run at a part of it (docs/model.md, "Modes")."""
    if divider == 1:
        return counts, timing
    total, processing = (
        {cause: divider * cycles for cause, cycles in stalls.items()}
        for stalls in (timing.stalls, timing.processing_stalls)
    )
    slower = replace(
        timing,
        cycles=divider * timing.cycles,
        processing=divider * timing.processing,
        compute=divider * timing.compute,
        stalls=total,
        processing_stalls=processing,
    )
    return replace(counts, compute_cycles=divider * counts.compute_cycles), slower


def why_no_time(counts: Counts, timing: Timing) -> str:
    """Why a layer takes no cycles; empty if it takes some."""
    if timing.cycles:
        return ""
    moved = "no port that words pass has a width" if counts.words.any() else "no word moves"
    return f"zeros leave nothing to multiply, and {moved}"
