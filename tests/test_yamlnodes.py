"""Reading YAML within bounds: each bound, each tag, each letter that is none; one line with its place."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from accelsim.errors import SpecError
from accelsim.yamlfile import parse
from accelsim.yamlnodes import scalar


def line(text: str) -> str:
    """The one line that a text is refused with."""
    with pytest.raises(SpecError) as error:
        parse(text, "f").check()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("!!bool abc", "'abc' is no !!bool"),
        ("!!bool 5", "'5' is no !!bool"),
        ("!!bool ''", "'' is no !!bool"),
        ("!!bool ~", "'~' is no !!bool"),
        ("!!bool 2001-01-01", "'2001-01-01' is no !!bool"),
        ("!!int ''", "'' is no !!int"),
        ("!!int 5.0", "'5.0' is no !!int"),
        ("!!int true", "'true' is no !!int"),
        ("!!float ''", "'' is no !!float"),
        ("!!null x", "'x' is no !!null"),
        ("!!set {a}", "the tag '!!set' says nothing here"),
        ("!!binary aGk=", "the tag '!!binary' says nothing here"),
        ("!mine 5", "the tag '!mine' says nothing here"),
        ("!!seq {b: 1}", "the tag '!!seq' says nothing here"),
        ("9" * 5000, "an integer of 5,000 digits; at most 100 are read"),
        ("-0x" + "f" * 5000, "an integer of 5,000 digits; at most 100 are read"),
        ("0o" + "7" * 5000, "an integer of 5,000 digits; at most 100 are read"),
        ("x" * 10_001, "a text of 10,001 letters; at most 10,000 are read"),
        ('"\\ud800"', "holds half of a surrogate pair, which is no letter"),
        ('"\\e[31mred"', "holds the control character U+001B"),
        ('"\\0"', "holds the control character U+0000"),
        ("&a [*a]", "an alias that contains itself"),
    ],
)
def test_a_value_that_is_none(value, right):
    place = "a.0" if value == "&a [*a]" else "a"
    assert line(f"b: 1\na: {value}").startswith(f"f:2:{8 if place == 'a.0' else 4}: {place}: {right}")


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("!!bool true", True), ("!!int '12'", 12), ("!!float 5", 5.0), ("!!null ''", None), ("!!str 5", "5"),
        ("! 5", "5"),
        ("!!map {b: 1}", {"b": 1}), ("!!seq [1]", [1]), ('"\\ud83d\\ude00"', "\U0001f600"), ("12:30:45", "12:30:45"),
        ("yes", "yes"), ("2001-01-01", "2001-01-01"), ("017", 17), ("0o17", 15), ("0b11", 3), ("-0x1F", -31),
        ("1_000", 1000),        ("+", "+"), ("-_", "-_"), ("0x_", "0x_"), ("9" * 100, int("9" * 100)),
    ],
)  # fmt: skip
def test_a_value_that_is_one(value, right):
    found = parse(f"a: {value}")
    found.check()
    assert found.data == {"a": right}
    assert type(found.data["a"]) is type(right)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("!!bool abc: 1", "f:1:1: a key that cannot be read: 'abc' is no !!bool"),
        ('"\\ud800": 1', "f:1:1: a key that cannot be read: holds half of a surrogate pair, which is no letter"),
        ("? [a, b]\n: c", "f:1:3: a key should be a word, got a list"),
        ("&k {b: 1}: c", "f:1:1: a key should be a word, got a mapping"),
        ("a: {<<: {b: 1}}", "f:1:5: a: '<<' merges nothing here; write the keys out, or give a whole value an alias"),
        ("'a\tb': 1", "f:1:1: a key holds U+0009, which does not print"),
        ("'\u202eb': 1", "f:1:1: a key holds U+202E, which does not print"),
        (f"{'x' * 201}: 1", "f:1:1: a key has at most 200 letters, got 201"),
        (f"? {'x' * 9999}\n: 1", "f:1:3: a key has at most 200 letters, got 9,999"),
        ('b: 1\na: "\\U7fffffff"', "f:2:5: not YAML: an escape past U+10FFFF, the last letter there is"),
        ('a: "\\UFFFFFFFF"', "f:1:5: not YAML: an escape past U+10FFFF, the last letter there is"),
        ("b: 1\na: \x00", "f:2:4: not YAML: the character U+0000 cannot stand in it"),
        ("a: *b", "f:1:4: not YAML: found undefined alias 'b'"),
        ("%YAML 1.1\n---\na: yes", "f:2:1: %YAML 1.1: files are read as YAML 1.2; leave that line out"),
        ("a: 1\n...\n---\nb: 1", "f:3:1: not YAML of one document: another one begins here"),
        ("[" * 2000, "f:1:51: nested too deeply: more than 50 levels"),
        ("- " * 2000, "f:1:101: nested too deeply: more than 50 levels"),
        ("{a: " * 2000, "f:1:201: nested too deeply: more than 50 levels"),
        ("x" * (2**20 + 1), "f: too large: more than 1,048,576 letters"),
    ],
)
def test_what_cannot_be_read(text, right):
    assert line(text) == right


def test_aliases_that_expand_are_counted_before_they_are_written_out():
    """Seven levels of ten took 53 s, nine never ended; as keys of mappings as well."""
    start = time.process_time()
    wide = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    assert line(wide) == "f:6:25: too large: more than 100,000 keys and values with each alias written out"
    keys = "a: &a0 [x]\n" + "".join(
        f"? &a{i} {{{', '.join(f'? [*a{i - 1}, {j}] : 1' for j in range(10))}}}\n: 1\n" for i in range(1, 10)
    )
    assert "too large: more than 100,000 keys and values with each alias written out" in line(keys)
    deep = "a0: &a0 x\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 200))
    assert line(deep) == "f:51:12: nested too deeply: more than 50 levels"
    assert time.process_time() - start < 5


def test_an_alias_stands_for_a_whole_value_and_errors_in_it_have_its_place():
    found = parse("a: &x {b: [1, 2]}\nc: [*x, *x]\n")
    assert found.data == {"a": {"b": [1, 2]}, "c": [{"b": [1, 2]}] * 2}
    assert found.values["c", 1, "b", 0] == found.values["a", "b", 0] == (1, 12)
    assert found.data["c"][0] is not found.data["c"][1]


def test_a_hundred_errors_are_enough():
    start = time.process_time()
    with pytest.raises(SpecError) as error:
        parse("a: 1\n" * 5000, "f").check()
    lines = str(error.value).split("\n")
    assert len(lines) == 101
    assert lines[-1] == "f: no more than 100 errors are told at once"
    assert time.process_time() - start < 10


@given(
    st.one_of(
        st.integers().map(str), st.floats().map(str), st.from_regex(r"[-+]?[0-9a-fA-FxobBeE_.]{1,8}", fullmatch=True)
    )
)
def test_words_are_what_ruamel_reads(text):
    """Where it gives an answer; `_` first, and words of `_` alone, are text."""
    try:
        theirs = YAML(typ="safe", pure=True).load(text)
    except Exception:
        return
    if not text.strip("+-").startswith(("_", "0o_", "0x_", "0b_")) and text not in ("", "."):
        ours = scalar(text)
        assert repr(ours) == repr(theirs)
