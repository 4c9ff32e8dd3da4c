"""Reading a dataflow file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from accelsim.errors import AccelsimError, nearest
from accelsim.workload.problem import DIMS, Tensor

if TYPE_CHECKING:
    from accelsim.yamlfile import Document, Place

HERE = Path(__file__).parent
NAMES: tuple[str, ...] = tuple(sorted(path.stem for path in HERE.glob("*.yaml")))
TENSOR_KEYS = ("keeps", "skips")
AXES = ("y", "x")
DIM_KEYS = (*AXES, "whole", "image", "above", "run", "fill", "pe")
KEYS = ("source", "about", "strip", "arrays", *TENSOR_KEYS, *DIM_KEYS)


@dataclass(frozen=True)
class Axes:
    """Dims that may be spatial on the two axes of an array, outer to inner."""

    y: tuple[str, ...] = ()
    x: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataflow:
    """A constraint plus an order on mappings.

    keeps : tensors that stay inside the PE; the others pass by it.
    skips : tensors that may pass by a buffer above the array that gives them no reuse (`accounting: isca16`).
    y, x : dims that may be spatial on the innermost array, outer to inner; an axis it lacks is the next array's out.
    arrays : dims that may be spatial on the arrays around the innermost, the last one next to it; those of no entry are
        not used. With any, the innermost array's axes are its own only.
    whole : dims unrolled completely in their inner place (as far as the array allows).
    image : dims that are spatial on y too where the ifmap is an image, of at most four channels.
    strip : a dim taken as its widest balanced strip on x, or folded whole over y.
    above, run : dims whose rest runs innermost one level above, and right above, the array; in this order. Where only
        the level right above the array keeps psums, `above` runs there too, outside of `run`.
    fill : dims of `run` of which as many iterations run there as the accumulators (the innermost psums outside the PE)
        hold, the first as far as it goes; what is left is free above the accumulators.
    pe : dims that may run inside the PE, outer to inner. All other loops are free above the array.
    """

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
    """A built-in dataflow by name, or one of your own from a YAML file.

    Raises
    ------
    AccelsimError : unknown name (the nearest is named), or SpecError for a file with an unknown key, dim or tensor.
    """
    if str(name) in NAMES:
        return _built_in(str(name))
    path = Path(name)
    if path.suffix not in (".yaml", ".yml") or not os.path.exists(path):  # noqa: PTH110
        raise AccelsimError(f"unknown dataflow '{name}'{nearest(str(name), NAMES)}")
    return _read(path)


@cache
def _built_in(name: str) -> Dataflow:
    """Read once: every layer of a network asks for it."""
    return _read(HERE / f"{name}.yaml")


def _read(path: Path) -> Dataflow:
    from accelsim.yamlfile import read

    document = read(path)
    data = document.data if isinstance(document.data, dict) else {}
    for key in data:
        if key not in KEYS:
            document.refuse((key,), f"unknown key{nearest(key, KEYS)}", key=True)
    for key in DIM_KEYS:
        _check_names(document, (key,), data.get(key), "dim", DIMS)
    for key in TENSOR_KEYS:
        _check_names(document, (key,), data.get(key), "tensor", [t.value for t in Tensor])
    for at, array in enumerate(data.get("arrays") or ()):
        for key in array:
            if key not in AXES:
                document.refuse(("arrays", at, key), f"unknown key{nearest(key, AXES)}", key=True)
            else:
                _check_names(document, ("arrays", at, key), array[key], "dim", DIMS)
    document.check()
    return Dataflow(
        path.stem,
        str(data.get("source", "")),
        str(data.get("about", "")),
        frozenset(Tensor(t) for t in data.get("keeps") or ()),
        frozenset(Tensor(t) for t in data.get("skips") or ()),
        strip=str(data.get("strip", "")),
        arrays=tuple(Axes(**{key: _dims(array, key) for key in AXES}) for array in data.get("arrays") or ()),
        **{key: _dims(data, key) for key in DIM_KEYS},
    )


def _check_names(
    document: Document, place: Place, names: Sequence[str] | None, noun: str, known: Sequence[str]
) -> None:
    for index, name in enumerate(names or ()):
        if name not in known:
            document.refuse((*place, index), f"unknown {noun} '{name}'{nearest(str(name), known)}")


def _dims(entries: Mapping[str, Sequence[object]], key: str) -> tuple[str, ...]:
    return tuple(str(dim) for dim in entries.get(key) or ())
