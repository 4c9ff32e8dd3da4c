"""What a machine gets for nothing is said."""

from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.energy.free import what_is_free
from accelsim.energy.load import load_table
from accelsim.yamlfile import parse

TABLE = load_table("eyeriss_relative")


def machine(levels):
    return architecture_of(parse(f"name: m\nsource: s\nclock: 1 GHz\nword: 8 b\nlevels:\n{levels}", "m.yaml"))


def test_a_machine_without_anything():
    found = what_is_free(machine("  - {name: DRAM}\n  - {name: GLB, array: {size: {x: 4}}}\n  - {name: RF}\n"), TABLE)
    assert found == (
        "no link: ifmap, filter, psum from DRAM to GLB: moved in no time",
        "no width: ifmap, filter, psum from GLB to RF: moved in no time",
        "no ports: DRAM, GLB, RF: reads and writes need no time beside that of the networks",
        "no vector unit: what is no MAC (pooling, additions, softmax) needs time for its words alone",
        "no capacity: GLB, RF: never full",
        "no price in 'eyeriss_relative': vector operations, leakage, clock, area",
    )


def test_a_machine_that_has_all_but_one():
    text = (
        "  - {{name: DRAM, link: {{width: 8 b}}, ports: {{shared: 8 b}}}}\n"
        "  - {{name: GLB, capacity: {capacity}, ports: {{shared: 8 b}}, array: {{size: {{x: 4}}, networks: "
        "{{ifmap: {{width: 8 b}}, filter: {{width: 8 b}}, psum: {{{psum}}}}}}}}}\n"
        "  - {{name: RF, capacity: 2 KiB, ports: {{shared: 8 b}}}}\nvector: {{lanes: 1}}\n"
    )
    none = machine(text.format(capacity="4 KiB", psum="width: 8 b"))
    assert what_is_free(none) == ()
    smaller = what_is_free(machine(text.format(capacity="1 KiB", psum="width: 8 b")))[0]
    assert smaller.startswith("smaller than the level below: GLB has 1 KiB for ifmap, RF 2 KiB")
    part = what_is_free(machine(text.format(capacity="{ifmap: 4 KiB, psum: 4 KiB}", psum="width: 8 b")))
    assert part == ("no capacity: GLB (filter): never full",)
    # a memory's port is time enough; without one, sums that only go up in time come down in none
    bare = text.replace("ports: {{shared: 8 b}}, ", "").format(capacity="4 KiB", psum="out: 8 b")
    assert what_is_free(machine(bare)) == ("no ports: GLB: reads and writes need no time beside that of the networks",)
    bare = bare.replace(", ports: {shared: 8 b}}\nvector", "}\nvector")
    assert what_is_free(machine(bare))[0] == "no width: psum down from GLB to RF: moved in no time"


def test_shipped_machines_say_what_they_lack():
    assert what_is_free(load_architecture("tpu_v1"))[0] == "no link: ifmap, psum from DRAM to UB: moved in no time"
    assert not any(line.startswith("no link") for line in what_is_free(load_architecture("eyeriss")))
    horowitz = what_is_free(load_architecture("eyeriss"), load_table("horowitz_45nm"))[-1]
    assert horowitz == "no price in 'horowitz_45nm': wires (a hop), gated MACs, leakage, clock, area"


def test_a_process_says_what_it_does_not_know():
    table = load_table("cmos_65nm")
    assert what_is_free(load_architecture("eyeriss"), table)[-1] == (
        "no price in 'cmos_65nm': leakage of flip-flops and arithmetic, control, gated MACs"
    )
    endless = machine("  - {name: DRAM}\n  - {name: GLB, array: {size: {x: 4}}}\n  - {name: RF, capacity: 2 KiB}\n")
    assert what_is_free(endless, table)[-1].startswith("no price in 'cmos_65nm': area of GLB (no capacity), leakage of")
    bare = machine("  - {name: DRAM}\n  - {name: GLB, capacity: 4 KiB, array: {size: {x: 4}}}\n  - {name: RF}\n")
    assert "area of RF (no capacity), wires below GLB" in what_is_free(bare, table)[-1]
