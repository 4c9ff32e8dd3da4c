"""Mapping files: ``{layer: {level: {temporal, y, x, bypass}}}``, read and written."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, RootModel, WithJsonSchema

from accelsim.errors import MappingError
from accelsim.mapping.mapping import LevelMapping, Loop, LoopNest, parse_loops
from accelsim.specs import Spec, key, listed, pick, validate
from accelsim.workload.problem import Tensor
from accelsim.yamlfile import Document, read, resolve


def _loops(value: object) -> tuple[Loop, ...]:
    if value is None or value == "":
        return ()
    if not isinstance(value, str | list):
        raise ValueError(f"'{value}' is not a list of loops; write dims and factors, such as N4 P8 C3")
    try:
        return parse_loops(value)
    except MappingError as error:
        raise ValueError(str(error)) from None


FACTORS = "tiles"
_LOOPS_SCHEMA = {"type": ["string", "array", "null"], "items": {"type": "string"}, "examples": ["N4 P8 C3"]}

Loops = Annotated[tuple[Loop, ...], PlainValidator(_loops), WithJsonSchema(_LOOPS_SCHEMA)]
TensorName = Annotated[Tensor, BeforeValidator(pick("tensor", Tensor))]
Bypass = Annotated[tuple[TensorName, ...], BeforeValidator(listed, json_schema_input_type=Tensor | list[Tensor])]


class LevelMappingSpec(Spec):
    """The loops right below one level, and the tensors that pass it by."""

    temporal: Loops = key("Loops in time: dims and factors, outermost first.", (), "one tile is all", FACTORS)
    y: Loops = key("Loops over the rows of its array, outermost first.", (), "the first row alone", FACTORS)
    x: Loops = key("Loops over the columns of its array, outermost first.", (), "the first column alone", FACTORS)
    bypass: Bypass = key(
        "Tensors that pass the level by, which would keep them. Never of the outermost.", (), "it stores what it keeps"
    )

    @property
    def mapping(self) -> LevelMapping:
        """As a value object."""
        return LevelMapping(self.temporal, self.y, self.x, frozenset(self.bypass))


def _filled(value: object) -> object:
    """A level with nothing after its colon has no loops."""
    return {name: body or {} for name, body in value.items()} if isinstance(value, dict) else value


Levels = Annotated[
    dict[str, LevelMappingSpec],
    BeforeValidator(_filled, json_schema_input_type=dict[str, LevelMappingSpec | None]),
    Field(json_schema_extra={"names": "LEVEL"}),
]


class MappingFile(RootModel[dict[str, Levels]]):
    """Mappings of layers by name, each level by level, outermost first."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"names": "LAYER"})


def load_mappings(name: str | Path) -> dict[str, LoopNest]:
    """Read the mappings of a file or a built-in name, by layer.

    Raises SpecError with every error in the file, each with its line and column. Whether a machine can run
    them is for `accelsim.mapping.mapping.check`.
    """
    path = resolve("mapping", name)
    return mappings_of(read(path), path.stem)


def mappings_of(document: Document, source: str = "") -> dict[str, LoopNest]:
    """The mappings of a document already read; `source` is noted in each."""
    spec = validate(document, MappingFile)
    return {
        layer: LoopNest(tuple((name, level.mapping) for name, level in levels.items()), source)
        for layer, levels in spec.root.items()
    }


def dump_mappings(mappings: Mapping[str, LoopNest], comments: Mapping[str, str] | None = None) -> str:
    """The YAML text of some mappings, one line for each level; `load_mappings` reads it back.

    comments : what stands above a layer.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    tree = CommentedMap()
    for layer, nest in mappings.items():
        tree[layer] = CommentedMap()
        for level, body in nest.to_dict().items():
            tree[layer][level] = CommentedMap(body)
            tree[layer][level].fa.set_flow_style()
        if comments and layer in comments:
            tree.yaml_set_comment_before_after_key(layer, before=comments[layer])
    yaml = YAML()
    yaml.width = 4096
    text = io.StringIO()
    yaml.dump(tree, text)
    return text.getvalue()
