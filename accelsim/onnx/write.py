"""A workload file as a person would write it: a line for each layer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from accelsim.workload.coverage import Coverage

WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z_][\w./\-]*(\$i)?")
_RESERVED = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def text(keys: Mapping[str, Any], coverage: Coverage, notes: Mapping[str, str]) -> str:
    """The file; in comments, what of the graph its layers cover, and what there is to say of some of them."""
    told = "\n".join(f"# {line}" for line in wrap("; ".join(coverage.lines()), WIDTH))
    parts = [told, f"name: {_scalar(keys['name'])}", f"source: {_scalar(keys['source'])}"]
    parts += [f"{key}: {_flow(keys[key])}" for key in ("batch", "bits", "input") if key in keys]
    for name, block in keys.get("blocks", {}).items():
        parts += [*(["blocks:"] if name == next(iter(keys["blocks"])) else []), f"  {_scalar(name)}:"]
        parts += [f"    inputs: {_flow(block['inputs'])}"] if "inputs" in block else []
        parts += ["    layers:", *(f"      {_scalar(own)}: {_flow(layer)}" for own, layer in block["layers"].items())]
    parts.append("layers:")
    for name, layer in keys["layers"].items():
        parts.append(f"  {_scalar(name)}: {_flow(layer)}{f'  # {notes[name]}' if name in notes else ''}")
    return "\n".join(parts) + "\n"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    word = str(value)
    return word if _PLAIN.fullmatch(word) and word.lower() not in _RESERVED else json.dumps(word, ensure_ascii=False)
