"""A result read back from its file: each field that is missing, of another type or impossible is named."""

import json
import math

import pytest

from accelsim.errors import AccelsimError
from accelsim.report.document import read_document
from fuzz.test_results import DOCUMENT


@pytest.mark.parametrize(
    ("keys", "value", "right"),
    [
        (("levels",), 5, "levels: should be a list, got '5'"),
        (("levels",), ["GLB", "GLB"], "levels: names a level twice"),
        (("total",), [], "total: should be a mapping of keys to values, got a list"),
        (("energy_table",), None, "energy_table: should be a name, got nothing"),
        (("batch",), "x", "batch: should be a whole number, got 'x'"),
        (("workload",), "a\nb", "workload: a name holds U+000A, which does not print"),
        (("workload",), "x" * 100_000, "workload: a name has at most 200 letters, got 100,000"),
        (("energy_unit",), "pj", "energy_unit: unknown unit 'pj'; did you mean 'pJ'? (pJ, MAC)"),
        (("layers", 0, "energy"), -1, "layers.0.energy: an energy must lie in 0 to 1e+100, got -1"),
        (("layers", 0, "macs"), "many", "layers.0.macs: should be a whole number, got many"),
        (("layers", 1, "energy_breakdown", 0, "energy"), math.nan, "not JSON: NaN is no number"),
        (("layers", 1, "energy_breakdown", 0, "energy"), True, "energy: should be a number, got bool"),
        (("layers", 1, "energy_breakdown", 0, "tensor"), "psums", "did you mean 'psum'?"),
        (("total", "energy"), 10**400, "not JSON: an integer of 401 digits; allowed are 30"),
        (("total", "energy"), 1e101, "total.energy: an energy must lie in 0 to 1e+100, got 1e+101"),
        (("layers", 0, "repeat"), 10**29, "layers.0.repeat: a whole number must be at most 2^60"),
        (("total", "energy"), 3.0, "total.energy: is 3, but the layers' adds up to 2155.5"),
    ],
)
def test_a_field_that_is_wrong(tmp_path, keys, value, right):
    document = json.loads(json.dumps(DOCUMENT))
    inside = document
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = value
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(AccelsimError) as error:
        read_document(tmp_path / "r.json")
    assert right in str(error.value)
    assert len(str(error.value)) < 1_000


@pytest.mark.parametrize("key", [key for key in DOCUMENT if key not in ("batch", "operands", "energy_accounting")])
def test_a_field_that_is_missing(tmp_path, key):
    (tmp_path / "r.json").write_text(json.dumps({name: value for name, value in DOCUMENT.items() if name != key}))
    with pytest.raises(AccelsimError, match=f"{key}: missing|not a result"):
        read_document(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
        ('{"layers": ' + "9" * 5000 + "}", "not JSON"),
        ("[]", "not a result"),
        ("\ufeff{}", "not a result"),
    ],
)
def test_what_is_no_document(tmp_path, text, right):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(AccelsimError, match=right):
        read_document(tmp_path / "r.json")


def test_what_is_no_file(tmp_path):
    (tmp_path / "b.json").write_bytes(b"\xff")
    for name, right in (
        ("b.json", "byte 0 is not UTF-8"),
        ("x" * 5000, "File name too long"),
        ("a\0.json", "null byte"),
    ):
        with pytest.raises(AccelsimError, match=right):
            read_document(tmp_path / name)
