"""An accelerator as value objects: levels of memory, the fan-outs between them, networks, ports, PEs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from accelsim.architecture.dram.model import Dram
from accelsim.errors import AccelsimError
from accelsim.workload.lowering import Lowering
from accelsim.workload.problem import REDUCTION_DIMS, TENSORS, Padding, Tensor, Width

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Count = TypeVar("Count", int, "npt.NDArray[np.int64]")
"""One number or many."""


class Buffer(StrEnum):
    """How many tiles a level holds of a tensor: one, two, or a ring of one that streams (innermost keeper only)."""

    SINGLE = "single"
    DOUBLE = "double"
    STREAM = "stream"


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


class Format(StrEnum):
    """How a level stores the words of a tensor; docs/model.md, "Compression", has the bits of each."""

    RLC = "rlc"
    BITMASK = "bitmask"
    CSC = "csc"
    CSR = "csr"
    COORDINATE = "coordinate"


class Pairing(StrEnum):
    """What the lanes of a PE share in one cycle.

    `column`: one ifmap word meets as many filter words of its own column. `output`: every lane works on an output
    of its own, one effectual pair per cycle.
    """

    COLUMN = "column"
    OUTPUT = "output"


REDUCING = frozenset({NetworkKind.CHAIN, NetworkKind.TREE, NetworkKind.SYSTOLIC})
"""Kinds that add psums unless told otherwise."""
MAY_REDUCE = REDUCING | {NetworkKind.CROSSBAR, NetworkKind.MESH}


def exact(hertz: float) -> Fraction:
    """A clock as the decimal number it is written as, so that rates divided by it stay short fractions."""
    return Fraction(repr(float(hertz)))


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
            raise AccelsimError(f"port '{self.name}': a rate must be positive, got {self.rate}")

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
    latency_s: Fraction | None = field(default=None, compare=False)
    hop_latency_s: Fraction | None = field(default=None, compare=False)

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


@dataclass(frozen=True)
class Fanout:
    """The spatial step right below a level: a y by x array and one network per tensor."""

    y: int = 1
    x: int = 1
    networks: Mapping[Tensor, Network] = field(default_factory=dict)
    declared: bool = False

    def at(self, core_hz: Fraction) -> Fanout:
        """The fan-out beside a core of this clock."""
        networks = {tensor: network.at(core_hz) for tensor, network in self.networks.items()}
        return self if networks == self.networks else replace(self, networks=networks)

    def network(self, tensor: Tensor) -> Network:
        """The network of a tensor; undeclared, a multicast (psum: tree reduction) that takes no time."""
        found = self.networks.get(tensor)
        if found is not None:
            return found
        if tensor is Tensor.PSUM:
            return Network(NetworkKind.TREE, reduce=frozenset(REDUCTION_DIMS))
        return Network()


@dataclass(frozen=True)
class Partition:
    """Part of a level's capacity, in bits, shared by the tensors named."""

    tensors: frozenset[Tensor]
    bits: int


@dataclass(frozen=True)
class Level:
    """A memory. Everything per instance.

    keeps : tensors stored here; others pass by.
    capacity : partitions; none means unbounded.
    buffer : per tensor; default single.
    read_port, write_port : optional timed ports of the memory (the same object: one shared port).
    halo_reuse : keep the overlap of a sliding ifmap tile (false: refetch the whole tile).
    compression : formats of tensors that are stored, and sent below, encoded.
    dram : banks and rows (outermost level only); one port then serves reads and writes.
    """

    name: str
    keeps: frozenset[Tensor] = frozenset(TENSORS)
    capacity: tuple[Partition, ...] = ()
    buffer: Mapping[Tensor, Buffer] = field(default_factory=dict)
    halo_reuse: bool = True
    read_port: Port | None = None
    write_port: Port | None = None
    fanout: Fanout = field(default_factory=Fanout)
    component: str = ""
    compression: Mapping[Tensor, Format] = field(default_factory=dict)
    dram: Dram | None = None

    def __post_init__(self) -> None:
        # single is what is left out, and what is not kept is not buffered: one way to say the same
        kept = {t: b for t, b in self.buffer.items() if t in self.keeps and b is not Buffer.SINGLE}
        object.__setattr__(self, "buffer", kept)
        if self.dram is not None:
            if any(port and not port.peak for port in (self.read_port, self.write_port)):
                raise AccelsimError(f"level '{self.name}': its DRAM is its only memory port")
            port = Port(f"{self.name} banks", self.dram.peak, peak=True)
            object.__setattr__(self, "read_port", port)
            object.__setattr__(self, "write_port", port)

    def at(self, core_hz: Fraction) -> Level:
        """The level beside a core of this clock."""
        found: dict[str, Any] = {"fanout": self.fanout.at(core_hz)}
        if self.dram:
            found["dram"] = self.dram.at(core_hz)
        else:
            ports = {"read_port": self.read_port, "write_port": self.write_port}
            found |= {key: port.at(core_hz) for key, port in ports.items() if port}
        return self if all(getattr(self, key) == value for key, value in found.items()) else replace(self, **found)

    def buffering(self, tensor: Tensor) -> Buffer:
        """How this level buffers a tensor."""
        return self.buffer.get(tensor, Buffer.SINGLE)


@dataclass(frozen=True)
class Sparsity:
    """What the PEs make of zero operands (docs/model.md, "Zeros"). Lanes are the MACs per cycle.

    gate : inputs whose zeros save the MAC and the reads after it, not the cycle.
    skip : inputs whose zeros take no cycle. pairing : what the lanes share.
    drift : steps the PEs may be apart; 1 is lock step. queue : outputs the lanes of a PE may be apart.
    """

    gate: frozenset[Tensor] = frozenset()
    skip: frozenset[Tensor] = frozenset()
    pairing: Pairing = Pairing.COLUMN
    drift: int = 1
    queue: int = 1

    def __post_init__(self) -> None:
        for name, tensors in (("gate", self.gate), ("skip", self.skip)):
            if Tensor.PSUM in tensors:
                raise AccelsimError(f"pe: {name}: a psum is no operand; allowed are ifmap and filter")
        both = sorted(self.gate & self.skip)
        if both:
            raise AccelsimError(f"pe: {both[0]} is skipped and gated; a zero that takes no cycle has nothing to gate")
        if self.pairing is Pairing.OUTPUT and self.skip != {Tensor.IFMAP, Tensor.FILTER}:
            raise AccelsimError("pe: pairing by output needs skip: [ifmap, filter]")
        if min(self.drift, self.queue) < 1:
            raise AccelsimError(f"pe: drift and queue must be at least 1, got {self.drift} and {self.queue}")
        if self.queue > 1 and self.pairing is not Pairing.OUTPUT:
            raise AccelsimError("pe: a queue needs pairing: output")
        if self.drift > 1 and not self.skip:
            raise AccelsimError("pe: PEs drift apart only if they skip")

    @property
    def matters(self) -> frozenset[Tensor]:
        """Inputs whose zeros make a slot ineffectual."""
        return self.skip | self.gate

    def before_reading(self, tensor: Tensor) -> frozenset[Tensor]:
        """Inputs that must not be zero for an operand to be read: gated ones are read first, ifmap before filter."""
        if tensor not in self.gate:
            return self.matters
        return self.skip | (self.gate & {Tensor.IFMAP} if tensor is Tensor.FILTER else frozenset())


@dataclass(frozen=True)
class Cartesian:
    """SCNN's PE: every non-zero ifmap word of a vector meets every non-zero filter word of another.

    ifmaps, filters : words of the two vectors (I, F). banks, entries : accumulators. fifo : products a bank may queue
    (0: any number). group : output channels worked on at once (Kc). weights : vectors the weight FIFO holds.
    Parashar et al., "SCNN", ISCA 2017, sections III and IV.
    """

    ifmaps: int = 4
    filters: int = 4
    banks: int = 32
    entries: int = 32
    fifo: int = 4
    group: int = 8
    weights: int = 50


@dataclass(frozen=True)
class Architecture:
    """A machine: levels outermost first, word widths in bits, PE.

    serial : the stationary tensor of `passes: serial` (docs/model.md, T10), or None.
    lead : serial passes only; moving operands wait for the stationary one of their pass (docs/model.md, T10b).
    skew : systolic arrays, one inside the other if there are several (docs/model.md, T12).
    lanes : operations of the vector unit per cycle; 0: none is declared, and vector operations take no time.
    sparsity : what zeros save. cartesian : a PE of SCNN's kind, or None.
    lowering : what a layer's problem is turned into before it is mapped.
    multiplier : least bits of an operand as the PE multiplies it, where words are stored shorter (EIE's weights).
    ofmap_bits : of a sum once it is final; 0: those of a psum. narrow : the level that final sums leave at that width;
        '': they have it from the top of the innermost array's network on (docs/model.md, "Ofmap words").
    clock_hz : core clock; what has a clock of its own, or is given as time, keeps it when this changes.
    energy, dataflow : names of the energy table and of the dataflow, or their files.
    document : the file it was read from, as data, or None; `accelsim.architecture.document` reads it.
    """

    name: str
    levels: tuple[Level, ...]
    clock_hz: float = 1e9
    word_bits: Mapping[Tensor, int] = field(default_factory=lambda: dict.fromkeys(TENSORS, 16))
    padding: Padding = Padding.ON_CHIP
    macs_per_cycle: int = 1
    pipeline: int = 0
    serial: Tensor | None = None
    lead: bool = True
    skew: bool = False
    energy: str = ""
    dataflow: str = ""
    source: str = ""
    sparsity: Sparsity = Sparsity()
    cartesian: Cartesian | None = None
    lanes: int = 0
    lowering: Lowering = Lowering.NONE
    multiplier: int = 1
    ofmap_bits: int = 0
    narrow: str = ""
    document: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.levels:
            raise AccelsimError(f"architecture '{self.name}' has no levels")
        if not 0 < self.clock_hz < float("inf"):
            raise AccelsimError(f"architecture '{self.name}': a clock must be positive, got {self.clock_hz} Hz")
        object.__setattr__(self, "levels", tuple(level.at(exact(self.clock_hz)) for level in self.levels))
        object.__setattr__(self, "lead", self.lead or self.serial is None)
        if self.cartesian:
            object.__setattr__(self, "macs_per_cycle", self.cartesian.ifmaps * self.cartesian.filters)
        names = [level.name for level in self.levels]
        for name in names:
            if names.count(name) > 1:
                raise AccelsimError(f"architecture '{self.name}': two levels are called '{name}'")
        missing = set(TENSORS) - self.levels[0].keeps
        if missing:
            raise AccelsimError(
                f"architecture '{self.name}': the outermost level '{names[0]}' must keep every tensor; "
                f"it lacks {', '.join(sorted(missing))}"
            )
        if self.narrow and self.narrow not in names[1:]:
            raise AccelsimError(
                f"architecture '{self.name}': narrow: '{self.narrow}' is no level that sums can leave "
                f"({', '.join(names[1:])})"
            )
        if self.cartesian and (self.sparsity != Sparsity() or any(level.compression for level in self.levels)):
            raise AccelsimError(
                f"architecture '{self.name}': a Cartesian PE skips and encodes in its own way; "
                "it takes no gate, skip, pairing, drift, queue or compression"
            )
        if self.cartesian and self.lowering is not Lowering.NONE:
            raise AccelsimError(
                f"architecture '{self.name}': a Cartesian PE convolves; it takes no lowering: {self.lowering}"
            )
        if any(level.dram for level in self.levels[1:]):
            raise AccelsimError(
                f"architecture '{self.name}': only the outermost level has the banks and rows of a DRAM"
            )
        if self.levels[0].dram and (self.cartesian or self.levels[0].compression):
            why = "Cartesian PEs move encoded words" if self.cartesian else "it stores tensors encoded"
            raise AccelsimError(
                f"architecture '{self.name}': level '{names[0]}': {why}, which have no addresses in the "
                "banks of a DRAM; use a link"
            )
        for index, level in enumerate(self.levels):
            if Tensor.PSUM in level.compression and level.fanout.y * level.fanout.x > 1:
                raise AccelsimError(
                    f"architecture '{self.name}': level '{level.name}' compresses psums, but partial sums arrive from "
                    "the array below it"
                )
            for tensor in level.keeps:
                if level.buffering(tensor) is Buffer.STREAM and (
                    index == 0 or any(tensor in inner.keeps for inner in self.levels[index + 1 :])
                ):
                    raise AccelsimError(
                        f"architecture '{self.name}': level '{level.name}': {tensor} is 'stream', which only the "
                        "innermost level that keeps a tensor may be"
                    )

    @property
    def final_bits(self) -> int:
        """Bits of an ofmap word: a sum that is final and has been narrowed."""
        return min(self.ofmap_bits or self.word_bits[Tensor.PSUM], self.word_bits[Tensor.PSUM])

    @property
    def widths(self) -> dict[Width, int]:
        """Bits of every sort of word."""
        return {**{Width(t): bits for t, bits in self.word_bits.items()}, Width.OFMAP: self.final_bits}

    @property
    def narrow_level(self) -> int:
        """The innermost level that stores final sums as ofmap words; -1: none does."""
        return self.level_index(self.narrow) - 1 if self.narrow else self.pe_level - 1

    @property
    def narrow_fanout(self) -> int:
        """The innermost level whose fan-out carries final sums as ofmap words; -1: none does."""
        return self.level_index(self.narrow) - 1 if self.narrow else self.pe_level - 2

    def accumulates(self, parent: int, child: int) -> bool:
        """Whether psums drained between two levels meet the old ones on the way up, instead of being refilled.

        The outermost declared psum network crossed decides; a fan-out without one is a wire.
        """
        for spec in self.levels[parent:child]:
            if Tensor.PSUM in spec.fanout.networks:
                return spec.fanout.network(Tensor.PSUM).accumulate_on_drain
        return False

    @property
    def mac_bits(self) -> dict[Tensor, int]:
        """Bits of the operands as they are multiplied, and of the psum."""
        return {t: bits if t is Tensor.PSUM else max(bits, self.multiplier) for t, bits in self.word_bits.items()}

    @property
    def sees_zeros_of(self) -> frozenset[Tensor]:
        """Tensors whose zeros change counts or cycles."""
        if self.cartesian:
            return frozenset(TENSORS)
        return (self.sparsity.gate | self.sparsity.skip).union(*(level.compression for level in self.levels))

    @property
    def sees_zeros(self) -> bool:
        """Whether counts or cycles depend on which operands are zero."""
        return bool(self.sees_zeros_of)

    @property
    def pes(self) -> int:
        """Processing elements: the product of all fan-outs."""
        product = 1
        for level in self.levels:
            product *= level.fanout.y * level.fanout.x
        return product

    @property
    def skew_cycles(self) -> int:
        """Cycles after which an operand has come from the first row and column of all arrays to the last."""
        fans = [level.fanout for level in self.levels if level.fanout.declared] if self.skew else []
        return sum(fan.y + fan.x - 2 for fan in fans)

    @property
    def pe_level(self) -> int:
        """Index of the first level inside the PE: right below the last declared array; without one, the last level."""
        for index in range(len(self.levels) - 1, -1, -1):
            if self.levels[index].fanout.declared:
                return index + 1
        return len(self.levels) - 1

    def level_index(self, name: str) -> int:
        """Index of the level called `name`; -1 if there is none."""
        for index, level in enumerate(self.levels):
            if level.name == name:
                return index
        return -1
