"""What carries words, and how fast: ports, the networks of a fan-out, and what sets their rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from accelsim.errors import AccelsimError
from accelsim.quantities import MOST_PART, bounded, short
from accelsim.workload.problem import ADDED_DIMS, Tensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Count = TypeVar("Count", int, "npt.NDArray[np.int64]")
"""One number or many."""


class NetworkKind(StrEnum):
    """What carries words between a level and the instances below it.

    `multicast` sends a word wanted by several children once; `unicast` once per child; `systolic` once,
    handed from PE to PE; `crossbar` once, to each child on a port of its own; `mesh` once, over the union of
    the X-Y routes to the children. For psums `chain`, `tree` and `systolic` add on the way, `crossbar` and
    `mesh` if they say over which dims; `multicast` (a plain bus) and `unicast` do not. docs/noc.md has each.
    """

    MULTICAST = "multicast"
    UNICAST = "unicast"
    SYSTOLIC = "systolic"
    CHAIN = "chain"
    TREE = "tree"
    CROSSBAR = "crossbar"
    MESH = "mesh"


class Injection(StrEnum):
    """Where a mesh meets its parent: at the router of child (0, 0), or at the first router of every row."""

    CORNER = "corner"
    WEST_EDGE = "west-edge"


REDUCING = frozenset({NetworkKind.CHAIN, NetworkKind.TREE, NetworkKind.SYSTOLIC})
"""Kinds that add psums unless told otherwise."""
MAY_REDUCE = REDUCING | {NetworkKind.CROSSBAR, NetworkKind.MESH}


def exact(hertz: float) -> Fraction:
    """A clock to ten digits, as the decimal number it is written as: rates divided by it stay short fractions."""
    return Fraction(f"{hertz:.10g}")


def within(where: str, what: str, value: Fraction | float) -> None:
    """The bounds of quantities for what code builds, as the files have them."""
    try:
        bounded(what, value)
    except ValueError as error:
        raise AccelsimError(f"{where}: {error}") from None


@dataclass(frozen=True)
class Port:
    """A timed resource: what names the same port shares it.

    rate : bits per core cycle (or words, where `in_words`), any positive rational: a link with its own
        clock has rate ``width * f_link / f_core``.
    peak : the rate is reached at best, by many transfers that are rounded as one: `cycles` bounds them from below.
    per_second : bits (or words) per second, of a port with a clock of its own; the machine's clock then sets `rate`.
        Equal ports are equally fast beside the core they have.
    """

    name: str
    rate: Fraction
    in_words: bool = False
    peak: bool = False
    per_second: Fraction | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise AccelsimError(f"port '{self.name}': a rate must be positive, got {short(self.rate)}")
        within(f"port '{self.name}'", "a width of a port", self.rate)
        if max(self.rate.numerator, self.rate.denominator) > MOST_PART:
            raise AccelsimError(
                f"port '{self.name}': {short(self.rate)} per core cycle is no fraction of numbers up to 2^50; "
                "give its width, or a clock, with fewer digits"
            )

    def at(self, core_hz: Fraction) -> Port:
        """The port beside a core of this clock."""
        rate = self.rate if self.per_second is None else self.per_second / core_hz
        return self if rate == self.rate else replace(self, rate=rate)

    def cycles(self, words: Count, word_bits: int) -> Count:
        """Core cycles that `words` of `word_bits` each hold this port, rounded up once (down for a peak)."""
        units = words if self.in_words else words * word_bits
        if self.peak:
            return units * self.rate.denominator // self.rate.numerator
        return -(-units * self.rate.denominator // self.rate.numerator)


@dataclass(frozen=True)
class Network:
    """The network of one tensor below one level. A direction without a port takes no time.

    down, up : ports for words to the children (fills; for psums refills or old psums) and from them (drains).
    latency : cycles after each transfer, not on the port.
    accumulate_on_drain : psum only; the old psum enters the reduction on its way up and the child is never refilled.
    reduce : psum only; the spatial dims whose psums are added in the network.
    every : cycles from a beat on its ports to the next, as where the other side is ready once in so many.
    slots : psum accumulated on drain only; tiles of old psums that have room on their way into the reduction.
    tags : multicast only; a bus whose rows and PEs compare the (row, column) tag of each word.
    child_down, child_up : crossbar only; the port of a child, beside the one of the parent.
    injection, hop_latency : mesh only; where the parent is, cycles per link of the longest route.
    latency_s, hop_latency_s : seconds, of latencies given as time; the machine's clock then sets the cycles.
    """

    kind: NetworkKind = NetworkKind.MULTICAST
    down: Port | None = None
    up: Port | None = None
    latency: int = 0
    accumulate_on_drain: bool = False
    reduce: frozenset[str] = frozenset()
    tags: bool = False
    child_down: Port | None = None
    child_up: Port | None = None
    injection: Injection = Injection.CORNER
    hop_latency: int = 1
    slots: int = 1
    every: int = 1
    latency_s: Fraction | None = field(default=None, compare=False)
    hop_latency_s: Fraction | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for latency in (self.latency, self.hop_latency):
            within("network", "a latency", latency)
        for part in (self.slots, self.every):
            within("network", "a part of a Cartesian PE", part)

    def at(self, core_hz: Fraction) -> Network:
        """The network beside a core of this clock."""
        found: dict[str, Any] = {
            key: port.at(core_hz)
            for key in ("down", "up", "child_down", "child_up")
            if (port := getattr(self, key)) is not None
        }
        for key in ("latency", "hop_latency"):
            seconds = getattr(self, f"{key}_s")
            if seconds is not None:
                found[key] = -(-seconds * core_hz // 1)
        return self if all(getattr(self, key) == value for key, value in found.items()) else replace(self, **found)

    @property
    def has_links(self) -> bool:
        """Whether what it carries depends on which child wants what, not on the words alone."""
        return self.tags or self.kind in (NetworkKind.CROSSBAR, NetworkKind.MESH)


MULTICAST, TREE = Network(), Network(NetworkKind.TREE, reduce=frozenset(ADDED_DIMS))


@dataclass(frozen=True)
class Fanout:
    """The spatial step right below a level: a y by x array and one network per tensor."""

    y: int = 1
    x: int = 1
    networks: Mapping[Tensor, Network] = field(default_factory=dict)
    declared: bool = False

    def __post_init__(self) -> None:
        for axis in (self.y, self.x):
            within("array", "rows or columns of an array", axis)

    def at(self, core_hz: Fraction) -> Fanout:
        """The fan-out beside a core of this clock."""
        networks = {tensor: network.at(core_hz) for tensor, network in self.networks.items()}
        return self if networks == self.networks else replace(self, networks=networks)

    def network(self, tensor: Tensor) -> Network:
        """The network of a tensor; undeclared, a multicast (psum: tree reduction) that takes no time."""
        found = self.networks.get(tensor)
        if found is not None:
            return found
        return TREE if tensor is Tensor.PSUM else MULTICAST
