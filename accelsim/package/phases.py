"""What a part costs at any rate: three phases read from one run at the full rate (rule C6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from accelsim.architecture.model import Architecture, NetworkKind, Port
from accelsim.errors import AccelsimError
from accelsim.outcome import LayerResult
from accelsim.package.flow import NOTHING, ZERO, Entry, Flow
from accelsim.package.model import Core, Package, Path
from accelsim.workload.problem import TENSORS, Tensor, Width

LINKED = (NetworkKind.MESH, NetworkKind.CROSSBAR)


def at_memory(package: Package, core: Core) -> Architecture:
    """The machine of a core with the path to its memory in place of its own outermost link.

    Rates are those that the core has alone, or where the package says so its mean share.
    Raises AccelsimError for a core whose outermost fan-out is a mesh or crossbar: its links are not the package's.
    """
    machine, path, memory = core.machine, package.path(core), package.memories[core.memory]
    outer = machine.levels[0]
    if not path.resources and not path.latency:
        return machine
    if any(network.kind in LINKED for network in outer.fanout.networks.values()):
        raise AccelsimError(
            f"package '{package.name}': core '{core.name}': the array below its outermost level has links of its own; "
            "make each of its children a core"
        )
    shared = package.searched == "share"

    def port(name: str, held: tuple[int, ...]) -> Port | None:
        rates = [package.rate(resource, shared) * package.clock for resource in held]
        return Port(name, min(rates) / core.clock, per_second=min(rates)) if rates else None

    both = () if memory.dram else tuple(resource for resource in path.reads if resource in path.writes)
    # banks are a port of their own
    ways = (
        tuple(one for one in held if not memory.dram or package.resources[one].kind == "link")
        for held in (path.reads, path.writes)
    )
    one = port("memory", both)
    down, up = (port(f"link {way}", held) for way, held in zip(("down", "up"), ways, strict=True))
    if one and down and up and one.rate == down.rate == up.rate:
        # one port for everything, as a level's own link is
        one, down, up = None, one, one
    latency = -(-least_latency(package, core) * core.clock // package.clock)
    networks = {
        tensor: replace(
            outer.fanout.network(tensor),
            down=down,
            up=up if tensor is Tensor.PSUM else None,
            latency=int(latency),
            latency_s=None,
        )
        for tensor in TENSORS
    }
    banks = memory.dram.at(core.clock) if memory.dram else None
    found = replace(outer, dram=None, read_port=one, write_port=one, fanout=replace(outer.fanout, networks=networks))
    return replace(machine, levels=(replace(found, dram=banks) if banks else found, *machine.levels[1:]))


def least_latency(package: Package, core: Core) -> Fraction:
    """Of the paths of its group, in cycles of the package: what all of the group's parts are run with.

    Cores that are further away have the rest added, once on the way in and once on the way out.
    """
    return min(package.path(other).latency for other in package.cores if other.group == core.group)


@dataclass(frozen=True)
class Phases:
    """A part, in cycles of its core and bits of its memory. Times are those at the rates it was run at.

    cycles : all of it. fill, drain : bits that come before the first MAC and go after the last. reads, writes : the
    bits in between. latency : (before, after).
    """

    cycles: int
    fill: Fraction
    drain: Fraction
    reads: Fraction
    writes: Fraction
    latency: tuple[Fraction, Fraction]


def memory_bits(layer: LayerResult, outer: str) -> tuple[int, int]:
    """Bits a layer reads from the outermost level, and those it writes there."""
    widths: Mapping[Width, int] = layer.moved or layer.bits
    reads = sum(layer.counts.bits(outer, tensor, "read", widths) for tensor in TENSORS)
    reads += layer.bias_bits * layer.counts.of_bias(outer, "read")
    return reads, layer.counts.bits(outer, Tensor.PSUM, "update", widths)


def phases(machine: Architecture, layer: LayerResult, rates: tuple[Fraction | None, Fraction | None]) -> Phases:
    """The three phases of a run of `machine`, as `at_memory` has it.

    rates : bits per core cycle that it reads and writes at, alone; None: no limit.
    """
    reads, writes = memory_bits(layer, machine.levels[0].name)
    stalls, latency = layer.timing.stalls, machine.levels[0].fanout.network(Tensor.IFMAP).latency

    def serial(cause: str, rate: Fraction | None, most: int) -> Fraction:
        cycles = max(stalls.get(cause, 0) - latency, 0)
        return min(cycles * rate, Fraction(most)) if rate else ZERO

    fill, drain = serial("fill", rates[0], reads), serial("drain", rates[1], writes)
    late = Fraction(latency if reads else 0), Fraction(latency if writes else 0)
    return Phases(layer.cycles, fill, drain, reads - fill, writes - drain, late)


def entry(package: Package, core: Core, found: Phases, name: str = "") -> Entry:
    """A part as an entry of its core's list; alone it takes exactly the cycles it was run in (C1)."""
    path, scale = package.path(core), package.clock / core.clock
    shared = package.searched == "share"
    rate = [package.rate(resource, shared) for resource in range(len(package.resources))]
    total = found.cycles * scale
    before = after = ZERO
    fill, drain = (
        Flow.over(bits, held) if bits and held else NOTHING
        for bits, held in ((found.fill, path.reads), (found.drain, path.writes))
    )
    body = _body(found, path)
    capacities = tuple(rate)
    slack = total - fill.private(capacities) - drain.private(capacities) - body.private(capacities)
    if slack < 0:
        # words that take no time on the port (docs/model.md, sums that no network adds): the port was never so busy
        taken = body.private(capacities)
        body = replace(body, bits=body.bits * max(taken + slack, ZERO) / taken) if taken else body
        slack = ZERO
    if fill.shares or drain.shares or body.shares:
        after = min(found.latency[1] * scale, slack)
        before = min(found.latency[0] * scale, slack - after)
    further = path.latency - least_latency(package, core)
    work = max(total - before - after - fill.private(capacities) - drain.private(capacities), ZERO)
    return Entry(
        work,
        (),
        replace(fill, latency=before + (further if found.latency[0] else 0)),
        body,
        replace(drain, latency=after + (further if found.latency[1] else 0)),
        name,
    )


def _body(found: Phases, path: Path) -> Flow:
    """Reads and writes between fill and drain, as one transfer: each resource holds its share of them."""
    bits = found.reads + found.writes
    if not bits or not path.resources:
        return NOTHING
    held = {
        resource: (found.reads * (resource in path.reads) + found.writes * (resource in path.writes)) / bits
        for resource in path.resources
    }
    return Flow(bits, tuple((resource, share) for resource, share in held.items() if share))


def alone(package: Package, core: Core) -> tuple[Fraction | None, Fraction | None]:
    """Bits per core cycle that a core reads and writes at when nobody else does."""
    path, scale, shared = package.path(core), package.clock / core.clock, package.searched == "share"
    reads, writes = (
        min((package.rate(resource, shared) for resource in held), default=None) for held in (path.reads, path.writes)
    )
    return reads and reads * scale, writes and writes * scale
