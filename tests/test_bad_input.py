"""What a user can get wrong in a file, each told in one clear line, all of them at once."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from accelsim.architecture.yaml import load_architecture
from accelsim.cli import app
from accelsim.errors import MappingError, SpecError
from accelsim.mapping.mapping import LoopNest, check
from accelsim.mapping.yaml import load_mappings
from accelsim.workload.yaml import load_network

MACHINE = """\
name: mine
source: test
clock: 200 MHz
word: 16 b
levels:
  - name: DRAM
    link: {width: 64 b}
  - name: GLB
    capacity: 100 KiB
    array:
      size: {y: 4, x: 4}
      networks:
        psum: {kind: chain}
  - name: RF
    capacity: 512 B
"""

WORKLOAD = """\
name: mine
source: test
input: {C: 3, H: 8, W: 8}
layers:
  A: {op: conv, M: 4, kernel: 3}
  B: {op: conv, M: 4, kernel: 3}
  C: {op: fc, M: 10}
"""


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """The error lines of loading a text with one piece exchanged."""
    monkeypatch.chdir(tmp_path)

    def load(loader, text, *changes):
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / "mine.yaml").write_text(text)
        with pytest.raises(SpecError) as error:
            loader("mine.yaml")
        return str(error.value).splitlines()

    return load


def test_the_texts_themselves_are_good(tmp_path):
    (tmp_path / "arch.yaml").write_text(MACHINE)
    (tmp_path / "net.yaml").write_text(WORKLOAD)
    assert load_architecture(tmp_path / "arch.yaml").pes == 16
    assert load_network(str(tmp_path / "net.yaml")).macs


def test_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for loader, name, message in [
        (load_architecture, "eyriss", "did you mean 'eyeriss'?"),
        (load_network, "alexnt", "did you mean 'alexnet'?"),
        (load_mappings, "eyeriss_alexnet", "did you mean 'eyeriss_alexnet_jssc17'?"),
        (load_network, "mine.yaml", "mine.yaml: no such file"),
    ]:
        with pytest.raises(SpecError) as error:
            loader(name)
        assert message in str(error.value)
        assert "\n" not in str(error.value)


def test_duplicate_key(lines):
    assert lines(load_architecture, MACHINE, ("    capacity: 512 B", "    capacity: 512 B\n    capacity: 1 KiB")) == [
        "mine.yaml:16:5: levels.2.capacity: duplicate key 'capacity', first given in line 15"
    ]
    assert lines(load_network, WORKLOAD, ("  C:", "  A:")) == [
        "mine.yaml:7:3: layers.A: duplicate key 'A', first given in line 5"
    ]


def test_unknown_key_near_miss(lines):
    assert lines(load_architecture, MACHINE, ("psum: {", "psums: {")) == [
        "mine.yaml:13:9: levels.1.array.networks.psums: unknown tensor; did you mean 'psum'? (ifmap, filter, psum)"
    ]
    assert lines(load_architecture, MACHINE, ("link: {width", "link: {widht")) == [
        "mine.yaml:7:5: levels.0.link.width: missing",
        "mine.yaml:7:12: levels.0.link.widht: unknown key; did you mean 'width'? (width, efficiency, clock, latency)",
    ]


def test_what_holds_up_a_machine_that_has_no_such_thing(lines):
    for old, new, message in (
        (
            "capacity: 512 B",
            "keeps: [filter]\n    fixed: {tile: {psum: 2}}",
            "level 'RF' does not keep psum (keeps filter)",
        ),
        ("link: {width: 64 b}", "fixed: {drain: 2}", "no tile comes into the outermost level"),
        ("capacity: 512 B", "refetch: [psum]", "psums are not fetched; allowed are ifmap and filter"),
        ("psum: {kind: chain}", "psum: {kind: chain, slots: 0}", "must be at least 1, got 0"),
        (
            "psum: {kind: chain}",
            "psum: {kind: chain, slots: 2}",
            "only psums accumulated on drain go down into a reduction",
        ),
        (
            "psum: {kind: chain}",
            "psum: {kind: chain}\n      passes: {serial: psum, wave: 1}",
            "only a stationary ifmap or",
        ),
        ("word: 16 b", "word: 16 b\nlayer: {befor: 1}", "unknown key; did you mean 'before'?"),
        ("capacity: 512 B", "tiles: {ifmap: 3}", "ifmap is not buffered double here"),
        ("capacity: 512 B", "buffer: double\n    tiles: {ifmap: 1}", "must be at least 2; one is `buffer: single`"),
        ("capacity: 512 B", "keeps: [psum]\n    tiles: {ifmap: 3}", "level 'RF' does not keep ifmap (keeps psum)"),
        ("word: 16 b", "word: 16 b\npe: {cycles: 0}", "pe.cycles: must be at least 1, got 0"),
        ("word: 16 b", "word: 16 b\npe: {cycles: 2, skip: [ifmap]}", "PEs that skip zeros take one cycle a MAC"),
        ("word: 16 b", "word: 16 b\npe: {lock: {dims: [K], of: [compute]}}", "unknown dim 'K'"),
        ("word: 16 b", "word: 16 b\npe: {lock: {dims: [P], of: [comput]}}", "did you mean 'compute'?"),
        ("word: 16 b", "word: 16 b\npe: {lock: {dims: [], of: [psum]}}", "pe.lock.dims:"),
        ("word: 16 b", "word: 16 b\npe: {gate: [ifmap], lock: {dims: [P], of: [psum]}}", "are in no lock step"),
    ):
        found = lines(load_architecture, MACHINE, (old, new))
        assert len(found) == 1 and message in found[0], found


def test_wrong_unit(lines):
    assert lines(load_architecture, MACHINE, ("100 KiB", "100 MHz")) == [
        "mine.yaml:9:15: levels.1.capacity: '100 MHz' is not a size: unknown unit 'MHz' "
        "(b, B, kB, MB, GB, KiB, MiB, GiB, words)"
    ]
    assert lines(load_architecture, MACHINE, ("200 MHz", "200 mhz")) == [
        "mine.yaml:3:8: clock: '200 mhz' is not a frequency: unknown unit 'mhz'; did you mean 'MHz'? "
        "(Hz, kHz, MHz, GHz)"
    ]


@pytest.mark.parametrize(
    ("loader", "text", "change", "line"),
    [
        (load_architecture, MACHINE, ("512 B", "0 B"), "levels.2.capacity: a size must be positive, got '0 B'"),
        (load_architecture, MACHINE, ("512 B", "-1 B"), "levels.2.capacity: a size must be positive, got '-1 B'"),
        (load_architecture, MACHINE, ("y: 4", "y: 0"), "levels.1.array.size.y: must be at least 1, got 0"),
        (load_architecture, MACHINE, ("y: 4", "y: 1.5"), "size.y: should be a whole number, got '1.5'"),
        (load_architecture, MACHINE, ("y: 4", "y: true"), "size.y: should be a whole number, got true"),
        (load_architecture, MACHINE, ("64 b", "0 b"), "levels.0.link.width: a width must be positive, got '0 b'"),
        (load_network, WORKLOAD, ("M: 4", "M: -4"), "layers.A.M: must be at least 1, got -4"),
        (load_network, WORKLOAD, ("C: 3", "C: 0"), "input.C: must be at least 1, got 0"),
        (load_network, WORKLOAD, ("kernel: 3", "kernel: [3, 0]"), "layers.A.kernel: must be at least 1, got 0"),
    ],
)
def test_negative_or_zero(lines, loader, text, change, line):
    found = lines(loader, text, change)
    assert len(found) == 1
    assert found[0].endswith(line)


@pytest.mark.parametrize(
    ("loader", "text", "change", "line"),
    [
        (load_architecture, MACHINE, ("16 b", "0 b"), "4:7: word: a word width must be positive, got '0 b'"),
        (load_architecture, MACHINE, ("16 b", "65 b"), "4:7: word: a word has at most 64 b, got '65 b'"),
        (
            load_network,
            WORKLOAD,
            ("layers:", "bits: {ifmap: 0}\nlayers:"),
            "4:15: bits.ifmap: must be at least 1, got 0",
        ),
        (
            load_network,
            WORKLOAD,
            ("M: 4,", "M: 4, bits: {filter: 65},"),
            "5:38: layers.A.bits.filter: must be at most 64, got 65",
        ),
        (
            load_network,
            WORKLOAD,
            ("M: 4,", "M: 4, bits: {weight: 8},"),
            "5:30: layers.A.bits.weight: unknown tensor (ifmap, filter, psum, ofmap)",
        ),
        (
            load_network,
            WORKLOAD,
            ("layers:", "bits: {fliter: 8}\nlayers:"),
            "4:8: bits.fliter: unknown tensor; did you mean 'filter'? (ifmap, filter, psum, ofmap)",
        ),
        (
            load_network,
            WORKLOAD,
            ("layers:", "bits: {ifmap: 8 b}\nlayers:"),
            "4:15: bits.ifmap: should be a whole number, got '8 b'",
        ),
    ],
)
def test_bits_of_words(lines, loader, text, change, line):
    assert lines(loader, text, change) == [f"mine.yaml:{line}"]


def test_a_mapping_that_overflows_a_level():
    """Demand, bound, gap and what would make it fit."""
    problem = load_network("alexnet", batch=4).layers[0].problem
    nest = LoopNest.parse("DRAM: N4 P8 C3 | FILTER_BANK: M3 Q55 y R11 x M2 P7 | RF: S11 M32")
    with pytest.raises(MappingError) as error:
        check(load_architecture("eyeriss"), nest, problem)
    assert [(o.level, o.what, o.demand, o.bound, o.gap) for o in error.value.overflows] == [
        ("FILTER_BANK", "filter", 96 * 11 * 11 * 16, 8 * 1024 * 8, 96 * 11 * 11 * 16 - 8 * 1024 * 8),
        ("RF", "filter", 32 * 11 * 16, 224 * 16, 128 * 16),
        ("RF", "psum", 32 * 16, 24 * 16, 8 * 16),
    ]
    text = str(error.value)
    assert "RF psum: needs 512 bits, has 384 bits, 128 bits too many (move a loop of M from RF or below" in text
    assert "enlarge the capacity" in text


def test_cyclic_graph(lines):
    change = ("kernel: 3}", "kernel: 3, inputs: B}")
    assert lines(load_network, WORKLOAD, change) == ["mine.yaml:5:3: layers.A: the layers form a cycle: A -> B -> A"]
    assert lines(load_network, WORKLOAD, ("kernel: 3}", "kernel: 3, inputs: A}")) == [
        "mine.yaml:5:3: layers.A: the layers form a cycle: A -> A"
    ]


def test_shape_mismatch(lines):
    assert lines(load_network, WORKLOAD, ("B: {op: conv, M: 4", "B: {op: conv, C: 8, M: 4")) == [
        "mine.yaml:6:3: layers.B: shape mismatch: expects 8 channels, but its input is 4x6x6 (from A)"
    ]


def test_counts_past_two_to_the_63(lines):
    refused = lines(load_network, WORKLOAD, ("M: 10", "M: 1000000000000000000"))
    assert refused[0].startswith("mine.yaml:7:3: layers.C: ")
    assert "would pass 2^63" in refused[0]
    refused = lines(load_network, WORKLOAD, ("{op: fc, M: 10}", "{problem: {N: 2097152, M: 2097152, C: 2097152}}"))
    assert refused == [
        "mine.yaml:7:3: layers.C: 9223372036854775808 MACs: the counts of this layer would pass 2^63; "
        "it is refused, not wrapped"
    ]
    refused = lines(load_network, WORKLOAD, ("M: 10}", "M: 10, repeat: 100000000000000000}"))
    assert "would pass 2^63" in refused[0]


def test_every_error_at_once(lines):
    changes = [
        ("clock: 200 MHz", "clok: 200 MHz"),
        ("word: 16 b", "word: 16 Hz"),
        ("64 b", "64"),
        ("size: {y: 4", "size: {y: -4"),
        ("kind: chain", "kind: chian"),
        ("    capacity: 512 B", "    capacity: 512 B\n    capacity: 513 B"),
    ]
    found = lines(load_architecture, MACHINE, *changes)
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in found] == [
        "mine.yaml:1:1 clock",
        "mine.yaml:3:1 clok",
        "mine.yaml:4:7 word",
        "mine.yaml:7:19 levels.0.link.width",
        "mine.yaml:11:17 levels.1.array.size.y",
        "mine.yaml:13:22 levels.1.array.networks.psum.kind",
        "mine.yaml:16:5 levels.2.capacity",
    ]


def test_loading_imports_nothing_heavy():
    """A file is read before a simulator is needed: no numba, no matplotlib, no pandas, no networkx."""
    program = (
        "import sys; from accelsim.architecture.yaml import load_architecture as a; "
        "from accelsim.workload.yaml import load_network as n; a('eyeriss'); n('alexnet'); "
        "print(sorted({'numba', 'numpy', 'matplotlib', 'pandas', 'networkx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


TINY = """\
name: tiny
source: test
clock: 200 MHz
word: 16 b
dataflow: row_stationary
energy: eyeriss_relative
levels:
  - name: DRAM
    link: {width: 64 b}
  - name: GLB
    capacity: 16 B
    array:
      size: {y: 4, x: 4}
  - name: RF
    capacity: 8 B
"""


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """The one line on stderr of a command that must exit with 2 and print nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)

    def run(*arguments):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2, done.output
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr.strip().removeprefix("not run: ")

    return run


class TestCommandLine:
    def test_missing_file(self, refused):
        for arguments in (
            ("nothing.yaml", "alexnet"),
            ("tiny.yaml", "nothing.yaml"),
            ("eyeriss", "alexnet", "--mapping", "nothing.yaml"),
        ):
            assert refused("run", *arguments).startswith("nothing.yaml: no such file")
        assert refused("run", "tinny.yaml", "alexnet") == "tinny.yaml: no such file; did you mean 'tiny.yaml'?"

    def test_unknown_names(self, refused):
        for option, name, message in (
            ("--dataflow", "row_stationry", "unknown dataflow 'row_stationry'; did you mean 'row_stationary'?"),
            ("--evaluator", "cycles", "unknown evaluator 'cycles'; did you mean 'cycle'?"),
            ("--objective", "enrgy", "unknown objective 'enrgy'; did you mean 'energy'?"),
            ("--energy", "horowitz", "unknown energy table 'horowitz'; did you mean 'horowitz_45nm'?"),
            ("--layers", "CONV9", "no layer of 'alexnet' fits 'CONV9'; did you mean 'CONV5'? (CONV1, POOL1, CONV2"),
        ):
            assert refused("run", "eyeriss", "alexnet", option, name).startswith(message)

    def test_bits(self, refused):
        for text, message in (
            ("ifmap=0", "bits: ifmap: must be at least 1, got 0"),
            ("ifmap=65", "bits: ifmap: must be at most 64, got 65"),
            ("ifmap=eight", "bits: ifmap: should be a whole number, got 'eight'"),
            ("fliter=8", "bits: unknown tensor 'fliter'; did you mean 'filter'? (filter, ifmap, ofmap, psum)"),
            ("8", "--bits 8: write KEY=VALUE"),
            ("ifmap=8,ifmap=4", "--bits ifmap=4: ifmap is given twice, as 8 too"),
        ):
            assert refused("run", "eyeriss", "alexnet", "--bits", text) == message

    def test_a_capacity_no_tile_fits(self, refused):
        line = refused("run", "tiny.yaml", "alexnet", "--layers", "CONV3")
        assert line.startswith("CONV3: no mapping of dataflow 'row_stationary' fits 'tiny': GLB ifmap+filter+psum: ")
        demand, bound, gap = map(
            int, re.search(r"needs (\d+) bits, has (\d+) bits, (\d+) bits too many", line).groups()
        )
        assert (bound, gap) == (128, demand - bound)
        assert "(move a loop of " in line
        assert "RF ifmap+filter+psum: needs 112 bits, has 64 bits, 48 bits too many" in line

    @pytest.mark.parametrize(
        ("machine", "network", "setting", "line"),
        [
            (
                "systolic_ws", "bert_base", "sq=64",
                "unknown parameter 'sq'; did you mean 'seq'? architecture 'systolic_ws' declares rows, cols, sram, "
                "lowering, dram; workload 'bert_base' declares seq",
            ),
            (
                "eyeriss", "alexnet", "image=64",
                "unknown parameter 'image'; architecture 'eyeriss' declares none; workload 'alexnet' declares none",
            ),
        ],
    )  # fmt: skip
    def test_a_parameter_of_neither_file(self, refused, machine, network, setting, line):
        assert refused("run", machine, network, "--set", setting) == line

    def test_commands_that_need_macs(self, refused):
        assert refused("map", "eyeriss", "alexnet", "--layers", "POOL*") == "no layer that fits 'POOL*' has MACs to map"
        text = "name: pools\nsource: none\ninput: {C: 4, H: 8, W: 8}\nlayers:\n  P: {op: avgpool}\n"
        Path("pools.yaml").write_text(text)
        assert refused("map", "eyeriss", "pools.yaml") == "no layer has MACs to map"
        assert refused("plot", "eyeriss", "alexnet", "--layers", "POOL*", "--out", "x.png") == (
            "nothing to draw: none of these layers of 'alexnet' has MACs"
        )

    def test_a_dataflow_the_machine_cannot_run(self, refused):
        line = refused("run", "systolic_ws", "alexnet", "--dataflow", "row_stationary", "--layers", "CONV3")
        assert line == (
            "CONV3: dataflow 'row_stationary' keeps ifmap in the PE, but no level inside the PE of 'systolic_ws' does"
        )

    def test_a_lowering_there_is_none_of(self, refused):
        line = refused("run", "systolic_ws", "alexnet", "--set", "lowering=im2cool")
        assert line.endswith("lowering: unknown lowering 'im2cool'; did you mean 'im2col'? (none, im2col)")

    def test_a_lowering_of_a_machine_that_convolves(self, refused, tmp_path):
        text = (Path(__file__).parent.parent / "arch/scnn.yaml").read_text()
        (tmp_path / "mine.yaml").write_text(text.replace("padding: on-chip\n", "padding: on-chip\nlowering: im2col\n"))
        line = refused("validate", "mine.yaml")
        assert line == "mine.yaml:13:1: lowering: a Cartesian PE convolves by itself; leave it out"

    def test_a_mapping_of_a_layer_that_is_lowered(self, refused, tmp_path):
        (tmp_path / "m.yaml").write_text("CONV3: {DRAM: {temporal: M384 C256 P13 Q13 R3 S3}}\n")
        line = refused("run", "systolic_ws", "alexnet", "--mapping", "m.yaml", "--layers", "CONV3")
        assert line == (
            "CONV3: the factors of C multiply to 256, below its size 2304; add a loop C9 at an outer level "
            "('systolic_ws' lowers this layer by im2col to M384 C2304 Q169)"
        )

    def test_a_dataflow_that_cannot_run_a_layer(self, refused):
        """Weight-stationary's psums of 64 images overflow the buffer (equal-area machine of ISCA'16)."""
        line = refused(
            "run", "eyeriss_isca16_ws", "alexnet_two_tower", "--accounting", "isca16", "--batch", "64",
            "--layers", "CONV1*",
        )  # fmt: skip
        assert "no mapping of dataflow 'weight_stationary_window' fits 'eyeriss_isca16_ws': GLB psum: needs " in line
        assert "bits too many (move a loop of N, P, Q from GLB" in line

    def test_counts_past_two_to_the_63(self, refused):
        line = refused("run", "eyeriss", "alexnet", "--batch", "100000000000000000")
        assert "layers.CONV1: " in line
        assert "would pass 2^63; it is refused, not wrapped" in line
        assert refused("run", "eyeriss", "alexnet", "--batch", "0") == "batch is 0; it must be at least 1"

    def test_a_mapping_of_too_many_steps(self, refused, tmp_path):
        (tmp_path / "m.yaml").write_text("CONV1: {DRAM: {temporal: M96 C3 P55 Q55 R11 S11 N64}}\n")
        line = refused("run", "eyeriss", "alexnet", "--mapping", "m.yaml", "--layers", "CONV1", "--batch", "64")
        assert line.startswith("CONV1: about 6.7e+09 steps to simulate, some 11 minutes; at most 3e+08 are taken on: ")
