"""YAML with positions, built-in names, and the schema for editors."""

import pytest

from accelsim import yamlfile
from accelsim.energy.load import load_table
from accelsim.errors import AccelsimError, SpecError
from accelsim.mapping.dataflows import load as load_dataflow
from accelsim.parameters import substitute
from accelsim.yamlfile import Mark, parse, resolve


def test_every_key_and_value_has_its_place():
    document = parse("a: {b: 64 b, c: [1, x]}\nd:\n  - e: 1.5\n", "f.yaml")
    assert document.data == {"a": {"b": "64 b", "c": [1, "x"]}, "d": [{"e": 1.5}]}
    assert document.keys[("a", "b")] == Mark(1, 5)
    assert document.values[("a", "b")] == Mark(1, 8)
    assert document.values[("a", "c", 1)] == Mark(1, 21)
    assert document.keys[("d", 0, "e")] == Mark(3, 5)


def test_keys_stay_text_and_values_stay_yaml_1_2():
    assert parse("1: on\nyes: null\nx: 2017-01-01\n").data == {"1": "on", "yes": None, "x": "2017-01-01"}


def test_all_duplicate_keys_are_reported():
    document = parse("a: 1\nb: {c: 1, c: 2}\na: 3\n", "f.yaml")
    with pytest.raises(SpecError) as error:
        document.check()
    assert str(error.value).splitlines() == [
        "f.yaml:2:11: b.c: duplicate key 'c', first given in line 2",
        "f.yaml:3:1: a: duplicate key 'a', first given in line 1",
    ]


def test_a_missing_key_is_reported_at_its_parent():
    document = parse("a:\n  b: 1\n", "f.yaml")
    document.refuse(("a", "c", "d"), "missing")
    assert str(document.issues[0]) == "f.yaml:1:1: a.c.d: missing"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2\nb: 3\n", "f.yaml:2:2: not YAML: expected ',' or ']', but got ':'"),
        ("", "f.yaml:1:1: the file is empty"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: not YAML of one document: another one begins here"),
        ("[" * 5000, "f.yaml:1:51: nested too deeply: more than 50 levels"),
        ("b: 1\na: \x07", "f.yaml:2:4: not YAML: the character U+0007 cannot stand in it"),
        ("a: *b", "not YAML: found undefined alias 'b'"),
    ],
)
def test_what_is_not_yaml(text, message):
    with pytest.raises(SpecError) as error:
        parse(text, "f.yaml")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_alias_of_itself_is_an_error_and_an_alias_is_not():
    assert parse("a: &x {b: 1}\nc: *x\n").data == {"a": {"b": 1}, "c": {"b": 1}}
    assert "contains itself" in str(parse("&a [*a]\n").issues[0])


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(SpecError, match="byte 3 is not UTF-8"):
        yamlfile.read(tmp_path / "binary.yaml")


def test_names_resolve_to_a_path_first_then_to_a_built_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve("arch", "eyeriss").name == "eyeriss.yaml"
    assert resolve("workload", "alexnet").parent.name == "workloads"
    assert resolve("mapping", "eyeriss_alexnet_jssc17").parent.name == "mappings"
    (tmp_path / "eyeriss").mkdir()
    assert resolve("arch", "eyeriss").name == "eyeriss.yaml"
    (tmp_path / "alexnet").write_text("a: 1")
    assert str(resolve("workload", "alexnet")) == "alexnet"


def test_names_resolve_in_a_wheel(tmp_path, monkeypatch):
    folder = tmp_path / "accelsim" / "data" / "arch"
    folder.mkdir(parents=True)
    (folder / "only.yaml").write_text("a: 1")
    monkeypatch.setattr(yamlfile, "__file__", str(tmp_path / "accelsim" / "yamlfile.py"))
    assert yamlfile.builtin("arch") == ("only",)
    assert resolve("arch", "only") == folder / "only.yaml"


def test_built_in_names():
    machines = ["eyeriss", *(f"eyeriss_isca16_{kind}" for kind in ("rs", "ws", "osa", "osb", "osc", "nlr"))]
    machines += [f"systolic_{kind}" for kind in ("os", "ws", "is")]
    assert set(machines) <= set(yamlfile.builtin("arch"))
    assert {"alexnet", "alexnet_two_tower", "vgg16"} <= set(yamlfile.builtin("workload"))
    assert "mappings" not in yamlfile.builtin("workload")


def test_a_missing_file_is_one_line_with_the_nearest_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("a: 1")
    for name, message in [
        ("eyris", "eyris: neither a file nor a built-in architecture; did you mean 'eyeriss'? (a100_like, "),
        ("mine.yml", "mine.yml: no such file; did you mean 'mine.yaml'?"),
        ("no/such/file.yaml", "no/such/file.yaml: no such file"),
        (".", ".: is a directory, not an architecture file"),
    ]:
        with pytest.raises(SpecError) as error:
            resolve("arch", name)
        assert str(error.value).startswith(message)


def test_parameters():
    text = "name: $free\nparameters: {rows: 3, ram: 1 KiB}\nx: [$rows, 512 B * $rows, $rows * $rows]\ny: $ram\n"
    document = parse(text, "f.yaml")
    substitute(document, {"rows": 5})
    assert not document.issues
    assert document.data["name"] == "$free"
    assert document.data["x"] == [5, "2560 B", 25]
    assert document.data["y"] == "1 KiB"


def test_parameters_that_change_nothing_or_do_not_exist():
    document = parse("parameters: {rows: 3, cols: 4}\nx: $row\ny: 2 B * $cols\nz: $ 3\n", "f.yaml")
    substitute(document, {"col": 4, "cols": "4 B"})
    assert [str(issue) for issue in document.issues] == [
        "f.yaml:1:1: parameters.col: unknown parameter; did you mean 'cols'? (rows, cols)",
        "f.yaml:2:4: x: unknown parameter 'row'; did you mean 'rows'? (rows, cols)",
        "f.yaml:3:4: y: $cols is '4 B'; only a whole number can multiply",
        "f.yaml:4:4: z: '$ 3': write '$name', or a product such as '512 B * $name'",
        "f.yaml:1:14: parameters.rows: nothing uses $rows",
    ]


def test_a_file_on_another_drive_is_shown_as_given(tmp_path, monkeypatch):
    def relpath(path):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    (tmp_path / "m.yaml").write_text("a: [")
    monkeypatch.setattr(yamlfile.os.path, "relpath", relpath)
    with pytest.raises(SpecError, match=f"^{tmp_path}/m.yaml:1:5: not YAML: "):
        yamlfile.read(tmp_path / "m.yaml")


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 5000 + ".yaml", "d/" * 3000 + "x.yaml", "a\0b", "a\0.yaml"])
def test_a_name_no_file_can_have(name):
    for kind in yamlfile.KINDS:
        with pytest.raises(SpecError, match=r"no such file|neither a file nor a built-in") as error:
            resolve(kind, name)
        assert str(error.value).isprintable()
    with pytest.raises(SpecError, match=r"File name too long|embedded null byte"):
        yamlfile.read(name)
    for load in (load_dataflow, load_table):
        with pytest.raises(AccelsimError):
            load(name)


def test_a_file_too_large_is_not_read(tmp_path):
    with (tmp_path / "big.yaml").open("wb") as file:
        file.truncate(2**33)
    with pytest.raises(SpecError, match="too large: more than 1,048,576 letters"):
        yamlfile.read(tmp_path / "big.yaml")
