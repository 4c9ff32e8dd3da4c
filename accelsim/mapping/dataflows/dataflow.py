"""Reading a dataflow file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from accelsim.errors import AccelsimError, Issue, SpecError, nearest
from accelsim.workload.problem import DIMS, Tensor

HERE = Path(__file__).parent
NAMES: tuple[str, ...] = tuple(sorted(path.stem for path in HERE.glob("*.yaml")))
TENSOR_KEYS = ("keeps", "skips")
DIM_KEYS = ("y", "x", "whole", "above", "run", "pe")
KEYS = ("source", "about", "strip", *TENSOR_KEYS, *DIM_KEYS)


@dataclass(frozen=True)
class Dataflow:
    """A constraint plus an order on mappings.

    keeps : tensors that stay inside the PE; the others pass by it.
    skips : tensors that may pass by a buffer above the array that gives them no reuse (`accounting: isca16`).
    y, x : dims that may be spatial on the innermost array, outer to inner.
    whole : dims unrolled completely in their inner place (as far as the array allows).
    strip : a dim taken as its widest balanced strip on x, or folded whole over y.
    above, run : dims whose rest runs innermost one level above, and right above, the array; in this order.
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
    strip: str = ""
    above: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    pe: tuple[str, ...] = ()


def load(name: str | Path) -> Dataflow:
    """A built-in dataflow by name, or one of your own from a YAML file.

    Raises
    ------
    AccelsimError : unknown name (the nearest is named), or SpecError for a file with an unknown key, dim or tensor.
    """
    path = HERE / f"{name}.yaml"
    if str(name) not in NAMES:
        path = Path(name)
        if path.suffix not in (".yaml", ".yml") or not path.exists():
            raise AccelsimError(f"unknown dataflow '{name}'{nearest(str(name), NAMES)}")
    from accelsim.yamlfile import read

    document = read(path)
    data = document.data if isinstance(document.data, dict) else {}
    issues = [Issue(str(path), key, f"unknown key{nearest(key, KEYS)}") for key in data if key not in KEYS]
    for key in DIM_KEYS:
        issues += [
            Issue(str(path), key, f"unknown dim '{dim}'{nearest(str(dim), DIMS)}")
            for dim in data.get(key) or ()
            if dim not in DIMS
        ]
    known = [t.value for t in Tensor]
    for key in TENSOR_KEYS:
        issues += [
            Issue(str(path), key, f"unknown tensor '{t}'{nearest(str(t), known)}")
            for t in data.get(key) or ()
            if t not in known
        ]
    if issues:
        raise SpecError(issues)
    lists = {key: tuple(str(d) for d in data.get(key) or ()) for key in DIM_KEYS}
    return Dataflow(
        path.stem,
        str(data.get("source", "")),
        str(data.get("about", "")),
        frozenset(Tensor(t) for t in data.get("keeps") or ()),
        frozenset(Tensor(t) for t in data.get("skips") or ()),
        strip=str(data.get("strip", "")),
        **lists,
    )
