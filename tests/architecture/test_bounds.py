"""What does not fit is refused, in one line that names the quantity, its value and its bound."""

from dataclasses import replace
from fractions import Fraction

import pytest

from accelsim.architecture.model import Fanout, Level, Network, Partition, Port
from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.errors import AccelsimError
from accelsim.workload.problem import TENSORS, Tensor
from accelsim.yamlfile import parse

HUGE = 10**30
LONG = 10**5000


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("eyeriss", {"levels.GLB.capacity": f"{HUGE} B"}, "levels.GLB.capacity: a size must be at most 2^60 b, got 8"),
        ("eyeriss", {"levels.RF.capacity.ifmap": "1e99 words"}, "a size must be at most 2^60 b"),
        ("eyeriss", {"levels.FILTER_BANK.array.size.y": HUGE}, "columns of an array must be at most 2^24, got 1"),
        ("eyeriss", {"levels.DRAM.link.width": f"{HUGE} b"}, "a width of a port must be at most 2^40 b per cycle"),
        ("eyeriss", {"levels.DRAM.link.width": "1e-30 b"}, "no fraction of numbers up to 2^50"),
        ("eyeriss", {"clock": f"{HUGE} Hz"}, "a frequency must be at most 10^12 Hz"),
        ("eyeriss", {"clock": "1e-9 Hz"}, "a frequency must be at least 1 Hz"),
        ("eyeriss", {"levels.DRAM.link.clock": "1e90 GHz"}, "a frequency must be at most 10^12 Hz"),
        ("eyeriss", {"levels.DRAM.link.latency": HUGE}, "a latency must be at most 2^40 cycles"),
        ("eyeriss", {"levels.DRAM.link.latency": "1e40 ns"}, "a time must be at most 1 s"),
        ("eyeriss", {"word.psum": f"{HUGE} b"}, "a word has at most 64 b"),
        ("eyeriss", {"pe.pipeline": HUGE}, "pipeline must be at most 65,536"),
        ("eyeriss", {"pe.macs": HUGE}, "MACs per cycle must be at most 2^20"),
        ("eyeriss", {"vector.lanes": HUGE}, "vector lanes must be at most 2^32"),
        ("simba", {"pipeline": 4611686018427387904}, "pipeline must be at most 65,536, got 4611686018427387904"),
        ("systolic_is", {"rows": 2147483648}, "rows or columns of an array must be at most 2^24"),
        ("systolic_is", {"rows": 10**7, "cols": 10**7}, "PEs must be at most 2^32, got 100000000000000"),
        ("eie", {"drift": 2147483648}, "drift must be at most 65,536"),
        ("systolic_ws", {"sram": "1e99 words"}, "a size must be at most 2^60 b"),
        ("scnn", {"pe.cartesian.banks": HUGE}, "a part of a Cartesian PE must be at most 65,536"),
        ("systolic_ws", {"dram": "ddr4_2400", "levels.DRAM.dram.channels": HUGE}, "channels: a whole number must be"),
        ("systolic_ws", {"dram": "ddr4_2400", "levels.DRAM.dram.banks": 2**20}, "channels times banks of a DRAM"),
        ("tpu_v1", {"rows": LONG}, "$rows is a number of about 5,001 digits; nothing here is that large"),
        ("eyeriss", {"pe.pipeline": LONG}, "pipeline must be at most 65,536, got a number of about 5,001 digits"),
        ("eyeriss", {"levels.GLB.capacity": LONG}, "is not a size"),
        ("eyeriss", {"levels.GLB.capacity": "9" * 5000}, "(5,000 letters)' is not a size"),
        ("eyeriss", {"pe.pipeline": float("inf")}, "should be a whole number, got 'inf'"),
        ("eyeriss", {"levels.GLB.capacity": float("nan")}, "'nan' is not a size"),
    ],
)  # fmt: skip
def test_a_machine_with_too_much_of_something(name, changes, message):
    with pytest.raises(AccelsimError) as error:
        load_architecture(name, changes)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()[0]) < 250


def test_every_error_of_a_file_at_once():
    text = (
        "name: m\nsource: test\nclock: 1e13 Hz\nword: 65 b\nlevels:\n"
        f"  - {{name: A, capacity: {HUGE} B, array: {{size: {{y: {HUGE}}}}}}}\npe: {{macs: 0x{'f' * 30}}}\n"
    )
    with pytest.raises(AccelsimError) as error:
        architecture_of(parse(text, "m.yaml"))
    lines = str(error.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "clock", "word", "levels.0.capacity", "levels.0.array.size.y", "pe.macs",
    ]  # fmt: skip


def test_code_has_the_same_bounds():
    machine = load_architecture("eyeriss")
    for build in (
        lambda: Port("p", Fraction(HUGE)),
        lambda: Port("p", Fraction(1, HUGE)),
        lambda: Partition(frozenset(TENSORS), HUGE),
        lambda: Fanout(HUGE, 1),
        lambda: Network(latency=HUGE),
        lambda: replace(machine, clock_hz=1e30),
        lambda: replace(machine, clock_hz=float("nan")),
        lambda: replace(machine, clock_hz=0.0),
        lambda: replace(machine, pipeline=HUGE),
        lambda: replace(machine, word_bits={**machine.word_bits, Tensor.PSUM: HUGE}),
        lambda: replace(machine, levels=(Level("A", fanout=Fanout(2**20, 2**20, declared=True)),)),
        lambda: replace(machine, sparsity=replace(machine.sparsity, drift=HUGE, skip=frozenset({Tensor.FILTER}))),
    ):
        with pytest.raises(AccelsimError, match=r"must be at|no fraction"):
            build()
