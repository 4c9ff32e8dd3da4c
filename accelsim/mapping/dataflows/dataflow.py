"""Reading a dataflow file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from accelsim.errors import AccelsimError, nearest
from accelsim.workload.problem import Tensor
from accelsim.yamlfile import is_file, named, names

if TYPE_CHECKING:
    from accelsim.mapping.dataflows.spec import AxesSpec, DataflowSpec

HERE = Path(__file__).parent
NAMES: tuple[str, ...] = tuple(sorted(path.stem for path in HERE.glob("*.yaml")))
BEST = "best"
"""The name of no dataflow: any mapping that the machine can carry out."""
AXES = ("y", "x")
DIM_KEYS = (*AXES, "whole", "image", "above", "run", "fill", "pe")


@dataclass(frozen=True)
class Axes:
    """Dims that may be spatial on the two axes of an array, outer to inner."""

    y: tuple[str, ...] = ()
    x: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataflow:
    """A constraint plus an order on mappings; its fields are the keys of its file, told in `spec.DataflowSpec`."""

    name: str
    source: str
    about: str
    keeps: frozenset[Tensor]
    skips: frozenset[Tensor] = frozenset()
    y: tuple[str, ...] = ()
    x: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    image: tuple[str, ...] = ()
    strip: str = ""
    above: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    fill: tuple[str, ...] = ()
    pe: tuple[str, ...] = ()
    arrays: tuple[Axes, ...] = ()


def load(name: str | Path) -> Dataflow:
    """A dataflow by name, a built-in one or one of your own (`accelsim.folders`), or from a YAML file.

    Raises
    ------
    AccelsimError : unknown name (the nearest is named), or SpecError for a file with an unknown key, dim or tensor.
    """
    path = Path(name)
    if is_file(path):
        return read_dataflow(path)
    file = named("dataflow", str(name))
    if file:
        return _built_in(path.stem) if file.parent == HERE else read_dataflow(file)
    if path.suffix in (".yaml", ".yml"):
        raise AccelsimError(f"unknown dataflow '{name}': no such file")
    raise AccelsimError(f"unknown dataflow '{name}'{nearest(str(name), names('dataflow'))}")


def looks_like(data: object) -> bool:
    """Whether a document is rather a dataflow than a mapping: it has a key of one, which is no layer's mapping."""
    from accelsim.mapping.dataflows.spec import DataflowSpec

    keys = data.items() if isinstance(data, dict) else ()
    return any(key in DataflowSpec.model_fields and not isinstance(value, dict) for key, value in keys)


@cache
def _built_in(name: str) -> Dataflow:
    """Read once: every layer of a network asks for it."""
    return read_dataflow(HERE / f"{name}.yaml")


def read_dataflow(path: Path) -> Dataflow:
    """The dataflow in a file; SpecError with everything wrong in it."""
    from accelsim.mapping.dataflows.spec import DataflowSpec
    from accelsim.specs import validate
    from accelsim.yamlfile import read

    spec = validate(read(path), DataflowSpec)
    return Dataflow(
        path.stem,
        spec.source,
        spec.about,
        frozenset(spec.keeps),
        frozenset(spec.skips),
        strip=str(spec.strip or ""),
        arrays=tuple(Axes(**_text(axes, AXES)) for axes in spec.arrays),
        **_text(spec, DIM_KEYS),
    )


def _text(spec: AxesSpec | DataflowSpec, keys: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Dims as plain text, by key."""
    return {key: tuple(str(dim) for dim in getattr(spec, key)) for key in keys}
