"""Time of layers without MACs, against a machine that moves words tick by tick."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

import fakes
from accelsim.architecture.model import Architecture, Fanout, Level, Network, NetworkKind, Port
from accelsim.engine.vector import Moved, latency
from accelsim.workload.problem import TENSORS, Tensor

RATES = st.fractions(Fraction(1, 3), 70, max_denominator=7)
WORDS = st.integers(0, 60)


def ticks(rate: Fraction, in_words: bool, words: int, bits: int) -> int:
    """Cycles of a port that lets `rate` bits (or words) through in each."""
    need, through, time = words * (1 if in_words else bits), Fraction(0), 0
    while through < need:
        through += rate
        time += 1
    return time


def machine(
    ports: dict[str, Port | None], lanes: int = 0, latencies: tuple[int, int] = (0, 0), bits: tuple[int, int] = (8, 24)
) -> Architecture:
    networks = {
        Tensor.IFMAP: Network(down=ports.get("down"), latency=latencies[0]),
        Tensor.PSUM: Network(NetworkKind.TREE, down=ports.get("down"), up=ports.get("up"), latency=latencies[1]),
    }
    outermost = Level("DRAM", read_port=ports.get("read"), write_port=ports.get("write"), fanout=Fanout(1, 1, networks))
    words = dict(zip(TENSORS, (bits[0], 8, bits[1]), strict=True))
    return Architecture("toy", (outermost, *fakes.machine().levels[1:]), word_bits=words, lanes=lanes)


@given(
    st.dictionaries(st.sampled_from(["down", "up", "read", "write"]), st.tuples(RATES, st.booleans())),
    WORDS, WORDS, st.integers(0, 300), st.integers(0, 9), st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.tuples(st.integers(1, 32), st.integers(1, 32)),
)  # fmt: skip
def test_the_busiest_resource_sets_the_time(rates, reads, writes, operations, lanes, latencies, bits):
    """Every port its own: what is read crosses `read` and `down`, what is written `up` and `write`."""
    ports = {name: Port(name, *rate) for name, rate in rates.items()}
    total, processing = latency(machine(ports, lanes, latencies, bits), Moved(reads, writes), operations)
    moved = {"read": (reads, bits[0]), "down": (reads, bits[0]), "up": (writes, bits[1]), "write": (writes, bits[1])}
    busy = [ticks(*rates[name], *moved[name]) for name in rates]
    working = ticks(Fraction(lanes), True, operations, 1) if lanes else 0
    delay = (latencies[0] if reads else 0) + (latencies[1] if writes else 0)
    assert processing == working
    assert total == max([working, *busy]) + delay


def test_the_peak_of_a_dram_is_rounded_up():
    """1,038 B at 19.2 B a cycle take more than 54 cycles, of which a bound may say 53."""
    peak = Port("banks", Fraction("153.6"), peak=True)
    total, _ = latency(machine({"read": peak, "write": peak}, bits=(8, 8)), Moved(1000, 38), 0)
    assert total == 53 + 2
    assert peak.cycles(1000, 8) + peak.cycles(38, 8) == 52 + 1


@given(RATES, WORDS, WORDS)
def test_a_shared_link_carries_one_transfer_after_the_other(rate, reads, writes):
    link = Port("DRAM link", rate)
    total, _ = latency(machine({"down": link, "up": link}), Moved(reads, writes), 0)
    assert total == ticks(rate, False, reads, 8) + ticks(rate, False, writes, 24)


def test_nothing_timed_takes_no_time():
    assert latency(fakes.machine(), Moved(10**6, 10**6), 10**6) == (0, 0)
    assert latency(replace(fakes.machine(), lanes=16), Moved(0, 0), 33) == (3, 3)
