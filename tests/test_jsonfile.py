"""JSON that anyone may have written: read whole, or refused in one line."""

from __future__ import annotations

import pytest

from accelsim.errors import AccelsimError
from accelsim.jsonfile import MOST_DIGITS, read_json


def test_what_is_good_is_read(tmp_path):
    file = tmp_path / "r.json"
    file.write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, "\\ud83d\\ude00", null]}')
    assert read_json(file) == {"a": [1, 2.5, "\U0001f600", None]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "r.json: not JSON: "),
        (b"[NaN]", "r.json: not JSON: NaN is no number"),
        (b"[" + b"1" * (MOST_DIGITS + 1) + b"]", "r.json: not JSON: an integer of 31 digits; allowed are 30"),
        (b"[" * 100_000, "r.json: not JSON: nested too deeply"),
        (b"\xff", "r.json: not a text file: byte 0 is not UTF-8"),
        (b'["\\ud800"]', "r.json: not JSON: half of a character (a lone surrogate)"),
        (b'{"\\udfff": 1}', "r.json: not JSON: half of a character (a lone surrogate)"),
    ],
)
def test_what_is_not_is_refused(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.json").write_bytes(content)
    with pytest.raises(AccelsimError) as error:
        read_json("r.json")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "nowhere.json"])
def test_a_name_no_file_has_is_refused(name):
    with pytest.raises(AccelsimError):
        read_json(name)
