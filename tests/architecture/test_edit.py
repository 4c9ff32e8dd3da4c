"""A machine changed by paths into its file: the same as the file, edited."""

from dataclasses import replace

import pytest

from accelsim.architecture.document import document_of
from accelsim.architecture.model import Format
from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.errors import AccelsimError, SpecError
from accelsim.workload.problem import Tensor
from accelsim.yamlfile import builtin, folder, parse

IFMAP, FILTER, PSUM = Tensor.IFMAP, Tensor.FILTER, Tensor.PSUM


def text_of(name):
    return (folder("arch") / f"{name}.yaml").read_text()


def edited(name, *pairs):
    """The machine of a shipped file in which some text is replaced."""
    text = text_of(name)
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return architecture_of(parse(text, f"{name}.yaml"))


def equal(one, other):
    """Equal, and equal under another clock."""
    assert one == other
    assert replace(one, clock_hz=3e8) == replace(other, clock_hz=3e8)


def clock_line(name):
    return next(line for line in text_of(name).splitlines() if line.startswith("clock:")).split("#")[0].rstrip()


@pytest.mark.parametrize("name", builtin("arch"))
def test_another_clock_is_the_edited_file_on_every_machine(name):
    machine = load_architecture(name)
    by_file = edited(name, (clock_line(name), "clock: 437 MHz"))
    equal(replace(machine, clock_hz=437e6), by_file)
    equal(machine.with_(clock="437 MHz"), by_file)
    equal(load_architecture(name, {"clock": "437 MHz"}), by_file)
    equal(replace(machine, clock_hz=437e6).with_(clock=clock_line(name)[6:]), machine)
    # rates of their own stay as they are
    for before, after in zip(machine.levels, by_file.levels, strict=True):
        for tensor, network in before.fanout.networks.items():
            port, now = network.down, after.fanout.networks[tensor].down
            if port and port.per_second:
                assert now.rate * 437000000 == port.rate * int(machine.clock_hz)


@pytest.mark.parametrize("name", builtin("arch"))
def test_every_key_of_every_machine(name):
    """Capacity by name and by index, word widths, the array, the PE and a port that is not there yet."""
    machine = load_architecture(name)
    index, level = next(
        (i, level) for i, level in enumerate(machine.levels) if (i and not level.capacity) or level.capacity
    )
    assert machine.levels[index].name == level.name
    by_name = machine.with_(**{f"levels.{level.name}.capacity": "256 KiB"})
    equal(by_name, machine.with_(**{f"levels.{index}.capacity": "256KiB"}))
    assert [part.bits for part in by_name.levels[index].capacity] == [256 * 8192]
    ports = {f"levels.{level.name}.ports.read": "3 b"} if not level.dram else {}
    other = machine.with_(**{f"levels.{level.name}.ports": None, **ports, "pe.pipeline": 5, "name": "mine"})
    assert (other.pipeline, other.name, other.levels[index].read_port.rate) == (5, "mine", 3)
    equal(load_architecture(name, {"word.psum": "48 b"}), machine.with_(**{"word.psum": "48 b"}))
    assert machine.with_(**{"word.psum": "48 b"}).word_bits[IFMAP] == machine.word_bits[IFMAP]
    # what code has built takes the same paths
    built = replace(machine, document=None)
    equal(built.with_(**{f"levels.{level.name}.capacity": "256 KiB"}), by_name)


def test_equal_to_the_edited_file():
    for name, changes, pairs in (
        ("eyeriss", {"levels.GLB.capacity": "256KiB"}, [("capacity: {ifmap + psum: 100 KiB}", "capacity: 256 KiB")]),
        ("eyeriss", {"levels.DRAM.link.clock": "133 MHz"}, [("clock: 60 MHz", "clock: 133 MHz")]),
        ("eyeriss", {"levels.2.array.size.y": 8}, [("y: 12, x: 14", "y: 8, x: 14")]),
        ("eyeriss", {"word": "8 b"}, [("word: 16 b", "word: 8 b")]),
        ("eyeriss", {"pe.gate": "[ifmap, filter]"}, [("gate: [ifmap]", "gate: [ifmap, filter]")]),
        ("eyeriss", {"levels.RF.halo_reuse": "false"}, [("- name: RF", "- name: RF\n    halo_reuse: false")]),
        ("eyeriss", {"levels.RF.capacity.ifmap": "24 words"}, [("ifmap: 12 words", "ifmap: 24 words")]),
        ("simba", {"levels.0.array.networks.psum.latency": "9 ns"}, [("[C], hop_lat", "[C], latency: 9 ns, hop_lat")]),
        ("simba", {"hop": "40 ns"}, [("hop: 20 ns", "hop: 40 ns")]),
        ("nvdla_full", {"vector.lanes": 16}, [("clock:", "vector: {lanes: 16}\nclock:")]),
    ):  # fmt: skip
        by_file = edited(name, *pairs)
        equal(load_architecture(name).with_(**changes), by_file)
        equal(load_architecture(name, changes), by_file)


def test_parameters_and_paths_together():
    both = {"rows": 8, "levels.DRAM.dram": "ddr4_2400", "levels.DRAM.dram.channels": 2}
    machine = load_architecture("systolic_ws", both)
    assert machine.levels[0].dram.channels == 2
    assert machine.pes == 8 * 32
    equal(load_architecture("systolic_ws").with_(**both), machine)
    # a later change keeps the former
    equal(
        load_architecture("systolic_ws", {"rows": 8}).with_(cols=16),
        load_architecture("systolic_ws", {"rows": 8, "cols": 16}),
    )
    # a parameter in the path's own value; one that is written over is not missed
    assert load_architecture("systolic_ws", {"pe.macs": "$rows"}).macs_per_cycle == 32
    with pytest.raises(SpecError, match=r"nothing uses \$l2"):
        load_architecture("eyeriss_l2", {"l2": "2 MiB", "levels.L2.capacity": "1 MiB"})


def test_a_changed_machine_is_written_with_its_changes():
    machine = load_architecture("eyeriss").with_(**{"levels.GLB.capacity": "256 KiB"})
    assert document_of(machine)["levels"][1]["capacity"] == "256 KiB"
    assert document_of(machine)["levels"][0]["link"] == {"width": "64 b", "clock": "60 MHz"}
    assert machine.with_(**{"levels.DRAM.compression": {"ifmap": "csc"}}).levels[0].compression == {IFMAP: Format.CSC}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels.GLBB.capacity": "1 B"}, "set: levels.GLBB.capacity: no level 'GLBB'; did you mean 'GLB'?"),
        ({"levels.9.capacity": "1 B"}, "set: levels.9.capacity: no level '9'"),
        ({"levels.GLB.capcity": "1 B"}, "set: levels.GLB.capcity: unknown key; did you mean 'capacity'?"),
        ({"levels.GLB.capacity": "1 parsec"}, "set: levels.GLB.capacity: '1 parsec' is not a size"),
        ({"levels.GLB.capacity.filter": "1 B"}, "set: levels.GLB.capacity.filter: level 'GLB' does not keep filter"),
        ({"levels.FILTER_BANK.arry.size.y": 3}, "set: levels.FILTER_BANK.arry: unknown key; did you mean 'array'?"),
        ({"leveles.GLB": 3}, "set: leveles.GLB: unknown key 'leveles'; did you mean 'levels'?"),
        ({"clock": 400}, "set: clock: '400' has no unit"),
        ({"levels.GLB.name.x": 3}, "set: levels.GLB.name.x: levels.GLB.name is 'GLB', which has no 'x'; set it whole"),
        ({"levels.GLB": "none"}, "set: levels.GLB: should be a mapping"),
        ({"row": 3}, "parameters.row: unknown parameter"),
        ({"pe.gate": "[ifmap"}, "set:1:7: not YAML"),
    ],
)  # fmt: skip
def test_a_wrong_change_names_what_was_typed(changes, message):
    for change in (load_architecture("eyeriss").with_, lambda **given: load_architecture("eyeriss", given)):
        with pytest.raises(AccelsimError) as error:
            change(**changes)
        assert message in str(error.value)
        assert "\n" not in str(error.value)
