"""Package files: what is read, and each mistake with its place and what is allowed."""

from fractions import Fraction

import pytest
from typer.testing import CliRunner

from accelsim.cli import app
from accelsim.errors import AccelsimError, SpecError
from accelsim.package.running import simulate_package
from accelsim.package.tenants import simulate_tenants
from accelsim.package.yaml import is_package, load_package, package_of
from accelsim.yamlfile import builtin, parse

BASE = """name: two
cores:
  a: {machine: systolic_ws, count: 2}
  b: {machine: systolic_os}
memory:
  hbm: {rate: 64 GB/s}
"""


def package(text=BASE, **settings):
    return package_of(parse(text, "chip.yaml"), settings)


def test_a_package_is_read():
    found = package(BASE + "clock: 500 MHz\nsync: 10\nsplit: {N: 2}\n")
    assert [core.name for core in found.cores] == ["a.0", "a.1", "b"]
    assert found.clock == 500 * 10**6
    assert [(one.name, one.capacity, one.kind) for one in found.resources] == [("hbm", Fraction(1024), "memory")]
    assert (found.sync, found.slots, found.split) == (10, 2, {"*": {"N": 2}})


def test_the_clock_of_a_package_is_its_fastest_core_s():
    assert package(BASE.replace("systolic_os", "eyeriss")).clock == 10**9


@pytest.mark.parametrize("name", builtin("package"))
def test_packages_that_ship_are_read_and_say_where_from(name):
    found = load_package(name)
    assert found.name == name
    assert found.source
    assert is_package(name)


@pytest.mark.parametrize(("setting", "value", "cores"), [("cores.a.count", 5, 6), ("cores.b.count", 3, 5)])
def test_keys_are_set_by_path(setting, value, cores):
    assert len(package(BASE, **{setting: value}).cores) == cores


def test_cores_is_short_for_the_count_of_the_only_group():
    text = "name: x\ncores: {a: {machine: eyeriss}}\nmemory: {m: {}}\n"
    assert len(package(text, cores=7).cores) == 7


WRONG = [
    (
        "memory:\n  hbm: {rate: 64 GB/s}",
        "memory: {hbm: {rate: 64 words}}",
        "memory.hbm.rate: '64 words': words have many",
    ),
    (
        "machine: systolic_os",
        "machine: systolic_oss",
        "chip.yaml:4:16: cores.b.machine: systolic_oss: neither a file nor",
    ),
    ("count: 2", "count: 0", "chip.yaml:3:36: cores.a.count: must be at least 1, got 0"),
    ("count: 2", "number: 2", "chip.yaml:3:29: cores.a.number: unknown key; did you mean 'memory'?"),
    ("machine: systolic_os}", "machine: systolic_os, memory: ddr}", "cores.b.memory: unknown memory 'ddr' (hbm)"),
    ("hbm:", "a:", "memory.a: 'a' is the name of cores too"),
    (
        "rate: 64 GB/s",
        "rate: 64 GB/s, dram: ddr4_2400",
        "memory.hbm.rate: a DRAM has its own rate; leave one of them out",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), WRONG)
def test_what_is_wrong_is_told_with_its_place(old, new, said):
    assert old in BASE
    with pytest.raises(SpecError) as error:
        package(BASE.replace(old, new))
    assert said in str(error.value)


WRONG_MORE = [
    ("links: [{from: hbm, to: a}]", "links: no link joins core 'b' and memory 'hbm'"),
    ("links: [{from: hbm, to: [a, c]}]", "links.0.to: unknown end of a link 'c'"),
    ("links: [{from: a, to: [hbm]}]", "links.0.from: 'a' is 2 cores; name one of them"),
    (
        "links: [{from: hbm, to: [a, b], per: two}]",
        "links.0.per: should be how many cores share a link, such as '2 cores'",
    ),
    ("links: [{kind: torus}]", "links.0.kind: unknown kind of link 'torus'"),
    ("links: [{kind: bus, from: hbm}]", "links.0.from: a bus link takes `over`"),
    ("links: [{kind: mesh}]", "links.0: size: missing; a mesh has rows and columns"),
    ("links: [{kind: mesh, size: [1, 2]}]", "links.0.size: 1 x 2 places are too few for 4 ends"),
    ("links: [{kind: mesh, size: 2, at: {hbm: [2, 0]}}]", "links.0.at.hbm: [2, 0] is not within 2 x 2, from [0, 0]"),
    ("links: [{kind: bus, size: 2}]", "links.0.size: only a mesh has this"),
    ("split: {R: 2}", "split.R: unknown dim of a split 'R'"),
    ("split: {N: 0}", "split.N: should be a whole number of parts, at least 1, got '0'"),
    ("split: {N: 2, 'CONV*': {M: 2}}", "split.N: factors by dim, or by glob over layers, not both"),
    ("memory: {hbm: {rate: 1 GB/s, multicast: true}}\nresident: true", "resident: not beside a memory that multicasts"),
    ("searched: half", "searched: unknown rate 'half' (full, share)"),
]


@pytest.mark.parametrize(("more", "said"), WRONG_MORE)
def test_links_and_splits_that_are_wrong(more, said):
    base = BASE[: BASE.index("memory:")] if more.startswith("memory:") else BASE
    with pytest.raises(SpecError) as error:
        package(base + more + "\n")
    assert said in str(error.value)
    assert str(error.value).startswith("chip.yaml:")


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("{N: 4}", "split: N4 makes 4 parts; it has 3 cores"),
        ("{N: 3}", "split: N: 3 blocks leave a part empty in every layer; 2 at most are not empty"),
        ("{'CONV*': {N: 3}}", "split: CONV*: N: 3 blocks leave a part empty in every layer"),
    ],
)
def test_a_split_that_is_empty_everywhere_is_refused(split, said):
    with pytest.raises(AccelsimError) as error:
        simulate_package(package(BASE + f"split: {split}\n"), "alexnet", batch=2, layers="CONV5")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("tenants", "said"),
    [
        (["alexnet", "alexnet@b"], "'alexnet' should be NETWORK@CORES, such as resnet50@a"),
        (["alexnet@c"], "'alexnet@c': unknown cores 'c' (a, a.0, a.1, b)"),
        (
            ["alexnet@eyeriss"],
            "'alexnet@eyeriss': no core is of machine 'eyeriss'; those here are systolic_os, systolic_ws",
        ),
        (["alexnet@a", "vgg16@a.1+b"], "core 'a.1' is of 'alexnet' and of 'vgg16'; each core has one tenant"),
    ],
)
def test_tenants_that_do_not_fit_the_package(tenants, said):
    with pytest.raises(AccelsimError) as error:
        simulate_tenants(package(), tenants)
    assert said in str(error.value)


class TestCommand:
    @pytest.fixture
    def cli(self):
        runner = CliRunner()
        return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])

    @pytest.fixture
    def chip(self, tmp_path):
        file = tmp_path / "chip.yaml"
        file.write_text(BASE)
        return file

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["run", "CHIP"], "a package of cores takes a WORKLOAD, or --tenant NET@CORES"),
            (["run", "CHIP", "alexnet", "--mode", "splitt"], "unknown mode 'splitt'; did you mean 'split'?"),
            (["run", "CHIP", "alexnet", "--mapping", "x"], "--mapping: a package of cores does not take it"),
            (["run", "CHIP", "alexnet", "--tenant", "alexnet@a"], "--tenant names the networks; leave WORKLOAD"),
            (["run", "eyeriss", "alexnet", "--mode", "graph"], "--mode: 'eyeriss' is no package of cores"),
            (["run", "eyeriss", "alexnet", "--trace", "t.json"], "--trace: 'eyeriss' is no package of cores"),
            (["run", "CHIP", "alexnet", "--trace", "."], ".: Is a directory"),
            (["run", "CHIP", "alexnet", "--set", "memory.ddr.rate=3"], "there is no 'ddr'"),
            (["run", "CHIP", "alexnet", "--exact"], "exact: the best placement of a package is of mode graph"),
            (["compare", "CHIP", "alexnet"], "set one thing to several values, --set cores=1,2,4,8"),
            (["compare", "CHIP", "alexnet", "--report", "r.html"], "--report: a package of cores does not take it"),
            (["compare", "CHIP", "alexnet", "--budget", "9"], "--budget: a package of cores does not take it"),
            (["compare", "CHIP", "alexnet", "--plot", "x.bmp"], "unknown picture format 'bmp' (pdf, png, svg)"),
        ],
    )
    def test_mistakes_are_one_line(self, cli, chip, arguments, said):
        done = cli(*(str(chip) if one == "CHIP" else one for one in arguments))
        assert done.exit_code == 2
        assert said in done.output
        assert "Traceback" not in done.output
        assert len(done.output.strip().splitlines()) == 1

    def test_a_run_and_its_trace(self, cli, chip, tmp_path):
        import json

        trace = tmp_path / "out.json"
        done = cli("run", chip, "alexnet", "--layers", "CONV5", "--json", "--trace", trace)
        assert done.exit_code == 0, done.output
        document = json.loads(done.output)
        events = json.loads(trace.read_text())["traceEvents"]
        names = {event["args"]["name"] for event in events if event["name"] == "thread_name"}
        assert names == {"a.0", "a.1", "b", "hbm"}
        work = [event for event in events if event["ph"] == "X"]
        assert max(event["ts"] + event["dur"] for event in work) == pytest.approx(1e3 * document["ms"])
        for row in document["core_cycles"]:
            assert row["work"] + sum(row["idle"].values()) == pytest.approx(document["cycles"], abs=1)

    def test_the_same_run_gives_the_same_bytes(self, cli, chip):
        command = ["run", chip, "alexnet", "--layers", "CONV5", "--json"]
        assert cli(*command).output == cli(*command).output

    def test_compare_tells_the_speed_up(self, cli, chip):
        done = cli("compare", chip, "alexnet", "--layers", "CONV5", "--set", "cores.a.count=1,2")
        assert done.exit_code == 0, done.output
        assert "speed-up" in done.output
        assert "1.00" in done.output

    def test_compare_draws_it(self, cli, chip, tmp_path):
        setting = ["--layers", "CONV5", "--set", "cores.a.count=1,2"]
        done = cli("compare", chip, "alexnet", *setting, "--plot", tmp_path / "speed.svg")
        assert done.exit_code == 0, done.output
        text = (tmp_path / "speed.svg").read_text()
        assert text.startswith("<?xml") and "what binds" in text

    def test_a_file_is_validated(self, cli, chip):
        done = cli("validate", chip)
        assert done.exit_code == 0
        assert "package 'two' is fine: 3 cores" in done.output
