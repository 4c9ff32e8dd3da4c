"""Every key of every kind of file says what it is, its unit, its default and what holds without it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from accelsim import yamlfile
from accelsim.architecture.dram.spec import PRESETS, PresetSpec
from accelsim.architecture.yaml import architecture_of
from accelsim.errors import SpecError
from accelsim.report.keys import page
from accelsim.specs import REFUSED, json_schema, plain, spelled
from accelsim.workload.blocks import BlockUse
from schemas import errors

PAGE = Path(__file__).parents[2] / "docs" / "keys.md"


def roots() -> Iterator[type[BaseModel]]:
    for kind in yamlfile.KINDS.values():
        yield getattr(importlib.import_module(kind.module), kind.model)
    yield PresetSpec
    yield BlockUse


def models(of: Any, seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """A model and all below it."""
    below = list(get_args(of))
    if isinstance(of, type) and issubclass(of, BaseModel) and of not in seen:
        seen.add(of)
        yield of
        for field in of.model_fields.values():
            below += [field.annotation, *(getattr(one, "json_schema_input_type", None) for one in field.metadata)]
    for inner in below:
        yield from models(inner, seen)


def every_model() -> list[type[BaseModel]]:
    seen: set[type[BaseModel]] = set()
    return [model for root in roots() for model in models(root, seen)]


def test_the_walk_meets_every_model():
    names = {model.__name__ for model in every_model()}
    assert names >= {
        "ArchitectureSpec", "LevelSpec", "NetworkSpec", "PortsSpec", "LinkSpec", "PeSpec", "CartesianSpec", "DramSpec",
        "BlockSpec", "BlockUse", "WorkloadSpec", "Conv", "Depthwise", "FullyConnected", "Lstm", "Matmul", "Pool", "Add",
        "Elementwise", "Softmax", "Norm", "Concat", "Positions", "Explicit", "ProblemSpec", "DensitySpec",
        "LevelMappingSpec", "EnergySpec", "ComponentSpec", "MacSpec", "DataflowSpec", "AxesSpec", "PresetSpec",
    }  # fmt: skip


@pytest.mark.parametrize("model", every_model(), ids=lambda model: f"{model.__module__}.{model.__name__}")
def test_every_key_is_told(model):
    assert model.__doc__
    schema = model.model_json_schema()
    if "properties" not in schema:
        assert model.__name__ == "MappingFile"
        return
    for name, field in model.model_fields.items():
        key = field.alias or getattr(field.validation_alias, "choices", [name])[0]
        said = schema["properties"][key]
        left_out = said["if_left_out"]
        assert said["description"].endswith("."), key
        assert said["unit"], key
        assert left_out, key
        assert (left_out == REFUSED) == field.is_required() == (key in required(schema)), key
        if field.is_required():
            continue
        default = plain(field.default)
        assert said["default"] == default, key
        if default not in (None, "", [], {}) and not isinstance(default, dict):
            assert left_out.startswith(f"`{spelled(default)}`"), key


def required(schema: dict[str, Any]) -> set[str]:
    return {key for one in (schema, *schema.get("anyOf", ())) for key in one.get("required", ())}


def files() -> Iterator[tuple[str, Path]]:
    for kind in yamlfile.KINDS:
        yield from ((kind, path) for path in sorted(yamlfile.folder(kind).glob("*.yaml")))


@pytest.mark.parametrize("kind", yamlfile.KINDS)
def test_json_schema(kind):
    schema = json_schema(kind)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["type"] == "object"
    with pytest.raises(SpecError, match=r"unknown kind of file; did you mean 'arch'\?"):
        json_schema("arhc")


@pytest.mark.parametrize("kind", yamlfile.KINDS)
def test_the_schema_takes_every_shipped_file(kind):
    schema = json_schema(kind)
    shipped = [path for of, path in files() if of == kind]
    assert shipped
    for path in shipped:
        assert not list(errors(schema, yamlfile.read(path).data)), path.name


def test_the_schema_of_presets():
    for path in PRESETS.glob("*.yaml"):
        assert not list(errors(PresetSpec.model_json_schema(), yamlfile.read(path).data))


@pytest.mark.parametrize(
    ("kind", "text", "right"),
    [
        ("arch", "padding: inside", False),
        ("arch", "padding: $where", True),
        ("arch", "levels: [{name: A, halo_reuse: $p}]", True),
        ("arch", "pe: {macs: 0}", False),
        ("arch", "pe: {macs: two}", False),
        ("arch", "pe: {mac: 1}", False),
        ("arch", "levels: [{name: A, capacity: {ifmap + psum: 4 KiB}, link: {width: $w}}]", True),
        ("workload", "layers: {A: {op: fc, M: 4}}", True),
        ("workload", "layers: {A: {op: fc, K: 4}}", True),
        ("workload", "layers: {A: {op: fc}}", False),
        ("workload", "layers: {A: {op: maxpool, when: $p}, B: {op: avgpool, kernel: [2, 3]}}", True),
        ("workload", "layers: {A: {op: maxpool, kernel: [1, 2, 3]}}", False),
        ("workload", "layers: {A: {op: relu}}", False),
        ("workload", "bits: {ifmap: 65}", False),
        ("workload", "layers: {A$i: {block: b, times: $n, set: {M: 2}}}", True),
        ("workload", "layers: {A: {block: b, time: 2}}", False),
        ("workload", "blocks: {b: {layers: {A: {op: fc, M: $M}, B: {block: c}}}}", True),
        ("workload", "blocks: {b: {layers: {A: {op: fc, N: $M}}}}", False),
        ("workload", "layers: {A: {op: fc, M: 1, density: {ifmap: 0.5, ofmap: {pattern: '2:4'}}}}", True),
        ("workload", "layers: {A: {op: fc, M: 1, density: {psum: 0.5}}}", False),
        ("mapping", "A: {DRAM: {temporal: N4}, RF: }", True),
        ("mapping", "A: {DRAM: {time: N4}}", False),
        ("energy", "components: {A: B, C: {read: {8 KiB: 1}, write: 2}}", True),
        ("energy", "mac: 1", True),
        ("energy", "mac: {multiply: 1}", False),
        ("dataflow", "y: [C]", True),
        ("dataflow", "y: C", True),
        ("dataflow", "y: [D]", False),
        ("dataflow", "keep: [psum]", False),
    ],
)
def test_an_editor_would_say_so(kind, text, right):
    schema = json_schema(kind)
    if kind != "mapping":
        schema.pop("required", None)
    assert (not list(errors(schema, yamlfile.parse(text).data))) is right


MACHINE = """
name: m
source: test
clock: 100 MHz
word: {WORD}
{PE}
{TOP}
levels:
  - name: DRAM
    {OUTER}
    array:
      size: {y: 2, x: 2}
      {ARRAY}
      networks:
        ifmap: {kind: {IFMAP}}
        psum: {kind: {PSUM}}
  - {name: RF, {RF}}
"""


@pytest.mark.parametrize(
    ("where", "before", "after"),
    [
        ("TOP", "", "padding: on-chip"),
        ("TOP", "", "lowering: none"),
        ("PE", "pe: {}", "pe: {macs: 1}"),
        ("PE", "", "pe: {macs: 1, pipeline: 0, gate: [], skip: [], pairing: column, drift: 1, queue: 1}"),
        ("PE", "pe: {cartesian: {}}", "pe: {macs: 16, cartesian: {}}"),
        (
            "PE",
            "pe: {cartesian: {}}",
            "pe: {cartesian: {ifmaps: 4, filters: 4, banks: 32, entries: 32, fifo: 4, group: 8}}",
        ),
        ("RF", "component: RF", "component: RF, keeps: [ifmap, filter, psum]"),
        ("RF", "buffer: {ifmap: double}", "buffer: {ifmap: double, filter: single}"),
        ("RF", "halo_reuse: true", "buffer: single"),
        ("OUTER", "link: {width: 8 b}", "link: {width: 8 b, clock: 100 MHz}"),
        ("OUTER", "link: {width: 8 b}", "link: {width: 8 b, latency: 0}"),
        ("OUTER", "", "dram: none"),
        ("OUTER", "dram: ddr4_2400", "dram: {preset: ddr4_2400, channels: 1, page: open, map: RoBaCoBgCh, queue: 32}"),
        ("OUTER", "dram: ddr4_2400", "dram: {preset: ddr4_2400, CL: 17, tRP: 17, tRCD: 14.16 ns, row: 8 KiB}"),
        ("ARRAY", "passes: {serial: filter}", "passes: {serial: filter, lead: true}"),
        ("ARRAY", "", "skew: false"),
        ("PSUM", "tree", "tree, reduce: [C, R, S]"),
        ("PSUM", "systolic", "systolic, reduce: [C, R, S], accumulate: refill"),
        ("PSUM", "crossbar", "crossbar, reduce: []"),
        ("PSUM", "multicast, width: 2 b", "multicast, in: 2 b, out: 2 b"),
        ("PSUM", "mesh, width: 2 b", "mesh, width: 2 b, accumulate: on-drain, reduce: [], ports: corner"),
        ("IFMAP", "mesh, width: 2 b", "mesh, width: 2 b, hop_latency: 1, latency: 0"),
        ("IFMAP", "multicast", "multicast, tags: false"),
    ],
)
def test_left_out_is_as_told(where, before, after):
    """The same machine comes of a file without a key and of one that says what is told to hold without it."""
    plain_parts = {"WORD": "8 b", "PE": "", "TOP": "", "OUTER": "", "ARRAY": "", "IFMAP": "multicast", "PSUM": "tree"}

    def machine(text: str) -> object:
        whole = MACHINE
        for name, part in {**plain_parts, "RF": "keeps: [ifmap, filter, psum]", where: text}.items():
            whole = whole.replace(f"{{{name}}}", part)
        return architecture_of(yamlfile.parse(whole, "m.yaml"))

    assert machine(before) == machine(after)


def test_the_page_is_what_the_schemas_say():
    assert PAGE.read_text(encoding="utf-8") == page(yamlfile.KINDS), "write it anew: accelsim schema --markdown"


def test_the_page_has_every_key():
    text = PAGE.read_text(encoding="utf-8")
    for model in every_model():
        for key in model.model_json_schema().get("properties", {}):
            assert f"| `{key}` |" in text or key == "op"
