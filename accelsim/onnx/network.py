"""An ONNX file as a network, and as the workload file that gives the same."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from accelsim.errors import SpecError, WorkloadError
from accelsim.onnx.graph.follow import follow
from accelsim.onnx.graph.read import Dims, read
from accelsim.onnx.graph.records import Model
from accelsim.onnx.layers.lower import lower
from accelsim.onnx.repeats import folded
from accelsim.onnx.weights import Weights, pattern, told
from accelsim.onnx.write import text
from accelsim.workload.coverage import Coverage
from accelsim.workload.network import Network
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import Document, parse


def load(path: str | Path, batch: int = 1, dims: Dims | None = None) -> Network:
    """The network of a file, for `batch` times as many images as its graph has; `dims` as `follow` takes them.

    Raises WorkloadError, one line: a damaged file, sizes that are missing, nodes that no layer can stand for.
    """
    return network(read(path), batch, dims)


def network(model: Model, batch: int = 1, dims: Dims | None = None) -> Network:
    """The network of a graph that was read."""
    keys, coverage = document(model, dims)
    try:
        found = network_of(Document(model.file, keys), batch)
    except SpecError as error:
        raise WorkloadError(str(error.issues[0])) from None
    return replace(found, coverage=coverage)


def document(model: Model, dims: Dims | None = None) -> tuple[dict[str, Any], Coverage]:
    """The keys of a workload file that gives the same network, and what of the graph it covers."""
    return lower(follow(model, dims))


def _densities(weights: Weights, keys: dict[str, Any]) -> dict[str, str]:
    """Put the densities of stored filters into a workload's keys; what to say of the words of each."""
    notes = {}
    for name, layer in keys["layers"].items():
        words = weights.filter(name)
        if words is None:
            continue
        notes[name] = told(words)
        if found := pattern(words):
            layer["density"] = {"filter": {"pattern": f"{found[0]}:{found[1]}"}}
        elif left := words.size - np.count_nonzero(words):
            layer["density"] = {"filter": (words.size - left) / words.size}
    return notes


def convert(path: str | Path, dims: Dims | None = None, weights: bool = False) -> str:
    """The text of a workload file; with `weights`, how many of them are not zero, and what they are, in comments.

    It is read back: AccelsimError if it gave another network.
    """
    model = read(path)
    keys, coverage = document(model, dims)
    notes = _densities(Weights(path, dims), keys) if weights else {}
    wanted = network_of(Document(model.file, deepcopy(keys)))
    blocks, layers = folded(keys["layers"]) if not notes else ({}, {})
    for written in (*([{**keys, "blocks": blocks, "layers": layers}] if blocks else []), keys):
        found = text(written, coverage, notes)
        if network_of(parse(found, f"{model.file} as YAML")) == wanted:
            return found
    raise WorkloadError(f"{model.file}: the workload file would not give the same network")
