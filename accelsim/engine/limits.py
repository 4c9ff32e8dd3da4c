"""What a layer may ask for: numbers that fit, steps and bytes; refused before any of it is spent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from accelsim import cache
from accelsim.architecture.model import Architecture, Port
from accelsim.errors import MappingError
from accelsim.workload.problem import COUNT_LIMIT, TENSORS, Problem

MOST_OF_A_BURST = 100_000
"""Core cycles that one burst of a DRAM can wait at most, a refresh included."""
MOST_STEPS = 300_000_000
"""Steps simulated at most; some take a quarter of a minute."""
STEPS_A_SECOND = 10_000_000
"""Steps simulated in a second, twice (with the outermost level and without), where nothing else holds them up."""
PATIENCE = 5.0
"""Seconds of one layer that are announced."""
MOST_BYTES = 1 << 29
"""What a layer's lists may take together."""
LEVERS = "take the closed form (--evaluator analytical), larger tiles in the inner levels, or a smaller layer"


def refuse_overflow(padded: Sequence[int], problem: Problem, architecture: Architecture) -> None:
    """Raise MappingError if any number of a nest could pass 2^63, all counted in big integers.

    padded : the product of each dim's factors. An ifmap tile never has more words than outputs times taps, and no word
    moves more than once an iteration on any edge: the padded iteration space bounds all there is.
    """
    levels, iterations = len(architecture.levels), 1
    if levels >= 64:
        raise MappingError(f"{levels} levels; at most 63 are counted")
    for size in padded:
        iterations *= size
    for what, most in most_an_iteration(architecture):
        if iterations * most >= COUNT_LIMIT:
            raise MappingError(
                f"this mapping pads {problem.slots} MACs to {iterations} iterations; its {what} would pass 2^63 "
                "and are refused"
            )


def most_an_iteration(architecture: Architecture) -> tuple[tuple[str, int], ...]:
    """What one iteration of a nest can add at most to each kind of number."""
    bits = max(architecture.word_bits.values())
    fans = [level.fanout for level in architecture.levels]
    return (
        ("counts", 8),  # of several columns added up
        ("words on links", 2 * max(fan.y + fan.x for fan in fans)),
        ("bits", 2 * bits),
        ("cycles", _most_cycles(architecture, bits) * architecture.mode.divider),
    )


def _most_cycles(architecture: Architecture, bits: int) -> int:
    """Every word alone on every port, up and down, with all latencies and the array filled and emptied around it."""
    cycles = 1 + architecture.pipeline + architecture.skew_cycles + sum(architecture.behind_macs.values())
    for level in architecture.levels:
        cycles += 2 * (level.fanout.y + level.fanout.x)
        cycles += MOST_OF_A_BURST if level.dram else 0
        for tensor in TENSORS:
            network = level.fanout.network(tensor)
            cycles += 2 * (network.latency + network.hop_latency * (level.fanout.y + level.fanout.x))
    every = max(network.every for level in architecture.levels for network in map(level.fanout.network, TENSORS))
    for port in _ports(architecture):
        cycles += 2 * every * (1 + -(-(1 if port.in_words else bits) * port.rate.denominator // port.rate.numerator))
    return cycles


def _ports(architecture: Architecture) -> Iterator[Port]:
    for level in architecture.levels:
        networks = [level.fanout.network(tensor) for tensor in TENSORS]
        found = [level.read_port, level.write_port]
        found += [port for n in networks for port in (n.down, n.up, n.child_down, n.child_up)]
        yield from (port for port in found if port)


def too_many_steps(steps: int, what: str = "steps to simulate") -> MappingError:
    """An error that says how long simulating so many steps, or `what` takes as long, would take."""
    return MappingError(
        f"about {steps:.1e} {what}, {duration(steps / STEPS_A_SECOND)}; at most {MOST_STEPS:.0e} are taken on: {LEVERS}"
    )


def refuse_steps(steps: int, what: str = "steps to simulate") -> None:
    """Raise MappingError if so many steps, or `what` takes as long, would take too long; announce what takes long."""
    if steps > MOST_STEPS:
        raise too_many_steps(steps, what)
    announce(steps / STEPS_A_SECOND, f"about {steps:.1e} {what}")


def announce(seconds: float, what: str) -> None:
    """Say on stderr what is about to take longer than a user waits without a word."""
    if seconds > PATIENCE:
        cache.tell_once(f"{what}, {duration(seconds)}")


def refuse_bytes(needed: int, what: str) -> None:
    """Raise MappingError if lists of a layer would take too much memory; what : they are, with their number."""
    if needed > MOST_BYTES:
        raise MappingError(f"{what} take {size(needed)}, at most {size(MOST_BYTES)} are taken on: {LEVERS}")


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    for unit, length in (("years", 365 * 86400), ("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"some {seconds / length:,.0f} {unit}"
    return f"some {max(seconds, 1):.0f} seconds"


def size(needed: int) -> str:
    """Bytes as a person says them."""
    return f"{needed / 1e9:,.1f} GB" if needed >= 1e9 else f"{needed / 1e6:,.0f} MB"
