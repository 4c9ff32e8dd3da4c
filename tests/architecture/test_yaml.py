"""Architectures: what each key becomes, and what is refused."""

from fractions import Fraction

import pytest

from accelsim.architecture.model import (
    Buffer,
    Cartesian,
    Format,
    NetworkKind,
    Pairing,
    Partition,
    Port,
    Sparsity,
)
from accelsim.architecture.yaml import architecture_of, load_architecture
from accelsim.errors import AccelsimError, SpecError
from accelsim.mapping.dataflows import NAMES
from accelsim.workload.lowering import Lowering
from accelsim.workload.problem import TENSORS, Padding, Tensor
from accelsim.yamlfile import builtin, parse

IFMAP, FILTER, PSUM = TENSORS

HEAD = "name: m\nsource: test\nclock: 200 MHz\nword: 16 b\nlevels:\n"


def machine(levels, head=HEAD, **options):
    return architecture_of(parse(head + levels, "m.yaml"), **options)


def errors(levels, head=HEAD):
    with pytest.raises(SpecError) as error:
        machine(levels, head)
    return str(error.value)


def test_the_eyeriss_chip():
    chip = load_architecture("eyeriss")
    assert (chip.pes, chip.pe_level, chip.pipeline, chip.serial, chip.skew) == (168, 3, 3, FILTER, False)
    assert chip.padding is Padding.STORED
    dram, glb, bank, rf = chip.levels
    link = dram.fanout.network(IFMAP).down
    assert link == Port("DRAM link", Fraction(96, 5))
    assert {dram.fanout.network(t).down for t in TENSORS} | {dram.fanout.network(PSUM).up} == {link}
    assert glb.capacity == (Partition(frozenset({IFMAP, PSUM}), 100 * 1024 * 8),)
    assert (bank.keeps, bank.component, bank.capacity[0].bits) == (frozenset({FILTER}), "GLB", 8 * 1024 * 8)
    assert (bank.fanout.y, bank.fanout.x) == (12, 14)
    psum = bank.fanout.network(PSUM)
    assert psum.kind is NetworkKind.CHAIN
    assert psum.accumulate_on_drain
    assert psum.reduce == {"C", "R"}
    assert psum.down != psum.up
    assert psum.up.rate == psum.down.rate == 4
    assert psum.up.in_words
    assert [p.bits for p in rf.capacity] == [12 * 16, 224 * 16, 24 * 16]
    assert [rf.buffering(t) for t in TENSORS] == [Buffer.STREAM, Buffer.SINGLE, Buffer.STREAM]


def test_passes_without_a_lead():
    level = "  - {name: A}\n  - {name: B, array: {size: {x: 2}, passes: {serial: filter%s}}}\n  - {name: C}\n"
    assert [(m.serial, m.lead) for m in (machine(level % ""), machine(level % ", lead: false"))] == [
        (FILTER, True),
        (FILTER, False),
    ]
    assert "m.yaml:" in errors(level % ", lead: maybe")


@pytest.mark.parametrize("name", builtin("arch"))
def test_built_in_machines_load_and_cite(name):
    found = load_architecture(name)
    assert found.name == name
    assert found.source
    assert found.energy
    # Eyeriss v2 runs under the mappings of its validation; SCNN maps a layer by itself
    assert found.dataflow in NAMES or name.startswith(("eyeriss_v2", "scnn"))


@pytest.mark.parametrize(
    ("kind", "buffer", "rf"),
    [("rs", 131070, 512), ("ws", 342287, 2), ("osa", 249773, 2), ("osb", 311128, 10), ("osc", 342287, 2)],
)
def test_isca16_buffers(kind, buffer, rf):
    """Bytes of the re-computed equal-area points, 256 PEs (OSA: 2 of its 98 B are its psum)."""
    found = load_architecture(f"eyeriss_isca16_{kind}")
    assert found.pes == 256
    assert found.levels[1].capacity[0].bits == buffer * 8
    assert found.levels[-1].capacity[0].bits == rf * 8


def test_isca16_parameters():
    found = load_architecture("eyeriss_isca16_osa", {"cols": 32, "glb": "400 kB"})
    assert found.pes == 512
    assert found.levels[1].capacity[0].bits == 400_000 * 8
    assert found.levels[2].capacity[0].bits == 96 * 8 * 512
    assert load_architecture("eyeriss_isca16_nlr").pe_level == 2


@pytest.mark.parametrize(("kind", "kept"), [("os", PSUM), ("ws", FILTER), ("is", IFMAP)])
def test_systolic_arrays(kind, kept):
    found = load_architecture(f"systolic_{kind}", {"rows": 8, "cols": 16})
    assert (found.pes, found.serial, found.skew) == (128, kept, True)
    assert found.lowering is Lowering.IM2COL
    assert load_architecture(f"systolic_{kind}", {"lowering": "none"}).lowering is Lowering.NONE
    assert found.levels[-1].keeps == {kept}
    assert all(found.levels[1].fanout.network(t).kind is NetworkKind.SYSTOLIC for t in TENSORS)
    assert not any(found.levels[1].fanout.network(t).down for t in TENSORS)


def test_widths_and_clocks_are_exact_rates():
    found = machine(
        """
  - name: A
    link: {width: 25.6 GB/s, latency: 12 ns}
  - name: B
    networks:
      ifmap: {width: 64 b, clock: 60 MHz, latency: 2}
      filter: {width: 3 words, port: bus}
      psum: {kind: unicast, width: 3 words, port: bus}
    ports: {read: 128 b, write: 64 b}
  - name: C
    ports: {shared: 1 word}
"""
    )
    a, b, c = found.levels
    assert a.fanout.network(IFMAP).down == Port("A link", Fraction(256 * 10**8 * 8, 200 * 10**6))
    assert a.fanout.network(PSUM).latency == 3
    assert b.fanout.network(IFMAP).down == Port("B ifmap down", Fraction(64 * 60, 200))
    assert b.fanout.network(IFMAP).up is None
    assert b.fanout.network(IFMAP).latency == 2
    bus = Port("bus", Fraction(3), in_words=True)
    assert b.fanout.network(FILTER).down == b.fanout.network(PSUM).down == b.fanout.network(PSUM).up == bus
    assert b.fanout.network(PSUM).reduce == frozenset()
    assert not b.fanout.declared
    assert (b.read_port, b.write_port) == (Port("B read", Fraction(128)), Port("B write", Fraction(64)))
    assert c.read_port is c.write_port
    assert c.read_port == Port("C port", Fraction(1), in_words=True)
    assert found.pe_level == 2


def test_a_link_keeps_the_kinds_of_the_networks():
    found = machine(
        "  - name: A\n    link: {width: 64 b}\n"
        "    array: {size: {x: 2}, networks: {filter: {kind: unicast}}}\n  - name: B\n"
    )
    network = found.levels[0].fanout.network(FILTER)
    assert network.kind is NetworkKind.UNICAST
    assert network.down == Port("A link", Fraction(64))
    assert found.levels[0].fanout.network(PSUM).reduce == {"C", "R", "S"}


def test_one_value_for_all_tensors_or_one_each():
    head = HEAD.replace("word: 16 b", "word: {ifmap: 8 b, filter: 4 b, psum: 24 b}")
    found = machine(
        "  - name: A\n  - {name: B, capacity: 1 KiB, buffer: double}\n"
        "  - {name: C, keeps: [psum], capacity: 2 words}\n"
        "  - {name: D, capacity: {ifmap: 2 words, filter: 2 words}, halo_reuse: false}\n",
        head,
    )
    assert found.word_bits == {IFMAP: 8, FILTER: 4, PSUM: 24}
    assert found.levels[1].capacity == (Partition(frozenset(TENSORS), 8192),)
    assert all(found.levels[1].buffering(t) is Buffer.DOUBLE for t in TENSORS)
    assert found.levels[2].capacity[0].bits == 48
    assert [p.bits for p in found.levels[3].capacity] == [16, 8]
    assert not found.levels[3].halo_reuse


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (
            "  - name: A\n  - name: B\n    array:\n      size: {y: 2}\n      networks:\n        psums: {kind: chain}\n",
            "m.yaml:11:9: levels.1.array.networks.psums: unknown tensor; did you mean 'psum'? (ifmap, filter, psum)",
        ),
        ("  - name: A\n  - {name: A}\n", "two levels are called 'A'"),
        ("  - {name: A, keeps: [ifmap]}\n", "the outermost level 'A' must keep every tensor; it lacks filter, psum"),
        ("  - {name: A, buffer: {psum: stream}}\n", "psum is 'stream', which only the innermost level"),
        ("  - {name: A, keeps: []}\n", "m.yaml:6:22: levels.0.keeps: must not be empty"),
        ("  - {name: A b}\n", "m.yaml:6:12: levels.0.name: 'A b' is no name here"),
        ("  []\n", "levels: must not be empty"),
        (
            "  - name: A\n  - {name: B, keeps: [psum], capacity: {ifmap: 2 B}}\n",
            "m.yaml:7:41: levels.1.capacity.ifmap: level 'B' does not keep ifmap (keeps psum)",
        ),
        ("  - {name: A, capacity: {ifmap + psum: 2 B, ifmap: 1 B}}\n", "capacity.ifmap: ifmap already has a capacity"),
        ("  - {name: A, capacity: {ifmap + psm: 2 B}}\n", "unknown tensor 'psm'; did you mean 'psum'?"),
        (
            "  - name: A\n  - {name: B, keeps: [psum], buffer: {ifmap: double}}\n",
            "levels.1.buffer.ifmap: level 'B' does not keep ifmap",
        ),
        ("  - {name: A, networks: {ifmap: {in: 4 b}}}\n", "networks.ifmap.in: only the network of psum has this"),
        ("  - {name: A, networks: {ifmap: {kind: tree}}}\n", "networks.ifmap.kind: a tree adds psums; ifmap cannot"),
        ("  - {name: A, networks: {psum: {kind: unicast, reduce: [C]}}}\n", "a unicast network adds nothing"),
        ("  - {name: A, networks: {psum: {width: 4 b, in: 4 b}}}\n", "networks.psum.width: either one width"),
        ("  - {name: A, networks: {psum: {port: bus}}}\n", "networks.psum.port: a port needs a width"),
        ("  - {name: A, networks: {psum: {width: 1 GB/s, clock: 1 GHz}}}\n", "a width per second needs no clock"),
        (
            "  - {name: A, networks: {ifmap: {width: 4 b, port: bus}}}\n"
            "  - {name: B, networks: {filter: {width: 8 b, port: bus}}}\n",
            "port 'bus' had another width before: 4 b per core cycle, here 8 b per core cycle",
        ),
        ("  - {name: A, networks: {}, array: {size: {y: 0}}}\n", "levels.0.array.size.y: must be at least 1, got 0"),
        (
            "  - {name: A, networks: {psum: {}}, array: {size: {y: 2}}}\n",
            "the networks of an array belong in the array",
        ),
        ("  - {name: A, ports: {shared: 4 b, read: 4 b}}\n", "ports.read: a shared port is the only one"),
        (
            "  - {name: A, array: {size: {}, skew: true}}\n  - {name: B, array: {size: {}, skew: true}}\n",
            "m.yaml:7:39: levels.1.array.skew: only one array may declare skew",
        ),
    ],
)
def test_refused(levels, message):
    assert message in errors(levels)


class TestZeros:
    """What a machine makes of zeros: `gate`, `skip`, `pairing`, `drift`, `queue`, `compression`, `cartesian`."""

    def test_a_machine_that_says_nothing_sees_none(self):
        found = machine("  - name: A\n")
        assert found.sparsity == Sparsity()
        assert found.cartesian is None
        assert not found.sees_zeros

    def test_the_eyeriss_chip_gates_and_compresses(self):
        chip = load_architecture("eyeriss")
        assert chip.sparsity == Sparsity(gate=frozenset({IFMAP}))
        assert dict(chip.levels[0].compression) == {IFMAP: Format.RLC, PSUM: Format.RLC}
        assert not any(level.compression for level in chip.levels[1:])
        assert chip.sees_zeros_of == {IFMAP, PSUM}

    def test_every_key(self):
        found = machine(
            "  - {name: A, compression: {ifmap: csc, filter: bitmask, psum: coordinate}}\n"
            "  - {name: B, keeps: [filter], compression: {filter: csr}}\n"
            "pe: {macs: 4, skip: [ifmap, filter], pairing: output, drift: 3, queue: 2}\n"
        )
        both = frozenset({IFMAP, FILTER})
        assert found.sparsity == Sparsity(skip=both, pairing=Pairing.OUTPUT, drift=3, queue=2)
        assert found.levels[0].compression == {IFMAP: Format.CSC, FILTER: Format.BITMASK, PSUM: Format.COORDINATE}
        assert found.levels[1].compression == {FILTER: Format.CSR}
        assert found.sees_zeros_of == set(TENSORS)

    def test_tensors_whose_zeros_are_seen(self):
        assert machine("  - name: A\npe: {skip: [filter], drift: 2}\n").sees_zeros_of == {FILTER}
        assert machine("  - name: A\npe: {gate: [ifmap], skip: [filter]}\n").sees_zeros_of == {IFMAP, FILTER}
        assert machine("  - name: A\npe: {cartesian: {}}\n").sees_zeros_of == set(TENSORS)

    def test_cartesian_pes(self):
        assert load_architecture("scnn").cartesian == Cartesian(4, 4, 32, 32, 4, 8, 50)
        assert machine("  - name: A\npe: {cartesian: {}}\n").macs_per_cycle == 16
        for pe, said in (
            ("macs: 4, cartesian: {}", "a Cartesian PE of 4 x 4 words has 16 MACs per cycle, not 4"),
            ("gate: [ifmap], cartesian: {}", "a Cartesian PE skips and encodes in its own way"),
        ):
            with pytest.raises(AccelsimError, match=said):
                machine(f"  - name: A\npe: {{{pe}}}\n")
        found = machine("  - name: A\npe: {macs: 8, cartesian: {ifmaps: 2, filters: 4, banks: 16, fifo: 0}}\n")
        assert found.cartesian == Cartesian(ifmaps=2, filters=4, banks=16, fifo=0)

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            (
                "  - {name: A, compression: {ifmap: rcl}}\n",
                "m.yaml:6:36: levels.0.compression.ifmap: unknown format 'rcl'; did you mean 'rlc'? "
                "(rlc, bitmask, csc, csr, coordinate)",
            ),
            (
                "  - {name: A, compression: {ofmap: rlc}}\n",
                "m.yaml:6:29: levels.0.compression.ofmap: unknown tensor; did you mean 'ifmap'? (ifmap, filter, psum)",
            ),
            (
                "  - {name: A, compression: rlc}\n",
                "m.yaml:6:28: levels.0.compression: should be a mapping of keys to values, got 'rlc'",
            ),
            (
                "  - name: A\n  - {name: B, keeps: [psum], compression: {ifmap: csc}}\n",
                "m.yaml:7:44: levels.1.compression.ifmap: level 'B' does not keep ifmap (keeps psum)",
            ),
            (
                "  - {name: A, compression: {psum: rlc}, array: {size: {y: 2}}}\n  - name: B\n",
                "m.yaml:5:1: levels: architecture 'm': level 'A' compresses psums, but partial sums arrive from the "
                "array below it",
            ),
        ],
    )
    def test_compression_refused(self, lines, message):
        assert errors(lines) == message

    @pytest.mark.parametrize(
        ("pe", "message"),
        [
            ("gate: [psum]", "7:1: pe: gate: a psum is no operand; allowed are ifmap and filter"),
            ("skip: [ifmap, psum]", "7:1: pe: skip: a psum is no operand; allowed are ifmap and filter"),
            ("gate: [ifmp]", "7:13: pe.gate.0: unknown tensor 'ifmp'; did you mean 'ifmap'? (ifmap, filter, psum)"),
            ("gate: ifmap", "7:12: pe.gate: should be a list, got 'ifmap'"),
            (
                "skip: [ifmap], gate: [ifmap, filter]",
                "7:1: pe: ifmap is skipped and gated; a zero that takes no cycle has nothing to gate",
            ),
            ("pairing: output", "7:1: pe: pairing by output needs skip: [ifmap, filter]"),
            ("pairing: output, skip: [filter]", "7:1: pe: pairing by output needs skip: [ifmap, filter]"),
            ("pairing: colum", "7:15: pe.pairing: unknown pairing 'colum'; did you mean 'column'? (column, output)"),
            ("queue: 2", "7:1: pe: a queue needs pairing: output"),
            ("queue: 2, skip: [ifmap, filter]", "7:1: pe: a queue needs pairing: output"),
            ("queue: 0", "7:13: pe.queue: must be at least 1, got 0"),
            ("drift: 3", "7:1: pe: PEs drift apart only if they skip"),
            ("drift: 3, gate: [ifmap]", "7:1: pe: PEs drift apart only if they skip"),
            ("drift: 0, skip: [ifmap]", "7:13: pe.drift: must be at least 1, got 0"),
            (
                "gates: [ifmap]",
                "7:6: pe.gates: unknown key; did you mean 'gate'? "
                "(macs, multiplier, slices, modes, pipeline, cycles, lock, least, gate, skip, pairing, drift, queue, "
                "cartesian)",
            ),
            (
                "cartesian: {ifmap: 4}",
                "7:18: pe.cartesian.ifmap: unknown key; did you mean 'ifmaps'? "
                "(ifmaps, filters, banks, entries, fifo, group, weights)",
            ),
            ("cartesian: {banks: 0}", "7:25: pe.cartesian.banks: must be at least 1, got 0"),
            ("cartesian: {fifo: -1}", "7:24: pe.cartesian.fifo: must be at least 0, got -1"),
        ],
    )
    def test_pe_refused(self, pe, message):
        assert errors(f"  - name: A\npe: {{{pe}}}\n") == f"m.yaml:{message}"


def test_words_of_different_widths_cannot_share_a_capacity_in_words():
    head = HEAD.replace("word: 16 b", "word: {ifmap: 8 b, filter: 8 b, psum: 24 b}")
    message = (
        "m.yaml:6:25: levels.0.capacity: the tensors that share this have words of different widths; give it in bytes"
    )
    assert message in errors("  - {name: A, capacity: 3 words}\n", head)
    assert "word.psum: missing" in errors(
        "  - name: A\n", HEAD.replace("word: 16 b", "word: {ifmap: 8 b, filter: 8 b}")
    )


def test_unknown_parameters():
    with pytest.raises(
        SpecError,
        match=r"parameters.row: unknown parameter; did you mean 'rows'\? \(rows, cols, sram, lowering, dram\)",
    ):
        load_architecture("systolic_ws", {"row": 4})
    with pytest.raises(SpecError, match=r"levels.1.array.size.y: must be at least 1, got -4"):
        load_architecture("systolic_ws", {"rows": -4})


def test_tensors_are_enums():
    assert set(load_architecture("eyeriss").word_bits) == set(Tensor)
